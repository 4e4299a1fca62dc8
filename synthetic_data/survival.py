"""Which firms close: some for their own reasons, some because they cannot pay."""

from __future__ import annotations

import numpy as np

from synthetic_data.draws import Bools, Floats, Ints
from synthetic_data.sections import EventsParameters
from synthetic_data.state import State


def closing(state: State, age_months: Ints, u: Floats, p: EventsParameters) -> Bools:
    """Firms that close at this month end; age_months and u are (n_firms,).

    A firm that owes a loan granted here does not close on its own account: it pays or defaults.
    One that cannot pay gives up sooner or later by age as all do: the youngest hold on.
    """
    yearly = np.array(p.exit_annual_by_age)
    age = np.minimum(np.maximum(age_months, 0) // 12, len(yearly) - 1)
    leaving = u < (1.0 - (1.0 - yearly * p.exit_healthy_multiple) ** (1.0 / 12.0))[age]
    stuck = (state.unpaid_bills_yuan > state.scale_yuan) | (state.missed_other >= 3)
    giving_up = p.exit_insolvent_monthly * (yearly / yearly.max()) ** 2
    failing = (stuck | state.defaulted) & (u < giving_up[age])
    borrowing = ((state.loan_yuan > 0.0) | (state.loan_incoming_yuan > 0.0)) & ~state.defaulted
    closed: Bools = (leaving | failing) & ~borrowing
    return closed
