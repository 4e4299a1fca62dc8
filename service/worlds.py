"""Commands over simulated worlds: make one, post from it, look into it.

With cli.py the only file that imports the simulator, inside the commands that need it.
"""

import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from service.options import Artifact, World, err, fail, load_engine, out, show

if TYPE_CHECKING:
    from rich.progress import Task

    from synthetic_data.trial import Finding

app = typer.Typer()

DEMO_FIRMS, DEMO_MONTHS, DEMO_SEED = 10_000, 36, 7


@app.command()
def generate(
    to: Annotated[Path, typer.Option("--out", help="folder to write Parquet files into")],
    firms: Annotated[int, typer.Option(min=1, help="number of firms")] = DEMO_FIRMS,
    months: Annotated[int, typer.Option(min=1, help="months from January 2018 on")] = DEMO_MONTHS,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same bytes")] = DEMO_SEED,
    scenario: Annotated[
        list[str] | None, typer.Option(help="name or .toml file; repeatable, later over earlier")
    ] = None,
) -> None:
    """Simulate a small economy of fictional firms and write what the sources saw of it."""
    started = time.perf_counter()
    simulate(to, firms, months, seed, scenario or [])
    seconds = time.perf_counter() - started
    out.print(f"{firms:,} firms x {months} months in {seconds:.1f} s -> {to}")


@app.command()
def scenarios(
    scenario: Annotated[
        list[str] | None, typer.Option(help="which, by name or .toml file; all when left out")
    ] = None,
    firms: Annotated[int, typer.Option(min=100, help="number of firms")] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="of every world")] = DEMO_SEED,
    to: Annotated[Path | None, typer.Option("--out", help="Markdown file of the effects")] = None,
) -> None:
    """Run each scenario beside its counterpart: does each knob move what it declares to move?"""
    from synthetic_data import trial
    from synthetic_data.scenario import names

    with err.status("simulating") as status:
        found = trial.run(
            scenario or names(), firms, seed, on_world=lambda name: status.update(f"world {name}")
        )
    _show_effects(found)
    if to is not None:
        to.write_text(trial.markdown(found), encoding="utf-8")
    failed = [one for one in found if not one.measured.as_declared]
    out.print(f"{len(found) - len(failed)} of {len(found)} effects moved as declared")
    if failed:
        raise typer.Exit(1)


def _show_effects(found: "Sequence[Finding]") -> None:
    """A table a scenario: what each knob was declared to move, and what was measured."""
    from rich.table import Table

    tables: dict[str, Table] = {}
    for one in found:
        if one.scenario.name not in tables:
            title = f"{one.scenario.name}\n{one.scenario.title_zh}\n{one.scenario.title_en}"
            tables[one.scenario.name] = table = Table(title=title, title_justify="left")
            for head in ("knob", "effect", "declared", "beside", "here", "size", "± s.e.", ""):
                left = head in ("knob", "effect", "declared", "")
                table.add_column(head, justify="left" if left else "right", overflow="fold")
        mark = "[green]yes[/green]" if one.measured.as_declared else "[red]not as declared[/red]"
        tables[one.scenario.name].add_row(*one.told(), mark)
    out.print(*tables.values(), sep="\n")


@app.command()
def dictionary(
    to: Annotated[Path, typer.Option("--out", help="the Markdown page to write")],
) -> None:
    """Write the data dictionary: every field of the credit file and of a world's files."""
    from synthetic_data.dictionary import page

    to.write_text(page(), "utf-8")
    out.print(f"data dictionary -> {to}")


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
    from service.intake import without_file

    request: dict[str, Any] = posted(story)
    shown = without_file(request["application"]) if zero_material else request
    show(msgspec.json.encode(shown))


@app.command()
def invoices(
    uscc: Annotated[str, typer.Argument(help="a firm of the world's firms.parquet")],
    world: World,
    to: Annotated[Path, typer.Option("--out", help="FILE.csv or FILE.parquet")],
    first: Annotated[str, typer.Option("--from", help="first month, YYYY-MM")] = "",
    last: Annotated[str, typer.Option("--to", help="last month, YYYY-MM")] = "9999-12",
) -> None:
    """Write the single invoices behind a firm's monthly sums, as import-invoices reads them."""
    from synthetic_data.invoice_list import Lists, write

    if to.suffix not in (".csv", ".parquet"):
        fail(f"--out: got {to}, expected a file named .csv or .parquet")
    for option, month in (("--from", first), ("--to", last)):
        if month and re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month) is None:
            fail(f"{option}: got {month}, expected a month as YYYY-MM")
    made = Lists(world).invoices(uscc, first, last)
    write(to, uscc, made)
    void = sum(one.void for one in made)
    red = sum(one.amount_fen < 0 for one in made)
    out.print(f"{len(made):,} invoices, {void:,} void and {red:,} red-letter -> {to}")


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
    import msgspec
    import uvicorn

    from service.exchange import Exchange, LatestFiles, create_exchange, profile
    from synthetic_data.stories import STORIES
    from synthetic_data.stories import application as posted

    faults = profile(delays, dead or [], slow or [])
    stories = (msgspec.json.encode(posted(code)["credit_file"]) for code in STORIES)
    kept = LatestFiles(stories, world)
    err.print(f"http://127.0.0.1:{port}  data exchange, {len(kept.usccs):,} firms, delays {delays}")
    served = create_exchange(Exchange(kept.file, kept.usccs, faults, seed))
    uvicorn.run(
        served, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )


