"""Demand, month by month: season, growth, and the year 2020 sector by sector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_data.calendar import month_index
from synthetic_data.draws import Floats, Ints
from synthetic_data.parameters import EconomyParameters, Parameters

_JANUARY_2020 = month_index("2020-01")


@dataclass(frozen=True, slots=True)
class Weather:
    """What a month does to firms: season (one number), demand and shock (n_firms,)."""

    month: int
    season: float
    trend: float
    shock: Floats
    deferral: bool
    eased: bool  # social security mostly waived, filing deadlines moved


@dataclass(frozen=True)
class Economy:
    """Season, trend and shock (n_months, n_sectors) of every month from `first` on."""

    first: int
    season: Floats
    trend: Floats
    shock: Floats
    deferral: tuple[int, int]
    eased: tuple[int, int]

    def weather(self, month: int, sector: Ints, exposure: Floats) -> Weather:
        """The month as firms of these sectors and exposures feel it."""
        at = month - self.first
        return Weather(
            month=month,
            season=float(self.season[month % 12]),
            trend=float(self.trend[at]),
            shock=np.maximum(self.shock[at][sector], 0.02) ** exposure,
            deferral=self.deferral[0] <= month <= self.deferral[1],
            eased=self.eased[0] <= month <= self.eased[1],
        )


def build(parameters: Parameters, months: int) -> Economy:
    """The economy from the start of the burn-in, `months` long."""
    p = parameters.economy
    first = month_index(parameters.world.first_month) - parameters.world.burn_in_months
    season = np.array(p.season_by_month)
    lending = month_index(parameters.world.lending_from) - first
    return Economy(
        first=first,
        season=season / season.mean(),
        trend=np.exp(p.trend_annual / 12.0 * (np.arange(months) - lending)),
        shock=_shock(p, list(parameters.firms.sector_weights), first, months),
        deferral=(month_index(p.deferral_first_month), month_index(p.deferral_last_month)),
        eased=(month_index(p.eased_first_month), month_index(p.eased_last_month)),
    )


def _shock(p: EconomyParameters, sectors: list[str], first: int, months: int) -> Floats:
    """Demand over its trend (n_months, n_sectors): 1 until 2019.

    In 2020 growth on a year before follows the published first quarter and year, the fall deepened
    for small firms. From 2021 the trend resumes from where December left it.
    """
    out = np.ones((months, len(sectors)))
    january = _JANUARY_2020 - first
    for s, sector in enumerate(sectors):
        path = (1.0 + _growth_2020(p, sector)) / np.exp(p.trend_annual)
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
