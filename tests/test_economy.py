from dataclasses import replace

import numpy as np
import pytest

from synthetic_data.calendar import month_index
from synthetic_data.economy import build
from synthetic_data.parameters import standard

SECTORS = list(standard().firms.sector_weights)


def path(sector: str, small_firm_multiple: float) -> np.ndarray:
    """Demand of 2018-01 to 2021-12 over no season, for a firm of usual exposure."""
    parameters = standard()
    chosen = replace(
        parameters, economy=replace(parameters.economy, small_firm_multiple=small_firm_multiple)
    )
    economy = build(chosen, 84)
    months = range(month_index("2018-01"), month_index("2022-01"))
    weathers = [
        economy.weather(month, np.array([SECTORS.index(sector)]), np.ones(1)) for month in months
    ]
    return np.array([weather.trend * weather.shock[0] for weather in weathers])


def test_the_season_follows_the_published_list_and_averages_one() -> None:
    season = build(standard(), 24).season
    assert season.mean() == pytest.approx(1.0)
    assert season[1] == min(season)
    assert season[11] == max(season)
    assert season[11] == pytest.approx(1.44, abs=0.01)


@pytest.mark.parametrize("sector", ["C", "E", "F", "H", "I", "L"])
def test_without_the_small_firm_multiple_2020_meets_the_published_quarter_and_year(
    sector: str,
) -> None:
    p, demand = standard().economy, path(sector, 1.0)
    growth = demand[24:36] / demand[12:24] - 1.0
    assert growth[:3].mean() == pytest.approx(p.q1_2020_by_sector[sector], abs=1e-9)
    assert growth.mean() == pytest.approx(p.year_2020_by_sector[sector], abs=1e-9)


def test_small_firms_fall_deeper_and_come_back() -> None:
    sector, small = path("H", 1.0), path("H", standard().economy.small_firm_multiple)
    assert small[25] < sector[25] < 0.7 * sector[13]
    assert small[35] > 1.5 * small[25]


def test_after_2020_the_trend_resumes() -> None:
    demand = path("F", 2.0)
    assert demand[47] / demand[36] == pytest.approx(
        np.exp(standard().economy.trend_annual * 11 / 12)
    )


def test_principal_is_deferred_in_the_published_months_only() -> None:
    economy = build(standard(), 96)
    deferred = [
        month
        for month in range(economy.first, economy.first + 84)
        if economy.weather(month, np.zeros(1, dtype=np.int64), np.ones(1)).deferral
    ]
    assert deferred == list(range(month_index("2020-02"), month_index("2021-04")))
