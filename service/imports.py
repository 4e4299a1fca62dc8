"""The command that turns a lender's own lists into credit files: import-invoices."""

from __future__ import annotations

import time
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.day import today
from service.options import err, fail, out

if TYPE_CHECKING:
    from model.invoice_header import Mapping
    from model.invoice_import import Plan, Report
    from model.invoice_rows import Reading

app = typer.Typer()


class Direction(StrEnum):
    """Issued by the firm, or received."""

    out = "out"
    into = "in"


class Form(StrEnum):
    """How credit files are written."""

    jsonl = "jsonl"
    parquet = "parquet"


class Decimal(StrEnum):
    """What stands before the cents."""

    point = "."
    comma = ","


@app.command("import-invoices")
def import_invoices(
    files: Annotated[list[Path], typer.Argument(help="CSV (.gz), Parquet or Excel, any number")],
    to: Annotated[Path, typer.Option("--out", help="folder to write credit files into")],
    direction: Annotated[
        Direction | None, typer.Option(help="of lists that do not say: issued (out) or received")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=NAME: which column means what; repeatable")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="the same and more as TOML: docs/invoices.md")
    ] = None,
    firm: Annotated[str | None, typer.Option(help="whose invoices all rows are")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="date of the credit files; last complete month"),
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(help="of dates, such as %d/%m/%Y; recognised when left out")
    ] = None,
    decimal: Annotated[
        Decimal | None, typer.Option(help="before the cents: a comma for 1.234,56")
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="one JSON line or one Parquet row a firm")
    ] = Form.jsonl,
) -> None:
    """Turn lists of single invoices into credit files with an invoices section, one a firm."""
    from model import invoice_import

    stated = _stated(mapping, column or [], firm, date_format, decimal)
    day = as_of.date() if as_of else None
    if day is not None and day > today():
        fail(f"--as-of: got {day}, expected a date not after today, {today()}")
    with err.status("looking at the files"):
        planned = invoice_import.plan(files, stated, direction.value if direction else None)
    _show_plan(planned)
    started = time.perf_counter()
    report = _run(planned, to, day, "parquet" if form == Form.parquet else "jsonl")
    seconds = time.perf_counter() - started
    _show_report(report, to, seconds, form.value)
    if not report.counts["firms"]:
        raise typer.Exit(1)


def _stated(
    path: Path | None,
    column: list[str],
    firm: str | None,
    date_format: str | None,
    decimal: Decimal | None,
) -> Mapping:
    """The mapping of a file, with options before it."""
    import msgspec

    from model import invoice_header as headers

    mapping = headers.read(path) if path else headers.Mapping()
    columns = {str(field): name for field, name in mapping.columns.items()}
    for one in column:
        field, _, name = one.partition("=")
        if field not in headers.NAMES or not name:
            listed = ", ".join(headers.NAMES)
            raise ValueError(f"--column: got {one!r}, expected FIELD=NAME with FIELD of {listed}")
        columns[field] = name
    given = {"firm": firm, "date_format": date_format, "decimal": decimal and decimal.value}
    whole = msgspec.to_builtins(mapping) | {"columns": columns}
    whole |= {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(whole, headers.Mapping)
    except msgspec.ValidationError as error:
        raise ValueError(f"mapping: {error}; see docs/invoices.md") from None


def _run(planned: Plan, to: Path, as_of: date | None, form: Literal["jsonl", "parquet"]) -> Report:
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from model import invoice_import

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(), console=err, transient=True,
    ) as bar:  # fmt: skip
        tasks: dict[str, tuple[TaskID, float]] = {}

        def step(said: str, done: int, total: int) -> None:
            now = time.perf_counter()
            if said not in tasks:
                tasks[said] = (bar.add_task(said, total=total, told=""), now)
            task, since = tasks[said]
            unit = "rows" if "rows" in said else "shelves"
            pace = f", {done / max(now - since, 1e-3):,.0f} a second" if unit == "rows" else ""
            told = f"{done:,} of {total:,} {unit}{pace}"
            bar.update(task, completed=done, total=total, told=told)

        expected = sum(one.table.expected_rows for one in planned.readings)
        step("reading rows", 0, max(expected, 1))
        return invoice_import.run(planned, to, today=today(), as_of=as_of, form=form, step=step)


