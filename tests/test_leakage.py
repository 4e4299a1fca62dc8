import numpy as np
import pandas as pd
import pytest

from model.leakage import auc_alone, far_above, known_after, suggested_direction

COUNT = 4_000
RANDOM = np.random.default_rng(7)
HITS = (RANDOM.random(COUNT) < 0.2).astype(float)
LATE = np.arange(COUNT) >= 2_500


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(np.where(HITS == 1, 5_000.0, 0.0)),
        pd.Series(np.where(HITS == 1, np.nan, RANDOM.normal(size=COUNT))),
        pd.Series(np.where(HITS == 1, "CHGOFF", "P I F")),
        pd.Series(pd.Timestamp("2010-01-01"), index=range(COUNT)).where(HITS == 1),
        pd.Series("2010-01-01", index=range(COUNT)).where(HITS == 1),
        pd.Series(-1e300 * HITS),
    ],
    ids=["amount", "missing", "status", "date", "text date", "huge"],
)
def test_what_knows_the_outcome_is_found(values: "pd.Series[float]") -> None:
    assert auc_alone(values, HITS, LATE) == 1.0


def test_noise_is_no_leak() -> None:
    found = auc_alone(pd.Series(RANDOM.normal(size=COUNT)), HITS, LATE)
    assert found is not None
    assert 0.45 < found < 0.55
    names = pd.Series([f"name {i % 1_500}" for i in range(COUNT)])
    found = auc_alone(names, HITS, LATE)
    assert found is not None
    assert 0.4 < found < 0.6


def test_a_part_with_one_outcome_is_not_tried() -> None:
    assert auc_alone(pd.Series(HITS), np.where(LATE, HITS, 0.0), LATE) is None


def test_names_that_sound_like_afterwards() -> None:
    assert known_after("ChgOffPrinGr") == "ChgOff"
    assert known_after("DisbursementGross") == "Disburs"
    assert known_after("核销金额") == "核销"
    for name in ("income", "marital_status", "checking_status", "GrAppv", "LowDoc"):
        assert known_after(name) is None


def direction_of(logit: "np.ndarray[tuple[int], np.dtype[np.float64]]", x: object) -> int | None:
    hits = (np.random.default_rng(3).random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)
    return suggested_direction(np.asarray(x, dtype=float), hits)


def test_only_what_clearly_rises_or_falls_has_a_direction() -> None:
    x = np.random.default_rng(1).normal(size=20_000)
    assert direction_of(x - 1, x) == 1
    assert direction_of(-x - 1, x) == -1
    assert direction_of(x**2 - 2, x) is None
    assert direction_of(0 * x - 1, x) is None
    assert direction_of(np.where(np.abs(x) < 2, x, -x) - 1, x) is None  # turns in the tails
    assert direction_of(x - 1, np.where(x > 0, x, np.nan)) == 1  # of those that are known


def test_few_loans_suggest_nothing() -> None:
    assert suggested_direction(np.arange(100.0), np.arange(100) % 2.0) is None


def test_a_column_far_above_all_others_stands_out() -> None:
    assert far_above({"term": 0.9, "amount": 0.6, "age": 0.55}) == "term"
    assert far_above({"term": 0.75, "amount": 0.68}) is None
    assert far_above({"term": 0.65, "amount": 0.5}) is None
    assert far_above({"term": 0.9}) is None
