"""The points table as stored: scorecard.json, its records and its reader.

A scorecard is a sum of step functions: every feature has cuts and one contribution per step, in
log-odds of default within 12 months, and a few pairs of features have a table of two ways. The
reader refuses a file whose tables contradict themselves (cuts out of order, a step against the
declared direction, a number that is not finite), naming the place.
"""

from itertools import pairwise
from math import isfinite
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

FORMAT = "yidaitong-scorecard/1"
OWN_TABLE = "table"
"""The source of every feature of a scorecard trained on a lender's own table."""
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]


class ScorecardError(ValueError):
    """A scorecard file that cannot be trusted: the place, what was found, what was expected."""


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parts of a scorecard file."""


class Column(_Part, frozen=True, kw_only=True):
    """One feature's steps.

    For a number, value x falls on step k when cuts[k-1] < x <= cuts[k] (below the first cut: step
    0); len(contributions) = len(cuts) + 1. For a category, contributions follow `categories`.
    Contributions are in log-odds of default: higher is riskier. `reference` is the mean over the
    loans the scorecard was fitted on.
    """

    name: str
    source: str
    unit: str
    dimension: str
    group: str
    label_zh: str
    label_en: str
    direction: Literal[-1, 0, 1]
    kind: Literal["number", "ordered", "nominal"]
    cuts: list[Number] = []
    categories: list[str] = []
    contributions: list[Number]
    missing: Number
    unknown: Number
    reference: Number


class Axis(_Part, frozen=True, kw_only=True):
    """One side of a two-way table: the bands a feature's values fall in.

    A number falls in bands as in Column.cuts; a category in the group that lists it. Missing
    values, and categories that no group lists, have one band more, the last.
    """

    feature: str
    cuts: list[Number] = []
    groups: list[list[str]] = []

    @property
    def bands(self) -> int:
        """How many bands there are without the last."""
        return len(self.groups) or len(self.cuts) + 1


class TwoWay(_Part, frozen=True, kw_only=True):
    """What two features say only together, beyond what each says alone.

    `contributions[i][k]` is for band i of the first and band k of the second. Its two features
    share it equally, which is its Shapley value.
    """

    first: Axis
    second: Axis
    contributions: list[list[Number]]
    reference: Number


class Scale(_Part, frozen=True, kw_only=True):
    """Points: `base_score` at `base_odds` good to one default; odds double every `doubling`."""

    base_score: Number
    base_odds: Annotated[float, Meta(gt=0, le=1e9)]
    doubling_points: Annotated[float, Meta(gt=0, le=1e6)]


class GradeBand(_Part, frozen=True, kw_only=True):
    """A grade holds every pd_12m below this bound and not below the previous band's."""

    grade: str
    pd_12m_below: Annotated[float, Meta(gt=0, le=1)]


class ScorecardFile(_Part, frozen=True, kw_only=True):
    """scorecard.json: everything serving needs."""

    format: str
    name: str
    intercept: Number
    columns: Annotated[list[Column], Meta(min_length=1, max_length=2000)]
    two_way: Annotated[list[TwoWay], Meta(max_length=2000)] = []
    scale: Scale
    grades: Annotated[list[GradeBand], Meta(min_length=1, max_length=50)]


