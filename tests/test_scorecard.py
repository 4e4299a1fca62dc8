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

from model import boosting, scorecard
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
@parametrize_with_checks([MonotoneScorecard(max_iter=20, n_folds=3, max_pairs=2)])
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


@pytest.mark.parametrize(
    ("rows", "columns", "steps", "bands", "bins"),
    [(800, 20, 12, 8, 64), (4_728, 64, 12, 8, 64), (17_600, 15, 32, 19, 160),
     (100_000, 7, 40, 24, 200), (1_000_000, 40, 12, 8, 64)],
)  # fmt: skip
def test_few_columns_of_many_rows_may_have_more_steps(
    rows: int, columns: int, steps: int, bands: int, bins: int
) -> None:
    assert MonotoneScorecard()._budget(rows, columns) == (steps, bands, bins)
    assert MonotoneScorecard(max_steps=12)._budget(rows, columns)[0] == 12
    assert MonotoneScorecard(max_steps=None)._budget(rows, columns)[0] is None


def test_many_rows_are_learned_in_one_bag_with_its_pairs_tried_on_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scorecard, "MANY_ROWS", 5_000)
    monkeypatch.setattr(boosting, "MOST_TO_TRY", 3_000)
    frame, y = together(12_000)
    fitted = MonotoneScorecard(directions={"debt": 1}).fit(frame[:9_000], y[:9_000])
    assert ("debt", "growth") in {
        (t.first.column.name, t.second.column.name) for t in fitted.two_way_
    }
    assert fitted.n_iter_ <= 200
    rated = fitted.predict_proba(frame[9_000:])[:, 1]
    assert roc_auc_score(y[9_000:], rated) > 0.8
    assert rated.mean() == pytest.approx(y[9_000:].mean(), abs=0.02)


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


def together(n: int = 6_000) -> tuple[pd.DataFrame, Any]:
    """Loans whose debt is only a risk where sales fall: two features, declared directions."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"debt": rng.random(n), "growth": rng.normal(size=n)})
    frame["age"] = rng.integers(0, 30, n).astype(float)
    frame["trade"] = pd.Categorical(rng.choice(["retail", "metal", "farm"], n))
    risk = 6.0 * frame.debt * (frame.growth < 0) - 0.05 * frame.age - 1.5
    y = (rng.random(n) < 1 / (1 + np.exp(-risk))).astype(int)
    frame.loc[rng.random(n) < 0.05, "growth"] = np.nan
    return frame, y.to_numpy()


@pytest.fixture(scope="module")
def paired() -> MonotoneScorecard:
    frame, y = together()
    return MonotoneScorecard(directions={"debt": 1, "growth": -1, "age": -1}, n_folds=4).fit(
        frame, y
    )


def test_two_way_tables_are_kept_where_they_pay(paired: MonotoneScorecard) -> None:
    names = {(t.first.column.name, t.second.column.name) for t in paired.two_way_}
    assert ("debt", "growth") in names
    frame, y = together(20_000)
    frame, y = frame[6_000:], y[6_000:]  # not learned from
    alone = MonotoneScorecard(max_pairs=0, n_folds=4).fit(*together())
    gained = roc_auc_score(y, paired.predict_proba(frame)[:, 1])
    assert gained > roc_auc_score(y, alone.predict_proba(frame)[:, 1]) + 0.005


def test_no_two_way_table_is_kept_where_there_is_nothing() -> None:
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(3_000, 4)), rng.integers(0, 2, 3_000)
    assert MonotoneScorecard(n_folds=4, max_iter=200).fit(X, y).two_way_ == []


def test_every_two_way_table_is_monotone_along_declared_directions(
    paired: MonotoneScorecard,
) -> None:
    assert paired.two_way_
    for table in paired.two_way_:
        assert max(table.levels.shape) <= 9
        for side, cells in ((table.first, table.levels), (table.second, table.levels.T)):
            assert (side.column.direction * np.diff(cells[:-1], axis=0) >= 0).all()
