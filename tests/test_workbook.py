"""The workbook gives what the scorer gives: by its tables, and by its formulas.

The formulas are worked out by the package formulas, which reads numbers to 15 decimals; so values
are given to it as people type them, to nine.
"""

import re
from collections.abc import Callable, Sequence
from io import BytesIO
from math import exp, nan
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import numpy as np
import openpyxl
import pytest

from model import artifact as artifacts
from model.points import points
from model.portrait import Value
from model.scorer import Scorer
from model.table import Axis, ScorecardError, ScorecardFile, TwoWay
from model.workbook import FACTS, GRADES, SCORE, STEPS, TWO_WAY, workbook
from tests.awkward_card import CARD, SECTORS, column, rows

FURTHEST = 1e300
"""Stands for infinity, which no cell can hold."""
FIRST = 7
quiet = pytest.mark.filterwarnings("ignore")
"""The package formulas warns of its own source and of numbers that overflow."""


@pytest.fixture(params=["by hand", "demo"])
def card(request: pytest.FixtureRequest, artifact: Path) -> ScorecardFile:
    return CARD if request.param == "by hand" else artifacts.load(artifact)[0]


def opened(card: ScorecardFile) -> Any:
    return openpyxl.load_workbook(BytesIO(workbook(points(card, "0123456789abcdef"))))


def missing(value: Value) -> bool:
    return value is None or value != value


class Reader:
    """Scores a loan by what stands in the sheets and by nothing else."""

    def __init__(self, book: Any) -> None:
        self.facts = {en: value for _, en, value in list(book[FACTS].values)[1:]}
        self.grades = list(book[GRADES].values)[1:]
        self.steps: dict[str, list[Any]] = {}
        for name, _, _, words, *step in list(book[STEPS].values)[1:]:
            self.steps.setdefault(name, []).append((words, *step))
        self.texts = {n for n, steps in self.steps.items() if steps[-2][0] == "其他 any other"}
        self.pairs = []
        lines = list(book[TWO_WAY].values) if TWO_WAY in book.sheetnames else []
        for at, line in enumerate(lines):
            if line[0] == "行 rows":
                end = next((i for i in range(at, len(lines)) if not any(lines[i])), len(lines))
                block = lines[at + 5 : end]
                across = list(zip(*lines[at + 2 : at + 5], strict=True))[3:]
                names = (line[1], lines[at + 1][1])
                cells = [one[3:] for one in block]
                self.pairs.append((names, [one[:3] for one in block], across, cells))

    def points(self, row: dict[str, Value]) -> dict[str, float]:
        """Points by feature, a two-way table's shared equally."""
        added = {}
        for name, steps in self.steps.items():
            at = -1 if missing(row[name]) else self.place(name, row[name], steps, 1)
            added[name] = steps[at][-1]
        for names, down, across, cells in self.pairs:
            filled = [one for one in across if any(part is not None for part in one)]
            i = self.place(names[0], row[names[0]], down, 0)
            k = self.place(names[1], row[names[1]], filled, 0)
            for name in names:
                added[name] += cells[i][k] / 2
        return added

    def place(self, name: str, value: Any, bands: Sequence[Any], first: int) -> int:
        """Which band holds a value; in a two-way table, the last is for all the others."""
        last = len(bands) - 1
        if name in self.texts:
            listed = [one[first + 2] for one in bands[: last - first]]
            return listed.index(value) if value in listed else last - first
        if missing(value):
            return last
        for i, one in enumerate(bands[:last]):
            low, high = one[first : first + 2]
            if (low is None or value > low) and (high is None or value <= high):
                return i
        raise AssertionError(f"{value} is on no step of {name}")

    def rate(self, row: dict[str, Value]) -> tuple[float, float, str]:
        """score_exact, pd_12m and grade."""
        exact = self.facts["score of the reference loan"] + sum(self.points(row).values())
        logit = (self.facts["score at even odds"] - exact) / self.facts["points per logit"]
        pd_12m = 1 / (1 + exp(-logit))
        return exact, pd_12m, next(g for g, low, high, _ in self.grades if low <= pd_12m < high)


