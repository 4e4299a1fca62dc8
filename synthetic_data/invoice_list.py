"""The single invoices behind a firm's months: made on demand, the same ones every time.

A calendar year of a firm is one draw, keyed by the world's seed, the firm and the year, so an
invoice is the same whatever months are asked for and however many firms there are. Monthly sums,
counts, voids, red-letter amounts and numbers of partners are those of months.parquet, to the fen.
The largest partner's share of twelve months is met at the end of each calendar year: what is seen
of it is drawn anew each month in the world, which no one list can follow.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthetic_data import identity, parameters, scenario
from synthetic_data.calendar import day_of, last_day, month_index
from synthetic_data.draws import Floats, Ints, Subject, generator
from synthetic_data.economy import vat_rate
from synthetic_data.invoice_split import parts, split
from synthetic_data.parameters import EconomyParameters

COLUMNS = ("uscc", "direction", "number", "date", "counterparty", "counterparty_name",
           "amount_yuan", "tax_yuan", "total_yuan", "status")  # fmt: skip
_LOG_SD = {"out": 2.1, "in": 2.45}
_ZERO_RATED = 0.085
_PURCHASE_VOID = 0.04
"""Log spread of amounts, share of sales at 0 %, share of purchase invoices voided: VAT invoices of
425 Chinese small firms, 2016-10 to 2020-02, published for a modelling contest."""
_PURCHASES_A_SUPPLIER = 1.3  # invoices in a month; assumed
_PURCHASE_CLASSES = {"standard": 0.7, "low": 0.15, "service": 0.15}  # assumed
_FIRST_FICTIONAL, _FICTIONAL = 100_000_000, 700_000_000
"""Numbers of fictional partners' codes: above every world's firms, below the stories'."""


@dataclass(frozen=True)
class Partner:
    """The other side of an invoice."""

    uscc: str
    name: str


@dataclass(frozen=True)
class Invoice:
    """One row; amounts in fen."""

    direction: str  # out: issued by the firm, in: received
    on: date
    partner: Partner
    amount_fen: int
    tax_fen: int
    void: bool
    number: str = ""

    def row(self, uscc: str) -> tuple[Any, ...]:
        """The row of a list, in the order of COLUMNS."""
        amounts = (self.amount_fen, self.tax_fen, self.amount_fen + self.tax_fen)
        return (
            uscc, self.direction, self.number, self.on, self.partner.uscc, self.partner.name,
            *(fen / 100.0 for fen in amounts), "void" if self.void else "valid",
        )  # fmt: skip


@dataclass(frozen=True)
class _Firm:
    """What a world's files say of one firm."""

    number: int  # its row in firms.parquet, the same in a larger world
    established: date
    sector: str
    small_scale: bool
    months: dict[str, list[Any]]  # columns of months.parquet
    named: dict[str, Partner]  # direction -> the largest partner, where the world knows it


class Lists:
    """The invoice lists of one world."""

    def __init__(self, world: Path) -> None:
        about = world / "world.json"
        if not about.is_file():
            raise ValueError(
                f"world: got {world}, expected a folder with world.json; "
                "run `yidaitong generate --out FOLDER`"
            )
        told = msgspec.json.decode(about.read_bytes())
        known = [name for name in told.get("scenarios", []) if name in scenario.names()]
        self._world, self._seed = world, int(told["seed"])
        self._economy = parameters.load(scenarios=known).economy

    @cached_property
    def _firms(self) -> Any:
        columns = ["uscc", "name", "established", "sector", "true_level_yuan"]
        return pq.read_table(self._world / "firms.parquet", columns=columns)

    def invoices(self, uscc: str, first: str = "", last: str = "9999-12") -> list[Invoice]:
        """A firm's invoices of some months ("YYYY-MM"), by date.

        Raises ValueError for a firm or months the world does not have.
        """
        firm = self._firm(uscc)
        lived = firm.months["month"]
        if not any(first <= month <= last for month in lived):
            raise ValueError(
                f"months: got {first or lived[0]} to {last}, "
                f"expected some of {lived[0]} to {lived[-1]}"
            )
        found: list[Invoice] = []
        for year in sorted({month[:4] for month in lived if first <= month <= last}):
            rows = [at for at, month in enumerate(lived) if month[:4] == year]
            for direction in ("out", "in"):
                found += _Year(self._economy, self._seed, firm, rows, direction).invoices()
        chosen = [one for one in found if first <= f"{one.on:%Y-%m}" <= last]
        return sorted(chosen, key=lambda one: (one.on, one.direction, one.number))

    def _firm(self, uscc: str) -> _Firm:
        at = pc.index(self._firms["uscc"], uscc).as_py()
        if at < 0:
            raise ValueError(f"uscc: got {uscc}, expected a firm of {self._world}/firms.parquet")
        months = pq.read_table(self._world / "months.parquet", filters=[("uscc", "=", uscc)])
        if not len(months):
            raise ValueError(f"uscc: got {uscc}, a firm that lived in no month of this world")
        (row,) = self._firms.slice(at, 1).to_pylist()
        return _Firm(
            number=at,
            established=row["established"],
            sector=row["sector"],
            small_scale=12.0 * row["true_level_yuan"] <= self._economy.small_scale_annual_max_yuan,
            months=months.to_pydict(),
            named=self._named(uscc),
        )

    def _named(self, uscc: str) -> dict[str, Partner]:
        """The largest buyer and supplier among the world's own firms, where links are kept."""
        path, found = self._world / "links.parquet", {}
        sides = (("out", "from_uscc", "to_uscc"), ("in", "to_uscc", "from_uscc"))
        for direction, own, other in sides if path.is_file() else ():
            links = pq.read_table(path, filters=[("kind", "=", "supply"), (own, "=", uscc)])
            if len(links):
                partner = links.sort_by([("share", "descending"), (other, "ascending")])[other][0]
                at = pc.index(self._firms["uscc"], partner).as_py()
                found[direction] = Partner(partner.as_py(), self._firms["name"][at].as_py())
        return found


