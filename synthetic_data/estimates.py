"""A figure measured in a sample, with its standard error and how many it was measured on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

Z_95 = float(norm.ppf(0.975))
FEWEST = 30
"""Observations below which nothing is said."""


class Figure(NamedTuple):
    """A value, its standard error, and the number of observations behind it."""

    value: float
    error: float
    n: int


def share(hits: Any) -> Figure | None:
    """The share of true values (n,); its error after Agresti and Coull, so that 0 has one, too."""
    hits = np.asarray(hits, dtype=bool)
    n = len(hits)
    if n < FEWEST:
        return None
    near = (hits.sum() + 2.0) / (n + 4.0)
    return Figure(float(hits.mean()), float(np.sqrt(near * (1.0 - near) / (n + 4.0))), n)


def mean(values: Any) -> Figure | None:
    """The mean of the values that are there (n,)."""
    values = _known(values)
    if len(values) < FEWEST:
        return None
    error = values.std(ddof=1) / np.sqrt(len(values))
    return Figure(float(values.mean()), float(error), len(values))


def deviation(values: Any) -> Figure | None:
    """The standard deviation; its error from the fourth moment, so heavy tails are allowed for."""
    values = _known(values)
    n = len(values)
    if n < FEWEST:
        return None
    centred = values - values.mean()
    variance = float((centred**2).mean())
    if variance == 0.0:
        return Figure(0.0, 0.0, n)
    spread = max(float((centred**4).mean()) - variance**2, 0.0)
    return Figure(float(np.sqrt(variance)), float(np.sqrt(spread / n / (4.0 * variance))), n)


def quantile(values: Any, at: float) -> Figure | None:
    """A quantile; its error from the order statistics that bound it with 95 % confidence."""
    values = np.sort(_known(values))
    n = len(values)
    if n < FEWEST or n * min(at, 1.0 - at) < 5.0:
        return None
    reach = Z_95 * np.sqrt(n * at * (1.0 - at))
    low, high = (int(np.clip(round(n * at + side * reach), 0, n - 1)) for side in (-1, 1))
    error = (values[high] - values[low]) / (2.0 * Z_95)
    return Figure(float(np.quantile(values, at)), float(error), n)


def ratio(top: Any, bottom: Any) -> Figure | None:
    """The ratio of two sums over the same observations (n,); its error linearised."""
    top, bottom = np.asarray(top, dtype=float), np.asarray(bottom, dtype=float)
    known = np.isfinite(top) & np.isfinite(bottom)
    top, bottom = top[known], bottom[known]
    n, below = len(top), float(bottom.sum())
    if n < FEWEST or below <= 0.0:
        return None
    value = float(top.sum()) / below
    return Figure(value, float(np.sqrt(((top - value * bottom) ** 2).sum())) / below, n)


def quotient(one: Figure | None, other: Figure | None) -> Figure | None:
    """One figure over another measured on other observations."""
    if one is None or other is None or other.value <= 0.0 or one.value <= 0.0:
        return None
    value = one.value / other.value
    relative = np.hypot(one.error / one.value, other.error / other.value)
    return Figure(value, float(value * relative), min(one.n, other.n))


def auc(hits: Any, rated: Any) -> Figure | None:
    """How well ratings (n,) tell hits from others; error after DeLong and others (1988).

    Not measured with fewer than FEWEST of either kind. Ratings that are not known are left out.
    """
    hits, rated = np.asarray(hits, dtype=bool), np.asarray(rated, dtype=float)
    known = np.isfinite(rated)
    bad, good = rated[known & hits], rated[known & ~hits]
    if min(len(bad), len(good)) < FEWEST:
        return None
    ranks = rankdata(np.concatenate([bad, good]))
    over = (ranks[: len(bad)] - rankdata(bad)) / len(good)  # of the good, how many lie below
    under = 1.0 - (ranks[len(bad) :] - rankdata(good)) / len(bad)
    error = np.sqrt(over.var(ddof=1) / len(bad) + under.var(ddof=1) / len(good))
    return Figure(float(over.mean()), float(error), len(bad) + len(good))


def _known(values: Any) -> Any:
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]
