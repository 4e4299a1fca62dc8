"""Sentences: what is wrong with the words of a policy rule, beside its condition."""

import ast
import re
from collections.abc import Iterator

from service.policy import Rule

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_PERCENT = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*%")
_WAN_YUAN = re.compile(r"(\d+(?:\.\d+)?)万元")

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
        numbers = _numbers(rule.when)
    except SyntaxError:
        return
    yield from _percent(rule, numbers)
    yield from _wan(rule, numbers)


def _numbers(when: str) -> list[float]:
    """Numbers of a condition, without their signs, zero and one left out."""
    nodes = ast.walk(ast.parse(when, mode="eval"))
    return [
        abs(float(node.value))
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and node.value not in (0, 1)
    ]


def _percent(rule: Rule, numbers: list[float]) -> Iterator[Fault]:
    said = [float(one.replace(",", "")) for one in _PERCENT.findall(rule.en)]
    if len(said) == len(numbers) == 1 and abs(said[0] / 100 - numbers[0]) > 1e-9:
        todo = f"{said[0]:g} % is {said[0] / 100:g}"
        yield (
            "when",
            "percent",
            f"the sentence says {said[0]:g} %, the condition {numbers[0]:g}",
            todo,
        )


def _wan(rule: Rule, numbers: list[float]) -> Iterator[Fault]:
    said = [float(one) for one in _WAN_YUAN.findall(rule.zh)]
    large = [number for number in numbers if number >= 100]
    if len(said) == len(large) == 1 and rule.cap_yuan is None and said[0] * 1e4 != large[0]:
        todo = f"{said[0]:g} times 10,000 yuan is {said[0] * 1e4:.15g}"
        yield (
            "when",
            "yuan",
            f"the sentence says {said[0]:g}万元, the condition {large[0]:.15g}",
            todo,
        )
