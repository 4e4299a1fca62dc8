"""Entries of the files of numbers: a value, its unit and its source, refused when wrong."""

import re
from collections.abc import Iterable
from math import isfinite
from typing import Any, get_args, get_origin, get_type_hints


class ParameterError(ValueError):
    """One parameter that cannot be used: its key, the value got and what was expected."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"{key}: got {value!r}, expected {expected}")
        self.key, self.value, self.expected = key, value, expected


def section(name: str, kind: type[Any], written: object) -> Any:
    """A section's entries as an instance of its dataclass; raises ParameterError."""
    if not isinstance(written, dict):
        raise ParameterError(name, written, "a table of parameters")
    hints = get_type_hints(kind)
    same_names(name, written, hints)
    return kind(**{one: _entry(f"{name}.{one}", hints[one], written[one]) for one in hints})


def _entry(key: str, kind: Any, written: object) -> Any:
    if not isinstance(written, dict):
        raise ParameterError(key, written, "a table with value, unit and source")
    same_names(key, written, ("value", "unit", "source"))
    for told in ("unit", "source"):
        text(f"{key}.{told}", written[told])
    value = _value(f"{key}.value", kind, written["value"])
    if key.endswith("_weights"):
        shares = list(value.values() if isinstance(value, dict) else value)
        if abs(sum(shares) - 1.0) > 1e-9:
            raise ParameterError(key, round(sum(shares), 9), "shares that sum to 1")
        if min(shares) < 0:
            raise ParameterError(key, min(shares), "shares of at least 0")
    if key.endswith(("_share", "_depth", "_fall")):
        for one in value.values() if isinstance(value, dict) else [value]:
            if not 0.0 <= one <= 1.0:
                raise ParameterError(f"{key}.value", one, "a share from 0 to 1")
    return value


def text(key: str, value: object) -> str:
    """A text that says something."""
    if not isinstance(value, str) or not value.strip():
        raise ParameterError(key, value, "a text that is not empty")
    return value


def month(key: str, value: object) -> str:
    """A month such as 2020-02."""
    if not isinstance(value, str) or not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", value):
        raise ParameterError(key, value, "a month as YYYY-MM")
    return value


def _value(key: str, kind: Any, value: object) -> Any:
    origin = get_origin(kind)
    if origin is dict:
        if not isinstance(value, dict) or not value:
            raise ParameterError(key, value, "a table of values by name")
        item = get_args(kind)[1]
        return {name: _value(f"{key}.{name}", item, one) for name, one in value.items()}
    if origin is tuple:
        if not isinstance(value, list) or not value:
            raise ParameterError(key, value, "a list of values")
        item = get_args(kind)[0]
        return tuple(_value(f"{key}[{i}]", item, one) for i, one in enumerate(value))
    if kind is str:
        return month(key, value) if key.endswith("_month.value") else text(key, value)
    if kind is int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ParameterError(key, value, "a whole number of at least 0")
        return value
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise ParameterError(key, value, "a finite number")
    return float(value)


def same_names(key: str, got: Iterable[str], expected: Iterable[str]) -> None:
    """Refuse a name that is not expected and an expected one that is not there."""
    known_names(key, got, expected)
    for name in expected:
        if name not in got:
            raise ParameterError(f"{key}: {name}", "nothing", "this key to be there")


def known_names(key: str, got: Iterable[str], expected: Iterable[str]) -> None:
    """Refuse a name that is not expected."""
    for name in got:
        if name not in expected:
            raise ParameterError(f"{key}: {name}", "an unknown key", f"one of {sorted(expected)}")
