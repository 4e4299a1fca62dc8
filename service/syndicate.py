"""The syndicate: several institutions together lend what no single product covers.

An exact search. Within a chosen set every lender starts at its least and the cheapest are filled
first, so only the set has to be searched; sets are built from cheap to dear and dropped as soon as
even the cheapest way to go on costs no less than the best set so far.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

MOST_LENDERS = 4
"""Lenders in a syndicate at most; assumed."""


class Lender(NamedTuple):
    """What one product would lend: least and most in thousands of yuan, yearly rate in bp."""

    rate_bp: int
    least: int
    most: int
    institution: str
    product: int


class Share(NamedTuple):
    """What one product lends in a syndicate, in thousands of yuan."""

    product: int
    amount: int


def syndicate(
    lenders: Sequence[Lender], wanted: int, most_lenders: int = MOST_LENDERS
) -> list[Share]:
    """The cheapest set of products from different institutions that lends exactly `wanted`.

    `wanted` is in thousands of yuan; when even the largest set lends less, that set's sum is lent.
    Cheapest is by yearly interest, then by the order rate, institution, product. Empty when no set
    fits within everybody's bounds. Pure.
    """
    useful = worthwhile(lenders, most_lenders)
    wanted = min(wanted, most_together(useful, most_lenders))
    search = _Search(useful, wanted, most_lenders)
    search.go(0, [], 0)
    return [] if search.best is None else sorted(search.best[1])


def most_together(lenders: Sequence[Lender], most_lenders: int) -> int:
    """The most that so many different institutions lend together."""
    largest: dict[str, int] = {}
    for lender in lenders:
        largest[lender.institution] = max(lender.most, largest.get(lender.institution, 0))
    return sum(sorted(largest.values(), reverse=True)[:most_lenders])


def worthwhile(lenders: Sequence[Lender], most_lenders: int) -> list[Lender]:
    """Lenders that can be in a best set, cheapest first.

    A product is left out when its own institution has one that is nowhere worse, or as many other
    institutions as a set has members do: then one of them is free to take its place.
    """
    kept: list[Lender] = []
    for lender in sorted(lenders, key=lambda one: (one.rate_bp, -one.most, one.least, *one[3:])):
        better = {
            other.institution
            for other in kept
            if other.most >= lender.most and other.least <= lender.least
        }
        if lender.institution not in better and len(better) < most_lenders:
            kept.append(lender)
    return kept


def filled(chosen: Sequence[Lender], wanted: int) -> Iterator[tuple[Lender, int]]:
    """What each of a set lends: its least, and more from the cheapest on; cheapest come first."""
    left = wanted - sum([lender.least for lender in chosen])
    for lender in chosen:
        more = min(left, lender.most - lender.least)
        left -= more
        yield lender, lender.least + more


class _Search:
    """Depth first over sets in order of rate, with the best set so far."""

    def __init__(self, lenders: list[Lender], wanted: int, most_lenders: int) -> None:
        self.lenders, self.wanted, self.most_lenders = lenders, wanted, most_lenders
        self.best: tuple[int, list[Share]] | None = None
        self.largest = [0] * (len(lenders) + 1)  # the most any lender from here on lends
        for at in range(len(lenders) - 1, -1, -1):
            self.largest[at] = max(lenders[at].most, self.largest[at + 1])

    def go(self, at: int, chosen: list[Lender], most: int) -> None:
        """Try every set that adds lenders from number `at` on to those chosen."""
        if chosen and most >= self.wanted >= sum([lender.least for lender in chosen]):
            self.weigh(chosen)
        slots = self.most_lenders - len(chosen)
        if not slots:
            return
        taken = {lender.institution for lender in chosen}
        for i in range(at, len(self.lenders)):
            if most + slots * self.largest[i] < self.wanted:
                return
            if self.best is not None and self.cost_at_least(chosen, i) >= self.best[0]:
                return
            lender = self.lenders[i]
            if lender.institution not in taken:
                self.go(i + 1, [*chosen, lender], most + lender.most)

    def weigh(self, chosen: list[Lender]) -> None:
        """Keep a set that costs less than the best so far."""
        shares = list(filled(chosen, self.wanted))
        cost = sum([lender.rate_bp * amount for lender, amount in shares])
        if self.best is None or cost < self.best[0]:
            self.best = cost, [Share(lender.product, amount) for lender, amount in shares]

    def cost_at_least(self, chosen: list[Lender], at: int) -> int:
        """No set that adds one from `at` on costs less: those chosen lend all they can."""
        cost, left = 0, self.wanted
        for lender in chosen:
            amount = min(left, lender.most)
            cost, left = cost + lender.rate_bp * amount, left - amount
        return cost + self.lenders[at].rate_bp * left
