"""Drift: whether loans come from the same crowd as those a scorecard was fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2


class Drift(Struct, frozen=True, kw_only=True):
    """The population stability index of some loans, and what chance alone would reach.

    `by_chance` is the index's 95 % quantile when nothing changed, for these numbers of loans:
    chi-square with bands - 1 degrees of freedom times (1/n + 1/m) (Yurdakul and Naranjo,
    Statistical properties of the population stability index, 2020).
    """

    psi: float
    by_chance: float

    @property
    def moved(self) -> bool:
        """More than chance alone would show."""
        return self.psi > self.by_chance


def drift(base: ArrayLike, now: ArrayLike) -> Drift:
    """Compare loans by band: counts (n_bands,) of those fitted on, and of those now.

    Bands that hold nobody on either side are left out; half a loan is added to each other.
    """
    before, after = np.asarray(base, dtype=float), np.asarray(now, dtype=float)
    held = (before + after) > 0
    before, after = before[held], after[held]
    if len(before) < 2 or not before.sum() or not after.sum():
        return Drift(psi=0.0, by_chance=0.0)
    expected, found = _shares(before), _shares(after)
    psi = float(((found - expected) * np.log(found / expected)).sum())
    chance = chi2.ppf(0.95, len(before) - 1) * (1.0 / before.sum() + 1.0 / after.sum())
    return Drift(psi=psi, by_chance=float(chance))


def counts(values: Any, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many values fall in each band; a value on an edge belongs to the band below it."""
    held: NDArray[np.int64] = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return held


def tenths(values: Any, bands: int = 10) -> NDArray[np.float64]:
    """Edges between bands that hold about as many of the values each; fewer when values repeat."""
    edges: NDArray[np.float64] = np.unique(np.quantile(values, np.linspace(0, 1, bands + 1)[1:-1]))
    return edges


def _shares(held: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = (held + 0.5) / (held.sum() + 0.5 * len(held))
    return shares
