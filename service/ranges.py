"""What values a fact can take, so that a condition can be judged before any firm is seen.

`low` and `high` hold for every credit file that is accepted and every application (bounds of
model/credit_file.py and service/application.py carried through model/portrait.py). `usual_low` and
`usual_high` are wider than any threshold a policy has reason to name: a number beyond them is in
another unit.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import ceil, floor, inf, isfinite
from typing import get_args

from msgspec import Struct

from model.features import FEATURES, Feature
from service.application import Purpose


class Range(Struct, frozen=True, kw_only=True):
    """What one fact can be: numbers from low to high, whole or not, or one of some words.

    `words` is empty for a number, and for a category whose words have a `form` but no list. `units`
    are those a comparison with another fact may assume; empty when there is none.
    """

    low: float = -inf
    high: float = inf
    usual_low: float = -inf
    usual_high: float = inf
    whole: bool = False
    number: bool = True
    words: tuple[str, ...] = ()
    form: str = ""
    units: frozenset[str] = frozenset()
    may_be_missing: bool = True

    @property
    def usual(self) -> tuple[float, float]:
        """The lowest and the highest value a policy has reason to compare this fact with."""
        return max(self.low, self.usual_low), min(self.high, self.usual_high)

    def points(self, thresholds: Iterable[float]) -> list[float]:
        """Values of this fact that stand for all: one for each side of and each place between cuts.

        A comparison with one of the thresholds that holds for every point holds for every value.
        """
        cuts = sorted({t for t in thresholds if isfinite(t) and self.low <= t <= self.high})
        found = {end for end in (self.low, self.high) if isfinite(end)}
        if self.whole:
            for cut in cuts:
                found |= {floor(cut), ceil(cut), floor(cut) + 1, ceil(cut) - 1}
            found |= set() if found else {0.0}
            return sorted(float(v) for v in found if self.low <= v <= self.high)
        found |= set(cuts) or {0.0}
        ends = sorted(found)
        found |= {low / 2 + high / 2 for low, high in pairwise(ends)}
        found |= set() if isfinite(self.low) else {ends[0] - max(1.0, abs(ends[0]))}
        found |= set() if isfinite(self.high) else {ends[-1] + max(1.0, abs(ends[-1]))}
        return sorted(v for v in found if self.low <= v <= self.high)


_HUNDRED_YEARS = 1_200.0  # months
_HUNDREDFOLD = 100.0  # a ratio of 10,000 %
_OVERDRAWN = {"credit_line_used_share": 2.0}  # a share that may well pass the whole

_BOUNDS: dict[str, tuple[float, float]] = {
    # share of a whole
    "legal_representative_share": (0, 1), "top_buyer_share_12m": (0, 1), "void_share_12m": (0, 1),
    # growth of what cannot be negative
    "tax_growth_12m": (-1, inf), "insured_growth_12m": (-1, inf), "kwh_growth_12m": (-1, inf),
    "bank_inflow_growth_12m": (-1, inf), "fund_paying_growth_12m": (-1, inf),
    "water_growth_12m": (-1, inf), "exports_growth_12m": (-1, inf), "posts_growth_6m": (-1, inf),
    "online_sales_growth_6m": (-1, inf), "machine_hours_growth_12m": (-1, inf),
    "machine_orders_growth_6m": (-1, inf),
    # ratios of what cannot be negative
    "tax_burden_12m": (0, inf), "sales_cv_12m": (0, inf), "defendant_amount_to_sales": (0, inf),
    "red_share_12m": (0, inf), "bank_inflow_to_sales_12m": (0, inf), "debt_to_sales": (0, inf),
    "debt_service_to_sales": (0, inf), "credit_line_used_share": (0, inf),
    "guarantees_to_sales": (0, inf), "exports_to_sales_12m": (0, inf),
    # months and counts within a window
    "invoiced_months_12m": (0, 12), "invoice_gap_months_12m": (0, 12), "zero_filings_12m": (0, 12),
    "late_filings_12m": (0, 12), "missing_filings_24m": (0, 24), "overdue_months_24m": (0, 24),
    "social_security_arrears_months": (0, 240), "fund_arrears_months": (0, 240),
    "patents": (0, 5000), "technology_titles": (0, 200), "changes_12m": (0, 1000),
    "abnormal_listings_36m": (0, 200), "defendant_suits_24m": (0, 2000),
    "plaintiff_suits_24m": (0, 2000),
    # yuan that may be below zero: sales are net of red-letter invoices
    "sales_12m_yuan": (-inf, inf), "sales_per_insured_yuan": (-inf, inf),
}  # fmt: skip
"""The bounds of features that their unit does not tell: lowest, highest."""

_FORMS = {"region": r"\d{2}"}
"""Categories without a list -> how their words look (GB/T 2260: two digits a province)."""

_NOT_WHOLE = frozenset({"buyers_12m", "firm_age_months", "legal_representative_tenure_months",
                        "months_since_first_invoice", "bank_balance_months"})  # fmt: skip
"""Counts and months that are means, or measured by the day."""


def _of_feature(feature: Feature) -> Range:
    name, unit = feature.name, feature.unit
    if feature.kind != "number":
        form = "" if feature.categories else _FORMS[name]
        return Range(number=False, words=feature.categories, form=form)
    counted = unit in ("months", "count", "persons")
    positive = counted or unit in ("yuan", "kWh")
    low, high = _BOUNDS.get(name, (0.0 if positive else -inf, inf))
    usual_low, usual_high = -inf, inf
    if unit == "yes/no":
        low, high = 0.0, 1.0
    elif unit == "months":
        usual_high = _HUNDRED_YEARS
    elif unit == "ratio":
        usual_low = 0.0 if "share" in name else -1.0 if "growth" in name else -_HUNDREDFOLD
        usual_high = _OVERDRAWN.get(name, 1.0) if "share" in name else _HUNDREDFOLD
    elif unit == "log ratio":
        usual_low, usual_high = -_HUNDREDFOLD, _HUNDREDFOLD
    units = {unit, *(["months"] if "months" in name else [])}
    return Range(
        low=float(low),
        high=float(high),
        usual_low=usual_low,
        usual_high=usual_high,
        whole=unit == "yes/no" or (counted and name not in _NOT_WHOLE),
        units=frozenset({"count"} if unit == "persons" else units),
    )


RANGES: dict[str, Range] = {
    **{feature.name: _of_feature(feature) for feature in FEATURES},
    "amount_yuan": Range(low=1e3, high=1e9, units=frozenset({"yuan"}), may_be_missing=False),
    "tenor_months": Range(
        low=1.0, high=120.0, whole=True, units=frozenset({"months"}), may_be_missing=False
    ),
    "purpose": Range(number=False, words=get_args(Purpose), may_be_missing=False),
    "pd_12m": Range(low=0.0, high=1.0, units=frozenset({"ratio"}), may_be_missing=False),
    "score": Range(whole=True, units=frozenset({"points"}), may_be_missing=False),
}
"""Every fact a rule may ask -> what it can be."""
