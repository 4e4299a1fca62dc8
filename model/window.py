"""The months a feature looks at: the last 24 that were complete, and the ratios made of them."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from math import nan

from model.credit_file import MONTH_INDEX

_DAYS_PER_MONTH = 365.2425 / 12
_ONE_DAY = timedelta(days=1)


def months_between(earlier: date, later: date) -> float:
    """Months from one day to another, not whole."""
    return (later - earlier).days / _DAYS_PER_MONTH


def ratio_of(numerator: float, denominator: float) -> float:
    """A ratio; missing where there is nothing to divide by."""
    return numerator / denominator if denominator > 0 else nan


def growth_of(now: float, before: float) -> float:
    """Growth over before, 0.5 for half as much more; missing where there was nothing before."""
    return now / before - 1.0 if before > 0 else nan


def _last_complete(as_of: date) -> int:
    """Index of the last month that was complete on a date."""
    index = as_of.year * 12 + as_of.month - 1
    if as_of.day < 28:
        return index - 1
    return index if (as_of + _ONE_DAY).day == 1 else index - 1


@lru_cache(4_096)
def _span(first: str, last: str, count: int, as_of: date) -> tuple[int, int, int, bool]:
    """How many months of the window exist, its slice, and whether a slice is the window.

    It is when no month between the first and the last is missing. Kept for the next applicant:
    those of one day share most of them.
    """
    end, begun, ended = _last_complete(as_of), MONTH_INDEX[first], MONTH_INDEX[last]
    known = min(24, max(0, end - begun + 1))
    stop = max(0, end - begun + 1)
    return known, max(0, stop - 24), stop, ended - begun + 1 == count and ended >= end


class Window:
    """The last 24 complete months of a monthly section, oldest first; `known` of them exist."""

    __slots__ = ("_positions", "_start", "_stop", "known")

    def __init__(self, months: Sequence[str], as_of: date) -> None:
        count = len(months)
        self._positions: list[tuple[int, int]] | None = None
        self._start = self._stop = self.known = 0
        if not count:
            return
        self.known, self._start, self._stop, gapless = _span(months[0], months[-1], count, as_of)
        if not gapless:
            end = _last_complete(as_of)
            begin = end - self.known + 1
            self._positions = [
                (MONTH_INDEX[month] - begin, i)
                for i, month in enumerate(months)
                if begin <= MONTH_INDEX[month] <= end
            ]

    def of(self, column: Sequence[float]) -> Sequence[float]:
        """A column over the window; a month without a row is zero."""
        if self._positions is None:
            return column[self._start : self._stop]
        dense = [0.0] * self.known
        for at, i in self._positions:
            dense[at] = column[i]
        return dense

    def year(self, column: Sequence[float]) -> Sequence[float]:
        """A column over the last 12 months of the window."""
        if self._positions is None:
            return column[max(self._start, self._stop - 12) : self._stop]
        return self.of(column)[-12:]

    def texts(self, column: Sequence[str]) -> Sequence[str]:
        """A column of words over the window; a month without a row is the word "absent"."""
        if self._positions is None:
            return column[self._start : self._stop]
        dense = ["absent"] * self.known
        for at, i in self._positions:
            dense[at] = column[i]
        return dense
