"""The feature catalogue: every number of the portrait, with source, unit, direction and meaning.

`direction` says what a higher value does to the probability of default: +1 raises it, -1 lowers
it, 0 is left to the observations. The scorecard may never contradict a declared direction. Evidence
for the directions: the knock-out rules of Chinese tax and invoice loans, and published exit hazards.
"""

from typing import Literal

from msgspec import Struct

Unit = Literal[
    "months", "yuan", "ratio", "count", "persons", "kWh", "yes/no", "category", "log ratio"
]
Kind = Literal["number", "ordered", "nominal"]

DIMENSIONS: dict[str, tuple[str, str]] = {
    "background": ("背景", "Background"),
    "capacity": ("经营能力", "Operating capacity"),
    "operating_risk": ("经营风险", "Operating risk"),
    "growth": ("发展状况", "Growth"),
    "stability": ("稳定性", "Stability"),
    "judicial_risk": ("司法风险", "Judicial risk"),
    "compliance": ("信用与合规", "Credit and compliance"),
}
"""The seven sides of a firm that people look at: zh and en labels."""

SOURCE_LABELS: dict[str, tuple[str, str]] = {
    "registry": ("市场监管登记", "company registry"),
    "tax": ("税务", "tax bureau"),
    "invoices": ("增值税发票", "VAT invoices"),
    "social_security": ("社会保险", "social security"),
    "electricity": ("电力", "electricity"),
    "courts": ("法院", "courts"),
    "bank": ("银行流水", "bank statements"),
    "credit_bureau": ("征信", "credit bureau"),
    "housing_fund": ("住房公积金", "housing fund"),
    "water": ("供水", "water utility"),
    "customs": ("海关", "customs"),
    "intellectual_property": ("知识产权与资质", "patent and qualification offices"),
    "hiring": ("招聘网站", "job sites"),
    "online": ("电商与舆情", "online shops and news"),
    "industrial_internet": ("工业互联网", "industrial internet"),
}


class Feature(Struct, frozen=True):
    """One number of the portrait: where it comes from, what it means, which way it points.

    `group` joins features that tell the same story, so that reasons name the story once.
    """

    name: str
    source: str
    unit: Unit
    direction: Literal[-1, 0, 1]
    dimension: str
    group: str
    label_zh: str
    label_en: str
    kind: Kind = "number"
    categories: tuple[str, ...] = ()


_SECTORS = tuple("ABCDEFGHIJKLMNOPQRST")


def _source(
    source: str, rows: list[tuple[str, Unit, Literal[-1, 0, 1], str, str, str, str]]
) -> list[Feature]:
    return [
        Feature(name, source, unit, direction, dimension, group, zh, en)
        for name, unit, direction, dimension, group, zh, en in rows
    ]


_REGISTRY = [
    *_source("registry", [
        ("firm_age_months", "months", -1, "background", "age", "成立月数", "Months since founding"),
        ("registered_capital_yuan", "yuan", 0, "background", "capital", "注册资本", "Registered capital"),
        ("paid_in_capital_yuan", "yuan", -1, "background", "capital", "实缴资本", "Paid-in capital"),
    ]),
    Feature("sector", "registry", "category", 0, "background", "sector", "行业门类", "Sector", "nominal", _SECTORS),
    Feature("region", "registry", "category", 0, "background", "region", "省份", "Province", "nominal"),
    *_source("registry", [
        ("employees", "persons", 0, "background", "headcount", "年报从业人数", "Employees declared in the annual report"),
        ("changes_12m", "count", 1, "stability", "changes", "近12个月登记变更次数", "Registered changes in 12 months"),
        ("legal_representative_tenure_months", "months", -1, "stability", "control", "法定代表人任职月数", "Months under the present legal representative"),
        ("legal_representative_share", "ratio", -1, "stability", "control", "法定代表人持股比例", "Share held by the legal representative"),
        ("abnormal_listed", "yes/no", 1, "compliance", "abnormal", "当前在经营异常名录", "On the abnormal-operation list now"),
        ("abnormal_listings_36m", "count", 1, "compliance", "abnormal", "近36个月列入经营异常次数", "Abnormal-operation listings in 36 months"),
    ]),
]  # fmt: skip

