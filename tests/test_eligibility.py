from datetime import date
from math import nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.credit_file import SOURCES
from model.features import INDEX
from service.decide import DEFAULT_CATALOGUE
from service.eligibility import MOST_SETS, in_one_order
from service.offers import Catalogue, Offer, Refusal, load_catalogue, match
from service.price import Price

FACTS: dict[str, float | str] = {
    "firm_age_months": 62.0, "sector": "C", "region": "62", "tax_rating": "B",
    "tax_paid_12m_yuan": 620_123.45, "sales_12m_yuan": 21_345_678.9, "defendant_suits_24m": 0.0,
}  # fmt: skip
APPLICATION: dict[str, Any] = {
    "sources": frozenset(SOURCES), "grade": "A", "pd_12m": 0.02, "amount_yuan": 3e6,
    "tenor_months": 12,
    "purpose": "working_capital", "limit_yuan": 3e6, "lpr": 0.0405, "as_of": date(2020, 2, 10),
}  # fmt: skip
INSTITUTION = """
[pricing]
risk_weight = 0.1
capital_ratio = 0.09
return_on_equity = 0.1
ceiling_lpr_multiple = 4

[[institution]]
code = "I01"
name_zh = "青陵银行"
name_en = "Qingling Bank"
kind = "city"
regions = ["62"]
funding_bp = -100
operating_bp = 80
margin_bp = 31
"""
PRODUCT = """
[[product]]
code = "P001"
institution = "I01"
name_zh = "青陵贷"
name_en = "Qingling Loan"
family = "tax"
amount_min_yuan = 10000
amount_max_yuan = 1000000
tenors_months = [6, 12]
repayment = "interest_first"
spread_bp = [50, 250]
loss_given_default = 0.5
worst_grade = "BB"
required_sources = ["registry"]
valid_days = 30
"""


def small(
    more: str = "", conditions: str = "", **changes: Any
) -> tuple[list[Offer], list[Refusal]]:
    """What one plain product says to one firm, after a few changes."""
    text = INSTITUTION + PRODUCT + more + f"\nconditions = [{conditions}]\n"
    facts = FACTS | changes.pop("facts", {})
    values = [facts.get(name, nan) for name in INDEX]
    found = match(Catalogue(text.encode()), values, INDEX, **(APPLICATION | changes))
    return found.offers, found.refused


def test_an_offer_reads_as_the_catalogue_says() -> None:
    assert small(grade="A", amount_yuan=400_500.0)[0] == [
        Offer(
            product="P001",
            institution="I01",
            product_name_zh="青陵贷",
            product_name_en="Qingling Loan",
            institution_name_zh="青陵银行",
            institution_name_en="Qingling Bank",
            amount_yuan=400_000.0,
            annual_rate=0.0525,
            price=Price(
                lpr=0.0405,
                funding=-0.01,
                operating=0.008,
                expected_loss=0.01,  # 2 % x 0.5
                capital=0.0009,
                margin=0.0031,
                band=0.0,
            ),
            tenor_months=12,
            repayment="interest_first",
            first_payment_yuan=1_750.0,
            total_interest_yuan=21_000.0,
            valid_until=date(2020, 3, 11),
        )
    ]


@pytest.mark.parametrize(
    ("pd_12m", "rate", "band"),
    [(0.0, 0.0455, 0.003), (0.01, 0.0475, 0.0), (0.04, 0.0625, 0.0), (0.06, 0.0655, -0.007)],
)
def test_the_price_follows_the_pd_within_the_band(pd_12m: float, rate: float, band: float) -> None:
    offer = small(pd_12m=pd_12m)[0][0]
    assert (offer.annual_rate, offer.price.band) == (rate, band)


@pytest.mark.parametrize(("asked", "offered"), [(6, 6), (7, 6), (12, 12), (60, 12)])
def test_the_tenor_is_the_longest_not_above_the_one_asked_for(asked: int, offered: int) -> None:
    assert small(tenor_months=asked)[0][0].tenor_months == offered


@pytest.mark.parametrize(
    ("cap", "facts", "offered"),
    [
        ("sales_share = 0.35", {"sales_12m_yuan": 180_000.0}, 63_000),
        ("tax_multiple = 4.35", {"tax_paid_12m_yuan": 100_000.0}, 435_000),
        ("tax_multiple = 4.35", {"tax_paid_12m_yuan": 99_999.9}, 434_000),
    ],
)
def test_a_cap_is_taken_to_the_fen_before_it_is_rounded_down(
    cap: str, facts: dict[str, float], offered: float
) -> None:
    assert small(cap, facts=facts)[0][0].amount_yuan == offered


def refusal(*args: Any, **changes: Any) -> Refusal:
    offers, refused = small(*args, **changes)
    assert offers == []
    return refused[0]


