from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from synthetic_data import cashflow, economy, network
from synthetic_data.draws import Subject, generator
from synthetic_data.firms import BLOCK_FIRMS, Firms, draw
from synthetic_data.network import GUARANTEE, KINDS, NOBODY, OWNER, RING, SUPPLY, Network
from synthetic_data.parameters import standard
from synthetic_data.state import DRAWS, Luck
from synthetic_data.world import simulate_block

P = standard()


@pytest.fixture(scope="module")
def joined() -> tuple[Firms, Network]:
    return network.draw(P, draw(P, 7, 0), 7, 0)


def test_sellers_are_linked_as_often_as_their_sector_says(joined: tuple[Firms, Network]) -> None:
    firms, links = joined
    linked = links.buyer != NOBODY
    for sector in ("C", "F", "H"):
        mine = np.array(firms.papers.sector) == sector
        expected = P.network.linked_share_by_sector[sector]
        # some find no buyer large enough among the firms looked at
        assert 0.6 * expected - 0.05 < linked[mine].mean() < expected + 0.12


def test_a_buyer_is_another_firm_large_enough_and_named_shares_stay_below_one(
    joined: tuple[Firms, Network],
) -> None:
    firms, links = joined
    supply = links.links.take(links.links.kind == SUPPLY)
    assert (supply.first != supply.second).all()
    total = np.bincount(supply.first, supply.share, len(firms))
    assert total[~firms.traits.mill].max() <= P.network.named_share_max + 1e-9
    assert total.max() < 1.0
    level, honest = firms.traits.level_yuan, ~firms.traits.mill[supply.first]
    sold = (supply.share * level[supply.first])[honest]
    assert (sold <= P.network.purchases_share * level[supply.second][honest] * (1 + 1e-9)).all()
    pairs = set(zip(supply.first.tolist(), supply.second.tolist(), strict=True))
    assert len(pairs) == len(supply.first)


def test_large_firms_have_many_sellers(joined: tuple[Firms, Network]) -> None:
    _, links = joined
    supply = links.links.take(links.links.kind == SUPPLY)
    sellers = np.sort(np.bincount(supply.second, minlength=BLOCK_FIRMS))[::-1]
    assert sellers[:50].sum() > 0.15 * sellers.sum()  # 5 % of firms
    assert sellers[0] >= 8


def test_a_guarantor_answers_for_a_firm_with_debts_that_answers_for_nobody(
    joined: tuple[Firms, Network],
) -> None:
    firms, links = joined
    gives = links.debtor != NOBODY
    assert (gives == (firms.traits.guarantee_months > 0.0)).all()
    debtors = links.debtor[gives]
    assert (firms.traits.other_debt_months[debtors] > 0.0).all()
    assert not gives[debtors].any()


def test_mills_stand_in_rings_that_start_together(joined: tuple[Firms, Network]) -> None:
    firms, links = joined
    ring = links.links.take(links.links.kind == RING)
    assert set(ring.first) == set(ring.second) == set(np.flatnonzero(firms.traits.mill))
    starts = firms.traits.mill_from
    assert (starts[ring.first] == starts[ring.second]).all()


def test_what_strikes_a_buyer_strikes_its_sellers(joined: tuple[Firms, Network]) -> None:
    _, links = joined
    drawn = cashflow.draws(np.random.default_rng(1), BLOCK_FIRMS)
    shared = links.share(drawn)
    known = links.buyer != NOBODY
    assert (shared[Luck.BUYER][known] == drawn[Luck.SLUMP][links.buyer[known]]).all()
    assert (shared[Luck.BUYER][~known] == drawn[Luck.BUYER][~known]).all()
    assert (shared[Luck.RESCUE] == drawn[Luck.RESCUE][links.owner]).all()
    same = [row for row in Luck if row not in (Luck.BUYER, Luck.CHAIN, Luck.RESCUE)]
    assert (shared[same] == drawn[same]).all()


