import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from model.fairness import MISSING, MOST_KINDS, OTHER, kinds


def test_each_kind_has_its_shares_with_their_bounds() -> None:
    labels = pd.Series(["old"] * 300 + ["young"] * 200)
    bad = np.r_[np.repeat([1.0, 0.0], [30, 270]), np.repeat([1.0, 0.0], [60, 140])]
    rated = np.r_[np.full(300, 0.1), np.linspace(0.3, 0.1, 200)]
    approved = np.r_[np.ones(270, bool), np.zeros(30, bool), np.repeat([True, False], [126, 74])]
    old, young = kinds(labels, bad, rated, approved)
    assert (old.name, old.loans, young.loans) == ("old", 300, 200)
    assert old.approved[0] == pytest.approx(0.9)
    bounds = binomtest(60, 200).proportion_ci(0.95, method="wilson")
    assert young.defaulted == pytest.approx((0.3, bounds.low, bounds.high))
    assert young.approved_ratio == pytest.approx(0.63 / 0.9)
    assert old.approved_ratio == 1.0
    assert not old.outside
    assert young.outside  # 20 % expected, 30 % observed
    assert old.auc == pytest.approx(0.5)
    assert young.auc == pytest.approx(1.0)


def test_ordered_kinds_keep_their_order_and_the_missing_have_a_name() -> None:
    labels = pd.Series(pd.Categorical(["b", "a", None, "a"], ["b", "a"], ordered=True))
    found = kinds(labels, np.array([0.0, 1, 0, 0]), np.full(4, 0.2), np.ones(4, bool))
    assert [kind.name for kind in found] == ["b", "a", MISSING]
    assert [kind.auc for kind in found] == [None] * 3
    assert [kind.approved_ratio for kind in found] == [1.0] * 3  # too few to compare with


def test_rare_kinds_are_told_together() -> None:
    labels = pd.Series([f"k{i}" for i in range(30) for _ in range(40 - i)])
    every = np.zeros(len(labels))
    found = kinds(labels, every, every + 0.1, every < 1)
    assert len(found) == MOST_KINDS
    assert found[-1].name == OTHER
    assert sum(kind.loans for kind in found) == len(labels)
