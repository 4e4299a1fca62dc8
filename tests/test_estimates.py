"""Figures with their errors, against what is known in closed form or counted by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from synthetic_data import estimates


def test_a_share_has_the_error_of_a_binomial() -> None:
    found = estimates.share(np.arange(1_000) < 200)
    assert found is not None
    assert found.value == 0.2
    assert found.error == pytest.approx(np.sqrt(0.2 * 0.8 / 1_000), rel=0.01)
    assert found.n == 1_000


def test_a_share_of_nothing_still_has_an_error() -> None:
    found = estimates.share(np.zeros(100, bool))
    assert found is not None
    assert found.value == 0.0
    assert 0.01 < found.error < 0.02


def test_too_few_say_nothing() -> None:
    assert estimates.share(np.ones(29)) is None
    assert estimates.mean(np.ones(29)) is None
    assert estimates.quantile(np.arange(60.0), 0.05) is None  # three firms lie below it
    assert estimates.auc([True] * 29 + [False] * 99, np.arange(128.0)) is None


def test_a_quantile_and_its_error() -> None:
    values = np.random.default_rng(0).standard_normal(40_000)
    found = estimates.quantile(values, 0.5)
    assert found is not None
    assert abs(found.value) < 0.02
    assert found.error == pytest.approx(np.sqrt(np.pi / 2 / 40_000), rel=0.2)


def test_the_error_of_a_deviation_of_normal_values() -> None:
    found = estimates.deviation(np.random.default_rng(0).standard_normal(40_000))
    assert found is not None
    assert found.value == pytest.approx(1.0, abs=0.02)
    assert found.error == pytest.approx(1 / np.sqrt(2 * 40_000), rel=0.1)


def test_a_ratio_is_that_of_the_sums_and_leaves_unknown_out() -> None:
    top = np.append(np.full(40, 3.0), np.nan)
    found = estimates.ratio(top, np.append(np.full(40, 2.0), 5.0))
    assert found is not None
    assert (found.value, found.error, found.n) == (1.5, 0.0, 40)


def test_quotients_add_relative_errors() -> None:
    one, other = estimates.Figure(0.3, 0.03, 50), estimates.Figure(0.1, 0.01, 40)
    found = estimates.quotient(one, other)
    assert found is not None
    assert found.value == pytest.approx(3.0)
    assert found.error == pytest.approx(3.0 * np.hypot(0.1, 0.1))
    assert found.n == 40
    assert estimates.quotient(None, other) is None


def test_auc_is_scikit_learns_and_its_error_that_of_repeated_samples() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(100):
        hits = rng.random(400) < 0.3
        rated = np.round(rng.standard_normal(400) + hits, 1)  # with ties
        one = estimates.auc(hits, rated)
        assert one is not None
        assert one.value == pytest.approx(roc_auc_score(hits, rated))
        found.append(one)
    seen = np.std([one.value for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(seen, rel=0.2)
