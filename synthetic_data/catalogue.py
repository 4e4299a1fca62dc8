"""The fictional catalogue: 56 institutions and 146 products, written as the file the service loads.

`python -m synthetic_data.catalogue` rewrites service/catalogue.toml. All numbers and names are in
catalogue_parameters.toml. Each product draws from a generator of its own, so that adding a product
changes no other.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from model.credit_file import SOURCES

HERE = Path(__file__).parent
PARAMETERS = HERE / "catalogue_parameters.toml"
WRITTEN = HERE.parent / "service" / "catalogue.toml"
MOST_CONDITIONS = 12
KINDS = ("state", "joint_stock", "city", "rural", "digital", "guarantee", "small_loan")


class _Sourced(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables of parameters: each states its unit and where its numbers come from."""

    unit: str
    source: str


class Families(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many products of each family, in `order`, each kind of institution sells."""

    order: list[str]
    by_kind: dict[str, list[int]]


class Band(Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges from which the spread for the best and for the worst grade is drawn."""

    low: tuple[int, int]
    high: tuple[int, int]


class Price(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spread bands by kind of institution, rounded to `step`, never above `top`."""

    step: int
    top: int
    by_kind: dict[str, Band]


class FamilyPrice(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a family adds to the spread of the kind."""

    by_family: dict[str, int]


class Pricing(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for every price."""

    risk_weight: float
    capital_ratio: float
    return_on_equity: float
    ceiling_lpr_multiple: float


class Costs(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lending costs an institution, by kind: funding, operating and margin, as ranges."""

    step: int
    by_kind: dict[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]


class LossGivenDefault(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is lost of what is owed at default, by family."""

    by_family: dict[str, float]


class EpidemicPrice(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The spread of epidemic loans, for all grades."""

    spread: int


class Appetite(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The worst grades a kind of institution accepts."""

    by_kind: dict[str, list[str]]


class Validity(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an offer stays open."""

    days: list[int]


class AmountFactor(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a kind of institution lends, relative to the family's largest amount."""

    by_kind: dict[str, float]


class ExcludedSectors(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lists of sectors a product keeps out."""

    options: list[list[str]]


class Institutions(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Institutions by kind: name in zh, name in en, provinces served."""

    by_kind: dict[str, list[list[str]]]


class Family(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the products of one family are called and how much they lend, for how long."""

    names: list[tuple[str, str]]
    amount_min_yuan: list[int]
    amount_max_yuan: list[int]
    tenors_months: list[list[int]]
    repayment: list[str]
    tax_multiple: list[int] = []
    sales_share: list[float] = []
    sectors: list[list[str]] = []
    purposes: list[list[str]] = []


class Variant(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product made for firms with little history: every eighth or so of some families."""

    families: list[str]
    every: int
    names: tuple[str, str]
    amount_factor: float
    firm_age_months: list[int]
    drops: list[str]


class ConditionOptions(_Sourced, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A condition that a share of products states, with the thresholds they draw from."""

    feature: str
    read_from: str
    at_least: list[float] = []
    at_most: list[float] = []
    one_of: list[list[str]] = []
    share: float = 1.0
    families: list[str] = []
    kinds: list[str] = []


class Parameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the catalogue is made from."""

    families: Families
    price: Price
    family_price: FamilyPrice
    epidemic_price: EpidemicPrice
    pricing: Pricing
    costs: Costs
    loss_given_default: LossGivenDefault
    appetite: Appetite
    validity: Validity
    amount_factor: AmountFactor
    family: dict[str, Family]
    excluded_sectors: ExcludedSectors
    variant: dict[str, Variant]
    condition: list[ConditionOptions]
    institutions: Institutions


def catalogue_text(seed: int = 7) -> str:
    """The catalogue as TOML text; the same seed gives the same bytes."""
    parameters = msgspec.convert(tomllib.loads(PARAMETERS.read_text("utf-8")), Parameters)
    institutions = _institutions(parameters, seed)
    slots = [
        (institution, family)
        for institution, families in zip(
            institutions, _dealt(parameters, institutions), strict=True
        )
        for family in families
    ]
    variants = _variants(parameters, [family for _, family in slots])
    products = [
        _product(parameters, seed, f"P{at:03d}", *slot, variant)
        for at, (slot, variant) in enumerate(zip(slots, variants, strict=True), 1)
    ]
    _name(parameters, products, variants)
    parts = [
        "# Fictional institutions and products, written by synthetic_data/catalogue.py from",
        "# catalogue_parameters.toml. Change those and run `python -m synthetic_data.catalogue`.",
        "# spread_bp: the band of a rate over the one-year LPR. Costs are basis points a year.",
        "\n[pricing]",
        *(
            f"{key} = {_toml(getattr(parameters.pricing, key))}"
            for key in ("risk_weight", "capital_ratio", "return_on_equity", "ceiling_lpr_multiple")
        ),
    ]
    parts += [_table("institution", institution) for institution in institutions]
    parts += [_table("product", product) for product in products]
    return "\n".join(parts) + "\n"


def _institutions(parameters: Parameters, seed: int) -> list[dict[str, Any]]:
    rows = [(kind, row) for kind in KINDS for row in parameters.institutions.by_kind[kind]]
    return [
        {
            "code": f"I{at:02d}",
            "name_zh": row[0],
            "name_en": row[1],
            "kind": kind,
            "regions": list(row[2:]),
            **_costs_bp(Random(f"{seed}/I{at:02d}"), parameters, kind),
        }
        for at, (kind, row) in enumerate(rows, 1)
    ]


def _costs_bp(rng: Random, parameters: Parameters, kind: str) -> dict[str, int]:
    step, ranges = parameters.costs.step, parameters.costs.by_kind[kind]
    return {
        name: round((low + rng.random() * (high - low)) / step) * step
        for name, (low, high) in zip(
            ("funding_bp", "operating_bp", "margin_bp"), ranges, strict=True
        )
    }


def _dealt(parameters: Parameters, institutions: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The families each institution sells: a kind's products are dealt round its institutions."""
    order = parameters.families.order
    hands: list[list[str]] = []
    for kind in KINDS:
        counts = dict(zip(order, parameters.families.by_kind[kind], strict=True))
        cards = [
            family
            for family in sorted(order, key=lambda family: -counts[family])
            for _ in range(counts[family])
        ]
        seats = sum(institution["kind"] == kind for institution in institutions)
        hands += [sorted(cards[seat::seats], key=order.index) for seat in range(seats)]
    return hands


def _variants(parameters: Parameters, families: Sequence[str]) -> list[str]:
    """The variant of each product, or "" for the plain one."""
    chosen = [""] * len(families)
    for name, variant in parameters.variant.items():
        free = [
            at
            for at, family in enumerate(families)
            if family in variant.families and not chosen[at]
        ]
        for at in free[variant.every // 2 :: variant.every]:
            chosen[at] = name
    return chosen


def _product(
    parameters: Parameters,
    seed: int,
    code: str,
    institution: Mapping[str, Any],
    family_name: str,
    variant_name: str,
) -> dict[str, Any]:
    """One product, its keys in the order of the file; the names are set later."""
    rng = Random(f"{seed}/{code}")
    kind, family = institution["kind"], parameters.family[family_name]
    variant = parameters.variant.get(variant_name)
    factor = 1.0 if family_name == "epidemic" else parameters.amount_factor.by_kind[kind]
    factor *= variant.amount_factor if variant else 1.0
    most = max(50_000, round(_one(rng, family.amount_max_yuan) * factor / 10_000) * 10_000)
    product: dict[str, Any] = {
        "code": code,
        "institution": institution["code"],
        "name_zh": "",
        "name_en": "",
        "family": family_name,
        "amount_min_yuan": min(_one(rng, family.amount_min_yuan), most // 5_000 * 1_000),
        "amount_max_yuan": most,
        "tenors_months": _one(rng, family.tenors_months),
        "repayment": _one(rng, family.repayment),
        "spread_bp": _spread_bp(rng, parameters, kind, family_name),
        "loss_given_default": parameters.loss_given_default.by_family[family_name],
        "worst_grade": _one(rng, parameters.appetite.by_kind[kind]),
    }
    for key in ("tax_multiple", "sales_share"):
        if options := getattr(family, key):
            product[key] = _one(rng, options)
    conditions, read_from = _conditions(rng, parameters, kind, family_name, variant)
    needed = {"registry", *read_from}
    needed |= {"tax"} if "tax_multiple" in product else set()
    needed |= {"invoices"} if "sales_share" in product else set()
    product["required_sources"] = [source for source in SOURCES if source in needed]
    if family.sectors:
        product["sectors"] = _one(rng, family.sectors)
    elif excluded := _one(rng, parameters.excluded_sectors.options):
        product["excluded_sectors"] = excluded
    if family.purposes:
        product["purposes"] = _one(rng, family.purposes)
    product["valid_days"] = _one(rng, parameters.validity.days)
    product["conditions"] = conditions
    return product


def _spread_bp(rng: Random, parameters: Parameters, kind: str, family: str) -> list[int]:
    if family == "epidemic":
        return [parameters.epidemic_price.spread] * 2
    step, band = parameters.price.step, parameters.price.by_kind[kind]
    added = parameters.family_price.by_family[family]
    drawn = [low + rng.random() * (high - low) for low, high in (band.low, band.high)]
    return [min(parameters.price.top, round((spread + added) / step) * step) for spread in drawn]


def _conditions(
    rng: Random, parameters: Parameters, kind: str, family: str, variant: Variant | None
) -> tuple[list[dict[str, Any]], set[str]]:
    """The conditions a product states and the sources they are read from.

    When more are drawn than a product may state, those least surely drawn are left out.
    """
    drawn: list[tuple[float, int, dict[str, Any]]] = []
    for at, options in enumerate(parameters.condition):
        luck, choice = rng.random(), rng.random()  # always two: rows do not disturb each other
        if (options.families and family not in options.families) or (
            options.kinds and kind not in options.kinds
        ):
            continue
        if luck >= options.share or (variant and options.feature in variant.drops):
            continue
        test = next(key for key in ("at_least", "at_most", "one_of") if getattr(options, key))
        thresholds: Sequence[Any] = getattr(options, test)
        if variant and options.feature == "firm_age_months":
            thresholds = variant.firm_age_months
        condition = {
            "feature": options.feature,
            test: thresholds[int(choice * len(thresholds))],
        }
        drawn.append((luck if options.share < 1.0 else -1.0, at, condition))
    kept = sorted(sorted(drawn, key=lambda one: one[:2])[:MOST_CONDITIONS], key=lambda one: one[1])
    return [one[2] for one in kept], {parameters.condition[one[1]].read_from for one in kept}


def _name(
    parameters: Parameters, products: Sequence[dict[str, Any]], variants: Sequence[str]
) -> None:
    """Give each product a name nobody else has: institution, variant, then a name of the family."""
    rows = [row for kind in KINDS for row in parameters.institutions.by_kind[kind]]
    taken: dict[tuple[str, str], int] = {}
    for product, variant in zip(products, variants, strict=True):
        number = int(product["institution"][1:])
        family = product["family"]
        nth = taken.get((product["institution"], family), 0)
        taken[product["institution"], family] = nth + 1
        names = parameters.family[family].names
        zh, en = names[(number + nth) % len(names)]
        more_zh, more_en = parameters.variant[variant].names if variant else ("", "")
        product["name_zh"] = rows[number - 1][0][:2] + more_zh + zh
        product["name_en"] = " ".join(
            part for part in (rows[number - 1][1].split()[0], more_en, en) if part
        )


def _one(rng: Random, options: Any) -> Any:
    """One option; each place in the list is as likely as the next."""
    return options[int(rng.random() * len(options))]


def _table(name: str, record: Mapping[str, Any]) -> str:
    lines = [f"\n[[{name}]]"]
    for key, value in record.items():
        if key == "conditions":
            lines += ["conditions = [", *(f"    {_toml(one)}," for one in value), "]"]
        else:
            lines.append(f"{key} = {_toml(value)}")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    """A text, number, list or flat table as TOML."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    return repr(int(value)) if float(value).is_integer() else repr(value)


if __name__ == "__main__":
    WRITTEN.write_text(catalogue_text(), encoding="utf-8")
