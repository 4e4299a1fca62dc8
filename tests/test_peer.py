"""The peer: it is given the same rules and products, and finds the same."""

from datetime import date
from typing import Any

import pytest

from model.features import INDEX
from model.portrait import portrait
from service.application import parse
from service.decide import Engine, dates, facts
from service.lpr import lpr_1y
from service.offers import match
from service.peer import (
    RULES,
    chosen_rules,
    measure,
    named_facts,
    policy_table,
    product_table,
    table,
)

zen: Any = pytest.importorskip("zen")


@pytest.mark.parametrize(
    "story", ["mask-maker", "mask-maker-judgment", "young-shop", "invoice-mill"]
)
def test_the_peer_finds_the_same_rules_and_products(
    engine: Engine, stories: dict[str, bytes], story: str
) -> None:
    request = parse(stories[story], date.max)
    values, asked = portrait(request.credit_file), request.application
    score, pd_12m, grade = engine.scorer.rate(values)
    row, answered = facts(values, asked, pd_12m, score), dates(request.credit_file)
    context = named_facts(row, answered, grade, asked.tenor_months)

    codes = {code for code, _, _ in chosen_rules(engine.policy)}
    assert len(codes) == RULES
    outcome = engine.policy.evaluate(row, answered)
    ours = {result.code for result in outcome.results if result.result == "hit"} & codes
    decision = zen.ZenEngine().create_decision(policy_table(engine.policy))
    assert {hit["code"] for hit in decision.evaluate(context)["result"] or []} == ours

    matched = match(
        engine.catalogue, values, INDEX, sources=frozenset(answered), grade=grade, pd_12m=pd_12m,
        amount_yuan=1e9, tenor_months=asked.tenor_months, purpose=asked.purpose, limit_yuan=1e9,
        lpr=lpr_1y(request.credit_file.as_of), as_of=request.credit_file.as_of,
    )  # fmt: skip
    fit = {offer.product for offer in matched.offers}
    fit |= {refusal.product for refusal in matched.refused if refusal.feature == "amount"}
    decision = zen.ZenEngine().create_decision(product_table(engine))
    assert {hit["code"] for hit in decision.evaluate(context)["result"] or []} == fit


def test_measuring_gives_every_step_and_both_tasks(
    engine: Engine, stories: dict[str, bytes]
) -> None:
    found = measure(engine, parse(stories["mask-maker"], date.max), 0.02)
    steps = found.steps_us
    assert 0 < steps["policy"] < steps["engine"]
    assert [one.ratio > 0 for one in found.beside] == [True, True]
    assert table(found).row_count == len(steps) + 2
