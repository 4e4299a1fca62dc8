"""The product catalogue as a file: institutions, products and their conditions, read and checked.

The reader refuses what it does not understand, naming the product, the key, the value got and what
was expected, so that a slip of the pen never becomes a product that fits everybody.
"""

import re
import tomllib
from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from model.credit_file import Sector
from model.features import FEATURES
from service.application import Purpose, SourceName

Grade = Literal["AAA", "AA", "A", "BBB", "BB", "B", "CCC"]
GRADES: tuple[Grade, ...] = ("AAA", "AA", "A", "BBB", "BB", "B", "CCC")
"""Best to worst."""
Repayment = Literal["interest_first", "equal_instalment", "equal_principal"]
_Yuan = Annotated[float, Meta(ge=1_000, le=1e9)]
_Months = Annotated[int, Meta(ge=1, le=120)]
_Bp = Annotated[int, Meta(ge=-200, le=3_000)]
_Region = Annotated[str, Meta(pattern=r"^(\d{2}|\*)$")]
_Name = Annotated[str, Meta(min_length=1, max_length=80)]
_Sectors = Annotated[list[Sector], Meta(min_length=1)]


class CatalogueError(ValueError):
    """A catalogue that cannot be used: product, key, value got, what was expected."""


class _Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the rows of a catalogue file."""


class Pricing(_Row, frozen=True, kw_only=True):
    """What holds for every price: the capital a loan ties up and what it earns, the ceiling."""

    risk_weight: Annotated[float, Meta(gt=0, le=2)]
    capital_ratio: Annotated[float, Meta(gt=0, le=0.5)]
    return_on_equity: Annotated[float, Meta(ge=0, le=0.5)]  # wanted above what deposits cost
    ceiling_lpr_multiple: Annotated[float, Meta(gt=1, le=10)]


class Institution(_Row, frozen=True, kw_only=True):
    """Who sells products, in which provinces ("*" for all), and what lending costs it.

    `funding_bp` is over the one-year LPR and may be negative; all are basis points a year.
    """

    code: Annotated[str, Meta(pattern=r"^I\d{2,3}$")]
    name_zh: _Name
    name_en: _Name
    kind: Literal["state", "joint_stock", "city", "rural", "digital", "guarantee", "small_loan"]
    regions: Annotated[list[_Region], Meta(min_length=1)]
    funding_bp: Annotated[int, Meta(ge=-500, le=2_000)]
    operating_bp: Annotated[int, Meta(ge=0, le=2_000)]
    margin_bp: Annotated[int, Meta(ge=0, le=2_000)]


class Condition(_Row, frozen=True, kw_only=True):
    """One test of one feature: exactly one of at_least, at_most, one_of."""

    feature: str
    at_least: float | None = None
    at_most: float | None = None
    one_of: Annotated[list[str], Meta(min_length=1)] | None = None


class Product(_Row, frozen=True, kw_only=True):
    """What an institution sells: amounts, tenors, price and conditions.

    `spread_bp` is the band of its rate over the one-year LPR, lowest and highest;
    `loss_given_default` what is lost of what is owed at default. `tax_multiple` and `sales_share`
    cap the amount by tax paid and sales of 12 months.
    """

    code: Annotated[str, Meta(pattern=r"^P\d{3,4}$")]
    institution: str
    name_zh: _Name
    name_en: _Name
    family: Literal[
        "tax", "invoice", "settlement", "sci_tech", "order",
        "mortgage", "utility", "agri", "export", "epidemic",
    ]  # fmt: skip
    amount_min_yuan: _Yuan
    amount_max_yuan: _Yuan
    tenors_months: Annotated[list[_Months], Meta(min_length=1)]
    repayment: Repayment
    spread_bp: tuple[_Bp, _Bp]
    loss_given_default: Annotated[float, Meta(gt=0, le=1)]
    worst_grade: Grade
    required_sources: Annotated[list[SourceName], Meta(max_length=11)]
    valid_days: Annotated[int, Meta(ge=1, le=365)]
    conditions: Annotated[list[Condition], Meta(max_length=12)]
    tax_multiple: Annotated[float, Meta(gt=0, le=50)] | None = None
    sales_share: Annotated[float, Meta(gt=0, le=5)] | None = None
    sectors: _Sectors | None = None
    excluded_sectors: _Sectors | None = None
    purposes: Annotated[list[Purpose], Meta(min_length=1)] | None = None


_R = TypeVar("_R", Pricing, Institution, Product)
_C = TypeVar("_C", Institution, Product)
_FEATURES = {feature.name: feature for feature in FEATURES}
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"(missing required|contains unknown) field `([^`]*)`")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def read(stored: bytes) -> tuple[Pricing, list[Institution], list[Product]]:
    """Parse a catalogue; raises CatalogueError for the first thing that cannot be right."""
    try:
        tables = tomllib.loads(stored.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"catalogue: got {error}, expected TOML in UTF-8") from None
    except RecursionError:
        raise CatalogueError("catalogue: got deeply nested brackets, expected tables") from None
    for key in tables:
        _expect(key in ("pricing", "institution", "product"), "catalogue", key, "a table",
                "[pricing], [[institution]] and [[product]] only")  # fmt: skip
    raw = tables.get("pricing")
    _expect(isinstance(raw, dict), "catalogue", "pricing", raw, "the table [pricing]")
    pricing = _row(raw, "pricing", Pricing)
    institutions = _rows(tables.get("institution", []), "institution", Institution)
    products = _rows(tables.get("product", []), "product", Product)
    codes = {institution.code for institution in institutions}
    for product in products:
        _check(product, codes)
    return pricing, institutions, products


def _rows(raw: Any, kind: str, row_type: type[_C]) -> list[_C]:
    _expect(isinstance(raw, list) and bool(raw), "catalogue", kind, raw, f"rows of [[{kind}]]")
    rows: list[_C] = []
    seen: set[str] = set()
    for at, one in enumerate(raw):
        code = one.get("code", f"number {at + 1}") if isinstance(one, dict) else f"number {at + 1}"
        row = _row(one, f"{kind} {code}", row_type)
        _expect(row.code not in seen, f"{kind} {code}", "code", code, "a code used once")
        seen.add(row.code)
        rows.append(row)
    return rows


def _row(raw: Any, who: str, row_type: type[_R]) -> _R:
    try:
        return msgspec.convert(raw, row_type)
    except msgspec.ValidationError as error:
        raise _error_of(error, who, raw, row_type) from None


def _error_of(
    error: msgspec.ValidationError, who: str, raw: Any, row_type: type[Struct]
) -> CatalogueError:
    """The same error with the key, the value got and what was expected."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    steps = _STEP.findall(path)
    value = raw
    for key, index in steps:
        value = value[key] if key else value[int(index)]
    about = _FIELD.search(what)
    if about:
        key = f"{path}.{about[2]}".lstrip(".")
        if about[1] == "missing required":
            return CatalogueError(f"{who}: {key}: got nothing, expected a value")
        inner = Condition if path.startswith("conditions") else row_type
        keys = ", ".join(inner.__struct_fields__)
        return CatalogueError(f"{who}: {key}: got {value[about[2]]!r}, expected a key among {keys}")
    expected = what.removeprefix("Expected ").replace("Expected ", "")
    if what.startswith("Invalid enum"):
        expected = f"one of {', '.join(_words(get_type_hints(row_type)[steps[0][0]]))}"
    return CatalogueError(f"{who}: {path or 'row'}: got {value!r}, expected {expected}")


