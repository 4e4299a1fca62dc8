"""Commands that make scorecards, use them on many loans and hand them on: train, score, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.credit_file import Fault
from service.options import Artifact, err, fail, out, settings_of
from service.settings import HOME

if TYPE_CHECKING:
    from model.artifact import Card
    from model.points import Points

app = typer.Typer()


@app.command()
def train(
    to: Annotated[Path, typer.Option("--out", help="folder to write the scorecard into")],
    world: Annotated[Path | None, typer.Option(help="folder of a world: `generate`")] = None,
    table: Annotated[Path | None, typer.Option(help="your own loans: a .csv or .parquet")] = None,
    target: Annotated[str | None, typer.Option(help="column that says how a loan ended")] = None,
    positive: Annotated[str | None, typer.Option(help="its value that means default; 1")] = None,
    time: Annotated[str | None, typer.Option(help="column whose latest third is held out")] = None,
    schema: Annotated[
        Path | None, typer.Option(help="schema.toml written by an earlier run")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="draws the held-out third without --time")] = 7,
    suggested: Annotated[
        bool, typer.Option(help="keep to directions the loans clearly show, where none is stated")
    ] = True,
) -> None:
    """Fit a scorecard on a world's loans or on your own table; print how good it is."""
    from service.tables import columns_table, metrics_table

    if (world is None) == (table is None):
        fail("train: expected exactly one of --world DIR and --table FILE")
    if world is not None:
        out.print(metrics_table(train_on_world(world, to)))
        out.print(f"scorecard -> {to}", soft_wrap=True)
        return
    if target is None:
        fail("train --table: expected --target COL, the column that says how a loan ended")
    from model import flat, leakage

    out.width = max(out.width, 110)  # columns come with sentences
    with err.status("training") as status:
        card = flat.train(
            table or Path(),
            target,
            to,
            positive=positive,
            time=time,
            schema=schema,
            seed=seed,
            suggested=suggested,
            step=lambda said: status.update(f"training: {said}"),
            show=lambda seen: out.print(columns_table(seen, suggested)),
        )
    out.print(metrics_table(card))
    if missing := card.loans["outcome_or_time_missing"]:
        out.print(f"{missing:,} loans were left out: their outcome or time is missing")
    for name, points in card.loans["moved_points"].items():
        out.print(
            f"look at {name}: it gives the held-out loans {points:+.0f} points on average against "
            "those fitted on: is it still recorded the same way?",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    auc = card.metrics["held_out"]["auc"]
    if auc > leakage.MOST_AUC_ALONE:
        out.print(
            f"AUC {auc:.3f} on held-out loans is rarely true of loans: look for columns that know "
            "how the loan ended",
            style="yellow",
        )
    out.print(f"scorecard and {flat.SCHEMA} -> {to}", soft_wrap=True)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="loans to score: a .csv or .parquet")],
    to: Annotated[Path, typer.Option("--out", help=".csv or .parquet to write")],
    artifact: Artifact = None,
    reasons: Annotated[
        bool, typer.Option(help="why, in zh and en; without, a million rows take seconds")
    ] = True,
) -> None:
    """Score every row of a table: its columns with pd_12m, score, grade and reasons added."""
    from service.portfolio import score_table
    from service.scores import Scores

    scores = Scores.load(settings_of(artifact=artifact).artifact)
    rows = score_table(file, to, scores, reasons=reasons)
    out.print(f"{rows:,} loans scored -> {to}", soft_wrap=True)


@app.command()
def export(
    artifact: Annotated[Path, typer.Argument(help="folder of a scorecard written by `train`")],
    to: Annotated[
        Path, typer.Option("--out", help="file to write: .html to sign, .sql, .onnx, .xlsx")
    ],
    table: Annotated[
        str | None, typer.Option(help="of .sql: the table selected from; loans")
    ] = None,
) -> None:
    """Take a scorecard to where loans are decided today: a page to sign, SQL, ONNX, a workbook."""
    from model import artifact as artifacts
    from model.points import points

    suffix = to.suffix.lower()
    if suffix not in EXPORTS:
        listed = ", ".join(EXPORTS)
        raise ValueError(f"--out: got {to.name!r}, expected a name that ends in one of {listed}")
    if table is not None and suffix != ".sql":
        raise Fault("--table", table, "none unless --out ends in .sql")
    found = points(*artifacts.load(artifact))
    try:
        written = EXPORTS[suffix](found, table or "loans")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--out: {suffix} needs {error.name}, which is not installed: uv sync --extra exports"
        ) from None
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(written)
    except OSError as error:
        raise ValueError(f"--out: got {to}: {error.strerror}; expected a file to write") from None
    out.print(f"scorecard -> {to} ({len(written):,} bytes)", soft_wrap=True)


@app.command()
def report(
    artifact: Annotated[Path, typer.Argument(help="folder of a scorecard written by `train`")],
    to: Annotated[Path, typer.Option("--out", help="the page to write: a name ending in .html")],
    world: Annotated[
        Path | None, typer.Option(help="folder of the loans it was fitted on; the demo's")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="your own loans it was fitted on")] = None,
) -> None:
    """Say how good a scorecard is, for whom and why: one page, and a model card beside it."""
    from model.artifact import load
    from model.features import INDEX
    from model.scorer import Scorer
    from service import book, modelcard
    from service import report as reports
    from service.causes import causes
    from service.study import of_world

    if to.suffix.lower() != ".html":
        raise Fault("--out", to.name, "a name that ends in .html")
    own = book.is_own(artifact)
    if own and table is None:
        fail("report: expected --table FILE, the loans this scorecard was fitted on")
    with err.status("measuring") as status:

        def step(said: str) -> None:
            status.update(f"measuring: {said}")

        if own and table is not None:
            told = reports.report(artifact, book.of_table(artifact, table), step=step)
        else:
            folder = world or HOME / "world"
            loans, settings = book.of_world(artifact, folder), settings_of(artifact=artifact)
            study = of_world(folder, settings, step)
            scorer = Scorer(load(artifact)[0], INDEX)
            told = reports.report(artifact, loans, study, causes(folder, scorer, step), step)
        card = to.with_suffix(".md")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(reports.html(told), "utf-8")
        card.write_text(modelcard.markdown(told), "utf-8")
    out.print(f"report -> {to}, model card -> {card}", soft_wrap=True)


def _page(found: "Points", table: str) -> bytes:
    from model.page import html

    return html(found).encode()


def _sql(found: "Points", table: str) -> bytes:
    from model.sql import query

    return query(found, table).encode()


def _onnx(found: "Points", table: str) -> bytes:
    from model.onnx_graph import graph

    return graph(found)


def _xlsx(found: "Points", table: str) -> bytes:
    from model.workbook import workbook

    return workbook(found)


EXPORTS = {".html": _page, ".sql": _sql, ".onnx": _onnx, ".xlsx": _xlsx}
"""File name's end -> what makes the file's content of a scorecard in points and a table's name."""


def train_on_world(world: Path, to: Path) -> "Card":
    """Fit a scorecard on a world's loans, saying on the terminal what is being done."""
    from model.training import train as trained

    with err.status("training") as status:
        return trained(world, to, lambda step: status.update(f"training: {step}"))