def test_shared_luck_has_the_law_of_luck_alone(joined: tuple[Firms, Network]) -> None:
    _, links = joined
    rng = np.random.default_rng(2)
    months = np.array([links.share(cashflow.draws(rng, BLOCK_FIRMS)) for _ in range(400)])
    chain = months[:, Luck.CHAIN]  # each firm's own is standard normal, month by month
    assert abs(chain.mean()) < 0.01
    assert abs(chain.var(axis=0).mean() - 1.0) < 0.01
    own = (chain * months[:, Luck.HEALTH]).mean(axis=0)
    assert abs(own.mean()) < 0.01  # and says nothing of its own health
    assert abs(months[:, Luck.BUYER].mean() - 0.5) < 0.01


def test_sellers_feel_the_health_of_those_who_buy(joined: tuple[Firms, Network]) -> None:
    _, links = joined
    rng = np.random.default_rng(3)
    months = np.array([links.share(cashflow.draws(rng, BLOCK_FIRMS)) for _ in range(400)])
    supply = links.links.take(links.links.kind == SUPPLY)
    large = supply.take(supply.share > 0.3)
    felt = months[:, Luck.CHAIN][:, large.first], months[:, Luck.HEALTH][:, large.second]
    together = (felt[0] * felt[1]).mean(axis=0)
    assert together.mean() > 0.6


def test_a_guarantee_is_called_once_when_its_debtor_fails() -> None:
    firms = draw(P, 3, 0, 2)
    traits = replace(firms.traits, guarantee_months=np.array([2.0, 0.0]))
    before = cashflow.opening(P, traits, np.zeros((4, 2)), 24_000)
    before = replace(before, other_debt_yuan=np.array([0.0, 1e9]))
    failed = replace(before, defaulted=np.array([False, True]))
    debtor = np.array([1, NOBODY])
    called = network.called(before, failed, debtor, traits).called_yuan
    assert called.tolist() == [2.0 * before.scale_yuan[0], 0.0]
    small = replace(failed, other_debt_yuan=np.array([0.0, 5_000.0]))
    assert network.called(before, small, debtor, traits).called_yuan[0] == 5_000.0
    assert network.called(failed, failed, debtor, traits).called_yuan.tolist() == [0.0, 0.0]
    assert network.called(before, before, debtor, traits).called_yuan.tolist() == [0.0, 0.0]


def test_a_called_guarantee_is_paid_the_month_after() -> None:
    firms = draw(P, 3, 0)
    climate = economy.build(P, 2)
    state = cashflow.opening(P, firms.traits, np.zeros((4, len(firms))), climate.first)
    rich = replace(state, cash_yuan=state.scale_yuan * 100)
    weather = climate.weather(climate.first, firms.traits)
    luck = cashflow.draws(generator(1, 0, Subject.CASHFLOW), len(firms))
    owing = replace(rich, called_yuan=rich.scale_yuan)
    plain, _ = cashflow.step(firms.traits, rich, weather, luck, P)
    after, flows = cashflow.step(firms.traits, owing, weather, luck, P)
    assert (flows.called == owing.called_yuan).all()
    assert (after.called_yuan == 0.0).all()
    assert (after.cash_yuan < plain.cash_yuan).all()


def test_owners_and_links_are_told_in_tables() -> None:
    tables = simulate_block(P, 0, 13, 7, keep=400)
    links = tables["links"].to_pandas()
    firms = set(tables["firms"].to_pandas().uscc)
    assert set(links.kind) <= set(KINDS)
    assert set(links.from_uscc) | set(links.to_uscc) <= firms
    assert links.share.notna().eq(links.kind == "supply").all()
    events = tables["events"].to_pandas()
    assert set(events.kind) == {"suit", "enforcement", "abnormal_listing", "change",
                                "dishonest_listing"}  # fmt: skip
    ended = pd.to_datetime(events.ended)
    assert (ended.isna() | (ended >= pd.to_datetime(events.on))).all()
    assert str(events.on.max()) < "2019-02"


def test_the_network_belongs_to_its_block(joined: tuple[Firms, Network]) -> None:
    again, _ = network.draw(P, draw(P, 7, 0), 7, 0)
    for field in fields(again.traits):
        mine, other = getattr(again.traits, field.name), getattr(joined[0].traits, field.name)
        assert (mine == other).all(), field.name
    assert len(Luck) == DRAWS
    assert (joined[1].links.kind == OWNER).sum() > 50
    assert (joined[1].links.kind == GUARANTEE).sum() > 50
