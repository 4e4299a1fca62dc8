"""Offers: which products fit one applicant, at what price, and why each of the others does not.

Eligibility says what each product's first failed requirement is; a product that fits is priced from
a list kept for the grade, tenor and LPR. The amount is the last thing that can refuse.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil, inf
from pathlib import Path
from typing import Any

from msgspec import Struct

from model.artifact import sha256
from service.catalogue import GRADES, CatalogueError, Product, Repayment, read
from service.eligibility import FIELD_BITS, Eligibility, Refusal, refuse_choice
from service.syndicate import Lender, syndicate

__all__ = ["Catalogue", "CatalogueError", "Matched", "Offer", "Refusal", "load_catalogue", "match"]

Value = float | str | None
ROUNDING_YUAN = 1_000.0
HALF_FEN_YUAN = 0.005
"""Multiples of tax and sales are taken to the fen: 35 % of 180,000 is no less than 63,000."""
MOST_TERMS = 512
"""Price lists kept; there is one for each grade, tenor asked for and LPR."""


class Offer(Struct, frozen=True, gc=False):
    """A product that fits, priced for this applicant until a date."""

    product: str
    institution: str
    product_name_zh: str
    product_name_en: str
    institution_name_zh: str
    institution_name_en: str
    amount_yuan: float
    annual_rate: float
    tenor_months: int
    repayment: Repayment
    total_interest_yuan: float
    valid_until: date


class Matched(Struct, frozen=True):
    """Offers, cheapest first, and one refusal for every product that does not fit.

    Refusals are in catalogue order. `eligible` counts the products that fit, offered or not;
    `most_yuan` is the largest amount any of them lends. When that is less than asked for and
    allowed, `syndicate` is the cheapest set of products of different institutions that together
    lend it, or as much of it as they can.
    """

    offers: list[Offer]
    syndicate: list[Offer]
    refused: list[Refusal]
    eligible: int
    most_yuan: float


def match(
    catalogue: "Catalogue",
    values: Sequence[Value],
    feature_index: Mapping[str, int],
    *,
    sources: frozenset[str],
    grade: str,
    amount_yuan: float,
    tenor_months: int,
    purpose: str,
    limit_yuan: float,
    lpr: float,
    as_of: date,
    keep: int | None = None,
) -> Matched:
    """Evaluate every product for one application.

    `values` is a portrait in the order of `feature_index`; `sources` are those that answered; `lpr`
    is the one-year rate as a share a year. An offer is the smallest of the amount asked for, the
    limit, the product's maximum and its multiples of tax and sales, rounded down to whole thousands
    of yuan. Offers are sorted by annual rate, then institution and product code; commission plays
    no part. With `keep`, only the cheapest are made into offers, and always one that lends the
    most. Raises ValueError for a grade that is not one of GRADES.
    """
    eligibility = catalogue.eligibility(feature_index)
    facts: list[Any] = [*values, purpose, tenor_months, grade, None]
    tax, sales = facts[eligibility.tax], facts[eligibility.sales]
    tax = -inf if tax is None or tax != tax else tax
    sales = -inf if sales is None or sales != sales else sales
    asked = min(amount_yuan, limit_yuan)
    terms, refusal_of = catalogue.terms(grade, tenor_months, lpr), eligibility.refusal_of
    lends: list[tuple[int, float, int]] = []
    refused: list[Refusal] = []
    refuse = refused.append
    for at, failed in enumerate(eligibility.failed(facts, sources)):
        if failed:
            position, known, code, feature, required, bound = refusal_of[
                at * FIELD_BITS + (failed & -failed).bit_length()
            ]
            seen = facts[position]
            if known is not None:
                refuse(known.get(seen) or refuse_choice(known, code, feature, required, seen))
            elif seen is None or seen != seen:
                refuse(Refusal(code, feature, required))
            else:
                refuse(Refusal(code, feature, required, seen, abs(bound - seen)))
            continue
        rank, least, most, multiple, share, priced = terms[at]
        lent = asked if asked < most else most
        if multiple is not None and (cap := multiple * tax + HALF_FEN_YUAN) < lent:
            lent = cap
        if share is not None and (cap := share * sales + HALF_FEN_YUAN) < lent:
            lent = cap
        lent -= lent % ROUNDING_YUAN
        if lent >= least:
            lends.append((rank, lent, at))
        elif lent == lent:
            required, seen = refusal_of[at * FIELD_BITS][4], max(lent, 0.0)
            refuse(Refusal(priced[5], "amount", required, seen, least - seen))
        else:  # a cap that is not known
            silent_tax = multiple is not None and tax == -inf
            feature = "tax_paid_12m_yuan" if silent_tax else "sales_12m_yuan"
            refuse(Refusal(priced[5], feature, "known"))
    lends.sort()
    most_yuan = max([lent for _, lent, _ in lends], default=0.0)
    offers = [_offer(terms[at][5], lent, as_of) for _, lent, at in _best(lends, most_yuan, keep)]
    together = _together(lends, terms, asked) if most_yuan < asked - asked % ROUNDING_YUAN else []
    shared = [_offer(terms[at][5], lent, as_of) for lent, at in together]
    return Matched(offers, shared, refused, len(lends), most_yuan)


def _together(
    lends: list[tuple[int, float, int]], terms: Sequence["_Terms"], asked: float
) -> list[tuple[float, int]]:
    """Amounts and positions of the products that lend together more than one of them does."""
    lenders = [
        Lender(
            rate_bp=round(terms[at][5][0] * 10_000),
            least=ceil(terms[at][1] / ROUNDING_YUAN),
            most=int(lent / ROUNDING_YUAN),
            institution=terms[at][5][6],
            product=at,
        )
        for _, lent, at in lends
    ]
    shares = syndicate(lenders, int(asked / ROUNDING_YUAN))
    if len(shares) < 2:
        return []
    return [(share.amount * ROUNDING_YUAN, share.product) for share in shares]


def _best(
    lends: list[tuple[int, float, int]], most_yuan: float, keep: int | None
) -> list[tuple[int, float, int]]:
    """The cheapest; the last of them gives way to the cheapest that lends the most."""
    if keep is None or len(lends) <= keep:
        return lends
    kept = lends[:keep]
    if all(lent < most_yuan for _, lent, _ in kept):
        kept[-1] = next(one for one in lends if one[1] == most_yuan)
    return kept


def _offer(priced: "_Priced", lent: float, as_of: date) -> Offer:
    rate, interest, days, tenor, repayment, code, institution = priced[:7]
    return Offer(
        code, institution, *priced[7:], lent, rate, tenor, repayment,
        int(lent * interest * 100.0 + 0.5) / 100.0, as_of + timedelta(days=days),
    )  # fmt: skip


def total_interest(rate: float, months: int, repayment: str) -> float:
    """Interest paid over the whole tenor, as a share of the amount lent.

    `rate` is a share a year, charged monthly at a twelfth. interest_first: the principal is repaid
    at the end; equal_instalment: the same payment each month; equal_principal: the same principal
    each month, interest on what is left.
    """
    monthly = rate / 12
    if repayment == "interest_first" or monthly == 0:
        return monthly * months
    if repayment == "equal_principal":
        return monthly * (months + 1) / 2
    return months * monthly / (1 - (1 + monthly) ** -months) - 1


_Priced = tuple[float, float, int, int, Repayment, str, str, str, str, str, str]
"""Rate, total interest per yuan, days valid, tenor, repayment, product, institution, names."""
_Terms = tuple[int, float, float, float | None, float | None, _Priced]
"""Rank by price, amount bounds, tax multiple, sales share, and what an offer says."""


class Catalogue:
    """Institutions and products, compiled; `version` is 16 characters of the file's SHA-256."""

    def __init__(self, stored: bytes) -> None:
        institutions, self.products = read(stored)
        self.version = sha256(stored)[:16]
        self.institutions = {institution.code: institution for institution in institutions}
        self._eligibility: Eligibility | None = None
        self._terms: dict[tuple[str, int, float], list[_Terms]] = {}

    def eligibility(self, feature_index: Mapping[str, int]) -> Eligibility:
        """Eligibility over portraits in the order of `feature_index`, compiled on change."""
        compiled = self._eligibility
        if compiled is None or compiled.feature_index is not feature_index:
            compiled = Eligibility(self.products, self.institutions, feature_index)
            self._eligibility = compiled
        return compiled

    def terms(self, grade: str, tenor_months: int, lpr: float) -> list[_Terms]:
        """The price list for one grade, tenor asked for and LPR; kept for the next applicant."""
        key = (grade, tenor_months, lpr)
        found = self._terms.get(key)
        if found is None:
            if len(self._terms) >= MOST_TERMS:
                self._terms.clear()
            found = self._terms[key] = self._priced(*key)
        return found

    def _priced(self, grade: str, tenor_months: int, lpr: float) -> list[_Terms]:
        if grade not in GRADES:
            raise ValueError(f"grade: got {grade!r}, expected one of {', '.join(GRADES)}")
        rates = [annual_rate(product, grade, lpr) for product in self.products]
        order = sorted(
            range(len(rates)),
            key=lambda at: (rates[at], self.products[at].institution, self.products[at].code),
        )
        rank = {at: place for place, at in enumerate(order)}
        priced = []
        for at, product in enumerate(self.products):
            whose = self.institutions[product.institution]
            tenor = offered_tenor(product, tenor_months) or product.tenors_months[0]
            interest = total_interest(rates[at], tenor, product.repayment)
            priced.append((
                rank[at], product.amount_min_yuan, product.amount_max_yuan, product.tax_multiple,
                product.sales_share,
                (rates[at], interest, product.valid_days, tenor, product.repayment, product.code,
                 product.institution, product.name_zh, product.name_en, whose.name_zh,
                 whose.name_en),
            ))  # fmt: skip
        return priced


def annual_rate(product: Product, grade: str, lpr: float) -> float:
    """LPR plus the product's spread for a grade, a share a year to four decimals, never below zero.

    The spread runs evenly from grade AAA to the worst grade the product accepts.
    """
    worst = GRADES.index(product.worst_grade)
    at = min(GRADES.index(grade), worst)
    low, high = product.spread_bp
    spread_bp = low + (high - low) * at / worst if worst else low
    return max(0.0, round(lpr + spread_bp / 10_000, 4))


def offered_tenor(product: Product, tenor_months: int) -> int | None:
    """The longest tenor offered that is not above the one asked for."""
    return max((months for months in product.tenors_months if months <= tenor_months), default=None)


def load_catalogue(path: Path) -> Catalogue:
    """Read and check a catalogue file.

    Raises CatalogueError naming the file, product, key, value got and what was expected.
    """
    try:
        return Catalogue(path.read_bytes())
    except CatalogueError as error:
        raise CatalogueError(f"{path.name}: {error}") from None
