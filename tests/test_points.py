"""Points: the same numbers as the scorer's, row by row, from tables that can be carried away."""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model import artifact as artifacts
from model.points import OUTPUTS, Points, number_text, points, refuse_names, step_texts
from model.portrait import Value
from model.scorer import Scorer
from model.table import Axis, Column, ScorecardError, ScorecardFile
from tests.awkward_card import CARD, column, rows


@pytest.fixture(params=["by hand", "demo"])
def card(request: pytest.FixtureRequest, artifact: Path) -> ScorecardFile:
    return CARD if request.param == "by hand" else artifacts.load(artifact)[0]


def added(found: Points, row: Sequence[Value]) -> list[float]:
    """Points of each feature of a row, worked out from the tables alone."""
    at = {f.column.name: i for i, f in enumerate(found.features)}
    points = []
    for feature, value in zip(found.features, row, strict=True):
        one = feature.column
        if value is None or value != value:
            points.append(feature.missing)
        elif one.kind == "number":
            points.append(feature.steps[bisect_left(one.cuts, value)])  # type: ignore[type-var]
        elif value in one.categories:
            points.append(feature.steps[one.categories.index(value)])  # type: ignore[arg-type]
        else:
            points.append(feature.unknown)
    for pair in found.pairs:
        i, k = at[pair.table.first.feature], at[pair.table.second.feature]
        cell = pair.cells[band(pair.table.first, row[i])][band(pair.table.second, row[k])]
        points[i] += cell / 2
        points[k] += cell / 2
    return points


def band(axis: Axis, value: Value) -> int:
    if axis.groups:
        return next((i for i, group in enumerate(axis.groups) if value in group), -1)
    return bisect_left(axis.cuts, value) if value == value else -1  # type: ignore[type-var]


def test_ten_thousand_rows_have_the_scorers_points(card: ScorecardFile) -> None:
    found = points(card, "v")
    scorer = Scorer(card, {one.name: i for i, one in enumerate(card.columns)})
    assert found.reference_score == pytest.approx(scorer.reference_score, abs=1e-9)
    taken = rows(card, 10_000)
    names = [feature.column.name for feature in found.features]
    expected = [scorer.assess(row).contributions for row in taken]
    got = np.array([added(found, row) for row in taken])
    np.testing.assert_allclose(got, [[one[n] for n in names] for one in expected], 0, 1e-9)
    logit = (found.even_score - found.reference_score - got.sum(axis=1)) / found.points_per_logit
    np.testing.assert_allclose(logit, [scorer.logit(row) for row in taken], 0, 1e-9)


def test_the_score_at_a_probability_is_where_the_grade_changes() -> None:
    found = points(CARD, "v")
    at = found.score_at(0.02)
    scorer = Scorer(CARD, {one.name: i for i, one in enumerate(CARD.columns)})
    assert scorer.rated([at + 1e-6 - scorer.reference_score])[2] == "甲'A"
    assert scorer.rated([at - 1e-6 - scorer.reference_score])[2] == "=B"


def test_points_beyond_numbers_are_refused() -> None:
    huge = column("a", "number", [1e306, 1e306], cuts=[1.0])
    scale = msgspec.structs.replace(CARD.scale, doubling_points=1e6)
    card = msgspec.structs.replace(CARD, columns=[huge], two_way=[], scale=scale)
    with pytest.raises(ScorecardError, match="points beyond what a number can hold"):
        points(card, "v")


@pytest.mark.parametrize("name", ["score", "PD_12m", "Grade"])
def test_a_feature_named_like_an_answer_is_refused(name: str) -> None:
    card = msgspec.structs.replace(CARD, columns=[column(name, "number", [0.0])], two_way=[])
    with pytest.raises(ScorecardError, match=f"got a feature '{name}', expected no feature named"):
        refuse_names(points(card, "v"), OUTPUTS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (5.0, "5"), (-1.5, "−1.5"), (123456.78, "123,457"),
        (2032765.46, "2,032,765"), (0.30000000000000004, "0.3"), (1e-7, "1e−07"), (2e15, "2e+15"),
    ],
)  # fmt: skip
def test_numbers_are_short_to_read(value: float, text: str) -> None:
    assert number_text(value) == text


def test_steps_are_told_in_words() -> None:
    def words(one: Column) -> list[str]:
        return [en for _, en in step_texts(one)]

    close = column("a", "number", [0.0] * 3, cuts=[1.00000001, 1.00000002])
    assert words(close) == [
        "x ≤ 1.00000001", "1.00000001 < x ≤ 1.00000002", "x > 1.00000002", "missing",
    ]  # fmt: skip
    assert words(column("a", "number", [0.0])) == ["−∞ < x < ∞", "missing"]
    assert words(CARD.columns[5]) == ["no", "yes", "missing"]
    assert words(CARD.columns[6]) == ["A", "乙", "=C", "any other", "missing"]
