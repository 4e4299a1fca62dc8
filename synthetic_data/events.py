"""Public events: suits, enforcements, dishonest-debtor and abnormal listings, registry changes.

Each row is one event of one firm. Everything that will follow from an event (when it closes) is
decided when it happens, so a longer world changes no event of a shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_data.draws import Bools, Floats, Ints, choose
from synthetic_data.firms import Table, stack
from synthetic_data.sections import EventsParameters

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
    sued = np.flatnonzero(
        alive & (u[0] < p.suit_defendant_monthly * (1.0 + p.suit_strain * strain))
    )
    suing = np.flatnonzero(alive & (u[1] < p.suit_plaintiff_monthly))
    out = []
    for role, rows in ((DEFENDANT, sued), (PLAINTIFF, suing)):
        amount = p.suit_amount_months * scale_yuan[rows] * np.exp(p.suit_amount_log_sd * z[rows])
        cause = choose(p.suit_cause_weights, u[2][rows])
        suit = _suit(rows, month, role, cause, amount, u[3:9, rows], p)
        out += suit if role == DEFENDANT else suit[:1]
    failed = np.flatnonzero(alive & new_default)
    if len(failed):
        later = month + p.default_suit_months
        loan = np.full(len(failed), list(p.suit_cause_weights).index("loan"))
        luck = u[3:9, failed] * 0.6
        out += _suit(failed, later, DEFENDANT, loan, owed_yuan[failed], luck, p)
    rows = np.flatnonzero(alive & (u[9] < p.abnormal_monthly * (1.0 + p.abnormal_strain * strain)))
    until = month + _wait(u[10][rows], p.abnormal_months)
    out.append(_rows(rows, ABNORMAL, month, u[11][rows], until=until))
    rows = np.flatnonzero(alive & (u[12] < p.change_monthly * (1.0 + p.change_strain * strain)))
    item = choose(p.change_weights, u[13][rows])
    out.append(_rows(rows, CHANGE, month, u[14][rows], cause=item))
    return out


def _suit(
    firms: Ints,
    month: int,
    role: int,
    cause: Ints,
    amount: Floats,
    u: Floats,
    p: EventsParameters,
) -> list[Events]:
    """Suits, the enforcement some end in, and the dishonest-debtor listing some of those end in.

    `cause` and `amount` are (n_suits,), `u` is (6, n_suits).
    """
    judged = month + _wait(u[0], p.suit_months)
    out = [_rows(firms, SUIT, month, u[4], role=role, cause=cause, amount=amount, until=judged)]
    enforced = u[1] < p.enforced_share
    u, firms, amount, begun = (
        u[:, enforced],
        firms[enforced],
        amount[enforced],
        judged[enforced] + 1,
    )
    dishonest = u[3] < p.dishonest_share
    settled, listed = begun + _wait(u[2], p.enforced_months), begun + 3
    removed = listed + p.dishonest_months
    unsettled = np.where(dishonest, removed, settled)
    out.append(_rows(firms, ENFORCEMENT, begun, u[5], amount=amount, until=unsettled))
    listed, removed = listed[dishonest], removed[dishonest]
    out.append(_rows(firms[dishonest], DISHONEST, listed, u[4, dishonest], until=removed))
    return out


def _wait(u: Floats, mean_months: float) -> Ints:
    """A waiting time of at least one month."""
    return 1 + np.floor(-np.log1p(-u) * mean_months).astype(np.int64)


def _rows(
    firms: Ints,
    kind: int,
    month: Ints | int,
    u: Floats,
    role: int = 0,
    cause: Ints | None = None,
    amount: Floats | None = None,
    until: Ints | None = None,
) -> Events:
    """Events of one kind; all (n_events,)."""
    n = len(firms)
    return Events(
        firm=firms,
        kind=np.full(n, kind),
        month=np.full(n, month),
        day=1 + np.floor(28 * u).astype(np.int64),
        role=np.full(n, role),
        cause=np.zeros(n, dtype=np.int64) if cause is None else cause,
        amount_yuan=np.zeros(n) if amount is None else np.round(amount, 2),
        closed_month=np.full(n, NEVER) if until is None else until,
    )
