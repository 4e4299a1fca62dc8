"""Public events: suits, enforcements, dishonest-debtor and abnormal listings, registry changes.

Each row is one event of one firm. Everything that will follow from an event (when it closes) is
decided when it happens, so a longer world changes no event of a shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_data.draws import Bools, Floats, Ints, choose
from synthetic_data.firms import Table, stack
from synthetic_data.parameters import EventsParameters

SUIT, ENFORCEMENT, DISHONEST, ABNORMAL, CHANGE = range(5)
KINDS = ("suit", "enforcement", "dishonest_listing", "abnormal_listing", "change")
DEFENDANT, PLAINTIFF = range(2)
ROLES = ("defendant", "plaintiff")
NEVER = 1_000_000
"""The month of an end that does not come."""


@dataclass(frozen=True, slots=True)
class Events(Table):
    """Events, one entry each; months count from year 0, days from 1."""

    firm: Ints  # position in the block
    kind: Ints
    month: Ints
    day: Ints
    role: Ints  # of a suit
    cause: Ints  # of a suit, or item of a change; position in its table of weights
    amount_yuan: Floats
    closed_month: Ints


def join(parts: list[Events]) -> Events:
    """Many months of events as one table, by firm and then by date."""
    joined = stack(parts)
    order = np.lexsort((joined.kind, joined.day, joined.month, joined.firm))
    return joined.take(order)


def happen(
    month: int,
    alive: Bools,
    strain: Floats,
    scale_yuan: Floats,
    owed_yuan: Floats,
    new_default: Bools,
    rng: np.random.Generator,
    p: EventsParameters,
) -> list[Events]:
    """The events of one month; alive, strain, scale_yuan, ... are (n_firms,).

    `new_default` marks a firm that defaulted this month: its lender sues for what is owed.
    """
    n = len(strain)
    u = rng.random((16, n))
    z = rng.standard_normal(n)
    amount = p.suit_amount_months * scale_yuan * np.exp(p.suit_amount_log_sd * z)
    sued = alive & (u[0] < p.suit_defendant_monthly * (1.0 + p.suit_strain * strain))
    suing = alive & (u[1] < p.suit_plaintiff_monthly)
    months: Ints = np.full(n, month)
    cause = choose(p.suit_cause_weights, u[2])
    loan = np.full(n, list(p.suit_cause_weights).index("loan"))
    out = _suit(sued, months, DEFENDANT, cause, amount, u[3:9], p)
    out += _suit(suing, months, PLAINTIFF, cause, amount, u[3:9], p)[:1]
    later = months + p.default_suit_months
    out += _suit(alive & new_default, later, DEFENDANT, loan, owed_yuan, u[3:9] * 0.6, p)
    listed = alive & (u[9] < p.abnormal_monthly * (1.0 + p.abnormal_strain * strain))
    until = months + _wait(u[10], p.abnormal_months)
    out.append(_rows(listed, ABNORMAL, months, u[11], until=until))
    changed = alive & (u[12] < p.change_monthly * (1.0 + p.change_strain * strain))
    item = choose(p.change_weights, u[13])
    out.append(_rows(changed, CHANGE, months, u[14], cause=item))
    return out


def _suit(
    chosen: Bools,
    months: Ints,
    role: int,
    cause: Ints,
    amount: Floats,
    u: Floats,
    p: EventsParameters,
) -> list[Events]:
    """Suits, the enforcement some end in, and the dishonest-debtor listing some of those end in."""
    judged = months + _wait(u[0], p.suit_months)
    enforced = chosen & (u[1] < p.enforced_share)
    begun = judged + 1
    settled = begun + _wait(u[2], p.enforced_months)
    dishonest = enforced & (u[3] < p.dishonest_share)
    listed = begun + 3
    unsettled = np.where(dishonest, listed + p.dishonest_months, settled)
    return [
        _rows(chosen, SUIT, months, u[4], role=role, cause=cause, amount=amount, until=judged),
        _rows(enforced, ENFORCEMENT, begun, u[5], amount=amount, until=unsettled),
        _rows(dishonest, DISHONEST, listed, u[4], until=listed + p.dishonest_months),
    ]


def _wait(u: Floats, mean_months: float) -> Ints:
    """A waiting time of at least one month."""
    return 1 + np.floor(-np.log1p(-u) * mean_months).astype(np.int64)


def _rows(
    chosen: Bools,
    kind: int,
    months: Ints,
    u: Floats,
    role: int = 0,
    cause: Ints | None = None,
    amount: Floats | None = None,
    until: Ints | None = None,
) -> Events:
    rows = np.flatnonzero(chosen)
    n = len(rows)
    return Events(
        firm=rows,
        kind=np.full(n, kind),
        month=months[rows],
        day=1 + np.floor(28 * u[rows]).astype(np.int64),
        role=np.full(n, role),
        cause=np.zeros(n, dtype=np.int64) if cause is None else cause[rows],
        amount_yuan=np.zeros(n) if amount is None else np.round(amount[rows], 2),
        closed_month=np.full(n, NEVER) if until is None else until[rows],
    )
