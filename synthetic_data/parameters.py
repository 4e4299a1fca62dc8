"""Every number of the synthetic economy, read from parameters.toml and refused when it is wrong.

Each number stands there as `[section.name]` with a value, a unit and a source. The loader knows
every name and its type from sections.py and signal_parameters.py: an unknown or missing name, a
missing unit or source, a value of the wrong type, and shares that do not sum to 1 are refused.
"""

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from synthetic_data import scenario
from synthetic_data.entries import ParameterError, known_names, month, same_names, section
from synthetic_data.scenario import Scenario
from synthetic_data.sections import (
    CashflowParameters,
    EconomyParameters,
    EventsParameters,
    FirmsParameters,
    LenderParameters,
    LoansParameters,
    NetworkParameters,
    TracesParameters,
    WorldParameters,
)
from synthetic_data.signal_parameters import SignalsParameters

__all__ = ["ParameterError", "Parameters", "load", "parse", "standard"]

PATH = Path(__file__).with_name("parameters.toml")


@dataclass(frozen=True)
class Parameters:
    """All sections, the SHA-256 of the file they were read from, and the scenarios laid over it."""

    world: WorldParameters
    firms: FirmsParameters
    network: NetworkParameters
    economy: EconomyParameters
    cashflow: CashflowParameters
    traces: TracesParameters
    events: EventsParameters
    loans: LoansParameters
    lender: LenderParameters
    signals: SignalsParameters
    sha256: str
    scenarios: tuple[str, ...]
    scenarios_sha256: str


def load(path: Path = PATH, scenarios: Sequence[str] = ()) -> Parameters:
    """Read parameters from a file, and scenarios by their names or paths.

    Raises ParameterError naming the key and the value.
    """
    return parse(path.read_bytes(), [scenario.read(name) for name in scenarios])


@cache
def standard() -> Parameters:
    """The parameters that come with the package: the world as published."""
    return load()


def parse(text: bytes, over: Sequence[Scenario] = ()) -> Parameters:
    """Read parameters from the bytes of a TOML file, with scenarios over it; raises as `load`.

    The world as published comes first, whether it is named or not; later scenarios go before
    earlier ones.
    """
    written = tomllib.loads(text.decode())
    hints = get_type_hints(Parameters)
    sections: dict[str, Any] = {name: one for name, one in hints.items() if is_dataclass(one)}
    same_names("sections", written, sections)
    if not over or over[0].name != scenario.PUBLISHED:
        over = [scenario.read(scenario.PUBLISHED), *over]
    names = {name: get_type_hints(kind) for name, kind in sections.items()}
    for one in over:
        scenario.lay_over(written, one, names)
    made = {name: section(name, kind, written[name]) for name, kind in sections.items()}
    _check(made)
    return Parameters(
        **made,
        sha256=hashlib.sha256(text).hexdigest(),
        scenarios=tuple(one.name for one in over),
        scenarios_sha256=hashlib.sha256("".join(one.sha256 for one in over).encode()).hexdigest(),
    )


def _check(made: Any) -> None:
    """What must agree between sections: sectors, the province, classes of VAT, the source."""
    firms, economy, lender = made["firms"], made["economy"], made["lender"]
    for name, values in made.items():
        for field in fields(values):
            if field.name.endswith("_by_sector"):
                told = getattr(values, field.name)
                same_names(f"{name}.{field.name}.value", told, firms.sector_weights)
    for key, got, known in (
        ("economy.regional_province", [economy.regional_province], firms.province_weights),
        ("economy.vat_class_by_sector", economy.vat_class_by_sector.values(), economy.vat_rates),
        ("lender.silent_source", [lender.silent_source], ["none", *lender.coverage_by_source]),
    ):
        known_names(f"{key}.value", got, known)
    for kind, rates in economy.vat_rates.items():
        for first in rates:
            month(f"economy.vat_rates.value.{kind}", first)
