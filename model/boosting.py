"""Boosting that stays a table: bags of small trees over one feature, or over a chosen pair.

Every tree is read out leaf by leaf into step functions and two-way grids, so what was boosted is
known exactly and nothing of it is left in trees. Each bag leaves a part of the rows out, stops on
it, and rates it: these held-out ratings calibrate and choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from model.steps import Steps

Floats = NDArray[np.float64]
Codes = NDArray[np.unsignedinteger[Any]]
Pair = tuple[int, int]
SMALL = 2_000_000
"""Cells below which one thread boosts: more of them wait for each other on a busy machine."""
PRIOR_ROWS = 20.0
"""Rows at the mean rate that every category is taken to have had besides its own."""
FEATURES_A_SPLIT = 0.3
"""Share of the features, drawn anew, that a split chooses from: credit is spread among likes."""
ROWS_TRIED = 6_000
"""Held-out rows, about, on which it is tried whether pairs pay; three bags have to do."""
MOST_TO_TRY = 150_000
"""Rows on which it is tried whether pairs pay, and which; all are then learned from."""
MOST_TO_RANK = 60_000
"""Rows looked at to rank pairs."""
RANKING_BINS = 24
"""Bins a side in which pairs are ranked, of about as many rows each."""


@dataclass
class Boosted:
    """What was boosted, in log-odds: a level per step of each column, a grid for each pair.

    The last level, row and column are those of missing values. `held_out` has the log-odds of
    every row by a bag that did not see it; NaN where each did.
    """

    levels: list[Floats]
    grids: dict[Pair, Floats]
    held_out: Floats
    rounds: int = 1


@dataclass(frozen=True)
class Rows:
    """Rows to learn from: step numbers by column, (n_features, n_rows), outcomes 0/1, weights.

    The number after a column's last step is that of missing values.
    """

    codes: Codes
    hits: Floats
    weights: Floats

    def at(self, chosen: Any) -> Rows:
        """Some of the rows."""
        return Rows(self.codes[:, chosen], self.hits[chosen], self.weights[chosen])


@dataclass(frozen=True)
class Booster:
    """How to boost: as in HistGradientBoostingClassifier, in so many bags."""

    columns: Sequence[Steps]
    options: Mapping[str, Any]
    bags: int
    seed: int
    max_iter: int = 1_000
    patience: int = 50

    def learn(self, rows: Rows, most: int) -> Boosted:
        """Boost single features, and the `most` best pairs with them where held-out rows gain."""
        tried = self._few(rows)
        few = self if tried is rows else replace(self, bags=2)
        alone = few.boost(tried)
        if most > 0 and _pay(alone.held_out, few.tried(tried, alone.held_out, most), tried):
            return self.boost(rows, few.ranked_pairs(tried, alone.held_out, most))
        return alone if tried is rows else self.boost(rows)

    def _few(self, rows: Rows) -> Rows:
        """Rows on which it is tried what pays."""
        if len(rows.hits) <= MOST_TO_TRY:
            return rows
        order = np.random.default_rng(self.seed).permutation(len(rows.hits))
        return rows.at(np.sort(order[:MOST_TO_TRY]))

    def boost(self, rows: Rows, pairs: Sequence[Pair] = ()) -> Boosted:
        """Boost single features and the given pairs; the average over the bags."""
        widths = [column.width + 1 for column in self.columns]
        found = Boosted(
            [np.zeros(width) for width in widths],
            {(a, b): np.zeros((widths[a], widths[b])) for a, b in pairs},
            np.full(len(rows.hits), np.nan),
        )
        splits = self._splits(rows)
        bags = [self._bag(rows, train, test, pairs) for train, test in splits]
        found.rounds = _best([trees for trees, _ in bags], self.max_iter)
        for (_, test), (trees, scale) in zip(splits, bags, strict=True):
            levels, grids = _read(trees, found.rounds, scale)
            found.held_out[test] = _rated(trees, levels, grids, rows.codes[:, test])
            for j, level in enumerate(levels):
                found.levels[j] += level / len(splits)
            for pair, grid in grids.items():
                found.grids[pair] += grid / len(splits)
        return found

    def tried(self, rows: Rows, rated: Floats, most: int) -> Floats:
        """Log-odds of rows by bags that chose pairs and learned without them; NaN for other rows.

        `rated` are log-odds without pairs, by which pairs are chosen.
        """
        held_out = np.full(len(rows.hits), np.nan)
        splits = self._splits(rows)
        splits = splits[: max(3, ROWS_TRIED * len(splits) // len(rows.hits))]
        bags = [
            self._bag(rows, train, test, self.ranked_pairs(rows.at(train), rated[train], most))
            for train, test in splits
        ]
        rounds = _best([trees for trees, _ in bags], self.max_iter)
        for (_, test), (trees, scale) in zip(splits, bags, strict=True):
            held_out[test] = _rated(trees, *_read(trees, rounds, scale), rows.codes[:, test])
        return held_out

    def _bag(self, rows: Rows, train: Any, test: Any, pairs: Sequence[Pair]) -> Any:
        """Trees that learned from some rows and stopped on others; the scale of their inputs."""
        learned = rows.at(train)
        scale = _scale(self.columns, learned)
        stopping = len(train) < len(rows.hits)
        trees = self._trees(pairs, int(test[0]), stopping=stopping)
        stop_on = (
            {
                "X_val": _scaled(rows.codes[:, test], scale),
                "y_val": rows.hits[test],
                "sample_weight_val": rows.weights[test],
            }
            if stopping
            else {}
        )
        inputs = _scaled(learned.codes, scale)
        with threadpool_limits(1 if inputs.size < SMALL else None, user_api="openmp"):
            trees.fit(inputs, learned.hits, sample_weight=learned.weights, **stop_on)
        return trees, scale

    def ranked_pairs(self, rows: Rows, rated: Floats, most: int) -> list[Pair]:
        """The pairs that say most about what single features leave unexplained, best first.

        `rated` are held-out log-odds without pairs. Each pair is rated by the best cut of both into
        four quarters, as in FAST (Lou et al., Accurate intelligible models with pairwise
        interactions, 2013), less what the two cuts would gain alone.
        """
        if most <= 0 or len(self.columns) < 2:
            return []
        known = np.flatnonzero(~np.isnan(rated))
        if len(known) > MOST_TO_RANK:
            known = np.random.default_rng(self.seed).permutation(known)[:MOST_TO_RANK]
        rows, rated = rows.at(known), rated[known]
        chance = expit(rated)
        left, slack = rows.weights * (rows.hits - chance), rows.weights * chance * (1.0 - chance)
        bins = [_coarse(*both) for both in zip(_scale(self.columns, rows), rows.codes, strict=True)]
        least = int(self.options["min_samples_leaf"])
        gains = {
            (a, b): _quarters(bins[a], bins[b], left, slack, least)
            for a, b in combinations(range(len(bins)), 2)
        }
        ranked = sorted(gains, key=gains.__getitem__, reverse=True)
        return [pair for pair in ranked if gains[pair] > 0][:most]

    def _splits(self, rows: Rows) -> list[tuple[Any, Any]]:
        every = np.arange(len(rows.hits))
        bags = min(self.bags, int(np.bincount(rows.hits.astype(int)).min()))
        if bags < 2:
            return [(every, every)]
        folds = StratifiedKFold(bags, shuffle=True, random_state=self.seed)
        return list(folds.split(every, rows.hits))

    def _trees(
        self, pairs: Sequence[Pair], seed: int, *, stopping: bool
    ) -> HistGradientBoostingClassifier:
        groups = [{j} for j in range(len(self.columns))] + [set(pair) for pair in pairs]
        return HistGradientBoostingClassifier(
            **self.options,
            max_iter=self.max_iter if stopping else min(50, self.max_iter),
            interaction_cst=groups,
            max_features=FEATURES_A_SPLIT,
            monotonic_cst=[0 if c.kind == "nominal" else c.direction for c in self.columns],
            early_stopping=stopping,
            n_iter_no_change=self.patience,
            random_state=seed,
        )


def _best(bags: Sequence[Any], most: int) -> int:
    """The round after which held-out rows of all bags together are rated best."""
    curves = [trees.validation_score_ for trees in bags]
    longest = max(map(len, curves))
    if longest == 0:  # there were no rows to stop on
        return most
    padded = [np.pad(curve, (0, longest - len(curve)), mode="edge") for curve in curves]
    return max(1, int(np.mean(padded, axis=0).argmax()))


def _scale(columns: Sequence[Steps], rows: Rows) -> list[Floats]:
    """What each step of each column is boosted as; the missing step last.

    Steps of numbers and ordered categories are their numbers. Categories are their default rates,
    drawn to the mean by PRIOR_ROWS, so that boosting splits them by risk and rare ones little.
    """
    mean = float(np.average(rows.hits, weights=rows.weights))
    scale = []
    for column, at in zip(columns, rows.codes, strict=True):
        if column.kind != "nominal":
            scale.append(np.append(np.arange(column.width, dtype=np.float64), np.nan))
            continue
        held = np.bincount(at, rows.weights, column.width + 1)
        hits = np.bincount(at, rows.weights * rows.hits, column.width + 1)
        scale.append((hits + PRIOR_ROWS * mean) / (held + PRIOR_ROWS))
    return scale


def _scaled(codes: Codes, scale: Sequence[Floats]) -> Floats:
    """Step numbers as what they are boosted as, (n_rows, n_features)."""
    inputs = np.empty(codes.shape[::-1], order="F")
    for j, steps in enumerate(scale):
        np.take(steps, codes[j], out=inputs[:, j])
    return inputs


def _coarse(steps: Floats, codes: Codes) -> NDArray[np.int64]:
    """Each row's bin among RANKING_BINS of about as many rows, in order of risk; missing last."""
    order = np.argsort(steps, kind="stable")  # NaN last
    held = np.bincount(codes, minlength=len(steps))[order]
    bins = np.empty(len(steps), dtype=np.int64)
    bins[order] = (np.cumsum(held) - held / 2.0) * RANKING_BINS / len(codes)
    bins[np.isnan(steps)] = RANKING_BINS
    return bins[codes]


