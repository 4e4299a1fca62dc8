"""Invoice lists -> credit files, on one page: look, shelve, choose the date, add up, write.

Rows are laid on shelves by firm, files in a folder that goes away again, so that a firm's rows come
together and memory holds one batch or one shelf at a time, however many rows there are.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from model import invoice_header as headers
from model.invoice_header import Direction, Mapping
from model.invoice_rows import Reading, Rejected, look, read
from model.invoice_sections import Made, Rows, repeats, sections
from model.invoice_tables import tables
from model.invoice_values import date_of, day_number

Form = Literal["jsonl", "parquet"]
SHELF_ROWS, MOST_SHELVES = 100_000, 256
STRAY_SHARE = 0.01
"""A last month with fewer rows than this share of the middle month is not the end of the list."""
QUOTED_SHARE = 0.1
"""Lines inside quoted texts, as a share of the rows, from which on they are told."""
REJECTED, FIRMS = "rejected.csv", "firms.csv"
_SHELF = pa.schema(
    [("firm", pa.string()), ("out", pa.bool_()), ("void", pa.bool_()), ("key", pa.uint64()),
     ("partner", pa.uint64()), ("day", pa.int32()), ("fen", pa.int64()), ("row", pa.int64()),
     ("table", pa.int16())]
)  # fmt: skip
_FILE = pa.schema([("uscc", pa.string()), ("as_of", pa.date32()), ("credit_file", pa.binary())])


class Plan(NamedTuple):
    """What will be read and how, and what cannot be."""

    readings: list[Reading]
    skipped: list[str]
    unread: list[tuple[Path, str]]


@dataclass
class Report:
    """What an import did: counts by rule, why rows were rejected, the date chosen."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    months: dict[int, tuple[int, int]] = field(default_factory=dict)  # rows, last day
    as_of: date | None = None
    why: str = ""
    broken: list[str] = field(default_factory=list)


def plan(files: Sequence[Path], mapping: Mapping, direction: Direction | None) -> Plan:
    """Look at the head of every table; nothing is read for good and nothing is written."""
    found = Plan([], [], [])
    for path in files:
        try:
            opened, without = tables(path, lambda cells: headers.found_in(cells, mapping))
        except ValueError as error:
            found.unread.append((path, str(error)))
            continue
        found.skipped.extend(f"{path}, sheet {name}" for name in without)
        before = len(found.readings)
        for table in opened:
            try:
                columns = headers.understand(table.header, mapping, path, table.sheet, direction)
                found.readings.append(look(table, columns, mapping))
            except ValueError as error:
                said = str(error)
                told = said if said.startswith(str(path)) else f"{table.name}: {said}"
                found.unread.append((path, told))
        if len(found.readings) == before:
            opened[0].close()
    return found


def run(
    planned: Plan,
    to: Path,
    *,
    today: date,
    as_of: date | None = None,
    form: Form = "jsonl",
    step: Callable[[str, int, int], None] = lambda *_: None,
) -> Report:
    """Read every table of a plan and write DIR/credit_files.*, firms.csv and rejected.csv.

    `today` is the latest date an invoice may bear; `step` is told what is being done, how many rows
    or shelves of how many. Raises ValueError naming a folder that cannot be written.
    """
    report = Report()
    try:
        to.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=to) as folder:
            work = Path(folder)
            with (work / REJECTED).open("w", encoding="utf-8-sig", newline="") as file:
                rejects = _Rejects(file, planned.readings, report)
                for path, said in planned.unread:
                    rejects.add(str(path), "", [Rejected(0, "file", "", said)])
                shelves = _shelve(planned.readings, work, today, rejects, report, step)
                if report.counts["used"]:
                    report.as_of, report.why = (as_of, "--as-of") if as_of else _as_of(report)
                    _add_up(shelves, work, report, rejects, form, step)
            for name in (REJECTED, FIRMS, f"credit_files.{form}"):
                if (work / name).exists():
                    shutil.move(work / name, to / name)
    except OSError as error:
        raise ValueError(f"--out {to}: {error.strerror}; expected a folder to write into") from None
    finally:
        for one in planned.readings:
            one.table.close()
    return report


