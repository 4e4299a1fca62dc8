"""What a firm does beside its money: funds and water, trade, patents, jobs, shops, machines.

All of it follows from the state the firm was in, month by month, never from how its loan ended:
machine hours follow true sales, so that those of an invoice mill stay flat; the housing fund is
left unpaid after social security; bad news and falling online sales come with strain, before a
default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_data.draws import Bools, Floats, Ints, Subject, generator
from synthetic_data.firms import Firms
from synthetic_data.history import History
from synthetic_data.parameters import Parameters
from synthetic_data.signal_parameters import SignalsParameters
from synthetic_data.signal_traits import SITES, TITLES, SignalTraits

_WATER, _BILLS, _TRADE, _IDLE, _PATENTS, _POSTS, _SHOPS, _NEWS, _HOURS, _ORDERS = range(1, 11)
"""Each has a generator of its own, drawn from month by month, so that a longer world adds to it."""
Luck = dict[int, np.random.Generator]
_STRAINED = 0.6
_OLD_MONTHS = 96  # patents older than this are not told of one by one


@dataclass(frozen=True)
class Signals:
    """The signals of a block: monthly columns (n_months, n_firms), and what has a date."""

    traits: SignalTraits
    monthly: dict[str, Floats]
    ratings: Ints  # (n_months, n_firms): position in RATINGS
    patents: dict[int, list[tuple[int, int]]]  # firm -> months and days of granting
    titles: dict[int, list[tuple[str, int]]]  # firm -> kinds and months of granting


RATINGS = ("advanced", "general", "regular", "dishonest")


def observe(
    parameters: Parameters,
    firms: Firms,
    traits: SignalTraits,
    history: History,
    seed: int,
    block: int,
) -> Signals:
    """The signals of a block of firms that lived through a history."""
    p, alive = parameters.signals, history["alive"]
    rng = {what: generator(seed, block, Subject.SIGNALS, what) for what in range(1, 11)}
    monthly = {
        **_fund(p, traits, history, parameters.firms.wage_monthly_yuan),
        **_water(parameters, firms, traits, history, rng),
        **_trade(parameters, traits, history, rng),
        **_posts(p, traits, history, rng),
        **_shops(p, traits, history, rng),
        **_news(parameters, firms, history, rng),
        **_machines(parameters, firms, traits, history, rng),
    }
    for column in monthly.values():
        column *= alive
    return Signals(
        traits=traits,
        monthly=monthly,
        ratings=_ratings(p, traits, history),
        patents=_patents(p, firms, traits, history, rng),
        titles=_titles(p, firms, traits, history),
    )


def _fund(
    p: SignalsParameters, traits: SignalTraits, history: History, wage_yuan: float
) -> dict[str, Floats]:
    """Persons and money paid into the fund; unpaid some months after social security is."""
    behind = history["social_arrears_months"] - traits.fund_delay_months
    arrears = np.maximum(behind, 0.0) * traits.in_fund
    persons = np.maximum(np.round(p.fund_insured_share * history["insured"]), 1.0)
    persons = persons * (traits.in_fund & (arrears == 0.0))
    return {
        "fund_persons": persons,
        "fund_paid": np.round(persons * (p.fund_wage_share * wage_yuan), 2),
        "fund_arrears_months": arrears,
    }


def _water(
    parameters: Parameters, firms: Firms, traits: SignalTraits, history: History, rng: Luck
) -> dict[str, Floats]:
    """Water for staff and for what is made; bills left unpaid under strain add up."""
    p, months, n = parameters.signals, history.months, len(firms)
    z, u = rng[_WATER].standard_normal((months, n)), rng[_BILLS].random((months, n))
    sectors = parameters.firms.sector_weights
    per_yuan = np.array([p.water_per_1000_yuan_by_sector[one] / 1000.0 for one in sectors])
    used = p.water_per_person * history["staff"]
    used = used + per_yuan[firms.traits.sector] * history["true_sales"]
    used = np.round(used * traits.water_times * np.exp(p.water_month_log_sd * z), 1)
    strain = history["true_strain"]
    left = (strain > _STRAINED) & (u < p.water_unpaid_strained)
    left |= history["electricity_overdue"] > 0.0
    bills = used * p.water_price_yuan
    overdue = np.zeros_like(used)
    owed = np.zeros(n)
    for at in range(months):
        owed = left[at] * (owed + bills[at])
        overdue[at] = owed
    return {"water": used, "water_overdue": np.round(overdue, 2)}


def _trade(
    parameters: Parameters, traits: SignalTraits, history: History, rng: Luck
) -> dict[str, Floats]:
    """Goods over the border: a share of true sales that moves with the world's demand."""
    p, sales = parameters.signals, history["true_sales"]
    rows = np.flatnonzero(traits.export_share > 0.0)
    z = rng[_TRADE].standard_normal((history.months, len(rows)))
    idle = rng[_IDLE].random((history.months, len(rows))) < p.trade_idle_share
    since = np.arange(history.months)[:, None] + history.first >= traits.customs_since[rows]
    abroad = _abroad(p, parameters.economy.trend_annual, history)[:, None]
    moved = sales[:, rows] * np.exp(p.trade_month_log_sd * z) * (since & ~idle)
    share = np.minimum(traits.export_share[rows] * abroad, 0.95)
    exports, imports = np.zeros_like(sales), np.zeros_like(sales)
    exports[:, rows] = np.round(np.minimum(moved * share, 0.95 * sales[:, rows]), 2)
    imports[:, rows] = np.round(moved * traits.import_share[rows], 2)
    return {"exports": exports, "imports": imports}