def _words(hint: Any) -> list[str]:
    """The texts a type allows."""
    if isinstance(hint, str):
        return [hint]
    return [word for part in get_args(hint) for word in _words(part)]


def _expect(holds: bool, who: str, key: str, value: object, expected: str) -> None:
    if not holds:
        raise CatalogueError(f"{who}: {key}: got {value!r}, expected {expected}")


def _check(product: Product, institutions: set[str]) -> None:
    """What types cannot say: references, orders, features that exist and fit their test."""
    who, least = f"product {product.code}", product.amount_min_yuan
    _expect(product.institution in institutions, who, "institution", product.institution,
            "the code of an [[institution]]")  # fmt: skip
    _expect(product.amount_max_yuan >= least, who, "amount_max_yuan", product.amount_max_yuan,
            f"at least amount_min_yuan = {least:.15g}")  # fmt: skip
    _distinct(who, "tenors_months", product.tenors_months)
    _expect(sorted(product.tenors_months) == product.tenors_months, who, "tenors_months",
            product.tenors_months, "months in ascending order")  # fmt: skip
    low, high = product.spread_bp
    _expect(low <= high, who, "spread_bp", [low, high], "the lower spread first")
    _distinct(who, "required_sources", product.required_sources)
    _expect(product.sectors is None or product.excluded_sectors is None, who, "excluded_sectors",
            product.excluded_sectors, "either sectors or excluded_sectors")  # fmt: skip
    for at, condition in enumerate(product.conditions):
        _check_condition(who, f"conditions[{at}]", condition)


def _distinct(who: str, key: str, listed: Sequence[object]) -> None:
    _expect(len(set(listed)) == len(listed), who, key, listed, "each value once")


def _check_condition(who: str, at: str, condition: Condition) -> None:
    feature = _FEATURES.get(condition.feature)
    if feature is None:
        raise CatalogueError(
            f"{who}: {at}.feature: got {condition.feature!r}, expected a feature of model/features"
        )
    given = [
        key for key in ("at_least", "at_most", "one_of") if getattr(condition, key) is not None
    ]
    _expect(len(given) == 1, who, at, given, "exactly one of at_least, at_most, one_of")
    value = getattr(condition, given[0])
    if feature.kind == "number":
        _expect(given[0] != "one_of", who, f"{at}.one_of", value,
                f"at_least or at_most: {feature.name} is a number")  # fmt: skip
        _expect(isfinite(value), who, f"{at}.{given[0]}", value, "a finite number")
    else:
        _expect(given[0] == "one_of", who, f"{at}.{given[0]}", value,
                f"one_of: {feature.name} is a category")  # fmt: skip
        unknown = [one for one in value if feature.categories and one not in feature.categories]
        _expect(not unknown, who, f"{at}.one_of", unknown, f"some of {list(feature.categories)}")