def _say(line: str, style: str | None = None) -> None:
    out.print(line, style=style, markup=False, soft_wrap=True)


def _show_plan(planned: Plan) -> None:
    """What was inferred, before anything is read for good."""
    for reading in planned.readings:
        _show_reading(reading)
    for name in planned.skipped:
        _say(f"{name}: not invoices: no header with a date and an amount; left out")
    for _, said in planned.unread:
        _say(f"not read: {said}", "red")


def _show_reading(reading: Reading) -> None:
    table, columns = reading.table, reading.columns
    header = f", header in row {table.header_row}" if table.header_row else ""
    _say(f"{table.name} ({table.how}{header})", "bold")
    for field, at in columns.positions.items():
        unit = columns.units_yuan.get(field, 1.0)
        in_yuan = "" if unit == 1.0 else f", in {unit:g} yuan"
        _say(f"  {field:18}<- {table.header[at]}{in_yuan}")
    if reading.mapping.firm and "firm" not in columns.positions:
        _say(f"  {'firm':18}<- {reading.mapping.firm} in all rows")
    if columns.direction is None:
        _say("  issued or received: row by row")
    else:
        said = "issued by the firm" if columns.direction == "out" else "received by the firm"
        _say(f"  {said}: says {columns.direction_from}")
    _say(f"  dates: {', '.join(reading.date_forms) or 'none in the first rows'}")
    if reading.statuses:
        told = ", ".join(f"{word} = {means}" for word, means in reading.statuses.items())
        _say(f"  statuses: {told}")
    elif not {"status", "void"} & set(columns.positions):
        _say("  statuses: no column; every invoice counts as valid", "yellow")
    if columns.ignored:
        _say(f"  not used: {', '.join(columns.ignored)}")


COUNTS = {
    "empty": "empty rows were passed over",
    "void": "invoices are void: counted, their amounts are not",
    "red": "amounts are below 0: red-letter invoices",
    "turned": "red-letter invoices are written above 0: taken below 0",
    "reversed": "invoices were reversed by another: they count as valid",
    "computed": "amounts were worked out as total less tax",
    "void without amount": "void invoices have no amount: taken as 0",
    "repeats": "rows repeat another invoice: counted once, listed in rejected.csv",
    "no number": "invoices have no number: repeats among them cannot be seen",
    "no counterparty": "invoices name no counterparty: one of the month together, never the top",
    "late": "invoices are dated after as-of: not counted",
    "apart": "amounts and taxes do not add up to the total: the amount was taken",
    "wrong check digits": "firms' codes have 18 characters and a wrong check digit: mistyped?",
    "stand-ins": "firms have no valid USCC: stand-ins are in firms.csv",
    "firms rejected": "firms have a section the contract refuses: see rejected.csv",
}
"""Rule -> what is said of the rows or firms it applied to."""


def _show_report(report: Report, to: Path, seconds: float, form: str) -> None:
    counts = report.counts
    pace = counts["rows"] / max(seconds, 1e-3)
    if counts["rows"]:
        _say(f"{counts['rows']:,} rows in {seconds:.1f} s, {pace:,.0f} a second")
    for name, said in COUNTS.items():
        if counts[name]:
            _say(f"  {counts[name]:,} {said}")
    for said in report.broken:
        _say(f"  look at {said}", "red")
    for name, zero in (("issued", "sales"), ("received", "purchases")):
        if counts["used"] and not counts[name]:
            _say(
                f"  no invoice was {name}: {zero} are written as 0, which a scorecard believes",
                "yellow",
            )
    for (field, expected), count in report.reasons.most_common(12):
        if field != "file":  # told already
            _say(f"  {count:,} rejected: {field}: expected {expected}", "yellow")
    if report.as_of is not None:
        _say(f"as of {report.as_of}: {report.why}")
    if counts["firms"]:
        made = f"{counts['firms']:,} credit files from {counts['added']:,} invoices"
        _say(f"{made} -> {to}/credit_files.{form}")
    else:
        err.print(
            f"[red]error:[/red] no credit file could be made: see above and {to}/rejected.csv",
            soft_wrap=True,
        )