@app.command()
def facts(
    world: World,
    to: Annotated[Path | None, typer.Option("--out", help="Markdown file to write")] = None,
    page: Annotated[Path | None, typer.Option(help="page of plots to write")] = None,
) -> None:
    """Hold a world against published facts and check that it adds up; exit 1 where it does not."""
    import msgspec
    from rich.progress import track

    from service import factsheet, scan
    from service.backtest import world_chunks
    from synthetic_data import checks
    from synthetic_data import facts as published

    with err.status("adding up months and applications"):
        census, found, tenths = checks.look(world)
        held = published.hold(census)
    chunks = len(world_chunks(world))
    seen = list(track(scan.scan(world), "reading credit files", total=chunks, console=err))
    scanned = scan.joined(seen)
    alone = checks.alone(scanned.values, scanned.defaulted)
    first = f"{scanned.leaks[0].application_id}: {scanned.leaks[0].says}" if scanned.leaks else ""
    found += checks.of_columns(checks.ceiling(census), alone, scan.APART)
    found.append(checks.of_leaks(scanned.files, len(scanned.leaks), first))
    sheet = factsheet.sheet(
        world, [one.told() for one in held], msgspec.to_builtins(found), msgspec.to_builtins(tenths)
    )
    out.print(factsheet.tables(sheet))
    for path, written in ((to, factsheet.markdown), (page, factsheet.html)):
        if path is not None:
            path.write_text(written(sheet), "utf-8")
            err.print(f"-> {path}", soft_wrap=True)
    inside, said = sheet.met
    if inside < published.ENOUGH * said or sheet.failed:
        raise typer.Exit(1)


@app.command()
def power(
    firms: Annotated[int, typer.Option(min=1_000, help="number of firms")] = DEMO_FIRMS,
    seed: Annotated[int, typer.Option(min=0, help="of the world")] = DEMO_SEED,
) -> None:
    """Simulate a world, with the epidemic and without: what can be known of it, and of whom."""
    from tempfile import TemporaryDirectory

    from service import power as powers

    months = 48  # so that the first half of 2020 has its year of performance
    with TemporaryDirectory() as folder:
        world, quiet = Path(folder) / "world", Path(folder) / "quiet"
        simulate(world, firms, months, seed)
        simulate(quiet, firms, months, seed, ["no-epidemic"])
        with err.status("measuring") as status:
            lines = powers.measure(world, quiet, status.update)
    out.print(powers.table(lines))
    if any(line.inside is False for line in lines):
        raise typer.Exit(1)


@app.command()
def firm(
    world: World,
    uscc: Annotated[str | None, typer.Argument(help="leave out to list firms to look at")] = None,
    to: Annotated[Path, typer.Option("--out", help="folder to draw into")] = Path("."),
) -> None:
    """Tell one firm's story: a table by year, and a picture with what happened marked."""
    from service import firm_plots
    from synthetic_data import firm_story

    if uscc is None:
        for code, zh, en in firm_story.worth_a_look(world):
            out.print(f"{code}  {zh} {en}", soft_wrap=True)
        return
    try:
        told = firm_story.story(world, uscc)
    except KeyError as error:
        fail(str(error.args[0]))
    out.print(firm_plots.years_table(told, firm_story.SERIES, firm_story.KINDS))
    if not firm_plots.drawing_is_installed():
        fail("no picture: matplotlib is not installed; it comes with `uv sync --extra plots`")
    to.mkdir(parents=True, exist_ok=True)
    picture, font = to / f"{uscc}.png", firm_plots.han_font()
    firm_plots.draw(told, firm_story.SERIES, firm_story.KINDS, picture, font)
    english = "" if font else " (in English: no font with Chinese characters found)"
    out.print(f"-> {picture}{english}", soft_wrap=True)


def simulate(to: Path, firms: int, months: int, seed: int, scenarios: Sequence[str] = ()) -> None:
    """Write a world's files into a folder, with a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
    from rich.text import Text

    from synthetic_data.parameters import load
    from synthetic_data.world import generate as simulated

    parameters = load(scenarios=scenarios)

    class FirmsPerSecond(TimeElapsedColumn):
        """Firms finished over the time it took."""

        def render(self, task: "Task") -> Text:
            return Text(f"{task.completed / max(task.elapsed or 0.0, 1e-9):,.0f} firms/s")

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), FirmsPerSecond())
    with Progress("simulating firms", *columns, console=err) as bar:
        task = bar.add_task("", total=firms)
        simulated(
            to, firms, months, seed, lambda done: bar.advance(task, done), parameters=parameters
        )
