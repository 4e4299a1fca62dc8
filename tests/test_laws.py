"""Laws of a decision, for any firm: what may never help, and what may never be exceeded."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from model.credit_file import SOURCES, CreditFile, Enforcement, Suit
from service.application import Application, Consent, Request
from service.decide import Decision, Engine
from service.policy import SEVERITY

Decide = Callable[[Request], Decision]
Law = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
YUAN = st.one_of(st.sampled_from([0.0, 0.01, 1e6, 1_000_000.01]), st.floats(0, 1e7))
AMOUNTS = st.integers(10, 20_000).map(lambda thousands: thousands * 1_000.0)


def asking(credit_file: CreditFile, amount_yuan: float = 500_000.0) -> Request:
    consented: list[Any] = [name for name in SOURCES if getattr(credit_file, name) is not None]
    application = Application(
        applicant=credit_file.uscc,
        amount_yuan=amount_yuan,
        tenor_months=12,
        purpose="working_capital",
        consent=Consent(granted=credit_file.as_of, sources=consented),
    )
    return Request(application=application, credit_file=credit_file)


def never_better(before: Decision, after: Decision) -> None:
    """Verdict, limit, score, and the rate of every product: none improves."""
    assert SEVERITY[after.verdict] >= SEVERITY[before.verdict]
    assert after.limit_yuan <= before.limit_yuan
    assert after.assessment.score <= before.assessment.score
    rates = {offer.product: offer.annual_rate for offer in before.offers}
    for offer in after.offers:
        assert offer.annual_rate >= rates.get(offer.product, 0.0)
    if before.offers and after.offers:
        assert after.offers[0].annual_rate >= before.offers[0].annual_rate


def with_(credit_file: CreditFile, source: str, **changes: Any) -> CreditFile:
    section = getattr(credit_file, source)
    return credit_file if section is None else replace(
        credit_file, **{source: replace(section, **changes)}
    )  # fmt: skip


@pytest.fixture
def file_at(credit_files: list[CreditFile]) -> Callable[[int], CreditFile]:
    return lambda at: credit_files[at % len(credit_files)]


@Law
@given(at=st.integers(0, 10_000), one=YUAN, other=YUAN)
def test_more_tax_arrears_never_help(
    file_at: Any, decided: Decide, at: int, one: float, other: float
) -> None:
    less, more = (
        decided(asking(with_(file_at(at), "tax", arrears_yuan=yuan)))
        for yuan in sorted((one, other))
    )
    never_better(less, more)


@Law
@given(at=st.integers(0, 10_000), one=st.integers(0, 24), other=st.integers(0, 24))
def test_more_social_security_owed_never_helps(
    file_at: Any, decided: Decide, at: int, one: int, other: int
) -> None:
    less, more = (
        decided(asking(with_(file_at(at), "social_security", arrears_months=months)))
        for months in sorted((one, other))
    )
    never_better(less, more)


@Law
@given(at=st.integers(0, 10_000), yuan=YUAN, enforced=st.booleans())
def test_another_court_debt_never_helps(
    file_at: Any, decided: Decide, at: int, yuan: float, enforced: bool
) -> None:
    credit_file = file_at(at)
    courts = credit_file.courts
    suit = Suit(filed=courts.as_of, role="defendant", cause="loan", amount_yuan=yuan)
    case = Enforcement(filed=courts.as_of, amount_yuan=yuan)
    more = with_(
        credit_file,
        "courts",
        suits=[*courts.suits, suit],
        enforcements=[*courts.enforcements, case] if enforced else courts.enforcements,
    )
    never_better(decided(asking(credit_file)), decided(asking(more)))


@Law
@given(at=st.integers(0, 10_000), yuan=YUAN)
def test_more_past_due_elsewhere_never_helps(
    file_at: Any, decided: Decide, at: int, yuan: float
) -> None:
    credit_file = file_at(at)
    section = credit_file.credit_bureau
    if section is None:
        return
    overdue = [*section.overdue_yuan[:-1], section.overdue_yuan[-1] + yuan]
    more = with_(credit_file, "credit_bureau", overdue_yuan=overdue)
    never_better(decided(asking(credit_file)), decided(asking(more)))


@Law
@given(at=st.integers(0, 10_000), asked=AMOUNTS, more=AMOUNTS)
def test_asking_for_more_than_is_lent_never_raises_the_limit(
    file_at: Any, decided: Decide, at: int, asked: float, more: float
) -> None:
    """A request is a cap of its own; past what the others allow, a larger one gains nothing.

    But for one that is smaller than the smallest loan of a product that would lend more: there
    the products set the limit, and asking for more can reach another one.
    """
    credit_file = file_at(at)
    first = decided(asking(credit_file, asked))
    second = decided(asking(credit_file, asked + more))
    too_little = any(one.feature == "amount" for one in first.refused)
    if too_little and (first.limit_cap == "product" or not first.offers):
        return
    assert SEVERITY[second.verdict] >= SEVERITY[first.verdict]
    if first.limit_yuan < asked:
        assert second.limit_yuan <= first.limit_yuan
    assert second.limit_yuan <= first.limit_yuan + more


@Law
@given(at=st.integers(0, 10_000), asked=AMOUNTS, silent=st.sets(st.sampled_from(SOURCES)))
def test_without_a_source_no_decision_is_better_than_the_policy_allows(
    file_at: Any, engine: Engine, decided: Decide, at: int, asked: float, silent: set[str]
) -> None:
    credit_file = replace(file_at(at), **dict.fromkeys(silent))
    decision, terms = decided(asking(credit_file, asked)), engine.policy.file.sources
    caps: dict[str, float] = dict(terms.helpful.items())
    for source in silent:
        if source in terms.required:
            assert decision.verdict != "approve"
        assert decision.limit_yuan <= caps.get(source, decision.limit_yuan)
