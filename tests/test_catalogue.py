import time
import tomllib
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from model.features import FEATURES
from service.catalogue import Institution, Product, read
from service.lpr import HISTORY
from service.offers import load_catalogue
from synthetic_data.catalogue import WRITTEN, catalogue_text

USABLE = [
    "firm_age_months", "registered_capital_yuan", "sector", "region", "changes_12m",
    "legal_representative_tenure_months", "legal_representative_share", "abnormal_listed",
    "tax_rating", "tax_paid_12m_yuan", "tax_growth_12m", "missing_filings_24m",
    "zero_filings_12m", "tax_arrears_yuan", "sales_12m_yuan", "sales_growth_12m",
    "sales_growth_6m", "invoiced_months_12m", "invoice_gap_months_12m", "last_3m_sales_share",
    "top_buyer_share_12m", "void_share_12m", "red_share_12m", "months_since_first_invoice",
    "insured_persons", "social_security_arrears_months", "kwh_12m", "kwh_growth_12m",
    "electricity_overdue_yuan", "defendant_suits_24m", "open_enforcement_yuan",
    "dishonest_listed", "overdue_debt_yuan", "queries_3m", "lenders", "debt_to_sales",
    "bank_inflow_12m_yuan",
]  # fmt: skip
KINDS = {
    "state": (6, 24), "joint_stock": (10, 30), "city": (18, 46), "rural": (10, 15),
    "digital": (4, 12), "guarantee": (4, 8), "small_loan": (4, 11),
}  # fmt: skip
FAMILIES = {
    "tax": 30, "invoice": 22, "settlement": 16, "sci_tech": 18, "order": 16,
    "mortgage": 20, "utility": 6, "agri": 8, "export": 6, "epidemic": 4,
}  # fmt: skip
REAL = [
    "工商", "农业银行", "中国银行", "建设银行", "交通银行", "邮政", "邮储", "招商", "中信",
    "光大", "华夏", "民生", "广发", "平安", "兴业", "浦发", "恒丰", "浙商", "渤海", "北京",
    "上海", "江苏", "南京", "宁波", "杭州", "兰州", "甘肃", "齐鲁", "青岛", "长安", "西安",
    "成都", "重庆", "徽商", "微众", "网商", "新网", "百信", "苏宁", "亿联", "众邦", "富民",
    "三湘", "华瑞", "金城", "中关村",
]  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> tuple[dict[str, Institution], list[Product]]:
    _, institutions, products = read(WRITTEN.read_bytes())
    return {institution.code: institution for institution in institutions}, products


def test_the_committed_file_is_what_the_generator_writes() -> None:
    assert WRITTEN.read_text("utf-8") == catalogue_text()


def test_another_seed_gives_other_products() -> None:
    assert catalogue_text(8) != catalogue_text(7)


