"""The limit: the most we would lend, and the cap that set it.

Every cap is computed and shown; the smallest wins. A cap whose source is silent is absent, and when
neither tax nor invoices are known the degraded cap stands in for both.
"""

from collections.abc import Sequence
from math import floor

from msgspec import Struct

from model.features import INDEX
from model.portrait import Value
from model.reasons import Reason, said
from service.policy import LimitTerms, Outcome

ROUNDING_YUAN = 1_000

LABELS: dict[str, tuple[str, str]] = {
    "request": ("申请金额", "the amount asked for"),
    "tax": ("近12个月纳税额倍数", "a multiple of tax paid in 12 months, by tax rating"),
    "sales": ("近12个月开票销售额比例", "a share of invoiced sales in 12 months"),
    "recent_sales": ("近3个月开票年化比例", "a share of the last 3 months of sales, annualised"),
    "grade": ("信用等级上限", "the most lent to this grade"),
    "degraded": ("税务与发票数据缺失时的上限", "the most lent without tax and invoices"),
    "policy": ("政策规则上限", "a policy rule"),
    "product": ("可办理产品合计上限", "the most that fitting products lend"),
}
"""Cap -> zh and en words."""

_RATING, _TAX = INDEX["tax_rating"], INDEX["tax_paid_12m_yuan"]
_SALES, _RECENT = INDEX["sales_12m_yuan"], INDEX["last_3m_sales_share"]


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
    caps: dict[str, float] = {"request": amount_yuan}
    tax, sales, recent = values[_TAX], values[_SALES], values[_RECENT]
    if tax == tax:
        multiple = terms.tax_multiple.get(str(values[_RATING]), terms.tax_multiple["M"])
        caps["tax"] = multiple * tax  # type: ignore[operator]
    if sales == sales:
        caps["sales"] = max(0.0, terms.sales_share * sales)  # type: ignore[operator]
        if recent == recent:
            caps["recent_sales"] = max(
                0.0,
                terms.recent_sales_share * 4.0 * recent * sales,  # type: ignore[operator]
            )
    if "tax" not in caps and "sales" not in caps:
        caps["degraded"] = terms.degraded_cap_yuan
    caps["grade"] = terms.grade_cap_yuan[grade]
    if policy.cap_yuan is not None:
        caps["policy"] = policy.cap_yuan
    return smallest(caps)


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
