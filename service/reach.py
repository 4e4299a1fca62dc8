"""Reach: which rules of a policy can be hit, always are, or never matter beside another.

Found by testing rules on a point in every cell their constants make; rules that compare facts with
each other are left out, so that what is said is true.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from math import inf

from msgspec import Struct

from service.cells import Compared, compared, points, range_of
from service.expression import Facts, compile_condition
from service.policy import FACT_INDEX, FACT_TYPES, SEVERITY, Rule

Fault = tuple[int, str, str, str, str]
"""Which rule, key, kind, what is wrong, what to do."""


class Linted(Struct, frozen=True):
    """A rule that can be compiled, with its place in the file."""

    nth: int
    line: int
    rule: Rule
    test: Callable[[Facts], bool | None]
    says: Compared


def reach(rules: Sequence[Linted]) -> Iterator[Fault]:
    """Rules never hit, always hit, without effect beside another, and bands with gaps."""
    live = []
    for one in rules:
        hits = [one.test(point) for point in points([one.says])]
        if not one.says.facts or not hits:
            continue
        if True not in hits:
            yield (
                one.nth,
                "when",
                "never",
                f"{one.rule.code}: {one.rule.when} can never be true",
                _correct(one),
            )
        elif False not in hits:
            yield (
                one.nth,
                "when",
                "always",
                f"{one.rule.code}: {one.rule.when} is true of everybody",
                _correct(one),
            )
        else:
            live.append(one)
            yield from _idle(one)
    for at, one in enumerate(live):
        for other in live[:at] + live[at + 1 :]:
            if set(one.says.facts) & set(other.says.facts):
                yield from _beside(one, other, live)


def _idle(one: Linted) -> Iterator[Fault]:
    """A part joined by and, or that changes nothing in any cell."""
    for part, rest in _without_one(ast.parse(one.rule.when, mode="eval").body):
        shorter = compile_condition(ast.unparse(rest), FACT_INDEX, FACT_TYPES)
        cells = points([one.says, compared(shorter)])
        if cells and all(one.test(cell) == shorter.test(cell) for cell in cells):
            said = f"{one.rule.code}: {ast.unparse(part)} changes nothing"
            yield one.nth, "when", "idle", said, f"correct it, or leave {shorter.text}"
            return


def _without_one(tree: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Every part joined by and, or together with the whole without it."""
    if isinstance(tree, ast.BoolOp):
        for at, part in enumerate(tree.values):
            left = [*tree.values[:at], *tree.values[at + 1 :]]
            yield part, left[0] if len(left) == 1 else ast.BoolOp(tree.op, left)
            for inner, rest in _without_one(part):
                yield inner, ast.BoolOp(tree.op, [*left[:at], rest, *left[at:]])
    elif isinstance(tree, ast.UnaryOp):
        for inner, rest in _without_one(tree.operand):
            yield inner, ast.UnaryOp(tree.op, rest)


def _beside(one: Linted, other: Linted, live: Sequence[Linted]) -> Iterator[Fault]:
    """What one rule is worth beside another."""
    both = [(one.test(point), other.test(point)) for point in points([one.says, other.says])]
    same = bool(both) and all((a is True) == (b is True) for a, b in both)
    later = one.nth > other.nth
    code, where = one.rule.code, f"{other.rule.code} (line {other.line})"
    if same and one.rule.verdict != other.rule.verdict:
        if later:
            yield (
                one.nth,
                "when",
                "contradiction",
                f"{code}: {where} is hit by exactly the same firms and says {other.rule.verdict}",
                "keep one verdict",
            )
    elif both and all(_covered(_effect(one.rule, a), _effect(other.rule, b)) for a, b in both):
        if later or not same:
            yield (
                one.nth,
                "when",
                "no-effect",
                f"{code}: whoever it hits, {where} hits as strictly",
                "remove it or make it stricter",
            )
    elif one.rule.family == other.rule.family and not same:
        family = [x for x in live if x.rule.family == one.rule.family]
        yield from _bands(one, other, [x for x in family if x.says.facts == one.says.facts])


def _bands(lower: Linted, upper: Linted, family: Sequence[Linted]) -> Iterator[Fault]:
    """Two bands of one fact, the stricter beyond the other: nothing between, nothing twice.

    The milder one ends on both sides: of two that are open to either side the middle is sound. What
    another rule of the family over the same fact speaks of is no gap.
    """
    severity: dict[str, int] = {"cap": 0} | {str(key): SEVERITY[key] for key in SEVERITY}
    if lower.says.facts != upper.says.facts or len(lower.says.facts) != 1:
        return
    if severity[lower.rule.verdict] >= severity[upper.rule.verdict]:
        return
    place = FACT_INDEX[lower.says.facts[0]]
    line = [
        p
        for p in points([one.says for one in family])
        if isinstance(p[place], float) and p[place] == p[place]
    ]
    if len(line) < 3:
        return
    if upper.test(line[0]) is True:
        line.reverse()
    ends = True in (lower.test(line[0]), lower.test(line[-1])) or upper.test(line[-1]) is not True
    inside = [i for i, p in enumerate(line) if lower.test(p) is True]
    beyond = [i for i, p in enumerate(line) if upper.test(p) is True]
    if ends or not inside or not beyond:
        return
    names = f"{lower.rule.code} and {upper.rule.code} (line {upper.line})"
    unsaid = [
        p[place]
        for p in line[inside[-1] + 1 : beyond[0]]
        if not any(one.test(p) is True for one in family)
    ]
    if unsaid:
        value = unsaid[0]
        yield (
            lower.nth,
            "when",
            "gap",
            f"between {names} nothing is said of {lower.says.facts[0]} = {value:.6g}",
            "let the bands meet",
        )
    elif beyond[0] < inside[-1]:
        value = line[beyond[0]][place]
        yield (
            lower.nth,
            "when",
            "overlap",
            f"{names} both speak of {lower.says.facts[0]} = {value:.6g}",
            "let the bands meet once",
        )


def _effect(rule: Rule, hit: bool | None) -> tuple[int, float]:
    """What a rule does: severity, and the cap it sets (none: infinity)."""
    if hit is False or (hit is None and rule.missing == "no_hit"):
        return 0, inf
    if hit is None:
        return SEVERITY[rule.missing], inf  # type: ignore[index]
    if rule.verdict == "cap":
        return 0, rule.cap_yuan if rule.cap_yuan is not None else inf
    return SEVERITY[rule.verdict], inf


def _covered(one: tuple[int, float], other: tuple[int, float]) -> bool:
    """Whether an effect adds nothing to another; a decline leaves nothing to cap."""
    return other[0] == SEVERITY["decline"] or (one[0] <= other[0] and other[1] <= one[1])


def _correct(one: Linted) -> str:
    told = range_of(one.says.facts)
    return f"correct the bounds ({told})" if told else "correct the bounds"
