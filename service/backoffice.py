"""Commands that make decisions again: replay, backtest, frontier, shadow."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.options import (
    Artifact,
    LedgerUrl,
    err,
    fail,
    load_engine,
    out,
    settings_of,
    write_json,
)

if TYPE_CHECKING:
    from service.backtest import Chunk

app = typer.Typer()
policy_app = typer.Typer(no_args_is_help=True, help="Look at a policy file.")
app.add_typer(policy_app, name="policy")


@app.command()
def replay(
    decision_id: Annotated[str, typer.Argument(help="decision_id of an earlier reply, or `all`")],
    ledger: LedgerUrl = None,
    artifact: Artifact = None,
) -> None:
    """Make recorded decisions again and compare the bytes; exit 1 when one differs.

    Each with the scorecard, policy and catalogue it was made with, kept beside the ledger.
    """
    from service.archive import Archive
    from service.chain import erased
    from service.ledger import open_ledger
    from service.replay import replay as replayed
    from service.replay import versions_of

    engine, url = load_engine(artifact), settings_of(ledger=ledger).ledger
    archive, differing = Archive.beside(url), 0
    with open_ledger(url, read_only=True) as records:
        found = records.get(decision_id)
        if found is None and decision_id != "all":
            fail(f"{decision_id!r} is not in the ledger; expected a decision_id, or `all`")
        chosen = [found] if found else records.records()
        count = gone = 0
        for record in chosen:
            if erased(record):
                gone += 1
                continue
            count += 1
            made_with = archive.engine(versions_of(record)) or engine
            result = replayed(record, made_with)
            if not result.same:
                differing += 1
                err.print(f"{result.decision_id} differs at {result.difference}", soft_wrap=True)
    out.print(f"{count} replayed, {count - differing} with the same bytes, {differing} different")
    if gone:
        out.print(f"{gone} not replayed: their personal data were erased")
    raise typer.Exit(1 if differing else 0)


@policy_app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="left out: the packaged one")] = None,
    json: Annotated[bool, typer.Option("--json", help="findings as JSON")] = False,
) -> None:
    """Find mistakes in policy files; exit 1, naming lines and what to do, when there are any."""
    import msgspec

    from service.decide import DEFAULT_POLICY
    from service.linter import lint

    findings = [
        one for file in files or [DEFAULT_POLICY] for one in lint(file, datetime.now(UTC).date())
    ]
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(findings), indent=1))
    else:
        for one in findings:
            out.print(str(one), soft_wrap=True, markup=False)
        out.print(f"{len(findings)} found")
    raise typer.Exit(1 if findings else 0)


@app.command()
def backtest(
    policy: Annotated[Path | None, typer.Option(help="policy to try; left out: as it is")] = None,
    scorecard: Annotated[Path | None, typer.Option(help="folder of a scorecard to try")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="product catalogue to try")] = None,
    world: Annotated[Path | None, typer.Option(help="decide this world's applications")] = None,
    ledger: LedgerUrl = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="processes; one a core")] = None,
    json: Annotated[Path | None, typer.Option(help="also write every sum as JSON")] = None,
    artifact: Artifact = None,
) -> None:
    """Decide all past applications again, as now and with something changed; compare."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from service import backtest as backtests
    from service.tables import backtest_table

    if (world is None) == (ledger is None):
        fail("backtest: expected exactly one of --world DIR and --ledger URL")
    settings = settings_of(artifact=artifact)
    load_engine(artifact)  # makes the demo's scorecard when there is none
    was = backtests.Parts(
        settings.artifact,
        settings.policy_file,
        settings.catalogue_file,
    )
    now = backtests.Parts(
        scorecard or was.artifact, policy or was.policy, catalogue or was.catalogue
    )
    now.load()  # refuses a policy that cannot be used before any work is done
    chunks: Iterable[Chunk]
    total: int | None = None
    if world is not None:
        chunks = of_world = backtests.world_chunks(world)
        total = sum(chunk.applications for chunk in of_world)
    else:
        chunks = backtests.ledger_chunks(str(ledger))
    whole = backtests.Result()
    on: date | None = since.date() if since else None
    with Progress(
        "deciding again", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err
    ) as bar:
        task = bar.add_task("", total=total)
        for part in backtests.backtest(chunks, was, now, on, workers):
            whole.add(part)
            bar.advance(task, sum(swap.tally.applications for swap in part.swaps.values()))
    out.print(backtest_table(whole))
    if json is not None:
        said = {f"{a} -> {b}": swap for (a, b), swap in sorted(whole.swaps.items())}
        clock = {"timed": whole.timed, "was_ns": whole.was_ns, "now_ns": whole.now_ns}
        write_json(json, {"swaps": said, **clock})


