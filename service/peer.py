"""A peer: the same rules and products in another decision engine, measured in turns with ours.

The peer is zen-engine (GoRules): decision tables evaluated by a library in Rust, called from Python
as its documentation shows. It gets less to do than we do: twenty of our rules, and the eligibility
of products without prices, refusals or offers.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from time import perf_counter_ns
from typing import Any

from msgspec import Struct, json
from rich.table import Table

from model.features import INDEX
from model.portrait import portrait
from service.application import Request
from service.bench import Timing, time_calls
from service.decide import Engine, dates, decide, facts
from service.eligibility import Requirement, requirements_of
from service.limit import limit
from service.lpr import lpr_1y
from service.offers import match
from service.policy import FACT_INDEX, Policy

RULES = 20
ROUNDS = 3
STEPS = ("portrait", "assess", "policy", "limit", "offers", "engine")


class Beside(Struct, frozen=True):
    """One task done by us and by the peer: medians of the rounds' p50, microseconds."""

    task: str
    ours_us: float
    peer_us: float
    ratio: float


class Measured(Struct, frozen=True):
    """Clock C3 step by step, median microseconds, and the peer's tasks; empty without a peer."""

    steps_us: dict[str, float]
    beside: list[Beside]


def measure(engine: Engine, request: Request, seconds: float) -> Measured:
    """Time a decision step by step and, where zen-engine is installed, its tasks beside it."""
    return Measured(_steps(engine, request, seconds), _beside(engine, request, seconds))


def _steps(engine: Engine, request: Request, seconds: float) -> dict[str, float]:
    at, seen = datetime.now(UTC), []
    until = perf_counter_ns() + int(seconds * 1e9)
    while perf_counter_ns() < until:
        seen.append(
            decide(
                request, engine, decision_id="0" * 32, decided_at=at, tick=perf_counter_ns
            ).timings_us
        )
    return {step: median([getattr(one, step) for one in seen]) for step in STEPS}


def _beside(engine: Engine, request: Request, seconds: float) -> list[Beside]:
    try:
        import zen
    except ImportError:
        return []
    rules, products = zen.ZenEngine(), zen.ZenEngine()
    theirs_rules = rules.create_decision(policy_table(engine.policy))
    theirs_products = products.create_decision(product_table(engine))
    values = portrait(request.credit_file)
    score, pd_12m, grade = engine.scorer.rate(values)
    row = facts(values, request.application, pd_12m, score)
    answered = dates(request.credit_file)
    lend = limit(
        engine.policy.limit, values, grade, request.application.amount_yuan,
        engine.policy.evaluate(row, answered),
    )  # fmt: skip
    asked = request.application

    def ours_products() -> object:
        return match(
            engine.catalogue, values, INDEX, sources=answered, grade=grade,
            pd_12m=pd_12m, amount_yuan=asked.amount_yuan, tenor_months=asked.tenor_months,
            purpose=asked.purpose, limit_yuan=lend.limit_yuan,
            lpr=lpr_1y(request.credit_file.as_of), as_of=request.credit_file.as_of, keep=10,
        )  # fmt: skip

    context = named_facts(row, answered, grade, asked.tenor_months)
    tasks: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        (
            f"policy: ours all {len(engine.policy.rules)} rules, the peer's {RULES}",
            lambda: engine.policy.evaluate(row, answered),
            lambda: theirs_rules.evaluate(context),
        ),
        (
            f"{len(engine.catalogue.products)} products: ours priced and refused with reasons, the "
            "peer's which fit",
            ours_products,
            lambda: theirs_products.evaluate(context),
        ),
    ]
    return [_in_turns(task, ours, theirs, seconds) for task, ours, theirs in tasks]


def _in_turns(
    task: str, ours: Callable[[], object], theirs: Callable[[], object], seconds: float
) -> Beside:
    rounds = [(time_calls(ours, seconds), time_calls(theirs, seconds)) for _ in range(ROUNDS)]
    ours_us, peer_us = (
        median([_p50(side) for side in sides]) for sides in zip(*rounds, strict=True)
    )
    return Beside(task, ours_us, peer_us, peer_us / ours_us)


def _p50(timing: Timing) -> float:
    return timing.latency.p50_us


