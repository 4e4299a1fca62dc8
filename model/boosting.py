"""Boosting that stays a table: bags of small trees over one feature, or over a chosen pair.

Every tree is read out leaf by leaf into step functions and two-way grids, so what was boosted is
known exactly and nothing of it is left in trees. Each bag leaves a part of the rows out, stops on
it, and rates it: these held-out ratings calibrate and choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from model.steps import Steps

Floats = NDArray[np.float64]
Pair = tuple[int, int]
SMALL = 2_000_000
"""Cells below which one thread boosts: more of them wait for each other on a busy machine."""
PRIOR_ROWS = 20.0
"""Rows at the mean rate that every category is taken to have had besides its own."""
FEATURES_A_SPLIT = 0.3
"""Share of the features, drawn anew, that a split chooses from: credit is spread among likes."""
ROWS_TRIED = 6_000
"""Held-out rows, about, on which it is tried whether pairs pay; three bags have to do."""
MOST_TO_RANK = 60_000
"""Rows looked at to rank pairs."""
RANKING_BINS = 24
"""Bins a side in which pairs are ranked, of about as many rows each."""


@dataclass
class Boosted:
    """What was boosted, in log-odds: a level per step of each column, a grid for each pair.

    The last level, row and column are those of missing values. `held_out` has the log-odds of
    every row by the bag that did not see it.
    """

    levels: list[Floats]
    grids: dict[Pair, Floats]
    held_out: Floats
    rounds: int = 1


@dataclass(frozen=True)
class Rows:
    """Rows to learn from: step numbers (missing is NaN), outcomes 0 or 1, weights."""

    codes: Floats
    hits: Floats
    weights: Floats

    def at(self, chosen: Any) -> Rows:
        """Some of the rows."""
        return Rows(self.codes[chosen], self.hits[chosen], self.weights[chosen])


@dataclass(frozen=True)
class Booster:
    """How to boost: as in HistGradientBoostingClassifier, in so many bags."""

    columns: Sequence[Steps]
    options: Mapping[str, Any]
    bags: int
    seed: int
    max_iter: int = 1_000
    patience: int = 50

    def boost(self, rows: Rows, pairs: Sequence[Pair] = ()) -> Boosted:
        """Boost single features and the given pairs; the average over the bags."""
        widths = [column.width + 1 for column in self.columns]
        found = Boosted(
            [np.zeros(width) for width in widths],
            {(a, b): np.zeros((widths[a], widths[b])) for a, b in pairs},
            np.zeros(len(rows.hits)),
        )
        splits = self._splits(rows)
        bags = [self._bag(rows, train, test, pairs) for train, test in splits]
        found.rounds = _best([trees for trees, _ in bags]) if len(splits) > 1 else self.max_iter
        for (_, test), (trees, scale) in zip(splits, bags, strict=True):
            trees._predictors = trees._predictors[: found.rounds]
            found.held_out[test] = trees.decision_function(_scaled(rows.codes[test], scale))
            for (tree,) in trees._predictors:
                _add(found, tree.nodes, scale, 1.0 / len(splits))
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
        rounds = _best([trees for trees, _ in bags])
        for (_, test), (trees, scale) in zip(splits, bags, strict=True):
            trees._predictors = trees._predictors[:rounds]
            held_out[test] = trees.decision_function(_scaled(rows.codes[test], scale))
        return held_out

    def _bag(self, rows: Rows, train: Any, test: Any, pairs: Sequence[Pair]) -> Any:
        """Trees that learned from some rows and stopped on others; the scale of their inputs."""
        scale = _scale(self.columns, rows.at(train))
        inputs = _scaled(rows.codes, scale)
        stopping = len(test) < len(rows.hits)
        trees = self._trees(pairs, int(test[0]), stopping=stopping)
        stop_on = (
            {
                "X_val": inputs[test],
                "y_val": rows.hits[test],
                "sample_weight_val": rows.weights[test],
            }
            if stopping
            else {}
        )
        with threadpool_limits(1 if inputs.size < SMALL else None, user_api="openmp"):
            trees.fit(inputs[train], rows.hits[train], sample_weight=rows.weights[train], **stop_on)
        return trees, scale

    def ranked_pairs(self, rows: Rows, rated: Floats, most: int) -> list[Pair]:
        """The pairs that say most about what single features leave unexplained, best first.

        `rated` are held-out log-odds without pairs. Each pair is rated by the best cut of both into
        four quarters, as in FAST (Lou et al., Accurate intelligible models with pairwise
        interactions, 2013), less what the two cuts would gain alone.
        """
        if most <= 0 or len(self.columns) < 2:
            return []
        if len(rows.hits) > MOST_TO_RANK:
            chosen = np.random.default_rng(self.seed).permutation(len(rows.hits))[:MOST_TO_RANK]
            rows, rated = rows.at(chosen), rated[chosen]
        chance = expit(rated)
        left, slack = rows.weights * (rows.hits - chance), rows.weights * chance * (1.0 - chance)
        bins = [
            _coarse(steps, rows.codes[:, j]) for j, steps in enumerate(_scale(self.columns, rows))
        ]
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


def _best(bags: Sequence[Any]) -> int:
    """The round after which held-out rows of all bags together are rated best."""
    longest = max(len(trees.validation_score_) for trees in bags)
    curves = [
        np.pad(trees.validation_score_, (0, longest - len(trees.validation_score_)), mode="edge")
        for trees in bags
    ]
    return max(1, int(np.mean(curves, axis=0).argmax()))


def _scale(columns: Sequence[Steps], rows: Rows) -> list[Floats]:
    """What each step of each column is boosted as; the missing step last.

    Steps of numbers and ordered categories are their numbers. Categories are their default rates,
    drawn to the mean by PRIOR_ROWS, so that boosting splits them by risk and rare ones little.
    """
    mean = float(np.average(rows.hits, weights=rows.weights))
    scale = []
    for j, column in enumerate(columns):
        if column.kind != "nominal":
            scale.append(np.append(np.arange(column.width, dtype=np.float64), np.nan))
            continue
        at = np.nan_to_num(rows.codes[:, j], nan=column.width).astype(int)
        held = np.bincount(at, rows.weights, column.width + 1)
        hits = np.bincount(at, rows.weights * rows.hits, column.width + 1)
        scale.append((hits + PRIOR_ROWS * mean) / (held + PRIOR_ROWS))
    return scale


def _scaled(codes: Floats, scale: Sequence[Floats]) -> Floats:
    """Step numbers as what they are boosted as."""
    return np.column_stack(
        [
            steps[np.nan_to_num(codes[:, j], nan=len(steps) - 1).astype(int)]
            for j, steps in enumerate(scale)
        ]
    )


def _coarse(steps: Floats, codes: Floats) -> NDArray[np.int64]:
    """Each row's bin among RANKING_BINS of about as many rows, in order of risk; missing last."""
    at = np.nan_to_num(codes, nan=len(steps) - 1).astype(int)
    order = np.argsort(steps, kind="stable")  # NaN last
    held = np.bincount(at, minlength=len(steps))[order]
    bins = np.empty(len(steps), dtype=np.int64)
    bins[order] = (np.cumsum(held) - held / 2.0) * RANKING_BINS / len(codes)
    bins[np.isnan(steps)] = RANKING_BINS
    return cast(NDArray[np.int64], bins[at])


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


def _add(found: Boosted, nodes: Any, scale: Sequence[Floats], share: float) -> None:
    """Add a share of one tree, leaf by leaf, to the levels and grids it falls on."""
    waiting: list[tuple[int, dict[int, NDArray[np.bool_]]]] = [(0, {})]
    while waiting:
        at, path = waiting.pop()
        node = nodes[at]
        if not node["is_leaf"]:
            j, steps = int(node["feature_idx"]), scale[int(node["feature_idx"])]
            left = steps <= node["num_threshold"]
            if node["missing_go_to_left"]:
                left = left | np.isnan(steps)
            before = path.get(j, np.ones(len(steps), dtype=bool))
            waiting.append((int(node["left"]), {**path, j: before & left}))
            waiting.append((int(node["right"]), {**path, j: before & ~left}))
            continue
        value = share * float(node["value"])
        if len(path) == 1:
            ((j, on),) = path.items()
            found.levels[j][on] += value
        elif path:
            (a, on_a), (b, on_b) = sorted(path.items())
            found.grids[a, b] += value * np.outer(on_a, on_b)