def read(stored: bytes) -> ScorecardFile:
    """Decode scorecard.json; raises ScorecardError when it is damaged."""
    try:
        card = msgspec.json.decode(stored, type=ScorecardFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScorecardError(f"scorecard.json: {error}") from error
    check(card)
    return card


def check(card: ScorecardFile) -> None:
    """Refuse a table that contradicts itself; raises ScorecardError naming the column."""
    if card.format != FORMAT:
        raise ScorecardError(f"format: got {card.format!r}, expected {FORMAT!r}")
    names = [column.name for column in card.columns]
    for name in names:
        if names.count(name) > 1:
            raise ScorecardError(f"columns: {name!r} appears twice, expected distinct names")
    for column in card.columns:
        _check_column(column)
    known = {column.name: column for column in card.columns}
    for number, table in enumerate(card.two_way):
        _check_two_way(f"two_way[{number}]", table, known)
    bounds = [band.pd_12m_below for band in card.grades]
    if bounds != sorted(set(bounds)) or bounds[-1] != 1.0:
        raise ScorecardError(f"grades: got bounds {bounds}, expected ascending and ending in 1.0")


def _check_column(column: Column) -> None:
    at = f"columns[{column.name!r}]"
    steps, direction = column.contributions, column.direction
    numbers = [*column.cuts, *steps, column.missing, column.unknown, column.reference]
    if not all(isfinite(number) for number in numbers):
        raise ScorecardError(f"{at}: a number is not finite")
    if column.kind == "number":
        expected = len(column.cuts) + 1
        if column.categories:
            raise ScorecardError(f"{at}.categories: expected none for a number")
    else:
        expected = len(column.categories)
        if column.cuts or len(set(column.categories)) != expected:
            raise ScorecardError(f"{at}: expected distinct categories and no cuts")
    if len(steps) != expected:
        raise ScorecardError(f"{at}.contributions: got {len(steps)}, expected {expected}")
    if any(b <= a for a, b in pairwise(column.cuts)):
        raise ScorecardError(f"{at}.cuts: expected ascending, got {column.cuts}")
    if direction and column.kind != "nominal":
        for k in range(1, len(steps)):
            if (steps[k] - steps[k - 1]) * direction < 0:
                raise ScorecardError(
                    f"{at}.contributions[{k}]: {steps[k]} after {steps[k - 1]} goes against the "
                    f"declared direction {direction:+d}"
                )


def _check_two_way(at: str, table: TwoWay, columns: dict[str, Column]) -> None:
    cells = table.contributions
    if table.first.feature == table.second.feature:
        raise ScorecardError(f"{at}: {table.first.feature!r} twice, expected two features")
    for side, axis in (("first", table.first), ("second", table.second)):
        _check_axis(f"{at}.{side}", axis, columns)
    shape = (table.first.bands + 1, table.second.bands + 1)
    if len(cells) != shape[0] or any(len(row) != shape[1] for row in cells):
        raise ScorecardError(f"{at}.contributions: expected {shape[0]} rows of {shape[1]}")
    if not all(isfinite(cell) for row in cells for cell in row) or not isfinite(table.reference):
        raise ScorecardError(f"{at}: a number is not finite")
    turned = [list(column) for column in zip(*cells, strict=True)]
    for axis, rows in ((table.first, cells), (table.second, turned)):
        column = columns[axis.feature]
        if column.kind == "nominal" or not column.direction:
            continue
        for i, (lower, upper) in enumerate(pairwise(rows[:-1])):
            if any((b - a) * column.direction < 0 for a, b in zip(lower, upper, strict=True)):
                raise ScorecardError(
                    f"{at}: band {i + 1} of {axis.feature!r} goes against its declared direction "
                    f"{column.direction:+d}"
                )


def _check_axis(at: str, axis: Axis, columns: dict[str, Column]) -> None:
    column = columns.get(axis.feature)
    if column is None:
        raise ScorecardError(f"{at}: {axis.feature!r} is not among the columns")
    if column.kind == "number":
        if axis.groups:
            raise ScorecardError(f"{at}.groups: expected none for a number")
        if any(b <= a for a, b in pairwise(axis.cuts)):
            raise ScorecardError(f"{at}.cuts: expected ascending, got {axis.cuts}")
        return
    listed = [category for group in axis.groups for category in group]
    if axis.cuts or not axis.groups or len(set(listed)) != len(listed):
        raise ScorecardError(f"{at}: expected groups of distinct categories and no cuts")
    if column.kind == "ordered" and listed != [c for c in column.categories if c in set(listed)]:
        raise ScorecardError(f"{at}.groups: expected the order of the column's categories")
    if not set(listed) <= set(column.categories):
        unknown = sorted(set(listed) - set(column.categories))
        raise ScorecardError(f"{at}.groups: {unknown[0]!r} is not a category of the column")
