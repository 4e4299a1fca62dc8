"""Offers: which products fit one applicant, at what price, and why each of the others does not.

Eligibility says what each product's first failed requirement is; a product that fits is priced by
a tariff kept for the tenor and LPR. The amount is the last thing that can refuse.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from typing import Any

from msgspec import Struct

from model.artifact import sha256
from service.catalogue import GRADES, CatalogueError, Institution, Product, Repayment, read
from service.eligibility import (
    FIELD_BITS,
    HALF_FEN_YUAN,
    ROUNDING_YUAN,
    Eligibility,
    Refusal,
    refuse_choice,
)
from service.price import Price, Tariff, tariff
from service.syndicate import Lender, syndicate

__all__ = ["Catalogue", "CatalogueError", "Matched", "Offer", "Refusal", "load_catalogue", "match"]

Value = float | str | None
MOST_PRICE_LISTS = 512
"""Price lists kept; there is one for each tenor asked for and LPR."""
RANKS = 4_096
"""More than there are products: rate and place in one number, to sort by."""


class Offer(Struct, frozen=True, gc=False):
    """A product that fits, priced for this applicant until a date.

    There are no fees: the annual rate is the whole cost. `first_payment_yuan` is the payment due
    after a month, the largest but for the principal of interest_first, which is due at the end.
    """

    product: str
    institution: str
    product_name_zh: str
    product_name_en: str
    institution_name_zh: str
    institution_name_en: str
    amount_yuan: float
    annual_rate: float
    price: Price
    tenor_months: int
    repayment: Repayment
    first_payment_yuan: float
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
    pd_12m: float,
    amount_yuan: float,
    tenor_months: int,
    purpose: str,
    limit_yuan: float,
    lpr: float,
    as_of: date,
    keep: int | None = None,
    brief: bool = False,
) -> Matched:
    """Evaluate every product for one application.

    `values` is a portrait in the order of `feature_index`; `sources` are those that answered; `lpr`
    is the one-year rate as a share a year. An offer is the smallest of the amount asked for, the
    limit, the product's maximum and its multiples of tax and sales, rounded down to whole thousands
    of yuan. Offers are sorted by annual rate, then institution and product code; commission plays
    no part. With `keep`, only the cheapest are made into offers, and always one that lends the
    most. `brief` leaves the refusals out. Raises ValueError for a grade that is not one of GRADES.
    """
    eligibility = catalogue.eligibility(feature_index)
    if grade not in GRADES:
        raise ValueError(f"grade: got {grade!r}, expected one of {', '.join(GRADES)}")
    asked = min(amount_yuan, limit_yuan)
    facts: list[Any] = [*values, purpose, tenor_months, grade, None, asked]
    tax, sales = facts[eligibility.tax], facts[eligibility.sales]
    sold, refusal_of = catalogue.price_list(tenor_months, lpr), eligibility.refusal_of
    fits: list[int] = []
    refused: list[Refusal] = []
    refuse = refused.append
    for at, failed in enumerate(eligibility.failed(facts, sources)):
        if not failed:
            fits.append(sold[at].least_rank)
        elif not brief:
            position, known, code, feature, required, bound = refusal_of[
                at * FIELD_BITS + (failed & -failed).bit_length()
            ]
            seen = facts[position]
            if known is not None:
                refuse(known.get(seen) or refuse_choice(known, code, feature, required, seen))
            elif feature == "amount":
                refuse(_too_little(sold[at], asked, tax, sales, required, bound))
            elif seen is None or seen != seen:
                refuse(Refusal(code, feature, required))
            else:
                refuse(Refusal(code, feature, required, seen, abs(bound - seen)))
    shelf = _Shelf(sold, catalogue.at_place, sorted(fits), pd_12m, (asked, tax, sales))
    kept, most_yuan = shelf.best(keep)
    offers = [shelf.offer(rank, shelf.lent(rank), as_of) for rank in kept]
    shared: list[Offer] = []
    if fits and most_yuan < asked - asked % ROUNDING_YUAN:
        shared = [shelf.offer(rank, lent, as_of) for rank, lent in shelf.together()]
    return Matched(offers, shared, refused, len(fits), most_yuan)


def _too_little(
    product: "_Sold", asked: float, tax: Any, sales: Any, required: str, least: float
) -> Refusal:
    """Why the amount is too small, or cannot be known."""
    for factor, feature, fact in (
        (product.tax_multiple, "tax_paid_12m_yuan", tax),
        (product.sales_share, "sales_12m_yuan", sales),
    ):
        if factor is not None and (fact is None or fact != fact):
            return Refusal(product.code, feature, "known")
    seen = max(product.lent(asked, tax, sales), 0.0)
    return Refusal(product.code, "amount", required, seen, least - seen)


class _Shelf:
    """The products that fit one applicant, by rank: their rate, then their place."""

    def __init__(
        self,
        sold: Sequence["_Sold"],
        at_place: Sequence[int],
        fits: list[int],
        pd_12m: float,
        facts: tuple[float, Any, Any],
    ) -> None:
        self._sold, self._at_place, self._fits = sold, at_place, fits
        self._pd_12m, self._facts = pd_12m, facts

    def _of(self, rank: int) -> "_Sold":
        return self._sold[self._at_place[rank % RANKS]]

    def lent(self, rank: int) -> float:
        """What the product of a rank lends, yuan."""
        return self._of(rank).lent(*self._facts)

    def offer(self, rank: int, lent: float, as_of: date) -> Offer:
        """The product of a rank as an offer."""
        return self._of(rank).offer(rank, lent, self._pd_12m, as_of)

    def cheapest(self, keep: int) -> list[int]:
        """The lowest ranks, ascending: no product is cheaper than at its least rate."""
        ranks: list[int] = []
        for least in self._fits:
            if len(ranks) >= keep:
                ranks.sort()
                del ranks[keep:]
                if least >= ranks[-1]:
                    break
            ranks.append(self._of(least).rank(self._pd_12m))
        ranks.sort()
        return ranks[:keep]

    def best(self, keep: int | None) -> tuple[list[int], float]:
        """The cheapest ranks, and the most any product lends.

        The last of the cheapest gives way to the cheapest that lends the most. Products beyond
        them are looked at only when none of the cheapest lends all that is asked for.
        """
        every = len(self._fits)
        kept = self.cheapest(every if keep is None else keep)
        most_yuan, asked = max(map(self.lent, kept), default=0.0), self._facts[0]
        if most_yuan < asked - asked % ROUNDING_YUAN and len(kept) < every:
            ranks = self.cheapest(every)
            lent = list(map(self.lent, ranks))
            if most_yuan < max(lent):
                most_yuan = max(lent)
                kept[-1] = ranks[lent.index(most_yuan)]
        return kept, most_yuan

    def together(self) -> list[tuple[int, float]]:
        """Ranks and amounts of products that lend together more than one of them does."""
        lenders = [
            Lender(
                rate_bp=rank // RANKS,
                least=self._of(rank).least_thousands,
                most=int(self.lent(rank) / ROUNDING_YUAN),
                institution=self._of(rank).institution,
                product=rank,
            )
            for rank in self.cheapest(len(self._fits))
        ]
        shares = syndicate(lenders, int(self._facts[0] / ROUNDING_YUAN))
        if len(shares) < 2:
            return []
        return [(one.product, one.amount * ROUNDING_YUAN) for one in shares]


def first_payment(rate: float, months: int, repayment: str) -> float:
    """What is due after the first month, as a share of the amount lent; see total_interest."""
    monthly = rate / 12
    if repayment == "interest_first":
        return monthly if months > 1 else 1.0 + monthly
    if repayment == "equal_principal" or monthly == 0:
        return monthly + 1 / months
    return monthly / (1 - (1 + monthly) ** -months)


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


class _Sold:
    """A product at one tenor and LPR: what matching reads, and what an offer says of it."""

    __slots__ = (
        "_days", "_most", "_names", "_paid", "_repayment", "_tariff", "_tenor", "code",
        "institution", "least_rank", "least_thousands", "place", "sales_share", "tax_multiple",
    )  # fmt: skip

    def __init__(
        self, product: Product, whose: Institution, found: Tariff, tenor: int, place: int
    ) -> None:
        self._tariff, self._tenor, self._repayment = found, tenor, product.repayment
        self._names = (product.code, product.institution, product.name_zh, product.name_en,
                       whose.name_zh, whose.name_en)  # fmt: skip
        self._days = timedelta(days=product.valid_days)
        self._paid: dict[int, tuple[float, float, float]] = {}
        self._most = product.amount_max_yuan
        self.code, self.institution = product.code, product.institution
        self.least_thousands = ceil(product.amount_min_yuan / ROUNDING_YUAN)
        self.tax_multiple, self.sales_share = product.tax_multiple, product.sales_share
        self.place, self.least_rank = place, found.least_bp * RANKS + place

    def rank(self, pd_12m: float) -> int:
        """The rate in basis points and the place among equal rates, as one number."""
        return self._tariff.rate_bp(pd_12m) * RANKS + self.place

    def lent(self, asked: float, tax: float, sales: float) -> float:
        """The amount lent: whole thousands of yuan within the product's caps, facts known."""
        lent = asked if asked < self._most else self._most
        if self.tax_multiple is not None:
            lent = min(lent, self.tax_multiple * tax + HALF_FEN_YUAN)
        if self.sales_share is not None:
            lent = min(lent, self.sales_share * sales + HALF_FEN_YUAN)
        return lent - lent % ROUNDING_YUAN

    def offer(self, rank: int, lent: float, pd_12m: float, as_of: date) -> Offer:
        """The product priced by its rank for one applicant."""
        paid = self._paid.get(rank)
        if paid is None:  # few rates: a band is some hundreds of basis points
            rate, tenor, repayment = rank // RANKS / 10_000, self._tenor, self._repayment
            paid = self._paid[rank] = (
                rate,
                first_payment(rate, tenor, repayment) * 100.0,
                total_interest(rate, tenor, repayment) * 100.0,
            )
        rate, first, interest = paid
        return Offer(
            *self._names, lent, rate, self._tariff.price(pd_12m, rate), self._tenor,
            self._repayment, int(lent * first + 0.5) / 100.0, int(lent * interest + 0.5) / 100.0,
            as_of + self._days,
        )  # fmt: skip


