"""Cases a banker can read: whole decisions, and every reason code given at least once."""

import json
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from model.portrait import Value
from service.application import Request, parse
from service.decide import Decision, Engine

Decide = Callable[[Request], Decision]
CASES = tomllib.loads((Path(__file__).parent / "cases" / "decision.toml").read_text())["case"]


def changed(posted: dict[str, Any], case: dict[str, Any]) -> Request:
    """The posted request with what the case changes; dates as the wire writes them."""
    changes = json.loads(json.dumps(case, default=str))
    posted["application"] |= changes.get("application", {})
    for source, said in changes.get("file", {}).items():
        section = posted["credit_file"][source]
        posted["credit_file"][source] = section | said if said else None
    return parse(json.dumps(posted).encode(), date.max)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_case(case: dict[str, Any], stories: dict[str, bytes], decided: Decide) -> None:
    decision = decided(changed(json.loads(stories["young-shop"]), case))
    assert [rule.code for rule in decision.rules if rule.result == "hit"] == case["rules"]
    assert decision.verdict == case["verdict"]
    assert decision.limit_yuan == case.get("limit_yuan", decision.limit_yuan)
    assert set(case.get("reasons", [])) <= {reason.code for reason in decision.reasons}


def test_every_source_code_is_hit_by_a_case(engine: Engine) -> None:
    hit = {code for case in CASES for code in case["rules"]}
    assert {code for code in engine.policy.rules if code.startswith("P-SRC-")} <= hit


def test_every_column_of_the_scorecard_can_be_a_reason(engine: Engine) -> None:
    """Each column that costs points somewhere becomes an M- reason when it alone does."""
    scorer = engine.scorer
    for at, column in enumerate(scorer.columns):
        points = [0.0] * len(scorer.columns)
        steps = [*column.contributions, column.missing]
        points[at] = 50.0 * (column.reference - max(steps))
        if points[at] <= -0.5:
            values: list[Value] = [None] * (max(scorer.positions) + 1)
            (reason,) = scorer.teller.lowering(values, points, {})
            assert reason.code == f"M-{column.name.upper()}"
