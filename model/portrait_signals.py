"""The features of what a firm does: staff paid for, water, trade, patents, jobs, news, machines.

A source that answered and has nothing to tell, empty months, says that there was nothing: no
exports, no jobs offered. A silent source leaves its features missing.
"""

from collections.abc import Sequence
from math import log, nan
from typing import Any

from model.credit_file import (
    SIGNALS,
    Customs,
    Hiring,
    HousingFund,
    IndustrialInternet,
    IntellectualProperty,
    Online,
    Water,
)
from model.features import FEATURES
from model.window import Window, growth_of, ratio_of

Value = float | str | None


def silent(*sources: str) -> dict[str, tuple[Value, ...]]:
    """Source -> its features when it says nothing, all missing."""
    return {
        source: tuple(
            nan if feature.kind == "number" else None
            for feature in FEATURES
            if feature.source == source
        )
        for source in sources
    }


_SILENT = silent(*SIGNALS)
_NOBODY = (None,) * len(_SILENT)
_NOTHING: tuple[Value, ...] = tuple(value for values in _SILENT.values() for value in values)


def signals(
    sections: tuple[Any, ...], sales_12m_yuan: float, sales_ratio: float
) -> Sequence[Value]:
    """The features of the seven sections, in the order of the credit file.

    `sales_ratio` is sales over those of the year before.
    """
    if sections == _NOBODY:
        return _NOTHING
    housing_fund, water, customs, known, hiring, online, machines = sections
    silent = _SILENT
    values: list[Value] = []
    values += silent["housing_fund"] if housing_fund is None else _housing_fund(housing_fund)
    values += silent["water"] if water is None else _water(water)
    values += silent["customs"] if customs is None else _customs(customs, sales_12m_yuan)
    values += silent["intellectual_property"] if known is None else _intellectual_property(known)
    values += silent["hiring"] if hiring is None else _hiring(hiring)
    values += silent["online"] if online is None else _online(online)
    values += (
        silent["industrial_internet"] if machines is None else _machines(machines, sales_ratio)
    )
    return values


def _housing_fund(section: HousingFund) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    if not window.known:
        return (0.0, nan, float(section.arrears_months))
    paying = window.of(section.paying_persons)
    now = float(paying[-1])
    before = paying[-13] if window.known >= 13 else 0
    return (now, growth_of(now, before), float(section.arrears_months))


def _water(section: Water) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    used = window.of(section.cubic_metres)
    growth = growth_of(sum(used[-12:]), sum(used[:12])) if window.known == 24 else nan
    return (growth, section.overdue_yuan)


def _customs(section: Customs, sales_12m_yuan: float) -> tuple[Value, ...]:
    window = Window(section.months, section.as_of)
    if not window.known:
        return (0.0, nan, section.rating)
    exports = window.of(section.exports_yuan)
    exports_12m = sum(exports[-12:])
    growth = growth_of(exports_12m, sum(exports[:12])) if window.known == 24 else nan
    return (ratio_of(exports_12m, sales_12m_yuan), growth, section.rating)


def _intellectual_property(section: IntellectualProperty) -> tuple[float, ...]:
    as_of = section.as_of
    titles, contracts = 0, 0.0
    for one in section.qualifications:
        if one.valid_until is None or one.valid_until >= as_of:
            if one.kind == "contract_keeping":
                contracts = 1.0
            else:
                titles += 1
    return (float(len(section.patents_granted)), float(titles), contracts)


def _hiring(section: Hiring) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    if not window.known:
        return (0.0, nan)
    sites = (section.posts_zlzp, section.posts_qcwy, section.posts_zhyc)
    posts = [sum(of_month) for of_month in zip(*map(window.of, sites), strict=True)]
    return (float(sum(posts[-12:])), growth_of(sum(posts[-6:]), sum(posts[-12:-6])))


def _online(section: Online) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    if not window.known:
        return (0.0, nan, 0.0)
    sales = window.of(section.sales_yuan)
    half = sum(sales[-6:])
    growth = growth_of(half, sum(sales[-12:-6])) if window.known >= 12 else nan
    return (sum(sales[-12:]), growth, float(sum(window.year(section.negative_news))))


def _machines(section: IndustrialInternet, sales_ratio: float) -> tuple[float, ...]:
    window = Window(section.months, section.as_of)
    if not window.known:
        return (nan,) * 3
    hours, orders = window.of(section.machine_hours), window.of(section.orders)
    growth = growth_of(sum(hours[-12:]), sum(hours[:12])) if window.known == 24 else nan
    ordered = growth_of(sum(orders[-6:]), sum(orders[-12:-6])) if window.known >= 12 else nan
    ratio = growth + 1.0
    divergence = log(sales_ratio) - log(ratio) if ratio > 0 and sales_ratio > 0 else nan
    return (growth, ordered, divergence)
