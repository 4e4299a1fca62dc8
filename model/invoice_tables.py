"""The tables of invoice files, read in batches: CSV (also gzipped), Parquet, sheets of workbooks.

What a file is, is told by its first bytes and not by its name. Row numbers count as a spreadsheet
does: the first row is 1, and a record with line breaks inside quotes is one row.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BLOCK_BYTES = 4 << 20
BATCH_ROWS = 50_000
SHEET_ROWS = 20_000
HEAD_BYTES, HEAD_ROWS = 1 << 18, 30
"""How far down a header is looked for: titles and notes may stand above it."""
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
MOST_DAMAGED = 0.02
"""Share of unreadable characters up to which a file is UTF-8 that was damaged, not GB 18030."""

Score = Callable[[Sequence[str]], int]
"""Cells of a row -> how many fields they name as a header, 0 when they are none."""


class Batch(NamedTuple):
    """Rows of a table: the columns asked for, each row's number, rows that could not be split."""

    columns: list[Any]  # pyarrow arrays of (n,)
    rows: NDArray[np.int64]  # (n,)
    torn: list[tuple[int, str]]


class Table(NamedTuple):
    """One table of a file: where it is, its header, its rows."""

    file: Path
    sheet: str
    header: list[str]
    header_row: int
    how: str
    expected_rows: int
    batches: Callable[[Sequence[int]], Iterator[Batch]]
    """Positions of columns -> the rows after the header, from the first one on at each call."""
    close: Callable[[], None] = lambda: None
    """To be called when a table, and the others of its file, are read no more."""

    @property
    def name(self) -> str:
        """The table as people are told of it."""
        return f"{self.file}, sheet {self.sheet}" if self.sheet else str(self.file)


