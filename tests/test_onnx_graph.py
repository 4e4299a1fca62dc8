"""The ONNX graph gives what the scorer gives, in onnxruntime."""

from collections.abc import Sequence
from math import inf, log, nan
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from model import artifact as artifacts
from model.onnx_graph import graph
from model.points import points
from model.portrait import Value
from model.scorer import Scorer
from model.table import Axis, ScorecardError, ScorecardFile, TwoWay
from tests.awkward_card import CARD, column, rows


@pytest.fixture(params=["by hand", "demo"])
def card(request: pytest.FixtureRequest, artifact: Path) -> ScorecardFile:
    return CARD if request.param == "by hand" else artifacts.load(artifact)[0]


def answered(card: ScorecardFile, taken: Sequence[Sequence[Value]]) -> dict[str, Any]:
    """Outputs by name; a missing category goes in as an empty text."""
    session = onnxruntime.InferenceSession(graph(points(card, "v")))
    given = {
        one.name: np.array([[row[i]] for row in taken], dtype=np.float64).reshape(-1, 1)
        if one.kind == "number"
        else np.array([[row[i] or ""] for row in taken], dtype=object).reshape(-1, 1)
        for i, one in enumerate(card.columns)
    }
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def compare(card: ScorecardFile, taken: Sequence[Sequence[Value]]) -> None:
    got = answered(card, taken)
    scorer = Scorer(card, {one.name: i for i, one in enumerate(card.columns)})
    expected = [scorer.assess(row) for row in taken]
    names = [one.name for one in card.columns]
    added = np.array([[one.contributions[name] for name in names] for one in expected])
    exact = [scorer.reference_score + sum(scorer.points(row)) for row in taken]
    assert list(got) == ["pd_12m", "score_exact", "score", "grade", "points"]
    np.testing.assert_allclose(got["points"], added, rtol=0, atol=1e-9, strict=True)
    np.testing.assert_allclose(got["score_exact"], exact, rtol=0, atol=1e-9)
    pd_12m = [one.pd_12m for one in expected]
    np.testing.assert_allclose(got["pd_12m"], pd_12m, rtol=0, atol=1e-9)
    assert got["score"].tolist() == [one.score for one in expected]
    assert got["grade"].tolist() == [one.grade for one in expected]


def test_ten_thousand_rows_are_scored_and_explained_alike(card: ScorecardFile) -> None:
    compare(card, rows(card, 10_000))


def test_no_rows_and_one_row_are_scored() -> None:
    assert answered(CARD, [])["points"].shape == (0, len(CARD.columns))
    compare(CARD, rows(CARD, 1))


def one_number(contributions: list[float], **given: Any) -> ScorecardFile:
    plain = {"cuts": [1.0], "missing": 0.0, "reference": 0.0} | given
    only = column("x", "number", contributions, **plain)
    scale = msgspec.structs.replace(CARD.scale, base_odds=1.0)
    return msgspec.structs.replace(CARD, columns=[only], two_way=[], intercept=0.0, scale=scale)


def test_certain_losses_are_no_overflow_and_halves_go_to_even() -> None:
    for contributions in ([-1e4, 1e4], [log(2) / 80, -log(2) / 80 * 3], [-3e-4, 4e-4]):
        compare(one_number(contributions), [[0.0], [2.0], [nan], [inf], [-inf]])


def test_a_probability_on_a_bound_is_in_the_riskier_grade() -> None:
    card = one_number([0.0, 0.1])
    grades = [msgspec.structs.replace(CARD.grades[0], pd_12m_below=0.5), CARD.grades[-1]]
    card = msgspec.structs.replace(card, grades=grades)
    got = answered(card, [[0.0], [nan]])
    assert got["pd_12m"].tolist() == [0.5, 0.5]
    assert got["grade"].tolist() == ["<C>", "<C>"]


def test_one_grade_and_names_like_those_inside_the_graph() -> None:
    columns = [column(name, "number", [0.2, -0.1], cuts=[0.0]) for name in ("_0", "__1", "N")]
    columns.append(column("sector", "nominal", []))
    columns.append(column("Sector", "nominal", [0.3, 0.1], categories=["z", "a"]))
    pair = TwoWay(
        first=Axis(feature="Sector", groups=[["a"]]),
        second=Axis(feature="__1", cuts=[0.5]),
        contributions=[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
        reference=0.0,
    )
    grades = [msgspec.structs.replace(CARD.grades[-1], grade="唯一")]
    card = msgspec.structs.replace(CARD, columns=columns, two_way=[pair], grades=grades)
    taken: list[list[Value]] = [
        [x, y, z, sector, other]
        for x, y, z in ((0.0, 0.5, nan), (1e-9, 0.6, -0.0), (nan, nan, inf))
        for sector, other in ((None, "a"), ("a", None), ("b", "b"))
    ]
    compare(card, taken)


def test_the_file_is_valid_says_what_it_is_and_is_always_the_same(card: ScorecardFile) -> None:
    made = graph(points(card, "0123456789abcdef"))
    assert made == graph(points(card, "0123456789abcdef"))
    model = onnx.load_from_string(made)
    onnx.checker.check_model(model, full_check=True)
    facts = {one.key: one.value for one in model.metadata_props}
    scorer = Scorer(card, {one.name: i for i, one in enumerate(card.columns)})
    assert facts["name"] == card.name
    assert facts["version"] == "0123456789abcdef"
    assert float(facts["reference_score"]) == pytest.approx(scorer.reference_score, abs=1e-9)
    assert [one.name for one in model.graph.input] == [one.name for one in card.columns]


def test_two_thousand_features_are_not_too_many() -> None:
    many = [column(f"x{i}", "number", [0.01, -0.01], cuts=[0.5]) for i in range(1_900)]
    card = msgspec.structs.replace(CARD, columns=many, two_way=[])
    compare(card, [[1.0] * 1_900, [nan] * 1_900])


def test_features_a_graph_cannot_hold_are_refused() -> None:
    for name, said in (
        ("points", "got a feature 'points', expected no feature named like an answer"),
        ("PD_12m", "got a feature 'PD_12m', expected no feature named like an answer"),
        ("", "got the name '', expected one that ONNX can hold"),
    ):
        card = msgspec.structs.replace(CARD, columns=[column(name, "number", [0.0])], two_way=[])
        with pytest.raises(ScorecardError, match=said):
            graph(points(card, "v"))
