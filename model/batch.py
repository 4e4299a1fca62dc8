"""Many loans at once: the scorer's points for whole columns, in numpy.

The same tables and the same halves as Scorer.points; only the order in which points are added
differs, so scores agree to the last digits of a double.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from model.scorer import Scorer

Floats = NDArray[np.float64]
ROWS = 16_384
"""Rows worked on at a time: what fits a core's own cache."""


@dataclass(frozen=True)
class Rated:
    """What a portfolio gets: arrays with one entry per loan."""

    score_exact: Floats
    pd_12m: Floats
    grade: NDArray[np.object_]

    @property
    def score(self) -> NDArray[np.int64]:
        """The score as it is shown, rounded half to even."""
        return np.rint(self.score_exact).astype(np.int64)


class Batch:
    """A scorer for columns instead of rows."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._cuts, self._codes = scorer.cuts, scorer.codes
        self._points = [np.asarray(points) for points in scorer.step_points]
        self._two_way = [(i, k, 2.0 * np.asarray(halves)) for i, k, halves in scorer.grids]
        self._bounds = np.array([band.pd_12m_below for band in scorer.card.grades[:-1]])
        self._grades = np.array([band.grade for band in scorer.card.grades], dtype=object)

    def rate(self, columns: Mapping[str, Any]) -> Rated:
        """Score loans given as one array per feature, by name, all of one length.

        Numbers as float arrays (NaN: missing), categories as arrays of text (None: missing).
        Raises KeyError for a feature that is not given.
        """
        names = [column.name for column in self.scorer.columns]
        given = [np.asarray(columns[name]) for name in names[: len(self._cuts)]]
        given += [
            self._coded(at, columns[name]) for at, name in enumerate(names[len(self._cuts) :])
        ]
        rows = len(given[0])
        exact = np.empty(rows)
        for start in range(0, rows, ROWS):
            chunk = slice(start, start + ROWS)
            exact[chunk] = self._score([values[chunk] for values in given])
        even, per_logit = self.scorer.points_at_even, self.scorer.points_per_logit
        pd_12m: Floats = expit((even - exact) / per_logit)
        at = np.searchsorted(self._bounds, pd_12m, side="right")
        return Rated(exact, pd_12m, self._grades[at])

    def _coded(self, at: int, values: Any) -> NDArray[np.int16]:
        """Categories as step numbers: unknown ones after the last, missing ones after these."""
        import pandas as pd

        found, distinct = pd.factorize(np.asarray(values, dtype=object))
        codes, unknown = self._codes[at]
        numbers = [codes.get(one, unknown) for one in distinct] + [-1]
        return np.asarray(numbers, dtype=np.int16)[found] % len(self._points[len(self._cuts) + at])

    def _score(self, given: Sequence[Any]) -> Floats:
        total = np.full(len(given[0]), self.scorer.reference_score)
        steps: list[Any] = []
        for values, cuts, points in zip(given, self._cuts, self._points, strict=False):
            at: Any = np.zeros(len(values), dtype=np.uint8 if len(points) < 256 else np.int64)
            for cut in cuts:  # few cuts: comparing with each is quicker than searching
                at += values > cut
            at[values != values] = len(points) - 1
            steps.append(at)
            total += points[at]
        for at, points in zip(
            given[len(self._cuts) :], self._points[len(self._cuts) :], strict=True
        ):
            steps.append(at)
            total += points[at]
        for i, k, grid in self._two_way:
            total += grid[steps[i], steps[k]]
        return total
