"""Recourse: the cheapest things an applicant can do that lead to yes, each tried before it is said.

Every combination of the applicant's moves is weighed, cheapest first, by the same portrait,
scorecard and rules as the decision; what reaches the goal is decided in full on the changed file,
and the changed request is handed out so that anybody can post it and see.
"""

import ast
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import reduce
from itertools import product
from math import floor

from msgspec import Struct
from msgspec.structs import replace

from model.portrait import portrait
from service.application import Request
from service.decide import Decision, Engine, dates, decide, facts
from service.moves import Changed, Move, moves
from service.policy import SEVERITY, Verdict

MOST_SUGGESTIONS = 3
MOST_COMBINATIONS = 4_096
_STEPPED = ("top_buyer_share_12m", "debt_to_sales")


class Suggestion(Struct, frozen=True, kw_only=True):
    """Things to do together, what they take, and the decision they lead to."""

    changes: list[Move]
    days: int
    pay_yuan: float
    verdict: Verdict
    limit_yuan: float
    request: Request


class Recourse(Struct, frozen=True, kw_only=True):
    """The way to yes: what is decided now, what was sought, and up to three ways there.

    No suggestion contains another. `possible` counts what the applicant could change at all; none
    of it may be enough.
    """

    verdict: Verdict
    limit_yuan: float
    wanted_yuan: float
    possible: int
    suggestions: list[Suggestion]


def recourse(request: Request, engine: Engine, wanted_yuan: float | None = None) -> Recourse:
    """The cheapest changes that reach an approval of at least `wanted_yuan`.

    Left out, any approval will do for a firm that has none, and the amount asked for for one that
    has. Cheapest is fewest days, then least to pay, then fewest changes. Pure.
    """
    now = _decided(request, engine)
    if wanted_yuan is None:
        wanted_yuan = request.application.amount_yuan if now.verdict == "approve" else 1.0
    groups = moves(request, _steps(request, engine))
    if now.eligible_products and not _hit(now, engine, "tenor_months"):
        groups = [group for group in groups if group[0][0].code != "ASK-LONGER"]
    found: list[Suggestion] = []
    if not _reaches(now, wanted_yuan):
        found = list(_ways(request, engine, groups, wanted_yuan))
    return Recourse(
        verdict=now.verdict,
        limit_yuan=now.limit_yuan,
        wanted_yuan=wanted_yuan,
        possible=len(groups),
        suggestions=found,
    )


def _ways(
    request: Request, engine: Engine, groups: Sequence[Sequence[Changed]], wanted_yuan: float
) -> Iterator[Suggestion]:
    """Suggestions that reach the goal, cheapest first, none containing another."""
    told: list[set[tuple[str, float]]] = []
    for chosen in _by_cost(groups):
        names = {(move.code, move.becomes) for move, _ in chosen}
        if any(earlier <= names for earlier in told):
            continue
        changed = reduce(lambda was, one: one[1](was), chosen, request)
        if not _passes(changed, engine):
            continue
        decision = _decided(changed, engine)
        if _reaches(decision, wanted_yuan):
            told.append(names)
            yield _suggestion(chosen, decision, changed)
            if len(told) == MOST_SUGGESTIONS:
                return


def _by_cost(groups: Sequence[Sequence[Changed]]) -> list[list[Changed]]:
    """Every choice of at most one move of each group, cheapest first; never more than 4,096."""
    sizes, kept = 1, []
    for group in groups:
        sizes *= len(group) + 1
        if sizes > MOST_COMBINATIONS:
            break
        kept.append([None, *group])
    ways = [[one for one in way if one is not None] for way in product(*kept)]
    return sorted([way for way in ways if way], key=_cost)


def _cost(chosen: Sequence[Changed]) -> tuple[int, float, int]:
    days, pay_yuan = _effort(chosen)
    return days, pay_yuan, len(chosen)


def _effort(chosen: Sequence[Changed]) -> tuple[int, float]:
    """Days until all is done, side by side, and yuan to pay."""
    taken = [move for move, _ in chosen]
    return max([move.days for move in taken]), sum([move.pay_yuan for move in taken])


def _passes(request: Request, engine: Engine) -> bool:
    """Whether the rules let a request through; a third of the work of deciding."""
    values = portrait(request.credit_file)
    score, pd_12m, _ = engine.scorer.rate(values)
    found = facts(values, request.application, pd_12m, score)
    outcome = engine.policy.evaluate(found, dates(request.credit_file))
    return SEVERITY[outcome.verdict] == SEVERITY["approve"]


def _decided(request: Request, engine: Engine) -> Decision:
    at = datetime.combine(request.credit_file.as_of, datetime.min.time(), UTC)
    return decide(request, engine, decision_id="", decided_at=at, tick=int)


def _reaches(decision: Decision, wanted_yuan: float) -> bool:
    return decision.verdict == "approve" and decision.limit_yuan >= wanted_yuan


def _suggestion(chosen: Sequence[Changed], decision: Decision, changed: Request) -> Suggestion:
    days, pay_yuan = _effort(chosen)
    return Suggestion(
        changes=[move for move, _ in chosen],
        days=days,
        pay_yuan=pay_yuan,
        verdict=decision.verdict,
        limit_yuan=decision.limit_yuan,
        request=changed,
    )


def _hit(decision: Decision, engine: Engine, fact: str) -> bool:
    """Whether a rule that names a fact was hit."""
    return any(
        rule.result == "hit" and fact in engine.policy.conditions[rule.code].names
        for rule in decision.rules
        if rule.code in engine.policy.conditions
    )


def _steps(request: Request, engine: Engine) -> dict[str, list[float]]:
    """Values at which the scorecard's table or a rule changes its mind."""
    steps: dict[str, set[float]] = {name: set() for name in _STEPPED}
    for column in engine.scorer.columns:
        if column.name in steps:
            steps[column.name] |= set(column.cuts)
    for condition in engine.policy.conditions.values():
        for name in _STEPPED:
            if name in condition.names:
                steps[name] |= {
                    float(node.value)
                    for node in ast.walk(ast.parse(condition.text))
                    if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
                }
    found = {name: sorted(values) for name, values in steps.items()}
    return found | {"amount_yuan": _amounts(request, engine)}


def _amounts(request: Request, engine: Engine) -> list[float]:
    """The largest amount, in thousands of yuan, that no rule about the amount objects to."""
    values, application = portrait(request.credit_file), request.application
    score, pd_12m, _ = engine.scorer.rate(values)
    tests = [
        condition.test
        for condition in engine.policy.conditions.values()
        if "amount_yuan" in condition.names
    ]

    def objects(thousands: int) -> bool:
        asked = replace(application, amount_yuan=thousands * 1_000.0)
        found = facts(values, asked, pd_12m, score)
        return any(test(found) is True for test in tests)

    most = floor(application.amount_yuan / 1_000)
    if not objects(most):
        return []
    lent = bisect_left(range(most + 1), True, key=objects) - 1
    return [lent * 1_000.0] if lent > 0 else []
