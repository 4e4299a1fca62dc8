"""Firms, a block of 1,000 at a time: who they are before the first month is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from scipy.special import ndtr

from model.credit_file import FIRST_SOURCES
from synthetic_data import identity
from synthetic_data.calendar import month_index
from synthetic_data.draws import (
    Bools,
    Floats,
    Ints,
    Subject,
    around,
    choose,
    generator,
)
from synthetic_data.parameters import Parameters
from synthetic_data.sections import EconomyParameters, FirmsParameters

BLOCK_FIRMS = 1_000
"""The unit of simulation and of randomness; always simulated whole."""

Columns = TypeVar("Columns", bound="Table")


class Table:
    """A dataclass of arrays, one entry per firm."""

    def take(self: Columns, rows: Any) -> Columns:
        """The same columns for some rows, repeated as often as asked."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self)}  # type: ignore[arg-type]
        return type(self)(**columns)


def stack(tables: Sequence[Columns]) -> Columns:
    """Tables of one kind as one, in order."""
    names = [field.name for field in fields(tables[0])]  # type: ignore[arg-type]
    columns = {name: np.concatenate([getattr(one, name) for one in tables]) for name in names}
    return type(tables[0])(**columns)


def where(chosen: Bools, first: Columns, second: Columns) -> Columns:
    """The rows of `first` where chosen, else of `second`."""
    names = [field.name for field in fields(first)]  # type: ignore[arg-type]
    columns = {
        name: np.where(chosen, getattr(first, name), getattr(second, name)) for name in names
    }
    return type(first)(**columns)


@dataclass(frozen=True, slots=True)
class Traits(Table):
    """What decides how money moves in a firm; all (n_firms,)."""

    sector: Ints
    province: Ints
    founded: Ints  # month
    level_yuan: Floats  # monthly sales it starts from
    margin: Floats
    wage_share: Floats
    overhead_share: Floats
    tax_burden: Floats
    insured_share: Floats
    top_buyer_share: Floats
    active_share: Floats
    collection: Floats
    volatility: Floats
    exposure: Floats
    buffer_months: Floats
    other_debt_months: Floats
    line_months: Floats
    guarantee_months: Floats  # of sales, of another's debts it answers for
    chain_weight: Floats  # how strongly it feels those who buy, down the chain
    wilfulness: Floats  # how much likelier than others to refuse to pay a loan
    deferral_rank: Floats  # uniform: the lower, the more easily its principal is deferred
    mask_multiple: Floats  # of demand at the height of the boom; 1 for a firm that does not switch
    mill: Bools
    mill_from: Ints  # month


@dataclass(frozen=True, slots=True)
class Habits(Table):
    """What decides the traces a firm leaves with bureaus; all (n_firms,)."""

    kwh_per_yuan: Floats
    buyers: Floats
    suppliers: Floats
    invoices_per_month: Floats
    void_share: Floats
    red_share: Floats
    purchase_invoice_share: Floats
    top_supplier_share: Floats
    punctual: Floats
    bank_share: Floats  # of its money, through accounts a lender may look into
    balance_share: Floats  # of its cash, usually kept in them


@dataclass(frozen=True, slots=True)
class Papers:
    """What stands in the registry at the start, one entry per firm."""

    uscc: list[str]
    name: list[str]
    sector: list[str]
    industry_code: list[str]
    province: list[str]
    founded_day: Ints
    capital_yuan: Floats
    capital_registered_yuan: Floats  # as typed: some in yuan where 10,000 yuan were asked for
    paid_in_yuan: Floats
    representative_share: Floats
    representative_since: Ints  # month
    representative_day: Ints
    source_luck: (
        Floats  # (n_firms, n_first_sources): one answers below its coverage; see signal_traits
    )
    courts_slow: Bools


@dataclass(frozen=True, slots=True)
class Firms:
    """A block of firms."""

    first: int  # number of the first firm
    traits: Traits
    habits: Habits
    papers: Papers

    def __len__(self) -> int:
        return len(self.papers.uscc)


