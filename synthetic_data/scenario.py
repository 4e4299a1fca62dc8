"""Scenarios: what happens to the world, as data. Files of knobs laid over parameters.toml.

A knob is an entry `[section.name]` as in parameters.toml: a value with its unit and its source. It
may say `times = 5.0` instead of a value, to multiply a number of the world it is laid over. Each
knob declares what it moves: an effect, for whom, in which months, and in which direction;
`yidaitong scenarios` measures whether it does.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthetic_data.entries import ParameterError, known_names, month, text

FOLDER = Path(__file__).with_name("scenarios")
PUBLISHED = "published"
"""The scenario every world begins with: the years 2018 to 2021 as published."""
DIRECTIONS = ("up", "down", "same")
EFFECTS: dict[str, str] = {
    "sales": "sales, mean of the firms that live",
    "sales_of_a_firm": "sales of a firm, mean of logarithms: each firm counts alike",
    "costs_of_a_firm": "what the business cost over its sales, mean of logarithms",
    "collected": "money collected over sales",
    "tax": "tax paid over invoiced sales",
    "service": "debt service due over what is owed on loans granted here",
    "default_rate": "mean true probability of default in 12 months, of all who ask for a loan",
    "mills": "applications by invoice mills over applications",
    "epidemic_supplies": "applications for epidemic supplies over applications",
    "silent": "credit files without the section of a source over credit files",
}
"""Effect -> what is measured: for months from `first` to `last`, or applications made in them."""
_MOVE_KEYS = ("effect", "direction", "first", "last", "of", "section", "beside")


@dataclass(frozen=True)
class Move:
    """An effect that a knob is declared to move, for some firms in some months."""

    effect: str
    direction: str
    first: str
    last: str
    of: tuple[tuple[str, tuple[str, ...]], ...]  # column of firms.parquet -> its values
    section: str
    beside: str


@dataclass(frozen=True)
class Knob:
    """One number of the world that a scenario changes."""

    key: str  # section.name
    entry: Mapping[str, Any]  # value, unit, source
    times: float | None
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Scenario:
    """A file of knobs."""

    name: str
    title_en: str
    title_zh: str
    knobs: tuple[Knob, ...]
    sha256: str


def names() -> list[str]:
    """The scenarios that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str) -> Scenario:
    """A scenario of the package by its name, or a file; raises ParameterError naming what is wrong.

    A file is named by its path; its stem is the scenario's name.
    """
    shipped = FOLDER / f"{name}.toml"
    path = shipped if name in names() else Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise ParameterError("scenario", name, f"a .toml file or one of {', '.join(names())}")
    return parse(path.stem, path.read_bytes())


def parse(name: str, content: bytes) -> Scenario:
    """A scenario from the bytes of its file; raises as `read`."""
    where = f"scenario {name}"
    try:
        written = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(where, str(error), "a TOML file in UTF-8") from None
    titles = {
        key: text(f"{where}: {key}", written.pop(key, "")) for key in ("title_en", "title_zh")
    }
    beside = text(f"{where}: beside", written.pop("beside", PUBLISHED))
    knobs = []
    for section, entries in written.items():
        if not isinstance(entries, dict):
            raise ParameterError(f"{where}: {section}", entries, "a table [section.name] of a knob")
        for key, entry in entries.items():
            knobs.append(_knob(f"{where}: {section}.{key}", f"{section}.{key}", entry, beside))
    if not knobs:
        raise ParameterError(where, "no knob", "at least one [section.name]")
    return Scenario(name, **titles, knobs=tuple(knobs), sha256=hashlib.sha256(content).hexdigest())


def lay_over(
    written: dict[str, Any], scenario: Scenario, known: Mapping[str, Iterable[str]]
) -> None:
    """Put a scenario's knobs into parameters as they were written.

    `known` is the names of each section; a knob that is none of them is refused.
    """
    where = f"scenario {scenario.name}"
    for knob in scenario.knobs:
        section, name = knob.key.split(".", 1)
        known_names(where, [section], known)
        known_names(f"{where}: {section}", [name], known[section])
        entry = dict(knob.entry)
        if knob.times is not None:
            stood = written[section][name]["value"]
            if not isinstance(stood, float):
                raise ParameterError(
                    f"{where}: {knob.key}.times", knob.times, f"a value: {stood!r} has no multiple"
                )
            entry["value"] = stood * knob.times
        written[section] = written[section] | {name: entry}


def _knob(where: str, key: str, entry: object, beside: str) -> Knob:
    if not isinstance(entry, dict):
        raise ParameterError(where, entry, "a table with value (or times), unit, source and moves")
    known_names(where, entry, ("value", "times", "unit", "source", "moves"))
    if ("value" in entry) == ("times" in entry):
        raise ParameterError(where, sorted(entry), "either value or times")
    for told in ("unit", "source"):
        text(f"{where}.{told}", entry.get(told))
    times = entry.get("times")
    if times is not None and (not isinstance(times, float) or times < 0.0):
        raise ParameterError(f"{where}.times", times, "a number of at least 0, such as 2.0")
    moves = entry.get("moves")
    if not isinstance(moves, list) or not moves:
        raise ParameterError(f"{where}.moves", moves, "a list of at least one effect it moves")
    return Knob(
        key=key,
        entry={name: entry[name] for name in ("value", "unit", "source") if name in entry},
        times=times,
        moves=tuple(_move(f"{where}.moves[{i}]", move, beside) for i, move in enumerate(moves)),
    )


def _move(where: str, written: object, beside: str) -> Move:
    if not isinstance(written, dict):
        raise ParameterError(where, written, "a table with effect, direction, first and last")
    known_names(where, written, _MOVE_KEYS)
    for key, allowed in (("effect", EFFECTS), ("direction", DIRECTIONS)):
        if written.get(key) not in allowed:
            raise ParameterError(f"{where}.{key}", written.get(key), f"one of {', '.join(allowed)}")
    first, last = (month(f"{where}.{key}", written.get(key)) for key in ("first", "last"))
    if last < first:
        raise ParameterError(f"{where}.last", last, f"a month not before first, {first}")
    section = written.get("section", "")
    if (written["effect"] == "silent") != bool(section):
        raise ParameterError(f"{where}.section", section, "the source, for silent and only for it")
    return Move(
        effect=written["effect"],
        direction=written["direction"],
        first=first,
        last=last,
        of=_firms(f"{where}.of", written.get("of", {})),
        section=section,
        beside=text(f"{where}.beside", written.get("beside", beside)),
    )


def _firms(where: str, of: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(of, dict):
        raise ParameterError(where, of, "a table: column of firms.parquet = values")
    known_names(where, of, ("sector", "region", "industry_code"))
    for column, values in of.items():
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise ParameterError(f"{where}.{column}", values, "a list of texts")
    return tuple((column, tuple(values)) for column, values in of.items())