def tables(path: Path, score: Score) -> tuple[list[Table], list[str]]:
    """The tables of a file that have a header of invoices, and the sheets that have none.

    Raises ValueError naming the file and what was expected.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head.startswith(b"PK\x03\x04"):
            return _sheets(path, score)
        if head.startswith(b"PAR1"):
            return [_parquet(path)], []
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            raise ValueError(f"{path}: an old .xls workbook; expected it saved as .xlsx or .csv")
        if head.lstrip().lower().startswith((b"<html", b"<!doctype", b"<?xml", b"<table")):
            raise ValueError(f"{path}: a web page or XML; expected it saved as .xlsx or .csv")
        return [_text(path, score)], []
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{path}: {said}; expected a CSV, Parquet or Excel (.xlsx) file") from None


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    if file.read(2) == b"\x1f\x8b":
        file.close()
        return gzip.open(path, "rb")  # type: ignore[return-value]
    file.seek(0)
    return file


def _scan(path: Path) -> tuple[str, int, bool]:
    """Encoding, number of lines, and whether some characters cannot be read."""
    with _opened(path) as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with _opened(path) as file:
            return "utf-16", sum(block.count(b"\n") for block in _blocks(file)), False
    lines, decoder = 0, codecs.getincrementaldecoder("utf-8")()
    broken = False
    with _opened(path) as file:
        for block in _blocks(file):
            lines += block.count(b"\n")
            if not broken:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    broken = True
    if not broken:
        return "utf-8", lines, False
    strange = dict.fromkeys(("utf-8", "gb18030"), 0)
    foreign = 1
    for encoding in strange:
        loose = codecs.getincrementaldecoder(encoding)("replace")
        with _opened(path) as file:
            for block in _blocks(file):
                text = loose.decode(block)
                strange[encoding] += text.count("\ufffd")
                if encoding == "utf-8" and not text.isascii():
                    foreign += len(text) - len(text.encode("ascii", "ignore"))
    if strange["utf-8"] / foreign <= MOST_DAMAGED:
        return "utf-8", lines, True
    return "gb18030", lines, bool(strange["gb18030"])


class _Utf8(io.RawIOBase):
    """A file of another encoding, read as UTF-8; what cannot be decoded becomes U+FFFD."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file, self._rest, self._ended = file, b"", False
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there is something to fill it with."""
        while not self._rest and not self._ended:
            block = self._file.read(1 << 16)
            self._ended = not block
            self._rest = self._decoder.decode(block, self._ended).encode()
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block


def _text(path: Path, score: Score) -> Table:
    encoding, lines, damaged = _scan(path)
    with _opened(path) as file:
        head = file.read(HEAD_BYTES).decode(
            "utf-8-sig" if encoding == "utf-8" else encoding, "replace"
        )
    best: tuple[int, int, int, str, list[str]] = (0, 0, 0, ",", [])
    for delimiter in DELIMITERS:
        for at, line, cells in _first_rows(head, delimiter):
            if (found := score(cells)) > best[0]:
                best = (found, at, line, delimiter, cells)
    found, at, line, delimiter, header = best
    if not found:
        first = next((cells for *_, cells in _first_rows(head, ",") if any(cells)), [])
        raise ValueError(
            f"{path}: none of the first {HEAD_ROWS} rows names a date and an amount; expected a "
            f"header such as 开票日期, 金额, or --column date=NAME; the first is {first[:12]}"
        )
    behind = [cells for row, _, cells in _first_rows(head, delimiter) if row > at and any(cells)]
    usual = Counter(len(cells) for cells in behind).most_common(1)
    if usual and not any(cell.strip() for cells in behind for cell in cells[len(header) :]):
        # a delimiter too many behind each row
        header = header + [""] * (usual[0][0] - len(header))
    told = {"utf-8": "UTF-8", "gb18030": "GB 18030", "utf-16": "UTF-16"}[encoding]
    how = f"{told}{', some characters cannot be read' if damaged else ''}, {DELIMITERS[delimiter]}"

    def batches(positions: Sequence[int]) -> Iterator[Batch]:
        return _read_text(path, encoding, damaged, delimiter, len(header), line, at, positions)

    return Table(path, "", header, at, how, max(lines - line, 0), batches)


def _first_rows(head: str, delimiter: str) -> Iterator[tuple[int, int, list[str]]]:
    """Row number, lines read so far and cells of the first rows."""
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    try:
        for at, cells in enumerate(islice(reader, HEAD_ROWS), 1):
            yield at, reader.line_num, cells
    except csv.Error:
        return


def _read_text(
    path: Path, encoding: str, damaged: bool, delimiter: str, width: int, line: int, at: int,
    positions: Sequence[int],
) -> Iterator[Batch]:  # fmt: skip
    from pyarrow import csv as arrow_csv

    torn: list[tuple[int, str]] = []

    def tear(row: Any) -> str:
        torn.append((row.number - line + at, row.text[:200]))
        return "skip"

    names = [str(i) for i in range(width)]
    with _opened(path) as file:
        stream: Any = file
        if encoding != "utf-8" or damaged:
            stream = io.BufferedReader(_Utf8(file, encoding))
        try:
            reader = arrow_csv.open_csv(
                pa.PythonFile(stream, "r"),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, skip_rows=line, column_names=names
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=tear,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=[names[position] for position in positions],
                    strings_can_be_null=False,
                ),
            )
            row = at + 1
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                rows, row = _numbered(row, len(batch), [number for number, _ in torn])
                passed = [one for one in torn if one[0] < row]  # the rest are read ahead
                torn[: len(passed)] = []
                yield Batch(batch.columns, rows, passed)
            if torn:
                none = [pa.array([], pa.string()) for _ in positions]
                yield Batch(none, np.zeros(0, np.int64), torn)
        except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
            if "Empty CSV file" in str(error):
                return
            said = str(error).partition("\n")[0][:200]
            raise ValueError(f"{path}: {said}; expected a CSV file with a header") from None


def _numbered(row: int, count: int, torn: list[int]) -> tuple[NDArray[np.int64], int]:
    """Numbers of the next `count` rows from `row` on, without those torn; and the number after."""
    found = np.arange(row, row + count + len(torn), dtype=np.int64)
    kept = found[~np.isin(found, torn)][:count]
    return kept, int(kept[-1]) + 1 if count else row


def _parquet(path: Path) -> Table:
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        header, rows = list(file.schema_arrow.names), int(file.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0][:200]
        raise ValueError(f"{path}: {said}; expected a Parquet file") from None

    def batches(positions: Sequence[int]) -> Iterator[Batch]:
        row, names = 1, [header[position] for position in positions]
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names):
                    columns = [_simple(path, name, batch.column(name)) for name in names]
                    yield Batch(columns, np.arange(row, row + len(batch), dtype=np.int64), [])
                    row += len(batch)
        except (pa.ArrowException, OSError) as error:
            said = str(error).partition("\n")[0][:200]
            raise ValueError(f"{path}, row {row} or later: {said}") from None

    return Table(path, "", header, 0, "Parquet", rows, batches)


def _simple(path: Path, name: str, column: Any) -> Any:
    """A Parquet column as texts, numbers or dates."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    for simple in ("is_date", "is_timestamp", "is_floating", "is_integer", "is_string"):
        if getattr(pa.types, simple)(kind):
            return column
    try:
        return column.cast(pa.float64()) if pa.types.is_decimal(kind) else column.cast(pa.string())
    except pa.ArrowException:
        raise ValueError(f"{path}: column {name} holds {kind}; expected texts or numbers") from None


