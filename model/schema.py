"""schema.toml: what each column of a lender's own table is, to be read, edited and used again.

Training writes it beside the scorecard. Given back to training it goes before whatever the table
itself suggests: a column whose type it states is used unless it says why to leave it out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

USABLE = ("number", "category", "ordered")
Type = Literal[
    "number", "category", "ordered", "date", "identifier", "constant", "text", "other", "outcome"
]
Sign = Literal[-1, 0, 1]
Text = Annotated[str, Meta(max_length=300)]
MOST_BYTES = 10_000_000

_HEAD = """\
# What each column of the table is. Edit it and train again with --schema; what is written here goes
# before what the table itself suggests, and a column that is not here is looked at afresh.
#
#   type                 number, category, or ordered (then also: categories, in their order)
#   leave_out            why the column is not used; delete the line to use it
#   direction            1: a higher value may only raise pd_12m; -1: only lower it; 0: either way
#   suggested_direction  what the loans themselves suggest; make it `direction` once you agree
#   label_zh, label_en   what reasons call it; unit: yuan, ratio, months, persons, count, ...
#   group                features of one group tell one story: reasons name the strongest of them

"""


class SchemaError(ValueError):
    """A schema that cannot be used: the column, what it says, what was expected."""


class ColumnSchema(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column: type, direction, labels, unit, or why it is left out; None is not stated."""

    type: Type | None = None
    direction: Sign | None = None
    suggested_direction: Sign | None = None
    label_zh: Text | None = None
    label_en: Text | None = None
    unit: Text | None = None
    group: Text | None = None
    categories: Annotated[list[Text], Meta(max_length=200)] | None = None
    leave_out: Text | None = None

    @property
    def chosen(self) -> bool:
        """A person said that the column is to be used."""
        return self.type in USABLE and self.leave_out is None

    @property
    def sign(self) -> Sign:
        """The direction stated, else the one suggested, else 0."""
        stated = self.suggested_direction if self.direction is None else self.direction
        return stated or 0


class Schema(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """schema.toml: column name -> what the column is."""

    columns: dict[str, ColumnSchema]


class _Stated(Struct, forbid_unknown_fields=True):
    columns: dict[str, dict[str, Any]]


def read(path: Path) -> Schema:
    """Read a schema; raises SchemaError naming the place when it cannot be used."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SchemaError(f"{path}: larger than {MOST_BYTES:,} bytes; expected a schema.toml")
        stated = msgspec.toml.decode(path.read_bytes(), type=_Stated)
    except OSError as error:
        raise SchemaError(
            f"{path}: {error.strerror}; expected a schema.toml as `yidaitong train --table` "
            "writes it beside the scorecard"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SchemaError(f"{path}: {error}") from error
    columns = {}
    for name, column in stated.columns.items():
        at = f"{path}: columns.{name}"
        columns[name] = _column(at, column)
        _check(at, columns[name])
    return Schema(columns=columns)


def write(path: Path, schema: Schema) -> bytes:
    """Write a schema for people to edit; returns the bytes written."""
    stated = {
        name: {
            key: value for key, value in msgspec.to_builtins(column).items() if value is not None
        }
        for name, column in schema.columns.items()
    }
    written = _HEAD.encode() + msgspec.toml.encode({"columns": stated})
    path.write_bytes(written)
    return written


def _column(at: str, stated: dict[str, Any]) -> ColumnSchema:
    try:
        return msgspec.convert(stated, ColumnSchema)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$")
        field = place.strip("`.").partition("[")[0]
        expected = {
            "": f"expected {', '.join(ColumnSchema.__struct_fields__)}",
            "direction": "expected 1, -1 or 0",
            "suggested_direction": "expected 1, -1 or 0",
            "type": f"expected one of {', '.join(USABLE)}, or another with a leave_out",
        }.get(field)
        where = f"{at}.{field}" if field else at
        raise SchemaError(f"{where}: {said}{'; ' + expected if expected else ''}") from error


def _check(at: str, column: ColumnSchema) -> None:
    if column.type is not None and column.type not in USABLE and column.leave_out is None:
        raise SchemaError(
            f"{at}.type: got {column.type!r}, expected one of {', '.join(USABLE)} to use the "
            "column, or a leave_out that says why it is not used"
        )
    if column.type == "ordered" and column.leave_out is None:
        listed = column.categories or []
        if len(listed) < 2 or len(set(listed)) != len(listed):
            raise SchemaError(
                f"{at}.categories: expected two or more distinct ones, in their order"
            )
    elif column.categories is not None:
        raise SchemaError(f'{at}.categories: expected only where type = "ordered"')
    if column.type == "category" and column.sign:
        raise SchemaError(
            f'{at}.direction: got {column.sign:+d}, expected none for a category; type = "ordered" '
            "with its categories in their order can have one"
        )