def _abroad(p: SignalsParameters, trend_annual: float, history: History) -> Floats:
    """The world's demand over demand at home, month by month, 1 in the first."""
    growth, level = p.exports_growth_by_year, np.zeros(history.months)
    last = growth[max(growth)]
    total = 0.0
    for at in range(history.months):
        level[at] = total
        year = str((history.first + at) // 12 + 1)
        total += (np.log1p(growth.get(year, last)) - trend_annual) / 12.0
    return np.exp(level)


def _posts(
    p: SignalsParameters, traits: SignalTraits, history: History, rng: Luck
) -> dict[str, Floats]:
    """Jobs offered on each site: more where staff grow, fewer under strain."""
    rows = np.flatnonzero(traits.posts_monthly.sum(axis=1) > 0.0)
    staff = np.maximum(history["staff"][:, rows], 1.0)
    before = np.vstack([staff[:6], staff[:-6]])[: len(staff)]
    grown = np.log(staff / before).clip(-1.0, 1.0)
    times = np.exp(p.posts_growth * grown - p.posts_strain * history["true_strain"][:, rows])
    expected = times[:, :, None] * traits.posts_monthly[rows]
    posts = rng[_POSTS].poisson(expected).astype(np.float64)
    out = {}
    for at, site in enumerate(SITES):
        out[f"posts_{site}"] = np.zeros_like(history["staff"])
        out[f"posts_{site}"][:, rows] = posts[:, :, at]
    return out


def _shops(
    p: SignalsParameters, traits: SignalTraits, history: History, rng: Luck
) -> dict[str, Floats]:
    """What is sold online; shelves empty when money runs short."""
    rows = np.flatnonzero(traits.shops > 0)
    z = rng[_SHOPS].standard_normal((history.months, len(rows)))
    strain, health = history["true_strain"][:, rows], history["true_health"][:, rows]
    times = p.online_month_log_sd * z - p.online_strain * strain + 0.2 * np.minimum(health, 0.0)
    sold = traits.online_share[rows] * np.exp(times) * history["true_sales"][:, rows]
    out = np.zeros_like(history["true_sales"])
    out[:, rows] = np.round(np.minimum(sold, history["true_sales"][:, rows]), 2)
    return {"online_sales": out}


def _news(parameters: Parameters, firms: Firms, history: History, rng: Luck) -> dict[str, Floats]:
    """How often the news speak of a firm, well or badly."""
    p, health = parameters.signals, history["true_health"]
    usual = firms.traits.level_yuan * 12.0 / parameters.firms.sales_annual_median_yuan
    strained = p.negative_news_strain * history["true_strain"] - p.negative_news_health * health
    known = usual**p.news_size
    u = rng[_NEWS].random((history.months, 2, len(firms)))
    bad = p.negative_news_monthly * known * np.exp(strained)
    good = p.positive_news_monthly * known * np.exp(p.positive_news_health * health)
    return {"negative_news": _seldom(bad, u[:, 0]), "positive_news": _seldom(good, u[:, 1])}


def _seldom(expected: Floats, u: Floats) -> Floats:
    """Counts that are nearly always zero: 1, or as many more as the draw is rarer still."""
    happened = u < expected
    out = happened.astype(np.float64)
    out[happened] += np.floor(np.log2(expected[happened] / u[happened]) / 3.0).clip(0.0, 9.0)
    return out


def _machines(
    parameters: Parameters,
    firms: Firms,
    traits: SignalTraits,
    history: History,
    rng: Luck,
) -> dict[str, Floats]:
    """Hours and orders of connected machines: they follow what is really sold."""
    p, f = parameters.signals, parameters.firms
    rows = np.flatnonzero(traits.machines > 0)
    sales = history["true_sales"][:, rows]
    z = rng[_HOURS].standard_normal(sales.shape)
    level = firms.traits.level_yuan[rows]
    staffed = history["staff"][:, rows] * f.wage_monthly_yuan / firms.traits.wage_share[rows]
    busy = (p.machine_fixed_share * staffed + (1.0 - p.machine_fixed_share) * sales) / level
    hours = p.machine_hours_monthly * busy * np.exp(p.machine_hours_log_sd * z)
    relative = sales / (f.sales_annual_median_yuan / 12.0)
    expected = traits.orders_monthly[rows] * relative**p.orders_elasticity
    out = {
        "machine_hours": np.zeros_like(history["staff"]),
        "orders": np.zeros_like(history["staff"]),
    }
    out["machine_hours"][:, rows] = np.round(traits.machines[rows] * np.minimum(hours, 720.0), 1)
    out["orders"][:, rows] = rng[_ORDERS].poisson(expected)
    return out


def _ratings(p: SignalsParameters, traits: SignalTraits, history: History) -> Ints:
    """The customs rating: by size and luck, dishonest for some that were long under strain."""
    luck = traits.customs_luck
    usual = np.select(
        [
            luck < p.customs_advanced_share,
            luck < p.customs_advanced_share + p.customs_general_share,
        ],
        [0, 1],
        2,
    )
    rows = np.flatnonzero((traits.export_share > 0.0) & (luck > 1.0 - p.customs_dishonest_strained))
    out = np.tile(usual, (history.months, 1))
    long = _run(history["true_strain"][:, rows] > _STRAINED) >= 6
    out[:, rows] = np.where(np.maximum.accumulate(long, axis=0), 3, out[:, rows])
    return out


def _run(chosen: Bools) -> Ints:
    """How many months in a row each firm has been chosen, (n_months, n_firms)."""
    out = np.zeros(chosen.shape, dtype=np.int64)
    count = np.zeros(chosen.shape[1], dtype=np.int64)
    for at, now in enumerate(chosen):
        count = (count + 1) * now
        out[at] = count
    return out


def _patents(
    p: SignalsParameters,
    firms: Firms,
    traits: SignalTraits,
    history: History,
    rng: Luck,
) -> dict[int, list[tuple[int, int]]]:
    """Patents granted, none in a firm's first year: more in good health, where it is known."""
    rows = np.flatnonzero(traits.patents_yearly > 0.0)
    monthly = traits.patents_yearly[rows] / 12.0
    age = np.clip(history.first - firms.traits.founded[rows] - 12, 0, _OLD_MONTHS)
    old = rng[_PATENTS].poisson(monthly * age)
    when = [rng[_PATENTS].random((count, 2)) for count in old]
    times = np.exp(p.patent_health * history["true_health"][:, rows]) * history["alive"][:, rows]
    since = firms.traits.founded[rows] + 12
    times *= np.arange(history.months)[:, None] + history.first >= since
    granted = rng[_PATENTS].poisson(monthly * times)
    out: dict[int, list[tuple[int, int]]] = {}
    for i, firm in enumerate(rows.tolist()):
        dates = [
            (history.first - 1 - int(u * age[i]), 1 + int(28 * v)) for u, v in when[i].tolist()
        ]
        for at in np.flatnonzero(granted[:, i]).tolist():
            dates += [(history.first + at, 1 + 5 * k % 28) for k in range(granted[at, i])]
        out[firm] = sorted(dates)
    return out


def _titles(
    p: SignalsParameters, firms: Firms, traits: SignalTraits, history: History
) -> dict[int, list[tuple[str, int]]]:
    """Titles given in their month of the year to firms in good health, until they run out."""
    out: dict[int, list[tuple[str, int]]] = {}
    for firm, kind in zip(*(one.tolist() for one in np.nonzero(traits.titled)), strict=True):
        name = TITLES[kind]
        well = (history["true_health"][:, firm] > 0.0) & (history["alive"][:, firm] > 0.0)
        well &= history["true_strain"][:, firm] < p.title_strain_max
        held_until = 0
        for at in np.flatnonzero(well).tolist():
            month = history.first + at
            in_round = month % 12 == p.title_round_month[name] - 1
            if in_round and month >= held_until and month >= firms.traits.founded[firm] + 12:
                out.setdefault(firm, []).append((name, month))
                held_until = month + int(p.title_months[name])
    return out
