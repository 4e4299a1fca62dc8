"""What two features say only together, while it is being learned: a grid of steps, then bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from model.steps import Steps

Floats = NDArray[np.float64]
Codes = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Side:
    """One side of a two-way table: the band of each of a column's steps, the missing step last.

    The last band is that of missing values, and of categories too rare for a step.
    """

    feature: int
    column: Steps
    bands: NDArray[np.int64]

    @property
    def width(self) -> int:
        """Number of bands besides the last."""
        return int(self.bands[-1])

    @property
    def cuts(self) -> Floats:
        """Upper ends of the bands of a number, but for the last."""
        return self.column.cuts[np.flatnonzero(np.diff(self.bands[:-1]))]

    @property
    def groups(self) -> list[list[str]]:
        """The categories of each band."""
        return [
            [c for c, at in zip(self.column.categories, self.bands, strict=False) if at == band]
            for band in range(self.width)
        ]


@dataclass(frozen=True)
class TwoWayTable:
    """Log-odds by band of the first and of the second feature."""

    first: Side
    second: Side
    levels: Floats

    def lookup(self, codes: Mapping[int, Codes] | Codes) -> Floats:
        """Log-odds that the two features add together, by the step numbers of their columns.

        The number after the last is that of missing values and of categories without a step.
        """
        return self.levels.ravel()[self.cells(codes)]

    def cells(self, codes: Mapping[int, Codes] | Codes) -> NDArray[np.int64]:
        """The place in the flattened table of each row."""
        rows: NDArray[np.int64] = self.first.bands[codes[self.first.feature]]
        columns: NDArray[np.int64] = self.second.bands[codes[self.second.feature]]
        found: NDArray[np.int64] = rows * self.levels.shape[1] + columns
        return found


def purified(grid: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats, Floats]:
    """A grid without what each side says alone, and what that is.

    `first` and `second` are the weights of rows by step; means are taken as if steps of the two
    fell together by chance.
    """
    first, second = first / first.sum(), second / second.sum()
    of_first, of_second = grid @ second, first @ grid
    mean = float(first @ of_first)
    alone_first, alone_second = of_first - mean, of_second - mean
    return grid - mean - alone_first[:, None] - alone_second[None, :], alone_first, alone_second


def banded(
    columns: Sequence[Steps],
    pair: tuple[int, int],
    grid: Floats,
    weights: Sequence[Floats],
    most: int,
) -> TwoWayTable:
    """A grid in at most `most` bands a side, each the mean of its steps."""  # fmt: skip
    a, b = pair
    rows = _bands(columns[a], grid, weights[a], weights[b], most)
    across = _bands(columns[b], grid.T, weights[b], weights[a], most)
    levels = _means(_means(grid, rows, weights[a]).T, across, weights[b]).T
    if not weights[a][-1]:  # none was missing: nothing is known of it
        levels[-1] = 0.0
    if not weights[b][-1]:
        levels[:, -1] = 0.0
    return TwoWayTable(Side(a, columns[a], rows), Side(b, columns[b], across), levels)


def raised(table: TwoWayTable, levels: Sequence[Floats]) -> TwoWayTable:
    """The table made monotone by itself along declared directions.

    What it lacks is taken, in place, from the `levels` of the feature alone: sums stay the same.
    """
    cells = table.levels.copy()
    for axis, side in enumerate((table.first, table.second)):
        sign, turned = side.column.direction, cells if axis == 0 else cells.T
        if not sign or side.width < 2:
            continue
        against = np.maximum(0.0, (-sign * np.diff(turned[:-1], axis=0)).max(axis=1))
        lift = sign * np.concatenate([[0.0], np.cumsum(against)])
        turned[:-1] += lift[:, None]
        levels[side.feature][:-1] -= lift[side.bands[:-1]]
        step = np.maximum if sign > 0 else np.minimum  # to the last digit
        turned[:-1] = step.accumulate(turned[:-1], axis=0)
    return TwoWayTable(table.first, table.second, cells)


def _bands(
    column: Steps, grid: Floats, weights: Floats, across: Floats, most: int
) -> NDArray[np.int64]:
    """The band of each step, by a small tree over the grid's rows; the missing step last."""
    known, held = grid[:-1], weights[:-1]
    places = np.arange(len(known), dtype=np.float64)
    if column.kind == "nominal":  # side by side as they tell alike
        main = np.linalg.svd(known * np.sqrt(held)[:, None], full_matrices=False)[2][0]
        places = np.argsort(np.argsort(known @ main)).astype(np.float64)
    seen = held > 0
    if not seen.any():
        return np.append(np.zeros(len(known), dtype=np.int64), 1)
    tree = DecisionTreeRegressor(max_leaf_nodes=max(2, most), random_state=0)
    tree.fit(
        places[seen, None], known[seen] * np.sqrt(across / across.sum()), sample_weight=held[seen]
    )
    cuts = np.sort(tree.tree_.threshold[tree.tree_.feature >= 0])
    bands = np.searchsorted(cuts, places, side="left")
    _, bands = np.unique(bands, return_inverse=True)
    return np.append(bands, bands.max() + 1).astype(np.int64)


def _means(grid: Floats, bands: NDArray[np.int64], weights: Floats) -> Floats:
    """The mean row of each band, by weight; equal weights where there is none."""
    width = int(bands[-1]) + 1
    member = np.zeros((width, len(bands)))
    member[bands, np.arange(len(bands))] = np.maximum(weights, 1e-9)
    return cast(Floats, (member @ grid) / member.sum(axis=1, keepdims=True))
