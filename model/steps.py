"""One feature's step function while it is being learned: bins, codes, levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_CATEGORIES = 200
ROWS_FOR_QUANTILES = 100_000
"""Rows, drawn at random, that the quantiles of a number are taken from."""


@dataclass(frozen=True)
class Steps:
    """A step function of one feature.

    A number x falls on step k when cuts[k-1] < x <= cuts[k]; a category on its own step.
    `levels` has one log-odds per step; `missing` and `unknown` stand apart.
    """

    name: str
    kind: Literal["number", "ordered", "nominal"]
    direction: int
    cuts: Floats = field(default_factory=lambda: np.zeros(0))
    categories: tuple[str, ...] = ()
    levels: Floats = field(default_factory=lambda: np.zeros(0))
    missing: float = 0.0
    unknown: float = 0.0

    @property
    def width(self) -> int:
        """Number of steps."""
        return len(self.cuts) + 1 if self.kind == "number" else max(1, len(self.categories))

    @property
    def is_free_number(self) -> bool:
        """Whether it is in an order of its own and has no declared direction."""
        return self.kind != "nominal" and not self.direction

    @staticmethod
    def empty(name: str, values: pd.Series[Any], direction: int, max_bins: int) -> Steps:
        """Bins for a column, nothing learned yet: quantiles of a number, or its categories."""
        if pd.api.types.is_numeric_dtype(values.dtype):
            return Steps(name, "number", direction, cuts=_cuts(values, max_bins))
        if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
            return Steps(
                name, "ordered", direction, categories=tuple(map(str, values.cat.categories))
            )
        most = values.dropna().astype(str).value_counts().head(MOST_CATEGORIES)
        return Steps(name, "nominal", 0, categories=tuple(sorted(most.index)))

    def learned(
        self,
        held: Floats,
        rare: float,
        boosted: Floats,
        max_steps: int | None,
        merge: Callable[[Floats, Floats, int], Floats],
    ) -> Steps:
        """The column with its levels: merged, kept monotone, centred on the rows given.

        `held` and `boosted` have the weight of the rows and the log-odds of each step, the missing
        step last; `rare` is the weight of the rows there whose category is too rare for a step.
        """
        levels = boosted[:-1].astype(np.float64)
        if self.kind == "number" and max_steps is not None:
            levels = merge(levels, held[:-1], max_steps)
        if self.direction > 0:
            levels = np.maximum.accumulate(levels)
        elif self.direction < 0:
            levels = np.minimum.accumulate(levels)
        missing = float(boosted[-1])
        centre = float((held @ np.append(levels, missing)) / max(held.sum(), 1e-300))
        levels = levels - centre
        if self.kind != "number":
            return replace(
                self,
                levels=levels,
                missing=missing - centre if held[-1] > rare else 0.0,
                unknown=missing - centre if rare else 0.0,  # boosted as missing
            )
        keep = np.flatnonzero(np.diff(levels) != 0)
        return replace(
            self,
            cuts=self.cuts[keep],
            levels=levels[np.append(keep, len(levels) - 1)],
            missing=missing - centre if held[-1] else 0.0,
        )

    def levels_of(self, finer: Steps) -> Floats:
        """Log-odds of each step of a column that this was learned from, the missing step last."""
        if self.kind != "number":
            return np.append(self.levels, self.missing or self.unknown)
        at = np.searchsorted(self.cuts, np.append(finer.cuts, np.inf), side="left")
        return np.append(self.levels[at], self.missing)

    def lookup(self, values: pd.Series[Any]) -> Floats:
        """Log-odds that this feature adds to each row, shape (n_rows,)."""
        codes = encode(self, values)
        known = ~np.isnan(codes) & (codes >= 0)
        out = np.where(np.isnan(codes), self.missing, self.unknown)
        out[known] = self.levels[codes[known].astype(int)]
        return out


def encode(column: Steps, values: pd.Series[Any]) -> Floats:
    """Step number of each row; NaN where missing, -1 for a category never seen."""
    if column.kind == "number":
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        codes = np.searchsorted(column.cuts, numbers, side="left").astype(np.float64)
        return cast(Floats, np.where(np.isnan(numbers), np.nan, codes))
    if isinstance(values.dtype, pd.CategoricalDtype):
        at, found = values.cat.codes.to_numpy(), values.cat.categories
    else:
        at, found = pd.factorize(values.astype(object))
    known = pd.Index(column.categories, dtype=object).get_indexer(
        pd.Index([str(category) for category in found], dtype=object)
    )
    return np.where(at < 0, np.nan, np.append(known, -1)[at].astype(np.float64))


def placed(codes: Floats, width: int) -> NDArray[np.unsignedinteger[Any]]:
    """Step numbers in as few bytes as they need; `width` where missing, or a category has none."""
    small = np.uint8 if width < 256 else np.uint16 if width < 65_536 else np.uint32
    return np.where(codes >= 0, codes, width).astype(small)


def _cuts(values: pd.Series[Any], max_bins: int) -> Floats:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if len(numbers) > ROWS_FOR_QUANTILES:
        drawn = np.random.default_rng(0).integers(0, len(numbers), ROWS_FOR_QUANTILES)
        numbers = numbers[drawn]
    finite = numbers[np.isfinite(numbers)]
    distinct = np.unique(finite)
    if len(distinct) < 2:
        return np.zeros(0)
    if len(distinct) <= max_bins:
        middles = distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    else:
        shares = np.linspace(0, 1, max_bins + 1)[1:-1]
        middles = np.quantile(finite, shares, method="midpoint")
    return np.unique(middles)
