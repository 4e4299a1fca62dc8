"""The months of a world as matrices, one block of firms after another, a few columns at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow.parquet import ParquetFile

from synthetic_data.calendar import month_index
from synthetic_data.draws import Bools, Floats
from synthetic_data.traces import FILINGS


@dataclass(frozen=True)
class Span:
    """The months of a world: the first, as months since year 0, and how many."""

    first: int
    months: int

    @property
    def end(self) -> int:
        """The month after the last."""
        return self.first + self.months

    def at(self, text: str) -> int:
        """The column of a month "YYYY-MM"; negative or beyond the last where it is not there."""
        return month_index(text) - self.first

    def holds(self, since: str, until: str) -> bool:
        """Whether the world has all months from one to another."""
        return self.at(since) >= 0 and self.at(until) < self.months


@dataclass(frozen=True)
class Panel:
    """Some columns of a block of firms, (n_firms, n_months) each; NaN where a firm has no row."""

    uscc: NDArray[np.object_]
    span: Span
    columns: Mapping[str, Floats]

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def has(self, *names: str) -> bool:
        """Whether all of these columns are there."""
        return all(name in self.columns for name in names)

    @property
    def alive(self) -> Bools:
        """Where a firm has a row, (n_firms, n_months)."""
        there: Bools = np.isfinite(next(iter(self.columns.values())))
        return there


def span_of(world: Path) -> Span:
    """The months of a world; raises FileNotFoundError for a folder that is none."""
    about = world / "world.json"
    if not about.is_file():
        raise FileNotFoundError(f"{about}: not there; expected what `yidaitong generate` writes")
    told = json.loads(about.read_bytes())
    return Span(month_index(told["first_month"]), int(told["months"]))


def panels(world: Path, columns: Sequence[str]) -> Iterator[Panel]:
    """Every block of a world with those of the columns that its months have.

    A firm's rows lie in one row group, as `yidaitong generate` writes them.
    """
    span = span_of(world)
    file = ParquetFile(world / "months.parquet")
    known = set(file.schema_arrow.names)
    present = [name for name in columns if name in known]
    for group in range(file.num_row_groups):
        yield panel(file.read_row_group(group, columns=["uscc", "month", *present]), span)


def panel(table: Any, span: Span) -> Panel:
    """Rows of a table of months as matrices; raises ValueError for a month outside the span."""
    firms = _coded(table["uscc"])
    months = _coded(table["month"])
    at = np.array([span.at(str(text)) for text in months.dictionary.to_pylist()], dtype=np.int64)
    if len(at) and (at.min() < 0 or at.max() >= span.months):
        raise ValueError(
            f"months.parquet: month {months.dictionary[int(at.argmax())]} lies outside the "
            f"{span.months} months that world.json tells"
        )
    rows, places = firms.indices.to_numpy(), at[months.indices.to_numpy()]
    columns = {}
    for name in table.column_names:
        if name in ("uscc", "month"):
            continue
        dense = np.full((len(firms.dictionary), span.months), np.nan)
        dense[rows, places] = _numbers(table[name])
        columns[name] = dense
    return Panel(np.array(firms.dictionary.to_pylist(), dtype=object), span, columns)


def _coded(column: Any) -> Any:
    whole = column.combine_chunks()
    if pa.types.is_dictionary(whole.type):
        return whole
    return pc.dictionary_encode(whole)


def _numbers(column: Any) -> Any:
    """A column as floats; how a month was filed as its position in FILINGS."""
    if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
        found = pc.index_in(column.cast(pa.string()), value_set=pa.array(FILINGS))
        return found.to_numpy().astype(float)
    return column.cast(pa.float64()).to_numpy()
