"""The whole decision: stories a banker would sign, and laws."""

from collections.abc import Callable
from dataclasses import replace as with_parts
from datetime import date

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from model.credit_file import DishonestListing, Tax
from service.application import Request, parse
from service.decide import MOST_OFFERS, Decision, Engine
from service.policy import SEVERITY

Decide = Callable[[Request], Decision]


@pytest.fixture(scope="module")
def told(stories: dict[str, bytes], decided: Decide) -> dict[str, Decision]:
    return {code: decided(parse(body, date.max)) for code, body in stories.items()}


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def test_the_mask_maker_is_approved_and_honestly_limited(told: dict[str, Decision]) -> None:
    decision = told["mask-maker"]
    assert decision.verdict == "approve"
    assert 5_000_000 <= decision.limit_yuan <= 20_000_000
    assert decision.offers
    assert decision.limit_yuan == 20_000_000 or codes(decision)[0].startswith("L-")


def test_the_same_firm_with_a_judgment_is_declined_with_the_reasons(
    told: dict[str, Decision],
) -> None:
    decision = told["mask-maker-judgment"]
    assert (decision.verdict, decision.limit_yuan, decision.offers) == ("decline", 0.0, [])
    assert codes(decision)[:2] == ["P-CRT-DISHONEST", "P-CRT-ENFORCED"]


def test_a_young_shop_that_never_borrowed_is_lent_to(told: dict[str, Decision]) -> None:
    decision = told["young-shop"]
    assert (decision.verdict, decision.limit_yuan) == ("approve", 300_000.0)
    assert decision.offers


def test_invoices_that_do_not_fit_the_electricity_go_to_a_person(
    told: dict[str, Decision],
) -> None:
    decision = told["invoice-mill"]
    assert decision.verdict != "approve"
    assert "P-CON-ELECTRICITY" in [r.code for r in decision.rules if r.result == "hit"]


def test_every_product_is_accounted_for(told: dict[str, Decision]) -> None:
    for decision in told.values():
        refused = [code for one in decision.refused for code in one.products]
        assert len(refused) == len(set(refused)) == 146 - decision.eligible_products
        assert len(decision.offers) <= MOST_OFFERS


def test_offers_stay_below_the_limit_and_the_limit_below_every_cap(
    told: dict[str, Decision],
) -> None:
    for decision in told.values():
        assert all(offer.amount_yuan <= decision.limit_yuan for offer in decision.offers)
        assert all(decision.limit_yuan <= cap for cap in decision.caps.values())


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(1_000, 1e8), st.integers(1, 60))
def test_the_laws_of_amounts_hold_for_any_request(
    decided: Decide, healthy: Request, amount_yuan: float, tenor_months: int
) -> None:
    application = replace(healthy.application, amount_yuan=amount_yuan, tenor_months=tenor_months)
    decision = decided(replace(healthy, application=application))
    assert decision.limit_yuan <= min(decision.caps.values())
    for offer in decision.offers:
        assert offer.amount_yuan <= decision.limit_yuan
        assert offer.tenor_months <= tenor_months


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 5e6), st.floats(0, 5e6))
def test_more_arrears_never_help(
    decided: Decide, healthy: Request, one: float, other: float
) -> None:
    def owing(arrears_yuan: float) -> Decision:
        tax = healthy.credit_file.tax
        assert isinstance(tax, Tax)
        file = replace(healthy.credit_file, tax=replace(tax, arrears_yuan=arrears_yuan))
        return decided(replace(healthy, credit_file=file))

    less, more = owing(min(one, other)), owing(max(one, other))
    assert SEVERITY[more.verdict] >= SEVERITY[less.verdict]
    assert more.limit_yuan <= less.limit_yuan
    assert more.assessment.score <= less.assessment.score


def test_a_silent_source_is_decided_without_a_crash(decided: Decide, healthy: Request) -> None:
    for source in ("registry", "tax", "invoices", "social_security", "electricity", "courts"):
        file = replace(healthy.credit_file, **{source: None})
        decision = decided(replace(healthy, credit_file=file))
        assert decision.limit_yuan <= decided(healthy).limit_yuan
    empty = replace(
        healthy.credit_file, registry=None, tax=None, invoices=None, social_security=None,
        electricity=None, courts=None,
    )  # fmt: skip
    assert decided(replace(healthy, credit_file=empty)).verdict != "approve"


def test_a_rule_that_breaks_means_refer(
    engine: Engine, healthy: Request, decided: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> bool:
        raise ZeroDivisionError

    conditions = dict(engine.policy.conditions)
    conditions["P-TAX-ZERO"] = replace(conditions["P-TAX-ZERO"], test=broken)
    monkeypatch.setattr(engine.policy, "conditions", conditions)
    monkeypatch.setattr(engine.policy, "_all", broken)
    decision = decided(healthy)
    results = {rule.code: rule.result for rule in decision.rules}
    assert results.pop("P-TAX-ZERO") == "error"
    assert set(results.values()) == {"no_hit"}
    assert decision.verdict == "refer"
    assert "could not be tested" in decision.reasons[0].text_en


def test_the_same_request_makes_the_same_bytes(decided: Decide, healthy: Request) -> None:
    assert msgspec.json.encode(decided(healthy)) == msgspec.json.encode(decided(healthy))


def test_without_products_nobody_is_approved(
    engine: Engine, healthy: Request, decided: Decide
) -> None:
    assert decided(healthy).verdict == "approve"
    application = replace(healthy.application, tenor_months=1)
    decision = decided(replace(healthy, application=application))
    assert not decision.offers
    assert (decision.verdict, decision.limit_yuan, decision.limit_cap) == ("refer", 0.0, "product")
    assert with_parts(engine).versions == engine.versions


def test_a_listing_that_was_removed_no_longer_declines(decided: Decide, healthy: Request) -> None:
    courts = healthy.credit_file.courts
    assert courts is not None
    old = DishonestListing(listed=date(2015, 1, 1), removed=date(2017, 1, 1))
    file = replace(healthy.credit_file, courts=replace(courts, dishonest_listings=[old]))
    assert decided(replace(healthy, credit_file=file)).verdict == "approve"
