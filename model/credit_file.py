"""The credit file: everything the sources said about one firm, as of a date.

This module is the contract. The same records are posted over HTTP, written by the simulator, read
by training and stored in the ledger. Structure (types, bounds, unknown fields) is enforced while
decoding; `check` enforces what a type cannot say: dates and months in order, the USCC check digit.
Names of all fields in two languages stand in credit_file.toml, told in docs/data-dictionary.md.

Money is in yuan, electricity in kWh, shares between 0 and 1. Months are "YYYY-MM". A monthly
section is column-wise: `months` ascending (gaps allowed), every other list of the same length.
"""

import re
from collections.abc import Sequence
from datetime import date
from operator import attrgetter, gt
from typing import Any

from msgspec import Struct
from stdnum.cn import uscc as stdnum_uscc

from model.credit_file_sections import (
    AbnormalListing,
    Bank,
    Change,
    ChangeItem,
    Courts,
    CreditBureau,
    DishonestListing,
    Electricity,
    Enforcement,
    Filing,
    Invoices,
    Record,
    Registry,
    Sector,
    SocialSecurity,
    Suit,
    SuitCause,
    SuitRole,
    Tax,
    TaxRating,
    Uscc,
)
from model.credit_file_signals import (
    Customs,
    CustomsRating,
    Hiring,
    HousingFund,
    IndustrialInternet,
    IntellectualProperty,
    Online,
    Qualification,
    QualificationKind,
    Water,
)

__all__ = [
    "FIRST_SOURCES", "MONTHLY", "MONTH_INDEX", "SIGNALS", "SOURCES", "AbnormalListing",
    "Bank", "Change", "ChangeItem",
    "Courts", "CreditBureau", "CreditFile", "Customs", "CustomsRating", "DishonestListing",
    "Electricity", "Enforcement", "Fault", "Filing", "Hiring", "HousingFund", "IndustrialInternet",
    "IntellectualProperty", "Invoices", "Online", "Qualification", "QualificationKind", "Registry",
    "Sector", "SocialSecurity", "Suit", "SuitCause", "SuitRole", "Tax", "TaxRating", "Uscc",
    "Water", "check", "check_uscc", "sections",
]  # fmt: skip


class CreditFile(Record, frozen=True, kw_only=True):
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
    housing_fund: HousingFund | None = None
    water: Water | None = None
    customs: Customs | None = None
    intellectual_property: IntellectualProperty | None = None
    hiring: Hiring | None = None
    online: Online | None = None
    industrial_internet: IndustrialInternet | None = None


SOURCES: tuple[str, ...] = (
    "registry", "tax", "invoices", "social_security", "electricity", "courts", "bank",
    "credit_bureau", "housing_fund", "water", "customs", "intellectual_property", "hiring",
    "online", "industrial_internet",
)  # fmt: skip
"""The sources a credit file can hold, in its order."""

SIGNALS = SOURCES[8:]
"""The sources of credit_file_signals.py, which tell the firm's code in their own tables."""
FIRST_SOURCES = SOURCES[:8]
"""The others."""

sections = attrgetter(*SOURCES)
"""The sections of a credit file in the order of SOURCES, None where a source is silent."""

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


MONTHLY: dict[str, tuple[str, ...]] = {
    "tax": ("declared_sales_yuan", "tax_paid_yuan", "filings"),
    "invoices": (
        "sales_yuan", "sales_count", "void_count", "red_yuan",
        "purchases_yuan", "buyers", "suppliers",
    ),
    "social_security": ("insured_persons", "paid_yuan"),
    "electricity": ("kwh",),
    "bank": ("inflow_yuan", "outflow_yuan", "balance_yuan"),
    "credit_bureau": ("debt_yuan", "overdue_yuan", "overdue_months", "queries"),
    "housing_fund": ("paying_persons", "paid_yuan"),
    "water": ("cubic_metres",),
    "customs": ("exports_yuan", "imports_yuan"),
    "hiring": ("posts_zlzp", "posts_qcwy", "posts_zhyc"),
    "online": ("sales_yuan", "negative_news", "positive_news"),
    "industrial_internet": ("machine_hours", "orders"),
}  # fmt: skip
"""Monthly source -> its lists that hold one value a month."""

_CODE = re.compile(r"[0-9]{8}[0-9A-HJ-NP-RTUW-Y]{9}.")
_UNTIDY = re.compile(
    r"^[\s\u200b\ufeff]|[\s\u200b\ufeff]$|[\u3000\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]"
)
"""Spaces around a name, and full-width letters, digits and spaces in it."""