def test_each_kind_of_refusal_says_what_was_seen_and_what_is_required() -> None:
    age = "{ feature = 'firm_age_months', at_least = 72 }"
    suits = "{ feature = 'defendant_suits_24m', at_most = 2 }"
    rating = "{ feature = 'tax_rating', one_of = ['A', 'M'] }"
    assert refusal(facts={"region": "37"}) == Refusal(("P001",), "region", "in 62", "37")
    assert refusal("sectors = ['I', 'M']") == Refusal(("P001",), "sector", "in I, M", "C")
    assert refusal("excluded_sectors = ['C']") == Refusal(("P001",), "sector", "not in C", "C")
    assert refusal("purposes = ['equipment']").feature == "purpose"
    assert refusal(tenor_months=3) == Refusal(("P001",), "tenor", ">= 6", 3, 3)
    assert refusal(sources=frozenset({"tax"})) == Refusal(("P001",), "source", "registry")
    assert refusal(grade="CCC") == Refusal(("P001",), "grade", "BB or better", "CCC", 2.0)
    assert refusal("", age) == Refusal(("P001",), "firm_age_months", ">= 72", 62.0, 10.0)
    assert refusal("", suits, facts={"defendant_suits_24m": 5.0}).margin == 3.0
    assert refusal("", rating) == Refusal(("P001",), "tax_rating", "in A, M", "B")
    assert refusal(limit_yuan=9_999.0) == Refusal(("P001",), "amount", ">= 10000", 9_000.0, 1_000.0)


@pytest.mark.parametrize("unknown", [nan, None])
def test_a_missing_fact_is_never_taken_for_a_good_one(unknown: float | None) -> None:
    suits = "{ feature = 'defendant_suits_24m', at_most = 2 }"
    age = "{ feature = 'firm_age_months', at_least = 12 }"
    rating = "{ feature = 'tax_rating', one_of = ['A', 'B'] }"
    for feature, conditions, more in [
        ("defendant_suits_24m", suits, ""),
        ("firm_age_months", age, ""),
        ("tax_rating", rating, ""),
        ("region", "", ""),
        ("sector", "", "excluded_sectors = ['J']"),
        ("tax_paid_12m_yuan", "", "tax_multiple = 5.0\nsales_share = 0.1"),
        ("sales_12m_yuan", "", "tax_multiple = 5.0\nsales_share = 0.1"),
    ]:
        refused = refusal(more, conditions, facts={feature: unknown})
        assert (refused.feature, refused.seen, refused.margin) == (feature, None, None)


def test_the_first_condition_stated_is_the_one_named() -> None:
    age = "{ feature = 'firm_age_months', at_least = 900 }"
    sales = "{ feature = 'sales_12m_yuan', at_least = 9e9 }"
    assert refusal("", f"{sales}, {age}").feature == "sales_12m_yuan"
    assert refusal("", f"{age}, {sales}").feature == "firm_age_months"


def contrary(nth: int, conditions: str) -> str:
    product = PRODUCT.replace("P001", f"P{nth:03}").replace("[50, 250]", f"[{50 + nth}, 250]")
    return f"{product}conditions = [{conditions}]\n"


def test_products_that_state_the_same_in_contrary_orders_are_refused_by_their_own_first() -> None:
    age = "{ feature = 'firm_age_months', at_least = 900 }"
    sales = "{ feature = 'sales_12m_yuan', at_least = 9e9 }"
    suits = "{ feature = 'defendant_suits_24m', at_most = 2 }"
    ways = [f"{age}, {sales}", f"{sales}, {age}", f"{suits}, {age}", age, f"{sales}, {suits}"]
    text = INSTITUTION + "".join(contrary(nth, way) for nth, way in enumerate(ways))
    values = [FACTS.get(name, nan) for name in INDEX]
    found = match(Catalogue(text.encode()), values, INDEX, **APPLICATION)
    assert [(one.feature, one.products) for one in found.refused] == [
        ("firm_age_months", ("P000", "P002", "P003")),
        ("sales_12m_yuan", ("P001", "P004")),
    ]
    assert (found.offers, found.eligible) == ([], 0)


def test_sets_of_products_kept_with_their_codes_do_not_grow_without_end() -> None:
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    eligibility = catalogue.eligibility(INDEX)
    codes = [product.code for product in catalogue.products]
    for products in range(1, 25_000):
        told = eligibility.refusals({products: 0}, [nan] * (len(INDEX) + 5))[0].products
        assert len(told) == products.bit_count()
    assert [*told] == [code for code, bit in zip(codes[-15:], f"{products:015b}", strict=True)
                    if bit == "1"]  # fmt: skip
    assert len(eligibility._sets) <= MOST_SETS


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), unique=True), max_size=8))
def test_one_order_agrees_with_every_list(lists: list[list[str]]) -> None:
    order = list(in_one_order(lists))
    for at, one in enumerate(lists):
        assert [item for item, who in order if at in who] == one
