from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from model.scorecard import MonotoneScorecard


@pytest.fixture(scope="module")
def loans() -> tuple[pd.DataFrame, Any]:
    """3,000 loans: six numbers with gaps, one category that matters."""
    X, y = make_classification(3_000, 6, n_informative=4, flip_y=0.1, random_state=1)
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame.loc[rng.random(3_000) < 0.1, "a"] = np.nan
    trade = np.where(y + rng.normal(0, 1, 3_000) > 0.5, "retail", "metal")
    frame["trade"] = pd.Categorical(trade, categories=["metal", "retail", "none"])
    return frame, y


@pytest.fixture(scope="module")
def fitted(loans: tuple[pd.DataFrame, Any]) -> MonotoneScorecard:
    frame, y = loans
    return MonotoneScorecard(directions={"a": 1, "b": -1}, max_steps=8).fit(frame, y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the checks themselves warn on purpose
@parametrize_with_checks([MonotoneScorecard(max_iter=20)])
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


def test_contributions_add_up_to_the_log_odds(
    fitted: MonotoneScorecard, loans: tuple[pd.DataFrame, Any]
) -> None:
    frame, _ = loans
    total = fitted.contributions(frame).sum(axis=1) + fitted.intercept_
    np.testing.assert_allclose(total, fitted.decision_function(frame), rtol=0, atol=1e-12)


def test_no_step_goes_against_a_declared_direction(fitted: MonotoneScorecard) -> None:
    a, b = fitted.columns_[0], fitted.columns_[1]
    assert len(a.levels) > 2
    assert (np.diff(a.levels) > 0).all()
    assert (np.diff(b.levels) < 0).all()


def test_no_feature_has_more_steps_than_allowed(fitted: MonotoneScorecard) -> None:
    assert max(len(c.levels) for c in fitted.columns_ if c.kind == "number") <= 8


def test_mean_probability_equals_the_rate_observed(
    fitted: MonotoneScorecard, loans: tuple[pd.DataFrame, Any]
) -> None:
    frame, y = loans
    assert fitted.predict_proba(frame)[:, 1].mean() == pytest.approx(y.mean(), abs=1e-6)


def test_it_learns_what_is_there(
    fitted: MonotoneScorecard, loans: tuple[pd.DataFrame, Any]
) -> None:
    frame, y = loans
    assert roc_auc_score(y, fitted.predict_proba(frame)[:, 1]) > 0.85


def test_missing_and_unknown_have_places_of_their_own(fitted: MonotoneScorecard) -> None:
    a, trade = fitted.columns_[0], fitted.columns_[6]
    assert a.lookup(pd.Series([np.nan]))[0] == a.missing
    assert trade.lookup(pd.Series(["never seen", None], dtype=object)).tolist() == [
        trade.unknown,
        trade.missing,
    ]


def test_categories_beyond_the_commonest_share_a_place_that_is_learned() -> None:
    rng = np.random.default_rng(5)
    common = rng.integers(0, 200, 8_000)
    rare = np.where(rng.random(8_000) < 0.2, rng.integers(200, 900, 8_000), common)
    names = pd.Series([f"branch {i}" for i in rare])
    y = (rng.random(8_000) < np.where(rare >= 200, 0.6, 0.1)).astype(int)
    estimator = MonotoneScorecard().fit(pd.DataFrame({"branch": names.astype("category")}), y)
    (column,) = estimator.columns_
    assert len(column.categories) == 200
    assert "branch 899" not in column.categories
    rows = pd.DataFrame({"branch": pd.Categorical(["branch 899", "never seen", "branch 7"])})
    beyond, new, seen = estimator.predict_proba(rows)[:, 1]
    assert beyond == new
    assert 0.5 < beyond < 0.7
    assert seen < 0.2


def test_weights_count_as_copies(loans: tuple[pd.DataFrame, Any]) -> None:
    frame, y = loans
    weights = np.where(y == 1, 3.0, 1.0)
    fitted = MonotoneScorecard(max_iter=30).fit(frame, y, sample_weight=weights)
    expected = float(np.average(y, weights=weights))
    found = np.average(fitted.predict_proba(frame)[:, 1], weights=weights)
    assert found == pytest.approx(expected, abs=1e-6)


def test_it_works_in_a_pipeline_and_clones(loans: tuple[pd.DataFrame, Any]) -> None:
    frame, y = loans
    pipe = make_pipeline(FunctionTransformer(), clone(MonotoneScorecard(max_iter=10)))
    assert pipe.fit(frame, y).predict_proba(frame).shape == (3_000, 2)


def test_a_direction_for_a_column_that_is_not_there_is_refused(
    loans: tuple[pd.DataFrame, Any],
) -> None:
    frame, y = loans
    with pytest.raises(ValueError, match=r"\['sales'\] are not columns of X"):
        MonotoneScorecard(directions={"sales": 1}).fit(frame, y)
