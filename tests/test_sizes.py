"""Size classes of 2011-300: firms a clerk can check against the notice."""

import doctest

import numpy as np
import pytest

from synthetic_data import sizes
from synthetic_data.identity import TRADES
from synthetic_data.sizes import SIZES, UNKNOWN, classify, group_of

TEN_THOUSAND = 10_000.0


@pytest.mark.parametrize(
    ("sector", "code", "staff", "revenue_10k", "assets_10k", "size"),
    [
        ("A", "0111", np.nan, 20_000, np.nan, "large"),
        ("A", "0111", np.nan, 499, np.nan, "small"),
        ("C", "1781", 1_000, 40_000, np.nan, "large"),
        ("C", "1781", 999, 40_000, np.nan, "medium"),  # all indicators are needed
        ("C", "1781", 300, 1_999, np.nan, "small"),
        ("C", "1781", 19, 50_000, np.nan, "micro"),  # any below the bound of small
        ("E", "4710", np.nan, 6_000, 4_999, "small"),
        ("F", "5164", 20, 5_000, np.nan, "medium"),
        ("F", "5164", 20, 999, np.nan, "micro"),
        ("F", "5211", 10, 100, np.nan, "small"),
        ("G", "5431", 20, 200, np.nan, "small"),
        ("G", "5910", 100, 1_000, np.nan, "medium"),
        ("H", "6210", 9, 1_000, np.nan, "micro"),
        ("I", "6311", 2_000, 100_000, np.nan, "large"),
        ("I", "6513", 10, 50, np.nan, "small"),
        ("K", "7010", 5, 1_000, 5_000, "medium"),
        ("K", "7020", 100, 500, np.nan, "small"),
        ("K", "7030", 10, np.nan, np.nan, "small"),  # agencies are among the others
        ("L", "7259", 100, 1, 8_000, "medium"),
        ("R", "8930", 300, 1, np.nan, "large"),
    ],
)
def test_a_firm_is_classed_as_the_notice_says(
    sector: str, code: str, staff: float, revenue_10k: float, assets_10k: float, size: str
) -> None:
    at = classify(
        [sector], [code], [staff], [revenue_10k * TEN_THOUSAND], [assets_10k * TEN_THOUSAND]
    )
    assert SIZES[at[0]] == size


def test_a_firm_of_which_nothing_is_known_has_no_class() -> None:
    assert classify(["C", "J"], ["1781", "6620"], [np.nan, 50], [np.nan, 1e8])[0] == UNKNOWN
    assert group_of("J", "6620") is None
    assert group_of("G", "5310") is None  # railways


def test_every_trade_of_the_world_has_a_group() -> None:
    for sector, trades in TRADES.items():
        assert all(group_of(sector, code) is not None for code, _ in trades), sector


def test_bounds_fall_from_large_to_small() -> None:
    for group in sizes.groups():
        given = [one for one in (group.staff, group.revenue, group.assets) if one is not None]
        assert given, group.name
        assert all(large >= medium >= small for large, medium, small in given), group.name
    assert len(sizes.groups()) == 16


def test_docstring_examples_run() -> None:
    found = doctest.testmod(sizes)
    assert found.attempted > 0
    assert found.failed == 0