def test_ten_thousand_rows_are_scored_alike_by_the_tables(card: ScorecardFile) -> None:
    reader = Reader(opened(card))
    names = [one.name for one in card.columns]
    scorer = Scorer(card, {name: i for i, name in enumerate(names)})
    taken = rows(card, 10_000, infinite=FURTHEST)
    named = [dict(zip(names, row, strict=True)) for row in taken]
    expected = [scorer.rate(row) for row in taken]
    got = [reader.rate(row) for row in named]
    assert [round(one[0]) for one in got] == [one[0] for one in expected]
    assert [one[2] for one in got] == [one[2] for one in expected]
    pd_12m = [one[1] for one in expected]
    np.testing.assert_allclose([one[1] for one in got], pd_12m, rtol=0, atol=1e-9)
    added = [reader.points(row) for row in named[:1_000]]
    told = [scorer.assess(row).contributions for row in taken[:1_000]]
    np.testing.assert_allclose(
        [[one[n] for n in names] for one in added],
        [[one[n] for n in names] for one in told],
        0,
        1e-9,
    )


def calculator(card: ScorecardFile, folder: Path) -> Callable[[Sequence[Value]], list[Any]]:
    """What score, pd_12m, grade and score_exact show for a row of typed values."""
    import formulas
    import schedula
    from formulas.ranges import Ranges

    to = folder / "card.xlsx"
    to.write_bytes(workbook(points(card, "v")))
    at = f"'[card.xlsx]{SCORE.upper()}'!"
    model = formulas.ExcelModel().loads(str(to)).finish()
    answers = [f"{at}{cell}" for cell in ("A4", "B4", "C4", "F4")]

    def shown(row: Sequence[Value]) -> list[Any]:
        typed = {}
        for i, value in enumerate(row, FIRST):
            held = schedula.EMPTY if missing(value) else value
            cell = np.array([[held]], dtype=object)
            typed[f"{at}E{i}"] = Ranges().push(f"{at}E{i}", cell)
        found = model.calculate(inputs=typed, outputs=answers)
        return [found[one].value[0, 0] for one in answers]

    return shown


def as_typed(card: ScorecardFile, row: Sequence[Value]) -> list[Value]:
    """Values as typed; a spreadsheet's 15 digits cannot part a value from a cut 1e-16 beside it."""
    typed = [round(one, 9) if isinstance(one, float) and abs(one) < 1e6 else one for one in row]
    for i, (value, one) in enumerate(zip(typed, card.columns, strict=True)):
        if isinstance(value, float) and any(0 < abs(value - cut) < 1e-12 for cut in one.cuts):
            typed[i] = value + 1e-6
    return typed


def compare(card: ScorecardFile, taken: Sequence[Sequence[Value]], folder: Path) -> None:
    shown = calculator(card, folder)
    scorer = Scorer(card, {one.name: i for i, one in enumerate(card.columns)})
    for row in (as_typed(card, one) for one in taken):
        score, pd_12m, grade, exact = shown(row)
        expected = scorer.rate(row)
        assert (score, grade) == (expected[0], expected[2]), row
        assert pd_12m == pytest.approx(expected[1], abs=1e-9), row
        assert exact == pytest.approx(scorer.reference_score + sum(scorer.points(row)), abs=1e-9)


@quiet
def test_the_formulas_score_alike(card: ScorecardFile, tmp_path: Path) -> None:
    compare(card, rows(card, 60 if card is CARD else 10, infinite=FURTHEST), tmp_path)


@quiet
def test_every_cut_and_every_category_of_the_formulas(tmp_path: Path) -> None:
    """One feature at a time; the others are missing."""
    taken: list[list[Value]] = []
    for i, one in enumerate(CARD.columns):
        beside = [cut + way for cut in one.cuts for way in (-1e-6, 0.0, 1e-6)]
        near = [*one.categories, *(f"{text} " for text in one.categories), "other?", "*", "零"]
        for value in beside if one.kind == "number" else near:
            row: list[Value] = [nan if c.kind == "number" else None for c in CARD.columns]
            row[i] = value
            taken.append(row)
    compare(CARD, taken, tmp_path)


def one_number(contributions: list[float], **given: Any) -> ScorecardFile:
    plain = {"cuts": [1.0], "missing": 0.0, "reference": 0.0} | given
    only = column("x", "number", contributions, **plain)
    scale = msgspec.structs.replace(CARD.scale, base_odds=1.0)
    return msgspec.structs.replace(CARD, columns=[only], two_way=[], intercept=0.0, scale=scale)


