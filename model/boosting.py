"""Boosting that stays a table: bags of small trees over one feature, or over a chosen pair.

Every tree is read out leaf by leaf into step functions and two-way grids, so what was boosted is
known exactly and nothing of it is left in trees. Each bag leaves a part of the rows out, stops on
it, and rates it: these held-out ratings calibrate and choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from model.leaves import Pair, Pairs, quartered, read
from model.steps import Steps

Floats = NDArray[np.float64]
Codes = NDArray[np.unsignedinteger[Any]]
SMALL = 2_000_000
"""Cells below which one thread boosts: more of them wait for each other on a busy machine."""
PRIOR_ROWS = 20.0
"""Rows at the mean rate that every category is taken to have had besides its own."""
FEATURES_A_SPLIT = 0.3
"""Share of the features, drawn anew, that a split chooses from: credit is spread among likes."""
BAGS_TO_TRY = 4
"""Bags in which it is tried whether pairs pay, and which; two of them on many rows."""
MOST_TO_TRY = 100_000
"""Rows on which that is tried."""
MOST_QUARTERS = 8
"""Best pairs of numbers whose quarters are an input of their own: a tree finds no first cut for a
pair that says nothing but together. Categories have none: their order is taken from outcomes."""
SURE_GAIN = 40.0
"""Twice the log-likelihood that quarters must gain to be one: about twice what chance ever does."""
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
    used: int | None = None
    max_iter: int = 1_000
    patience: int = 50

    def learn(self, rows: Rows, most: int) -> Boosted:
        """Boost single features, and the `most` best pairs with them where held-out rows gain.

        Which, and whether they do, is tried in a few bags, and on some of the rows if there are
        many.
        """
        if most <= 0 or len(self.columns) < 2:
            return self.boost(rows)
        some = rows
        if len(rows.hits) > MOST_TO_TRY:
            order = np.random.default_rng(self.seed).permutation(len(rows.hits))
            some = rows.at(np.sort(order[:MOST_TO_TRY]))
        used = int(np.clip(MOST_TO_TRY // len(some.hits), 2, BAGS_TO_TRY))
        trial = replace(self, bags=min(self.bags, BAGS_TO_TRY), used=used)
        alone = trial.boost(some).held_out
        losses = {False: _loss(trial.tried(some, alone, most, whole=False), some)}
        if quartered(trial.ranked_pairs(some, alone, most)):
            losses[True] = _loss(trial.tried(some, alone, most, whole=True), some)
        whole = min(losses, key=losses.__getitem__)
        pay = losses[whole] < _loss(alone, some)
        pairs = trial.ranked_pairs(some, alone, most, whole=whole)
        return self.boost(rows, pairs if pay else {})

    def boost(self, rows: Rows, pairs: Pairs = MappingProxyType({})) -> Boosted:
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
            levels, grids = read(trees, found.rounds, scale, pairs)
            found.held_out[test] = _rated(trees, levels, grids, rows.codes[:, test])
            for j, level in enumerate(levels):
                found.levels[j] += level / len(splits)
            for pair, grid in grids.items():
                found.grids[pair] += grid / len(splits)
        return found

    def tried(self, rows: Rows, rated: Floats, most: int, *, whole: bool) -> Floats:
        """Log-odds of rows by bags that chose pairs and learned without them; NaN for other rows.

        `rated` are log-odds without pairs, by which pairs are chosen; `whole`: with quarters.
        """
        held_out = np.full(len(rows.hits), np.nan)
        splits = self._splits(rows)
        chosen = [
            self.ranked_pairs(rows.at(train), rated[train], most, whole=whole)
            for train, _ in splits
        ]
        bags = [self._bag(rows, *split, pairs) for split, pairs in zip(splits, chosen, strict=True)]
        rounds = _best([trees for trees, _ in bags], self.max_iter)
        for (_, test), (trees, scale), pairs in zip(splits, bags, chosen, strict=True):
            both = read(trees, rounds, scale, pairs)
            held_out[test] = _rated(trees, *both, rows.codes[:, test])
        return held_out

    def _bag(self, rows: Rows, train: Any, test: Any, pairs: Pairs) -> Any:
        """Trees that learned from some rows and stopped on others; the scale of their inputs."""
        learned = rows.at(train)
        scale = _scale(self.columns, learned)
        stopping = len(train) < len(rows.hits)
        trees = self._trees(pairs, int(test[0]), stopping=stopping)
        stop_on = (
            {
                "X_val": _scaled(rows.codes[:, test], scale, pairs),
                "y_val": rows.hits[test],
                "sample_weight_val": rows.weights[test],
            }
            if stopping
            else {}
        )
        inputs = _scaled(learned.codes, scale, pairs)
        with threadpool_limits(1 if inputs.size < SMALL else None, user_api="openmp"):
            trees.fit(inputs, learned.hits, sample_weight=learned.weights, **stop_on)
        return trees, scale

    def ranked_pairs(
        self, rows: Rows, rated: Floats, most: int, *, whole: bool = True
    ) -> dict[Pair, Any]:
        """The pairs that say most about what single features leave unexplained, best first.

        `rated` are held-out log-odds without pairs. Each pair is rated by the best cut of both into
        four quarters, as in FAST (Lou et al., Accurate intelligible models with pairwise
        interactions, 2013), less what the two cuts would gain alone.
        """
        if most <= 0 or len(self.columns) < 2:
            return {}
        known = np.flatnonzero(~np.isnan(rated))
        if len(known) > MOST_TO_RANK:
            known = np.random.default_rng(self.seed).permutation(known)[:MOST_TO_RANK]
        rows, rated = rows.at(known), rated[known]
        chance = expit(rated)
        left, slack = rows.weights * (rows.hits - chance), rows.weights * chance * (1.0 - chance)
        scale = _scale(self.columns, rows)
        bins = [_coarse(steps, codes) for steps, codes in zip(scale, rows.codes, strict=True)]
        at = [places[codes] for places, codes in zip(bins, rows.codes, strict=True)]
        least = int(self.options["min_samples_leaf"])
        found = {
            (a, b): _quarters(at[a], at[b], left, slack, least)
            for a, b in combinations(range(len(bins)), 2)
        }
        ranked = sorted(found, key=lambda pair: found[pair][0], reverse=True)
        ranked = [pair for pair in ranked if found[pair][0] > 0][:most]
        free = [
            pair
            for pair in ranked
            if whole
            and found[pair][0] >= SURE_GAIN
            and all(self.columns[j].is_free_number for j in pair)
        ][:MOST_QUARTERS]
        quarters: dict[Pair, Any] = dict.fromkeys(ranked)
        for a, b in free:
            _, cut_a, cut_b = found[a, b]
            split = 2 * (bins[a] > cut_a)[:, None] + (bins[b] > cut_b)[None, :]
            of = split[rows.codes[a], rows.codes[b]]
            risk = np.bincount(of, left, 4) / (np.bincount(of, slack, 4) + 1.0)
            quarters[a, b] = np.argsort(np.argsort(risk))[split]
        return quarters

    def _splits(self, rows: Rows) -> list[tuple[Any, Any]]:
        every = np.arange(len(rows.hits))
        bags = min(self.bags, int(np.bincount(rows.hits.astype(int)).min()))
        if bags < 2:
            return [(every, every)]
        folds = StratifiedKFold(bags, shuffle=True, random_state=self.seed)
        return list(islice(folds.split(every, rows.hits), self.used))

    def _trees(self, pairs: Pairs, seed: int, *, stopping: bool) -> HistGradientBoostingClassifier:
        quarters = {pair: len(self.columns) + k for k, pair in enumerate(quartered(pairs))}
        groups = [{j} for j in range(len(self.columns))]
        groups += [{*pair, quarters.get(pair, pair[0])} for pair in pairs]
        signs = [0 if c.kind == "nominal" else c.direction for c in self.columns]
        return HistGradientBoostingClassifier(
            **self.options,
            max_iter=self.max_iter if stopping else min(50, self.max_iter),
            interaction_cst=groups,
            max_features=FEATURES_A_SPLIT,
            monotonic_cst=signs + [0] * len(quarters),
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


def _scaled(codes: Codes, scale: Sequence[Floats], pairs: Pairs) -> Floats:
    """Step numbers as what they are boosted as, then quarters: (n_rows, n_inputs)."""
    whole = quartered(pairs)
    inputs = np.empty((codes.shape[1], len(scale) + len(whole)), order="F")
    for j, steps in enumerate(scale):
        np.take(steps, codes[j], out=inputs[:, j])
    for k, (a, b) in enumerate(whole, len(scale)):
        inputs[:, k] = cast(Any, pairs[a, b])[codes[a], codes[b]]
    return inputs


def _coarse(steps: Floats, codes: Codes) -> NDArray[np.int64]:
    """Each step's bin among RANKING_BINS of about as many rows, in order of risk; missing last."""
    order = np.argsort(steps, kind="stable")  # NaN last
    held = np.bincount(codes, minlength=len(steps))[order]
    bins = np.empty(len(steps), dtype=np.int64)
    bins[order] = (np.cumsum(held) - held / 2.0) * RANKING_BINS / len(codes)
    bins[np.isnan(steps)] = RANKING_BINS
    return bins


def _quarters(
    first: NDArray[np.int64], second: NDArray[np.int64], left: Floats, slack: Floats, least: int
) -> tuple[float, int, int]:
    """The most that one cut of each feature gains in log-likelihood beyond either cut alone.

    Also the last bin below each of the two cuts.
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
    beyond = np.where(allowed, beyond, 0.0)
    best = int(beyond.argmax())
    return float(beyond.flat[best]), *divmod(best, width - 1)


def _rated(trees: Any, levels: Sequence[Floats], grids: Mapping[Pair, Floats], codes: Codes) -> Any:
    """Log-odds of rows by what was read from trees."""
    rated = np.full(codes.shape[1], float(trees._baseline_prediction.item()))
    for level, at in zip(levels, codes, strict=True):
        rated += level[at]
    for (a, b), grid in grids.items():
        rated += grid[codes[a], codes[b]]
    return rated


def _loss(rated: Floats, rows: Rows) -> float:
    """Mean loss of the rows that are rated, in log-likelihood."""
    known = ~np.isnan(rated)
    rated, rows = rated[known], rows.at(known)
    losses = np.logaddexp(0.0, rated) - rows.hits * rated
    return float(np.average(losses, weights=rows.weights))
