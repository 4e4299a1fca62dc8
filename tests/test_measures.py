"""Measures on a tiny hand-made census, each with a known answer."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synthetic_data.calendar import month_index
from synthetic_data.census import Census, habits, longest_gap, season_sums
from synthetic_data.estimates import Figure
from synthetic_data.measures import MEASURES
from synthetic_data.panel import Panel, Span, panel

FIRST = month_index("2018-01")
NEVER = np.inf


@pytest.fixture(scope="module")
def census() -> Census:
    """A hundred firms: the first forty traders in Guangdong, the others makers in Gansu."""
    n, at = 100, np.arange(100)
    firms = pd.DataFrame(
        {
            "uscc": [str(i) for i in at],
            "sector": np.where(at < 40, "F", "C"),
            "region": np.where(at < 40, "44", "62"),
            "founded": np.where(at < 50, month_index("2016-12"), month_index("2006-12")),
            "closed_at": np.where(at >= 90, month_index("2019-01"), NEVER),
            "registered_capital_yuan": np.where(at < 10, 0.0, np.where(at < 15, 3e8, 1e6)),
            "legal_representative_share": np.where(at < 35, 1.0, 0.6),
            "size": np.where(at < 80, "micro", np.where(at < 95, "small", "medium")),
            "sales_2018": 100.0,
            "sales_2019": np.where(at < 50, 100.0, 200.0),
            "issued": 10.0,
            "voided": np.where(at < 50, 0.0, 2.0),
            "top_buyer": at / 100.0,
            "owing": np.where(at < 46, 1.0, 0.0),
            "cash_months": np.where(at < 20, 0.5, np.where(at < 64, 2.0, 5.0)),
            "q1_2019": 100.0,
            "q1_2020": np.where(at < 40, 80.0, 90.0),
        }
    )
    asked = pd.DataFrame(
        {
            "year": [2018] * 50 + [2019] * 50,
            "approved": at < 80,
            "granted": at % 2 == 0,
            "amount_yuan": np.where(at < 50, 1e6, 2e6),
            "rate_annual": np.where(at < 50, 0.07, 0.06),
            "first_time_borrower": at < 50,
            "defaulted_12m": np.where(at % 2 == 0, (at % 10 == 0) * 1.0, np.nan),
            "size": "micro",
        }
    )
    asked["granted"] &= asked["approved"]
    records = pd.DataFrame(
        {
            "rating": ["A"] * 10 + ["B"] * 50 + ["M"] * 30 + ["D"] * 5 + [None] * 5,
            "abnormal": at < 17,
            "dishonest": at < 1,
            "causes": [["sale", "sale", "loan"]] * n,
            "enforced_yuan": [[1_000.0, 3_000.0]] * 50 + [[]] * 50,
        }
    )
    seasons = np.ones((n, 12))
    seasons[:, 1] = 0.5
    return Census(Span(FIRST, 24), firms, seasons, asked, records)


@pytest.mark.parametrize(
    ("measure", "of", "value", "n"),
    [
        ("sector", "F", 40 / 100, 100),
        ("region", "east", 0.4, 100),
        ("region", "west", 0.6, 100),
        ("region", "centre", 0.0, 100),
        ("province", "44", 0.4, 100),
        ("age", "0 5", 0.5, 100),
        ("age", "10 200", 0.5, 100),
        ("age_median", "", 7.0, 100),
        ("size", "micro", 0.8, 100),
        ("capital_zero", "", 0.1, 100),
        ("capital_dirty", "", 0.05, 100),
        ("sole_owner", "", 0.35, 100),
        ("quantile", "top_buyer 0.5", 0.495, 100),
        ("quantile", "void_share 0.75", 0.2, 100),
        ("quantile", "growth_2019 0.25", 0.0, 100),
        ("deviation", "growth_2019", np.log(2.0) / 2.0, 100),
        ("season", "2", 0.5 * 12 / 11.5, 100),
        ("void", "", 0.1, 100),
        ("rating", "A", 10 / 95, 95),
        ("rating", "B M", 80 / 95, 95),
        ("abnormal", "", 0.17, 100),
        ("dishonest", "", 0.01, 100),
        ("causes", "sale loan", 2.0, 100),
        ("enforced", "", 2_000.0, 100),
        ("rate", "2019", 0.06, 15 + 0),
        ("amount", "", (25 * 1e6 + 15 * 2e6) / 40, 40),
        ("default", "", 8 / 40, 40),
        ("approval", "", 0.8, 100),
        ("take_up", "2018", 0.5, 50),
        ("first_time", "", 25 / 40, 40),
        ("owing", "", 0.46, 100),
        ("quarter", "F q1", -0.2, 40),
        ("quarter", "C q1", -0.1, 60),
        ("cash", "1", 0.2, 100),
        ("cash", "3", 0.64, 100),
    ],
)
def test_a_measure_is_what_one_counts_by_hand(
    census: Census, measure: str, of: str, value: float, n: int
) -> None:
    found = MEASURES[measure](census, of)
    if n < 30:
        assert found is None  # too few to say
        return
    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.n == n


def test_the_hazard_of_an_age_is_closings_over_years_lived(census: Census) -> None:
    """Ten of fifty old firms close in December 2018, aged just twelve, after twelve months."""
    found = MEASURES["exit"](census, "12 13")
    assert found is not None
    years = (40 * 12 + 10 * 1) / 12  # of the world's 24 months they turn 12 in the twelfth
    assert found.value == pytest.approx(1 - np.exp(-10 / years))
    none = MEASURES["exit"](census, "1 2")
    assert none is not None
    assert none.value == 0.0


def test_what_a_world_does_not_have_is_not_measured(census: Census) -> None:
    assert MEASURES["quarter"](census, "F y") is None
    assert MEASURES["rate"](census, "2022") is None
    assert MEASURES["quantile"](census, "longest_gap 0.5") is None


def test_every_measure_has_a_case_here() -> None:
    marks: Any = test_a_measure_is_what_one_counts_by_hand
    cases = {case[0] for mark in marks.pytestmark for case in mark.args[1]}
    assert set(MEASURES) - cases == {"exit", "default_sizes"}


def test_small_firms_default_more_often_than_medium_ones() -> None:
    asked = pd.DataFrame(
        {
            "granted": True,
            "year": 2018,
            "size": ["micro"] * 100 + ["medium"] * 100 + ["large"] * 100,
            "defaulted_12m": [1.0] * 12 + [0.0] * 88 + [1.0] * 6 + [0.0] * 94 + [0.0] * 100,
        }
    )
    empty = pd.DataFrame()
    found = MEASURES["default_sizes"](Census(Span(FIRST, 24), empty, np.empty(0), asked, empty), "")
    assert found is not None
    assert found.value == pytest.approx(2.0)
    assert isinstance(found, Figure)


def test_habits_of_a_firm_are_those_of_the_months_it_lived() -> None:
    issued = np.array([[2.0] * 9 + [0.0] * 2 + [1.0], [1.0] * 11 + [np.nan]])
    sales = np.array([[100.0] * 9 + [0.0] * 2 + [100.0], [1.0] * 11 + [np.nan]])
    columns = {
        "sales_yuan": sales, "sales_count": issued, "void_count": issued / 2.0,
        "red_yuan": sales * 0.25, "purchases_yuan": sales / 2.0, "tax_paid_yuan": sales * 0.03,
        "top_buyer_share": np.full((2, 12), 0.3),
    }  # fmt: skip
    found = habits(columns)
    assert found["active_share"][0] == pytest.approx(10 / 12)
    assert found["longest_gap"][0] == 2
    assert found["voided"][0] / found["issued"][0] == pytest.approx(0.5)
    assert found["red_share"][0] == pytest.approx(0.2)
    assert found["purchase_ratio"][0] == pytest.approx(0.5)
    assert found["tax_ratio"][0] == pytest.approx(0.03)
    mean = 1000 / 12
    assert found["sales_cv"][0] == pytest.approx(
        np.sqrt((10 * (100 - mean) ** 2 + 2 * mean**2) / 12) / mean
    )
    assert np.isnan(found["active_share"][1])  # eleven months are too few
    assert longest_gap(np.array([[0.0, 0.0, 1.0, np.nan, 0.0]])).tolist() == [2]


def test_seasons_are_summed_over_whole_years_of_firms_that_lived_them() -> None:
    months = [f"{year}-{month:02d}" for year in (2018, 2019) for month in range(1, 13)]
    rows = {
        "uscc": ["a"] * 24 + ["b"] * 23,
        "month": months + months[:-1],
        "sales_yuan": [float(month[5:]) for month in months + months[:-1]],
    }
    block: Panel = panel(pa.table(rows), Span(FIRST, 24))
    assert season_sums(block).tolist() == [[2.0 * month for month in range(1, 13)]]
