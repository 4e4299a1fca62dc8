import tomllib
from math import nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.credit_file import SOURCES
from model.features import FEATURES, INDEX
from model.portrait import Value
from service.decide import DEFAULT_POLICY
from service.limit import LABELS, Limit, limit, reason
from service.policy import Outcome, Policy

SCALES = {
    "tax_paid_12m_yuan": 1e6, "sales_12m_yuan": 1e8, "sales_growth_12m": 2.0,
    "top_buyer_share_12m": 1.0, "last_3m_sales_share": 1.0, "bank_inflow_12m_yuan": 1e8,
    "debt_yuan": 1e8, "debt_service_to_sales": 0.2,
}  # fmt: skip
POLICY = Policy.load(DEFAULT_POLICY)
TERMS = POLICY.limit


def values(**changes: Value) -> list[Value]:
    row: list[Value] = [nan if f.kind == "number" else None for f in FEATURES]
    for name, value in changes.items():
        row[INDEX[name]] = value
    return row


def limited(
    amount_yuan: float = 1e9,
    grade: str = "AAA",
    cap_yuan: float | None = None,
    degraded_yuan: float | None = None,
    **changes: Value,
) -> Limit:
    outcome = Outcome("approve", [], cap_yuan, None, degraded_yuan)
    return limit(TERMS, values(**changes), grade, amount_yuan, outcome)


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


def test_a_source_that_gave_no_answer_holds_the_limit_at_its_degraded_cap() -> None:
    found = limited(degraded_yuan=100_000.0)
    assert (found.limit_yuan, found.cap) == (100_000.0, "degraded")


def test_falling_sales_and_a_dominant_buyer_lower_the_share_of_sales() -> None:
    steady = limited(sales_12m_yuan=1e7).caps["sales"]
    assert limited(sales_12m_yuan=1e7, sales_growth_12m=0.8).caps["sales"] == steady == 2e6
    assert limited(sales_12m_yuan=1e7, sales_growth_12m=-0.3).caps["sales"] == 1.4e6
    assert limited(sales_12m_yuan=1e7, top_buyer_share_12m=0.5).caps["sales"] == steady
    assert limited(sales_12m_yuan=1e7, top_buyer_share_12m=0.75).caps["sales"] == 1.5e6
    assert limited(sales_12m_yuan=1e7, top_buyer_share_12m=1.0).caps["sales"] == 1e6


def test_thirty_percent_of_the_money_received_is_lent() -> None:
    found = limited(sales_12m_yuan=1e7, bank_inflow_12m_yuan=2e6)
    assert (found.limit_yuan, found.cap) == (600_000.0, "bank_flow")


def test_what_is_already_paid_to_others_cannot_be_paid_again() -> None:
    caps = [
        limited(sales_12m_yuan=1e7, debt_service_to_sales=share).caps["affordability"]
        for share in (nan, 0.0, 0.02, 0.0675, 0.5)
    ]
    assert caps == [pytest.approx(want) for want in (2.025e6, 2.025e6, 1.425e6, 0.0, 0.0)]


def test_existing_debt_is_taken_from_what_sales_carry() -> None:
    found = limited(sales_12m_yuan=1e7, debt_yuan=4_000_000.0)
    assert found.caps["exposure"] == 1_000_000.0
    assert (found.limit_yuan, found.cap) == (1_000_000.0, "exposure")
    assert limited(sales_12m_yuan=1e7, debt_yuan=9e6).limit_yuan == 0.0


@pytest.mark.parametrize(
    ("name", "worse"),
    [
        ("tax_paid_12m_yuan", -1), ("sales_12m_yuan", -1), ("sales_growth_12m", -1),
        ("top_buyer_share_12m", 1), ("last_3m_sales_share", -1), ("bank_inflow_12m_yuan", -1),
        ("debt_yuan", 1), ("debt_service_to_sales", 1),
    ],
)  # fmt: skip
@given(
    st.fixed_dictionaries({name: st.floats(0, 1) for name in SCALES}),
    st.floats(0, 1),
)
def test_a_worse_fact_never_raises_a_cap(
    name: str, worse: int, drawn: dict[str, float], other: float
) -> None:
    low, high = sorted((drawn[name], other))
    facts: dict[str, Value] = {key: share * SCALES[key] for key, share in drawn.items()}
    better, poorer = (low, high) if worse > 0 else (high, low)
    was = limited(**(facts | {name: better * SCALES[name]})).caps
    now = limited(**(facts | {name: poorer * SCALES[name]})).caps
    assert all(now[cap] <= was[cap] * (1 + 1e-12) for cap in was)


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


SOUND: dict[str, Value] = {
    "tax_rating": "A", "tax_paid_12m_yuan": 1e6, "sales_12m_yuan": 3e7, "sales_growth_12m": 0.1,
    "last_3m_sales_share": 0.25, "top_buyer_share_12m": 0.2, "bank_inflow_12m_yuan": 2e7,
    "debt_yuan": 0.0, "debt_service_to_sales": 0.0,
}  # fmt: skip
CASES = tomllib.loads((Path(__file__).parent / "cases" / "limit.toml").read_text())["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_case(case: dict[str, Any]) -> None:
    facts = SOUND | {
        name: (None if name == "tax_rating" else nan) if value == "missing" else value
        for name, value in case["with"].items()
    }
    row: list[Value] = [*values(**facts), case.get("amount_yuan", 3e6), 12.0]
    row += [case.get("purpose", "working_capital"), 0.02, 600.0]
    outcome = POLICY.evaluate(row, set(SOURCES) - set(case.get("silent", [])))
    amount_yuan = case.get("amount_yuan", 3_000_000.0)
    found = limit(TERMS, row, case.get("grade", "AAA"), amount_yuan, outcome)
    assert (found.limit_yuan, found.cap) == (case["limit_yuan"], case["cap"])


def test_every_cap_is_set_by_a_case() -> None:
    assert {case["cap"] for case in CASES} == set(LABELS) - {"product"}  # decide knows products
