"""What was boosted is what the tables say; pairs that belong together are found."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model import boosting
from model.boosting import Booster, Rows
from model.steps import Steps, encode, placed

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
    codes = np.stack([placed(encode(c, frame[c.name]), c.width) for c in columns])
    return columns, Rows(codes, hits.to_numpy(), np.ones(n))


@pytest.mark.parametrize("direction", [0, 1])
def test_levels_and_grids_say_what_the_trees_say(direction: int) -> None:
    columns, rows = learnable()
    columns[2] = Steps.empty(
        "c", pd.Series(np.random.default_rng(0).normal(size=99)), direction, 32
    )
    every, booster = np.arange(len(rows.hits)), Booster(columns, OPTIONS, 1, 0, max_iter=80)
    trees, scale = booster._bag(rows, every, every, [(0, 1), (1, 3)])
    levels, grids = boosting._read(trees, 40, scale)
    assert set(grids) == {(0, 1), (1, 3)}
    trees._predictors = trees._predictors[:40]
    expected = trees.decision_function(boosting._scaled(rows.codes, scale))
    found = boosting._rated(trees, levels, grids, rows.codes)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


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
