"""The scorer: a scorecard in, assessments out. The only door for serving.

Needs neither scikit-learn nor pandas nor pickle: a row is scored by one binary search per feature
and one look into each two-way table.
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import exp, inf, log
from operator import getitem, itemgetter
from typing import Any

from msgspec import Struct

from model.portrait import Value
from model.reasons import Teller
from model.table import Axis, Column, ScorecardError, ScorecardFile, TwoWay, check

MOST = sys.float_info.max
"""The largest finite number."""


class Assessment(Struct, frozen=True, kw_only=True):
    """All that the scorecard says of one firm.

    `contributions` are points against the reference firm, feature by feature, and
    `reference_score` plus their sum is the score before rounding: the explanation is exact.
    """

    score: int
    pd_12m: float
    grade: str
    reference_score: float
    contributions: dict[str, float]
    dimensions: dict[str, float]


class Scorer:
    """A compiled scorecard.

    `columns` are the card's, numbers first; `positions[j]` says where column j's value stands in
    the rows it will be given. `cuts` part each number's steps; `codes` are each category's steps
    and the step of unknown ones. `step_points[j]` are the points of column j's steps, the missing
    one last; `grids` are two columns and half their table's points by the steps of both. `teller`
    tells points as reasons.
    """

    def __init__(self, card: ScorecardFile, index: Mapping[str, int]) -> None:
        check(card)
        unknown = [column.name for column in card.columns if column.name not in index]
        if unknown:
            raise ScorecardError(
                f"columns: the scorecard uses {unknown}, which the portrait does not have; "
                "expected features of model/features.py"
            )
        self.card = card
        scale = card.scale
        self.points_per_logit = scale.doubling_points / log(2)
        self.points_at_even = scale.base_score - self.points_per_logit * log(scale.base_odds)
        numbers = [c for c in card.columns if c.kind == "number"]
        self.columns = numbers + [c for c in card.columns if c.kind != "number"]
        self.positions = [index[c.name] for c in self.columns]
        self._order = [c.name for c in self.columns]
        sides: dict[str, list[Axis]] = {name: [] for name in self._order}
        for table in card.two_way:
            sides[table.first.feature].append(table.first)
            sides[table.second.feature].append(table.second)
        self.cuts = [
            sorted({*c.cuts, *(x for a in sides[c.name] for x in a.cuts)}) for c in numbers
        ]
        self.codes = [(_codes(c), len(c.categories)) for c in self.columns[len(numbers) :]]
        self._numbers = _picker(self.positions[: len(numbers)])
        # one lower end more: a missing value, which is above nothing, falls below it
        self._ends = [[-inf, *cuts] for cuts in self.cuts]
        self._categories = _picker(self.positions[len(numbers) :])
        self._steps_of = [
            {category: step + 1 for category, step in codes.items()} for codes, _ in self.codes
        ]
        finest = [*self.cuts, *([] for _ in self.codes)]
        self.step_points = [
            [self._gained(column.reference, step) for step in _steps(column, at)]
            for column, at in zip(self.columns, finest, strict=True)
        ]
        self.grids = [self._grid(table, finest) for table in card.two_way]
        self.teller = Teller(self.columns, self.positions, self._largest())
        self._levels = [[steps[-1], *steps[:-1]] for steps in self.step_points]
        self._grids = [
            (i, k, [[row[-1], *row[:-1]] for row in (grid[-1], *grid[:-1])])
            for i, k, grid in self.grids
        ]
        reference = sum(c.reference for c in self.columns) + sum(t.reference for t in card.two_way)
        self.reference_score = self._exact_score(card.intercept + reference)
        self._bounds = [
            band.pd_12m_below for band in card.grades[:-1]
        ]  # the last is for all others
        self._grades = [band.grade for band in card.grades]
        dimensions = list(dict.fromkeys(c.dimension for c in self.columns))
        self._dimensions = [
            (d, _picker([i for i, c in enumerate(self.columns) if c.dimension == d]))
            for d in dimensions
        ]

    def _gained(self, reference: float, contribution: float) -> float:
        return self.points_per_logit * (reference - contribution)

    def _grid(
        self, table: TwoWay, cuts: Sequence[list[float]]
    ) -> tuple[int, int, list[list[float]]]:
        """Where a table's features stand, and half its points by their steps."""
        i, k = self._order.index(table.first.feature), self._order.index(table.second.feature)
        across = _bands(self.columns[k], table.second, cuts[k])
        rows = [
            [self._gained(table.reference, row[band]) / 2.0 for band in across]
            for row in table.contributions
        ]
        return i, k, [rows[band] for band in _bands(self.columns[i], table.first, cuts[i])]

    def _largest(self) -> list[float]:
        """The most points, either way, that each column ever adds, shares of tables included."""
        largest = [max(map(abs, steps)) for steps in self.step_points]
        for i, k, grid in self.grids:
            most = max([abs(half) for row in grid for half in row])
            largest[i] += most
            largest[k] += most
        return largest

    def _exact_score(self, logit: float) -> float:
        return self.points_at_even - self.points_per_logit * logit

    def points(self, values: Sequence[Value]) -> list[float]:
        """Points each column adds to the reference score, in the order of `columns`.

        A two-way table's points are shared equally by its features.
        """
        numbers = self._numbers(values)
        if -inf in numbers:
            numbers = [max(x, -MOST) for x in numbers]
        # steps count from one; a missing value's is zero
        steps: list[int] = list(map(bisect_left, self._ends, numbers))
        categories = self._categories(values)
        try:
            steps += [*map(getitem, self._steps_of, categories)]
        except KeyError:
            steps += [
                known.get(category, unknown + 1)
                for category, known, (_, unknown) in zip(
                    categories, self._steps_of, self.codes, strict=True
                )
            ]
        points = list(map(getitem, self._levels, steps))
        for i, k, grid in self._grids:
            half = grid[steps[i]][steps[k]]
            points[i] += half
            points[k] += half
        return points

    def logit(self, values: Sequence[Value]) -> float:
        """Log-odds of default of one row."""
        return self._logit(self.reference_score + sum(self.points(values)))

    def _logit(self, score: float) -> float:
        return (self.points_at_even - score) / self.points_per_logit

    def grade(self, pd_12m: float) -> str:
        """The named band a probability falls in."""
        return self._grades[bisect_right(self._bounds, pd_12m)]

    def rate(self, values: Sequence[Value]) -> tuple[int, float, str]:
        """Score, pd_12m and grade of one row, without reasons: for many rows at once."""
        return self.rated(self.points(values))

    def rated(self, points: Sequence[float]) -> tuple[int, float, str]:
        """Score, pd_12m and grade that points by column add up to."""
        score = self.reference_score + sum(points)
        pd_12m = probability(self._logit(score))
        return round(score), pd_12m, self.grade(pd_12m)

    def assess(self, values: Sequence[Value]) -> Assessment:
        """Score one portrait, with the exact contribution of every feature."""
        points = self.points(values)
        score, pd_12m, grade = self.rated(points)
        return Assessment(
            score=score,
            pd_12m=pd_12m,
            grade=grade,
            reference_score=self.reference_score,
            contributions=dict(zip(self._order, points, strict=True)),
            dimensions={name: sum(pick(points)) for name, pick in self._dimensions},
        )


