"""How a world's figure beside a published one is measured: small functions of the census.

Each takes the census and a word or two that say what of it, and returns None where the world has
too few observations or not the years. MEASURES names them for published.toml.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from synthetic_data import estimates
from synthetic_data.calendar import month_index
from synthetic_data.census import Census, alive_at
from synthetic_data.estimates import Figure

_EAST = ("11", "12", "13", "21", "31", "32", "33", "35", "37", "44", "46")
_CENTRE = ("14", "22", "23", "34", "36", "41", "42", "43")
REGIONS = {"east": _EAST, "centre": _CENTRE}
"""Provinces of the census's East and Centre; all others are its West."""
DIRTY_YUAN = 2e8
"""Registered capital from which a small firm's was surely typed in the wrong unit."""
_COUNTED_IN = "2018-12"


def sector(census: Census, of: str) -> Figure | None:
    """Share of live firms in a sector."""
    return estimates.share(_living(census)["sector"] == of)


def region(census: Census, of: str) -> Figure | None:
    """Share of live firms in the East, Centre or West."""
    provinces = _living(census)["region"]
    elsewhere = ~provinces.isin(_EAST + _CENTRE)
    return estimates.share(provinces.isin(REGIONS[of]) if of in REGIONS else elsewhere)


def province(census: Census, of: str) -> Figure | None:
    """Share of live firms in a province."""
    return estimates.share(_living(census)["region"] == of)


def age(census: Census, of: str) -> Figure | None:
    """Share of live firms aged from so many years to so many."""
    since, until = map(float, of.split())
    years = _ages(census)
    return estimates.share((years >= since) & (years < until))


def age_median(census: Census, of: str) -> Figure | None:
    """Median age of live firms in years."""
    return estimates.quantile(_ages(census), 0.5)


def exits(census: Census, of: str) -> Figure | None:
    """Yearly probability of closing between two ages in years: closings over firm-years."""
    since, until = (int(word) * 12 for word in of.split())
    firms, span = census.firms, census.span
    founded = firms["founded"].to_numpy()
    last = np.minimum(firms["closed_at"].to_numpy(), span.end)  # the month it is gone
    begun = np.maximum(np.maximum(founded + since, span.first), founded)
    lived = np.maximum(np.minimum(last, founded + until) - begun, 0.0)
    closing_age = firms["closed_at"].to_numpy() - 1 - founded
    closed = (closing_age >= since) & (closing_age < until) & np.isfinite(closing_age)
    years, n = float(lived.sum()) / 12.0, int(closed.sum())
    if years < estimates.FEWEST:
        return None
    rate, error = n / years, np.sqrt(n + 1.0) / years
    return Figure(float(-np.expm1(-rate)), float(np.exp(-rate) * error), int((lived > 0).sum()))


def size(census: Census, of: str) -> Figure | None:
    """Share of a size class among micro, small and medium firms."""
    classes = census.firms["size"]
    return estimates.share(classes[classes.isin(("micro", "small", "medium"))] == of)


def capital_zero(census: Census, of: str) -> Figure | None:
    """Share of firms without registered capital."""
    return estimates.share(census.firms["registered_capital_yuan"] == 0.0)


def capital_dirty(census: Census, of: str) -> Figure | None:
    """Share of firms whose registered capital was typed in the wrong unit."""
    return estimates.share(census.firms["registered_capital_yuan"] >= DIRTY_YUAN)


def sole_owner(census: Census, of: str) -> Figure | None:
    """Share of firms whose legal representative owns all of it."""
    return estimates.share(census.firms["legal_representative_share"] == 1.0)


def quantile(census: Census, of: str) -> Figure | None:
    """A quantile over firms of something known of each: "column quantile"."""
    name, at = of.split()
    values = _column(census, name)
    return None if values is None else estimates.quantile(values, float(at))


def deviation(census: Census, of: str) -> Figure | None:
    """The standard deviation over firms of something known of each."""
    values = _column(census, of)
    return None if values is None else estimates.deviation(values)


def season(census: Census, of: str) -> Figure | None:
    """Sales of a calendar month over those of the mean month."""
    sales = census.seasons
    if not len(sales):
        return None
    return estimates.ratio(12.0 * sales[:, int(of) - 1], sales.sum(axis=1))


def void(census: Census, of: str) -> Figure | None:
    """Share of all invoices issued that were voided."""
    return estimates.ratio(census.firms["voided"], census.firms["issued"])


def rating(census: Census, of: str) -> Figure | None:
    """Share of rated applicants with one of these tax ratings, by their latest credit file."""
    rated = census.records["rating"].dropna()
    return estimates.share(rated.isin(of.split()))


def abnormal(census: Census, of: str) -> Figure | None:
    """Share of applicants ever on the list of abnormal operation."""
    return estimates.share(census.records["abnormal"])


def dishonest(census: Census, of: str) -> Figure | None:
    """Share of applicants ever on the list of dishonest debtors."""
    return estimates.share(census.records["dishonest"])