@app.command()
def frontier(
    world: Annotated[Path, typer.Option(help="a world whose outcomes are known")],
    to: Annotated[Path, typer.Option("--out", help="HTML file to write")],
    cut_off: Annotated[float, typer.Option(min=0.001, max=1, help="pd_12m to compare at")] = 0.08,
    most: Annotated[int, typer.Option(min=1, help="applications looked at, about")] = 40_000,
    artifact: Artifact = None,
) -> None:
    """Show approval against default for every cut-off, and what each source is worth."""
    import os

    from rich.progress import BarColumn, Progress, TimeElapsedColumn
    from rich.table import Table

    from service import frontier as frontiers
    from service.backtest import Parts, world_chunks

    settings, chunks = settings_of(artifact=artifact), world_chunks(world)
    load_engine(artifact)
    parts = Parts(
        settings.artifact,
        settings.policy_file,
        settings.catalogue_file,
    )
    every = max(1, sum(chunk.applications for chunk in chunks) // most)
    columns = (BarColumn(), TimeElapsedColumn())
    with Progress("rating without each source", *columns, console=err) as bar:
        found = frontiers.merged(
            bar.track(
                frontiers.frontier(chunks, parts, every, os.cpu_count() or 1), total=len(chunks)
            )
        )
    frontiers.write(found, to, cut_off)
    table = Table(title=f"Against all sources at a cut-off of {cut_off:.1%}", title_justify="left")
    for column in ("", "default rate at equal approval", "approved at equal default rate"):
        table.add_column(column, justify="right" if column else "left")
    for row in frontiers.rows(found, cut_off):
        table.add_row(*row)
    out.print(table)
    out.print(f"{found.applications:,} applications -> {to}", soft_wrap=True)


@app.command()
def shadow(
    ledger: Annotated[str, typer.Option(help="the champion's ledger, which may be in use")],
    to: Annotated[str, typer.Option(help="the challenger's own ledger")],
    scorecard: Annotated[Path | None, typer.Option(help="the challenger's scorecard")] = None,
    policy: Annotated[Path | None, typer.Option(help="the challenger's policy")] = None,
    once: Annotated[bool, typer.Option("--once", help="stop when all is decided")] = False,
    artifact: Artifact = None,
) -> None:
    """Let a challenger decide what the champion decided, in a ledger of its own."""
    import time

    from service.decide import Engine
    from service.ledger import open_ledger
    from service.shadow import follow

    settings = settings_of(artifact=artifact)
    engine = Engine.load(
        scorecard or settings.artifact,
        policy or settings.policy_file,
        settings.catalogue_file,
    )
    decided = differing = 0
    with open_ledger(to) as challenger, err.status("following") as status:
        while True:
            with open_ledger(ledger, read_only=True) as champion:
                for one in follow(champion, challenger, engine):
                    decided += 1
                    if one.champion != one.challenger:
                        differing += 1
                        out.print(
                            f"#{one.seq}: {one.champion} {one.champion_yuan:,.0f} yuan, challenger "
                            f"{one.challenger} {one.challenger_yuan:,.0f} yuan"
                        )
                    status.update(f"following: {decided} decided, {differing} differ")
            if once:
                break
            time.sleep(1.0)
    out.print(f"{decided} decided, {differing} with another verdict -> {to}", soft_wrap=True)
