"""The portrait: a credit file seen as features. One definition serves the single row and the batch.

Windows end at the last month that was complete on the section's as-of date. A month absent from
a monthly section counts as zero for flows that were counted (invoices, tax, kWh). A feature whose
source is silent, or whose window lies before the firm's own history, is missing: NaN, or None for
a category. Missing is never a guess of zero.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from math import log, nan, sqrt

from model.credit_file import (
    MONTH_INDEX,
    Bank,
    Courts,
    CreditBureau,
    CreditFile,
    Electricity,
    Invoices,
    Registry,
    SocialSecurity,
    Tax,
)
from model.features import FEATURES, INDEX

Value = float | str | None
Portrait = list[Value]
"""Feature values in the order of features.FEATURES; NaN or None where missing."""

_DAYS_PER_MONTH = 365.2425 / 12
_ONE_DAY = timedelta(days=1)
_SILENT: dict[str, tuple[Value, ...]] = {
    source: tuple(
        nan if feature.kind == "number" else None
        for feature in FEATURES
        if feature.source == source
    )
    for source in dict.fromkeys(feature.source for feature in FEATURES)
}


def portrait(credit_file: CreditFile) -> Portrait:
    """All features of one firm as of the credit file's date."""
    invoices, courts = credit_file.invoices, credit_file.courts
    electricity, social_security = credit_file.electricity, credit_file.social_security
    values: Portrait = []
    silent = _SILENT
    registry = credit_file.registry
    values += silent["registry"] if registry is None else _registry(registry)
    tax = credit_file.tax
    values += silent["tax"] if tax is None else _tax(tax)
    if invoices is None:
        values += silent["invoices"]
        sales, sales_ratio = nan, nan
    else:
        of_invoices = _invoices(invoices)
        values += of_invoices
        sales, sales_ratio = of_invoices[0], of_invoices[1] + 1.0
    values += (
        silent["social_security"]
        if social_security is None
        else _social_security(social_security, sales)
    )
    values += (
        silent["electricity"] if electricity is None else _electricity(electricity, sales_ratio)
    )
    values += silent["courts"] if courts is None else _courts(courts, sales)
    bank, credit_bureau = credit_file.bank, credit_file.credit_bureau
    values += silent["bank"] if bank is None else _bank(bank, sales)
    values += (
        silent["credit_bureau"] if credit_bureau is None else _credit_bureau(credit_bureau, sales)
    )
    return values


def portraits(credit_files: Iterable[CreditFile]) -> list[Portrait]:
    """The same definition over many firms."""
    return [portrait(credit_file) for credit_file in credit_files]


def _months_between(earlier: date, later: date) -> float:
    return (later - earlier).days / _DAYS_PER_MONTH


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else nan


def _growth(now: float, before: float) -> float:
    return now / before - 1.0 if before > 0 else nan


def _last_complete(as_of: date) -> int:
    """Index of the last month that was complete on a date."""
    index = as_of.year * 12 + as_of.month - 1
    if as_of.day < 28:
        return index - 1
    return index if (as_of + _ONE_DAY).day == 1 else index - 1


@lru_cache(4_096)
def _span(first: str, last: str, count: int, as_of: date) -> tuple[int, int, int, bool]:
    """How many months of the window exist, its slice, and whether a slice is the window.

    It is when no month between the first and the last is missing. Kept for the next applicant:
    those of one day share most of them.
    """
    end, begun, ended = _last_complete(as_of), MONTH_INDEX[first], MONTH_INDEX[last]
    known = min(24, max(0, end - begun + 1))
    stop = max(0, end - begun + 1)
    return known, max(0, stop - 24), stop, ended - begun + 1 == count and ended >= end


