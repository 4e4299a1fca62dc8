"""What became of each loan, and what only the simulator knows: how likely that was.

An application's future is lived again many times from the state in which it was made, with the
loan granted and fresh luck; the share of futures that end in default is its true probability. One
more future, with the luck the world really had, says what happened, or for a rejected applicant
what would have happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from synthetic_data import cashflow
from synthetic_data.cashflow import State
from synthetic_data.draws import Bools, Floats, Ints, Subject, generator
from synthetic_data.economy import Economy
from synthetic_data.firms import Table, Traits
from synthetic_data.loans import Applications
from synthetic_data.parameters import Parameters

OUTCOMES = ("paid", "late", "defaulted")


class Cause(IntEnum):
    """Why a loan defaulted, in the one future that happened."""

    NONE = 0
    FRAUD = 1
    OVER_LEVERAGE = 2
    LATE_PAYER = 3
    SUDDEN_LOSS = 4
    DEMAND_SHOCK = 5


@dataclass(frozen=True, slots=True)
class Truth(Table):
    """What the simulator knows of each application; all (n_applications,)."""

    pd_12m: Floats
    defaulted_12m: Bools
    default_month: Ints  # 0 where there is none
    late: Bools
    cause: Ints
    health: Floats
    mill: Bools


def live_again(
    parameters: Parameters,
    economy: Economy,
    traits: Traits,
    asked: Applications,
    states: State,
    luck: Floats,
    seed: int,
    block: int,
) -> Truth:
    """The truth about the applications of one month.

    `states` are the applicants' states when they asked, `luck` (n_months, DRAWS, n_firms) is what
    the block really met from that month on. Arrays inside are (n_applications, 1 + n_futures).
    """
    month, w = int(asked.month[0]), parameters.world
    applicants, n = np.arange(len(asked.firm)), len(asked.firm)
    mine = traits.take(asked.firm)
    begun = cashflow.lend(states, applicants, asked.amount_yuan, asked.rate_annual,
                          parameters.loans.tenor_months)  # fmt: skip
    paths = np.repeat(applicants, 1 + w.futures)
    everybody, state = mine.take(paths), begun.take(paths)
    rng = generator(seed, block, Subject.FUTURES, month - economy.first)
    default_month = np.zeros(len(paths), dtype=np.int64)
    ever_missed = np.zeros(len(paths), dtype=np.bool_)
    shortfall, lost_sales, sudden = np.zeros(n), np.zeros(n), np.zeros(n)
    usual = state.scale_yuan
    for ahead in range(w.window_months + 1):
        weather = economy.weather(month + ahead, everybody)
        chance = cashflow.draws(rng, len(paths)).reshape(cashflow.DRAWS, n, -1)
        chance[:, :, 0] = luck[ahead][:, asked.firm]
        state, flows = cashflow.step(
            everybody, state, weather, chance.reshape(cashflow.DRAWS, -1), parameters
        )
        fresh = state.defaulted & (default_month == 0)
        default_month[fresh] = month + ahead
        ever_missed |= state.missed > 0
        open_still = default_month.reshape(n, -1)[:, 0] == 0
        shortfall += open_still * flows.late_shortfall.reshape(n, -1)[:, 0]
        sudden += open_still * flows.sudden_loss.reshape(n, -1)[:, 0]
        below = usual * weather.season - flows.sales
        lost_sales += open_still * below.reshape(n, -1)[:, 0]
    ended = default_month.reshape(n, -1)
    return Truth(
        pd_12m=(ended[:, 1:] > 0).mean(axis=1),
        defaulted_12m=ended[:, 0] > 0,
        default_month=ended[:, 0],
        late=ever_missed.reshape(n, -1)[:, 0],
        cause=_cause(parameters, mine, begun, ended[:, 0] > 0, shortfall, sudden, lost_sales),
        health=states.health,
        mill=mine.mill,
    )


def _cause(
    parameters: Parameters,
    traits: Traits,
    begun: State,
    defaulted: Bools,
    shortfall: Floats,
    sudden: Floats,
    lost_sales: Floats,
) -> Ints:
    """Fraud, too much debt for the sales, or the largest of sudden loss, late payers, demand."""
    service = begun.loan_payment_yuan + begun.other_debt_yuan / parameters.cashflow.recall_months
    loaded = service > parameters.loans.over_leverage_share * begun.scale_yuan
    lost_margin = np.maximum(lost_sales, 0.0) * (traits.margin + traits.overhead_share)
    causes = np.select(
        [
            ~defaulted,
            traits.mill,
            loaded,
            sudden > np.maximum(shortfall, lost_margin),
            shortfall > lost_margin,
        ],
        [Cause.NONE, Cause.FRAUD, Cause.OVER_LEVERAGE, Cause.SUDDEN_LOSS, Cause.LATE_PAYER],
        Cause.DEMAND_SHOCK,
    )
    return causes.astype(np.int64)
