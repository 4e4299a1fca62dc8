import tomllib
from datetime import date
from math import floor, inf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.credit_file import SOURCES
from model.features import FEATURES, INDEX
from service.catalogue import GRADES, Repayment
from service.decide import DEFAULT_CATALOGUE
from service.offers import (
    Matched,
    Refusal,
    first_payment,
    load_catalogue,
    match,
    total_interest,
)
from service.price import exposure
from service.schedule import cash_flows

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
RAW = tomllib.loads(DEFAULT_CATALOGUE.read_text("utf-8"))
PRODUCTS: list[dict[str, Any]] = RAW["product"]
WHOSE = {one["code"]: one for one in RAW["institution"]}
REGIONS = {one["code"]: one["regions"] for one in RAW["institution"]}
BY_CODE = {product["code"]: product for product in PRODUCTS}
PURPOSES = ["working_capital", "equipment", "inventory", "epidemic_supplies", "other"]
ALL_SOURCES = frozenset(SOURCES)
LPRS = [0.0435, 0.0405, 0.0385, 0.03]

SOUND: dict[str, float | str] = {
    "firm_age_months": 62.0, "registered_capital_yuan": 5e6, "sector": "C", "region": "62",
    "legal_representative_tenure_months": 62.0, "legal_representative_share": 0.6,
    "abnormal_listed": 0.0, "tax_rating": "B", "tax_paid_12m_yuan": 620_123.45,
    "tax_growth_12m": 0.1, "missing_filings_24m": 0.0, "zero_filings_12m": 0.0,
    "tax_arrears_yuan": 0.0, "sales_12m_yuan": 21_345_678.9, "sales_growth_12m": 0.15,
    "sales_growth_6m": 0.2, "invoiced_months_12m": 12.0, "invoice_gap_months_12m": 0.0,
    "last_3m_sales_share": 0.3, "top_buyer_share_12m": 0.25, "void_share_12m": 0.05,
    "red_share_12m": 0.01, "months_since_first_invoice": 60.0, "insured_persons": 30.0,
    "social_security_arrears_months": 0.0, "kwh_12m": 250_000.0, "kwh_growth_12m": 0.1,
    "electricity_overdue_yuan": 0.0, "defendant_suits_24m": 0.0, "open_enforcement_yuan": 0.0,
    "dishonest_listed": 0.0, "overdue_debt_yuan": 0.0, "queries_3m": 1.0, "lenders": 1.0,
    "debt_to_sales": 0.1, "bank_inflow_12m_yuan": 18e6,
}  # fmt: skip
"""A firm most products would take."""

APPLICATION: dict[str, Any] = {
    "sources": ALL_SOURCES, "grade": "A", "pd_12m": 0.02, "amount_yuan": 3e6, "tenor_months": 12,
    "purpose": "working_capital", "limit_yuan": 3e6, "lpr": 0.0405, "as_of": date(2020, 2, 10),
}  # fmt: skip


def values(facts: dict[str, Any]) -> list[Any]:
    return [facts.get(name, nan) for name in INDEX]


def matched(facts: dict[str, Any], **changes: Any) -> Matched:
    return match(CATALOGUE, values(facts), INDEX, **(APPLICATION | changes))


def _edges() -> dict[str, list[Any]]:
    """For each feature of a condition: missing, every threshold and both its sides."""
    edges: dict[str, list[Any]] = {}
    for product in PRODUCTS:
        for condition in product["conditions"]:
            known = edges.setdefault(condition["feature"], [nan, None])
            for key in ("at_least", "at_most"):
                if key in condition:
                    at = float(condition[key])
                    known += [at, at - 0.01, at + 0.01]
    edges["tax_rating"] = [None, nan, "A", "M", "C", "D"]
    edges["sector"] = [None, *"ABCDEFGHIJKLMNOPQRST"]
    edges["region"] = [None, "37", "61", "32", "11", "64", "54"]
    for money in ("tax_paid_12m_yuan", "sales_12m_yuan"):
        edges[money] += [-1000.0, 0.0, 1e5, 3e6, 1e9]
    return {name: sorted(set(found), key=repr) for name, found in edges.items()}