_TAX = [
    Feature("tax_rating", "tax", "category", 1, "compliance", "tax_rating", "纳税信用等级", "Tax credit rating", "ordered", ("A", "B", "M", "C", "D")),
    *_source("tax", [
        ("tax_paid_12m_yuan", "yuan", -1, "capacity", "tax_paid", "近12个月纳税额", "Tax paid in 12 months"),
        ("tax_paid_3m_yuan", "yuan", -1, "capacity", "tax_paid", "近3个月纳税额", "Tax paid in 3 months"),
        ("tax_growth_12m", "ratio", -1, "growth", "tax_growth", "纳税额同比增长", "Growth of tax paid over 12 months"),
        ("missing_filings_24m", "count", 1, "compliance", "filings", "近24个月未申报次数", "Missing tax filings in 24 months"),
        ("late_filings_12m", "count", 1, "compliance", "filings", "近12个月逾期申报次数", "Late tax filings in 12 months"),
        ("zero_filings_12m", "count", 1, "capacity", "zero_filings", "近12个月零申报次数", "Zero tax filings in 12 months"),
        ("tax_arrears_yuan", "yuan", 1, "compliance", "tax_arrears", "欠税余额", "Tax arrears"),
        ("tax_burden_12m", "ratio", 0, "capacity", "tax_burden", "近12个月税负率", "Tax paid over declared sales, 12 months"),
    ]),
]  # fmt: skip

_INVOICES = _source("invoices", [
    ("sales_12m_yuan", "yuan", -1, "capacity", "sales", "近12个月开票销售额", "Invoiced sales in 12 months"),
    ("sales_growth_12m", "ratio", -1, "growth", "sales_growth", "开票销售额同比增长", "Growth of invoiced sales over 12 months"),
    ("sales_growth_6m", "ratio", -1, "growth", "sales_growth", "近6个月开票环比增长", "Growth of invoiced sales over 6 months"),
    ("sales_growth_3m_yoy", "ratio", -1, "growth", "sales_growth", "近3个月开票同比增长", "Last 3 months of sales against a year before"),
    ("invoiced_months_12m", "count", -1, "stability", "continuity", "近12个月有票月数", "Months with invoices, of 12"),
    ("invoice_gap_months_12m", "months", 1, "stability", "continuity", "近12个月最长断票月数", "Longest gap without invoices in 12 months"),
    ("last_3m_sales_share", "ratio", 0, "stability", "recency", "近3个月开票占比", "Share of the last 3 months in 12 months of sales"),
    ("sales_cv_12m", "ratio", 1, "stability", "volatility", "月开票波动系数", "Variation of monthly sales"),
    ("top_buyer_share_12m", "ratio", 1, "operating_risk", "concentration", "第一大客户占比", "Share of the largest buyer"),
    ("buyers_12m", "count", -1, "operating_risk", "concentration", "月均下游客户数", "Buyers in an average month"),
    ("void_share_12m", "ratio", 1, "operating_risk", "void", "作废发票占比", "Share of invoices voided"),
    ("red_share_12m", "ratio", 1, "operating_risk", "red", "红冲金额占比", "Share of sales reversed by red-letter invoices"),
    ("purchases_to_sales_12m", "ratio", 0, "operating_risk", "margin", "进销比", "Purchases over sales"),
    ("months_since_first_invoice", "months", -1, "background", "age", "首次开票距今月数", "Months since the first invoice"),
])  # fmt: skip

_SOCIAL_SECURITY = _source("social_security", [
    ("insured_persons", "persons", -1, "capacity", "headcount", "参保人数", "Insured staff"),
    ("insured_growth_12m", "ratio", -1, "growth", "headcount_growth", "参保人数同比增长", "Growth of insured staff over 12 months"),
    ("social_security_arrears_months", "months", 1, "compliance", "social_arrears", "社保欠缴月数", "Months of unpaid social security"),
    ("sales_per_insured_yuan", "yuan", 0, "operating_risk", "consistency", "人均开票销售额", "Invoiced sales per insured person"),
])  # fmt: skip

