"""Eligibility: which requirements of which products one applicant fails, all products at once.

Every requirement owns one bit. Sorted thresholds say which requirements of all products fail at a
value, so one binary search per feature evaluates the whole catalogue; the lowest bit set in a
product's field is the first requirement it failed, in the order the product states them: region,
sector, purpose, tenor, sources, grade, its own conditions as written, and last the amount.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate
from math import ceil
from operator import or_
from typing import Any, NamedTuple, get_args

from msgspec import Struct

from model.credit_file import SOURCES, Sector
from service.catalogue import GRADES, Institution, Product

FIELD_BITS = 32
"""Bits kept for one product: 5 requirements of its own, 11 sources, 12 conditions, 3 amounts; the
highest stays free. No product may require more than that: service/catalogue.py.
"""
ROUNDING_YUAN = 1_000.0
HALF_FEN_YUAN = 0.005
"""Multiples of tax and sales are taken to the fen: 35 % of 180,000 is no less than 63,000."""


class Refusal(Struct, frozen=True, gc=False, omit_defaults=True):
    """The first requirement that some products failed: what they require, what was seen, how far.

    `feature` is a feature, or one of purpose, tenor, source, grade, amount. `seen` is left out when
    it is not known. `margin` is in the feature's unit, in grades for grade, and left out when there
    is no distance.
    """

    products: list[str]
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


class _Refusing(NamedTuple):
    """What a failed requirement says: where its fact is, and what it asks of it.

    `multiple` is of the fact, tax or sales, that caps the amount of one product.
    """

    where: int
    feature: str
    required: str
    bound: float | None = None
    multiple: float | None = None
    fact: str = ""


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
        places = {name: len(feature_index) + i for i, name in enumerate(added)}
        position = {**feature_index, **places}
        self.refusing: list[_Refusing] = []
        self.codes = [product.code for product in products]
        self.numbers: list[dict[int, int]] = [{} for _ in products]
        numbers: dict[_Refusing, int] = {}
        sources = dict.fromkeys(SOURCES, 0)
        floors: dict[int, list[tuple[float, int]]] = {}
        ceilings: dict[int, list[tuple[float, int]]] = {}
        choices: dict[int, list[tuple[frozenset[str], int]]] = {}

        def number(one: _Refusing) -> int:
            if one not in numbers:
                numbers[one] = len(self.refusing)
                self.refusing.append(one)
            return numbers[one]

        for at, product in enumerate(products):
            field, mine = at * FIELD_BITS, self.numbers[at]
            requirements = requirements_of(product, institutions[product.institution])
            for bit, one in enumerate(requirements):
                flag, where = 1 << field + bit, position[one.feature]
                bound = one.at_least
                if one.source is not None:
                    sources[one.source] |= flag
                elif one.accepted is not None:
                    choices.setdefault(where, []).append((one.accepted, flag))
                elif one.at_least is not None:
                    floors.setdefault(where, []).append((one.at_least, flag))
                elif one.at_most is not None:
                    ceilings.setdefault(where, []).append((one.at_most, flag))
                    bound = one.at_most
                mine[1 << bit] = number(_Refusing(where, one.feature, one.required, bound))
            for bit, (name, threshold, multiple) in enumerate(_amounts(product), len(requirements)):
                where, least = position[name], product.amount_min_yuan
                floors.setdefault(where, []).append((threshold, 1 << field + bit))
                required = f">= {least:.15g}"
                told = _Refusing(where, "amount", required, least, multiple, name)
                mine[1 << bit] = number(told)
        self._sources = [(source, mask) for source, mask in sources.items() if mask]
        self._floors = [(where, *_floor(rows)) for where, rows in floors.items()]
        self._ceilings = [(where, *_ceiling(rows)) for where, rows in ceilings.items()]
        self._choices = [(where, *_chosen(rows)) for where, rows in choices.items()]
        self._ones = sum(1 << at * FIELD_BITS for at in range(len(products)))
        self._guards = self._ones << FIELD_BITS - 1
        self._size = FIELD_BITS // 8 * len(products)
        self._fields: Callable[[bytes], tuple[int, ...]] = struct.Struct(
            f"<{len(products)}I"
        ).unpack

    def failed(self, facts: Sequence[Any], sources: Collection[str]) -> tuple[int, ...]:
        """For each product the bit of the first requirement failed; zero when it fits.

        A missing fact fails every requirement about it.
        """
        failed = 0
        for source, mask in self._sources:
            if source not in sources:
                failed |= mask
        for where, failing, otherwise in self._choices:
            failed |= failing.get(facts[where], otherwise)
        for where, thresholds, masks in self._floors:
            value = facts[where]
            known = value is not None and value == value
            mask = masks[bisect_right(thresholds, value)] if known else masks[0]
            if mask:  # mostly not: a number of 4,672 bits is copied
                failed |= mask
        for where, thresholds, masks in self._ceilings:
            value = facts[where]
            known = value is not None and value == value
            mask = masks[bisect_left(thresholds, value)] if known else masks[-1]
            if mask:
                failed |= mask
        # the lowest bit of every field at once; a guard above each lends what is subtracted
        first = failed & ~((failed | self._guards) - self._ones)
        return self._fields(first.to_bytes(self._size, "little"))

    def refusals(self, refused: Mapping[int, list[str]], facts: Sequence[Any]) -> list[Refusal]:
        """What requirements, by their numbers, say to the products that failed them first."""
        told = []
        for number, products in refused.items():
            where, feature, required, bound, multiple, fact = self.refusing[number]
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


def _by_threshold(rows: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Distinct thresholds in ascending order, and the bits of the requirements at each."""
    flags: dict[float, int] = {}
    for threshold, flag in rows:
        flags[threshold] = flags.get(threshold, 0) | flag
    thresholds = sorted(flags)
    return thresholds, [flags[threshold] for threshold in thresholds]


def _floor(rows: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Thresholds, and what fails when i of them are reached: those above the value."""
    thresholds, flags = _by_threshold(rows)
    return thresholds, [*accumulate(reversed(flags), or_, initial=0)][::-1]


def _ceiling(rows: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Thresholds, and what fails when i of them are exceeded: those below the value."""
    thresholds, flags = _by_threshold(rows)
    return thresholds, [*accumulate(flags, or_, initial=0)]


def _chosen(rows: Sequence[tuple[frozenset[str], int]]) -> tuple[dict[Any, int], int]:
    """For each value somebody accepts, the bits it fails; and the bits any other value fails."""
    values = frozenset[str]().union(*(accepted for accepted, _ in rows))
    failing = {
        value: sum(flag for accepted, flag in rows if value not in accepted) for value in values
    }
    return failing, sum(flag for _, flag in rows)
