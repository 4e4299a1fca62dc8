"""What a block of firms lived through: one matrix (n_months, n_firms) per column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from synthetic_data.draws import Floats, Ints
from synthetic_data.state import Flows, State
from synthetic_data.traces import Memory, Seen


class History:
    """Monthly columns from the start of the burn-in; zero where a firm was not alive."""

    def __init__(self, first: int, months: int, n: int) -> None:
        self.first, self.months, self._n = first, months, n
        self._columns: dict[str, Floats] = {}

    def record(self, at: int, alive: Floats, columns: Mapping[str, Floats]) -> None:
        """Write one month of some columns."""
        for name, values in columns.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = np.zeros((self.months, self._n))
            np.multiply(values, alive, out=column[at])

    def __getitem__(self, name: str) -> Floats:
        return self._columns[name]

    def lately(self, name: str, at: int, months: int, firms: Ints | None = None) -> Floats:
        """Sum of a column over the months before `at`, of all firms or of some of them."""
        if name not in self._columns:
            return np.zeros(self._n if firms is None else len(firms))
        column = self._columns[name][max(at - months, 0) : at]
        out: Floats = (column if firms is None else column[:, firms]).sum(axis=0)
        return out


def kept(state: State, flows: Flows, memory: Memory, seen: Seen) -> dict[str, Floats]:
    """What history keeps of a month."""
    shown = {field.name: getattr(seen, field.name) for field in fields(seen)}
    return shown | {
        "alive": np.ones_like(state.cash_yuan),
        "true_cash": state.cash_yuan,
        "true_line_drawn": state.line_drawn_yuan,
        "true_sales": flows.sales,
        "true_collected": flows.collected,
        "true_loan_received": flows.loan_received,
        "true_loan_sunk": flows.loan_sunk,
        "true_operating_paid": flows.operating_paid,
        "true_service_due": flows.service_due,
        "true_service_paid": flows.service_paid,
        "true_tax_paid": flows.tax_paid,
        "true_social_paid": flows.social_paid,
        "true_owner_drawn": flows.owner_drawn,
        "true_owner_added": flows.owner_added,
        "true_loan": state.loan_yuan,
        "true_missed": state.missed,
        "true_called": flows.called,
        "true_health": state.health,
        "true_chain": state.chain,
        "true_strain": memory.strain,
    }