YUAN = st.one_of(
    st.sampled_from([1e6, 3e6, 300_000.0, 1e7, 10_000.0, 9_999.99, 0.0]), st.floats(0, 60_000_000)
)
FACTS = st.fixed_dictionaries(
    {
        name: st.sampled_from([SOUND[name]] * (9 * len(found)) + found)
        for name, found in _edges().items()
    }
)
"""Nine features in ten as in the sound firm, so that both offers and refusals are met."""
APPLICATIONS = st.fixed_dictionaries(
    {
        "sources": st.sampled_from(
            [ALL_SOURCES] * 9 + [ALL_SOURCES - {source} for source in SOURCES] + [frozenset()]
        ),
        "grade": st.sampled_from([*GRADES[:4], *GRADES]),
        "pd_12m": st.floats(0, 1),
        "amount_yuan": YUAN,
        "tenor_months": st.sampled_from([12, 24, 12, 36, 6, 60, 13, 72, 11, 5, 3, 1]),
        "purpose": st.sampled_from(["working_capital", *PURPOSES]),
        "limit_yuan": YUAN,
        "lpr": st.sampled_from(LPRS),
    }
)


def holds(condition: dict[str, Any], seen: Any) -> bool:
    if seen is None or (isinstance(seen, float) and isnan(seen)):
        return False
    if "one_of" in condition:
        return seen in condition["one_of"]
    if "at_least" in condition:
        return bool(seen >= condition["at_least"])
    return bool(seen <= condition["at_most"])


def plainly(
    product: dict[str, Any], facts: dict[str, Any], asked: dict[str, Any]
) -> str | tuple[float, int, float]:
    """What a patient clerk would do: the first thing that fails, or amount, tenor and rate."""
    regions, sector = REGIONS[product["institution"]], facts["sector"]
    if "*" not in regions and facts["region"] not in regions:
        return "region"
    if "sectors" in product and sector not in product["sectors"]:
        return "sector"
    if "excluded_sectors" in product and (sector is None or sector in product["excluded_sectors"]):
        return "sector"
    if "purposes" in product and asked["purpose"] not in product["purposes"]:
        return "purpose"
    tenors = [months for months in product["tenors_months"] if months <= asked["tenor_months"]]
    if not tenors:
        return "tenor"
    if any(source not in asked["sources"] for source in product["required_sources"]):
        return "source"
    if GRADES.index(asked["grade"]) > GRADES.index(product["worst_grade"]):
        return "grade"
    for condition in product["conditions"]:
        if not holds(condition, facts[condition["feature"]]):
            return str(condition["feature"])
    caps = [asked["amount_yuan"], asked["limit_yuan"], product["amount_max_yuan"]]
    if floor(min(caps) / 1000) * 1000 < product["amount_min_yuan"]:
        return "amount"  # what is asked for is read before the facts that cap it
    for key, feature in (("tax_multiple", "tax_paid_12m_yuan"), ("sales_share", "sales_12m_yuan")):
        if key in product:
            known = facts[feature]
            if known is None or isnan(known):
                return feature
            caps.append(product[key] * known + 0.005)
            if floor(min(caps) / 1000) * 1000 < product["amount_min_yuan"]:
                return "amount"
    amount_yuan = floor(min(caps) / 1000) * 1000
    return float(amount_yuan), max(tenors), rate_of(product, max(tenors), asked)


