from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from synthetic_data.outcomes import OUTCOMES, Cause


@pytest.fixture(scope="module")
def loans(world: Path) -> pd.DataFrame:
    """Granted loans with outcomes and truth."""
    tables = [pd.read_parquet(world / f"{name}.parquet") for name in ("outcomes", "applications")]
    joined = tables[0].merge(tables[1], on="application_id", validate="one_to_one")
    truth = pd.read_parquet(world / "truth.parquet")
    return joined.merge(truth, on="application_id", validate="one_to_one")


def index(months: pd.Series) -> pd.Series:
    return months.str[:4].astype(int) * 12 + months.str[5:].astype(int)


def test_exactly_the_granted_have_an_outcome(loans: pd.DataFrame, world: Path) -> None:
    applications = pd.read_parquet(world / "applications.parquet")
    assert loans.granted.all()
    assert len(loans) == applications.granted.sum()
    truth = pd.read_parquet(world / "truth.parquet")
    assert truth.application_id.tolist() == applications.application_id.tolist()


def test_outcomes_agree_with_the_months_the_firms_lived(loans: pd.DataFrame, world: Path) -> None:
    months = pd.read_parquet(
        world / "months.parquet", columns=["uscc", "month", "true_missed_payments"]
    )
    months["at"] = index(months.month)
    lived = {uscc: dict(zip(some["at"], some.true_missed_payments, strict=True))
             for uscc, some in months.groupby("uscc")}  # fmt: skip
    for loan in loans.itertuples():
        drawn = int(loan.vintage[:4]) * 12 + int(loan.vintage[5:])
        missed = [lived[loan.uscc].get(drawn + ahead, 0) for ahead in range(13)]
        third = [ahead for ahead, count in enumerate(missed) if count == 3]
        assert bool(third) == (loan.defaulted_12m == 1)
        if third:
            assert missed[third[0] - 2 : third[0]] == [1, 2]
            month = (drawn - 1 + third[0]) // 12, (drawn - 1 + third[0]) % 12 + 1
            assert loan.default_month == f"{month[0]}-{month[1]:02d}"
        expected = "defaulted" if third else "late" if max(missed) else "paid"
        assert loan.outcome == expected


def test_no_loan_defaults_before_its_third_payment_or_after_the_window(
    loans: pd.DataFrame,
) -> None:
    bad = loans[loans.defaulted_12m == 1]
    ahead = index(bad.default_month) - index(bad.vintage)
    assert ahead.between(3, 12).all()
    assert loans.default_month[loans.defaulted_12m == 0].isna().all()
    assert set(loans.outcome) == set(OUTCOMES)


def test_truth_orders_outcomes_and_is_calibrated(loans: pd.DataFrame) -> None:
    assert roc_auc_score(loans.defaulted_12m, loans.true_pd_12m) > 0.75
    noise = np.sqrt((loans.true_pd_12m * (1 - loans.true_pd_12m)).sum()) / len(loans)
    gap = loans.defaulted_12m.mean() - loans.true_pd_12m.mean()
    assert abs(gap) < 4 * noise + 0.005


def test_what_happened_is_one_of_the_futures(loans: pd.DataFrame) -> None:
    assert (loans.defaulted_12m == loans.true_defaulted_12m).all()


def test_the_rejected_would_have_defaulted_more_often(world: Path) -> None:
    truth = pd.read_parquet(world / "truth.parquet")
    approved = pd.read_parquet(world / "applications.parquet").approved
    assert truth.true_pd_12m[~approved].mean() > 1.2 * truth.true_pd_12m[approved].mean()


def test_causes_are_told_for_defaults_only_and_mills_are_fraud(world: Path) -> None:
    truth = pd.read_parquet(world / "truth.parquet")
    bad = truth.true_defaulted_12m == 1
    assert (truth.true_cause[~bad] == "none").all()
    assert (truth.true_cause[bad & truth.true_mill] == "fraud").all()
    assert set(truth.true_cause[bad & ~truth.true_mill]) <= {
        cause.name.lower() for cause in Cause
    } - {"none", "fraud"}
    assert truth.true_cause[bad].nunique() >= 4


def test_healthier_firms_default_less(world: Path) -> None:
    truth = pd.read_parquet(world / "truth.parquet")
    ill, well = truth.true_health < -0.7, truth.true_health > 0.7
    assert truth.true_pd_12m[ill].mean() > 1.2 * truth.true_pd_12m[well].mean()
