"""Commands over simulated worlds: make one, post from it, look into it.

With cli.py the only file that imports the simulator, inside the commands that need it.
"""

import time
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
    show(msgspec.json.encode(posted(story)))


@app.command()
def causes(
    world: Annotated[Path, typer.Option(help="folder of a world whose truth is known")],
    artifact: Artifact = None,
) -> None:
    """How often our four reasons contain why a firm defaulted, beside SHAP and chance."""
    from service.causes import causes as measured
    from service.causes import table

    scorer = load_engine(artifact).scorer
    with err.status("measuring") as status:
        found = measured(world, scorer, lambda said: status.update(f"measuring: {said}"))
    if not found:
        fail(f"{world}: has no truth.parquet; expected a world that `yidaitong generate` wrote")
    out.print(table(found))
    if found[0].shap is None:
        out.print("shap is not installed: uv sync --extra peers")


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


def simulate(to: Path, firms: int, months: int, seed: int) -> None:
    """Write a world's files into a folder, with a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from synthetic_data.world import generate as simulated

    with Progress(
        "simulating firms", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err
    ) as bar:
        task = bar.add_task("", total=firms)
        simulated(to, firms, months, seed, lambda done: bar.advance(task, done))