_ELECTRICITY = _source("electricity", [
    ("kwh_12m", "kWh", -1, "capacity", "electricity", "近12个月用电量", "Electricity used in 12 months"),
    ("kwh_growth_12m", "ratio", -1, "growth", "electricity_growth", "用电量同比增长", "Growth of electricity used over 12 months"),
    ("electricity_overdue_yuan", "yuan", 1, "compliance", "electricity_overdue", "欠缴电费", "Overdue electricity bills"),
    ("sales_kwh_divergence", "log ratio", 1, "operating_risk", "consistency", "开票与用电增速背离", "Sales growing faster than electricity"),
])  # fmt: skip

_COURTS = _source("courts", [
    ("defendant_suits_24m", "count", 1, "judicial_risk", "suits", "近24个月被诉次数", "Suits as defendant in 24 months"),
    ("defendant_amount_to_sales", "ratio", 1, "judicial_risk", "suits", "被诉金额与销售额之比", "Amount sued for, over sales"),
    ("open_enforcement_yuan", "yuan", 1, "judicial_risk", "enforcement", "未结被执行金额", "Open enforcement amount"),
    ("dishonest_listed", "yes/no", 1, "judicial_risk", "dishonest", "当前为失信被执行人", "On the dishonest-debtor list now"),
    ("plaintiff_suits_24m", "count", 0, "judicial_risk", "plaintiff", "近24个月起诉次数", "Suits as plaintiff in 24 months"),
])  # fmt: skip

_BANK = _source("bank", [
    ("bank_inflow_12m_yuan", "yuan", -1, "capacity", "bank_flow", "近12个月银行流入", "Money received in 12 months"),
    ("bank_inflow_growth_12m", "ratio", -1, "growth", "bank_growth", "银行流入同比增长", "Growth of money received over 12 months"),
    ("bank_balance_months", "months", -1, "capacity", "liquidity", "近3个月平均余额可支付月数", "Months of payments the balance of 3 months covers"),
    ("bank_inflow_to_sales_12m", "ratio", 0, "operating_risk", "consistency", "银行流入与开票之比", "Money received over invoiced sales"),
])  # fmt: skip

_CREDIT_BUREAU = _source("credit_bureau", [
    ("debt_yuan", "yuan", 0, "background", "debt", "现有融资余额", "Debt to all lenders"),
    ("debt_to_sales", "ratio", 1, "operating_risk", "debt", "融资余额与销售额之比", "Debt over 12 months of sales"),
    ("debt_service_to_sales", "ratio", 1, "operating_risk", "debt_service", "还本付息与销售额之比", "Debt service over sales"),
    ("lenders", "count", 1, "operating_risk", "lenders", "现有授信机构数", "Lenders with a loan or line open"),
    ("credit_line_used_share", "ratio", 1, "operating_risk", "line", "授信额度使用率", "Share of the credit lines drawn"),
    ("overdue_debt_yuan", "yuan", 1, "compliance", "overdue", "当前逾期金额", "Debt past due now"),
    ("overdue_months_24m", "count", 1, "compliance", "overdue", "近24个月逾期月数", "Months with debt past due, of 24"),
    ("longest_overdue_24m", "months", 1, "compliance", "overdue", "近24个月最长连续逾期月数", "Longest run of months past due, of 24"),
    ("queries_3m", "count", 1, "compliance", "queries", "近3个月贷款审批查询次数", "Lenders' queries in 3 months"),
    ("queries_6m", "count", 1, "compliance", "queries", "近6个月贷款审批查询次数", "Lenders' queries in 6 months"),
    ("guarantees_to_sales", "ratio", 1, "operating_risk", "guarantees", "对外担保与销售额之比", "Guarantees given over sales"),
])  # fmt: skip