def _quarters(
    first: NDArray[np.int64], second: NDArray[np.int64], left: Floats, slack: Floats, least: int
) -> float:
    """The most that one cut of each feature gains in log-likelihood beyond either cut alone.

    `left` are gradients and `slack` second derivatives by row; each quarter has `least` rows.
    """
    width = RANKING_BINS + 1
    cell = first * width + second
    counts, sums, bends = (
        np.bincount(cell, of, width * width).reshape(width, width).cumsum(0).cumsum(1)
        for of in (None, left, slack)
    )

    def gain(total: Any, bend: Any) -> Any:
        return total * total / (bend + 1.0)

    def cut(table: Floats) -> tuple[Floats, ...]:
        low, top, side = table[:-1, :-1], table[:-1, -1:], table[-1:, :-1]
        return low, top - low, side - low, table[-1, -1] - top - side + low

    top = gain(sums[:-1, -1:], bends[:-1, -1:])
    top = top + gain(sums[-1, -1] - sums[:-1, -1:], bends[-1, -1] - bends[:-1, -1:])
    side = gain(sums[-1:, :-1], bends[-1:, :-1])
    side = side + gain(sums[-1, -1] - sums[-1:, :-1], bends[-1, -1] - bends[-1:, :-1])
    beyond = sum(gain(*both) for both in zip(cut(sums), cut(bends), strict=True)) - top - side
    beyond = beyond + gain(sums[-1, -1], bends[-1, -1])
    allowed = np.minimum.reduce(cut(counts)) >= least
    return float(np.max(beyond, where=allowed, initial=0.0))


