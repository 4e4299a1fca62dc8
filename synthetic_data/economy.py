"""Demand and tax rules, month by month: season, growth, the year 2020, and what scenarios add.

What a firm feels of a month is a function of the month and the firm's own traits alone, so that the
futures of an application live through the same weather as the world did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_data.calendar import month_index, month_text
from synthetic_data.draws import Floats
from synthetic_data.firms import Traits
from synthetic_data.parameters import EconomyParameters, Parameters

_JANUARY_2020 = month_index("2020-01")
_LEAST_DEMAND = 0.02


@dataclass(frozen=True, slots=True)
class Weather:
    """What a month does to firms: one number for all, or (n_firms,)."""

    month: int
    season: float
    trend: float
    shock: Floats  # demand over the usual
    collection: float  # collections over the usual, beside what demand does to them
    tax: Floats  # tax over what the firm's burden says
    cost: Floats  # cost of goods over the usual
    deferral: bool
    eased: bool  # social security mostly waived, filing deadlines moved


@dataclass(frozen=True)
class Economy:
    """Every month from `first` on: (n_months,), or (n_months, n_sectors or n_provinces)."""

    first: int
    season: Floats
    trend: Floats
    sectors: Floats
    provinces: Floats
    masks: Masks
    collection: Floats
    tax: Floats
    levy: Floats
    small_scale_max_yuan: float  # sales a month
    deferral: tuple[int, int]
    eased: tuple[int, int]

    def weather(self, month: int, traits: Traits) -> Weather:
        """The month as these firms feel it."""
        at = month - self.first
        demand = self.sectors[at][traits.sector] * self.provinces[at][traits.province]
        shock = np.maximum(demand, _LEAST_DEMAND) ** traits.exposure
        small = traits.level_yuan <= self.small_scale_max_yuan
        return Weather(
            month=month,
            season=float(self.season[month % 12]),
            trend=float(self.trend[at]),
            shock=self.masks.demand(at, traits.mask_multiple, shock),
            collection=float(self.collection[at]),
            tax=np.where(small, self.levy[at], self.tax[at][traits.sector]),
            cost=self.masks.cost_of_goods(at, traits.mask_multiple),
            deferral=self.deferral[0] <= month <= self.deferral[1],
            eased=self.eased[0] <= month <= self.eased[1],
        )


@dataclass(frozen=True)
class Masks:
    """What making masks does to the firms that switch to it; (n_months,)."""

    boom: Floats  # times the multiple of the firm; 0 outside the boom
    after: Floats  # times the usual demand; 1 before the boom is over
    cost: Floats  # times the usual cost of goods

    def demand(self, at: int, multiple: Floats, usual: Floats) -> Floats:
        """Demand of a month: of firms that switch (multiple above 1), else as usual."""
        boom, after = float(self.boom[at]), float(self.after[at])
        if boom <= 0.0 and after == 1.0:
            return usual
        made = np.maximum(multiple * boom, 1.0) if boom > 0.0 else after
        return np.where(multiple > 1.0, made, usual)

    def cost_of_goods(self, at: int, multiple: Floats) -> Floats:
        """Cost of goods over the usual: dear while all want the material, and when prices fall."""
        return np.where(multiple > 1.0, self.cost[at], 1.0)


def build(parameters: Parameters, months: int) -> Economy:
    """The economy from the start of the burn-in, `months` long."""
    p = parameters.economy
    first = month_index(parameters.world.first_month) - parameters.world.burn_in_months
    season = np.array(p.season_by_month)
    lending = month_index(parameters.world.lending_from) - first
    sectors = _epidemic(p, list(parameters.firms.sector_weights), first, months)
    recession = _lasting(p.recession_first_month, p.recession_months, first, months)
    regional = _lasting(p.regional_first_month, p.regional_months, first, months)
    provinces = np.ones((months, len(parameters.firms.province_weights)))
    hit = list(parameters.firms.province_weights).index(p.regional_province)
    provinces[:, hit] -= p.regional_depth * regional
    return Economy(
        first=first,
        season=season / season.mean(),
        trend=np.exp(p.trend_annual / 12.0 * (np.arange(months) - lending)),
        sectors=sectors * (1.0 - p.recession_depth * recession)[:, None],
        provinces=provinces,
        masks=_masks(p, first, months),
        collection=1.0 - p.recession_collection_fall * recession,
        tax=np.stack(
            [_rates(p, kind, first, months) for kind in p.vat_class_by_sector.values()], axis=1
        ),
        levy=_rates(p, "small_scale", first, months),
        small_scale_max_yuan=p.small_scale_annual_max_yuan / 12.0,
        deferral=(month_index(p.deferral_first_month), month_index(p.deferral_last_month)),
        eased=_eased(p),
    )


def _eased(p: EconomyParameters) -> tuple[int, int]:
    """First and last month of relief; none where nothing is waived."""
    if p.social_waived_share == 0.0:
        return (0, 0)
    return month_index(p.eased_first_month), month_index(p.eased_last_month)


def _lasting(begin: str, lasts: int, first: int, months: int) -> Floats:
    """1 in the months something lasts, else 0; (n_months,)."""
    at = np.arange(first, first + months) - month_index(begin)
    return ((at >= 0) & (at < lasts)).astype(np.float64)


def _masks(p: EconomyParameters, first: int, months: int) -> Masks:
    """The boom from its first month, then what is left of usual demand, the last for good."""
    at = np.arange(first, first + months) - month_index(p.mask_first_month)
    boom, after, cost = (
        np.array(told)
        for told in (p.mask_boom_by_month, p.mask_after_by_month, p.mask_cost_by_month)
    )
    over = at - len(boom)
    return Masks(
        boom=np.where((at >= 0) & (over < 0), boom[at.clip(0, len(boom) - 1)], 0.0),
        after=np.where(over >= 0, after[over.clip(0, len(after) - 1)], 1.0),
        cost=np.where(at >= 0, cost[at.clip(0, len(cost) - 1)], 1.0),
    )


def vat_rate(p: EconomyParameters, kind: str, month: str) -> float:
    """The VAT rate of a class of sales in a month; the earliest known one before it begins."""
    rates = p.vat_rates[kind]
    begun = [first for first in rates if first <= month] or [min(rates)]
    return rates[max(begun)]


def _rates(p: EconomyParameters, kind: str, first: int, months: int) -> Floats:
    """Rates over that of the reference month, (n_months,)."""
    reference = vat_rate(p, kind, p.vat_reference_month)
    rates = [vat_rate(p, kind, month_text(month)) for month in range(first, first + months)]
    return np.array(rates) / reference


def _epidemic(p: EconomyParameters, sectors: list[str], first: int, months: int) -> Floats:
    """Demand over its trend (n_months, n_sectors): 1 until 2019.

    In 2020 growth on a year before follows the published first quarter and year, the fall deepened
    for small firms. From 2021 the trend resumes from where December left it.
    """
    out = np.ones((months, len(sectors)))
    january = _JANUARY_2020 - first
    for s, sector in enumerate(sectors):
        published = (1.0 + _growth_2020(p, sector)) / np.exp(p.trend_annual)
        path = 1.0 + p.epidemic_times * (published - 1.0)
        within = path[: max(0, months - january)]
        out[january : january + 12, s] = within
        out[january + 12 :, s] = path[-1]
    return out


def _growth_2020(p: EconomyParameters, sector: str) -> Floats:
    """Growth of demand on a year before, January to December 2020, (12,).

    From April the gap closes month by month towards the level that makes April to December average
    what the published year leaves for them.
    """
    q1, year = p.q1_2020_by_sector[sector], p.year_2020_by_sector[sector]
    shape = np.array(p.q1_2020_shape) / np.mean(p.q1_2020_shape)
    opening = year + shape * (q1 - year)
    rest = (4.0 * year - q1) / 3.0
    april = year + p.april_2020_share * (opening[-1] - year)
    left = p.recovery_2020 ** np.arange(9)
    settled = (rest - left.mean() * april) / (1.0 - left.mean())
    growth = np.concatenate([opening, settled + (april - settled) * left])
    gap = growth - year
    return np.where(gap < 0.0, year + p.small_firm_multiple * gap, growth)