def rate_of(product: dict[str, Any], months: int, asked: dict[str, Any]) -> float:
    """What it costs to lend and what is lost, kept in the band and under the ceiling."""
    whose, pricing, lpr = WHOSE[product["institution"]], RAW["pricing"], asked["lpr"]
    costs_bp = whose["funding_bp"] + whose["operating_bp"] + whose["margin_bp"]
    capital = pricing["risk_weight"] * pricing["capital_ratio"] * pricing["return_on_equity"]
    exposed = exposure(months, lpr, product["repayment"])
    lost = asked["pd_12m"] * product["loss_given_default"] * exposed
    low, high = (lpr + bp / 10_000 for bp in product["spread_bp"])
    most = min(high, pricing["ceiling_lpr_multiple"] * lpr)
    rate = min(max(lpr + costs_bp / 10_000 + round(capital, 6) + lost, min(low, most)), most)
    return rate


@settings(max_examples=300, deadline=None)
@given(FACTS, APPLICATIONS)
def test_the_masks_find_what_reading_every_condition_finds(
    facts: dict[str, Any], asked: dict[str, Any]
) -> None:
    found = matched(facts, **asked)
    made = {offer.product: (offer.amount_yuan, offer.tenor_months, offer.annual_rate)
            for offer in found.offers}  # fmt: skip
    made |= {code: one.feature for one in found.refused for code in one.products}  # type: ignore[misc]
    for product in PRODUCTS:
        expected, told = plainly(product, facts, asked), made[product["code"]]
        if not isinstance(expected, str):  # rounded to basis points
            expected = (*expected[:2], pytest.approx(expected[2], abs=0.000051))
        assert told == expected
    refused = [code for one in found.refused for code in one.products]
    assert len(found.offers) + len(refused) == len(PRODUCTS)
    told = [
        (one.feature, one.required)
        for one in found.refused
        if one.feature != "amount" and one.required != "known"  # of several multiples
    ]
    assert len(told) == len(set(told))


@settings(max_examples=100, deadline=None)
@given(FACTS, APPLICATIONS)
def test_an_offer_keeps_to_the_request_the_limit_and_the_product(
    facts: dict[str, Any], asked: dict[str, Any]
) -> None:
    for offer in matched(facts, **asked).offers:
        product = BY_CODE[offer.product]
        assert offer.amount_yuan <= min(asked["amount_yuan"], asked["limit_yuan"])
        assert product["amount_min_yuan"] <= offer.amount_yuan <= product["amount_max_yuan"]
        assert offer.amount_yuan % 1000 == 0
        assert offer.tenor_months <= asked["tenor_months"]
        assert offer.tenor_months in product["tenors_months"]
        assert offer.institution == product["institution"]
        assert (offer.valid_until - APPLICATION["as_of"]).days == product["valid_days"]


@settings(max_examples=100, deadline=None)
@given(FACTS, APPLICATIONS)
def test_offers_are_ranked_by_price_then_code_and_refusals_by_their_lowest_rate(
    facts: dict[str, Any], asked: dict[str, Any]
) -> None:
    found = matched(facts, **asked)
    prices = [(o.annual_rate, o.institution, o.product) for o in found.offers]
    assert prices == sorted(prices)
    lowest = [one.code for one in CATALOGUE.price_list(asked["tenor_months"], asked["lpr"]).sold]
    firsts = tuple(one.products[0] for one in found.refused)
    for codes in (firsts, *[one.products for one in found.refused]):
        assert codes == tuple(sorted(codes, key=lowest.index))
    assert matched(facts, **asked) == found


@settings(max_examples=100, deadline=None)
@given(FACTS, APPLICATIONS, st.floats(0, 60_000_000))
def test_a_larger_limit_never_removes_or_shrinks_an_offer(
    facts: dict[str, Any], asked: dict[str, Any], more_yuan: float
) -> None:
    larger = asked | {"limit_yuan": asked["limit_yuan"] + more_yuan}
    before = {offer.product: offer.amount_yuan for offer in matched(facts, **asked).offers}
    after = {offer.product: offer.amount_yuan for offer in matched(facts, **larger).offers}
    assert before.keys() <= after.keys()
    assert all(after[code] >= before[code] for code in before)


