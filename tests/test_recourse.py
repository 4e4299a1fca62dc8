"""Recourse: what is suggested works, costs the least, and is something a firm can do."""

from collections.abc import Callable
from functools import reduce
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from model.credit_file import SOURCES, CreditFile
from service import recourse as searched
from service.application import Application, Consent, Request
from service.decide import Decision, Engine
from service.moves import moves
from service.process import Server
from service.recourse import recourse

Decide = Callable[[Request], Decision]
_decode = msgspec.json.Decoder(CreditFile).decode


def asking(stored: str) -> Request:
    """A request for a million yuan over a credit file of the world."""
    credit_file = _decode(stored)
    consented: list[Any] = [name for name in SOURCES if getattr(credit_file, name) is not None]
    application = Application(
        applicant=credit_file.uscc,
        amount_yuan=1_000_000.0,
        tenor_months=12,
        purpose="working_capital",
        consent=Consent(granted=credit_file.as_of, sources=consented),
    )
    return Request(application=application, credit_file=credit_file)


@pytest.fixture(scope="module")
def refused(world: Path, decided: Decide) -> list[Request]:
    """The first 150 firms of the world that are not approved."""
    stored = pq.read_table(world / "credit_files.parquet")["credit_file"].to_pylist()
    found: list[Request] = []
    for text in stored:
        request = asking(text)
        if decided(request).verdict != "approve":
            found.append(request)
        if len(found) == 150:
            break
    return found


def test_every_suggestion_is_approved_when_it_is_posted(
    server: Server, refused: list[Request]
) -> None:
    headers = {"content-type": "application/json"}
    tried = 0
    with httpx.Client(base_url=server.url, trust_env=False, headers=headers) as client:
        for request in refused:
            reply = client.post("/v1/recourse", content=msgspec.json.encode(request))
            assert reply.status_code == 200
            for suggestion in reply.json()["suggestions"]:
                tried += 1
                again = client.post("/v1/decisions", json=suggestion["request"]).json()
                assert again["verdict"] == suggestion["verdict"] == "approve"
                assert again["limit_yuan"] == suggestion["limit_yuan"] > 0
    assert tried >= 15


def test_no_cheaper_combination_would_do(
    engine: Engine, decided: Decide, refused: list[Request]
) -> None:
    compared = 0
    for request in refused[:60]:
        groups = moves(request, searched._steps(request, engine))
        groups = [group for group in groups if group[0][0].code != "ASK-LONGER"]
        costs = []
        for way in product(*([None, *group] for group in groups)):
            chosen = [one for one in way if one is not None]
            changed = reduce(lambda was, one: one[1](was), chosen, request)
            if chosen and decided(changed).verdict == "approve":
                taken = [move for move, _ in chosen]
                costs.append((max(m.days for m in taken), sum(m.pay_yuan for m in taken)))
        found = recourse(request, engine)
        if decided(request).eligible_products:
            assert bool(found.suggestions) == bool(costs)
        if found.suggestions and costs:
            compared += 1
            first = found.suggestions[0]
            assert (first.days, first.pay_yuan) == min(costs)
    assert compared >= 5


def test_suggestions_come_cheapest_first_and_none_contains_another(
    engine: Engine, refused: list[Request]
) -> None:
    for request in refused:
        told = recourse(request, engine).suggestions
        costs = [(one.days, one.pay_yuan) for one in told]
        assert costs == sorted(costs)
        assert len(told) <= 3
        sets = [{(move.code, move.becomes) for move in one.changes} for one in told]
        for i, one in enumerate(sets):
            assert not any(one <= other for other in sets[i + 1 :])


def test_the_judgment_story_leads_back_to_yes(engine: Engine, stories: dict[str, bytes]) -> None:
    request = msgspec.json.decode(stories["mask-maker-judgment"], type=Request)
    found = recourse(request, engine)
    assert found.verdict == "decline"
    assert [move.code for move in found.suggestions[0].changes] == ["PERFORM-JUDGMENTS"]
    assert found.suggestions[0].limit_yuan > 0


def test_who_is_approved_as_asked_needs_no_way(engine: Engine, healthy: Request) -> None:
    found = recourse(healthy, engine)
    assert (found.verdict, found.suggestions) == ("approve", [])


def test_a_tenor_nobody_offers_is_answered_with_one_that_is(
    engine: Engine, healthy: Request
) -> None:
    application = replace(healthy.application, tenor_months=1)
    found = recourse(replace(healthy, application=application), engine)
    assert found.verdict == "refer"
    assert [move.code for move in found.suggestions[0].changes] == ["ASK-LONGER"]
    assert found.suggestions[0].request.application.tenor_months > 1


@pytest.mark.parametrize("amount", ["none", "nan", "-5", "1e99", ""])
def test_an_amount_that_is_none_is_refused(
    server: Server, stories: dict[str, bytes], amount: str
) -> None:
    reply = httpx.post(
        f"{server.url}/v1/recourse",
        params={"amount_yuan": amount},
        content=stories["young-shop"],
        headers={"content-type": "application/json"},
        trust_env=False,
    )
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == "amount_yuan"
