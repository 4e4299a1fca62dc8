"""What is read out of trees is what the trees say, to the last digit."""

import numpy as np
import pandas as pd
import pytest

from model import boosting
from model.boosting import Booster
from model.leaves import read
from model.steps import Steps
from tests.test_boosting import OPTIONS, learnable


@pytest.mark.parametrize("direction", [0, 1])
def test_levels_and_grids_say_what_the_trees_say(direction: int) -> None:
    columns, rows = learnable()
    columns[2] = Steps.empty(
        "c", pd.Series(np.random.default_rng(0).normal(size=99)), direction, 32
    )
    every, booster = np.arange(len(rows.hits)), Booster(columns, OPTIONS, 1, 0, max_iter=80)
    quarters = np.random.default_rng(1).integers(0, 4, (columns[0].width + 1, columns[1].width + 1))
    pairs = {(0, 1): quarters, (1, 3): None}
    trees, scale = booster._bag(rows, every, every, pairs)
    levels, grids = read(trees, 40, scale, pairs)
    assert set(grids) == {(0, 1), (1, 3)}
    trees._predictors = trees._predictors[:40]
    expected = trees.decision_function(boosting._scaled(rows.codes, scale, pairs))
    found = boosting._rated(trees, levels, grids, rows.codes)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