@quiet
def test_certain_losses_halves_and_a_bound_of_the_grades(tmp_path: Path) -> None:
    """The formulas' ROUND is half away from zero; EXP of much is an error in a spreadsheet."""
    per_point = 1 / points(CARD, "v").points_per_logit
    halves = [-0.5 * per_point, -1.5 * per_point]
    grades = [msgspec.structs.replace(CARD.grades[0], pd_12m_below=0.5), CARD.grades[-1]]
    for contributions in ([-1e4, 1e4], halves, [-one for one in halves], [0.0, 0.1]):
        card = msgspec.structs.replace(one_number(contributions), grades=grades)
        compare(card, [[0.0], [2.0], [nan]], tmp_path)


@quiet
def test_one_grade_no_categories_and_texts_with_spaces(tmp_path: Path) -> None:
    columns = [
        column("none", "nominal", []),
        column("texts", "nominal", [0.3, 0.1, 0.2], categories=[" a ", "a", "1"]),
        column("number", "number", [0.5]),
    ]
    pair = TwoWay(
        first=Axis(feature="texts", groups=[["1"], [" a ", "a"]]),
        second=Axis(feature="number", cuts=[0.5]),
        contributions=[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]],
        reference=0.0,
    )
    grades = [msgspec.structs.replace(CARD.grades[-1], grade="唯一")]
    card = msgspec.structs.replace(CARD, columns=columns, two_way=[pair], grades=grades)
    taken: list[list[Value]] = [
        [None, " a ", 0.5], ["x", "a", 0.6], ["y", "1", nan], [None, "A", 0.0], [None, None, nan],
    ]  # fmt: skip
    compare(card, taken, tmp_path)


@quiet
def test_a_text_where_a_number_belongs_is_no_score(tmp_path: Path) -> None:
    shown = calculator(one_number([0.1, 0.2]), tmp_path)
    assert [str(one) for one in shown(["12 months"])] == ["#N/A"] * 4


def test_texts_are_texts_and_numbers_keep_every_digit() -> None:
    book = opened(CARD)
    steps = list(book[STEPS].iter_rows(min_row=2))
    assert [row[6].value for row in steps[: len(SECTORS)]] == SECTORS
    assert {cell.data_type for row in steps for cell in row[:4]} == {"s"}
    lower = [row[4].value for row in steps if row[0].value == "debt"]
    assert lower == [None, 0.1, 0.30000000000000004, None]
    formulas = [cell.value for row in book[SCORE].iter_rows() for cell in row
                if cell.data_type == "f"]  # fmt: skip
    assert len(formulas) == 4 + len(CARD.columns) + len(CARD.two_way)
    used = {word for one in formulas for word in re.findall(r"([A-Z]+)\(", one)}
    assert sorted(used) == [
        "ABS", "COLUMN", "EXACT", "EXP", "IF", "INDEX", "INT", "ISNUMBER", "MIN", "NA", "ROUND",
        "ROW", "SUM", "SUMPRODUCT",
    ]  # fmt: skip


def test_the_same_scorecard_is_the_same_file(card: ScorecardFile) -> None:
    made = workbook(points(card, "v"))
    assert made == workbook(points(card, "v"))
    with ZipFile(BytesIO(made)) as stored:
        assert {one.date_time for one in stored.infolist()} == {(2000, 1, 1, 0, 0, 0)}
        dates = re.findall(r"\d{4}-\d\d-\d\d", stored.read("docProps/core.xml").decode())
    assert set(dates) == {"2000-01-01"}


def test_it_is_laid_out_to_be_read(card: ScorecardFile) -> None:
    book = opened(card)
    assert book.sheetnames == [SCORE, STEPS, *[TWO_WAY][: len(card.two_way)], GRADES, FACTS]
    assert book[SCORE].freeze_panes == f"A{FIRST}"
    assert len(book[SCORE].data_validations.dataValidation) >= len(
        [one for one in card.columns if one.kind == "number" or one.categories]
    )
    assert book[FACTS]["C3"].value == "0123456789abcdef"


@pytest.mark.parametrize("text", ["a\0b", "a\rb", "a_x0041_b", "x" * 40_000])
def test_a_text_no_cell_can_hold_is_refused(text: str) -> None:
    bad = column("a", "nominal", [0.0], categories=[text])
    card = msgspec.structs.replace(CARD, columns=[bad], two_way=[])
    with pytest.raises(ScorecardError, match=r"got the text .* expected one that a cell can hold"):
        workbook(points(card, "v"))
