"""Large, medium, small or micro: the official size classes, read from sizes.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, convert

from synthetic_data.draws import Floats, Ints

SIZES = ("large", "medium", "small", "micro")
UNKNOWN = -1
_PATH = Path(__file__).with_suffix(".toml")
_Bounds = tuple[float, float, float]


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Industries that are measured alike: lower bounds of large, medium and small."""

    name: str
    industries: tuple[str, ...]
    staff: _Bounds | None = None
    revenue: _Bounds | None = None
    assets: _Bounds | None = None


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    group: tuple[Group, ...]


@cache
def groups() -> tuple[Group, ...]:
    """The groups of industries."""
    return convert(tomllib.loads(_PATH.read_text("utf-8")), _File).group


@cache
def group_of(sector: str, industry_code: str) -> Group | None:
    """The group of an industry; None where the classes do not cover it (banks, schools, railways).

    >>> group_of("F", "5211").name
    'retail 零售业'
    """
    fits = [
        (len(start), one)
        for one in groups()
        for start in one.industries
        if start == sector or (start.isdigit() and industry_code.startswith(start))
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def classify(
    sectors: Sequence[str],
    industry_codes: Sequence[str],
    staff: Any,
    revenue_yuan: Any,
    assets_yuan: Any | None = None,
) -> Ints:
    """The position in SIZES of each firm (n_firms,), UNKNOWN where nothing is known of it.

    An indicator that is not known (NaN) is left out, as when only some of them were reported.
    """
    n = len(sectors)
    told = {
        "staff": np.asarray(staff, dtype=float),
        "revenue": np.asarray(revenue_yuan, dtype=float) / 10_000.0,
        "assets": np.full(n, np.nan) if assets_yuan is None else np.asarray(assets_yuan) / 10_000.0,
    }
    bounds = {name: np.full((n, 3), np.nan) for name in told}
    for at, (sector, code) in enumerate(zip(sectors, industry_codes, strict=True)):
        group = group_of(sector, code)
        for name in told:
            if group is not None and (limits := getattr(group, name)) is not None:
                bounds[name][at] = limits
    worst: Ints = np.full(n, UNKNOWN)
    for name, values in told.items():
        worst = np.maximum(worst, _class(values, bounds[name]))
    return worst


def _class(values: Floats, bounds: Floats) -> Ints:
    """By one indicator alone: how many of the bounds (n_firms, 3) a firm stays below."""
    below: Ints = (values[:, None] < bounds).sum(axis=1)
    return np.where(np.isnan(values) | np.isnan(bounds[:, 0]), UNKNOWN, below)
