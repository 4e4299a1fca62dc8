"""Two-way tables while they are learned: pure, in few bands, monotone by themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.pairs import banded, purified, raised
from model.steps import Steps


def number(direction: int = 0, cuts: int = 9) -> Steps:
    return Steps("x", "number", direction, cuts=np.arange(float(cuts)))


def drawn(seed: int, rows: int = 11, across: int = 11) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, across)), rng.integers(0, 9, rows) + 1.0, rng.random(across) + 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_each_side_says_alone_is_taken_out(seed: int) -> None:
    grid, first, second = drawn(seed)
    rest, of_first, of_second = purified(grid, first, second)
    assert rest @ second == pytest.approx(0.0, abs=1e-9)
    assert first @ rest == pytest.approx(0.0, abs=1e-9)
    whole = rest + of_first[:, None] + of_second[None, :]
    assert np.ptp(grid - whole) == pytest.approx(0.0, abs=1e-12)  # but for a constant


def test_bands_follow_the_blocks_of_a_grid() -> None:
    grid = np.zeros((11, 11))
    grid[:4, 5:10], grid[4:10, :5] = 1.0, -2.0
    held = np.ones(11)
    held[-1] = 0.0  # none was missing
    table = banded([number(), number()], (0, 1), grid, [held, held], 8)
    assert table.first.cuts.tolist() == [3.0]
    assert table.second.cuts.tolist() == [4.0]
    assert table.levels.tolist() == [[0.0, 1.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    codes = {0: np.array([3, 4, 10, 10], dtype=np.uint8), 1: np.array([9, 0, 3, 3], dtype=np.uint8)}
    assert table.lookup(codes).tolist() == [1.0, -2.0, 0.0, 0.0]


@pytest.mark.parametrize("most", [2, 3, 8])
def test_a_table_has_no_more_bands_than_allowed(most: int) -> None:
    grid, first, second = drawn(1)
    trade = Steps("trade", "nominal", 0, categories=tuple("abcdefghij"))
    table = banded([trade, number()], (0, 1), grid, [first, second], most)
    assert 2 <= table.first.width <= most
    assert 2 <= table.second.width <= most
    assert sorted(c for group in table.first.groups for c in group) == list("abcdefghij")
    assert table.levels.shape == (table.first.width + 1, table.second.width + 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1]))
def test_a_raised_table_is_monotone_by_itself_and_sums_stay(seed: int, a: int, b: int) -> None:
    grid, first, second = drawn(seed)
    table = banded([number(a), number(b)], (0, 1), grid, [first, second], 6)
    levels = [np.zeros(11), np.zeros(11)]
    found = raised(table, levels)
    for sign, cells in ((a, found.levels[:-1]), (b, found.levels[:, :-1].T)):
        assert (sign * np.diff(cells, axis=0) >= 0).all()  # exactly, not nearly
    rows, columns = np.meshgrid(table.first.bands, table.second.bands, indexing="ij")
    before = table.levels[rows, columns]
    after = found.levels[rows, columns] + levels[0][:, None] + levels[1][None, :]
    missing = np.zeros((11, 11), dtype=bool)
    missing[-1], missing[:, -1] = True, True
    assert after[~missing] == pytest.approx(before[~missing], abs=1e-9)
