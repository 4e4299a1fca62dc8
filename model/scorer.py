"""The scorer: a scorecard in, assessments out. The only door for serving.

Needs neither scikit-learn nor pandas nor pickle: a row is scored by one binary search per feature.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from operator import itemgetter

from msgspec import Struct

from model.portrait import Value
from model.table import ScorecardError, ScorecardFile, check


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

    `positions[j]` says where column j's value stands in the rows it will be given.
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
        self._numbers = [
            (index[c.name], c.cuts, c.contributions, c.missing)
            for c in card.columns
            if c.kind == "number"
        ]
        self._categories = [
            (
                index[c.name],
                dict(zip(c.categories, c.contributions, strict=True)),
                c.missing,
                c.unknown,
            )
            for c in card.columns
            if c.kind != "number"
        ]
        ordered = [c for c in card.columns if c.kind == "number"]
        ordered += [c for c in card.columns if c.kind != "number"]
        self.columns = ordered
        self.positions = [index[c.name] for c in ordered]
        self._order = [c.name for c in ordered]
        self._references = [c.reference for c in ordered]
        self._points_per_logit = card.scale.doubling_points / log(2)
        reference_logit = card.intercept + sum(self._references)
        self.reference_score = self._exact_score(reference_logit)
        self._bounds = [band.pd_12m_below for band in card.grades]
        self._grades = [band.grade for band in card.grades]
        dimensions = list(dict.fromkeys(c.dimension for c in ordered))
        self._dimensions = [
            (d, _picker([i for i, c in enumerate(ordered) if c.dimension == d])) for d in dimensions
        ]

    def _exact_score(self, logit: float) -> float:
        scale = self.card.scale
        return scale.base_score - self._points_per_logit * (logit + log(scale.base_odds))

    def contributions(self, values: Sequence[Value]) -> list[float]:
        """Log-odds of default that each column adds, in the order of `columns`."""
        out = []
        for at, cuts, steps, missing in self._numbers:
            x = values[at]
            out.append(missing if x != x else steps[bisect_left(cuts, x)])  # type: ignore[type-var]
        for at, table, missing, unknown in self._categories:
            category = values[at]
            out.append(missing if category is None else table.get(category, unknown))  # type: ignore[arg-type]
        return out

    def logit(self, values: Sequence[Value]) -> float:
        """Log-odds of default of one row."""
        return self.card.intercept + sum(self.contributions(values))

    def grade(self, pd_12m: float) -> str:
        """The named band a probability falls in."""
        bounds = self._bounds
        for i, bound in enumerate(bounds):
            if pd_12m < bound:
                return self._grades[i]
        return self._grades[-1]

    def rate(self, values: Sequence[Value]) -> tuple[int, float, str]:
        """Score, pd_12m and grade of one row, without reasons: for many rows at once."""
        return self._rated(self.contributions(values))

    def _rated(self, added: Sequence[float]) -> tuple[int, float, str]:
        logit = self.card.intercept + sum(added)
        pd_12m = probability(logit)
        return round(self._exact_score(logit)), pd_12m, self.grade(pd_12m)

    def assess(self, values: Sequence[Value]) -> Assessment:
        """Score one portrait, with the exact contribution of every feature."""
        added = self.contributions(values)
        score, pd_12m, grade = self._rated(added)
        factor = self._points_per_logit
        points = [
            factor * (reference - own)
            for reference, own in zip(self._references, added, strict=True)
        ]
        return Assessment(
            score=score,
            pd_12m=pd_12m,
            grade=grade,
            reference_score=self.reference_score,
            contributions=dict(zip(self._order, points, strict=True)),
            dimensions={name: sum(pick(points)) for name, pick in self._dimensions},
        )


def _picker(members: list[int]) -> Callable[[Sequence[float]], tuple[float, ...]]:
    """The values at some positions, as a tuple even when there is one."""
    if len(members) == 1:
        at = members[0]
        return lambda points: (points[at],)
    return itemgetter(*members)


def probability(logit: float) -> float:
    """Log-odds to probability, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + exp(-logit))
    odds = exp(logit)
    return odds / (1.0 + odds)
