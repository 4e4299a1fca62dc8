"""The fields of the credit file as rows of a dictionary: type, unit, zh and en name.

Types come from the contract itself, names and units from credit_file.toml beside it.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import inspect

from model.credit_file import CreditFile

NAMES = Path(__file__).with_name("credit_file.toml")


class Entry(NamedTuple):
    """One field: what it holds, in which unit, whether it may be left out, how it is called."""

    field: str
    type: str
    unit: str
    required: bool
    zh: str
    en: str


def entries() -> dict[str, list[Entry]]:
    """Record -> its fields: the credit file, a section a source, and the records inside sections.

    Raises KeyError naming a field of the contract that has no name, ValueError naming a name that
    has no field.
    """
    names = tomllib.loads(NAMES.read_text("utf-8"))
    found: dict[str, list[Entry]] = {}
    told = inspect.type_info(CreditFile)
    assert isinstance(told, inspect.StructType)
    plain = [field for field in told.fields if _struct(field.type) is None]
    found["credit_file"] = _entries("credit_file", plain, names)
    for section in told.fields:
        struct = _struct(section.type)
        if struct is not None:
            found[section.name] = _entries(section.name, struct.fields, names)
            for inner in _inner(struct):
                name = _name(inner)
                found[name] = _entries(name, inner.fields, names)
    extra = [
        f"{record}.{field}"
        for record, fields in names.items()
        for field in fields
        if field not in [one.field for one in found.get(record, [])]
    ]
    if extra:
        raise ValueError(f"{NAMES.name}: {', '.join(extra)}: expected fields of the contract")
    return found


def _name(struct: inspect.StructType) -> str:
    """What a record inside a section is called: AbnormalListing -> abnormal_listing."""
    name = struct.cls.__name__
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name).lstrip("_")


def _entries(record: str, fields: Any, names: dict[str, Any]) -> list[Entry]:
    found = []
    for field in fields:
        told = names.get(record, {}).get(field.name)
        if told is None:
            raise KeyError(f"{record}.{field.name}: no name in {NAMES.name}; add [zh, en, unit]")
        zh, en, unit = told
        found.append(Entry(field.name, _type(field.type), unit, field.required, zh, en))
    return found


def _members(kind: Any) -> Iterator[Any]:
    """A type without its bounds, or the types of a union but null."""
    if isinstance(kind, inspect.Metadata):
        yield from _members(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _members(one)
    elif not isinstance(kind, inspect.NoneType):
        yield kind


def _struct(kind: Any) -> inspect.StructType | None:
    return next((one for one in _members(kind) if isinstance(one, inspect.StructType)), None)


def _inner(struct: inspect.StructType) -> Iterator[inspect.StructType]:
    for field in struct.fields:
        for one in _members(field.type):
            inside = _struct(one.item_type) if isinstance(one, inspect.ListType) else None
            if inside is not None:
                yield inside


def _type(kind: Any) -> str:
    """How a type is called for people."""
    (one,) = _members(kind)
    if isinstance(one, inspect.ListType):
        return f"list of {_type(one.item_type)}"
    if isinstance(one, inspect.LiteralType):
        return " ".join(map(str, one.values))
    if isinstance(one, inspect.StructType):
        return _name(one)
    return _PLAIN[type(one).__name__]


_PLAIN = {"IntType": "whole number", "FloatType": "number", "StrType": "text", "DateType": "date"}
