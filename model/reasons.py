"""Reasons: exact contributions turned into ranked reason codes in Chinese and English.

A contribution in points is what the firm's value adds to the score compared with the mean of the
loans the scorecard was fitted on; contributions add up to the score, so nothing is approximated.
Features of one group tell the same story, and only the strongest of a group becomes a reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Literal

from msgspec import Struct

from model.portrait import Value
from model.table import Column

MOST = 4
"""Reasons given at most."""
Saying = Callable[[float], str]


class Reason(Struct, frozen=True, gc=False, omit_defaults=True):
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


class Teller:
    """Tells a scorecard's contributions as reasons; compiled once from its columns.

    `positions[j]` says where column j's value stands in the rows it will be given, as in Scorer;
    `largest[j]` is the most points, either way, that column j ever has.
    """

    def __init__(
        self, columns: Sequence[Column], positions: Sequence[int], largest: Sequence[float]
    ) -> None:
        self._voices = [_voice(*both) for both in zip(columns, positions, strict=True)]
        ranked = sorted(range(len(columns)), key=largest.__getitem__, reverse=True)
        half = (len(ranked) + 1) // 2
        self._every, self._movers = range(len(ranked)), sorted(ranked[:half])
        others = [largest[i] for i in ranked[half:]]
        self._others_most = max(others, default=0.0) * (1.0 + 1e-9)  # sums are rounded

    def lowering(
        self,
        values: Sequence[Value],
        points: Sequence[float],
        as_of: Mapping[str, date],
        most: int = MOST,
    ) -> list[Reason]:
        """The reasons that lower the score, strongest first, at most `most`, one a group."""
        lower = [i for i, point in enumerate(points) if point <= -0.5]
        lower.sort(key=points.__getitem__)
        return self._told(lower, values, points, as_of, most)

    def strongest(
        self,
        values: Sequence[Value],
        points: Sequence[float],
        as_of: Mapping[str, date],
        most: int = MOST,
    ) -> list[Reason]:
        """The reasons that move the score most, either way, at most `most`, one a group."""
        # mostly the strongest are among the half of the columns that can move the score most
        told = self._told(_outermost(points, self._movers), values, points, as_of, most)
        if len(told) == most and abs(told[-1].points or 0.0) > self._others_most:
            return told
        return self._told(_outermost(points, self._every), values, points, as_of, most)

    def _told(
        self,
        ranked: Iterable[int],
        values: Sequence[Value],
        points: Sequence[float],
        as_of: Mapping[str, date],
        most: int,
    ) -> list[Reason]:
        reasons: list[Reason] = []
        told: set[str] = set()
        for i in ranked:
            if len(reasons) >= most:
                break
            group, at, code, label_zh, label_en, name, source, zh, en = self._voices[i]
            if group in told:
                continue
            told.add(group)
            value, point = values[at], points[i]
            if value is None or value != value:
                value, seen_zh, seen_en = None, "无数据", "not available"
            elif isinstance(value, str):
                seen_zh = seen_en = value
            else:
                seen_zh = zh(value)
                seen_en = seen_zh if en is zh else en(value)
            end_zh, end_en = _ENDS.get(round(point)) or _ends(f"{point:+.0f}")
            reasons.append(
                Reason(  # by position: half the time
                    code, f"{label_zh}{seen_zh}{end_zh}", f"{label_en}{seen_en}{end_en}", name,
                    value, source, as_of.get(source), point,
                )
            )  # fmt: skip
        return reasons


def _outermost(points: Sequence[float], among: Iterable[int]) -> Iterator[int]:
    """Some positions, in ascending order, from the largest points, either way, to the smallest."""
    order = sorted(among, key=points.__getitem__)
    low, high = 0, len(order) - 1
    while low <= high:
        if -points[order[low]] >= points[order[high]]:
            yield order[low]
            low += 1
        else:
            yield order[high]
            high -= 1


def _ends(effect: str) -> tuple[str, str]:
    """How a sentence about points ends, in Chinese and in English."""
    return f"（{effect}分）", f" ({effect} points)"


_ENDS = {points: _ends(f"{points:+d}") for points in range(-999, 1_000) if points}
"""By whole points; of none it is said from which side they were rounded, +0 or -0."""
_Voice = tuple[str, int, str, str, str, str, str, Saying, Saying]
"""How a column speaks: group, place of its value, code, labels, name, source, its unit."""


def _voice(column: Column, at: int) -> _Voice:
    return (
        column.group, at, f"M-{column.name.upper()}", f"{column.label_zh}：",
        f"{column.label_en}: ", column.name, column.source, *_sayings(column.unit),
    )  # fmt: skip


def said(value: float | str, unit: str, language: Literal["zh", "en"]) -> str:
    """A value with its unit, as a person would say it.

    >>> said(1234567.0, "yuan", "en"), said(1234567.0, "yuan", "zh")
    ('1.23 million yuan', '123.5万元')
    >>> said(0.256, "ratio", "en"), said(1.0, "yes/no", "zh")
    ('25.6 %', '是')
    """
    if isinstance(value, str):
        return value
    return _sayings(unit)[language == "en"](value)


def _yuan_zh(value: float) -> str:
    return f"{value / 1e4:,.1f}万元" if abs(value) >= 1e4 else f"{value:,.0f}元"


def _yuan_en(value: float) -> str:
    return f"{value / 1e6:,.2f} million yuan" if abs(value) >= 1e6 else f"{value:,.0f} yuan"


def _ratio(value: float) -> str:
    return f"{value * 100:,.1f} %"


def _months(value: float) -> str:
    return f"{value:,.1f}" if value % 1 and abs(value) < 10 else f"{value:,.0f}"


def _number(value: float) -> str:
    if value % 1:
        if -999.0 < value < 999.0:  # without thousands to part: half the time
            return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
        return f"{value:,.2f}"
    return f"{value:,.0f}"


_SAYINGS: dict[str, tuple[Saying, Saying]] = {
    "yuan": (_yuan_zh, _yuan_en),
    "ratio": (_ratio, _ratio),
    "yes/no": (lambda value: "是" if value else "否", lambda value: "yes" if value else "no"),
    "months": (lambda value: f"{_months(value)}个月", lambda value: f"{_months(value)} months"),
    "persons": (lambda value: f"{value:,.0f}人", lambda value: f"{value:,.0f} persons"),
    "kWh": (lambda value: f"{value:,.0f}千瓦时", lambda value: f"{value:,.0f} kWh"),
    **dict.fromkeys(("", "count", "category", "log ratio"), (_number, _number)),
}


def _sayings(unit: str) -> tuple[Saying, Saying]:
    """How a number of a unit is said in Chinese and in English."""
    if unit in _SAYINGS:
        return _SAYINGS[unit]

    def with_unit(value: float) -> str:
        return f"{_number(value)} {unit}"

    return with_unit, with_unit
