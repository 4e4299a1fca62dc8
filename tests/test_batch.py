"""Row = batch = estimator: one hundred thousand loans, each scored three ways."""

from math import log
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from model.batch import ROWS, Batch
from model.features import Feature
from model.portrait import Value
from model.scorecard import MonotoneScorecard
from model.scorer import Scorer
from model.table import ScorecardFile
from model.training import tabulate
from tests.awkward_card import CARD, rows


def scorer_of(card: ScorecardFile) -> Scorer:
    return Scorer(card, {column.name: at for at, column in enumerate(card.columns)})


def by_column(card: ScorecardFile, taken: list[list[Value]]) -> dict[str, Any]:
    columns = zip(*taken, strict=True)
    return {one.name: values for one, values in zip(card.columns, columns, strict=True)}


@pytest.fixture(scope="module")
def learned() -> tuple[MonotoneScorecard, ScorecardFile]:
    """Learned from loans with gaps, three trades, and a risk that two features make together."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(rng.normal(size=(4_000, 3)), columns=["growth", "debt", "margin"])
    frame["trade"] = pd.Categorical(rng.choice(["retail", "metal", "farm"], 4_000))
    risk = 1.5 * np.sign(frame.growth * frame.margin) + frame.debt + (frame.trade == "farm")
    hits = (rng.random(4_000) < 1 / (1 + np.exp(1.0 - risk))).astype(int)
    frame.loc[rng.random(4_000) < 0.1, "growth"] = np.nan
    estimator = MonotoneScorecard(directions={"debt": 1}, n_folds=3, max_iter=150)
    estimator.fit(frame, hits)
    described = {
        name: Feature(
            name=name, source="table", unit="", direction=0, dimension="table", group=name,
            label_zh=name, label_en=name, kind="nominal" if name == "trade" else "number",
        )
        for name in frame
    }  # fmt: skip
    return estimator, tabulate(estimator, frame, described)


def test_a_hundred_thousand_rows_three_ways(
    learned: tuple[MonotoneScorecard, ScorecardFile],
) -> None:
    estimator, card = learned
    assert card.two_way
    scorer = scorer_of(card)
    taken = rows(card, 100_000)
    row = np.array([scorer.logit(one) for one in taken])
    found = Batch(scorer).rate(by_column(card, taken))
    names = [column.name for column in card.columns]
    frame = pd.DataFrame(taken, columns=names).astype({"trade": "category"})
    fitted = estimator.decision_function(frame)
    batch = (scorer.points_at_even - found.score_exact) / scorer.points_per_logit
    np.testing.assert_allclose(row, fitted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(batch, row, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.pd_12m, estimator.predict_proba(frame)[:, 1], atol=1e-12)


def test_scores_and_grades_are_those_of_the_row_path() -> None:
    scorer, taken = scorer_of(CARD), rows(CARD, ROWS + 1_000)  # more than one chunk
    found = Batch(scorer).rate(by_column(CARD, taken))
    expected = [scorer.rate(row) for row in taken]
    assert found.score.tolist() == [one[0] for one in expected]
    assert found.grade.tolist() == [one[2] for one in expected]
    np.testing.assert_allclose(found.pd_12m, [one[1] for one in expected], rtol=0, atol=1e-12)


def test_more_steps_than_a_byte_can_count() -> None:
    cuts = [float(i) for i in range(300)]
    steps = [i * log(2) / 40 for i in range(301)]
    many = msgspec.structs.replace(CARD.columns[3], cuts=cuts, contributions=steps)
    card = msgspec.structs.replace(CARD, columns=[many], two_way=[])
    values = [-1.0, 255.5, 256.5, 299.5, float("nan")]
    found = Batch(scorer_of(card)).rate({many.name: values})
    expected = [scorer_of(card).logit([value]) for value in values]
    scorer = scorer_of(card)
    assert (scorer.points_at_even - found.score_exact) / scorer.points_per_logit == pytest.approx(
        expected, abs=1e-12
    )


def test_no_rows_are_no_error() -> None:
    nothing = {column.name: [] for column in CARD.columns}
    assert Batch(scorer_of(CARD)).rate(nothing).score.tolist() == []
