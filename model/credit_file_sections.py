"""The sections of the credit file that every applicant has: registry, tax, money, courts, debt.

What holds for all sections stands in model/credit_file.py.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

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


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every record of the file: immutable, no unknown fields."""


class Change(Record, frozen=True, kw_only=True):
    """One change of a registered item."""

    on: date
    item: ChangeItem


class AbnormalListing(Record, frozen=True, kw_only=True):
    """One stay on the list of abnormal operation (经营异常名录)."""

    listed: date
    removed: date | None = None


class Registry(Record, frozen=True, kw_only=True):
    """What the market regulator's registry says (source: registry)."""

    as_of: date
    name: Text
    established: date
    sector: Sector  # GB/T 4754-2017 section
    industry_code: Annotated[str, Meta(pattern=r"^[0-9]{4}$")]  # GB/T 4754-2017 class
    region: Annotated[str, Meta(pattern=r"^[0-9]{2}$")]  # GB/T 2260 province
    registered_capital_yuan: Yuan
    paid_in_capital_yuan: Yuan
    employees: Count  # self-declared in the annual report
    legal_representative_share: Share
    legal_representative_since: date
    changes: Annotated[list[Change], Meta(max_length=1000)] = []
    abnormal_listings: Annotated[list[AbnormalListing], Meta(max_length=200)] = []


class Tax(Record, frozen=True, kw_only=True):
    """What the tax bureau says, month by month (source: tax)."""

    as_of: date
    rating: TaxRating | None = None  # 纳税信用等级 of the latest published year
    months: Months
    declared_sales_yuan: YuanByMonth
    tax_paid_yuan: YuanByMonth
    filings: Annotated[list[Filing], Meta(max_length=240)]
    arrears_yuan: Yuan = 0.0


class Invoices(Record, frozen=True, kw_only=True):
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


class SocialSecurity(Record, frozen=True, kw_only=True):
    """Who is insured and whether contributions were paid (source: social_security)."""

    as_of: date
    months: Months
    insured_persons: CountByMonth
    paid_yuan: YuanByMonth
    arrears_months: Annotated[int, Meta(ge=0, le=240)] = 0


class Electricity(Record, frozen=True, kw_only=True):
    """Electricity used and bills overdue (source: electricity)."""

    as_of: date
    months: Months
    kwh: Annotated[list[Annotated[float, Meta(ge=0, le=1e12)]], Meta(max_length=240)]
    overdue_yuan: Yuan = 0.0


class Suit(Record, frozen=True, kw_only=True):
    """One civil suit."""

    filed: date
    role: SuitRole
    cause: SuitCause
    amount_yuan: Yuan = 0.0
    closed: date | None = None


class Enforcement(Record, frozen=True, kw_only=True):
    """One enforcement case against the firm (被执行)."""

    filed: date
    amount_yuan: Yuan
    closed: date | None = None


class DishonestListing(Record, frozen=True, kw_only=True):
    """One stay on the list of dishonest judgment debtors (失信被执行人)."""

    listed: date
    removed: date | None = None


class Courts(Record, frozen=True, kw_only=True):
    """What the courts publish (source: courts)."""

    as_of: date
    suits: Annotated[list[Suit], Meta(max_length=2000)] = []
    enforcements: Annotated[list[Enforcement], Meta(max_length=2000)] = []
    dishonest_listings: Annotated[list[DishonestListing], Meta(max_length=200)] = []


class Bank(Record, frozen=True, kw_only=True):
    """Money in and out of the accounts a lender may look into, loans left out (source: bank)."""

    as_of: date
    months: Months
    inflow_yuan: YuanByMonth
    outflow_yuan: YuanByMonth
    balance_yuan: YuanByMonth  # at the month's end


class CreditBureau(Record, frozen=True, kw_only=True):
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
