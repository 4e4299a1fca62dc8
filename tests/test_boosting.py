"""What was boosted is what the tables say; pairs that belong together are found."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model.boosting import Boosted, Booster, Rows
from model.steps import Steps, encode

OPTIONS = {"learning_rate": 0.1, "max_leaf_nodes": 6, "min_samples_leaf": 20,
           "l2_regularization": 1.0}  # fmt: skip


def learnable(n: int = 3_000, *, together: bool = True) -> tuple[list[Steps], Rows]:
    """Two numbers that say something only together, one that says it alone, gaps and a trade."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    frame["trade"] = pd.Categorical(rng.choice(["retail", "metal", "farm"], n, p=[0.6, 0.3, 0.1]))
    risk = 0.8 * frame.c + (frame.trade == "farm")
    risk = risk + (1.5 * np.sign(frame.a * frame.b) if together else 0.0)
    hits = (rng.random(n) < 1 / (1 + np.exp(1.0 - risk))).astype(float)
    frame.loc[rng.random(n) < 0.1, "a"] = np.nan
    columns = [Steps.empty(name, frame[name], 0, 32) for name in frame]
    codes = np.column_stack([encode(c, frame[c.name]) for c in columns])
    return columns, Rows(codes, hits.to_numpy(), np.ones(n))


def read(found: Boosted, rows: Rows) -> Any:
    """The log-odds that levels and grids give the rows."""
    at = [
        np.nan_to_num(rows.codes[:, j], nan=len(level) - 1).astype(int)
        for j, level in enumerate(found.levels)
    ]
    alone = sum(level[at[j]] for j, level in enumerate(found.levels))
    return alone + sum(grid[at[a], at[b]] for (a, b), grid in found.grids.items())


@pytest.mark.parametrize("direction", [0, 1])
def test_levels_and_grids_say_what_the_trees_say(direction: int) -> None:
    columns, rows = learnable()
    columns[2] = Steps.empty(
        "c", pd.Series(np.random.default_rng(0).normal(size=99)), direction, 32
    )
    found = Booster(columns, OPTIONS, bags=1, seed=0, max_iter=80).boost(rows, [(0, 1), (1, 3)])
    assert any(np.ptp(grid) > 0 for grid in found.grids.values())
    # held_out is the trees' own answer when there is one bag; it differs by their constant
    assert np.ptp(found.held_out - read(found, rows)) < 1e-9


def test_bags_rate_rows_they_did_not_see() -> None:
    columns, rows = learnable(together=False)
    noise = Rows(rows.codes, np.random.default_rng(8).permutation(rows.hits), rows.weights)
    found = Booster(columns, OPTIONS, bags=5, seed=0, max_iter=200).boost(noise)
    assert abs(np.corrcoef(found.held_out, noise.hits)[0, 1]) < 0.05


def test_the_pair_that_belongs_together_is_ranked_first() -> None:
    columns, rows = learnable()
    booster = Booster(columns, OPTIONS, bags=4, seed=0, max_iter=100)
    ranked = booster.ranked_pairs(rows, booster.boost(rows).held_out, 6)
    assert ranked[0] == (0, 1)
    assert set(ranked) <= set(product(range(4), repeat=2))
    assert booster.ranked_pairs(rows, rows.hits * 0.0, 0) == []


def test_pairs_are_tried_by_bags_that_chose_them_without_the_rows_they_rate() -> None:
    columns, rows = learnable(8_000)
    booster = Booster(columns, OPTIONS, bags=4, seed=0, max_iter=100)
    alone = booster.boost(rows).held_out
    tried = booster.tried(rows, alone, 3)
    known = ~np.isnan(tried)
    assert 0.7 < known.mean() < 0.8  # three bags of four

    def loss(rated: Any) -> float:
        return float(np.mean(np.logaddexp(0, rated) - rows.hits[known] * rated))

    assert loss(tried[known]) < loss(alone[known]) - 0.05
