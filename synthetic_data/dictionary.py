"""The data dictionary as one page: the credit file, and the Parquet files of a world."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.credit_file import SOURCES
from model.credit_file_dictionary import Entry, entries
from synthetic_data import tables
from synthetic_data.parameters import standard
from synthetic_data.world import simulate_block

NAMES = Path(__file__).with_name("tables.toml")
_TYPES = {
    "string": "text", "large_string": "text", "double": "number", "int64": "whole number",
    "bool": "true or false", "date32[day]": "date", "binary": "bytes",
}  # fmt: skip
_HEAD = """# Data dictionary

Made by `uv run yidaitong dictionary --out docs/data-dictionary.md` from the contract, the
parameters and the names in `model/credit_file.toml` and `synthetic_data/tables.toml`; a test fails
when it is stale. How badly typed files are read: [credit-file.md](credit-file.md).

## The credit file

A field without "yes" may be left out. A list stands beside `months` where the section has them,
one value a month. Lag and coverage are those of the simulated economy: how many whole months a
source is behind the last month end, and the share of firms it answers for.
"""


def page() -> str:
    """The whole page in Markdown; raises KeyError or ValueError naming a field without a name."""
    lender = standard().lender
    parts = [_HEAD]
    for record, fields in entries().items():
        parts.append(f"### {record}\n")
        if record in SOURCES:
            lag = int(lender.lag_months_by_source[record])
            coverage = lender.coverage_by_source[record]
            parts.append(
                f"Source `{record}`, lag {lag} month{'' if lag == 1 else 's'}, "
                f"coverage {coverage:.0%}.\n"
            )
        parts.append(_table(fields))
    parts.append("## The Parquet files of a world\n")
    parts.append(
        "Written by `yidaitong generate`; columns that only the simulator knows start with"
    )
    parts.append("`true_`. The source is the bureau that sees the column.\n")
    for name, table in _schemas().items():
        parts.append(f"### {name}.parquet\n")
        parts.append(_columns(name, table))
    return "\n".join(parts).rstrip() + "\n"


def _table(fields: list[Entry]) -> str:
    rows = ["| field | 名称 | meaning | type | unit | required |", "|---|---|---|---|---|---|"]
    for one in fields:
        required = "yes" if one.required else ""
        rows.append(f"| {one.field} | {one.zh} | {one.en} | {one.type} | {one.unit} | {required} |")
    return "\n".join(rows) + "\n"


def _schemas() -> Mapping[str, Any]:
    """The columns of each file, as a small block of firms is written."""
    p = standard()
    written = simulate_block(p, 0, p.world.window_months + 1, 7, keep=20)
    return {name: written[name].schema for name in tables.NAMES}


def _columns(name: str, schema: Any) -> str:
    told = tomllib.loads(NAMES.read_text("utf-8")).get(name, {})
    extra = sorted(set(told) - set(schema.names))
    if extra:
        raise ValueError(f"{NAMES.name}: [{name}]: {', '.join(extra)}: no such column")
    rows = ["| column | 名称 | meaning | type | unit | source |", "|---|---|---|---|---|---|"]
    for column in schema:
        if column.name not in told:
            raise KeyError(
                f"{name}.{column.name}: no name in {NAMES.name}; add [zh, en, unit, source]"
            )
        zh, en, unit, source = told[column.name]
        kind = _TYPES[str(column.type)]
        rows.append(f"| {column.name} | {zh} | {en} | {kind} | {unit} | {source} |")
    return "\n".join(rows) + "\n"
