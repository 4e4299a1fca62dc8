"""Single invoices of some firms -> the `invoices` section of each: repeats out, months added up.

Rows are columns of one length: firm (text), out, void (bool), key, partner (uint64, 0 where
unknown), day (days since 1970), fen, table, row. All rows of a firm must be given together. Sums
are in whole fen, so they are exact and do not depend on the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.credit_file import CreditFile, Fault, Invoices, check
from model.invoice_values import Bools, Firm, Ints, date_of, day_number, firm_of

MOST_MONTHS = 240
"""The most months a section of a credit file may have; older ones are left out."""
TOP_MONTHS = 12
Rows = dict[str, Any]
"""Column name -> array of (n,)."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CreditFile).decode
_ODD = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)


class Repeats(NamedTuple):
    """Rows that repeat another: positions, and the position of the row each repeats."""

    rows: Ints
    of: Ints


class Made(NamedTuple):
    """One firm's credit file as JSON, or why there is none."""

    firm: Firm
    credit_file: bytes
    fault: str
    first: date
    months: int
    issued: int
    received: int


def mixed(*columns: Any) -> NDArray[np.uint64]:
    """Columns as one number a row that tells different rows apart; (n,)."""
    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        number = np.asarray(column).astype(np.int64, copy=False).view(np.uint64)
        total = (total ^ number) * np.uint64(_ODD[0])
        total ^= total >> np.uint64(29)
        total *= np.uint64(_ODD[1])
        total ^= total >> np.uint64(32)
    return total


def first_of(values: NDArray[np.uint64]) -> Ints:
    """Position of the first row with the same value; (n,)."""
    codes = pd.factorize(values)[0]
    first = np.zeros(len(values), np.int64)
    first[codes[::-1]] = np.arange(len(values))[::-1]
    found: Ints = first[codes]
    return found


def repeats(rows: Rows) -> Repeats:
    """Rows that repeat an invoice: firm, direction, number, date, counterparty and amount agree.

    The first is kept, and a voided one before a valid one: an invoice voided later stands as valid
    in an earlier list. The amount of a voided invoice may be 0 by then. A row without a number
    repeats nothing.
    """
    order = np.argsort(~rows["void"], kind="stable")
    here = {name: np.asarray(column)[order] for name, column in rows.items()}
    codes = pd.factorize(here["firm"])[0]
    one = mixed(codes, *(_number(here[name]) for name in ("out", "key", "day", "partner")))
    emptied = here["void"] & (here["fen"] == 0)
    blanked = np.isin(one, one[emptied]) & (here["fen"] > 0)
    first = first_of(mixed(one.view(np.int64), np.where(blanked, 0, here["fen"])))
    again = (first != np.arange(len(order))) & (here["key"] != 0)
    return Repeats(order[again], order[first[again]])


def _number(column: Any) -> Ints:
    array = np.asarray(column)
    return array.view(np.int64) if array.dtype == np.uint64 else array.astype(np.int64)


def sections(rows: Rows, as_of: date) -> Iterator[Made]:
    """The credit file of each firm of the rows, in the order of their codes; repeats are out.

    Rows after as-of do not count; a firm that has no other gets no file.
    """
    kept = np.asarray(rows["day"]) <= day_number(as_of)
    rows = {name: column[kept] for name, column in rows.items()}
    if not kept.any():
        return
    codes, names = pd.factorize(rows["firm"], sort=True)
    months = _months(rows["day"])
    last = as_of.year * 12 + as_of.month - 1
    base = int(months.min())
    width, count = last - base + 1, len(names)
    slots = codes * width + (months - base)
    out, void, fen = rows["out"], rows["void"], rows["fen"]
    sold, bought = out & ~void, ~out & ~void
    grid = _Grid(slots, count, width)
    once = _once(rows, codes)
    tables = {
        "sales_yuan": grid.yuan(sold, fen),
        "sales_count": grid.count(out & once),
        "void_count": grid.count(out & void & once),
        "red_yuan": grid.yuan(sold & (fen < 0), -fen),
        "purchases_yuan": grid.yuan(bought, fen),
        "buyers": grid.count(_met(slots, rows["partner"], sold & (fen > 0))),
        "suppliers": grid.count(_met(slots, rows["partner"], bought & (fen > 0))),
    }
    year = months > _last_complete(as_of) - TOP_MONTHS
    year &= months <= _last_complete(as_of)
    tops = [
        _top_share(codes, count, rows["partner"], fen, chosen & year) for chosen in (sold, bought)
    ]
    begun = np.full(count, last, np.int64)
    np.minimum.at(begun, codes, months)
    first_days = _first_days(codes, count, rows["day"], out)
    per_firm = [np.bincount(codes[chosen & once], minlength=count) for chosen in (out, ~out)]
    texts = [f"{at // 12:04d}-{at % 12 + 1:02d}" for at in range(base, last + 1)]
    for i, name in enumerate(names):
        start = max(int(begun[i]), last - MOST_MONTHS + 1) - base
        section = Invoices(
            as_of=as_of,
            first_invoice=date_of(int(first_days[i])),
            months=texts[start:],
            top_buyer_share_12m=tops[0][i],
            top_supplier_share_12m=tops[1][i],
            **{column: table[i, start:].tolist() for column, table in tables.items()},
        )
        yield _made(str(name), section, int(per_firm[0][i]), int(per_firm[1][i]))


