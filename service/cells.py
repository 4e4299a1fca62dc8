"""Cells: between two neighbouring constants of a condition nothing changes.

A condition over facts and constants is known everywhere once it is tested on one point of every
cell that its constants cut the facts into; what facts can be at all stands in ranges.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from math import inf, nan
from typing import Any

from msgspec import Struct

from service.expression import Condition
from service.policy import FACT_INDEX, FACT_TYPES
from service.ranges import RANGES

MOST_POINTS = 20_000
"""Conditions with more cells than this are not reasoned about."""


class Compared(Struct, frozen=True):
    """What a condition compares with what.

    `facts` are those compared with constants alone, empty when any is compared otherwise;
    `constants` are by fact, `pairs` the facts compared with each other, `needed` those whose
    absence leaves the condition unknown.
    """

    facts: tuple[str, ...]
    constants: Mapping[str, list[Any]]
    pairs: list[tuple[str, str]]
    needed: list[str]


def compared(condition: Condition) -> Compared:
    """Read what a compiled condition compares."""
    tree = ast.parse(condition.text, mode="eval").body
    constants, plain = _constants(tree)
    return Compared(condition.names if plain else (), constants, list(_pairs(tree)), _needed(tree))


def points(conditions: Sequence[Compared]) -> list[list[Any]]:
    """One point of facts in every cell the conditions make together; empty when too many.

    Facts that are not compared are missing. Empty, too, when facts are compared with each other.
    """
    if not all(one.facts for one in conditions):
        return []
    facts = list(dict.fromkeys(fact for one in conditions for fact in one.facts))
    axes = [
        _axis(fact, [c for one in conditions for c in one.constants.get(fact, [])])
        for fact in facts
    ]
    size = 1
    for axis in axes:
        size *= len(axis)
    if size > MOST_POINTS:
        return []
    blank: list[Any] = [None if kind == "category" else nan for kind in FACT_TYPES.values()]
    found = []
    for values in product(*axes):
        point = blank.copy()
        for fact, value in zip(facts, values, strict=True):
            point[FACT_INDEX[fact]] = value
        found.append(point)
    return found


def _axis(fact: str, constants: Sequence[Any]) -> list[Any]:
    """A value in every cell of one fact, missing last where it can be."""
    allowed = RANGES[fact]
    if allowed.number:
        numbers = [float(c) for c in constants if isinstance(c, int | float)]
        return [*allowed.points(numbers), *[nan] * allowed.may_be_missing]
    words = list(allowed.words) or [*dict.fromkeys(constants), "another"]
    return [*words, *[None] * allowed.may_be_missing]


def _needed(tree: ast.expr) -> list[str]:
    """Facts whose absence makes the whole condition unknown: all but those of missing()."""
    inside = {id(arg) for node in ast.walk(tree) for arg in _asked(node)}
    return [
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and id(node) not in inside and node.id in FACT_INDEX
    ]


def _asked(node: ast.AST) -> list[ast.expr]:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return node.args if named and node.func.id == "missing" else []  # type: ignore[attr-defined]


def _sides(node: ast.AST) -> list[ast.expr]:
    """The expressions that one comparison sets side by side."""
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "between":
        return node.args
    return []


def _constants(tree: ast.expr) -> tuple[dict[str, list[Any]], bool]:
    """The constants each fact is compared with, and whether facts meet nothing but constants."""
    found: dict[str, list[Any]] = {}
    plain = True
    for node in ast.walk(tree):
        sides = _sides(node)
        facts = [side.id for side in sides if isinstance(side, ast.Name)]
        inner = [side for side in sides if not isinstance(side, ast.Name)]
        if isinstance(node, ast.BinOp) or len(facts) > 1 or (sides and not facts):
            plain = False
        for fact in facts[:1]:
            values = [value for side in inner for value in _literals(side)]
            found.setdefault(fact, []).extend(values)
    return found, plain


def _literals(node: ast.expr) -> list[Any]:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return []
    return list(value) if isinstance(value, tuple | list) else [value]


def _pairs(tree: ast.expr) -> Iterator[tuple[str, str]]:
    """Pairs of facts that are compared as they are: a number beside one may hold a unit."""
    for node in ast.walk(tree):
        yield from pairwise(side.id for side in _sides(node) if isinstance(side, ast.Name))


def range_of(facts: Sequence[str]) -> str:
    """What facts can be, in words; empty when they can be any number."""
    told = []
    for fact in facts:
        allowed, (low, high) = RANGES[fact], RANGES[fact].usual
        unit = " or ".join(sorted(allowed.units))
        if not allowed.number:
            told += [f"{fact} is one of {', '.join(allowed.words)}"] if allowed.words else []
        elif unit == "yes/no":
            told.append(f"{fact} is 0 or 1")
        elif (low, high) == (0.0, 1.0):
            told.append(f"{fact} is a share between 0 and 1")
        elif high < inf:
            told.append(f"{fact} is in {unit}, never below {low:g} or above {high:g}")
        elif low > -inf:
            told.append(f"{fact} is in {unit}, never below {low:g}")
    return "; ".join(told)
