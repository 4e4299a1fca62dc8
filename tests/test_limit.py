from math import nan

import pytest

from model.features import FEATURES, INDEX
from model.portrait import Value
from service.decide import DEFAULT_POLICY
from service.limit import LABELS, Limit, limit, reason
from service.policy import Outcome, Policy

TERMS = Policy.load(DEFAULT_POLICY).limit


def values(**changes: Value) -> list[Value]:
    row: list[Value] = [nan if f.kind == "number" else None for f in FEATURES]
    for name, value in changes.items():
        row[INDEX[name]] = value
    return row


def limited(
    amount_yuan: float = 1e9, grade: str = "AAA", cap_yuan: float | None = None, **changes: Value
) -> Limit:
    return limit(
        TERMS, values(**changes), grade, amount_yuan, Outcome("approve", [], cap_yuan, None)
    )


def test_tax_of_a_well_rated_firm_counts_seven_times() -> None:
    found = limited(tax_rating="A", tax_paid_12m_yuan=100_000.0)
    assert (found.limit_yuan, found.cap) == (700_000.0, "tax")


def test_a_worse_rating_gets_a_smaller_multiple() -> None:
    lent = [
        limited(tax_rating=r, tax_paid_12m_yuan=100_000.0).limit_yuan for r in ("B", "M", "C", "D")
    ]
    assert lent == sorted(lent, reverse=True)
    assert lent[-1] == 0.0


def test_a_fifth_of_sales_is_lent() -> None:
    found = limited(sales_12m_yuan=5_000_000.0, last_3m_sales_share=0.25)
    assert (found.limit_yuan, found.cap) == (1_000_000.0, "sales")


def test_sales_that_have_stopped_lower_the_limit() -> None:
    found = limited(sales_12m_yuan=5_000_000.0, last_3m_sales_share=0.05)
    assert found.cap == "recent_sales"
    assert found.limit_yuan == 250_000.0


def test_without_tax_and_invoices_only_the_degraded_cap_is_lent() -> None:
    found = limited()
    assert (found.limit_yuan, found.cap) == (100_000.0, "degraded")


def test_the_limit_is_never_above_the_request_and_whole_thousands() -> None:
    found = limited(amount_yuan=54_321.0)
    assert (found.limit_yuan, found.cap) == (54_000.0, "request")


def test_a_policy_cap_is_a_cap() -> None:
    assert limited(cap_yuan=30_000.0).cap == "policy"


def test_the_worst_grade_gets_nothing() -> None:
    assert limited(grade="CCC").limit_yuan == 0.0


@pytest.mark.parametrize("cap", LABELS)
def test_every_cap_can_be_said_in_both_languages(cap: str) -> None:
    said = reason(Limit(limit_yuan=1_000.0, cap=cap, caps={cap: 1_000.0}), 2_000.0)
    assert said.code == f"L-{cap.upper()}"
    assert "1,000 yuan" in said.text_en
    assert "1,000元" in said.text_zh