class Catalogue:
    """Institutions and products, compiled; `version` is 16 characters of the file's SHA-256."""

    def __init__(self, stored: bytes) -> None:
        self.pricing, institutions, self.products = read(stored)
        self.version = sha256(stored)[:16]
        self.institutions = {institution.code: institution for institution in institutions}
        order = sorted((one.institution, one.code, at) for at, one in enumerate(self.products))
        self.at_place = [at for _, _, at in order]
        self._eligibility: Eligibility | None = None
        self._price_lists: dict[tuple[int, float], list[_Sold]] = {}

    def eligibility(self, feature_index: Mapping[str, int]) -> Eligibility:
        """Eligibility over portraits in the order of `feature_index`, compiled on change."""
        compiled = self._eligibility
        if compiled is None or compiled.feature_index is not feature_index:
            compiled = Eligibility(self.products, self.institutions, feature_index)
            self._eligibility = compiled
        return compiled

    def price_list(self, tenor_months: int, lpr: float) -> list[_Sold]:
        """All products at one tenor asked for and LPR; kept for the next applicant."""
        key = (tenor_months, lpr)
        found = self._price_lists.get(key)
        if found is None:
            if len(self._price_lists) >= MOST_PRICE_LISTS:
                self._price_lists.clear()
            found = self._price_lists[key] = self._priced(*key)
        return found

    def _priced(self, tenor_months: int, lpr: float) -> list[_Sold]:
        places = {at: place for place, at in enumerate(self.at_place)}
        sold = []
        for at, product in enumerate(self.products):
            whose = self.institutions[product.institution]
            tenor = offered_tenor(product, tenor_months) or product.tenors_months[0]
            found = tariff(self.pricing, product, whose, tenor, lpr)
            sold.append(_Sold(product, whose, found, tenor, places[at]))
        return sold


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
