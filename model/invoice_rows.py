"""One batch of an invoice list -> checked rows, the rows that cannot be used with why, and counts.

`look` first reads the head of a table and says how its dates, amounts and statuses are read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from model import invoice_values as values
from model.invoice_header import DIRECTIONS, Columns, Field, Mapping
from model.invoice_tables import Batch, Table
from model.invoice_values import RED, REVERSED, UNSURE, VALID, VOID, Bools, Dates, Firm, Ints

NEAR_FEN = 5
"""Amount and tax may differ from the total by so much: each is rounded on its own."""
_SAMPLE_TEXTS = 2_000


@dataclass(frozen=True)
class Reading:
    """One table and how it is read, as it is shown before anything is imported."""

    table: Table
    columns: Columns
    mapping: Mapping
    dates: Dates
    date_forms: tuple[str, ...]
    statuses: dict[str, str] = field(default_factory=dict)  # words of the first rows
    order: tuple[Field, ...] = ()

    @property
    def words(self) -> dict[str, int]:
        """Words of the status column -> what they say."""
        stated = {text: values.STATUS_CODES[code] for text, code in self.mapping.status.items()}
        plain = {values.word(text): code for text, code in stated.items() if text.strip()}
        return values.STATUSES | stated | plain

    @property
    def sides(self) -> dict[str, int]:
        """Words of the direction column -> 1 for issued, 0 for received."""
        stated = {values.word(text): side for text, side in self.mapping.directions.items()}
        return {text: int(side == "out") for text, side in (DIRECTIONS | stated).items()}

    @property
    def decimal(self) -> str:
        """What stands before the cents."""
        return self.mapping.decimal or "."


class Rejected(NamedTuple):
    """A row that cannot be used: its number, the field at fault, its text, what is expected."""

    row: int
    field: str
    value: str
    expected: str


class Read(NamedTuple):
    """A batch read: columns of the rows that can be used, the rest with why, and counts."""

    rows: dict[str, Any]
    shelves: NDArray[np.int64]
    rejected: list[Rejected]
    counts: Counter[str]


def look(table: Table, columns: Columns, mapping: Mapping) -> Reading:
    """Read the head of a table and settle what is ambiguous about it.

    Raises ValueError that names the option which settles it when the head does not.
    """
    order = tuple(columns.positions)
    batch = next(table.batches([columns.positions[name] for name in order]), None)
    head = dict(zip(order, batch.columns, strict=True)) if batch else {}
    texts = {
        name: values.texts_of(column).drop_null().unique().to_pylist()
        for name, column in head.items()
        if not pa.types.is_temporal(column.type)
    }
    seen = texts.get("date", [])
    kinds = [values.kind_of_date(text) for text in seen[:_SAMPLE_TEXTS]]
    forms = [form for form, _ in Counter(kind for kind in kinds if kind).most_common()]
    if "date" in head and "date" not in texts:
        forms = ["dates"]
    first = values.day_first(seen)
    if mapping.date_format is not None:
        forms = [mapping.date_format]
    elif any("or" in form for form in forms) and first is None:
        said = next(text for text in seen if "or" in values.kind_of_date(text))
        raise ValueError(
            f"{said!r} in column {table.header[columns.positions['date']]} may begin with the day "
            "or with the month, and no date of the first rows settles it; expected --date-format "
            "%d/%m/%Y or --date-format %m/%d/%Y"
        )
    if mapping.decimal is None:
        for name in ("amount", "tax", "total"):
            if said := values.comma_decimals(texts.get(name, [])[:_SAMPLE_TEXTS]):
                raise ValueError(
                    f"{said!r} in column {table.header[columns.positions[name]]} has a comma "
                    "before its cents or is grouped in no usual way; expected --decimal , for "
                    "1.234,56, or --decimal . for 1,234.56"
                )
    reading = Reading(table, columns, mapping, Dates(mapping.date_format, first), tuple(forms))
    told = {"date": "D/M/YYYY" if first else "M/D/YYYY"}
    forms = [told["date"] if "or" in form else form for form in forms]
    return Reading(
        table, columns, mapping, reading.dates, tuple(forms),
        _statuses(reading, texts.get("status", [])), order,
    )  # fmt: skip


def _statuses(reading: Reading, texts: list[str]) -> dict[str, str]:
    """The words of the first rows and what they are taken for."""
    names = {code: name for name, code in values.STATUS_CODES.items()}
    names[UNSURE] = "red if below 0, else rejected"
    known = reading.words
    return {
        text: names.get(known.get(values.word(text), known.get(text, -1)), "rejected")
        for text in texts[:12]
    }


def read(batch: Batch, reading: Reading, today: date, shelves: int) -> Read:
    """Check and convert the rows of a batch; `today` is the latest date an invoice may bear."""
    column = dict(zip(reading.order, batch.columns, strict=True))
    counts: Counter[str] = Counter(rows=len(batch.rows) + len(batch.torn))
    rejected = [_torn(row, text, counts) for row, text in batch.torn if _is_text(text, counts)]
    n = len(batch.rows)
    if not n:
        return Read({}, np.zeros(0, np.int64), rejected, counts)
    faults: list[tuple[Field, Bools]] = []
    out, unread = _out(column, reading, n)
    faults.append(("direction", unread))
    firm_texts, partners = _parties(column, out, reading)
    given, firms, shelf, unknown = _firms(firm_texts, reading.mapping.firm, n, shelves)
    faults.append((_owner(reading), unknown))
    day = values.days(column["date"], reading.dates)
    low, high = values.day_number(values.FIRST_DAY), values.day_number(today)
    faults.append(("date", (day < low) | (day > high)))
    status, unread = _status(column, reading, n)
    fen, money_faults = _amounts(column, reading, status == VOID, counts)
    faults += money_faults
    faults.append(("status", unread | ((status == UNSURE) & (fen >= 0))))
    turned = (status == RED) & (fen > 0)
    fen = np.where(turned, -fen, fen)
    bad = np.zeros(n, bool)
    empty = _empty(column, n) if any(wrong.any() for _, wrong in faults) else bad.copy()
    for at_fault, wrong in faults:
        for at in np.flatnonzero(wrong & ~bad & ~empty):
            rejected.append(_rejected(at_fault, int(at), column, batch, status, today))
        bad |= wrong
    good = ~bad & ~empty
    parts = [column[name] for name in ("code", "number", "electronic_number") if name in column]
    key = values.keys(parts) if parts else np.zeros(n, np.uint64)
    void = status == VOID
    for name, told in (
        ("empty", empty), ("void", good & void), ("turned", good & turned),
        ("red", good & ~void & (fen < 0)), ("reversed", good & (status == REVERSED)),
        ("issued", good & out), ("received", good & ~out),
        ("no number", good & (key == 0)), ("no counterparty", good & (partners == 0)),
    ):  # fmt: skip
        counts[name] += int(told.sum())
    columns = {
        "firm": given.filter(pa.array(good)),
        "out": out[good], "void": void[good], "key": key[good], "partner": partners[good],
        "day": day[good].astype(np.int32), "fen": fen[good], "row": batch.rows[good],
    }  # fmt: skip
    counts["used"] += int(good.sum())
    return Read(columns, shelf[firms[good]], rejected, counts)


def _owner(reading: Reading) -> Field:
    """The column that names the firm: its own, else the side of the invoice it is on."""
    if "firm" in reading.columns.positions or reading.mapping.firm is not None:
        return "firm"
    return "buyer" if reading.columns.direction == "in" else "seller"


def _empty(column: dict[Field, Any], n: int) -> Bools:
    """Rows that hold nothing at all."""
    empty = np.ones(n, bool)
    for cells in column.values():
        texts = values.texts_of(cells) if pa.types.is_string(cells.type) else cells
        empty &= texts.is_null().to_numpy(zero_copy_only=False)
    return empty


def _is_text(text: str, counts: Counter[str]) -> bool:
    """Whether a row that could not be split holds anything but delimiters."""
    if text.strip(" \t,;|\"'"):
        return True
    counts["empty"] += 1
    return False


def _torn(row: int, text: str, counts: Counter[str]) -> Rejected:
    return Rejected(row, "row", text, "as many cells as the header has")


def _out(column: dict[Field, Any], reading: Reading, n: int) -> tuple[Bools, Bools]:
    """Which rows were issued by the firm, and which do not say."""
    if reading.columns.direction is not None:
        return np.full(n, reading.columns.direction == "out"), np.zeros(n, bool)
    sides = values.words(column["direction"], reading.sides)
    return sides == 1, sides < 0


def _parties(
    column: dict[Field, Any], out: Bools, reading: Reading
) -> tuple[Any, NDArray[np.uint64]]:
    """The firm's cells (None: stated for all rows) and its counterparties as numbers."""

    def side(if_out: Field, if_in: Field) -> Any:
        one, other = column.get(if_out), column.get(if_in)
        if reading.columns.direction is not None:
            return one if reading.columns.direction == "out" else other
        if one is None and other is None:
            return None
        texts = [
            pa.nulls(len(out), pa.string()) if cells is None else values.texts_of(cells)
            for cells in (one, other)
        ]
        return pc.if_else(pa.array(out), *texts)

    firm = column.get("firm")
    if firm is None and reading.mapping.firm is None:
        firm = side("seller", "buyer")
    partners = np.zeros(len(out), np.uint64)
    for cells in (
        column.get("counterparty"), side("buyer", "seller"),
        column.get("counterparty_name"), side("buyer_name", "seller_name"),
    ):  # fmt: skip
        if cells is not None and not partners.all():
            partners = np.where(partners == 0, values.hashes(cells), partners)
    return firm, partners