def test_institutions_and_products_are_counted_by_kind(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    institutions, products = rows
    by_kind = Counter(institution.kind for institution in institutions.values())
    sold = Counter(institutions[product.institution].kind for product in products)
    assert {kind: (by_kind[kind], sold[kind]) for kind in by_kind} == KINDS
    assert (len(institutions), len(products)) == (56, 146)


def test_products_are_counted_by_family(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    assert Counter(product.family for product in rows[1]) == FAMILIES


def test_every_institution_sells_something_and_no_name_is_used_twice(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    institutions, products = rows
    assert {product.institution for product in products} == set(institutions)
    for named in (list(institutions.values()), products):
        for names in ([row.name_zh for row in named], [row.name_en for row in named]):
            assert len(set(names)) == len(names)


def test_no_institution_bears_the_name_of_a_real_bank(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    names = [institution.name_zh for institution in rows[0].values()]
    assert [name for name in names for real in REAL if real in name] == []


def test_conditions_use_only_features_meant_for_them_and_ask_for_their_source(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    source_of = {feature.name: feature.source for feature in FEATURES}
    for product in rows[1]:
        used = {condition.feature for condition in product.conditions}
        assert used <= set(USABLE)
        needed = {source_of[feature] for feature in used} | {"registry"}
        needed |= {"tax"} if product.tax_multiple else set()
        needed |= {"invoices"} if product.sales_share else set()
        assert set(product.required_sources) == needed, product.code


def test_a_product_states_each_condition_once_and_at_most_twelve(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    for product in rows[1]:
        tests = [(c.feature, c.at_least is None, c.at_most is None) for c in product.conditions]
        assert len(set(tests)) == len(tests) <= 12


def test_no_price_reaches_four_times_the_lpr(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    dearest = max(product.spread_bp[1] for product in rows[1]) / 10_000
    assert 0.0405 + dearest <= 0.154
    for published, lpr in HISTORY:
        if published >= date(2020, 2, 20):
            assert lpr + dearest <= 4 * lpr + 1e-12


def test_large_banks_are_cheaper_than_digital_lenders_than_small_loan_companies(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    institutions, products = rows

    def spreads_bp(kind: str, end: int) -> list[int]:
        return [
            product.spread_bp[end]
            for product in products
            if institutions[product.institution].kind == kind and product.family != "epidemic"
        ]

    assert max(spreads_bp("state", 1)) <= 90 < min(spreads_bp("joint_stock", 1))
    assert max(spreads_bp("city", 1)) <= 360 < min(spreads_bp("digital", 1))
    assert max(spreads_bp("digital", 0)) < min(spreads_bp("small_loan", 0))


def test_epidemic_loans_are_a_point_under_the_lpr_and_for_supplies_only(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    epidemic = [product for product in rows[1] if product.family == "epidemic"]
    assert {product.spread_bp for product in epidemic} == {(-100, -100)}
    assert {tuple(product.purposes or ()) for product in epidemic} == {("epidemic_supplies",)}
    assert max(product.amount_max_yuan for product in epidemic) == 40_000_000
    others = [product for product in rows[1] if product.family != "epidemic"]
    assert max(product.amount_max_yuan for product in others) <= 30_000_000


def test_most_products_want_two_years_and_some_take_young_firms(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    ages = Counter(
        condition.at_least
        for product in rows[1]
        for condition in product.conditions
        if condition.feature == "firm_age_months"
    )
    assert ages.most_common(1)[0][0] == 24
    assert set(ages) <= {12, 15, 18, 24, 36}
    assert ages[12] + ages[18] >= 20
    assert sum(ages.values()) == 146


def test_some_products_need_electricity_and_most_do_not(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    needing = [product for product in rows[1] if "electricity" in product.required_sources]
    assert 6 <= len(needing) <= 12


def test_tax_and_sales_thresholds_lie_in_the_published_ranges(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    floors: dict[tuple[str, str], set[float]] = {}
    for product in rows[1]:
        for condition in product.conditions:
            if condition.at_least is not None:
                at = (product.family, condition.feature)
                floors.setdefault(at, set()).add(condition.at_least)
    taxes, sales = floors["tax", "tax_paid_12m_yuan"], floors["invoice", "sales_12m_yuan"]
    assert (min(taxes), max(taxes)) == (5_000, 50_000)
    assert (min(sales), max(sales)) == (1_000_000, 5_000_000)


def test_a_regional_bank_serves_few_provinces_and_a_large_one_all(
    rows: tuple[dict[str, Institution], list[Product]],
) -> None:
    for institution in rows[0].values():
        if institution.kind in ("city", "rural"):
            assert "*" not in institution.regions
            assert len(institution.regions) <= 2
        if institution.kind in ("state", "joint_stock", "digital"):
            assert institution.regions == ["*"]


def test_the_file_is_read_in_a_fifth_of_a_second() -> None:
    text = WRITTEN.read_text("utf-8")

    def seconds() -> float:
        started = time.perf_counter()
        tomllib.loads(text)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(3)) < 0.2


SLIPS = [
    ("amount_min_yuan = 100000", "amount_min_yuan = -5", "P001: amount_min_yuan: got -5, .*1000"),
    ("at_least = 36 }", "at_least = nan }", "P001: .*at_least: got nan, expected a finite number"),
    ("at_least = 36 }", 'one_of = ["A"] }', "P001: .*firm_age_months is a number"),
    ("at_least = 36 }", "at_least = 36, at_most = 40 }", "P001: .*exactly one of"),
    ('"firm_age_months"', '"firm_age"', "P001: .*feature: got 'firm_age', expected a feature"),
    ('["A", "B", "M", "C"]', '["A", "E"]', r"P001: .*one_of: got \['E'\], expected some of"),
    ('worst_grade = "BBB"', 'worst_grade = "D"', "P001: worst_grade: got 'D', expected one of AAA"),
    ("tax_multiple =", "tax_multple =", "P001: tax_multple: got 6, expected a key among code"),
    ('institution = "I01"', 'institution = "I99"', "P001: institution: got 'I99', expected the co"),
    ("spread_bp = [-10, 40]", "spread_bp = [40, -10]", "P001: spread_bp: got .40, -10., expected"),
    ("valid_days = 15\n", "", r"P\d+: valid_days: got nothing, expected a value"),
    ("margin_bp = 15\n", "", "institution I01: margin_bp: got nothing, expected a value"),
    ("risk_weight = 0.75", "risk_weight = 75", "pricing: risk_weight: got 75, expected .*2"),
    ("[pricing]", "[prices]", "prices: got .*expected .pricing., "),
    ("[12, 24]", "[24, 12]", "P001: tenors_months: got .24, 12., expected months in ascending"),
    ('code = "P002"', 'code = "P001"', "P001: code: got 'P001', expected a code used once"),
    ('kind = "state"', 'kind = "big"', "institution I01: kind: got 'big', expected one of state"),
    ("[[institution]]", "[[institutio]]", "institutio: got .*expected .*only"),
    ("[[institution]]", "[institution", "expected TOML"),
    ("margin_bp = 15\n", f"margin_bp = {'[' * 3_000}\n", "deeply nested brackets"),
]


@pytest.mark.parametrize(("was", "becomes", "message"), SLIPS)
def test_a_slip_of_the_pen_is_named(was: str, becomes: str, message: str, tmp_path: Path) -> None:
    text = WRITTEN.read_text("utf-8")
    assert was in text
    slipped = tmp_path / "slipped.toml"
    slipped.write_text(text.replace(was, becomes, 1), "utf-8")
    with pytest.raises(ValueError, match=rf"slipped\.toml: .*{message}"):
        load_catalogue(slipped)
