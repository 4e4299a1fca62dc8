"""What boosted trees say, read out leaf by leaf: levels of single features, grids of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pair = tuple[int, int]
Pairs = Mapping[Pair, NDArray[np.int64] | None]
"""Pairs to boost; with some, which of four quarters, by risk, any two of their steps are in."""


def quartered(pairs: Pairs) -> list[Pair]:
    """The pairs whose quarters are boosted too, as inputs of their own after the features."""
    return [pair for pair, quarters in pairs.items() if quarters is not None]


def read(
    trees: Any, rounds: int, scale: Sequence[Floats], pairs: Pairs
) -> tuple[list[Floats], dict[Pair, Floats]]:
    """What the first rounds say, leaf by leaf: levels of single features, grids of pairs."""
    leaves = _leaves([tree.nodes for (tree,) in trees._predictors[:rounds]])
    whole, many = quartered(pairs), len(scale)
    places: dict[tuple[int, ...], list[int]] = {}
    for i, path in enumerate(leaves.features.tolist()):
        inputs = sorted(j for j in path if j >= 0)
        if inputs and inputs[-1] >= many:
            inputs = list(whole[inputs[-1] - many])
        places.setdefault(tuple(inputs), []).append(i)
    levels, grids = [np.zeros(len(steps)) for steps in scale], {}
    for place, found in places.items():
        of = leaves.at(found)
        if len(place) == 1:
            levels[place[0]] += of.values @ of.on(place[0], scale[place[0]])
        elif place:
            grids[place] = _grid(of, place, scale, pairs)
    return levels, cast(dict[Pair, Floats], grids)


def _grid(of: _Leaves, pair: Any, scale: Sequence[Floats], pairs: Pairs) -> Floats:
    """The sum of the leaves of one pair."""
    (a, b), quarters = pair, pairs[pair]
    on_a, on_b = of.on(a, scale[a]) * of.values[:, None], of.on(b, scale[b])
    if quarters is None:
        return on_a.T @ on_b
    on = of.on(len(scale) + quartered(pairs).index(pair), np.arange(4.0))
    return sum(
        (((on_a * on[:, q, None]).T @ on_b) * (quarters == q) for q in range(4)),
        np.zeros(quarters.shape),
    )


@dataclass(frozen=True)
class _Leaves:
    """Leaves of trees: their values, and where on each of at most three inputs they lie."""

    values: Floats
    features: NDArray[np.int64]
    above: Floats
    up_to: Floats
    missing: NDArray[np.bool_]

    def at(self, chosen: Any) -> _Leaves:
        return _Leaves(*(getattr(self, name.name)[chosen] for name in fields(self)))

    def on(self, feature: int, steps: Floats) -> Floats:
        """1 where a step of a feature belongs to a leaf, 0 where not, (n_leaves, n_steps)."""
        here = self.features == feature
        above = np.where(here, self.above, -np.inf).max(axis=1)[:, None]
        up_to = np.where(here, self.up_to, np.inf).min(axis=1)[:, None]
        missing = (self.missing | ~here).all(axis=1)[:, None]
        found = (above < steps) & (steps <= up_to) | (missing & np.isnan(steps))
        return cast(Floats, found.astype(np.float64))


def _leaves(trees: Sequence[Any]) -> _Leaves:
    """The leaves of trees, all trees walked down at once."""
    starts = np.cumsum([0, *map(len, trees)])[:-1]
    nodes = np.concatenate(trees)
    offset = np.repeat(starts, [len(tree) for tree in trees])
    left, right = nodes["left"] + offset, nodes["right"] + offset
    features = np.full((len(nodes), 3), -1)
    above, up_to = np.full(features.shape, -np.inf), np.full(features.shape, np.inf)
    missing = np.ones(features.shape, dtype=bool)
    at = starts[nodes["is_leaf"][starts] == 0]
    while len(at):
        split = nodes[at]
        feature, cut = split["feature_idx"].astype(int), split["num_threshold"]
        place = (features[at] == feature[:, None]) | (features[at] < 0)
        side = place.argmax(axis=1)
        for child, goes_left in ((left[at], True), (right[at], False)):
            for of in (features, above, up_to, missing):
                of[child] = of[at]
            features[child, side] = feature
            if goes_left:
                up_to[child, side] = np.minimum(up_to[at, side], cut)
            else:
                above[child, side] = np.maximum(above[at, side], cut)
            missing[child, side] &= (split["missing_go_to_left"] != 0) == goes_left
        at = np.concatenate([left[at], right[at]])
        at = at[nodes["is_leaf"][at] == 0]
    ends = np.flatnonzero(nodes["is_leaf"])
    return _Leaves(nodes["value"][ends], features[ends], above[ends], up_to[ends], missing[ends])