def _codes(column: Column) -> dict[Any, int]:
    """The step of each category; unknown ones come after them, missing ones last."""
    return {**{category: i for i, category in enumerate(column.categories)}, None: -1}


def _steps(column: Column, cuts: Sequence[float]) -> list[float]:
    """Contributions by step over cuts that may be finer than the column's, missing last."""
    if column.kind != "number":
        return [*column.contributions, column.unknown, column.missing]
    coarse = [bisect_left(column.cuts, cut) for cut in cuts]
    return [column.contributions[i] for i in (*coarse, len(column.cuts))] + [column.missing]


def _bands(column: Column, axis: Axis, cuts: Sequence[float]) -> list[int]:
    """The band of each of a column's steps."""
    if column.kind == "number":
        return [*(bisect_left(axis.cuts, cut) for cut in cuts), len(axis.cuts), -1]
    group = {category: i for i, members in enumerate(axis.groups) for category in members}
    return [group.get(category, -1) for category in column.categories] + [-1, -1]


def _picker(members: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """The values at some positions, as a tuple even when there is one."""
    if len(members) == 1:
        at = members[0]
        return lambda points: (points[at],)
    if not members:
        return lambda points: ()
    return itemgetter(*members)


def probability(logit: float) -> float:
    """Log-odds to probability, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + exp(-logit))
    odds = exp(logit)
    return odds / (1.0 + odds)
