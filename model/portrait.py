"""The portrait: a credit file seen as features. One definition serves the single row and the batch.

Windows end at the last month that was complete on the section's as-of date. A month absent from
a monthly section counts as zero for flows that were counted (invoices, tax, kWh). A feature whose
source is silent, or whose window lies before the firm's own history, is missing: NaN, or None for
a category. Missing is never a guess of zero.
"""

from collections.abc import Iterable, Sequence
from math import log, nan, sqrt

from model.credit_file import (
    FIRST_SOURCES,
    SIGNALS,
    Bank,
    Courts,
    CreditBureau,
    CreditFile,
    Electricity,
    Invoices,
    Registry,
    SocialSecurity,
    Tax,
    sections,
)
from model.features import FEATURES, INDEX
from model.portrait_signals import Value as Value
from model.portrait_signals import signals, silent
from model.window import Window, growth_of, months_between, ratio_of

Portrait = list[Value]
"""Feature values in the order of features.FEATURES; NaN or None where missing."""

_SILENT = silent(*FIRST_SOURCES)
_FIRST = sum(feature.source in FIRST_SOURCES for feature in FEATURES)
_FIRST_NAMES, _LATER_NAMES = [*INDEX][:_FIRST], [*INDEX][_FIRST:]
_NOTHING_LATER = [*signals((None,) * len(SIGNALS), nan, nan)]


def portrait(credit_file: CreditFile) -> Portrait:
    """All features of one firm as of the credit file's date."""
    found = sections(credit_file)
    registry, tax, invoices, social_security, electricity, courts, bank, credit_bureau = found[:8]
    silent = _SILENT
    values: Portrait = []
    values += silent["registry"] if registry is None else _registry(registry)
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
    values += silent["bank"] if bank is None else _bank(bank, sales)
    values += (
        silent["credit_bureau"] if credit_bureau is None else _credit_bureau(credit_bureau, sales)
    )
    values += signals(found[8:], sales, sales_ratio)
    return values


def portraits(credit_files: Iterable[CreditFile]) -> list[Portrait]:
    """The same definition over many firms."""
    return [portrait(credit_file) for credit_file in credit_files]


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
        months_between(section.established, as_of),
        section.registered_capital_yuan,
        section.paid_in_capital_yuan,
        section.sector,
        section.region,
        float(section.employees),
        float(changes),
        months_between(section.legal_representative_since, as_of),
        section.legal_representative_share,
        listed_now,
        float(listings),
    )


def _tax(section: Tax) -> tuple[Value, ...]:
    window = Window(section.months, section.as_of)
    paid = window.of(section.tax_paid_yuan)
    filings = window.texts(section.filings)
    paid_12m = sum(paid[-12:])
    year = filings[-12:]
    growth = growth_of(paid_12m, sum(paid[:12])) if window.known == 24 else nan
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
        ratio_of(paid_12m, sum(window.year(section.declared_sales_yuan))),
    )


def _longest_gap(counts: Sequence[float]) -> int:
    longest = run = 0
    for count in counts:
        run = 0 if count else run + 1
        if run > longest:
            longest = run
    return longest


def _invoices(section: Invoices) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    first = months_between(section.first_invoice, section.as_of)
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
    for amount in year:  # month by month: recorded decisions hang on the last digit
        squares += (amount - mean) * (amount - mean)
    gap = _longest_gap(issued) if 0 in issued else 0
    red = sum(window.year(section.red_yuan))
    top_share = section.top_buyer_share_12m
    return (
        sales_12m,
        growth_of(sales_12m, sum(sales[:12])) if full else nan,
        growth_of(last_6m, sum(sales[-12:-6])) if window.known >= 12 else nan,
        growth_of(last_3m, sum(sales[-15:-12])) if window.known >= 15 else nan,
        float(months - issued.count(0)),
        float(gap),
        ratio_of(last_3m, sales_12m),
        sqrt(squares / months) / mean if mean > 0 else nan,
        nan if top_share is None else top_share,
        sum(window.year(section.buyers)) / months,
        ratio_of(sum(window.year(section.void_count)), sum(issued)),
        ratio_of(red, sales_12m + red),
        ratio_of(sum(window.year(section.purchases_yuan)), sales_12m),
        first,
    )


def _social_security(section: SocialSecurity, sales_12m_yuan: float) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    if not window.known:
        return (nan, nan, float(section.arrears_months), nan)
    insured = window.of(section.insured_persons)
    now = float(insured[-1])
    return (
        now,
        growth_of(now, insured[-13]) if window.known >= 13 else nan,
        float(section.arrears_months),
        sales_12m_yuan / max(now, 1.0),
    )


def _electricity(section: Electricity, sales_ratio: float) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    if not window.known:
        return (nan, nan, section.overdue_yuan, nan)
    kwh = window.of(section.kwh)
    kwh_12m = sum(kwh[-12:])
    growth = growth_of(kwh_12m, sum(kwh[:12])) if window.known == 24 else nan
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
    window = Window(section.months, section.as_of)
    if not window.known:
        return (nan,) * 4
    inflow = window.of(section.inflow_yuan)
    inflow_12m = sum(inflow[-12:])
    outflow = window.year(section.outflow_yuan)
    balances = window.of(section.balance_yuan)[-3:]
    return (
        inflow_12m,
        growth_of(inflow_12m, sum(inflow[:12])) if window.known == 24 else nan,
        ratio_of(sum(balances) / len(balances), sum(outflow) / len(outflow)),
        ratio_of(inflow_12m, sales_12m_yuan),
    )


def _credit_bureau(section: CreditBureau, sales_12m_yuan: float) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    line = section.credit_line_yuan
    used = section.credit_line_used_yuan / line if line > 0 else 0.0
    service = ratio_of(12.0 * section.debt_service_yuan, sales_12m_yuan)
    guarantees = ratio_of(section.guarantees_yuan, sales_12m_yuan)
    if not window.known:
        return (nan, nan, service, float(section.lenders), used, *(nan,) * 5, guarantees)
    debt = window.of(section.debt_yuan)[-1]
    overdue, in_a_row = window.of(section.overdue_yuan), window.of(section.overdue_months)
    queries = window.of(section.queries)
    return (
        debt,
        ratio_of(debt, sales_12m_yuan),
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
    """The portrait as name -> value, for people and the wire.

    Of sources beyond the first eight only what is known is told, as in records made before them.
    """
    told = dict(zip(_FIRST_NAMES, values, strict=False))
    later = values[_FIRST:]
    if later != _NOTHING_LATER:
        known = zip(_LATER_NAMES, later, strict=True)
        told.update((name, value) for name, value in known if value == value and value is not None)
    return told
