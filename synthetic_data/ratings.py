"""The yearly tax credit rating (纳税信用等级), published each April for the year before."""

from __future__ import annotations

import numpy as np

from synthetic_data.draws import Floats, Ints, Subject, generator
from synthetic_data.firms import Firms
from synthetic_data.history import History
from synthetic_data.parameters import Parameters
from synthetic_data.traces import FILINGS

NAMES = np.array(["A", "B", "M", "C", "D", None], dtype=object)
_A, _B, _M, _C, _D, _NONE = range(6)


def rate(
    parameters: Parameters, firms: Firms, history: History, seed: int, block: int
) -> dict[int, Ints]:
    """Ratings by year rated: positions in NAMES, (n_firms,), for every whole year lived."""
    first_year = -(-history.first // 12)
    last_year = (history.first + history.months) // 12 - 1
    return {
        year: _rate_year(
            parameters,
            firms,
            history,
            year,
            generator(seed, block, Subject.RATINGS, year).standard_normal(len(firms)),
        )
        for year in range(first_year, last_year + 1)
    }


def _rate_year(
    parameters: Parameters, firms: Firms, history: History, year: int, z: Floats
) -> Ints:
    """Points from the year's filings and arrears, then the letter."""
    p = parameters.traces
    rows = slice(year * 12 - history.first, year * 12 - history.first + 12)
    filing, alive = history["filing"][rows], history["alive"][rows]
    late = ((filing == FILINGS.index("late")) * alive).sum(axis=0)
    missing = ((filing == FILINGS.index("missing")) * alive).sum(axis=0)
    points = (
        p.rating_base
        + p.rating_punctual * firms.habits.punctual
        + p.rating_noise_sd * z
        - p.rating_late * late
        - p.rating_missing * missing
        - p.rating_arrears * (history["tax_arrears"][rows.stop - 3 : rows.stop] > 0.0).all(axis=0)
    )
    age = year * 12 + 12 - firms.traits.founded
    idle = history["declared_sales"][rows].sum(axis=0) <= 0.0
    a, b, c = p.rating_bounds
    rating = np.select(
        [
            alive.sum(axis=0) == 0,
            missing >= p.rating_d_missing,
            points < c,
            points < b,
            idle,
            (points >= a) & (age >= p.rating_a_min_months),
            age < p.rating_m_max_months,
        ],
        [_NONE, _D, _D, _C, _M, _A, _M],
        _B,
    )
    return rating.astype(np.int64)