_HOUSING_FUND = _source("housing_fund", [
    ("fund_paying_persons", "persons", -1, "capacity", "headcount", "公积金缴存人数", "Staff paid for in the housing fund"),
    ("fund_paying_growth_12m", "ratio", -1, "growth", "headcount_growth", "公积金缴存人数同比增长", "Growth of staff in the housing fund over 12 months"),
    ("fund_arrears_months", "months", 1, "compliance", "social_arrears", "公积金欠缴月数", "Months of unpaid housing fund"),
])  # fmt: skip

_WATER = _source("water", [
    ("water_growth_12m", "ratio", -1, "growth", "water_growth", "用水量同比增长", "Growth of water used over 12 months"),
    ("water_overdue_yuan", "yuan", 1, "compliance", "water_overdue", "欠缴水费", "Overdue water bills"),
])  # fmt: skip

_CUSTOMS = [
    *_source("customs", [
        ("exports_to_sales_12m", "ratio", 0, "operating_risk", "trade", "出口与开票销售之比", "Exports over invoiced sales, 12 months"),
        ("exports_growth_12m", "ratio", -1, "growth", "exports_growth", "出口额同比增长", "Growth of exports over 12 months"),
    ]),
    Feature("customs_rating", "customs", "category", 1, "compliance", "customs_rating", "海关信用等级", "Customs credit rating", "ordered", ("advanced", "general", "regular", "dishonest")),
]  # fmt: skip

_INTELLECTUAL_PROPERTY = _source("intellectual_property", [
    ("patents", "count", -1, "capacity", "innovation", "专利数", "Patents"),
    ("technology_titles", "count", -1, "capacity", "innovation", "有效科技资质数", "Technology titles that hold: high-tech, specialised, technology SME"),
    ("contract_keeping", "yes/no", -1, "compliance", "contract_keeping", "守合同重信用企业", "Named as contract-keeping"),
])  # fmt: skip

_HIRING = _source("hiring", [
    ("posts_12m", "count", -1, "growth", "hiring", "近12个月招聘岗位数", "Jobs offered in 12 months"),
    ("posts_growth_6m", "ratio", -1, "growth", "hiring", "近6个月招聘环比增长", "Growth of jobs offered over 6 months"),
])  # fmt: skip

_ONLINE = _source("online", [
    ("online_sales_12m_yuan", "yuan", -1, "capacity", "online_sales", "近12个月网店销售额", "Sales of its online shops in 12 months"),
    ("online_sales_growth_6m", "ratio", -1, "growth", "online_sales", "近6个月网店销售环比增长", "Growth of online sales over 6 months"),
    ("negative_news_12m", "count", 1, "operating_risk", "news", "近12个月负面舆情条数", "Negative news in 12 months"),
])  # fmt: skip

_INDUSTRIAL_INTERNET = _source("industrial_internet", [
    ("machine_hours_growth_12m", "ratio", -1, "growth", "machines", "设备运行时长同比增长", "Growth of machine hours over 12 months"),
    ("machine_orders_growth_6m", "ratio", -1, "growth", "machines", "近6个月订单环比增长", "Growth of orders over 6 months"),
    ("sales_machines_divergence", "log ratio", 1, "operating_risk", "consistency", "开票与设备运行增速背离", "Sales growing faster than machine hours"),
])  # fmt: skip

FEATURES: tuple[Feature, ...] = tuple(
    _REGISTRY + _TAX + _INVOICES + _SOCIAL_SECURITY + _ELECTRICITY + _COURTS + _BANK + _CREDIT_BUREAU
    + _HOUSING_FUND + _WATER + _CUSTOMS + _INTELLECTUAL_PROPERTY + _HIRING + _ONLINE
    + _INDUSTRIAL_INTERNET
)  # fmt: skip
"""The portrait's order."""

INDEX: dict[str, int] = {feature.name: i for i, feature in enumerate(FEATURES)}
"""Feature name -> position in a portrait."""

NOT_SCORED: frozenset[str] = frozenset({"region"})
"""Known to policy and products but kept out of the scorecard: a province is not a merit."""
