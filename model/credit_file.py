"""The credit file: everything the sources said about one firm, as of a date.

This module is the contract. The same records are posted over HTTP, written by the simulator, read
by training and stored in the ledger. Structure (types, bounds, unknown fields) is enforced while
decoding; `check` enforces what a type cannot say: dates and months in order, the USCC check digit.

Money is in yuan, electricity in kWh, shares between 0 and 1. Months are "YYYY-MM". A monthly
section is column-wise: `months` ascending (gaps allowed), every other list of the same length.
"""

from collections.abc import Sequence
from datetime import date
from operator import gt
from typing import Annotated, Literal

from msgspec import Meta, Struct
from stdnum.cn import uscc as stdnum_uscc

Yuan = Annotated[float, Meta(ge=0, le=1e13)]
SignedYuan = Annotated[float, Meta(ge=-1e13, le=1e13)]
Count = Annotated[int, Meta(ge=0, le=100_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Months = Annotated[list[str], Meta(max_length=240)]
YuanByMonth = Annotated[list[Yuan], Meta(max_length=240)]
SignedYuanByMonth = Annotated[list[SignedYuan], Meta(max_length=240)]
CountByMonth = Annotated[list[Count], Meta(max_length=240)]
Text = Annotated[str, Meta(max_length=200)]
Uscc = Annotated[str, Meta(min_length=18, max_length=18, description="unified social credit code")]

Sector = Literal[
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J",
    "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T",
]  # fmt: skip
TaxRating = Literal["A", "B", "M", "C", "D"]
Filing = Literal["on_time", "late", "zero", "missing"]
ChangeItem = Literal[
    "legal_representative", "shareholders", "address", "name",
    "scope", "capital", "directors", "other",
]  # fmt: skip
SuitRole = Literal["defendant", "plaintiff", "third_party"]
SuitCause = Literal["sale", "loan", "labour", "contract", "traffic", "other"]


class _Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every record of the file: immutable, no unknown fields."""


class Change(_Record, frozen=True, kw_only=True):
    """One change of a registered item."""

    on: date
    item: ChangeItem


class AbnormalListing(_Record, frozen=True, kw_only=True):
    """One stay on the list of abnormal operation (经营异常名录)."""

    listed: date
    removed: date | None = None


class Registry(_Record, frozen=True, kw_only=True):
    """What the market regulator's registry says (source: registry)."""

    as_of: date
    name: Text
    established: date
    sector: Sector  # GB/T 4754-2017 section
    industry_code: Annotated[str, Meta(pattern=r"^\d{4}$")]  # GB/T 4754-2017 class
    region: Annotated[str, Meta(pattern=r"^\d{2}$")]  # GB/T 2260 province
    registered_capital_yuan: Yuan
    paid_in_capital_yuan: Yuan
    employees: Count  # self-declared in the annual report
    legal_representative_share: Share
    legal_representative_since: date
    changes: Annotated[list[Change], Meta(max_length=1000)] = []
    abnormal_listings: Annotated[list[AbnormalListing], Meta(max_length=200)] = []


class Tax(_Record, frozen=True, kw_only=True):
    """What the tax bureau says, month by month (source: tax)."""

    as_of: date
    rating: TaxRating | None = None  # 纳税信用等级 of the latest published year
    months: Months
    declared_sales_yuan: YuanByMonth
    tax_paid_yuan: YuanByMonth
    filings: Annotated[list[Filing], Meta(max_length=240)]
    arrears_yuan: Yuan = 0.0


class Invoices(_Record, frozen=True, kw_only=True):
    """Monthly sums of VAT invoices issued and received (source: invoices)."""

    as_of: date
    first_invoice: date
    months: Months
    sales_yuan: SignedYuanByMonth  # issued, valid, without tax, net of red-letter invoices
    sales_count: CountByMonth  # issued, voided included
    void_count: CountByMonth
    red_yuan: YuanByMonth  # red-letter (negative) invoices, as a positive amount
    purchases_yuan: SignedYuanByMonth
    buyers: CountByMonth  # distinct buyers in the month
    suppliers: CountByMonth
    top_buyer_share_12m: Share | None = None
    top_supplier_share_12m: Share | None = None


class SocialSecurity(_Record, frozen=True, kw_only=True):
    """Who is insured and whether contributions were paid (source: social_security)."""

    as_of: date
    months: Months
    insured_persons: CountByMonth
    paid_yuan: YuanByMonth
    arrears_months: Annotated[int, Meta(ge=0, le=240)] = 0


class Electricity(_Record, frozen=True, kw_only=True):
    """Electricity used and bills overdue (source: electricity)."""

    as_of: date
    months: Months
    kwh: Annotated[list[Annotated[float, Meta(ge=0, le=1e12)]], Meta(max_length=240)]
    overdue_yuan: Yuan = 0.0


class Suit(_Record, frozen=True, kw_only=True):
    """One civil suit."""

    filed: date
    role: SuitRole
    cause: SuitCause
    amount_yuan: Yuan = 0.0
    closed: date | None = None


class Enforcement(_Record, frozen=True, kw_only=True):
    """One enforcement case against the firm (被执行)."""

    filed: date
    amount_yuan: Yuan
    closed: date | None = None


class DishonestListing(_Record, frozen=True, kw_only=True):
    """One stay on the list of dishonest judgment debtors (失信被执行人)."""

    listed: date
    removed: date | None = None


class Courts(_Record, frozen=True, kw_only=True):
    """What the courts publish (source: courts)."""

    as_of: date
    suits: Annotated[list[Suit], Meta(max_length=2000)] = []
    enforcements: Annotated[list[Enforcement], Meta(max_length=2000)] = []
    dishonest_listings: Annotated[list[DishonestListing], Meta(max_length=200)] = []


class Bank(_Record, frozen=True, kw_only=True):
    """Money in and out of the accounts a lender may look into, loans left out (source: bank)."""

    as_of: date
    months: Months
    inflow_yuan: YuanByMonth
    outflow_yuan: YuanByMonth
    balance_yuan: YuanByMonth  # at the month's end


class CreditBureau(_Record, frozen=True, kw_only=True):
    """What the credit bureau says of loans from all lenders (source: credit_bureau)."""

    as_of: date
    months: Months
    debt_yuan: YuanByMonth  # owed to all lenders at the month's end
    overdue_yuan: YuanByMonth  # of it past due
    overdue_months: CountByMonth  # in a row, at the month's end
    queries: CountByMonth  # by lenders deciding on a loan
    lenders: Count = 0  # with a loan or line open now
    credit_line_yuan: Yuan = 0.0
    credit_line_used_yuan: Yuan = 0.0
    debt_service_yuan: Yuan = 0.0  # principal and interest due in the latest month
    guarantees_yuan: Yuan = 0.0  # given for the debts of others


class CreditFile(_Record, frozen=True, kw_only=True):
    """Everything the sources said about one firm, as of a date; a silent source is null."""

    uscc: Uscc
    as_of: date
    registry: Registry | None = None
    tax: Tax | None = None
    invoices: Invoices | None = None
    social_security: SocialSecurity | None = None
    electricity: Electricity | None = None
    courts: Courts | None = None
    bank: Bank | None = None
    credit_bureau: CreditBureau | None = None


SOURCES: tuple[str, ...] = (
    "registry", "tax", "invoices", "social_security", "electricity", "courts", "bank",
    "credit_bureau",
)  # fmt: skip

Monthly = Tax | Invoices | SocialSecurity | Electricity | Bank | CreditBureau

FIRST_YEAR, LAST_YEAR = 1990, 2099
MONTH_INDEX: dict[str, int] = {
    f"{year}-{month:02d}": year * 12 + month - 1
    for year in range(FIRST_YEAR, LAST_YEAR + 1)
    for month in range(1, 13)
}
"""Month text -> months since year 0; a lookup both validates and converts."""
_MONTHS, _FIRST_MONTH = list(MONTH_INDEX), FIRST_YEAR * 12


class Fault(Exception):
    """One thing wrong with a record: where, what was found, what was expected."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: got {value!r}, expected {expected}")
        self.field, self.value, self.expected = field, value, expected


_MONTHLY: dict[str, tuple[str, ...]] = {
    "tax": ("declared_sales_yuan", "tax_paid_yuan", "filings"),
    "invoices": (
        "sales_yuan", "sales_count", "void_count", "red_yuan",
        "purchases_yuan", "buyers", "suppliers",
    ),
    "social_security": ("insured_persons", "paid_yuan"),
    "electricity": ("kwh",),
    "bank": ("inflow_yuan", "outflow_yuan", "balance_yuan"),
    "credit_bureau": ("debt_yuan", "overdue_yuan", "overdue_months", "queries"),
}  # fmt: skip


def check(credit_file: CreditFile) -> None:
    """Refuse a credit file that contradicts itself.

    Raises Fault naming the first field whose value cannot be true: a USCC whose check digit is
    wrong, a date after the section's own as-of date, months not ascending, lists of unequal length.
    """
    check_uscc(credit_file.uscc, "credit_file.uscc")
    for source in SOURCES:
        section = getattr(credit_file, source)
        if section is None:
            continue
        at = f"credit_file.{source}"
        _not_after(f"{at}.as_of", section.as_of, credit_file.as_of, "credit_file.as_of")
        if source in _MONTHLY:
            _check_months(at, section, _MONTHLY[source])
    _check_registry(credit_file.registry)
    if credit_file.invoices is not None:
        section = credit_file.invoices
        at = "credit_file.invoices"
        _not_after(f"{at}.first_invoice", section.first_invoice, section.as_of, f"{at}.as_of")
        voids, sales = section.void_count, section.sales_count
        if any(map(gt, voids, sales)):
            i = [*map(gt, voids, sales)].index(True)
            raise Fault(f"{at}.void_count[{i}]", voids[i], f"at most sales_count[{i}] = {sales[i]}")
    _check_courts(credit_file.courts)


def check_uscc(code: str, field: str) -> None:
    """Refuse a unified social credit code whose form or check digit (GB 32100-2015) is wrong."""
    if not stdnum_uscc.is_valid(code):
        expected = "18 characters of 0-9 A-Z without I O S V Z"
        if len(code) == 18 and set(code[:17]) <= set("0123456789ABCDEFGHJKLMNPQRTUWXY"):
            digit = stdnum_uscc.calc_check_digit(code[:17])
            expected = f"check digit {digit!r} at position 18 (GB 32100-2015)"
        raise Fault(field, code, expected)


def _not_after(field: str, value: date, limit: date, limit_name: str) -> None:
    if value > limit:
        raise Fault(field, value.isoformat(), f"a date not after {limit_name} = {limit}")


def _check_months(at: str, section: Monthly, columns: Sequence[str]) -> None:
    months = section.months
    for column in columns:
        length = len(getattr(section, column))
        if length != len(months):
            raise Fault(
                f"{at}.{column}", f"{length} values", f"{len(months)} values, one per month"
            )
    last = section.as_of.year * 12 + section.as_of.month - 1
    first = MONTH_INDEX.get(months[0], 0) if months else 0
    at_most, start = last - len(months) + 1, first - _FIRST_MONTH
    if first <= at_most and months == _MONTHS[start : start + len(months)]:
        return  # nearly always: month after month without a gap
    previous = -1
    for i, month in enumerate(months):
        index = MONTH_INDEX.get(month)
        if index is None:
            raise Fault(f"{at}.months[{i}]", month, 'a month like "2019-07"')
        if index <= previous:
            raise Fault(f"{at}.months[{i}]", month, f"a month after {months[i - 1]}")
        previous = index
    if previous > last:
        raise Fault(f"{at}.months[{len(months) - 1}]", months[-1], f"a month not after {at}.as_of")


def _check_registry(registry: Registry | None) -> None:
    if registry is None:
        return
    at, as_of = "credit_file.registry", registry.as_of
    until = f"{at}.as_of"
    _not_after(f"{at}.established", registry.established, as_of, until)
    _not_after(
        f"{at}.legal_representative_since", registry.legal_representative_since, as_of, until
    )
    for i, change in enumerate(registry.changes):
        _not_after(f"{at}.changes[{i}].on", change.on, as_of, until)
    for i, listing in enumerate(registry.abnormal_listings):
        _check_span(f"{at}.abnormal_listings[{i}]", "listed", "removed", listing, as_of, until)


def _check_courts(courts: Courts | None) -> None:
    if courts is None:
        return
    at, as_of = "credit_file.courts", courts.as_of
    until = f"{at}.as_of"
    for i, suit in enumerate(courts.suits):
        _check_span(f"{at}.suits[{i}]", "filed", "closed", suit, as_of, until)
    for i, enforcement in enumerate(courts.enforcements):
        _check_span(f"{at}.enforcements[{i}]", "filed", "closed", enforcement, as_of, until)
    for i, listing in enumerate(courts.dishonest_listings):
        _check_span(f"{at}.dishonest_listings[{i}]", "listed", "removed", listing, as_of, until)


def _check_span(at: str, start: str, end: str, event: Struct, as_of: date, until: str) -> None:
    begun, ended = getattr(event, start), getattr(event, end)
    _not_after(f"{at}.{start}", begun, as_of, until)
    if ended is not None:
        _not_after(f"{at}.{end}", ended, as_of, until)
        if ended < begun:
            raise Fault(
                f"{at}.{end}", ended.isoformat(), f"a date not before {at}.{start} = {begun}"
            )
