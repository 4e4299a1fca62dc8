"""Commands over simulated worlds: make one, post from it, look into it.

With cli.py the only file that imports the simulator, inside the commands that need it.
"""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from service.options import Artifact, err, fail, load_engine, out, show

app = typer.Typer()

DEMO_FIRMS, DEMO_MONTHS, DEMO_SEED = 10_000, 36, 7


@app.command()
def generate(
    to: Annotated[Path, typer.Option("--out", help="folder to write Parquet files into")],
    firms: Annotated[int, typer.Option(min=1, help="number of firms")] = DEMO_FIRMS,
    months: Annotated[int, typer.Option(min=1, help="months from January 2018 on")] = DEMO_MONTHS,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same bytes")] = DEMO_SEED,
) -> None:
    """Simulate a small economy of fictional firms and write what the sources saw of it."""
    started = time.perf_counter()
    simulate(to, firms, months, seed)
    seconds = time.perf_counter() - started
    out.print(f"{firms:,} firms x {months} months in {seconds:.1f} s -> {to}")


@app.command()
def application(
    story: Annotated[str | None, typer.Option(help="which story; leave out to list them")] = None,
    zero_material: Annotated[
        bool, typer.Option("--zero-material", help="for /v1/applications: no credit file")
    ] = False,
) -> None:
    """Print the applicant JSON of a story, ready to be posted."""
    import msgspec

    from synthetic_data.stories import STORIES
    from synthetic_data.stories import application as posted

    if story is None:
        for code, told in STORIES.items():
            out.print(f"{code:22} {told.title_en} / {told.title_zh}", soft_wrap=True)
        return
    if story not in STORIES:
        fail(f"--story: got {story!r}, expected one of {', '.join(STORIES)}")
    request: dict[str, Any] = posted(story)
    shown = without_file(request["application"]) if zero_material else request
    show(msgspec.json.encode(shown))


def without_file(application: dict[str, Any]) -> dict[str, Any]:
    """An application as it is posted without a credit file, its consent signed for years."""
    from hashlib import sha256

    consent = application["consent"]
    signed = f"{application['applicant']} {consent['granted']} {consent['sources']}"
    evidence = {"expires": "2099-01-01", "evidence_sha256": sha256(signed.encode()).hexdigest()}
    return application | {"consent": consent | evidence}


@app.command()
def boom(artifact: Artifact = None) -> None:
    """The mask maker's boom: what we lend, what extrapolating would, and what became of it."""
    import msgspec
    from rich.table import Table

    from service.application import parse
    from service.decide import decide as decided
    from synthetic_data.boom import extrapolated_yuan, fates
    from synthetic_data.stories import boomed

    engine, at, rate = load_engine(artifact), datetime.now(UTC), 0.0305
    table = Table(title="Lent to the mask maker for 12 months, million yuan", title_justify="left")
    for column in ("boom", "lender", "limit", "set by", "defaults", "lost, mean of futures"):
        table.add_column(column, justify="left" if column in ("lender", "set by") else "right")
    for multiple in (1.0, 5.0, 12.0):
        request = parse(msgspec.json.encode(boomed(multiple)[0]), date.max)
        decision = decided(request, engine, decision_id="", decided_at=at, tick=int)
        invoices = request.credit_file.invoices
        believed_yuan = extrapolated_yuan(
            invoices.sales_yuan if invoices else [], engine.policy.limit.sales_share
        )
        lent = (decision.limit_yuan, believed_yuan)
        for name, cap, fate in zip(
            (f"ours: {decision.verdict}", "extrapolating"),
            (decision.limit_cap, "growth of six months, twice more"),
            fates(multiple, lent, rate),
            strict=True,
        ):
            table.add_row(
                f"x {multiple:g}", name, f"{fate.amount_yuan / 1e6:,.1f}", cap,
                f"{fate.defaulted:.2%}", f"{fate.lost_yuan / 1e6:,.2f}",
            )  # fmt: skip
    out.print(table)


