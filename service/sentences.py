"""Sentences: what is wrong with the words of a policy rule, beside its condition."""

import ast
import re
from collections.abc import Iterator
from math import isclose

from service.policy import Rule
from service.ranges import RANGES

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_DIGITS = r"(\d[\d,]*(?:\.\d+)?)\s*"
_PERCENT = re.compile(_DIGITS + "(%)")
_YUAN = {
    "zh": re.compile(_DIGITS + "([百千万亿]*)元"),
    "en": re.compile(_DIGITS + r"(thousand|million|billion|)\s*yuan"),
}
_TIMES = {
    "%": 0.01, "": 1.0, "千": 1e3, "万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8,
    "thousand": 1e3, "million": 1e6, "billion": 1e9,
}  # fmt: skip

Fault = tuple[str, str, str, str]
"""Key, kind, what is wrong, what to do."""


def sentence_faults(rule: Rule) -> Iterator[Fault]:
    """Languages mixed up, words left out, numbers other than those of the condition."""
    if not _CHINESE.search(rule.zh):
        yield "zh", "language", f"zh is {rule.zh!r}", "write the sentence in Chinese"
    if _CHINESE.search(rule.en) or not rule.en.strip():
        yield "en", "language", f"en is {rule.en!r}", "write the sentence in English"
    for key in ("why", "source"):
        if not getattr(rule, key).strip():
            yield key, "empty", f"{key} is empty", 'say it, or write "assumed"'
    try:
        tree = ast.parse(rule.when, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # said of the condition
    facts = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(RANGES)
    units = frozenset[str]().union(*(RANGES[fact].units for fact in facts))
    numbers = _numbers(tree)
    if "ratio" in units:
        told = {key: _said(_PERCENT, text) for key, text in (("zh", rule.zh), ("en", rule.en))}
        yield from _other("percent", told, numbers, {0.0, 1.0})
    if "yuan" in units or rule.cap_yuan is not None:
        told = {key: _said(_YUAN[key], text) for key, text in (("zh", rule.zh), ("en", rule.en))}
        yield from _other("yuan", told, [*numbers, rule.cap_yuan or 0.0], {0.0})


def _numbers(tree: ast.AST) -> list[float]:
    """Numbers of a condition, without their signs; zero left out."""
    return [
        abs(float(node.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value
    ]


def _said(pattern: re.Pattern[str], text: str) -> list[float]:
    """The percentages or amounts a sentence names, as a condition writes them."""
    found = [(digits.replace(",", ""), times) for digits, times in pattern.findall(text)]
    return [float(digits) * _TIMES[times] for digits, times in found if times in _TIMES]


def _other(
    code: str, told: dict[str, list[float]], numbers: list[float], ends: set[float]
) -> Iterator[Fault]:
    """Sentences none of whose numbers is one of the condition's, counted from either end.

    When neither language agrees with the condition, the condition is what is wrong.
    """
    written = [number for number in numbers if number]
    other = {
        key: said
        for key, said in told.items()
        if said
        and written
        and not any(isclose(abs(end - a), b) for a in said for b in written for end in ends)
    }
    for key, said in list(other.items())[:1] if len(other) == 2 else other.items():
        yield (
            "when" if len(other) == 2 else key,
            code,
            f"the sentence says {said[0]:.15g}, the condition {max(written):.15g}",
            f"let both say the same: {said[0]:.15g} is what {key} says",
        )