def check(credit_file: CreditFile) -> None:
    """Refuse a credit file that contradicts itself.

    Raises Fault naming the first field whose value cannot be true: a USCC whose check digit is
    wrong, a date after the section's own as-of date, months not ascending, lists of unequal length,
    a section about another firm. Faults that are only a matter of typing, a space or a month told
    twice, can be taken away beforehand: model/credit_file_typing.py.
    """
    check_uscc(credit_file.uscc, "credit_file.uscc")
    found = sections(credit_file)
    for source, section in zip(SOURCES, found, strict=True):
        if section is None:
            continue
        at = f"credit_file.{source}"
        _not_after(f"{at}.as_of", section.as_of, credit_file.as_of, "credit_file.as_of")
        if source in MONTHLY:
            _check_months(at, section, MONTHLY[source])
    _check_registry(credit_file.registry)
    if credit_file.invoices is not None:
        invoices = credit_file.invoices
        at = "credit_file.invoices"
        _not_after(f"{at}.first_invoice", invoices.first_invoice, invoices.as_of, f"{at}.as_of")
        voids, sales = invoices.void_count, invoices.sales_count
        if any(map(gt, voids, sales)):
            i = [*map(gt, voids, sales)].index(True)
            raise Fault(f"{at}.void_count[{i}]", voids[i], f"at most sales_count[{i}] = {sales[i]}")
    _check_courts(credit_file.courts)
    signals = found[len(FIRST_SOURCES) :]
    if signals != _NO_SIGNALS:
        _check_signals(credit_file, signals)


def check_uscc(code: str, field: str) -> None:
    """Refuse a unified social credit code whose form or check digit (GB 32100-2015) is wrong."""
    if not _CODE.fullmatch(code):
        raise Fault(field, code, "8 digits, then 10 of 0-9 A-Z without I O S V Z")
    digit = stdnum_uscc.calc_check_digit(code[:17])
    if digit != code[17]:
        raise Fault(field, code, f"check digit {digit!r} at position 18 (GB 32100-2015)")


def _check_code(field: str, code: str, uscc: str) -> None:
    """Refuse a section whose source knows it under another firm's code.

    Some sources hold codes whose check digit is wrong, as real ones of the first years are: the 17
    characters before it tell the firm.
    """
    if code != uscc and (len(code) != 18 or code[:17] != uscc[:17]):
        raise Fault(field, code, f"the firm's own code {uscc}, at least its first 17 characters")


def _not_after(field: str, value: date, limit: date, limit_name: str) -> None:
    if value > limit:
        raise Fault(field, value.isoformat(), f"a date not after {limit_name} = {limit}")


def _check_months(at: str, section: Any, columns: Sequence[str]) -> None:
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
    if _UNTIDY.search(registry.name):
        raise Fault(f"{at}.name", registry.name, "no spaces around it, no full-width letters in it")
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


_NO_SIGNALS = (None,) * len(SIGNALS)


def _check_signals(credit_file: CreditFile, signals: Sequence[Any]) -> None:
    for source, section in zip(SIGNALS, signals, strict=True):
        if section is not None and section.uscc is not None:
            _check_code(f"credit_file.{source}.uscc", section.uscc, credit_file.uscc)
    customs, online = credit_file.customs, credit_file.online
    if customs is not None and customs.registered is not None:
        at = "credit_file.customs"
        _not_after(f"{at}.registered", customs.registered, customs.as_of, f"{at}.as_of")
    if online is not None and online.web_site_recorded is not None:
        at = "credit_file.online"
        _not_after(f"{at}.web_site_recorded", online.web_site_recorded, online.as_of, f"{at}.as_of")
    known = credit_file.intellectual_property
    if known is not None:
        at = "credit_file.intellectual_property"
        for i, granted in enumerate(known.patents_granted):
            _not_after(f"{at}.patents_granted[{i}]", granted, known.as_of, f"{at}.as_of")
        for i, one in enumerate(known.qualifications):
            _not_after(f"{at}.qualifications[{i}].granted", one.granted, known.as_of, f"{at}.as_of")
            if one.valid_until is not None and one.valid_until < one.granted:
                raise Fault(
                    f"{at}.qualifications[{i}].valid_until",
                    one.valid_until.isoformat(),
                    f"a date not before {at}.qualifications[{i}].granted = {one.granted}",
                )


def _check_span(at: str, start: str, end: str, event: Struct, as_of: date, until: str) -> None:
    begun, ended = getattr(event, start), getattr(event, end)
    _not_after(f"{at}.{start}", begun, as_of, until)
    if ended is not None:
        _not_after(f"{at}.{end}", ended, as_of, until)
        if ended < begun:
            raise Fault(
                f"{at}.{end}", ended.isoformat(), f"a date not before {at}.{start} = {begun}"
            )
