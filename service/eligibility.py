"""Eligibility: which requirements of which products one applicant fails, all products at once.

Requirements stand in one order, which agrees with the order of every product: region, sector,
purpose, tenor, sources, grade, its own conditions as written, and last the amount. Sorted
thresholds say which fail at a value: one binary search per feature evaluates the whole catalogue.
Products are bits of a number: each requirement failed, in order, refuses in two operations all
products that state it and that none before it refused.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from math import ceil, inf, nan, nextafter
from operator import add, getitem, itemgetter
from typing import Any, TypeVar, get_args

from msgspec import Struct

from model.credit_file import Sector
from service.catalogue import GRADES, Institution, Product

_T = TypeVar("_T")
ROUNDING_YUAN = 1_000.0
HALF_FEN_YUAN = 0.005
"""Multiples of tax and sales are taken to the fen: 35 % of 180,000 is no less than 63,000."""


class Refusal(Struct, frozen=True, gc=False, omit_defaults=True):
    """The first requirement that some products failed: what they require, what was seen, how far.

    `feature` is a feature, or one of purpose, tenor, source, grade, amount. `seen` is left out when
    it is not known. `margin` is in the feature's unit, in grades for grade, and left out when there
    is no distance.
    """

    products: tuple[str, ...]
    feature: str
    required: str
    seen: float | str | None = None
    margin: float | None = None


class Requirement(Struct, frozen=True):
    """One requirement of one product: a floor, a ceiling, a set of accepted values, or a source."""

    feature: str
    required: str
    at_least: float | None = None
    at_most: float | None = None
    accepted: frozenset[str] | None = None
    source: str | None = None


def requirements_of(product: Product, institution: Institution) -> list[Requirement]:
    """The requirements of a product in its order, before the amount."""

    def choice(feature: str, accepted: Sequence[str], required: str) -> Requirement:
        return Requirement(feature, required, accepted=frozenset(accepted))

    requirements = []
    if "*" not in institution.regions:
        regions = institution.regions
        requirements.append(choice("region", regions, f"in {', '.join(regions)}"))
    if product.sectors is not None:
        requirements.append(choice("sector", product.sectors, f"in {', '.join(product.sectors)}"))
    if product.excluded_sectors is not None:
        excluded = product.excluded_sectors
        kept = [sector for sector in get_args(Sector) if sector not in excluded]
        requirements.append(choice("sector", kept, f"not in {', '.join(excluded)}"))
    if product.purposes is not None:
        requirements.append(
            choice("purpose", product.purposes, f"in {', '.join(product.purposes)}")
        )
    shortest = product.tenors_months[0]
    requirements.append(Requirement("tenor", f">= {shortest}", at_least=shortest))
    requirements += [
        Requirement("source", source, source=source) for source in product.required_sources
    ]
    worst = product.worst_grade
    good = GRADES[: GRADES.index(worst) + 1]
    requirements.append(choice("grade", good, f"{worst} or better"))
    for condition in product.conditions:
        if condition.one_of is not None:
            required = f"in {', '.join(condition.one_of)}"
            requirements.append(choice(condition.feature, condition.one_of, required))
        elif condition.at_least is not None:
            required = f">= {condition.at_least:.15g}"
            requirements.append(
                Requirement(condition.feature, required, at_least=condition.at_least)
            )
        elif condition.at_most is not None:
            required = f"<= {condition.at_most:.15g}"
            requirements.append(Requirement(condition.feature, required, at_most=condition.at_most))
    return requirements


_Said = tuple[int, str, str, float | None, float | None, str]
"""What a failed requirement says: where its fact is, feature, required, bound, multiple, fact.