def _firms(cells: Any, stated: str | None, n: int, shelves: int) -> tuple[Any, Ints, Ints, Bools]:
    """Codes as given, positions of firms, the shelf of each firm, and which rows name none."""
    if cells is None:
        cells = pa.array([stated] * n)
    encoded = values.texts_of(cells).dictionary_encode()
    found: list[Firm | None] = [values.firm_of(text) for text in encoded.dictionary.to_pylist()]
    found.append(None)
    at = encoded.indices.fill_null(len(found) - 1).to_numpy(zero_copy_only=False).astype(np.int64)
    names = pa.array([None if firm is None else firm.given for firm in found], pa.string())
    shelf = [0 if firm is None else crc32(firm.uscc.encode()) % shelves for firm in found]
    unknown = np.array([firm is None for firm in found])[at]
    return names.take(pa.array(at)), at, np.array(shelf, np.int64), unknown


def _status(column: dict[Field, Any], reading: Reading, n: int) -> tuple[Ints, Bools]:
    """What each row's status says, and which words are unknown; void by either column."""
    status, unread = np.full(n, VALID, np.int64), np.zeros(n, bool)
    if "status" in column:
        status = values.words(column["status"], reading.words)
        unread = status < 0
    if "void" in column:
        flags = values.words(column["void"], values.VOID_FLAGS)
        unread |= flags < 0
        status = np.where(flags == VOID, VOID, status)
    return status, unread