def _rated(trees: Any, levels: Sequence[Floats], grids: Mapping[Pair, Floats], codes: Codes) -> Any:
    """Log-odds of rows by what was read from trees."""
    rated = np.full(codes.shape[1], float(trees._baseline_prediction.item()))
    for level, at in zip(levels, codes, strict=True):
        rated += level[at]
    for (a, b), grid in grids.items():
        rated += grid[codes[a], codes[b]]
    return rated


def _read(
    trees: Any, rounds: int, scale: Sequence[Floats]
) -> tuple[list[Floats], dict[Pair, Floats]]:
    """What the first rounds say, leaf by leaf: levels of single features, grids of pairs."""
    leaves = _leaves([tree.nodes for (tree,) in trees._predictors[:rounds]])
    first, second = leaves.features.T
    levels = [np.zeros(len(steps)) for steps in scale]
    for j in np.unique(first[(first >= 0) & (second < 0)]):
        of = leaves.at((first == j) & (second < 0))
        levels[j] += of.values @ of.on(0, scale[j])
    grids = {}
    both = np.flatnonzero(second >= 0)
    for a, b in np.unique(np.sort(leaves.features[both], axis=1), axis=0).tolist():
        grid = np.zeros((len(scale[a]), len(scale[b])))
        for one, other in ((a, b), (b, a)):
            of = leaves.at((first == one) & (second == other))
            on_a = of.on(int(one != a), scale[a])
            grid += (on_a * of.values[:, None]).T @ of.on(int(one == a), scale[b])
        grids[a, b] = grid
    return levels, grids