class _Luck:
    """Columns of draws handed out one at a time, so that every attribute has its own."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self._normal = iter(rng.standard_normal((32, n)))
        self._uniform = iter(rng.random((32, n)))

    def z(self) -> Floats:
        return next(self._normal)

    def u(self) -> Floats:
        return next(self._uniform)


def draw(parameters: Parameters, seed: int, block: int, n: int = BLOCK_FIRMS) -> Firms:
    """The firms of a block, `n` of them (fewer than a block only for a story)."""
    p = parameters.firms
    luck = _Luck(generator(seed, block, Subject.FIRMS), n)
    care = luck.z()
    traits = _traits(parameters, care, luck)
    kept = generator(seed, block, Subject.FIRMS, 1).standard_normal(n)
    habits = _habits(p, traits, care, kept, luck)
    papers = _papers(parameters, traits, luck, block * BLOCK_FIRMS)
    traits = replace(
        traits,
        province=np.array([list(p.province_weights).index(one) for one in papers.province]),
        mask_multiple=_mask_multiple(parameters.economy, papers.industry_code, luck),
    )
    return Firms(block * BLOCK_FIRMS, traits, habits, papers)


def _traits(parameters: Parameters, care: Floats, luck: _Luck) -> Traits:
    p = parameters.firms
    sector = choose(p.sector_weights, luck.u())
    start = month_index(parameters.world.first_month) - parameters.world.burn_in_months
    mill = luck.u() < p.mill_share
    yearly = _yearly(p, luck.u())
    rho = p.buffer_care_correlation
    thrift = rho * care + np.sqrt(1.0 - rho**2) * luck.z()
    borrows, line = luck.u() < p.borrower_share, luck.u() < p.line_share
    return Traits(
        sector=sector,
        province=np.zeros(len(sector), dtype=np.int64),
        founded=_founded(p, luck.u()),
        level_yuan=yearly / 12.0 * np.where(mill, p.mill_real_share, 1.0),
        margin=np.maximum(p.margin_mean + p.margin_sd * luck.z(), p.margin_min),
        wage_share=_by_sector(p.wage_share_by_sector, p)[sector],
        overhead_share=_by_sector(p.overhead_share_by_sector, p)[sector],
        tax_burden=_below(p.tax_burden_max, p.tax_burden_median, p.tax_burden_logit_sd, luck.z()),
        insured_share=(p.insured_share_mean + p.insured_share_sd * luck.z()).clip(0.1, 1.0),
        top_buyer_share=around(p.top_buyer_share_median, p.top_buyer_share_logit_sd, luck.z()),
        active_share=around(p.active_share_median, p.active_share_logit_sd, luck.z()),
        collection=around(p.collection_median, p.collection_logit_sd, luck.z()),
        volatility=p.volatility_median * np.exp(p.volatility_log_sd * luck.z()),
        exposure=np.exp(p.shock_exposure_log_sd * luck.z() - 0.5 * p.shock_exposure_log_sd**2),
        buffer_months=p.buffer_median_months * np.exp(p.buffer_log_sd * thrift),
        other_debt_months=np.where(
            borrows, p.other_debt_median_months * np.exp(p.other_debt_log_sd * luck.z()), 0.0
        ),
        line_months=np.where(line, p.line_months, 0.0),
        guarantee_months=np.where(
            luck.u() < p.guarantor_share,
            p.guarantee_median_months * np.exp(p.other_debt_log_sd * luck.z()),
            0.0,
        ),
        chain_weight=np.zeros(len(sector)),
        wilfulness=np.exp(-p.wilful_care * care - 0.5 * p.wilful_care**2),
        deferral_rank=luck.u(),
        mask_multiple=np.ones(len(sector)),
        mill=mill,
        mill_from=(start + np.floor(p.mill_first_months * luck.u())).astype(np.int64),
    )


def _habits(p: FirmsParameters, traits: Traits, care: Floats, kept: Floats, luck: _Luck) -> Habits:
    kwh = _by_sector(p.kwh_per_1000_yuan_by_sector, p)[traits.sector] / 1000.0
    return Habits(
        kwh_per_yuan=kwh * np.exp(p.kwh_log_sd * luck.z()),
        buyers=np.maximum(1.0, p.buyers_median * np.exp(p.partners_log_sd * luck.z())),
        suppliers=np.maximum(1.0, p.suppliers_median * np.exp(p.partners_log_sd * luck.z())),
        invoices_per_month=p.invoices_per_month * np.exp(p.invoices_log_sd * luck.z()),
        void_share=around(p.void_share_median, p.void_share_logit_sd, luck.z()),
        red_share=around(p.red_share_median, p.red_share_logit_sd, luck.z()),
        purchase_invoice_share=_below(
            p.purchase_invoice_share_max,
            p.purchase_invoice_share_median,
            p.purchase_invoice_share_logit_sd,
            luck.z(),
        ),
        top_supplier_share=around(
            p.top_supplier_share_median, p.top_buyer_share_logit_sd, luck.z()
        ),
        punctual=p.punctual_sd * care,
        bank_share=around(p.bank_share_median, p.bank_share_logit_sd, luck.z()),
        balance_share=around(p.bank_share_median, p.balance_share_logit_sd, kept),
    )


def _papers(parameters: Parameters, traits: Traits, luck: _Luck, first: int) -> Papers:
    p = parameters.firms
    n = len(traits.founded)
    start = month_index(parameters.world.first_month) - parameters.world.burn_in_months
    provinces = list(p.province_weights)
    province = [provinces[i] for i in choose(p.province_weights, luck.u())]
    sector = [list(p.sector_weights)[i] for i in traits.sector]
    trade_luck, syllables = luck.u(), np.floor(luck.u() * 24 * 24 * 10).astype(np.int64)
    trades = [
        identity.TRADES[s][int(u * len(identity.TRADES[s]))]
        for s, u in zip(sector, trade_luck, strict=True)
    ]
    capital = _capital(p, luck.u(), luck.z())
    dirty = luck.u() < p.capital_dirty_share
    stakes = np.array([float(stake) for stake in p.representative_share_weights])
    oldest = np.minimum(traits.founded, start)
    changed = luck.u() >= p.representative_founder_share
    since = np.where(changed, oldest + luck.u() * (start - oldest), traits.founded)
    return Papers(
        uscc=[identity.uscc(place, first + i) for i, place in enumerate(province)],
        name=[
            identity.name(place, trade[1], np.array([s // 240, s // 10, s]))
            for place, trade, s in zip(province, trades, syllables, strict=True)
        ],
        sector=sector,
        industry_code=[trade[0] for trade in trades],
        province=province,
        founded_day=_day(luck.u()),
        capital_yuan=capital,
        capital_registered_yuan=np.where(dirty, capital * 10_000.0, capital),
        paid_in_yuan=np.round(capital * _paid_in_share(p, traits, luck.z()), -3),
        representative_share=stakes[choose(p.representative_share_weights, luck.u())],
        representative_since=np.maximum(since.astype(np.int64), traits.founded),
        representative_day=np.full(n, 28),
        source_luck=np.stack([luck.u() for _ in FIRST_SOURCES], axis=1),
        courts_slow=luck.u() < parameters.lender.courts_slow_share,
    )


def _mask_multiple(p: EconomyParameters, industry_code: list[str], luck: _Luck) -> Floats:
    """Log-uniform for firms that switch to masks: some of those of the industries that can."""
    able = np.isin(industry_code, p.mask_industries) & (luck.u() < p.mask_switch_share)
    low, high = np.log(p.mask_multiple_min), np.log(p.mask_multiple_max)
    return np.where(able, np.exp(low + (high - low) * luck.u()), 1.0)


def _by_sector(values: dict[str, float], p: FirmsParameters) -> Floats:
    return np.array([values[sector] for sector in p.sector_weights])


def _yearly(p: FirmsParameters, u: Floats) -> Floats:
    """Yearly sales: log-linear between the quantiles given, by inversion."""
    at = [float(share) for share in p.sales_annual_yuan_by_quantile]
    logs = np.log(list(p.sales_annual_yuan_by_quantile.values()))
    out: Floats = np.exp(np.interp(u, at, logs))
    return out


def _below(most: float, median: float, logit_sd: float, z: Floats) -> Floats:
    """Shares from nothing to `most`, skewed towards it as its median is near it."""
    return most * around(median / most, logit_sd, z)


def _founded(p: FirmsParameters, u: Floats) -> Ints:
    """Month of founding: ages at the reference month, uniform within each group."""
    shares = np.concatenate([[0.0], np.cumsum(p.age_weights)])
    ages = np.interp(u, shares, p.age_bounds_months)
    out: Ints = month_index(p.age_reference_month) - np.floor(ages).astype(np.int64)
    return out


def _capital(p: FirmsParameters, u: Floats, z: Floats) -> Floats:
    names = list(p.capital_spike_weights)
    free = np.round(p.capital_median_yuan * np.exp(p.capital_log_sd * z), -4)
    spikes = np.array([np.nan if name == "free" else float(name) for name in names])
    spiked = spikes[choose(p.capital_spike_weights, u)]
    return np.where(np.isnan(spiked), free, spiked)


def _paid_in_share(p: FirmsParameters, traits: Traits, z: Floats) -> Floats:
    """Uniform up to twice its mean; thrifty owners, who hold more cash, pay in more."""
    thrift = np.log(traits.buffer_months / p.buffer_median_months) / p.buffer_log_sd
    rho = p.paid_in_thrift_correlation
    rank = ndtr(rho * thrift + np.sqrt(1.0 - rho**2) * z)
    share: Floats = np.clip(p.paid_in_share_mean * 2.0 * rank, 0.0, 1.0)
    return share


def _day(u: Floats) -> Ints:
    return 1 + np.floor(28 * u).astype(np.int64)