def really_fails(refusal: Refusal) -> bool:
    """Read the refusal's own words: does what was seen fail what is required?"""
    seen, required = refusal.seen, refusal.required
    if seen is None:
        return refusal.margin is None
    if required.startswith("in "):
        return seen not in required[3:].split(", ") and refusal.margin is None
    if required.startswith("not in "):
        return seen in required[7:].split(", ")
    if required.endswith(" or better"):
        steps = GRADES.index(seen) - GRADES.index(required.split()[0])
        return steps > 0 and refusal.margin == steps
    sign, number = required.split()
    bound = float(number)
    assert isinstance(seen, int | float)
    away = bound - seen if sign == ">=" else seen - bound
    return away > 0 and refusal.margin == pytest.approx(away)


@settings(max_examples=100, deadline=None)
@given(FACTS, APPLICATIONS)
def test_a_refusal_names_a_condition_that_really_fails(
    facts: dict[str, Any], asked: dict[str, Any]
) -> None:
    special = {"purpose": asked["purpose"], "tenor": asked["tenor_months"], "grade": asked["grade"]}
    for refusal in matched(facts, **asked).refused:
        assert really_fails(refusal), refusal
        if refusal.feature == "source":
            assert refusal.required not in asked["sources"]
            for code in refusal.products:
                assert refusal.required in BY_CODE[code]["required_sources"]
        elif refusal.feature != "amount":
            seen = (facts | special)[refusal.feature]
            missing = seen is None or (isinstance(seen, float) and isnan(seen))
            assert refusal.seen == (None if missing else seen)


def schedule_interest(amount: float, rate: float, months: int, repayment: str) -> float:
    """Interest month by month until nothing is owed."""
    monthly, owed, paid = rate / 12, amount, 0.0
    annuity = amount / sum((1 + monthly) ** -month for month in range(1, months + 1))
    for month in range(1, months + 1):
        interest = owed * monthly
        paid += interest
        if repayment == "interest_first":
            owed -= amount if month == months else 0.0
        elif repayment == "equal_principal":
            owed -= amount / months
        else:
            owed -= annuity - interest
    assert owed == pytest.approx(0, abs=1e-4)
    return paid


@given(
    st.integers(1, 40_000).map(lambda thousands: thousands * 1000.0),
    st.integers(1, 1800).map(lambda bp: bp / 10_000),
    st.integers(1, 120),
    st.sampled_from(["interest_first", "equal_instalment", "equal_principal"]),
)
def test_total_interest_is_what_a_month_by_month_schedule_adds_up_to(
    amount: float, rate: float, months: int, repayment: str
) -> None:
    expected = schedule_interest(amount, rate, months, repayment)
    assert amount * total_interest(rate, months, repayment) == pytest.approx(expected, abs=0.005)


@given(
    st.integers(0, 1800).map(lambda bp: bp / 10_000),
    st.integers(1, 120),
    st.sampled_from(["interest_first", "equal_instalment", "equal_principal"]),
)
def test_the_first_payment_is_that_of_the_schedule(
    rate: float, months: int, repayment: Repayment
) -> None:
    expected = cash_flows(1e6, rate, months, repayment)[0]
    assert 1e6 * first_payment(rate, months, repayment) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(FACTS, APPLICATIONS, st.floats(0, 1))
def test_a_worse_pd_is_never_cheaper(
    facts: dict[str, Any], asked: dict[str, Any], worse: float
) -> None:
    better = {o.product: o.annual_rate for o in matched(facts, **asked).offers}
    asked = asked | {"pd_12m": max(asked["pd_12m"], worse)}
    for offer in matched(facts, **asked).offers:
        assert offer.annual_rate >= better[offer.product]


def test_free_money_costs_nothing() -> None:
    for repayment in ("interest_first", "equal_instalment", "equal_principal"):
        assert total_interest(0.0, 12, repayment) == 0.0