@dataclass(frozen=True)
class _Leaves:
    """Leaves of trees: their values, and where on each of at most two features they lie."""

    values: Floats
    features: NDArray[np.int64]
    above: Floats
    up_to: Floats
    missing: NDArray[np.bool_]

    def at(self, chosen: Any) -> _Leaves:
        return _Leaves(*(getattr(self, name.name)[chosen] for name in fields(self)))

    def on(self, side: int, steps: Floats) -> Floats:
        """1 where a step belongs to a leaf, 0 where not, (n_leaves, n_steps)."""
        found = (self.above[:, side, None] < steps) & (steps <= self.up_to[:, side, None])
        found |= self.missing[:, side, None] & np.isnan(steps)
        return found.astype(np.float64)


def _leaves(trees: Sequence[Any]) -> _Leaves:
    """The leaves of trees, all trees walked down at once."""
    starts = np.cumsum([0, *map(len, trees)])[:-1]
    nodes = np.concatenate(trees)
    offset = np.repeat(starts, [len(tree) for tree in trees])
    left, right = nodes["left"] + offset, nodes["right"] + offset
    features = np.full((len(nodes), 2), -1)
    above, up_to = np.full((len(nodes), 2), -np.inf), np.full((len(nodes), 2), np.inf)
    missing = np.ones((len(nodes), 2), dtype=bool)
    at = starts[nodes["is_leaf"][starts] == 0]
    while len(at):
        split = nodes[at]
        feature, cut = split["feature_idx"].astype(int), split["num_threshold"]
        side = ((features[at, 0] >= 0) & (features[at, 0] != feature)).astype(int)
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


def _pay(alone: Floats, together: Floats, rows: Rows) -> bool:
    """Whether pairs rate held-out rows better, on the whole; NaN: not tried."""
    tried = ~np.isnan(together)
    alone, together, rows = alone[tried], together[tried], rows.at(tried)

    def loss(rated: Floats) -> Floats:
        return np.logaddexp(0.0, rated) - rows.hits * rated

    gain = np.average(loss(alone) - loss(together), weights=rows.weights)
    return bool(gain > 0)
