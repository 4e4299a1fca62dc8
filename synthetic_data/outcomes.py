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

from synthetic_data import cashflow, network
from synthetic_data.draws import Bools, Floats, Ints, Subject, generator
from synthetic_data.economy import Economy
from synthetic_data.firms import Table, Traits
from synthetic_data.loans import Applications
from synthetic_data.parameters import Parameters
from synthetic_data.state import DRAWS, Flows, State

OUTCOMES = ("paid", "late", "defaulted")


class Cause(IntEnum):
    """Why a loan defaulted, in the one future that happened."""

    NONE = 0
    FRAUD = 1
    OVER_LEVERAGE = 2
    LATE_PAYER = 3
    SUDDEN_LOSS = 4
    DEMAND_SHOCK = 5
    GUARANTEE = 6
    WILFUL = 7


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


@dataclass(frozen=True, slots=True)
class Fortune:
    """What the firms of a block really met, month by month."""

    luck: Floats  # (n_months, DRAWS, n_firms)
    calls: Floats  # guarantees called at the month's end, yuan, (n_months, n_firms)

    def since(self, at: int) -> Fortune:
        """From the `at`-th month on."""
        return Fortune(self.luck[at:], self.calls[at:])

    def of(self, firms: Ints) -> Fortune:
        """Of some of the firms."""
        return Fortune(self.luck[:, :, firms], self.calls[:, firms])


class _Toll:
    """What weighed on the loans of the future that happened, summed until they defaulted."""

    def __init__(self, n: int) -> None:
        self.late, self.sales, self.sudden, self.called = np.zeros((4, n))
        self.refused = np.zeros(n, dtype=np.bool_)  # to pay what it could have paid

    def add(
        self, rows: Ints, state: State, flows: Flows, usual: Floats, fresh: Bools, still: Bools
    ) -> None:
        """One month of the futures in `rows`: usual, fresh and still are (n_applications,)."""
        self.late += still * flows.late_shortfall[rows]
        self.sales += still * (usual - flows.sales[rows])
        self.sudden += still * flows.sudden_loss[rows]
        self.called += still * flows.called[rows]
        able = (state.unpaid_bills_yuan[rows] < 1.0) & (state.tax_arrears_yuan[rows] < 1.0)
        self.refused |= fresh & state.refusing[rows] & able


def live_again(
    parameters: Parameters,
    economy: Economy,
    traits: Traits,
    debtor: Ints,
    asked: Applications,
    states: State,
    met: Fortune,
    seed: int,
    block: int,
) -> Truth:
    """The truth about the applications of one month.

    `traits`, `debtor` and `states` are of all firms at that time, `met` is what they met from then
    on; `asked.firm` counts among them. A firm that answers for another lives on together with it.
    Inside there is a row for every member and future, the one that happened first.
    """
    month, w, n = int(asked.month[0]), parameters.world, len(asked.firm)
    members, answers = _with_debtors(asked.firm, debtor)
    begun = cashflow.lend(states.take(members), np.arange(n), asked.amount_yuan,
                          asked.rate_annual, parameters.loans.tenor_months)  # fmt: skip
    lives, each = 1 + w.futures, np.arange(len(members))
    paths, happened = np.repeat(each, lives), each[:n] * lives
    whose = np.repeat(answers, lives)
    whose = np.where(whose == network.NOBODY, whose, whose * lives + np.arange(len(paths)) % lives)
    everybody, state = traits.take(members).take(paths), begun.take(paths)
    rng = generator(seed, block, Subject.FUTURES, month - economy.first)
    default_month = np.zeros(n * lives, dtype=np.int64)
    missed = np.zeros(n, dtype=np.bool_)
    toll = _Toll(n)
    for ahead in range(w.window_months + 1):
        weather = economy.weather(month + ahead, everybody)
        chance = cashflow.draws(rng, len(paths)).reshape(DRAWS, len(members), lives)
        chance[:, :, 0] = met.luck[ahead][:, members]
        before = state
        after, flows = cashflow.step(
            everybody, before, weather, chance.reshape(DRAWS, -1), parameters
        )
        state = network.called(before, after, whose, everybody)
        state.called_yuan[happened] = met.calls[ahead][asked.firm]
        fresh = state.defaulted[: n * lives] & (default_month == 0)
        default_month[fresh] = month + ahead
        missed |= state.missed[happened] > 0
        toll.add(
            happened, state, flows, begun.scale_yuan[:n] * weather.season,
            fresh[happened], default_month[happened] == 0,
        )  # fmt: skip
    ended = default_month.reshape(n, -1)
    mine = traits.take(asked.firm)
    return Truth(
        pd_12m=(ended[:, 1:] > 0).mean(axis=1),
        defaulted_12m=ended[:, 0] > 0,
        default_month=ended[:, 0],
        late=missed,
        cause=_cause(parameters, mine, begun.take(each[:n]), ended[:, 0] > 0, toll),
        health=states.health[asked.firm],
        mill=mine.mill,
    )


def _with_debtors(applicants: Ints, debtor: Ints) -> tuple[Ints, Ints]:
    """Applicants, then the firms some answer for; for each of these rows its debtor's row."""
    known = debtor[applicants] != network.NOBODY
    members = np.concatenate([applicants, debtor[applicants][known]])
    answers = np.full(len(members), network.NOBODY)
    answers[np.flatnonzero(known)] = len(applicants) + np.arange(int(known.sum()))
    return members, answers


def _cause(
    parameters: Parameters, traits: Traits, begun: State, defaulted: Bools, toll: _Toll
) -> Ints:
    """Fraud or will, too much debt, or the largest of guarantee, sudden loss, payers, demand."""
    service = begun.loan_payment_yuan + begun.other_debt_yuan / parameters.cashflow.recall_months
    loaded = service > parameters.loans.over_leverage_share * begun.scale_yuan
    lost_margin = np.maximum(toll.sales, 0.0) * (traits.margin + traits.overhead_share)
    losses = np.maximum(toll.late, lost_margin)
    causes = np.select(
        [
            ~defaulted,
            traits.mill,
            toll.refused,
            toll.called > np.maximum(losses, toll.sudden),
            loaded,
            toll.sudden > losses,
            toll.late > lost_margin,
        ],
        [Cause.NONE, Cause.FRAUD, Cause.WILFUL, Cause.GUARANTEE, Cause.OVER_LEVERAGE,
         Cause.SUDDEN_LOSS, Cause.LATE_PAYER],
        Cause.DEMAND_SHOCK,
    )  # fmt: skip
    return causes.astype(np.int64)
