"""What became of each loan, and what only the simulator knows: how likely that was.

An application's future is lived again many times from the state in which it was made, with the
loan granted and fresh luck; the share of futures that end in default is its true probability. One
more future, with the luck the world really had, says what happened, or for a rejected applicant
what would have happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np

from synthetic_data import cashflow, network
from synthetic_data.draws import Bools, Floats, Ints, Subject, generator
from synthetic_data.economy import Economy
from synthetic_data.firms import Table, Traits, stack
from synthetic_data.loans import Applications
from synthetic_data.parameters import Parameters
from synthetic_data.state import DRAWS, Flows, State

Record = TypeVar("Record")
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
    """What the firms of a block really met, month by month from the first of the economy on."""

    luck: Floats  # (n_months, DRAWS, n_firms)
    calls: Floats  # guarantees called at the month's end, yuan, (n_months, n_firms)

    def of(self, firms: Ints) -> Fortune:
        """Of some of the firms."""
        return Fortune(self.luck[:, :, firms], self.calls[:, firms])


class _Toll:
    """What weighed on the loans of the future that happened, summed until they defaulted."""

    def __init__(self, n: int) -> None:
        self.late, self.sales, self.sudden, self.called = np.zeros((4, n))
        self.refused = np.zeros(n, dtype=np.bool_)  # to pay what it could have paid

    def add(
        self, rows: slice, state: State, flows: Flows, usual: Floats, fresh: Bools, still: Bools
    ) -> None:
        """One month of the loans in `rows`; the columns are of these loans."""
        self.late[rows] += still * flows.late_shortfall
        self.sales[rows] += still * (usual - flows.sales)
        self.sudden[rows] += still * flows.sudden_loss
        self.called[rows] += still * flows.called
        able = (state.unpaid_bills_yuan < 1.0) & (state.tax_arrears_yuan < 1.0)
        self.refused[rows] |= fresh & state.refusing & able


def live_again(
    parameters: Parameters,
    economy: Economy,
    traits: Traits,
    debtor: Ints,
    asked: Sequence[tuple[Applications, State]],
    met: Fortune,
    seed: int,
    block: int,
) -> Truth:
    """The truth about applications, month after month of them, in order.

    `traits`, `debtor`, `met` and the states beside the applications of a month are of all firms;
    `firm` of an application counts among them. All loans of a block live on side by side, each from
    its own month on, so that a month is simulated once for all that have begun.
    """
    lent = [
        cashflow.lend(states.take(one.firm), np.arange(len(one.firm)), one.amount_yuan,
                      one.rate_annual, parameters.loans.tenor_months)
        for one, states in asked
    ]  # fmt: skip
    loans, begun = stack([one for one, _ in asked]), stack(lent)
    truth = _happened(parameters, economy, traits, loans, begun, met)
    members = [
        _members(one.firm, debtor, mine, states)
        for (one, states), mine in zip(asked, lent, strict=True)
    ]
    months = [int(one.month[0]) for one, _ in asked]
    pd_12m = _pd_12m(parameters, economy, traits, months, members, seed, block)
    return replace(truth, pd_12m=pd_12m)


def _happened(
    parameters: Parameters,
    economy: Economy,
    traits: Traits,
    loans: Applications,
    begun: State,
    met: Fortune,
) -> Truth:
    """The future with the luck the world really had; without the true probability."""
    n = len(loans.firm)
    default_month = np.zeros(n, dtype=np.int64)
    late, toll = np.zeros(n, dtype=np.bool_), _Toll(n)
    mine = traits.take(loans.firm)
    state, rows = _nobody(begun), slice(0, 0)
    for month, now in _months(loans.month, parameters.world.window_months):
        state = _carry(state, begun, rows, now)
        rows, firms, at = now, loans.firm[now], month - economy.first
        lived = mine.take(rows)
        weather = economy.weather(month, lived)
        state, flows = cashflow.step(lived, state, weather, met.luck[at][:, firms], parameters)
        state = replace(state, called_yuan=met.calls[at, firms])
        before = default_month[rows]
        fresh = state.defaulted & (before == 0)
        default_month[rows] = np.where(fresh, month, before)
        late[rows] |= state.missed > 0
        usual = begun.scale_yuan[rows] * weather.season
        toll.add(rows, state, flows, usual, fresh, default_month[rows] == 0)
    defaulted = default_month > 0
    return Truth(
        pd_12m=np.zeros(n),
        defaulted_12m=defaulted,
        default_month=default_month,
        late=late,
        cause=_cause(parameters, mine, begun, defaulted, toll),
        health=begun.health,
        mill=mine.mill,
    )


@dataclass(frozen=True, slots=True)
class _Members(Table):
    """Applicants of a month, then the firms some of them answer for; all (n_members,)."""

    firm: Ints
    answers: Ints  # for which of these members, or NOBODY
    applies: Bools


def _pd_12m(
    parameters: Parameters,
    economy: Economy,
    traits: Traits,
    months: Sequence[int],
    members: Sequence[tuple[_Members, State]],
    seed: int,
    block: int,
) -> Floats:
    """The share of futures in which a loan defaults, each with fresh luck, in single precision."""
    everybody = _joined([one for one, _ in members])
    begun = _light(stack([state for _, state in members]))
    whole = traits.take(everybody.firm)
    light = _light(whole)
    starts = np.repeat(months, [len(one.firm) for one, _ in members])
    luck = {
        month: generator(seed, block, Subject.FUTURES, month - economy.first) for month in months
    }
    defaulted = np.zeros(len(starts))
    lives, window = parameters.world.futures, parameters.world.window_months
    state, rows = _nobody(begun, lives), slice(0, 0)
    for month, now in _months(starts, window):
        state = _carry(state, begun, rows, now)
        rows = now
        lived, weather = light.take(rows), _light(economy.weather(month, whole.take(rows)))
        answers = everybody.answers[rows]
        answers = np.where(answers == network.NOBODY, answers, answers - rows.start)
        chance: Any = np.empty((DRAWS, lives, len(answers)), dtype=np.float32)
        for begin, count, at in zip(*_parts(starts[rows]), strict=True):
            drawn = cashflow.draws(luck[begin], count * (lives + 1))
            drawn = drawn.reshape(DRAWS, count, lives + 1)[:, :, 1:]
            chance[:, :, at : at + count] = drawn.transpose(0, 2, 1)
        before = state
        after, _ = cashflow.step(lived, before, weather, chance, parameters)
        state = network.called(before, after, answers, lived)
        over = starts[rows] == month - window
        defaulted[rows][over] = state.defaulted[:, over].mean(axis=0)
    return defaulted[everybody.applies]


def _parts(starts: Ints) -> tuple[list[int], list[int], list[int]]:
    """The months in which loans began, how many did in each, and the position of the first."""
    begun, first, count = np.unique(starts, return_index=True, return_counts=True)
    return begun.tolist(), count.tolist(), first.tolist()


def _members(applicants: Ints, debtor: Ints, lent: State, states: State) -> tuple[_Members, State]:
    """Applicants with their loans, then the firms some answer for, as they are."""
    known = debtor[applicants] != network.NOBODY
    n, others = len(applicants), debtor[applicants][known]
    answers = np.full(n + len(others), network.NOBODY)
    answers[np.flatnonzero(known)] = n + np.arange(len(others))
    applies = np.arange(len(answers)) < n
    firms = np.concatenate([applicants, others])
    return _Members(firms, answers, applies), stack([lent, states.take(others)])


def _joined(parts: Sequence[_Members]) -> _Members:
    """Members of several months as one table; they answer for others of the same month."""
    sizes = np.array([len(one.firm) for one in parts])
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    joined = stack(parts)
    nobody = joined.answers == network.NOBODY
    return replace(joined, answers=np.where(nobody, network.NOBODY, joined.answers + first))


def _months(starts: Ints, window: int) -> Iterator[tuple[int, slice]]:
    """Month after month, and which loans run in it: those begun at most `window` months before."""
    for month in range(int(starts[0]), int(starts[-1]) + window + 1):
        begin, end = np.searchsorted(starts, [month - window, month + 1])
        yield month, slice(int(begin), int(end))


def _nobody(begun: State, *lives: int) -> State:
    """The state of no loans, in each of as many lives."""
    return _each(begun, lambda column: np.empty((*lives, 0), dtype=column.dtype))


def _carry(state: State, begun: State, before: slice, now: slice) -> State:
    """The state of the loans in `before` -> that of those in `now`: some end, others begin."""
    columns = {}
    for field in fields(State):
        running, fresh = getattr(state, field.name), getattr(begun, field.name)
        column = np.empty((*running.shape[:-1], now.stop - now.start), dtype=running.dtype)
        going_on = max(before.stop - now.start, 0)
        column[..., :going_on] = running[..., now.start - before.start :]
        column[..., going_on:] = fresh[now.start + going_on : now.stop]
        columns[field.name] = column
    return State(**columns)


def _light(table: Record) -> Record:
    """The same columns in single precision: half the memory to move, and twice the speed."""
    return _each(table, lambda one: one if one.dtype == np.bool_ else one.astype(np.float32))


def _each(table: Record, change: Callable[[Any], Any]) -> Record:
    """The same record with every array of it changed."""
    names = [field.name for field in fields(table)]  # type: ignore[arg-type]
    columns = [getattr(table, name) for name in names]
    changed = [change(one) if isinstance(one, np.ndarray) else one for one in columns]
    return type(table)(**dict(zip(names, changed, strict=True)))


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