def _amounts(
    column: dict[Field, Any], reading: Reading, void: Bools, counts: Counter[str]
) -> tuple[Ints, list[tuple[Field, Bools]]]:
    """Amounts without tax in fen and which cannot be told: as given, else total less tax."""
    money = {
        name: values.fen(column[name], reading.decimal, reading.columns.units_yuan[name])
        for name in ("amount", "tax", "total")
        if name in column
    }
    none = np.ones(len(void), bool)
    zero = (np.zeros(len(void), np.int64), none, ~none)
    amount, tax, total = (money.get(name, zero) for name in ("amount", "tax", "total"))
    known = ~(tax[1] | tax[2] | total[1] | total[2])
    usable = ~(amount[1] | amount[2])
    fen = np.where(usable, amount[0], np.where(amount[1] & known, total[0] - tax[0], 0))
    computed = amount[1] & known
    apart = usable & known & ~void & (np.abs(amount[0] + tax[0] - total[0]) > NEAR_FEN)
    counts["computed"] += int(computed.sum())
    counts["apart"] += int(apart.sum())
    counts["void without amount"] += int((void & amount[1] & ~known).sum())
    name: Field = "amount" if "amount" in column else "total"
    return fen, [(name, amount[2] | (amount[1] & ~known & ~void))]


def _rejected(
    name: Field, at: int, column: dict[Field, Any], batch: Batch, status: Ints,
    today: date,
) -> Rejected:  # fmt: skip
    """Why a row cannot be used, in words."""
    if name == "status" and "void" in column and status[at] >= 0 and status[at] != UNSURE:
        name = "void"
    cell = column[name][at].as_py() if name in column else None
    value = "" if cell is None else str(cell)
    expected = {
        "direction": "in or out, 进项 or 销项; others are stated under [directions] of a mapping",
        "date": f"a date from {values.FIRST_DAY} to {today}",
        "amount": "an amount in yuan, or total and tax to work it out from",
        "total": "total and tax in yuan, to work the amount out from",
        "status": "a known word such as 有效发票 or 作废发票; others are stated under [status]",
        "void": "是 or 否, Y or N, 1 or 0",
    }.get(name, "a code")
    if name == "status" and status[at] == UNSURE:
        expected = (
            "an amount below 0: above 0 it may be the red-letter invoice or the one it reversed; "
            'state "red" or "reversed" under [status]'
        )
    if name in ("firm", "seller", "buyer") and values.LOST_DIGITS.fullmatch(value):
        expected = "a code stored as text: as a number it lost its last digits"
    return Rejected(int(batch.rows[at]), name, value[:200], expected)