def test_the_interest_of_an_offer_is_that_of_its_own_schedule() -> None:
    offers = matched(SOUND, tenor_months=36).offers
    assert {offer.repayment for offer in offers} == {
        "interest_first", "equal_instalment", "equal_principal",
    }  # fmt: skip
    for offer in offers:
        expected = schedule_interest(
            offer.amount_yuan, offer.annual_rate, offer.tenor_months, offer.repayment
        )
        assert offer.total_interest_yuan == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product["code"])
def test_every_product_has_a_customer(product: dict[str, Any]) -> None:
    region, sector = REGIONS[product["institution"]][0], product.get("sectors", ["C"])[0]
    facts = SOUND | {"region": "62" if region == "*" else region, "sector": sector}
    facts |= {"firm_age_months": 40.0, "registered_capital_yuan": 1e6, "tax_rating": "A"}
    purpose = product.get("purposes", ["working_capital"])[0]
    offers = matched(facts, purpose=purpose, tenor_months=60).offers
    assert product["code"] in [offer.product for offer in offers]


def test_a_portrait_in_another_order_gives_the_same_offers() -> None:
    names = [feature.name for feature in reversed(FEATURES)]
    index = {name: at for at, name in enumerate(names)}
    turned = match(CATALOGUE, [SOUND.get(name, nan) for name in names], index, **APPLICATION)
    assert turned == matched(SOUND)


def test_a_grade_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="grade: got 'Z', expected one of AAA"):
        matched(SOUND, grade="Z")


def test_price_lists_kept_do_not_grow_without_end() -> None:
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    for step in range(1_200):
        catalogue.price_list(12, 0.03 + step / 1e6)
    assert len(catalogue._price_lists) <= 512


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_bytes(DEFAULT_CATALOGUE.read_bytes() + b"\n")
    assert load_catalogue(other).version != CATALOGUE.version
    other.write_bytes(DEFAULT_CATALOGUE.read_bytes())
    assert load_catalogue(other).version == CATALOGUE.version


def test_an_unbounded_limit_is_no_offer_above_the_request() -> None:
    most = max(offer.amount_yuan for offer in matched(SOUND, limit_yuan=inf).offers)
    assert most == APPLICATION["amount_yuan"]


def test_of_many_offers_the_cheapest_are_kept_and_one_that_lends_the_most() -> None:
    every = matched(SOUND, limit_yuan=1e9, amount_yuan=1e9)
    few = matched(SOUND, limit_yuan=1e9, amount_yuan=1e9, keep=3)
    assert few.eligible == every.eligible == len(every.offers) > 3
    assert few.offers[:2] == every.offers[:2]
    most = max(offer.amount_yuan for offer in every.offers)
    assert few.most_yuan == most == max(offer.amount_yuan for offer in few.offers)
    assert few.refused == every.refused


@settings(max_examples=300, deadline=None)
@given(FACTS, APPLICATIONS, st.sampled_from([1.0, 10.0, 100.0]))
def test_a_syndicate_lends_what_no_single_product_covers(
    facts: dict[str, Any], asked: dict[str, Any], times: float
) -> None:
    asked = asked | {"limit_yuan": asked["limit_yuan"] * times, "amount_yuan": 1e9}
    found = matched(facts, **asked)
    if not found.syndicate:
        return
    total = sum(offer.amount_yuan for offer in found.syndicate)
    assert found.most_yuan < total <= min(asked["limit_yuan"], asked["amount_yuan"])
    assert len({offer.institution for offer in found.syndicate}) == len(found.syndicate)
    alone = {offer.product: offer for offer in found.offers}
    for offer in found.syndicate:
        least = BY_CODE[offer.product]["amount_min_yuan"]
        assert least <= offer.amount_yuan <= alone[offer.product].amount_yuan
        assert offer.annual_rate == alone[offer.product].annual_rate


def test_a_request_that_one_product_covers_needs_no_syndicate() -> None:
    covered = matched(SOUND).most_yuan
    assert matched(SOUND, amount_yuan=covered).syndicate == []
    assert matched(SOUND, amount_yuan=1e9, limit_yuan=1e9).syndicate
