"""Schedules: every fen accounted for, and a rate that is the one on the offer."""

from datetime import date
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalogue import Repayment
from service.offers import total_interest
from service.process import Server
from service.schedule import annual_rate_of, cash_flows, months_later, principals, schedule

LOANS = {
    "amount_yuan": st.integers(1, 50_000).map(lambda thousands: thousands * 1_000.0),
    "annual_rate": st.integers(0, 2_400).map(lambda bp: bp / 10_000),
    "months": st.integers(1, 120),
    "repayment": st.sampled_from(["interest_first", "equal_instalment", "equal_principal"]),
}


@given(**LOANS)
def test_the_cash_flows_have_exactly_the_stated_rate(
    amount_yuan: float, annual_rate: float, months: int, repayment: Repayment
) -> None:
    paid = cash_flows(amount_yuan, annual_rate, months, repayment)
    assert annual_rate_of(amount_yuan, paid) == pytest.approx(annual_rate, abs=1e-9)
    interest = sum(paid) - amount_yuan
    expected = amount_yuan * total_interest(annual_rate, months, repayment)
    assert interest == pytest.approx(expected, abs=0.005)


@given(**LOANS)
def test_the_schedule_accounts_for_every_fen(
    amount_yuan: float, annual_rate: float, months: int, repayment: Repayment
) -> None:
    rows = schedule(amount_yuan, annual_rate, months, repayment, date(2020, 1, 31))
    assert sum(round(row.principal_yuan * 100) for row in rows) == round(amount_yuan * 100)
    owed_fen = round(amount_yuan * 100)
    exact = cash_flows(amount_yuan, annual_rate, months, repayment)
    for row, payment in zip(rows, exact, strict=True):
        parts = round(row.principal_yuan * 100) + round(row.interest_yuan * 100)
        assert parts == round(row.payment_yuan * 100)
        assert row.payment_yuan == pytest.approx(payment, abs=0.02)
        owed_fen -= round(row.principal_yuan * 100)
        assert round(row.owed_yuan * 100) == owed_fen >= 0
    assert rows[-1].owed_yuan == 0
    assert all(a.due < b.due for a, b in pairwise(rows))


def test_a_known_annuity() -> None:
    rows = schedule(120_000.0, 0.0405, 12, "equal_instalment", date(2020, 4, 15))
    # 120,000 x i / (1 - (1 + i)^-12) with i = 0.0405 / 12
    assert [row.payment_yuan for row in rows[:2]] == [10_220.73, 10_220.73]
    assert rows[0].interest_yuan == 405.0
    assert (rows[0].due, rows[-1].due) == (date(2020, 5, 15), date(2021, 4, 15))


def test_payments_fall_on_the_last_day_of_a_short_month_and_return() -> None:
    assert [months_later(date(2019, 10, 31), n) for n in (1, 2, 4, 5)] == [
        date(2019, 11, 30), date(2019, 12, 31), date(2020, 2, 29), date(2020, 3, 31),
    ]  # fmt: skip


@pytest.mark.parametrize(("months", "rate", "field"), [(0, 0.04, "months"), (3, -0.01, "annual")])
def test_what_is_no_loan_is_refused(months: int, rate: float, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        principals(months, rate, "equal_principal")


def test_an_offer_of_a_decision_is_answered_with_its_plan(
    server: Server, stories: dict[str, bytes]
) -> None:
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=server.url, trust_env=False, headers=headers) as client:
        decision = client.post("/v1/decisions", content=stories["young-shop"]).json()
        path = f"/v1/decisions/{decision['decision_id']}/offers"
        for offer in decision["offers"]:
            told = client.get(f"{path}/{offer['product']}/schedule").json()
            assert len(told["instalments"]) == offer["tenor_months"]
            first = told["instalments"][0]["payment_yuan"]
            assert first == pytest.approx(offer["first_payment_yuan"], abs=0.011)
            assert told["total_interest_yuan"] == pytest.approx(
                offer["total_interest_yuan"], abs=0.01 * offer["tenor_months"]
            )
        for wrong in (f"{path}/P999/schedule", "/v1/decisions/none/offers/P001/schedule"):
            reply = client.get(wrong)
            assert reply.status_code == 404
            assert reply.headers["content-type"] == "application/problem+json"
        assert "it offers P" in client.get(f"{path}/P999/schedule").json()["detail"]
