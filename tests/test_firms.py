import numpy as np
import pytest
from stdnum.cn import uscc as stdnum_uscc

from synthetic_data.calendar import month_index
from synthetic_data.firms import BLOCK_FIRMS, draw
from synthetic_data.identity import uscc
from synthetic_data.parameters import standard

BLOCKS = [draw(standard(), 7, block) for block in range(4)]
FIRMS = 4 * BLOCK_FIRMS


def share(hits: int, expected: float) -> None:
    """Within 4 standard errors."""
    assert hits / FIRMS == pytest.approx(
        expected, abs=4 * (expected * (1 - expected) / FIRMS) ** 0.5
    )


def test_codes_are_valid_unique_and_of_no_assigned_place() -> None:
    codes = [code for block in BLOCKS for code in block.papers.uscc]
    assert len(set(codes)) == FIRMS
    assert all(stdnum_uscc.is_valid(code) for code in codes)
    assert {code[4:8] for code in codes} == {"9999"}


def test_the_inner_check_character_follows_gb_11714() -> None:
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    for number in (0, 1, 31, 12_345, 31**6 - 1):
        body = uscc("62", number)[8:17]
        total = sum(w * int(c, 36) for w, c in zip(weights, body, strict=False))
        assert body[8] == {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))


def test_sectors_and_provinces_follow_the_published_weights() -> None:
    p = standard().firms
    sectors = [s for block in BLOCKS for s in block.papers.sector]
    provinces = [s for block in BLOCKS for s in block.papers.province]
    for name, weight in p.sector_weights.items():
        share(sectors.count(name), weight)
    for name, weight in p.province_weights.items():
        share(provinces.count(name), weight)


def test_ages_follow_the_published_structure() -> None:
    p = standard().firms
    founded = np.concatenate([block.traits.founded for block in BLOCKS])
    age = month_index(p.age_reference_month) - founded
    assert age.min() >= 0
    share(int((age < 60).sum()), p.age_weights[0])
    share(int((age >= 120).sum()), p.age_weights[2])


def test_some_registered_capital_is_typed_in_yuan_where_10000_yuan_were_asked_for() -> None:
    typed = np.concatenate([block.papers.capital_registered_yuan for block in BLOCKS])
    meant = np.concatenate([block.papers.capital_yuan for block in BLOCKS])
    dirty = typed != meant
    zero = (meant == 0).mean()
    share(int(dirty.sum()), standard().firms.capital_dirty_share * (1 - zero))
    assert (typed[dirty] == 10_000 * meant[dirty]).all()


def test_yearly_sales_have_the_given_quantiles_and_stay_in_bounds() -> None:
    p = standard().firms
    honest = np.concatenate([b.traits.level_yuan[~b.traits.mill] for b in BLOCKS]) * 12
    least, *_, most = p.sales_annual_yuan_by_quantile.values()
    assert least <= honest.min()
    assert honest.max() <= most
    for at, yuan in p.sales_annual_yuan_by_quantile.items():
        below = int((honest <= yuan).sum())
        assert below == pytest.approx(float(at) * len(honest), abs=4 * 0.5 * len(honest) ** 0.5)
    assert 0.6 < np.median(honest) / p.sales_annual_median_yuan < 1.1


def test_what_is_capped_keeps_its_median_and_stays_below() -> None:
    p = standard().firms
    burden = np.concatenate([block.traits.tax_burden for block in BLOCKS])
    assert burden.max() < p.tax_burden_max
    assert np.median(burden) == pytest.approx(p.tax_burden_median, rel=0.1)
    bought = np.concatenate([block.habits.purchase_invoice_share for block in BLOCKS])
    assert 1.0 < bought.max() < p.purchase_invoice_share_max
    assert np.median(bought) == pytest.approx(p.purchase_invoice_share_median, rel=0.1)


def test_another_seed_or_block_gives_other_firms_and_the_same_one_the_same() -> None:
    again, other, next_block = (draw(standard(), *key) for key in ((7, 0), (8, 0), (7, 1)))
    assert (again.traits.level_yuan == BLOCKS[0].traits.level_yuan).all()
    assert (other.traits.level_yuan != BLOCKS[0].traits.level_yuan).any()
    assert (next_block.traits.level_yuan != BLOCKS[0].traits.level_yuan).any()


def test_names_are_built_of_region_and_trade() -> None:
    assert all(name.endswith("有限公司") for name in BLOCKS[0].papers.name)
    assert len(set(BLOCKS[0].papers.name)) > 900