def causes(census: Census, of: str) -> Figure | None:
    """Suits of one cause for each of another."""
    told = census.records["causes"]
    first, second = ([*told.map(lambda one, of=of: one.count(of))] for of in of.split())
    if sum(second) < estimates.FEWEST:
        return None
    return estimates.ratio(first, second)


def enforced(census: Census, of: str) -> Figure | None:
    """Median amount of enforcement cases."""
    amounts = [yuan for one in census.records["enforced_yuan"] for yuan in one]
    return estimates.quantile(amounts, 0.5)


def rate(census: Census, of: str) -> Figure | None:
    """Average rate of the loans granted in a year, by amount."""
    loans = _granted(census, of)
    return estimates.ratio(loans["rate_annual"] * loans["amount_yuan"], loans["amount_yuan"])


def amount(census: Census, of: str) -> Figure | None:
    """Average amount of the loans granted."""
    return estimates.mean(_granted(census)["amount_yuan"])


def default(census: Census, of: str) -> Figure | None:
    """Share of the loans granted in a year, or in all, that defaulted within 12 months."""
    return estimates.share(_granted(census, of)["defaulted_12m"] == 1)


def default_sizes(census: Census, of: str) -> Figure | None:
    """Default rate of micro and small firms over that of medium firms."""
    loans = _granted(census)
    little, middle = (
        estimates.share(loans.loc[loans["size"].isin(sizes), "defaulted_12m"] == 1)
        for sizes in (("micro", "small"), ("medium",))
    )
    return estimates.quotient(little, middle)


def approval(census: Census, of: str) -> Figure | None:
    """Share of applications approved."""
    return estimates.share(census.applications["approved"])


def take_up(census: Census, of: str) -> Figure | None:
    """Share of the loans approved in a year that were drawn."""
    asked = census.applications
    approved = asked[asked["approved"] & (asked["year"] == int(of))]
    return estimates.share(approved["granted"])


def first_time(census: Census, of: str) -> Figure | None:
    """Share of the loans granted that went to first-time borrowers."""
    return estimates.share(_granted(census)["first_time_borrower"])


def owing(census: Census, of: str) -> Figure | None:
    """Share of firms that owed a lender in the first month."""
    return estimates.share(census.firms["owing"].dropna() == 1.0)


def quarter(census: Census, of: str) -> Figure | None:
    """Growth of a sector's sales on a year before: "sector q1", q4 or y.

    Of the typical firm (geometric mean) among those alive in both: the sum over a sector follows
    its few largest firms.
    """
    name, when = of.split()
    firms = census.firms
    if f"{when}_2020" not in firms or f"{when}_2019" not in firms:
        return None
    of_sector = firms[firms["sector"] == name]
    now, before = (of_sector[f"{when}_{year}"].to_numpy() for year in (2020, 2019))
    known = (now > 0.0) & (before > 0.0)
    found = estimates.mean(np.log(now[known] / before[known]))
    if found is None:
        return None
    times = float(np.exp(found.value))
    return Figure(times - 1.0, times * found.error, found.n)


def cash(census: Census, of: str) -> Figure | None:
    """Share of firms whose cash covered less than so many months of cost at the end of 2019."""
    if "cash_months" not in census.firms:
        return None
    return estimates.share(census.firms["cash_months"].dropna() < float(of))


MEASURES: dict[str, Callable[[Census, str], Figure | None]] = {
    "exit": exits,
    **{
        one.__name__: one
        for one in (
            sector, region, province, age, age_median, size, capital_zero, capital_dirty,
            sole_owner, quantile, deviation, season, void, rating, abnormal, dishonest, causes,
            enforced, rate, amount, default, default_sizes, approval, take_up, first_time, owing,
            quarter, cash,
        )
    },
}  # fmt: skip


def _living(census: Census) -> pd.DataFrame:
    """Firms alive in the month of the published count, or in the world's last before it."""
    return census.firms[alive_at(census.firms, _month(census))]


def _ages(census: Census) -> Any:
    return (_month(census) - _living(census)["founded"]) / 12.0


def _month(census: Census) -> int:
    return int(np.clip(month_index(_COUNTED_IN), census.span.first, census.span.end - 1))


def _column(census: Census, name: str) -> Any | None:
    firms = census.firms
    if name == "void_share":
        return firms["voided"] / firms["issued"]
    if name == "growth_2019":
        if "sales_2018" not in firms or "sales_2019" not in firms:
            return None
        both = (firms["sales_2018"] > 0.0) & (firms["sales_2019"] > 0.0)
        return np.log(firms["sales_2019"][both] / firms["sales_2018"][both])
    return firms.get(name)


def _granted(census: Census, year: str = "") -> pd.DataFrame:
    asked = census.applications
    chosen = asked["granted"] & ((asked["year"] == int(year)) if year else True)
    return asked[chosen]
