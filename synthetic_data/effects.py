"""What a scenario moved: the same firms with the same luck, in two worlds, read from their files.

An effect is a ratio of two sums over firms, such as defaults over applications. Because both worlds
draw the same numbers for the same firm, most of the noise is in both and leaves their difference;
the standard error counts what is left, firm by firm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from synthetic_data.scenario import Move

RELATIVE = ("sales",)
"""Effects told as a change in percent; the others, being shares, as a difference of points."""
_MONTHLY = {
    "sales": ("true_sales_yuan", None),
    "collected": ("true_collected_yuan", "true_sales_yuan"),
    "tax": ("true_tax_paid_yuan", "sales_yuan"),
    "service": ("true_debt_service_due_yuan", "true_loan_owed_yuan"),
}
_LOGARITHMS = {
    "sales_of_a_firm": ("true_sales_yuan", None),
    "costs_of_a_firm": ("true_operating_paid_yuan", "true_sales_yuan"),
}
"""Effect -> columns of months.parquet above and below the line: sums, where None counts each firm
once, and logarithms of each month, where each firm and month counts alike."""
_CHANCE = 2.0
"""Standard errors by which an effect must stand out."""


@dataclass(frozen=True)
class Measured:
    """An effect in both worlds, its size with a standard error, and whether it is as declared."""

    ours: float
    beside: float
    size: float
    standard_error: float
    as_declared: bool


class Files:
    """The tables of a world that effects are read from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def firms(self) -> Any:
        """Who the firms are, by USCC."""
        return self._read("firms", ["uscc", "sector", "region", "industry_code"]).set_index("uscc")

    @cached_property
    def months(self) -> Any:
        """One row a firm and month."""
        pairs = [*_MONTHLY.values(), *_LOGARITHMS.values()]
        columns = {name for pair in pairs for name in pair if name}
        return self._read("months", ["uscc", "month", *sorted(columns)])

    @cached_property
    def applications(self) -> Any:
        """One row an application, with its truth."""
        asked = self._read("applications", ["application_id", "uscc", "vintage", "purpose"])
        truth = self._read("truth", ["application_id", "true_pd_12m", "true_mill"])
        return asked.merge(truth, on="application_id").rename(columns={"vintage": "month"})

    def silent(self, section: str) -> Any:
        """Whether a source says nothing in the credit file of each application, in their order."""
        kind = msgspec.defstruct("Sections", [(section, Any, None)])
        decode = msgspec.json.Decoder(kind).decode
        files = pq.read_table(self._folder / "credit_files.parquet")["credit_file"].to_pylist()
        return np.array([getattr(decode(file), section) is None for file in files], dtype=float)

    def _read(self, name: str, columns: list[str]) -> Any:
        return pd.read_parquet(self._folder / f"{name}.parquet", columns=columns)


def measure(move: Move, ours: Files, beside: Files) -> Measured:
    """How far an effect moved between two worlds of the same firms and seed."""
    sums = [_sums(move, files) for files in (ours, beside)]
    everybody = sums[0].index.union(sums[1].index)
    a, n, b, m = (
        one[name].reindex(everybody, fill_value=0.0).to_numpy()
        for one in sums
        for name in ("top", "bottom")
    )
    if n.sum() <= 0.0 or m.sum() <= 0.0:
        raise ValueError(
            f"effect {move.effect}: nothing to measure from {move.first} to {move.last} in a world "
            "this small or this short; give more firms"
        )
    mine, other = a.sum() / n.sum(), b.sum() / m.sum()
    from_mine, from_other = (a - mine * n) / n.sum(), (b - other * m) / m.sum()
    if move.effect in RELATIVE:
        size = mine / other - 1.0
        noise = (mine / other) * (from_mine / mine - from_other / other)
    else:
        size, noise = mine - other, from_mine - from_other
    error = float(np.sqrt((noise**2).sum()))
    sign = {"up": 1.0, "down": -1.0, "same": 0.0}[move.direction]
    moved = sign * size > _CHANCE * error if sign else size == 0.0 and error == 0.0
    return Measured(float(mine), float(other), float(size), error, bool(moved))


def _sums(move: Move, files: Files) -> Any:
    """Above and below the line of each firm: a frame by USCC with columns top and bottom."""
    rows = files.months if move.effect in (*_MONTHLY, *_LOGARITHMS) else files.applications
    if move.effect in _MONTHLY:
        above, below = _MONTHLY[move.effect]
        top, bottom = rows[above], rows[below] if below else None
    elif move.effect in _LOGARITHMS:
        above, below = _LOGARITHMS[move.effect]
        top, bottom = np.log(rows[above].clip(lower=1.0)), np.ones(len(rows))
        if below:
            top = top - np.log(rows[below].clip(lower=1.0))
    else:
        told = {
            "default_rate": lambda: rows["true_pd_12m"],
            "mills": lambda: rows["true_mill"],
            "epidemic_supplies": lambda: rows["purpose"] == "epidemic_supplies",
            "silent": lambda: files.silent(move.section),
        }
        top, bottom = told[move.effect](), np.ones(len(rows))
    chosen = rows["month"].between(move.first, move.last)
    chosen &= rows["uscc"].isin(_firms(move, files))
    table = pd.DataFrame({"uscc": rows["uscc"], "top": top, "bottom": bottom})[chosen]
    sums = table.astype({"top": float, "bottom": float}).groupby("uscc")[["top", "bottom"]].sum()
    return sums.assign(bottom=1.0) if bottom is None else sums


def _firms(move: Move, files: Files) -> Any:
    chosen = files.firms
    for column, values in move.of:
        chosen = chosen[chosen[column].isin(values)]
    return chosen.index
