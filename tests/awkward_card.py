"""A scorecard made by hand for the exports: awkward names, directions, two-way tables; rows."""

from math import inf, nan, nextafter

import numpy as np

from model.portrait import Value
from model.table import (
    FORMAT,
    Axis,
    Column,
    GradeBand,
    Scale,
    ScorecardFile,
    TwoWay,
)


def column(name: str, kind: str, contributions: list[float], **given: object) -> Column:
    """A column of a lender's own table with plain labels."""
    facts = {
        "source": "table", "unit": "", "dimension": "table", "group": name, "label_zh": name,
        "label_en": name, "direction": 0, "missing": 0.07, "unknown": 0.0, "reference": 0.03,
    }  # fmt: skip
    return Column(name=name, kind=kind, contributions=contributions, **(facts | given))  # type: ignore[arg-type]


SECTORS = ["零售", 'o\'brien & "sons"', "a,b;c", "=1+1", "<b>bold</b>", "-- x", "other*", "OTHER*"]

CARD = ScorecardFile(
    format=FORMAT,
    name="手工 <card> \"one\" -- o'clock\nSELECT",
    intercept=-2.3,
    columns=[
        column(
            "sector", "nominal", [0.1, -0.2, 0.3, -0.4, 0.5, 0.05, -0.6, 0.7], categories=SECTORS,
            unknown=0.11, label_zh="行业", label_en="Sector <i>",
        ),
        column(
            "income 'yuan', \"a year\"", "number", [0.9, 0.25, -0.125, -1.1], direction=-1,
            cuts=[1e4, 123456.78, 3.3e7], unit="yuan", label_zh="年收入", label_en="Income",
        ),
        column("debt", "number", [-0.5, 0.0, 0.5], direction=1, cuts=[0.1, 0.30000000000000004]),
        column("wobble", "number", [0.4, -0.3, 0.2, -0.1], cuts=[-1.5, 0.0, 2.25]),
        column("no cuts", "number", [0.2], missing=-0.4, reference=0.1),
        column("已婚", "number", [0.1, -0.1], cuts=[0.5], unit="yes/no", label_en="Married"),
        column(
            "rating", "ordered", [-0.3, 0.0, 0.6], direction=1, categories=["A", "乙", "=C"],
            missing=0.2, unknown=0.1,
        ),
        column("silent", "number", [0.0], missing=0.0, reference=0.0),
    ],
    two_way=[
        TwoWay(
            first=Axis(feature="debt", cuts=[0.2, 0.30000000000000004]),
            second=Axis(feature="income 'yuan', \"a year\"", cuts=[5e4, 123456.78, 1e6]),
            contributions=[
                [0.05, 0.04, 0.03, 0.02, 0.01],
                [0.15, 0.1, 0.05, 0.04, 0.02],
                [0.3, 0.2, 0.1, 0.05, 0.03],
                [-0.1, -0.11, -0.12, -0.13, 0.5],
            ],
            reference=0.02,
        ),
        TwoWay(
            first=Axis(feature="wobble", cuts=[0.0]),
            second=Axis(feature="sector", groups=[["零售", "=1+1"], ["o'brien & \"sons\""]]),
            contributions=[[0.2, -0.2, 0.1], [-0.15, 0.25, 0.0], [0.33, 0.01, -0.07]],
            reference=-0.01,
        ),
        TwoWay(
            first=Axis(feature="rating", groups=[["A"], ["=C"]]),
            second=Axis(feature="no cuts"),
            contributions=[[0.1, 0.0], [0.2, 0.3], [-0.1, -0.2]],
            reference=0.0,
        ),
    ],
    scale=Scale(base_score=600.0, base_odds=20.0, doubling_points=40.0),
    grades=[
        GradeBand(grade="甲'A", pd_12m_below=0.02),
        GradeBand(grade="=B", pd_12m_below=0.123456789),
        GradeBand(grade="<C>", pd_12m_below=1.0),
    ],
)  # fmt: skip


def rows(
    card: ScorecardFile, count: int, seed: int = 7, infinite: float = inf
) -> list[list[Value]]:
    """Random rows in the order of the card's columns, as Scorer takes them.

    Numbers are spread over the cuts, stand on them, just beside them, far beyond, or are missing;
    categories are known, unknown or missing. A yes/no is 0, 1 or missing.
    """
    random = np.random.default_rng(seed)
    made = [_values(one, count, random, infinite) for one in card.columns]
    return [list(row) for row in zip(*made, strict=True)]


def _values(one: Column, count: int, random: np.random.Generator, infinite: float) -> list[Value]:
    which = random.integers(0, 8, count)
    if one.kind != "number":
        near = [*one.categories, *(f"{text} " for text in one.categories), "nobody", None]
        return [near[i] for i in random.integers(0, len(near), count)]
    if one.unit == "yes/no":
        return [(0.0, 1.0, nan)[i % 3] for i in which]
    on = sorted({*one.cuts, 0.0})
    beside = [nextafter(cut, way) for cut in on for way in (-inf, inf)]
    spread = max(abs(on[0]), abs(on[-1]), 1.0) * 1.5
    around = random.uniform(-spread, spread, count)
    between = random.choice(np.array(on), count) * random.uniform(0.5, 1.5, count)
    choices: list[Value] = []
    for i, kind in enumerate(which):
        known = (on[i % len(on)], beside[i % len(beside)], float(around[i]), float(between[i]))
        choices.append((*known, nan, infinite, -infinite, 0.0)[kind])
    return choices
