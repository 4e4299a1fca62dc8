"""The scorecard as one page to print and sign, zh beside en; nothing is fetched, nothing runs."""

from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from model.features import DIMENSIONS
from model.points import FeaturePoints, PairPoints, Points, band_texts, number_text, step_texts
from model.table import OWN_TABLE

PAGE = Path(__file__).with_name("page.html")
DIRECTIONS = {
    1: ("越高风险越大", "higher is riskier"),
    -1: ("越高风险越小", "higher is safer"),
    0: ("方向不限", "direction free"),
}
SIDES = {OWN_TABLE: ("指标", "Features"), **DIMENSIONS}
NO_EFFECT = 0.005
"""Points below which a feature adds nothing that a page could show."""


class StepLine(Struct, frozen=True):
    """One row of a feature's table: the step in zh and en, its points, the length of its bar in %.

    `rest` marks the rows for values that fall on no step.
    """

    zh: str
    en: str
    points: str
    bar: float
    rest: bool


class FeatureBlock(Struct, frozen=True):
    """One feature as it is shown."""

    name: str
    zh: str
    en: str
    unit: str
    direction: tuple[str, str]
    steps: list[StepLine]


class Grid(Struct, frozen=True):
    """A two-way table as it is shown: a row for each band of the first feature."""

    first: tuple[str, str]
    second: tuple[str, str]
    head: list[tuple[str, str]]
    rows: list[tuple[tuple[str, str], list[tuple[str, str]]]]


class GradeLine(Struct, frozen=True):
    """A grade with the probabilities and the scores it holds."""

    grade: str
    pd_from: str
    pd_below: str
    score: str


def html(found: Points) -> str:
    """The scorecard a credit committee signs, as one HTML page for the screen and for A4."""
    paired = {
        axis.feature for pair in found.pairs for axis in (pair.table.first, pair.table.second)
    }
    silent = [
        f for f in found.features
        if f.column.name not in paired and max(map(abs, f.all)) < NO_EFFECT
    ]  # fmt: skip
    shown = [f for f in found.features if f not in silent]
    widest = max((abs(p) for f in shown for p in f.all), default=0.0)
    sides: dict[str, list[FeatureBlock]] = {}
    for feature in shown:
        sides.setdefault(feature.column.dimension, []).append(_block(feature, widest))
    labels = {f.column.name: (f.column.label_zh, f.column.label_en) for f in found.features}
    scale = found.card.scale
    return str(
        _template().render(
            card=found.card,
            version=found.version,
            count=len(found.features),
            base=number_text(scale.base_score),
            doubling=number_text(scale.doubling_points),
            odds=number_text(scale.base_odds),
            intercept=f"{found.card.intercept:.6f}".replace("-", "−"),
            reference=f"{found.reference_score:.1f}".replace("-", "−"),
            sides=[(SIDES.get(side, ("", side)), blocks) for side, blocks in sides.items()],
            silent=[f.column for f in silent],
            grids=[_grid(pair, labels) for pair in found.pairs],
            grades=_grades(found),
        )
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.from_string(PAGE.read_text("utf-8"))


def signed(points: float) -> str:
    """Points to one decimal with their sign: +12.3, −4.0, 0."""
    text = f"{points:+,.1f}"
    return "0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _block(feature: FeaturePoints, widest: float) -> FeatureBlock:
    column, values = feature.column, feature.all
    texts = step_texts(column)
    listed = len(feature.steps)
    lines = [
        StepLine(zh, en, signed(value), round(50.0 * value / (widest or 1.0), 2), i >= listed)
        for i, ((zh, en), value) in enumerate(zip(texts, values, strict=True))
    ]
    unit = "" if column.unit in ("category", "count") else column.unit
    direction = DIRECTIONS[0 if column.kind == "nominal" else column.direction]
    return FeatureBlock(column.name, column.label_zh, column.label_en, unit, direction, lines)


def _grid(pair: PairPoints, labels: dict[str, tuple[str, str]]) -> Grid:
    first, second = pair.table.first, pair.table.second
    return Grid(
        first=labels[first.feature],
        second=labels[second.feature],
        head=band_texts(second),
        rows=[
            (band, [(signed(cell), _tone(cell)) for cell in row])
            for band, row in zip(band_texts(first), pair.cells, strict=True)
        ],
    )


def _tone(points: float) -> str:
    """The class that colours a cell; a number too small to be shown has none."""
    if abs(points) < 0.05:
        return ""
    return "plus" if points > 0 else "minus"


def _grades(found: Points) -> list[GradeLine]:
    lines, lower, high = [], 0.0, ""
    for band in found.card.grades:
        below = band.pd_12m_below
        low = f"{found.score_at(below):.1f}".replace("-", "−") if below < 1.0 else ""
        score = f"{low} – {high}" if low and high else f"> {low}" if low else f"≤ {high}"
        lines.append(
            GradeLine(band.grade, _percent(lower), _percent(below), score if low or high else "")
        )
        lower, high = below, low
    return lines


def _percent(share: float) -> str:
    return f"{100.0 * share:.6g} %"