`bound` is a number required; `multiple` is of the fact, tax or sales, that caps the amount of one
product.
"""
Places = tuple[int, ...]
"""Where requirements stand in the order of all."""
Refused = dict[int, int]
"""Products refused, as bits, and the place of the requirement that refused them."""
MOST_SETS = 10_000
"""Sets of products kept with their codes. Of 33 that an applicant is refused by, different
applicants of a simulated economy have 32 in common with one before."""
_SWITCHES = bytes.maketrans(b"01", b"\0\1")


class Eligibility:
    """All requirements over facts: a portrait, then purpose, tenor, grade, a blank, the amount."""

    def __init__(
        self,
        products: Sequence[Product],
        institutions: Mapping[str, Institution],
        feature_index: Mapping[str, int],
    ) -> None:
        self.feature_index = feature_index
        self.tax = feature_index["tax_paid_12m_yuan"]
        self.sales = feature_index["sales_12m_yuan"]
        added = ("purpose", "tenor", "grade", "source", "amount")
        position = {**feature_index, **{n: len(feature_index) + i for i, n in enumerate(added)}}
        tests: dict[_Said, Requirement] = {}
        stated = []
        for product in products:
            told = dict(_stated(product, institutions[product.institution], position))
            tests |= told
            stated.append(list(told))
        self._codes = ["", *(product.code for product in reversed(products))]  # by bit length
        self._bits = [0, *(1 << at for at in range(len(products)))]
        self._above = 1 << len(products)
        self._stating: list[int] = []  # by place: products as bits, and what is said to them
        self._said: list[_Said] = []
        places: dict[_Said, Places] = defaultdict(tuple)
        for said, who in in_one_order(stated):
            places[said] += (len(self._said),)
            self._stating.append(sum([self._bits[-1] >> at for at in who]))
            self._said.append(said)
        self._repeated = len(self._said) > len(places)
        self._sets: dict[int, tuple[str, ...]] = {}
        self._sources: dict[str, Places] = defaultdict(tuple)
        floors: dict[int, list[tuple[float, Places]]] = {}
        ceilings: dict[int, list[tuple[float, Places]]] = {}
        choices: dict[int, list[tuple[frozenset[str], Places]]] = {}
        for said, places_of in places.items():
            one = tests[said]
            if one.source is not None:
                self._sources[one.source] += places_of
            elif one.accepted is not None:
                choices.setdefault(said[0], []).append((one.accepted, places_of))
            elif one.at_least is not None:
                floors.setdefault(said[0], []).append((one.at_least, places_of))
            elif one.at_most is not None:
                ceilings.setdefault(said[0], []).append((one.at_most, places_of))
        self._choices = [(where, *_chosen(rows)) for where, rows in choices.items()]
        self._floors = _Bounds(floors, _floor)
        self._ceilings = _Bounds(ceilings, _ceiling)

    def sift(self, facts: Sequence[Any], sources: Collection[str]) -> tuple[bytes, Refused]:
        """For each product 1 when it fits, else 0; and what refuses each other one.

        A missing fact fails every requirement about it.
        """
        try:
            failed = self._failed(facts, sources)
        except TypeError:  # a number given as None
            known = [nan if fact is None else fact for fact in facts]
            failed = self._failed(known, sources)
        left, stating = self._above - 1, self._stating
        refused: Refused = {}
        for place in failed:
            hit = left & stating[place]
            if hit:
                left ^= hit
                refused[hit] = place
        return bin(left | self._above)[3:].encode().translate(_SWITCHES), refused

    def _failed(self, facts: Sequence[Any], sources: Collection[str]) -> list[int]:
        """The places of all requirements that fail, in order."""
        failed: list[int] = []
        for source, places in self._sources.items():
            if source not in sources:
                failed += places
        for where, failing, otherwise in self._choices:
            failed += failing.get(facts[where], otherwise)
        # whichever side NaN falls on when bisected: no floor is reached, every ceiling exceeded
        under = self._floors
        reached = map(bisect_left, under.bounds, under.pick(facts))
        failed += chain.from_iterable(filter(None, map(getitem, under.failing, reached)))
        over = self._ceilings
        exceeded = map(bisect_right, over.bounds, over.pick(facts))
        failed += chain.from_iterable(filter(None, map(getitem, over.failing, exceeded)))
        failed.sort()
        return failed

    def refusals(self, refused: Refused, facts: Sequence[Any]) -> list[Refusal]:
        """What requirements say to those they refused, in the order of the first of these."""
        if self._repeated:
            refused = self._merged(refused)
        told, sets = [], self._sets
        for hit in sorted(refused, reverse=True):
            products = sets.get(hit) or self._codes_of(hit)
            where, feature, required, bound, multiple, fact = self._said[refused[hit]]
            seen, margin = facts[where], None
            if seen is None or seen != seen:
                seen = None
                if multiple is not None:
                    feature, required = fact, "known"
            elif bound is not None:
                if feature == "amount":
                    yuan = seen if multiple is None else multiple * seen + HALF_FEN_YUAN
                    seen = max(yuan - yuan % ROUNDING_YUAN, 0.0)
                margin = abs(bound - seen)
            elif feature == "grade":
                margin = float(GRADES.index(seen) - GRADES.index(required.split()[0]))
            told.append(Refusal(products, feature, required, seen, margin))
        return told

    def _codes_of(self, products: int) -> tuple[str, ...]:
        """The codes of products given as bits, from the highest down; kept for the next time."""
        if len(self._sets) >= MOST_SETS:
            self._sets.clear()
        codes, left = [], products
        while left:
            at = left.bit_length()
            codes.append(self._codes[at])
            left ^= self._bits[at]
        return self._sets.setdefault(products, tuple(codes))

    def _merged(self, refused: Refused) -> Refused:
        """Products refused by the same requirement at several places, told together."""
        found: dict[_Said, int] = defaultdict(int)
        for hit, place in refused.items():
            found[self._said[place]] |= hit
        return {found[self._said[place]]: place for place in refused.values()}


def _stated(
    product: Product, institution: Institution, position: Mapping[str, int]
) -> Iterator[tuple[_Said, Requirement]]:
    """The requirements of a product in its order, each with what it says when it fails."""
    for one in requirements_of(product, institution):
        bound = one.at_most if one.at_least is None else one.at_least
        yield (position[one.feature], one.feature, one.required, bound, None, ""), one
    least = product.amount_min_yuan
    required = f">= {least:.15g}"
    for name, threshold, multiple in _amounts(product):
        said = (position[name], "amount", required, least, multiple, name)
        yield said, Requirement(name, required, at_least=threshold)


def in_one_order(stated: Sequence[Sequence[_T]]) -> Iterator[tuple[_T, list[int]]]:
    """One order that agrees with that of every list: each item, and which lists have it there.

    Where lists contradict each other, an item comes more than once, each time for some of them.

    >>> [item for item, _ in in_one_order(["abd", "acd", "bc"])]
    ['a', 'b', 'c', 'd']
    >>> list(in_one_order(["ab", "ba", "ab"]))
    [('a', [0, 2]), ('b', [0, 1, 2]), ('a', [1])]
    """
    waiting = [deque(one) for one in stated]
    left = Counter(item for one in stated for item in one)
    while left:
        next_up = Counter(one[0] for one in waiting if one)
        free = [item for item, count in next_up.items() if count == left[item]]
        item = free[0] if free else next_up.most_common(1)[0][0]
        who = [at for at, one in enumerate(waiting) if one and one[0] == item]
        for at in who:
            waiting[at].popleft()
        left -= Counter({item: len(who)})
        yield item, who


def _amounts(product: Product) -> list[tuple[str, float, float | None]]:
    """What the amount asked for, tax and sales must reach for the product's smallest loan."""
    least = ceil(product.amount_min_yuan / ROUNDING_YUAN) * ROUNDING_YUAN
    floors: list[tuple[str, float, float | None]] = [("amount", least, None)]
    for name, multiple in (
        ("tax_paid_12m_yuan", product.tax_multiple),
        ("sales_12m_yuan", product.sales_share),
    ):
        if multiple is not None:
            floors.append((name, (least - HALF_FEN_YUAN) / multiple, multiple))
    return floors