class _Rejects:
    """rejected.csv as it grows: every row that is not used, and why."""

    def __init__(self, file: Any, readings: Sequence[Reading], report: Report) -> None:
        self._rows, self._report = csv.writer(file), report
        self._tables = [(str(one.table.file), one.table.sheet) for one in readings]
        self._rows.writerow(["file", "sheet", "row", "field", "value", "expected"])

    def add(self, file: str, sheet: str, rejected: Sequence[Rejected]) -> None:
        """Write down rows of a table with what is wrong with them."""
        for one in rejected:
            self._rows.writerow([file, sheet, one.row or "", one.field, one.value, one.expected])
            self._report.reasons[one.field, one.expected] += 1

    def repeat(self, table: int, row: int, of_table: int, of_row: int) -> None:
        """Write down a row that repeats another."""
        file, sheet = self._tables[of_table]
        of = f"row {of_row}" + (f" of {file} {sheet}".rstrip() if of_table != table else "")
        self._rows.writerow(
            [*self._tables[table], row, "number", "", f"a new invoice: repeats {of}"]
        )
        self._report.counts["repeats"] += 1


class _Shelves:
    """Files of rows, one for a share of the firms each."""

    def __init__(self, folder: Path, count: int) -> None:
        self.paths = [folder / f"{i:03d}.arrow" for i in range(count)]
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writers = [
            pa.ipc.new_stream(str(path), _SHELF, options=options) for path in self.paths
        ]

    def lay(self, rows: Rows, shelves: Any) -> None:
        """Lay each row on the shelf of its firm."""
        order = np.argsort(shelves, kind="stable")
        batch = pa.record_batch([rows[name] for name in _SHELF.names], schema=_SHELF)
        batch = batch.take(pa.array(order))
        ends = np.searchsorted(shelves[order], np.arange(len(self.paths) + 1))
        for writer, start, stop in zip(self._writers, ends[:-1], ends[1:], strict=True):
            if stop > start:
                writer.write_batch(batch.slice(start, stop - start))

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers:
            writer.close()


