import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic_data.invoice_split import parts, split


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(1, 300), st.integers(0, 10**13), st.integers(0, 1000))
def test_invoices_add_up_to_the_fen(count: int, more: int, seed: int) -> None:
    found = split(count + more, count, 2.1, rng(seed))
    assert len(found) == count
    assert found.sum() == count + more
    assert found.min() >= 1


def test_more_invoices_than_fen_are_refused() -> None:
    with pytest.raises(ValueError, match="3 invoices of 2 fen"):
        split(2, 3, 2.1, rng())


def test_amounts_heap_just_under_the_face_limit() -> None:
    found = split(4_000 * 3_000_000, 4_000, 2.1, rng()) / 100.0  # 30,000 yuan on average
    assert found.max() <= 100_001.0
    heap = ((found > 90_000) & (found <= 100_001.0)).mean()
    assert 0.1 < heap < 0.35
    assert heap / ((found > 50_000) & (found < 90_000)).mean() > 0.1
    assert 1_000 < np.median(found) < 25_000


def test_firms_of_larger_orders_have_larger_forms() -> None:
    found = split(100 * 50_000_000, 100, 2.1, rng()) / 100.0
    assert 100_000 < found.max() <= 1_000_001.0


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 9)), min_size=1, max_size=12),
    st.floats(0.0, 1.0),
    st.integers(0, 100),
)
def test_a_partner_takes_what_months_allow(
    months: list[tuple[int, int]], share: float, seed: int
) -> None:
    net, partners = (np.array(column, dtype=np.int64) for column in zip(*months, strict=True))
    target = int(share * net[partners > 0].sum())
    found = parts(target, net, partners, partners, rng(seed))
    assert ((found >= 0) & (found <= net)).all()
    assert (found[partners == 0] == 0).all()
    alone = partners == 1
    assert np.isin(found[alone], [0]).sum() + (found[alone] == net[alone]).sum() >= alone.sum()
    assert found.sum() <= target
    if not alone.any() and share < 0.9 and (net[partners > 1] > 100).all():
        assert found.sum() == target