class _Bounds:
    """For each of some facts: ascending bounds, and what fails when i of them lie behind it."""

    def __init__(
        self,
        rows: Mapping[int, list[tuple[float, Places]]],
        compiled: Callable[[Sequence[tuple[float, Places]]], tuple[list[float], list[Places]]],
    ) -> None:
        found = [compiled(one) for one in rows.values()]
        self.bounds = [bounds for bounds, _ in found]
        self.failing = [failing for _, failing in found]
        # one more keeps a tuple where there is one fact, and is left over where there are more
        self.pick: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*rows, 0, 0)


def _by_threshold(rows: Sequence[tuple[float, Places]]) -> tuple[list[float], list[Places]]:
    """Distinct thresholds in ascending order, and the places of the requirements at each."""
    found: dict[float, Places] = {}
    for threshold, places in rows:
        found[threshold] = found.get(threshold, ()) + places
    thresholds = sorted(found)
    return thresholds, [found[threshold] for threshold in thresholds]


def _floor(rows: Sequence[tuple[float, Places]]) -> tuple[list[float], list[Places]]:
    """Bounds just under the thresholds, and what fails above i of them: those not reached."""
    thresholds, places = _by_threshold(rows)
    nothing: Places = ()
    failing = [*accumulate(reversed(places), add, initial=nothing)][::-1]
    return [nextafter(one, -inf) for one in thresholds], failing


def _ceiling(rows: Sequence[tuple[float, Places]]) -> tuple[list[float], list[Places]]:
    """Bounds just over the thresholds, and what fails from i of them on: those exceeded."""
    thresholds, places = _by_threshold(rows)
    nothing: Places = ()
    return [nextafter(one, inf) for one in thresholds], [*accumulate(places, add, initial=nothing)]


def _chosen(rows: Sequence[tuple[frozenset[str], Places]]) -> tuple[dict[Any, Places], Places]:
    """For each value somebody accepts, what fails at it; and what fails at any other value."""
    values = frozenset[str]().union(*(accepted for accepted, _ in rows))

    def failing(value: str | None) -> Places:
        return tuple(place for accepted, at in rows if value not in accepted for place in at)

    return {value: failing(value) for value in values}, failing(None)
