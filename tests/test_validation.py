import numpy as np
import pytest

from model.validation import measure


def test_a_perfect_ranking_has_auc_and_ks_one() -> None:
    found = measure([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], bins=2)
    assert (found.auc, found.ks, found.default_rate) == (1.0, 1.0, 0.5)


def test_calibrated_probabilities_lie_inside_their_bounds() -> None:
    rng = np.random.default_rng(3)
    expected = rng.uniform(0.01, 0.3, 20_000)
    found = measure(rng.random(20_000) < expected, expected)
    inside = [b.observed_low <= b.expected <= b.observed_high for b in found.calibration]
    assert sum(inside) >= 8
    assert found.mean_pd_12m == pytest.approx(found.default_rate, abs=0.01)


def test_probabilities_twice_too_high_are_seen() -> None:
    rng = np.random.default_rng(4)
    true = rng.uniform(0.05, 0.3, 20_000)
    found = measure(rng.random(20_000) < true, true * 2)
    assert not any(b.observed_low <= b.expected <= b.observed_high for b in found.calibration)


def test_loans_without_a_default_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="of which 0 defaulted"):
        measure([0, 0], [0.1, 0.2])