@app.command()
def remedies(
    blocks: Annotated[int, typer.Option(min=1, help="thousands of firms to simulate")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="of the world")] = DEMO_SEED,
    artifact: Artifact = None,
) -> None:
    """Show how often following the way to yes lowers the true probability of default."""
    from rich.progress import track

    from service.application import Application, Consent, Request
    from service.decide import dates
    from service.recourse import recourse as ways
    from service.tables import remedies_table
    from synthetic_data.remedy import applicants

    engine, seen = load_engine(artifact), []
    for block in track(range(blocks), "simulating", console=err):
        for one in applicants(seed, block, DEMO_MONTHS):
            consented: list[Any] = list(dates(one.credit_file))
            request = Request(
                application=Application(
                    applicant=one.credit_file.uscc, amount_yuan=one.amount_yuan,
                    tenor_months=one.tenor_months, purpose=cast(Any, one.purpose),
                    consent=Consent(granted=one.credit_file.as_of, sources=consented),
                ),
                credit_file=one.credit_file,
            )  # fmt: skip
            found = ways(request, engine)
            if found.verdict == "approve" or not found.suggestions:
                continue
            first = found.suggestions[0]
            done = {move.code: (move.becomes, move.pay_yuan) for move in first.changes}
            before, after = (one.pd_12m(first.limit_yuan, did) for did in ({}, done))
            seen.append((" + ".join(sorted(done)), before, after))
    out.print(remedies_table(seen))


@app.command()
def exchange(
    world: Annotated[Path | None, typer.Option(help="folder of a world; left out: stories")] = None,
    port: Annotated[int, typer.Option(help="port to listen on")] = 8001,
    delays: Annotated[
        str, typer.Option(help="none, realistic, one-slow or one-dead: exchange.toml")
    ] = "realistic",
    dead: Annotated[list[str] | None, typer.Option(help="a source that never answers")] = None,
    slow: Annotated[list[str] | None, typer.Option(help="a source that takes seconds")] = None,
    seed: Annotated[int, typer.Option(help="of delays and errors")] = DEMO_SEED,
) -> None:
    """Start a data exchange: every source of a world's firms and of the stories, over HTTP.

    With each firm's latest credit file; nothing is said without a consent.
    """
    import uvicorn

    from service.exchange import Exchange, create_exchange, profile

    faults = profile(delays, dead or [], slow or [])
    kept = latest_files(world)
    err.print(f"http://127.0.0.1:{port}  data exchange, {len(kept):,} firms, delays {delays}")
    served = create_exchange(
        Exchange(lambda uscc: _unpacked(kept.get(uscc)), list(kept), faults, seed)
    )
    uvicorn.run(
        served, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )


def latest_files(world: Path | None) -> dict[str, bytes]:
    """USCC -> its latest credit file, compressed; first the stories', then a world's firms'."""
    import zlib

    import msgspec

    from synthetic_data.stories import STORIES
    from synthetic_data.stories import application as posted

    class File(msgspec.Struct):
        uscc: str
        as_of: str

    about, found = msgspec.json.Decoder(File).decode, {}
    dated: dict[str, str] = {}

    def keep(stored: bytes) -> None:
        file = about(stored)
        if file.as_of > dated.get(file.uscc, ""):
            dated[file.uscc], found[file.uscc] = file.as_of, zlib.compress(stored, 1)

    for code in STORIES:
        keep(msgspec.json.encode(posted(code)["credit_file"]))
    if world is not None:
        for stored in _stored_files(world):
            keep(stored)
    return found


def asking_firms(world: Path, most: int) -> Iterator[dict[str, Any]]:
    """Applications of different firms of a world, without their credit files."""
    import msgspec

    from model.credit_file import SOURCES
    from service.backtest import cases, world_chunks

    seen: set[str] = set()
    for chunk in world_chunks(world):
        for case in cases(chunk):
            if case.application.applicant in seen:
                continue
            if len(seen) == most:
                return
            seen.add(case.application.applicant)
            application: dict[str, Any] = msgspec.to_builtins(case.application)
            application["consent"]["sources"] = [*SOURCES]
            yield without_file(application)


def _stored_files(world: Path) -> Iterator[bytes]:
    from pyarrow.parquet import ParquetFile

    path = world / "credit_files.parquet"
    if not path.is_file():
        fail(f"{path}: no such file; expected what `yidaitong generate` writes")
    for batch in ParquetFile(path).iter_batches(1_000, columns=["credit_file"]):
        yield from (one.as_buffer().to_pybytes() for one in batch.column(0))


def _unpacked(kept: bytes | None) -> bytes | None:
    import zlib

    return None if kept is None else zlib.decompress(kept)


def simulate(to: Path, firms: int, months: int, seed: int) -> None:
    """Write a world's files into a folder, with a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from synthetic_data.world import generate as simulated

    with Progress(
        "simulating firms", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err
    ) as bar:
        task = bar.add_task("", total=firms)
        simulated(to, firms, months, seed, lambda done: bar.advance(task, done))
