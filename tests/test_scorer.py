"""The scorer's laws: row equals batch equals estimator, better never scores worse."""

from math import nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import artifact as artifacts
from model.credit_file import CreditFile
from model.features import FEATURES, INDEX
from model.portrait import Value, portraits
from model.scorer import Scorer, probability
from model.table import ScorecardError
from model.training import frame


@pytest.fixture(scope="module")
def scorer(artifact: Path) -> Scorer:
    card, _ = artifacts.load(artifact)
    return Scorer(card, INDEX)


def test_row_equals_estimator(
    scorer: Scorer, artifact: Path, credit_files: list[CreditFile]
) -> None:
    rows = portraits(credit_files)
    rows += [with_edges(scorer, row, i) for i, row in enumerate(rows[:100])]
    estimator = artifacts.load_estimator(artifact)
    batch = estimator.decision_function(frame(rows))
    single = np.array([scorer.logit(row) for row in rows])
    np.testing.assert_allclose(single, batch, rtol=0, atol=1e-12)


def with_edges(scorer: Scorer, row: list[Value], i: int) -> list[Value]:
    """The row with exact cuts, infinities, missing values and unknown categories in it."""
    changed = list(row)
    for j, column in enumerate(scorer.columns):
        at = scorer.positions[j]
        if column.kind != "number":
            changed[at] = None if (i + j) % 2 else row[at]
        elif (i + j) % 4 == 0 and column.cuts:
            changed[at] = column.cuts[(i + j) % len(column.cuts)]
        elif (i + j) % 4 == 1:
            changed[at] = [nan, float("inf"), float("-inf")][i % 3]
    return changed


def rows() -> st.SearchStrategy[list[Value]]:
    number = st.one_of(
        st.just(nan),
        st.floats(-10, 1e9, allow_nan=False),
        st.integers(0, 40).map(float),
    )
    return st.tuples(
        *[
            number
            if f.kind == "number"
            else st.one_of(st.none(), st.sampled_from(f.categories or ("11", "62")))
            for f in FEATURES
        ]
    ).map(list)


@settings(max_examples=60, deadline=None)
@given(rows(), st.data())
def test_better_never_scores_worse(scorer: Scorer, row: list[Value], data: st.DataObject) -> None:
    feature = data.draw(
        st.sampled_from([f for f in FEATURES if f.direction and f.kind == "number"])
    )
    at = INDEX[feature.name]
    low, high = sorted(data.draw(st.tuples(st.floats(-10, 1e9), st.floats(-10, 1e9))))
    worse, better = (high, low) if feature.direction > 0 else (low, high)
    with_worse, with_better = list(row), list(row)
    with_worse[at], with_better[at] = worse, better
    assert scorer.assess(with_better).score >= scorer.assess(with_worse).score
    assert scorer.logit(with_better) <= scorer.logit(with_worse)


@settings(max_examples=60, deadline=None)
@given(rows())
def test_points_add_up_to_the_score(scorer: Scorer, row: list[Value]) -> None:
    assessed = scorer.assess(row)
    total = assessed.reference_score + sum(assessed.contributions.values())
    assert abs(total - assessed.score) <= 0.5 + 1e-9
    assert sum(assessed.dimensions.values()) == pytest.approx(
        sum(assessed.contributions.values()), abs=1e-9
    )


def test_forty_points_double_the_odds(scorer: Scorer) -> None:
    assert scorer._exact_score(-np.log(20.0)) == pytest.approx(600)
    assert scorer._exact_score(-np.log(40.0)) == pytest.approx(640)


def test_a_grade_holds_its_lower_bound(scorer: Scorer) -> None:
    assert [scorer.grade(p) for p in (0.0, 0.00499, 0.005, 0.15, 1.0)] == [
        "AAA", "AAA", "AA", "CCC", "CCC",
    ]  # fmt: skip


def test_probability_does_not_overflow() -> None:
    assert probability(-1e4) == 0.0
    assert probability(1e4) == 1.0
    assert probability(0.0) == 0.5


def test_a_scorecard_for_other_features_is_refused(scorer: Scorer) -> None:
    used = scorer.columns[0].name
    index = {name: i for name, i in INDEX.items() if name != used}
    with pytest.raises(ScorecardError, match=used):
        Scorer(scorer.card, index)
