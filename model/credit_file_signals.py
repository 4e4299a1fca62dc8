"""The sections of the credit file about what a firm does: staff, water, trade, patents, machines.

Not every firm has something to tell to each of these sources. One that knows the firm and has
nothing to tell answers with empty months or empty lists: the firm does not trade abroad, offers no
jobs. What holds for all sections stands in model/credit_file.py.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, field

from model.credit_file_sections import Count, CountByMonth, Months, Record, Yuan, YuanByMonth

SourceCode = Annotated[str, Meta(max_length=40, description="the firm's code in the source")]
CustomsRating = Literal["advanced", "general", "regular", "dishonest"]
QualificationKind = Literal[
    "high_tech", "little_giant", "specialised_new", "technology_sme", "contract_keeping"
]
Amounts = Annotated[list[Annotated[float, Meta(ge=0, le=1e12)]], Meta(max_length=240)]


class HousingFund(Record, frozen=True, kw_only=True):
    """For whom the firm pays into the housing fund, 公积金 (source: housing_fund)."""

    as_of: date
    uscc: SourceCode | None = None  # the firm's code in the source's own table
    months: Months
    paying_persons: CountByMonth  # paid for in the month
    paid_yuan: YuanByMonth  # employer's and employees' parts
    arrears_months: Annotated[int, Meta(ge=0, le=240)] = 0


class Water(Record, frozen=True, kw_only=True):
    """Water used and bills overdue, 用水 (source: water)."""

    as_of: date
    uscc: SourceCode | None = None  # the firm's code in the source's own table
    months: Months
    cubic_metres: Amounts
    overdue_yuan: Yuan = 0.0


class Customs(Record, frozen=True, kw_only=True):
    """Goods that crossed the border, and what customs think of the firm, 海关 (source: customs).

    A firm that never registered with customs has empty months, no date and no rating.
    """

    as_of: date
    uscc: SourceCode | None = None  # the firm's code in the source's own table
    registered: date | None = None
    rating: CustomsRating | None = None  # 海关企业信用等级; advanced is AEO
    months: Months
    exports_yuan: YuanByMonth  # declared, free on board
    imports_yuan: YuanByMonth  # declared, with cost, insurance and freight


class Qualification(Record, frozen=True, kw_only=True):
    """One title an authority gave the firm, and until when it holds."""

    kind: QualificationKind
    granted: date
    valid_until: date | None = None


class IntellectualProperty(Record, frozen=True, kw_only=True):
    """Patents, marks, copyrights and titles, 知识产权与资质 (source: intellectual_property)."""

    as_of: date
    uscc: SourceCode | None = None  # the firm's code in the source's own table
    patents_granted: Annotated[list[date], Meta(max_length=5000)] = field(
        default_factory=list
    )  # one date a patent
    trademarks: Count = 0
    software_copyrights: Count = 0
    qualifications: Annotated[list[Qualification], Meta(max_length=200)] = field(
        default_factory=list
    )


class Hiring(Record, frozen=True, kw_only=True):
    """Jobs offered on three job sites, 招聘 (source: hiring); a month without one may be absent."""

    as_of: date
    uscc: SourceCode | None = None  # the firm's code in the source's own table
    months: Months
    posts_zlzp: CountByMonth  # 智联招聘
    posts_qcwy: CountByMonth  # 前程无忧
    posts_zhyc: CountByMonth  # 中华英才
    wage_offered_yuan: Yuan | None = None  # a month, of the latest post that names one


class Online(Record, frozen=True, kw_only=True):
    """Web site, online shops and what the news say, 电商与舆情 (source: online).

    A firm without shops and never in the news has empty months.
    """

    as_of: date
    uscc: SourceCode | None = None  # the firm's code in the source's own table
    web_site_recorded: date | None = None  # 网站备案
    shops: Count = 0  # open now
    months: Months
    sales_yuan: YuanByMonth  # through its online shops
    negative_news: CountByMonth
    positive_news: CountByMonth


class IndustrialInternet(Record, frozen=True, kw_only=True):
    """What connected machines did, 工业互联网 (source: industrial_internet); makers only."""

    as_of: date
    uscc: SourceCode | None = None  # the firm's code in the source's own table
    machines: Count  # connected now
    months: Months
    machine_hours: Amounts  # run, of all machines together
    orders: CountByMonth  # received
