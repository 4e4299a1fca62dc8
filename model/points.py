"""The scorecard in points, the form in which it leaves the house: as a page, SQL, a workbook, ONNX.

Points count against the reference loan, as in Scorer.points: the reference score plus the points of
a loan's steps is its score.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, log

from msgspec import Struct

from model.table import Axis, Column, ScorecardError, ScorecardFile, TwoWay, check

OUTPUTS = ("pd_12m", "score_exact", "score", "grade")
"""What an exported scorecard answers; its features may not have these names."""
MISSING = ("无数据", "missing")
UNKNOWN = ("其他", "any other")
YES_NO = "yes/no"


class FeaturePoints(Struct, frozen=True, kw_only=True):
    """What each step of one feature adds to the score.

    `steps` follow the column's contributions: one more than its cuts, or one for each category.
    `missing` is for no value (NaN, None, an empty text), `unknown` for a category not listed.
    """

    column: Column
    steps: list[float]
    missing: float
    unknown: float

    @property
    def all(self) -> list[float]:
        """Every value it can add: the steps, for a category any other, and missing last."""
        other = [] if self.column.kind == "number" else [self.unknown]
        return [*self.steps, *other, self.missing]


class PairPoints(Struct, frozen=True, kw_only=True):
    """What two features add together: points by band of the first, then of the second.

    The last row and the last column are for missing values and for categories no group lists. Each
    of the two features is given half.
    """

    table: TwoWay
    cells: list[list[float]]


class Points(Struct, frozen=True, kw_only=True):
    """A whole scorecard in points, features in the order of scorecard.json.

    score = reference_score + points; logit of default = (even_score - score) / points_per_logit.
    `version` is the first 16 characters of the SHA-256 of scorecard.json.
    """

    card: ScorecardFile
    version: str
    features: list[FeaturePoints]
    pairs: list[PairPoints]
    reference_score: float
    even_score: float
    points_per_logit: float

    def score_at(self, pd_12m: float) -> float:
        """The score at which a probability strictly between 0 and 1 is reached."""
        return self.even_score - self.points_per_logit * log(pd_12m / (1.0 - pd_12m))


def points(card: ScorecardFile, version: str) -> Points:
    """Turn a scorecard's contributions (log-odds of default) into points.

    Raises ScorecardError when the card contradicts itself or the points are not finite.
    """
    check(card)
    scale = card.scale
    per_logit = scale.doubling_points / log(2)
    even = scale.base_score - per_logit * log(scale.base_odds)
    features = [
        FeaturePoints(
            column=column,
            steps=[per_logit * (column.reference - step) for step in column.contributions],
            missing=per_logit * (column.reference - column.missing),
            unknown=per_logit * (column.reference - column.unknown),
        )
        for column in card.columns
    ]
    pairs = [
        PairPoints(
            table=table,
            cells=[
                [per_logit * (table.reference - cell) for cell in row]
                for row in table.contributions
            ],
        )
        for table in card.two_way
    ]
    reference = sum(c.reference for c in card.columns) + sum(t.reference for t in card.two_way)
    found = Points(
        card=card,
        version=version,
        features=features,
        pairs=pairs,
        reference_score=even - per_logit * (card.intercept + reference),
        even_score=even,
        points_per_logit=per_logit,
    )
    numbers = [found.reference_score, *(p for f in features for p in (*f.all, f.unknown))]
    numbers += [cell for pair in pairs for row in pair.cells for cell in row]
    if not all(isfinite(one) for one in numbers):
        raise ScorecardError("columns: got points beyond what a number can hold, expected finite")
    return found


def refuse_names(found: Points, taken: Sequence[str]) -> None:
    """Refuse a feature named like an answer, in whatever case; raises ScorecardError."""
    for feature in found.features:
        if (name := feature.column.name).casefold() in taken:
            raise ScorecardError(
                f"columns: got a feature {name!r}, expected no feature named like an answer of the "
                f"export ({', '.join(taken)}); rename the column and train again"
            )


def step_texts(column: Column) -> list[tuple[str, str]]:
    """Each value in FeaturePoints.all in words, zh and en: `5 < x ≤ 6`, a category, missing."""
    if column.kind != "number":
        return [*((one, one) for one in column.categories), UNKNOWN, MISSING]
    if column.unit == YES_NO and len(column.cuts) == 1 and 0.0 <= column.cuts[0] < 1.0:
        return [("否", "no"), ("是", "yes"), MISSING]
    return [*((one, one) for one in _ranges(column.cuts)), MISSING]


def band_texts(axis: Axis) -> list[tuple[str, str]]:
    """Each band of one side of a two-way table in words, zh and en, the last one included."""
    if not axis.groups:
        return [*((one, one) for one in _ranges(axis.cuts)), MISSING]
    listed = [(", ".join(group), ", ".join(group)) for group in axis.groups]
    return [*listed, (f"{UNKNOWN[0]}、{MISSING[0]}", f"{UNKNOWN[1]}, {MISSING[1]}")]


def _ranges(cuts: Sequence[float]) -> list[str]:
    """The steps between cuts; a single step takes every number."""
    if not cuts:
        return ["−∞ < x < ∞"]
    texts = [number_text(cut) for cut in cuts]
    if len(set(texts)) < len(texts):
        texts = [repr(cut) for cut in cuts]
    between = [f"{low} < x ≤ {high}" for low, high in pairwise(texts)]
    return [f"x ≤ {texts[0]}", *between, f"x > {texts[-1]}"]


def number_text(value: float) -> str:
    """A number to about six digits, thousands apart; very large and small ones as 1e+12."""
    if value and not 1e-4 <= abs(value) < 1e12:
        text = f"{value:.6g}"
    else:
        text = f"{value:,.{max(0, 6 - len(str(int(abs(value)))))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−") if text not in ("-0", "0") else "0"
