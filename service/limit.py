"""The limit: the most we would lend, and the cap that set it.

Every cap is computed and shown; the smallest wins. A cap whose source is silent is absent; what a
decision without that source may at most be is the policy's degraded cap.
"""

from collections.abc import Sequence
from math import floor
from typing import Any

from msgspec import Struct

from model.features import INDEX
from model.portrait import Value
from model.reasons import Reason, said
from service.policy import LimitTerms, Outcome

ROUNDING_YUAN = 1_000

LABELS: dict[str, tuple[str, str]] = {
    "request": ("申请金额", "the amount asked for"),
    "tax": ("近12个月纳税额倍数", "a multiple of tax paid in 12 months, by tax rating"),
    "sales": (
        "近12个月开票销售额比例（按趋势和客户集中度调整）",
        "a share of invoiced sales in 12 months, less if they fall or one buyer dominates",
    ),
    "recent_sales": ("近3个月开票年化比例", "a share of the last 3 months of sales, annualised"),
    "bank_flow": ("近12个月银行流入比例", "a share of money received in 12 months"),
    "affordability": (
        "压力情景下现金流扣除现有还本付息后的偿还能力",
        "what stressed cash flow can repay after existing debt service",
    ),
    "exposure": ("总融资上限扣除现有融资", "the most debt these sales carry, less existing debt"),
    "grade": ("信用等级上限", "the most lent to this grade"),
    "degraded": ("数据来源缺失时的上限", "the most lent without a source that gave no answer"),
    "policy": ("政策规则上限", "a policy rule"),
    "product": ("可办理产品合计上限", "the most that fitting products lend"),
}
"""Cap -> zh and en words."""

_RATING, _TAX = INDEX["tax_rating"], INDEX["tax_paid_12m_yuan"]
_SALES, _RECENT = INDEX["sales_12m_yuan"], INDEX["last_3m_sales_share"]
_GROWTH, _BUYER = INDEX["sales_growth_12m"], INDEX["top_buyer_share_12m"]
_INFLOW, _DEBT = INDEX["bank_inflow_12m_yuan"], INDEX["debt_yuan"]
_SERVICE = INDEX["debt_service_to_sales"]


class Limit(Struct, frozen=True, kw_only=True):
    """The most we would lend, the cap that set it, and every cap."""

    limit_yuan: float
    cap: str
    caps: dict[str, float]


def limit(
    terms: LimitTerms, values: Sequence[Value], grade: str, amount_yuan: float, policy: Outcome
) -> Limit:
    """The limit for one portrait; whole thousands of yuan, never above the amount asked for.

    Formulas: published limit rules of Chinese tax and invoice loans (policy.toml, [limit]).
    """
    row: Sequence[Any] = values
    caps: dict[str, float] = {"request": amount_yuan}
    tax, sales, inflow = row[_TAX], row[_SALES], row[_INFLOW]
    if tax == tax:
        multiple = terms.tax_multiple.get(str(row[_RATING]), terms.tax_multiple["M"])
        caps["tax"] = multiple * tax
    if sales == sales:
        _of_sales(caps, terms, row, max(0.0, sales))
    if inflow == inflow:
        caps["bank_flow"] = terms.inflow_share * inflow
    if policy.degraded_yuan is not None:
        caps["degraded"] = policy.degraded_yuan
    caps["grade"] = terms.grade_cap_yuan[grade]
    if policy.cap_yuan is not None:
        caps["policy"] = policy.cap_yuan
    return smallest(caps)


def _of_sales(
    caps: dict[str, float], terms: LimitTerms, row: Sequence[Any], sales_yuan: float
) -> None:
    """Caps that follow 12 months of sales; a growth, share or debt not known counts as none.

    sales: falls with the year's fall of sales and with what one buyer takes above a share.
    affordability: months of stressed cash flow after existing debt service that repay the loan.
    exposure: what all debt may reach, less the debt there is.
    """
    recent, growth, buyer = row[_RECENT], row[_GROWTH], row[_BUYER]
    debt, service = row[_DEBT], row[_SERVICE]
    lasting_yuan = sales_yuan * (1.0 + growth) if growth < 0.0 else sales_yuan
    free = 1.0 - terms.concentrated_from
    beyond = (buyer - terms.concentrated_from) / free if buyer > terms.concentrated_from else 0.0
    caps["sales"] = terms.sales_share * lasting_yuan * (1.0 - terms.concentrated_haircut * beyond)
    if recent == recent:
        caps["recent_sales"] = max(0.0, terms.recent_sales_share * 4.0 * recent * sales_yuan)
    cash_yuan = terms.cash_margin * (1.0 - terms.stress) * lasting_yuan
    if service == service:
        cash_yuan -= service * sales_yuan
    caps["affordability"] = max(0.0, terms.repay_months / 12.0 * cash_yuan)
    if debt == debt:
        caps["exposure"] = max(0.0, terms.exposure_share * sales_yuan - debt)


def smallest(caps: dict[str, float]) -> Limit:
    """The smallest cap, rounded down to whole thousands of yuan."""
    cap = min(caps, key=caps.__getitem__)
    return Limit(
        limit_yuan=float(floor(caps[cap] / ROUNDING_YUAN) * ROUNDING_YUAN), cap=cap, caps=caps
    )


def reason(limit: Limit, amount_yuan: float) -> Reason:
    """Why the limit is below the amount asked for."""
    zh, en = LABELS[limit.cap]
    lent, asked = limit.limit_yuan, amount_yuan
    return Reason(
        code=f"L-{limit.cap.upper()}",
        text_zh=f"额度{said(lent, 'yuan', 'zh')}，"
        f"低于申请的{said(asked, 'yuan', 'zh')}：受限于{zh}",
        text_en=f"Limit {said(lent, 'yuan', 'en')} instead of {said(asked, 'yuan', 'en')}: "
        f"set by {en}",
        value=limit.caps[limit.cap],
    )