class _Window:
    """The last 24 complete months of a monthly section, oldest first; `known` of them exist."""

    __slots__ = ("_positions", "_start", "_stop", "known")

    def __init__(self, months: Sequence[str], as_of: date) -> None:
        count = len(months)
        self._positions: list[tuple[int, int]] | None = None
        self._start = self._stop = self.known = 0
        if not count:
            return
        self.known, self._start, self._stop, gapless = _span(months[0], months[-1], count, as_of)
        if not gapless:
            end = _last_complete(as_of)
            begin = end - self.known + 1
            self._positions = [
                (MONTH_INDEX[month] - begin, i)
                for i, month in enumerate(months)
                if begin <= MONTH_INDEX[month] <= end
            ]

    def of(self, column: Sequence[float]) -> Sequence[float]:
        """A column over the window; a month without a row is zero."""
        if self._positions is None:
            return column[self._start : self._stop]
        dense = [0.0] * self.known
        for at, i in self._positions:
            dense[at] = column[i]
        return dense

    def year(self, column: Sequence[float]) -> Sequence[float]:
        """A column over the last 12 months of the window."""
        if self._positions is None:
            return column[max(self._start, self._stop - 12) : self._stop]
        return self.of(column)[-12:]

    def texts(self, column: Sequence[str]) -> Sequence[str]:
        """A column of words over the window; a month without a row is the word "absent"."""
        if self._positions is None:
            return column[self._start : self._stop]
        dense = ["absent"] * self.known
        for at, i in self._positions:
            dense[at] = column[i]
        return dense


def _registry(section: Registry) -> tuple[Value, ...]:
    as_of = section.as_of
    changes = 0
    for change in section.changes:
        if (as_of - change.on).days <= 365:
            changes += 1
    listed_now, listings = 0.0, 0
    for listing in section.abnormal_listings:
        if listing.removed is None:
            listed_now = 1.0
        if (as_of - listing.listed).days <= 1096:
            listings += 1
    return (
        _months_between(section.established, as_of),
        section.registered_capital_yuan,
        section.paid_in_capital_yuan,
        section.sector,
        section.region,
        float(section.employees),
        float(changes),
        _months_between(section.legal_representative_since, as_of),
        section.legal_representative_share,
        listed_now,
        float(listings),
    )


def _tax(section: Tax) -> tuple[Value, ...]:
    window = _Window(section.months, section.as_of)
    paid = window.of(section.tax_paid_yuan)
    filings = window.texts(section.filings)
    paid_12m = sum(paid[-12:])
    year = filings[-12:]
    growth = _growth(paid_12m, sum(paid[:12])) if window.known == 24 else nan
    observed = bool(window.known)
    return (
        section.rating,
        paid_12m if observed else nan,
        sum(paid[-3:]) if observed else nan,
        growth,
        float(filings.count("missing")) if observed else nan,
        float(year.count("late")) if observed else nan,
        float(year.count("zero")) if observed else nan,
        section.arrears_yuan,
        _ratio(paid_12m, sum(window.year(section.declared_sales_yuan))),
    )


def _longest_gap(counts: Sequence[float]) -> int:
    longest = run = 0
    for count in counts:
        run = 0 if count else run + 1
        if run > longest:
            longest = run
    return longest


def _invoices(section: Invoices) -> tuple[float, ...]:
    window = _Window(section.months, section.as_of)
    first = _months_between(section.first_invoice, section.as_of)
    if not window.known:
        return (nan,) * 13 + (first,)
    sales = window.of(section.sales_yuan)
    issued = window.year(section.sales_count)
    year = sales[-12:]
    sales_12m, months = sum(year), len(year)
    last_3m, last_6m = sum(sales[-3:]), sum(sales[-6:])
    full = window.known == 24
    mean = sales_12m / months
    squares = 0.0
    for amount in year:
        squares += (amount - mean) * (amount - mean)
    gap = _longest_gap(issued) if 0 in issued else 0
    red = sum(window.year(section.red_yuan))
    top_share = section.top_buyer_share_12m
    return (
        sales_12m,
        _growth(sales_12m, sum(sales[:12])) if full else nan,
        _growth(last_6m, sum(sales[-12:-6])) if window.known >= 12 else nan,
        _growth(last_3m, sum(sales[-15:-12])) if window.known >= 15 else nan,
        float(months - issued.count(0)),
        float(gap),
        _ratio(last_3m, sales_12m),
        sqrt(squares / months) / mean if mean > 0 else nan,
        nan if top_share is None else top_share,
        sum(window.year(section.buyers)) / months,
        _ratio(sum(window.year(section.void_count)), sum(issued)),
        _ratio(red, sales_12m + red),
        _ratio(sum(window.year(section.purchases_yuan)), sales_12m),
        first,
    )