def named_facts(
    row: Sequence[Any], answered: Mapping[str, object], grade: str, tenor_months: int
) -> dict[str, Any]:
    """What the peer is given: facts by name, missing ones as null, and who answered."""
    known = {name: row[at] if row[at] == row[at] else None for name, at in FACT_INDEX.items()}
    sources = {f"source_{name}": name in answered for name in answered}
    return {**known, **sources, "grade": grade, "tenor": tenor_months}


def chosen_rules(policy: Policy) -> list[tuple[str, str, str]]:
    """The first rules that compare one fact with a constant: code, fact, the peer's cell."""
    found = []
    for rule in policy.file.rule:
        tree = ast.parse(rule.when, mode="eval").body
        if not isinstance(tree, ast.Compare) or not isinstance(tree.left, ast.Name):
            continue
        right = tree.comparators[0]
        if isinstance(right, ast.Constant | ast.UnaryOp):
            sign = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="}
            cell = f"{sign[type(tree.ops[0])]} {_word(ast.literal_eval(right))}"
            found.append((rule.code, tree.left.id, cell.removeprefix("== ")))
        elif isinstance(right, ast.Tuple):
            cell = ", ".join(_word(value) for value in ast.literal_eval(right))
            found.append((rule.code, tree.left.id, cell))
    return found[:RULES]


def policy_table(policy: Policy) -> str:
    """Some rules of the policy as a decision table of the peer."""
    rules = chosen_rules(policy)
    return _table([({fact: [cell]}, code) for code, fact, cell in rules])


def product_table(engine: Engine) -> str:
    """Every product's requirements as a decision table of the peer."""
    rows = []
    for product in engine.catalogue.products:
        cells: dict[str, list[str]] = {}
        for one in requirements_of(product, engine.catalogue.institutions[product.institution]):
            fact, cell = _cell(one)
            cells.setdefault(fact, []).append(cell)
        rows.append((cells, product.code))
    return _table(rows)


def _cell(one: Requirement) -> tuple[str, str]:
    if one.source is not None:
        return f"source_{one.source}", "true"
    if one.accepted is not None:
        return one.feature, ", ".join(_word(value) for value in sorted(one.accepted))
    if one.at_least is not None:
        return one.feature, f">= {one.at_least:.15g}"
    return one.feature, f"<= {one.at_most:.15g}"


def _word(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:.15g}"


def _table(rows: Sequence[tuple[Mapping[str, Sequence[str]], str]]) -> str:
    """A decision table that collects the codes of all rows whose cells hold."""
    columns: list[tuple[str, int]] = []
    for cells, _ in rows:
        for fact, of_fact in cells.items():
            columns += [(fact, i) for i in range(len(of_fact)) if (fact, i) not in columns]
    content = {
        "hitPolicy": "collect",
        "inputs": [{"id": f"{fact}/{i}", "name": fact, "field": fact} for fact, i in columns],
        "outputs": [{"id": "code", "name": "code", "field": "code"}],
        "rules": [
            {"_id": code, "code": f"'{code}'"}
            | {
                f"{fact}/{i}": cells[fact][i] if i < len(cells.get(fact, [])) else ""
                for fact, i in columns
            }
            for cells, code in rows
        ],
    }
    place = {"position": {"x": 0, "y": 0}}
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in", **place},
        {"id": "table", "type": "decisionTableNode", "name": "table", "content": content, **place},
        {"id": "out", "type": "outputNode", "name": "out", **place},
    ]
    edges = [
        {"id": f"{a}-{b}", "sourceId": a, "targetId": b, "type": "edge"}
        for a, b in (("in", "table"), ("table", "out"))
    ]
    kind = "application/vnd.gorules.decision"
    return json.encode({"contentType": kind, "nodes": nodes, "edges": edges}).decode()


def table(found: Measured) -> Table:
    """Steps and tasks for people."""
    shown = Table(title="Engine, in process (microseconds)", title_justify="left")
    for column in ("what", "ours p50", "zen-engine p50", "times slower"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    for step, us in found.steps_us.items():
        shown.add_row(f"C3 {step}", f"{us:.1f}", "", "")
    for one in found.beside:
        shown.add_row(one.task, f"{one.ours_us:.1f}", f"{one.peer_us:.1f}", f"{one.ratio:.1f} x")
    if not found.beside:
        shown.add_row("zen-engine is not installed: uv sync --extra peers", "", "", "")
    return shown
