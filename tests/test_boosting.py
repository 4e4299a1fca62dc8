"""What was boosted is what the tables say; pairs that belong together are found."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

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


def test_bags_rate_rows_they_did_not_see() -> None:
    columns, rows = learnable(together=False)
    noise = Rows(rows.codes, np.random.default_rng(8).permutation(rows.hits), rows.weights)
    found = Booster(columns, OPTIONS, bags=5, seed=0, max_iter=200).boost(noise)
    assert abs(np.corrcoef(found.held_out, noise.hits)[0, 1]) < 0.05


def test_the_pair_that_belongs_together_is_ranked_first() -> None:
    columns, rows = learnable()
    booster = Booster(columns, OPTIONS, bags=4, seed=0, max_iter=100)
    ranked = booster.ranked_pairs(rows, booster.boost(rows).held_out, 6)
    assert next(iter(ranked)) == (0, 1)
    assert set(ranked) <= set(product(range(4), repeat=2))
    assert booster.ranked_pairs(rows, rows.hits * 0.0, 0) == {}


def test_pairs_are_tried_by_bags_that_chose_them_without_the_rows_they_rate() -> None:
    columns, rows = learnable(8_000)
    booster = Booster(columns, OPTIONS, bags=4, seed=0, max_iter=100)
    alone = booster.boost(rows).held_out
    tried = booster.tried(rows, alone, 3, whole=True)
    known = ~np.isnan(tried)
    assert known.all()

    def loss(rated: Any) -> float:
        return float(np.mean(np.logaddexp(0, rated) - rows.hits[known] * rated))

    assert loss(tried[known]) < loss(alone[known]) - 0.05


def test_a_pair_that_says_nothing_but_together_is_learned_by_its_quarters() -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(rng.normal(size=(6_000, 12)), columns=list("abcdefghijkl"))
    hits = rng.random(6_000) < np.where(frame.a * frame.b > 0, 0.35, 0.05)
    columns = [Steps.empty(name, frame[name], 0, 32) for name in frame]
    codes = np.stack([placed(encode(c, frame[c.name]), c.width) for c in columns])
    rows = Rows(codes, hits.astype(float), np.ones(6_000))
    booster = Booster(columns, OPTIONS, bags=2, seed=0, max_iter=20)
    found = booster.boost(rows, booster.ranked_pairs(rows, np.full(6_000, np.log(0.25)), 5))
    without = booster.boost(rows, dict.fromkeys(found.grids))
    gained, lost = (roc_auc_score(hits, one.held_out) for one in (found, without))
    assert gained > 0.7
    assert gained > lost + 0.02
