from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthetic_data.loans import PURPOSES
from synthetic_data.parameters import standard


@pytest.fixture(scope="module")
def applications(world: Path) -> pd.DataFrame:
    return pd.read_parquet(world / "applications.parquet")


def test_about_eight_in_a_hundred_live_firms_apply_in_a_month(
    applications: pd.DataFrame, world: Path
) -> None:
    months = pd.read_parquet(world / "months.parquet", columns=["month"])["month"].value_counts()
    alive = months[applications.vintage.unique()].sum()
    assert 0.065 < len(applications) / alive < 0.095


def test_the_legacy_lender_approves_over_half_and_prefers_large_firms(
    applications: pd.DataFrame,
) -> None:
    assert 0.5 < applications.approved.mean() < 0.75
    size = applications.groupby("approved").amount_yuan.median()
    assert size[True] > 2 * size[False]


def test_only_approved_applications_are_granted_and_take_up_follows_the_rate(
    applications: pd.DataFrame,
) -> None:
    p = standard().loans
    assert not (applications.granted & ~applications.approved).any()
    for rate, some in applications[applications.approved].groupby("rate_annual"):
        kept = 1 - np.interp(rate, p.churn_rates_annual, p.churn_shares)
        assert some.granted.mean() == pytest.approx(kept, abs=4 * 0.5 / len(some) ** 0.5)


def test_amounts_rates_and_purposes_are_as_the_parameters_say(applications: pd.DataFrame) -> None:
    p = standard().loans
    assert applications.amount_yuan.between(p.amount_min_yuan, p.amount_max_yuan).all()
    assert (applications.amount_yuan % p.amount_step_yuan == 0).all()
    rates = applications.vintage.str[:4].map(p.rate_annual_by_year)
    assert (applications.rate_annual == rates).all()
    assert set(applications.purpose) <= set(PURPOSES)
    assert set(applications.tenor_months) == {p.tenor_months}


def test_epidemic_supplies_are_asked_for_in_2020_only(applications: pd.DataFrame) -> None:
    asked = applications[applications.purpose == "epidemic_supplies"]
    assert (asked.vintage >= "2020-02").all()


def test_nobody_borrows_twice_at_once(applications: pd.DataFrame) -> None:
    granted = applications[applications.granted].copy()
    granted["month"] = granted.vintage.str[:4].astype(int) * 12 + granted.vintage.str[5:].astype(
        int
    )
    apart = granted.sort_values("month").groupby("uscc").month.diff().dropna()
    assert (apart > standard().loans.tenor_months).all()
    again = granted.sort_values("month").uscc.duplicated()
    assert not granted.sort_values("month").first_time_borrower[again].any()


def test_every_vintage_has_its_performance_window_inside_the_world(
    applications: pd.DataFrame,
) -> None:
    assert applications.vintage.min() == "2018-01"
    assert applications.vintage.max() == "2019-12"
    assert (applications.as_of.astype(str).str[:7] == applications.vintage).all()
