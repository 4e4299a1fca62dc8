"""Reasons: exact contributions turned into ranked reason codes in Chinese and English.

A contribution in points is what the firm's value adds to the score compared with the mean of the
loans the scorecard was fitted on; contributions add up to the score, so nothing is approximated.
Features of one group tell the same story, and only the strongest of a group becomes a reason.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

from msgspec import Struct

from model.portrait import Value
from model.table import Column

MOST = 4
"""Reasons given at most."""


class Reason(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason, with the value seen and where it came from.

    `code` starts with M- (scorecard), P- (policy) or L- (limit). `points` is the effect on the
    score, for M- reasons.
    """

    code: str
    text_zh: str
    text_en: str
    feature: str | None = None
    value: float | str | None = None
    source: str | None = None
    source_as_of: date | None = None
    points: float | None = None


def lowering(
    columns: Sequence[Column],
    positions: Sequence[int],
    values: Sequence[Value],
    points: Sequence[float],
    as_of: Mapping[str, date],
    most: int = MOST,
) -> list[Reason]:
    """The reasons that lower the score, strongest first, at most `most`, one a group."""
    worst = sorted([(point, i) for i, point in enumerate(points) if point <= -0.5])
    return _distinct(worst, columns, positions, values, as_of, most)


def strongest(
    columns: Sequence[Column],
    positions: Sequence[int],
    values: Sequence[Value],
    points: Sequence[float],
    as_of: Mapping[str, date],
    most: int = MOST,
) -> list[Reason]:
    """The reasons that move the score most, either way, at most `most`, one a group."""
    sizes = [*map(abs, points)]
    order = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
    found = [(points[i], i) for i in order[:24]]
    return _distinct(found, columns, positions, values, as_of, most)


def _distinct(
    ranked: Sequence[tuple[float, int]],
    columns: Sequence[Column],
    positions: Sequence[int],
    values: Sequence[Value],
    as_of: Mapping[str, date],
    most: int,
) -> list[Reason]:
    reasons: list[Reason] = []
    told: set[str] = set()
    for point, i in ranked:
        if len(reasons) >= most:
            break
        column = columns[i]
        if column.group in told:
            continue
        told.add(column.group)
        reasons.append(_reason(column, values[positions[i]], point, as_of.get(column.source)))
    return reasons


def _reason(column: Column, value: Value, points: float, as_of: date | None) -> Reason:
    if value is None or value != value:
        value, seen_zh, seen_en = None, "无数据", "not available"
    else:
        seen_zh = seen_en = said(value, column.unit, "zh")
        if column.unit in _SAID_APART:
            seen_en = said(value, column.unit, "en")
    effect = f"{points:+.0f}"
    return Reason(
        code=f"M-{column.name.upper()}",
        text_zh=f"{column.label_zh}：{seen_zh}（{effect}分）",
        text_en=f"{column.label_en}: {seen_en} ({effect} points)",
        feature=column.name,
        value=value,
        source=column.source,
        source_as_of=as_of,
        points=points,
    )


_SAID_APART = frozenset({"yuan", "yes/no", "months", "persons", "kWh"})
"""Units that are said otherwise in English than in Chinese."""


def said(value: float | str, unit: str, language: Literal["zh", "en"]) -> str:
    """A value with its unit, as a person would say it.

    >>> said(1234567.0, "yuan", "en"), said(1234567.0, "yuan", "zh")
    ('1.23 million yuan', '123.5万元')
    >>> said(0.256, "ratio", "en"), said(1.0, "yes/no", "zh")
    ('25.6 %', '是')
    """
    zh = language == "zh"
    if isinstance(value, str):
        return value
    if unit == "yuan":
        if zh:
            return f"{value / 1e4:,.1f}万元" if abs(value) >= 1e4 else f"{value:,.0f}元"
        return f"{value / 1e6:,.2f} million yuan" if abs(value) >= 1e6 else f"{value:,.0f} yuan"
    if unit == "ratio":
        return f"{value * 100:,.1f} %"
    if unit == "yes/no":
        return ("是" if value else "否") if zh else ("yes" if value else "no")
    if unit == "months":
        months = f"{value:,.1f}" if value % 1 and abs(value) < 10 else f"{value:,.0f}"
        return f"{months}个月" if zh else f"{months} months"
    if unit == "persons":
        return f"{value:,.0f}人" if zh else f"{value:,.0f} persons"
    if unit == "kWh":
        return f"{value:,.0f}千瓦时" if zh else f"{value:,.0f} kWh"
    if value % 1:
        number = f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
    else:
        number = f"{value:,.0f}"
    return number if unit in _UNSAID else f"{number} {unit}"


_UNSAID = ("", "count", "category", "log ratio")