def _shelve(
    readings: Sequence[Reading], work: Path, today: date, rejects: _Rejects, report: Report,
    step: Callable[[str, int, int], None],
) -> list[Path]:  # fmt: skip
    """Read all tables, row by row of each onto the shelf of its firm."""
    total = sum(one.table.expected_rows for one in readings)
    count = int(np.clip(-(-total // SHELF_ROWS), 1, MOST_SHELVES))
    shelves = _Shelves(work, count)
    done = 0
    for at, reading in enumerate(readings):
        table, before = reading.table, done
        try:
            for batch in table.batches([reading.columns.positions[name] for name in reading.order]):
                found = read(batch, reading, today, count)
                report.counts.update(found.counts)
                rejects.add(str(table.file), table.sheet, found.rejected)
                if len(found.shelves):
                    _count_months(found.rows["day"], report)
                    tagged = found.rows | {"table": np.full(len(found.shelves), at, np.int16)}
                    shelves.lay(tagged, found.shelves)
                done += found.counts["rows"]
                step("reading rows", done, max(total, done))
        except ValueError as error:
            report.broken.append(str(error))
            rejects.add(str(table.file), table.sheet, [Rejected(0, "file", "", str(error))])
        else:
            _look_for_quotes(reading, done - before, report)
    shelves.close()
    return shelves.paths


def _look_for_quotes(reading: Reading, rows: int, report: Report) -> None:
    """Tell when many lines of a text file made no row of their own."""
    inside = reading.table.expected_rows - rows
    if inside > max(10, rows * QUOTED_SHARE) and not reading.table.sheet:
        report.broken.append(
            f"{reading.table.name}: {inside:,} lines stand inside quoted texts: is a quotation "
            "mark never closed? The rows after it are missing"
        )


def _count_months(days: Any, report: Report) -> None:
    """How many rows each month has, and the last day any bears."""
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12
    found, codes = np.unique(months, return_inverse=True)
    rows = np.bincount(codes)
    last = np.zeros(len(found), np.int64)
    np.maximum.at(last, codes, days)
    for month, count, day in zip(found.tolist(), rows.tolist(), last.tolist(), strict=True):
        before = report.months.get(month, (0, 0))
        report.months[month] = (before[0] + count, max(before[1], day))


def _as_of(report: Report) -> tuple[date, str]:
    """The end of the last month that is complete in the list, and why it is that.

    A month is complete when an invoice bears its last day. Stray months behind the list's end (a
    slip of the pen in a year) do not count; without any complete month it is the latest date.
    """
    middle = median(rows for rows, _ in report.months.values())
    month = max(at for at, (rows, _) in report.months.items() if rows >= STRAY_SHARE * middle)
    strays = sum(rows for at, (rows, _) in report.months.items() if at > month)
    latest = date_of(report.months[month][1])
    behind = f"; {strays:,} rows bear later dates and do not count" if strays else ""
    if latest.day == monthrange(latest.year, latest.month)[1]:
        return latest, f"the last month is complete{behind}"
    if month == min(report.months):
        return latest, f"the latest date: no month is complete{behind}"
    before = date_of(day_number(latest.replace(day=1)) - 1)
    return before, f"the last complete month: the next ends on {latest} in the list{behind}"


def _add_up(
    shelves: Sequence[Path], work: Path, report: Report, rejects: _Rejects, form: Form,
    step: Callable[[str, int, int], None],
) -> None:  # fmt: skip
    """Shelf by shelf: leave out repeats, add up, write the credit files."""
    assert report.as_of is not None
    until = day_number(report.as_of)
    with (
        (work / FIRMS).open("w", encoding="utf-8-sig", newline="") as listed,
        _Writer(work / f"credit_files.{form}", report.as_of) as writer,
    ):
        firms = csv.writer(listed)
        firms.writerow(
            ["firm", "uscc", "stand_in", "first_invoice", "months", "issued", "received"]
        )
        for done, path in enumerate(shelves, 1):
            rows = _read_shelf(path)
            os.unlink(path)
            again = repeats(rows)
            places = [np.asarray(rows[name])[at] for at in again for name in ("table", "row")]
            for place in zip(*(place.tolist() for place in places), strict=True):
                rejects.repeat(*place)
            kept = np.ones(len(rows["day"]), bool)
            kept[again.rows] = False
            rows = {name: column[kept] for name, column in rows.items()}
            late = int((rows["day"] > until).sum())
            report.counts["late"] += late
            report.counts["added"] += int(kept.sum()) - late
            taken: set[str] = set()
            for made in sections(rows, report.as_of):
                fault = made.fault
                if made.firm.uscc in taken:
                    fault = "another firm's code has the same stand-in"
                taken.add(made.firm.uscc)
                if fault:
                    report.counts["firms rejected"] += 1
                    rejects.add("", "", [Rejected(0, "firm", made.firm.given, fault)])
                    continue
                _write_firm(made, writer, firms, report)
            step("adding up firms", done, len(shelves))


def _write_firm(made: Made, writer: _Writer, firms: Any, report: Report) -> None:
    report.counts["firms"] += 1
    report.counts["stand-ins"] += bool(made.firm.stand_in)
    report.counts["wrong check digits"] += made.firm.stand_in.startswith("18")
    writer.add(made)
    firm = made.firm
    firms.writerow([firm.given, firm.uscc, firm.stand_in, made.first, made.months, made.issued,
                    made.received])  # fmt: skip


def _read_shelf(path: Path) -> Rows:
    with pa.ipc.open_stream(str(path)) as stream:
        table = stream.read_all()
    return {name: table[name].to_numpy() for name in _SHELF.names}


class _Writer:
    """Credit files as they are written: one JSON line or one Parquet row each."""

    def __init__(self, path: Path, as_of: date) -> None:
        self._as_of, self._made = as_of, list[Made]()
        self._parquet = parquet.ParquetWriter(path, _FILE) if path.suffix == ".parquet" else None
        self._lines = None if self._parquet else path.open("wb")

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        for file in (self._parquet, self._lines):
            if file is not None:
                file.close()

    def add(self, made: Made) -> None:
        """Write one firm's credit file."""
        if self._lines is not None:
            self._lines.write(made.credit_file + b"\n")
            return
        self._made.append(made)
        if len(self._made) == 1_000:
            self._flush()

    def _flush(self) -> None:
        if self._parquet is not None and self._made:
            columns = [
                [made.firm.uscc for made in self._made],
                [self._as_of] * len(self._made),
                [made.credit_file for made in self._made],
            ]
            self._parquet.write_table(pa.table(columns, schema=_FILE))
            self._made.clear()
