import numpy as np
import pytest

from model.drift import counts, drift, tenths


def test_the_same_crowd_has_no_drift_and_another_has() -> None:
    same = drift([100, 200, 300], [10, 20, 30])
    assert same.psi < 0.001
    assert not same.moved
    other = drift([1_000, 2_000, 3_000], [3_000, 2_000, 1_000])
    assert other.psi == pytest.approx(2 * (2_000 / 6_000) * np.log(3), rel=1e-3)  # by hand
    assert other.moved


def test_chance_is_exceeded_about_once_in_twenty_when_nothing_changed() -> None:
    rng = np.random.default_rng(5)
    share = np.array([0.1, 0.2, 0.3, 0.4])
    moved = [
        drift(rng.multinomial(4_000, share), rng.multinomial(500, share)).moved
        for _ in range(2_000)
    ]
    assert 0.035 < np.mean(moved) < 0.065


def test_fewer_loans_move_more_by_chance() -> None:
    few, many = drift([500, 500], [10, 10]), drift([500, 500], [1_000, 1_000])
    assert few.by_chance > 10 * many.by_chance


@pytest.mark.parametrize(("base", "now"), [([0, 0], [0, 0]), ([5, 0], [5, 0]), ([5, 5], [0, 0])])
def test_nothing_to_compare_is_no_drift(base: list[int], now: list[int]) -> None:
    assert drift(base, now).psi == 0.0
    assert not drift(base, now).moved


def test_values_on_an_edge_belong_below_and_repeated_ones_share_a_band() -> None:
    assert counts([1.0, 2.0, 2.5, 9.0], np.array([2.0, 5.0])).tolist() == [2, 1, 1]
    assert tenths(np.zeros(50)).tolist() == [0.0]
    assert len(tenths(np.arange(1_000.0))) == 9
