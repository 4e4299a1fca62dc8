"""The boom and after: what becomes of the mask maker, for each amount it might have been lent.

From the day it asks, the firm of the story is lived on many times by the world's own step, with
fresh luck, while the demand for masks goes the way it went: high until June 2020, then a fall below
the usual when everybody makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synthetic_data import cashflow, economy
from synthetic_data.calendar import month_index
from synthetic_data.draws import Subject, generator
from synthetic_data.parameters import standard
from synthetic_data.stories import boomed

FUTURES = 2_000
_SEED = 20200415


@dataclass(frozen=True)
class Fate:
    """What became of one amount lent for twelve months, over all futures."""

    amount_yuan: float
    defaulted: float  # share of futures
    lost_yuan: float  # owed at default, mean over all futures


def extrapolated_yuan(sales_yuan: Sequence[float], share: float) -> float:
    """What is lent on the belief that growth goes on: a share of the sales of the next 12 months.

    The last six months grow once more, and once more again, as they grew over the six before.
    """
    last, before = sum(sales_yuan[-6:]), sum(sales_yuan[-12:-6])
    growth = last / before
    return share * last * (growth + growth**2)


def fates(multiple: float, amounts_yuan: Sequence[float], rate_annual: float) -> list[Fate]:
    """The fate of the mask maker for each amount it might have been lent for a year; 0 is no loan.

    `multiple` is the boom: times the usual demand, February to May 2020.
    """
    parameters, tenor = standard(), 12
    _, firm, state, month = boomed(multiple)
    p = parameters.economy
    passed = month - month_index(p.mask_first_month)
    demand = [share * multiple for share in p.mask_boom_by_month[passed:]]
    demand += p.mask_after_by_month
    rows = np.zeros(FUTURES, dtype=np.int64)
    traits, begun = firm.traits.take(rows), state.take(rows)
    climate = economy.build(parameters, month + tenor + 1 - economy.build(parameters, 0).first)
    found = []
    for amount_yuan in amounts_yuan:
        rng = generator(_SEED, 0, Subject.FUTURES)
        now = begun
        if amount_yuan > 0:
            everyone = np.arange(FUTURES)
            lent = np.full(FUTURES, amount_yuan)
            now = cashflow.lend(begun, everyone, lent, np.full(FUTURES, rate_annual), tenor)
        lost = np.zeros(FUTURES)
        for ahead in range(tenor + 1):
            weather = climate.weather(month + ahead, traits)
            weather = replace(weather, shock=np.full(FUTURES, demand[ahead]), tax=np.ones(FUTURES))
            before = now.defaulted
            now, _ = cashflow.step(traits, now, weather, cashflow.draws(rng, FUTURES), parameters)
            fresh = now.defaulted & ~before
            lost = np.where(fresh, now.loan_yuan + now.overdue_yuan, lost)
        found.append(Fate(amount_yuan, float(now.defaulted.mean()), float(lost.mean())))
    return found
