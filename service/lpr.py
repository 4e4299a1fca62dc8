"""The one-year loan prime rate (LPR) on a date, as published each month since August 2019."""

from bisect import bisect_right
from datetime import date

HISTORY: tuple[tuple[date, float], ...] = (
    (date(2019, 8, 20), 0.0425),
    (date(2019, 9, 20), 0.0420),
    (date(2019, 11, 20), 0.0415),
    (date(2020, 2, 20), 0.0405),
    (date(2020, 4, 20), 0.0385),
    (date(2021, 12, 20), 0.0380),
    (date(2022, 1, 20), 0.0370),
    (date(2022, 8, 22), 0.0365),
    (date(2023, 6, 20), 0.0355),
    (date(2023, 8, 21), 0.0345),
    (date(2024, 7, 22), 0.0335),
    (date(2024, 10, 21), 0.0310),
    (date(2025, 5, 20), 0.0300),
)
"""Date published -> rate a year. Before 2019-08-20 the benchmark rate of 4.35 % was in use."""

BENCHMARK_BEFORE_LPR = 0.0435
_DATES = [day for day, _ in HISTORY]


def lpr_1y(on: date) -> float:
    """The one-year rate in force on a date, as a share a year.

    >>> lpr_1y(date(2020, 4, 15)), lpr_1y(date(2018, 6, 1))
    (0.0405, 0.0435)
    """
    at = bisect_right(_DATES, on)
    return HISTORY[at - 1][1] if at else BENCHMARK_BEFORE_LPR