def _sheets(path: Path, score: Score) -> tuple[list[Table], list[str]]:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path}: a workbook needs {error.name}, which is not installed: "
            "uv sync --extra exports"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles it leaves out
            book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: {str(error).partition(chr(10))[0][:200]}; expected an Excel workbook named "
            ".xlsx, or the file inside the archive"
        ) from None
    found, without = [], []
    for sheet in book.worksheets:
        rows = int(sheet.max_row or 0)
        sheet.reset_dimensions()  # some programs write them wrong
        best: tuple[int, int, list[str]] = (0, 0, [])
        for at, cells in enumerate(islice(sheet.iter_rows(values_only=True), HEAD_ROWS), 1):
            texts = [_cell(cell) or "" for cell in cells]
            if (fields := score(texts)) > best[0]:
                best = (fields, at, texts)
        _, at, header = best
        if not header:
            without.append(str(sheet.title))
            continue

        def batches(positions: Sequence[int], sheet: Any = sheet, at: int = at) -> Iterator[Batch]:
            return _read_sheet(path, sheet, at, positions)

        left = max(rows - at, 0)
        found.append(
            Table(path, str(sheet.title), header, at, "workbook", left, batches, book.close)
        )
    if not found:
        book.close()
        raise ValueError(
            f"{path}: no sheet has a header that names a date and an amount in its first "
            f"{HEAD_ROWS} rows; there are sheets {', '.join(without[:12])}"
        )
    return found, without


def _read_sheet(path: Path, sheet: Any, at: int, positions: Sequence[int]) -> Iterator[Batch]:
    cells, row = sheet.iter_rows(min_row=at + 1, values_only=True), at + 1
    while True:
        try:
            rows = list(islice(cells, SHEET_ROWS))
        except (BadZipFile, zlib.error, SyntaxError, KeyError, ValueError, EOFError) as error:
            raise ValueError(f"{path}, sheet {sheet.title}, row {row} or later: {error}") from None
        if not rows:
            return
        columns = [
            _cells([one[position] if position < len(one) else None for one in rows])
            for position in positions
        ]
        yield Batch(columns, np.arange(row, row + len(rows), dtype=np.int64), [])
        row += len(rows)


def _cells(cells: list[Any]) -> Any:
    """Cells of a column as numbers if all of them are, else as texts; (n,).

    A number of a workbook has no comma or point before its cents, whatever the lender writes.
    """
    if all(type(cell) in (int, float) for cell in cells if cell is not None):
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return pa.array([_cell(cell) for cell in cells], pa.string())


def _cell(value: Any) -> str | None:
    """A cell of a workbook as text; a whole number without its point."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int) and abs(value) >= 10**15:
        return repr(float(value))  # a cell holds 15 digits: the rest are lost
    return str(value)
