from datetime import date
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.features import INDEX
from model.reasons import Reason, Teller, said
from model.table import Column

AS_OF = {"tax": date(2020, 1, 31)}


def column(name: str, group: str) -> Column:
    return Column(
        name=name, source="tax", unit="yuan", dimension="capacity", group=group, label_zh="税",
        label_en=name, direction=-1, kind="number", contributions=[0.0], missing=0.0,
        unknown=0.0, reference=0.0,
    )  # fmt: skip


GROUPS = {"a": "g1", "b": "g1", "c": "g2", "d": "g3", "e": "g4", "f": "g5"}
COLUMNS = [column(name, group) for name, group in GROUPS.items()]
TELLER = Teller(COLUMNS, list(range(6)), [20.0] * 6)
VALUES = [1.0, 2.0, nan, 4.0, 5.0, 6.0]


def told(points: list[float]) -> list[Reason]:
    return TELLER.lowering(VALUES, points, AS_OF)


def test_the_strongest_reason_comes_first_and_a_group_speaks_once() -> None:
    reasons = told([-10.0, -20.0, -5.0, 0.0, 7.0, -1.0])
    assert [reason.feature for reason in reasons] == ["b", "c", "f"]


def test_there_are_at_most_four() -> None:
    assert len(told([-1.0, -2.0, -3.0, -4.0, -5.0, -6.0])) == 4


def test_a_missing_value_is_said_to_be_missing() -> None:
    reason = told([0.0, 0.0, -5.0, 0.0, 0.0, 0.0])[0]
    assert reason.value is None
    assert "not available" in reason.text_en
    assert "无数据" in reason.text_zh
    assert reason.source_as_of == date(2020, 1, 31)


def test_the_strongest_either_way_are_told_for_an_approval() -> None:
    reasons = TELLER.strongest(VALUES, [1.0, 2.0, -9.0, 4.0, 0.5, 0.1], AS_OF)
    assert [reason.feature for reason in reasons] == ["c", "d", "b", "e"]


MOVES = [8.0, 1.0, 5.0, 9.0, 2.0, 3.0]
MOVING = Teller(COLUMNS, list(range(6)), MOVES)


@settings(max_examples=300, deadline=None)
@given(st.tuples(*(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]) for _ in MOVES)),
       st.integers(1, 6))  # fmt: skip
def test_the_strongest_are_the_same_whichever_columns_are_looked_at_first(
    shares: tuple[float, ...], most: int
) -> None:
    points = [share * move for share, move in zip(shares, MOVES, strict=True)]
    assert MOVING.strongest(VALUES, points, AS_OF, most) == TELLER.strongest(
        VALUES, points, AS_OF, most
    )
    sizes = [abs(reason.points or 0.0) for reason in MOVING.strongest(VALUES, points, AS_OF, most)]
    best = dict.fromkeys(GROUPS.values(), 0.0)
    for group, point in zip(GROUPS.values(), points, strict=True):
        best[group] = max(best[group], abs(point))
    assert sizes == sorted(best.values(), reverse=True)[:most]


@pytest.mark.parametrize(("points", "effect"), [
    (-69.4, "-69"), (12.5, "+12"), (13.5, "+14"), (-0.2, "-0"), (0.2, "+0"), (-1234.0, "-1234"),
])  # fmt: skip
def test_points_are_said_whole_with_their_sign(points: float, effect: str) -> None:
    reason = TELLER.strongest(VALUES, [points, 0.0, 0.0, 0.0, 0.0, 0.0], AS_OF, 6)
    said = next(one for one in reason if one.points == points)
    assert (said.text_en, said.text_zh) == (
        f"a: 1 yuan ({effect} points)",
        f"税：1元（{effect}分）",
    )


@pytest.mark.parametrize(
    ("value", "unit", "zh", "en"),
    [
        (999.0, "yuan", "999元", "999 yuan"),
        (12_345_678.0, "yuan", "1,234.6万元", "12.35 million yuan"),
        (0.5, "ratio", "50.0 %", "50.0 %"),
        (0.0, "yes/no", "否", "no"),
        (18.4, "months", "18个月", "18 months"),
        (3.0, "count", "3", "3"),
        (-999.996, "count", "-1,000.00", "-1,000.00"),
        (998.996, "count", "999.00", "999.00"),
        (-0.05, "count", "-0.05", "-0.05"),
        ("B", "category", "B", "B"),
    ],
)
def test_values_are_said_with_their_unit(value: float | str, unit: str, zh: str, en: str) -> None:
    assert said(value, unit, "zh") == zh
    assert said(value, unit, "en") == en


def test_the_catalogue_has_no_feature_called_pd() -> None:
    assert not {"pd", "risk", "target"} & set(INDEX)
