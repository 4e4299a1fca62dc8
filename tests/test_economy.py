from dataclasses import replace

import numpy as np
import pytest

from synthetic_data.calendar import month_index
from synthetic_data.economy import Weather, build, vat_rate
from synthetic_data.firms import Traits, draw
from synthetic_data.parameters import Parameters, load, standard

SECTORS = list(standard().firms.sector_weights)
PROVINCES = list(standard().firms.province_weights)
ANYBODY = draw(standard(), 7, 0, 1).traits


def one(sector: str = "F", province: str = "11", **traits: float) -> Traits:
    """A firm of usual exposure, of a general taxpayer's size, that makes no masks."""
    usual = {"exposure": 1.0, "mask_multiple": 1.0, "level_yuan": 1e6} | traits
    return replace(
        ANYBODY,
        sector=np.array([SECTORS.index(sector)]),
        province=np.array([PROVINCES.index(province)]),
        **{name: np.array([value]) for name, value in usual.items()},
    )


def weathers(parameters: Parameters, traits: Traits, first: str, last: str) -> list[Weather]:
    economy = build(parameters, 84)
    return [economy.weather(m, traits) for m in range(month_index(first), month_index(last) + 1)]


def path(sector: str, small_firm_multiple: float) -> np.ndarray:
    """Demand of 2018-01 to 2021-12 over no season, for a firm of usual exposure."""
    parameters = standard()
    chosen = replace(
        parameters, economy=replace(parameters.economy, small_firm_multiple=small_firm_multiple)
    )
    economy = build(chosen, 84)
    months = range(month_index("2018-01"), month_index("2022-01"))
    felt = [economy.weather(month, one(sector)) for month in months]
    return np.array([weather.trend * weather.shock[0] for weather in felt])


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
        if economy.weather(month, one()).deferral
    ]
    assert deferred == list(range(month_index("2020-02"), month_index("2021-04")))


def test_without_the_epidemic_demand_keeps_its_trend() -> None:
    felt = weathers(load(scenarios=["no-epidemic"]), one("H"), "2019-01", "2021-12")
    assert {float(weather.shock[0]) for weather in felt} == {1.0}


def test_a_recession_takes_its_share_from_everybody_and_slows_collections_meanwhile() -> None:
    parameters = load(scenarios=["no-epidemic", "recession"])
    for sector in ("H", "I"):
        felt = weathers(parameters, one(sector), "2018-12", "2020-01")
        assert [weather.shock[0] for weather in felt] == pytest.approx([1.0] + [0.75] * 12 + [1.0])
        assert [weather.collection for weather in felt] == pytest.approx([1] + [0.8] * 12 + [1])


def test_a_regional_shock_is_felt_in_its_province_alone() -> None:
    parameters = load(scenarios=["no-epidemic", "regional-shock"])
    here, there = (
        [weather.shock[0] for weather in weathers(parameters, one("F", p), "2020-01", "2020-05")]
        for p in ("42", "43")
    )
    assert here == pytest.approx([1.0, 0.4, 0.4, 0.4, 1.0])
    assert there == [1.0] * 5


def test_a_mask_maker_booms_and_crashes_and_nobody_else_does() -> None:
    maker, other = (
        weathers(load(scenarios=["no-epidemic"]), one("C", mask_multiple=m), "2020-01", "2020-12")
        for m in (10.0, 1.0)
    )
    assert [weather.shock[0] for weather in maker] == pytest.approx(
        [1, 10, 10, 10, 10, 6, 1.0, 0.6, 0.5, 0.5, 0.5, 0.5]
    )
    assert {float(weather.shock[0]) for weather in other} == {1.0}
    assert maker[7].cost[0] > maker[1].cost[0] >= other[7].cost[0] == 1.0


def test_tax_follows_the_published_rates_of_general_and_small_scale_taxpayers() -> None:
    months = ("2018-04", "2018-05", "2019-04", "2020-03")
    general, small, service = (
        [weathers(standard(), traits, month, month)[0].tax[0] for month in months]
        for traits in (one("C"), one("C", level_yuan=400_000.0), one("I"))
    )
    assert general == pytest.approx([17 / 16, 1.0, 13 / 16, 13 / 16])
    assert small == pytest.approx([1.0, 1.0, 1.0, 1 / 3])
    assert service == [1.0] * 4


def test_a_vat_rate_before_the_first_known_one_is_the_first() -> None:
    assert vat_rate(standard().economy, "standard", "2001-01") == 0.17
    assert vat_rate(standard().economy, "standard", "2030-01") == 0.13