class _Year:
    """One direction of a firm's calendar year."""

    def __init__(
        self,
        economy: EconomyParameters,
        seed: int,
        firm: _Firm,
        rows: Sequence[int],
        direction: str,
    ) -> None:
        self._p, self._firm, self._direction = economy, firm, direction
        self._texts = [firm.months["month"][at] for at in rows]
        out = direction == "out"
        year, side = int(self._texts[0][:4]), 0 if out else 1
        rng = self._rng = generator(seed, firm.number, Subject.INVOICES, 2 * year + side)
        begun = generator(seed, firm.number, Subject.INVOICES, side)
        self._pool = _Pool(int(begun.integers(_FICTIONAL)), rng, firm.named.get(direction))
        column = {name: np.array([told[at] for at in rows]) for name, told in firm.months.items()}
        self._net = _fen(column["sales_yuan" if out else "purchases_yuan"])
        self._red = _fen(column["red_yuan"]) if out else np.zeros_like(self._net)
        self._partners = column["buyers" if out else "suppliers"].astype(np.int64)
        if out:
            self._voided = column["void_count"].astype(np.int64)
            self._count = column["sales_count"].astype(np.int64) - self._voided - (self._red > 0)
        else:
            more = rng.poisson((_PURCHASES_A_SUPPLIER - 1.0) * self._partners)
            self._count = np.where(self._net > 0, self._partners + more, 0)
            odds = _PURCHASE_VOID / (1.0 - _PURCHASE_VOID)
            self._voided = rng.poisson(odds * self._count)
        if ((self._count < self._partners) & (self._net > 0)).any():
            raise ValueError(
                f"months.parquet: in {self._texts[0][:4]} a month has fewer invoices than partners:"
                " the world was made by another version, run `yidaitong generate` again"
            )
        share = column.get("top_buyer_share" if out else "top_supplier_share")
        self._share = 1.0 / 3.0 if share is None else float(share[-1])

    def invoices(self) -> list[Invoice]:
        """The invoices with their numbers, by date."""
        rng, net = self._rng, self._net
        target = round(self._share * int(net.sum()))
        top = parts(target, net, self._partners, self._count, rng)
        self._pool.open(int(self._partners.max(initial=0)), int(top.sum()))
        made: list[Invoice] = []
        for at in range(len(net)):
            if self._count[at] > 0:
                made += self._month(at, int(top[at]))
        made.sort(key=lambda one: one.on)
        first = int(rng.integers(1_000_000, 90_000_000))
        step = 1 if self._direction == "out" else 7_919  # suppliers number theirs, not the firm
        return [
            replace(one, number=f"{(first + step * i) % 100_000_000:08d}")
            for i, one in enumerate(made)
        ]

    def _month(self, at: int, top_fen: int) -> list[Invoice]:
        """The valid invoices of a month, the red-letter one among them, and the voided."""
        rng, count, met = self._rng, int(self._count[at]), int(self._partners[at])
        red, whole = int(self._red[at]), int(self._net[at] + self._red[at])
        rows: list[tuple[Partner, int, bool]] = []
        if top_fen > 0:  # it takes the red-letter invoice, too
            mine = count
            if met > 1:
                share = (top_fen + red) / whole
                mine = min(max(round(count * share), 1), count - met + 1, top_fen)
            amounts = split(top_fen + red, mine, _LOG_SD[self._direction], rng)
            rows += [(self._pool.top, int(amount), False) for amount in amounts]
            count, met, whole = count - mine, met - 1, whole - top_fen - red
        if met > 0:
            rows += self._others(whole, count, met)
        if red:
            sums: dict[Partner, int] = {}
            for partner, amount, _ in rows:
                sums[partner] = sums.get(partner, 0) + amount
            owner = self._pool.top if top_fen > 0 else max(sums, key=lambda one: sums[one])
            rows.append((owner, -red, False))
        voided = int(self._voided[at])
        if voided:
            usual = max(int(self._net[at]) * voided // int(self._count[at]), voided)
            for amount in split(usual, voided, _LOG_SD[self._direction], rng):
                rows.append((rows[int(rng.integers(len(rows)))][0], int(amount), True))
        return self._dated(self._texts[at], rows)

    def _others(self, whole: int, count: int, met: int) -> list[tuple[Partner, int, bool]]:
        """Invoices of partners beside the largest, each of them smaller than it if that can be."""
        spread = _LOG_SD[self._direction]
        while True:
            amounts = split(whole, count, spread, self._rng)
            places = np.concatenate([np.arange(met), self._rng.integers(0, met, count - met)])
            sums = np.bincount(places, weights=amounts).astype(np.int64)
            if sums.max() <= self._pool.most_fen or spread < 0.1:
                break
            spread /= 2.0
        chosen = self._pool.others(sums)
        return [
            (chosen[place], int(amount), False)
            for place, amount in zip(places, amounts, strict=True)
        ]

    def _dated(self, month: str, rows: list[tuple[Partner, int, bool]]) -> list[Invoice]:
        index, born = month_index(month), self._firm.established
        first = born.day if f"{born:%Y-%m}" == month else 1
        days = self._rng.integers(first, last_day(index).day + 1, len(rows))
        rates = self._rates(month, len(rows))
        return [
            Invoice(self._direction, day_of(index, int(day)), partner, fen, round(fen * rate), void)
            for (partner, fen, void), day, rate in zip(rows, days, rates.tolist(), strict=True)
        ]

    def _rates(self, month: str, count: int) -> Floats:
        """VAT rates of invoices of a month, (count,)."""
        if self._direction == "in":
            kinds = self._rng.choice(
                list(_PURCHASE_CLASSES), count, p=list(_PURCHASE_CLASSES.values())
            )
            return np.array([vat_rate(self._p, str(kind), month) for kind in kinds])
        general = self._p.vat_class_by_sector[self._firm.sector]
        rate = vat_rate(self._p, "small_scale" if self._firm.small_scale else general, month)
        return np.where(self._rng.random(count) < _ZERO_RATED, 0.0, rate)


class _Pool:
    """The partners of a firm in one direction: the largest, and others met more or less often."""

    def __init__(self, salt: int, rng: np.random.Generator, named: Partner | None) -> None:
        self._salt, self._rng = salt, rng
        self._known = {} if named is None else {0: named}
        self._sums: dict[int, int] = {}
        self.most_fen = 0

    @property
    def top(self) -> Partner:
        """The largest partner."""
        return self._partner(0)

    def open(self, most_in_a_month: int, top_fen: int) -> None:
        """Begin a year; top_fen is what the largest partner takes of it."""
        self._regular = 1 + 2 * most_in_a_month
        self.most_fen = top_fen * 9 // 10 if top_fen else 10**18

    def others(self, sums: Ints) -> list[Partner]:
        """Different partners for the sums of a month, none beyond the largest if that can be."""
        ranks = np.arange(1, self._regular)
        odds = 1.0 / (ranks + 5.0)
        met = self._rng.choice(ranks, len(sums), replace=False, p=odds / odds.sum()).tolist()
        for i, fen in enumerate(sums.tolist()):
            if self._sums.get(met[i], 0) + fen > self.most_fen:
                met[i] = self._regular = self._regular + 1  # one not met before
            self._sums[met[i]] = self._sums.get(met[i], 0) + fen
        return [self._partner(rank) for rank in met]

    def _partner(self, rank: int) -> Partner:
        if rank not in self._known:
            number = (self._salt + rank * 48_611) % _FICTIONAL
            provinces = list(identity.PROVINCES)
            place = provinces[number % len(provinces)]
            trades = [trade for told in identity.TRADES.values() for _, trade in told]
            self._known[rank] = Partner(
                identity.uscc(place, _FIRST_FICTIONAL + number),
                identity.name(
                    place, trades[number // 31 % len(trades)],
                    np.array([number // 7, number // 1_009, number // 40_009]),
                ),
            )  # fmt: skip
        return self._known[rank]


def _fen(yuan: Any) -> Ints:
    found: Ints = np.rint(yuan * 100.0).astype(np.int64)
    return found


def write(path: Path, uscc: str, invoices: Sequence[Invoice]) -> None:
    """Write a firm's invoices as `import-invoices` reads them: Parquet, or CSV in UTF-8."""
    rows = [one.row(uscc) for one in invoices]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        columns = zip(*rows, strict=True)
        pq.write_table(pa.table(dict(zip(COLUMNS, map(list, columns), strict=True))), path)
        return
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([f"{one:.2f}" if isinstance(one, float) else one for one in row])