class _Grid:
    """Adds columns up by firm and month."""

    def __init__(self, slots: Ints, firms: int, width: int) -> None:
        self._slots, self._shape = slots, (firms, width)

    def count(self, chosen: Bools) -> Ints:
        """How many of the chosen rows; (n_firms, n_months)."""
        size = self._shape[0] * self._shape[1]
        found: Ints = np.bincount(self._slots[chosen], minlength=size).reshape(self._shape)
        return found

    def yuan(self, chosen: Bools, fen: Ints) -> NDArray[np.float64]:
        """Sums of the chosen rows in yuan; (n_firms, n_months)."""
        total = np.zeros(self._shape[0] * self._shape[1], np.int64)
        np.add.at(total, self._slots[chosen], fen[chosen])
        yuan: NDArray[np.float64] = (total / 100.0).reshape(self._shape)
        return yuan


def _months(days: Ints) -> Ints:
    """Days since 1970 -> months since year 0."""
    found: Ints = np.asarray(days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return found + 1970 * 12


def _last_complete(as_of: date) -> int:
    """The last month complete on a date, in months since year 0, as the portrait counts."""
    month = as_of.year * 12 + as_of.month - 1
    return month if date_of(day_number(as_of) + 1).day == 1 else month - 1


def _once(rows: Rows, codes: Ints) -> Bools:
    """One row of each invoice: the lines of one invoice bear one number, date and counterparty."""
    names = ("out", "key", "day", "partner", "void")
    told = mixed(codes, *(_number(rows[name]) for name in names), rows["fen"] < 0)
    first = first_of(told) == np.arange(len(codes))
    found: Bools = first | (rows["key"] == 0)
    return found


def _met(slots: Ints, partners: Any, chosen: Bools) -> Bools:
    """One row of each counterparty in each month; those without a name are one together."""
    at = np.flatnonzero(chosen)
    met = np.zeros(len(slots), bool)
    if len(at):
        first = first_of(mixed(slots[at], _number(partners[at])))
        met[at] = first == np.arange(len(at))
    return met


def _top_share(
    codes: Ints, count: int, partners: Any, fen: Ints, chosen: Bools
) -> list[float | None]:
    """The largest named counterparty's share of what is not negative; None where none is named."""
    at = np.flatnonzero(chosen)
    if not len(at):
        return [None] * count
    pairs, first = np.unique(mixed(codes[at], _number(partners[at])), return_index=True)
    sums = np.zeros(len(pairs), np.int64)
    np.add.at(sums, np.searchsorted(pairs, mixed(codes[at], _number(partners[at]))), fen[at])
    sums = np.maximum(sums, 0)
    owners, named = codes[at][first], partners[at][first] != 0
    total, top = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(total, owners, sums)
    np.maximum.at(top, owners[named], sums[named])
    return [
        round(t / s, 6) if t > 0 else None
        for t, s in zip(top.tolist(), total.tolist(), strict=True)
    ]


def _first_days(codes: Ints, count: int, days: Ints, out: Bools) -> Ints:
    """The first day an invoice was issued, else received; (n_firms,)."""
    never = np.iinfo(np.int64).max
    issued, received = np.full(count, never), np.full(count, never)
    np.minimum.at(issued, codes[out], days[out])
    np.minimum.at(received, codes[~out], days[~out])
    found: Ints = np.where(issued < never, issued, received)
    return found


def _made(given: str, section: Invoices, issued: int, received: int) -> Made:
    """A firm's credit file, read again as the service reads it."""
    firm = firm_of(given)
    if firm is None:
        raise ValueError(f"firm: got {given!r}, expected a code")
    written, fault = b"", ""
    try:
        written = _encode(CreditFile(uscc=firm.uscc, as_of=section.as_of, invoices=section))
        check(_decode(written))
    except (msgspec.ValidationError, Fault) as error:
        fault = str(error)
    first, months = section.first_invoice, len(section.months)
    return Made(firm, written, fault, first, months, issued, received)
