"""Offers: which products fit one applicant, at what price, and why each of the others does not.

Eligibility says what each product's first failed requirement is; a product that fits is priced by
a tariff kept for the tenor and LPR. The amount is the last thing that can refuse.
"""

from bisect import insort
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import compress, islice, pairwise
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from model.artifact import sha256
from service.catalogue import GRADES, CatalogueError, Institution, Product, Repayment, read
from service.eligibility import (
    HALF_FEN_YUAN,
    ROUNDING_YUAN,
    Eligibility,
    Refusal,
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
    """Offers, cheapest first, and for every product that does not fit what it failed first.

    Products refused by the same requirement share a refusal; both come in the order of the
    products' lowest rates. `eligible` counts the products that
    fit, offered or not; `most_yuan` is the largest amount any of them lends. When that is less
    than asked for and allowed, `syndicate` is the cheapest set of products of different
    institutions that together lend it, or as much of it as they can.
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
    sources: Collection[str],
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
    fitting, refusing = eligibility.sift(facts, sources)
    refused = [] if brief else eligibility.refusals(refusing, facts)
    eligible = fitting.count(1)
    if not eligible:
        return Matched([], [], refused, 0, 0.0)
    price_list = catalogue.price_list(tenor_months, lpr)

    def fits() -> Iterator[_Sold]:
        sold = compress(price_list.sold, fitting)
        return sold if price_list.ascending else iter(sorted(sold, key=_Sold.by_least_rank))

    kept, most_yuan = _best(fits, eligible, pd_12m, (asked, tax, sales), keep)
    offers = [sold.offer(rank, lent, pd_12m, as_of) for rank, sold, lent in kept]
    shared: list[Offer] = []
    if most_yuan < asked - asked % ROUNDING_YUAN:
        lenders = _cheapest(fits(), pd_12m, (asked, tax, sales), eligible)
        shared = [
            sold.offer(rank, lent, pd_12m, as_of) for rank, sold, lent in _together(lenders, asked)
        ]
    return Matched(offers, shared, refused, eligible, most_yuan)


_Lending = list[tuple[int, "_Sold", float]]
"""Rank (rate, then place), product and amount lent, ascending."""
_Facts = tuple[float, Any, Any]
"""Amount asked for, tax and sales, which cap what is lent."""


def _cheapest(fits: Iterator["_Sold"], pd_12m: float, facts: _Facts, keep: int) -> _Lending:
    """The lowest ranks of products in the order of their least rates, which none undercuts."""
    asked, tax, sales = facts
    ranked = sorted(
        [(sold.rank(pd_12m), sold, sold.lent(asked, tax, sales)) for sold in islice(fits, keep)]
    )
    for sold in fits:
        if sold.least_rank >= ranked[-1][0]:
            break
        rank = sold.rank(pd_12m)
        if rank < ranked[-1][0]:
            ranked.pop()
            insort(ranked, (rank, sold, sold.lent(asked, tax, sales)))
    return ranked


def _best(
    fits: Callable[[], Iterator["_Sold"]],
    eligible: int,
    pd_12m: float,
    facts: _Facts,
    keep: int | None,
) -> tuple[_Lending, float]:
    """The cheapest, and the most any product lends.

    The last of the cheapest gives way to the cheapest that lends the most. Products beyond them
    are looked at only when none of the cheapest lends all that is asked for.
    """
    kept = _cheapest(fits(), pd_12m, facts, keep or eligible)
    most_yuan = max([lent for _, _, lent in kept])
    if most_yuan < facts[0] - facts[0] % ROUNDING_YUAN and len(kept) < eligible:
        every = _cheapest(fits(), pd_12m, facts, eligible)
        largest = max([lent for _, _, lent in every])
        if most_yuan < largest:
            most_yuan = largest
            kept[-1] = next(one for one in every if one[2] == largest)
    return kept, most_yuan


def _together(lending: _Lending, asked: float) -> _Lending:
    """Products that lend together more than one of them does, each with its part."""
    lenders = [
        Lender(
            rate_bp=rank // RANKS,
            least=sold.least_thousands,
            most=int(lent / ROUNDING_YUAN),
            institution=sold.institution,
            product=at,
        )
        for at, (rank, sold, lent) in enumerate(lending)
    ]
    shares = syndicate(lenders, int(asked / ROUNDING_YUAN))
    if len(shares) < 2:
        return []
    return [(*lending[one.product][:2], one.amount * ROUNDING_YUAN) for one in shares]


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
        "_days", "_most", "_offer", "_paid", "_price", "_repayment", "_tariff", "_tenor", "code",
        "institution", "least_rank", "least_thousands", "pd_least", "place",
        "sales_share", "tax_multiple",
    )  # fmt: skip

    def __init__(
        self, product: Product, whose: Institution, found: Tariff, tenor: int, place: int
    ) -> None:
        self._tariff, self._tenor, self._repayment = found, tenor, product.repayment
        self._offer = partial(
            Offer, product.code, product.institution, product.name_zh, product.name_en,
            whose.name_zh, whose.name_en,
        )  # fmt: skip
        self._price = found.pricer()
        self._days = timedelta(days=product.valid_days)
        self._paid: dict[int, tuple[float, float, float]] = {}
        self._most = product.amount_max_yuan
        self.code, self.institution = product.code, product.institution
        self.least_thousands = ceil(product.amount_min_yuan / ROUNDING_YUAN)
        self.tax_multiple, self.sales_share = product.tax_multiple, product.sales_share
        self.place, self.least_rank = place, found.least_bp * RANKS + place
        self.pd_least = found.pd_least

    def by_least_rank(self) -> int:
        """What products stand in order of."""
        return self.least_rank

    def rank(self, pd_12m: float) -> int:
        """The rate in basis points and the place among equal rates, as one number."""
        if pd_12m <= self.pd_least:
            return self.least_rank
        return self._tariff.rate_bp(pd_12m) * RANKS + self.place

    def lent(self, asked: float, tax: float, sales: float) -> float:
        """The amount lent: whole thousands of yuan within the product's caps, facts known."""
        lent, multiple, share = self._most, self.tax_multiple, self.sales_share
        if asked < lent:
            lent = asked
        if multiple is not None and (cap := multiple * tax + HALF_FEN_YUAN) < lent:
            lent = cap
        if share is not None and (cap := share * sales + HALF_FEN_YUAN) < lent:
            lent = cap
        return lent - lent % ROUNDING_YUAN

    def offer(self, rank: int, lent: float, pd_12m: float, as_of: date) -> Offer:
        """The product priced by its rank for one applicant."""
        rate, first, interest = self._paid.get(rank) or self._pays(rank)
        return self._offer(  # positional: half the time
            lent, rate, self._price(pd_12m, rate), self._tenor, self._repayment,
            (lent * first + 0.5) // 1.0 / 100.0, (lent * interest + 0.5) // 1.0 / 100.0,
            as_of + self._days,
        )  # fmt: skip

    def _pays(self, rank: int) -> tuple[float, float, float]:
        """The rate of a rank, then first payment and interest in fen a yuan lent; kept.

        There are few: a band is some hundreds of basis points.
        """
        rate, tenor, repayment = rank // RANKS / 10_000, self._tenor, self._repayment
        first, interest = (f(rate, tenor, repayment) for f in (first_payment, total_interest))
        paid = self._paid[rank] = rate, first * 100.0, interest * 100.0
        return paid


class _PriceList(NamedTuple):
    """Products priced, in the order of the catalogue; whether least ranks ascend in it.

    They do unless a bound (no negative rate, the ceiling) makes several rates equal.
    """

    sold: list[_Sold]
    ascending: bool


class Catalogue:
    """Institutions and products, compiled; `version` is 16 characters of the file's SHA-256.

    `products` are in the order of their lowest spread, then institution and code.
    """

    def __init__(self, stored: bytes) -> None:
        self.pricing, institutions, self.products = read(stored)
        self.version = sha256(stored)[:16]
        self.institutions = {institution.code: institution for institution in institutions}
        self._eligibility: Eligibility | None = None
        self._price_lists: dict[tuple[int, float], _PriceList] = {}
        self.products.sort(key=lambda one: (one.spread_bp[0], one.institution, one.code))

    def eligibility(self, feature_index: Mapping[str, int]) -> Eligibility:
        """Eligibility over portraits in the order of `feature_index`, compiled on change."""
        compiled = self._eligibility
        if compiled is None or compiled.feature_index is not feature_index:
            compiled = Eligibility(self.products, self.institutions, feature_index)
            self._eligibility = compiled
        return compiled

    def price_list(self, tenor_months: int, lpr: float) -> _PriceList:
        """All products at one tenor asked for and LPR; kept for the next applicant."""
        key = (tenor_months, lpr)
        found = self._price_lists.get(key)
        if found is None:
            if len(self._price_lists) >= MOST_PRICE_LISTS:
                self._price_lists.clear()
            found = self._price_lists[key] = self._priced(*key)
        return found

    def _priced(self, tenor_months: int, lpr: float) -> _PriceList:
        order = sorted((one.institution, one.code, at) for at, one in enumerate(self.products))
        places = {at: place for place, (_, _, at) in enumerate(order)}
        sold = []
        for at, product in enumerate(self.products):
            whose = self.institutions[product.institution]
            tenor = offered_tenor(product, tenor_months) or product.tenors_months[0]
            found = tariff(self.pricing, product, whose, tenor, lpr)
            sold.append(_Sold(product, whose, found, tenor, places[at]))
        ascending = all(one.least_rank < other.least_rank for one, other in pairwise(sold))
        return _PriceList(sold, ascending)


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