def _social_security(section: SocialSecurity, sales_12m_yuan: float) -> tuple[float, ...]:
    window = _Window(section.months, section.as_of)
    if not window.known:
        return (nan, nan, float(section.arrears_months), nan)
    insured = window.of(section.insured_persons)
    now = float(insured[-1])
    return (
        now,
        _growth(now, insured[-13]) if window.known >= 13 else nan,
        float(section.arrears_months),
        sales_12m_yuan / max(now, 1.0),
    )


def _electricity(section: Electricity, sales_ratio: float) -> tuple[float, ...]:
    window = _Window(section.months, section.as_of)
    if not window.known:
        return (nan, nan, section.overdue_yuan, nan)
    kwh = window.of(section.kwh)
    kwh_12m = sum(kwh[-12:])
    growth = _growth(kwh_12m, sum(kwh[:12])) if window.known == 24 else nan
    ratio = growth + 1.0
    divergence = log(sales_ratio) - log(ratio) if ratio > 0 and sales_ratio > 0 else nan
    return (kwh_12m, growth, section.overdue_yuan, divergence)


def _courts(section: Courts, sales_12m_yuan: float) -> tuple[float, ...]:
    as_of = section.as_of
    defendant = plaintiff = 0
    amount = 0.0
    for suit in section.suits:
        if (as_of - suit.filed).days <= 731:
            if suit.role == "defendant":
                defendant += 1
                amount += suit.amount_yuan
            elif suit.role == "plaintiff":
                plaintiff += 1
    enforced = 0.0
    for case in section.enforcements:
        if case.closed is None:
            enforced += case.amount_yuan
    listed = 1.0 if any(listing.removed is None for listing in section.dishonest_listings) else 0.0
    relative = 0.0 if amount == 0 else amount / max(sales_12m_yuan, 1.0)
    return (float(defendant), relative, enforced, listed, float(plaintiff))


def _bank(section: Bank, sales_12m_yuan: float) -> tuple[float, ...]:
    window = _Window(section.months, section.as_of)
    if not window.known:
        return (nan,) * 4
    inflow = window.of(section.inflow_yuan)
    inflow_12m = sum(inflow[-12:])
    outflow = window.year(section.outflow_yuan)
    balances = window.of(section.balance_yuan)[-3:]
    return (
        inflow_12m,
        _growth(inflow_12m, sum(inflow[:12])) if window.known == 24 else nan,
        _ratio(sum(balances) / len(balances), sum(outflow) / len(outflow)),
        _ratio(inflow_12m, sales_12m_yuan),
    )


def _credit_bureau(section: CreditBureau, sales_12m_yuan: float) -> tuple[float, ...]:
    window = _Window(section.months, section.as_of)
    line = section.credit_line_yuan
    used = section.credit_line_used_yuan / line if line > 0 else 0.0
    service = _ratio(12.0 * section.debt_service_yuan, sales_12m_yuan)
    guarantees = _ratio(section.guarantees_yuan, sales_12m_yuan)
    if not window.known:
        return (nan, nan, service, float(section.lenders), used, *(nan,) * 5, guarantees)
    debt = window.of(section.debt_yuan)[-1]
    overdue, in_a_row = window.of(section.overdue_yuan), window.of(section.overdue_months)
    queries = window.of(section.queries)
    return (
        debt,
        _ratio(debt, sales_12m_yuan),
        service,
        float(section.lenders),
        used,
        overdue[-1],
        float(len(in_a_row) - in_a_row.count(0)),
        float(max(in_a_row)),
        float(sum(queries[-3:])),
        float(sum(queries[-6:])),
        guarantees,
    )


def named(values: Portrait) -> dict[str, Value]:
    """The portrait as name -> value, for people and the wire."""
    return dict(zip(INDEX, values, strict=True))
