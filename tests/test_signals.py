"""What a firm does beside its money follows from its state; its base rates are the published."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from synthetic_data import economy, signal_traits, signals, world
from synthetic_data.draws import Floats
from synthetic_data.firms import Firms, draw
from synthetic_data.history import History
from synthetic_data.parameters import standard
from synthetic_data.signal_traits import SITES, SignalTraits
from synthetic_data.signals import Signals

P = standard()
MONTHS, SEED = 60, 7


@pytest.fixture(scope="module")
def lived() -> tuple[Firms, History]:
    climate = economy.build(P, MONTHS)
    firms = draw(P, SEED, 0)
    return firms, world.live(P, firms, climate, SEED, 0, MONTHS).history


@pytest.fixture(scope="module")
def busy(lived: tuple[Firms, History]) -> tuple[SignalTraits, Signals]:
    """The block of firms as if each did everything."""
    firms, history = lived
    n = len(firms)
    drawn = signal_traits.draw(P, firms, SEED, 0)
    usual = replace(
        drawn, in_fund=np.ones(n, bool), export_share=np.full(n, 0.3), import_share=np.full(n, 0.1),
        customs_since=firms.traits.founded, customs_luck=np.linspace(0.0, 1.0, n),
        patents_yearly=np.full(n, 3.0), titled=np.ones((n, 5), bool),
        posts_monthly=np.full((n, 3), 2.0), shops=np.ones(n, int), online_share=np.full(n, 0.3),
        machines=np.full(n, 5),
    )  # fmt: skip
    return usual, signals.observe(P, firms, usual, history, SEED, 0)


def drawn(blocks: int) -> list[tuple[Firms, SignalTraits]]:
    firms = [draw(P, SEED, block) for block in range(blocks)]
    return [(one, signal_traits.draw(P, one, SEED, block)) for block, one in enumerate(firms)]


def test_base_rates_are_those_of_the_public_records() -> None:
    p, traits = P.signals, [one for _, one in drawn(30)]

    def share(flags: list[Any]) -> float:
        return float(np.concatenate(flags).mean())

    near = {
        p.web_site_share: [one.web_site_since < 1_000_000 for one in traits],
        p.online_shop_share: [one.shops > 0 for one in traits],
        p.patent_share: [one.patents_yearly > 0 for one in traits],
        p.trademark_share: [one.trademarks > 0 for one in traits],
        **{p.posting_share[site]: [one.posts_monthly[:, i] > 0 for one in traits]
           for i, site in enumerate(SITES)},
    }  # fmt: skip
    for expected, flags in near.items():
        assert share(flags) == pytest.approx(expected, abs=4 * (expected / 30_000) ** 0.5 + 2e-4)
    yearly = np.concatenate([one.posts_monthly[:, 1] for one in traits]) * 12.0
    assert 7 < np.median(yearly[yearly > 0]) < 16
    patents = np.concatenate([one.patents_yearly for one in traits]) * p.patents_years
    assert 1.2 < np.median(patents[patents > 0]) < 3.2


def test_only_manufacturers_are_connected() -> None:
    industry = list(P.firms.sector_weights).index("C")
    for firms, traits in drawn(3):
        assert (firms.traits.sector[traits.machines > 0] == industry).all()
        assert (traits.machines > 0).sum() > 5


def test_sector_multiples_are_one_over_all_firms() -> None:
    for values in (P.signals.innovation_by_sector, P.signals.online_by_sector):
        mean = sum(P.firms.sector_weights[sector] * times for sector, times in values.items())
        assert mean == pytest.approx(1.0, abs=0.06)


def test_a_longer_world_changes_nothing_of_a_shorter_one(lived: tuple[Firms, History]) -> None:
    firms, history = lived
    short = History(history.first, 30, len(firms))
    usual = signal_traits.draw(P, firms, SEED, 0)
    for at in range(30):
        short.record(at, np.ones(len(firms)), {name: history[name][at] for name in _USED})
    whole, part = (signals.observe(P, firms, usual, one, SEED, 0) for one in (history, short))
    for name, column in part.monthly.items():
        assert (column == whole.monthly[name][:30]).all(), name
    assert (part.ratings == whole.ratings[:30]).all()
    last = history.first + 29
    for firm, dates in part.patents.items():
        assert dates == [one for one in whole.patents[firm] if one[0] <= last]
    for firm, titles in part.titles.items():
        assert titles == [one for one in whole.titles[firm] if one[1] <= last]


_USED = ("alive", "social_arrears_months", "insured", "staff", "true_sales", "true_strain",
         "true_health", "electricity_overdue")  # fmt: skip


def rows(history: History, seen: Signals, name: str) -> tuple[Floats, Floats, Floats]:
    """A column, strain and health where firms were alive."""
    alive = history["alive"] > 0
    strain, health = history["true_strain"][alive], history["true_health"][alive]
    return seen.monthly[name][alive], strain, health


def test_the_fund_is_left_unpaid_after_social_security(
    lived: tuple[Firms, History], busy: tuple[SignalTraits, Signals]
) -> None:
    _, history = lived
    usual, seen = busy
    behind, arrears = history["social_arrears_months"], seen.monthly["fund_arrears_months"]
    assert (arrears <= behind).all()
    assert 0 < (arrears > 0).sum() < (behind > 0).sum()
    assert (seen.monthly["fund_persons"][arrears > 0] == 0).all()
    delay = np.broadcast_to(usual.fund_delay_months, behind.shape)
    assert (behind[arrears > 0] > delay[arrears > 0]).all()


def test_machines_and_exports_follow_what_is_really_sold(
    lived: tuple[Firms, History], busy: tuple[SignalTraits, Signals]
) -> None:
    firms, history = lived
    _, seen = busy
    sales = history["true_sales"]
    chosen = (history["alive"] > 0).all(axis=0) & ~firms.traits.mill
    for firm in np.flatnonzero(chosen)[:40]:
        hours = seen.monthly["machine_hours"][:, firm]
        if hours.max() < 5 * 720:  # no machine runs more than all day
            assert np.corrcoef(hours, sales[:, firm])[0, 1] > 0.7
    assert (seen.monthly["exports"] <= 0.95 * sales + 0.01).all()
    mills = np.flatnonzero((history["alive"] > 0).all(axis=0) & firms.traits.mill)
    assert len(mills) > 0
    for firm in mills:
        if firms.traits.mill_from[firm] < history.first + 24:
            hours = seen.monthly["machine_hours"][:, firm]
            invoiced = history["sales"][:, firm]
            started = max(int(firms.traits.mill_from[firm] - history.first) + 6, 0)
            assert invoiced[started:].mean() > 5 * sales[started:, firm].mean()
            assert hours[started:].max() <= 5 * 720


def test_strain_shows_in_water_bills_jobs_shops_and_news(
    lived: tuple[Firms, History], busy: tuple[SignalTraits, Signals]
) -> None:
    _, history = lived
    _, seen = busy
    overdue, strain, health = rows(history, seen, "water_overdue")
    strained, at_ease = strain > 0.7, strain < 0.1
    assert (overdue[strained] > 0).mean() > 5 * (overdue[at_ease] > 0).mean()
    posts, _, _ = rows(history, seen, "posts_zlzp")
    assert posts[strained].mean() < 0.6 * posts[at_ease].mean()
    bad, _, _ = rows(history, seen, "negative_news")
    assert bad[strained].mean() > 3 * bad[at_ease].mean() > 0
    good, _, _ = rows(history, seen, "positive_news")
    assert good[health > 1].mean() > good[health < -1].mean()
    sold, _, _ = rows(history, seen, "online_sales")
    sales = history["true_sales"][history["alive"] > 0]
    share = sold / np.maximum(sales, 1.0)
    assert np.median(share[strained]) < 0.7 * np.median(share[at_ease])


def test_titles_and_patents_go_to_firms_in_good_health(
    lived: tuple[Firms, History], busy: tuple[SignalTraits, Signals]
) -> None:
    firms, history = lived
    _, seen = busy
    for firm, titles in seen.titles.items():
        for name, month in titles:
            assert history["true_health"][month - history.first, firm] > 0
            assert month % 12 == P.signals.title_round_month[name] - 1
            assert month >= firms.traits.founded[firm] + 12
    health = history["true_health"].mean(axis=0)
    counts = np.array([
        sum(month >= history.first for month, _ in seen.patents[firm]) for firm in range(len(firms))
    ])  # fmt: skip
    lived_through = (history["alive"] > 0).all(axis=0)
    well, ill = lived_through & (health > 0.8), lived_through & (health < -0.8)
    assert counts[well].mean() > 1.3 * counts[ill].mean()
    for firm, dates in seen.patents.items():
        assert all(month >= firms.traits.founded[firm] + 12 for month, _ in dates)


def test_customs_rate_badly_only_those_long_under_strain(
    lived: tuple[Firms, History], busy: tuple[SignalTraits, Signals]
) -> None:
    _, history = lived
    _, seen = busy
    dishonest = (seen.ratings == 3).any(axis=0)
    assert 0 < dishonest.sum() < 60
    assert (history["true_strain"].max(axis=0)[dishonest] > 0.6).all()
    assert set(np.unique(seen.ratings)) == {0, 1, 2, 3}
