"""What a block of firms lived through: one matrix (n_months, n_firms) per column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synthetic_data.draws import Floats


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

    def lately(self, name: str, at: int, months: int) -> Floats:
        """Sum of a column over the months before `at`, (n_firms,)."""
        if name not in self._columns:
            return np.zeros(self._n)
        out: Floats = self._columns[name][max(at - months, 0) : at].sum(axis=0)
        return out
