"""The world against the facts: published figures, the world's beside them, inside or outside.

The figures, their sources and tolerances are data: published.toml. A fact is inside when the
world's figure, allowing for its own 95 % sampling error, lies within the published range and its
tolerance. Where that error is larger than the range itself, the world has too few firms to say.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, convert, to_builtins

from synthetic_data.census import Census
from synthetic_data.estimates import Z_95
from synthetic_data.measures import MEASURES

PUBLISHED = Path(__file__).with_name("published.toml")
ENOUGH = 0.9
"""Share of facts that a world must meet."""
Unit = Literal["share", "rate", "growth", "log", "times", "number", "yuan", "months", "years"]


class Fact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published figure: what it says, where it is from, how near is near enough, and why.

    One of another population than the world's is told, and not judged.
    """

    code: str
    group: str
    zh: str
    label: str
    en: str
    measure: str
    published: float | tuple[float, float]
    unit: Unit
    source: str
    why: str
    of: str = ""
    tolerance: float | None = None
    times: float | None = None
    judged: bool = True

    @property
    def published_range(self) -> tuple[float, float]:
        """The lowest and the highest figure published."""
        if isinstance(self.published, tuple):
            return self.published
        return self.published, self.published

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which figures the world's should lie, its own sampling error apart."""
        low, high = self.published_range
        if self.times is not None:
            return low / self.times, high * self.times
        return low - (self.tolerance or 0.0), high + (self.tolerance or 0.0)


class Held(Struct, frozen=True, kw_only=True):
    """A fact beside the world's figure; value is None where the world does not have it."""

    fact: Fact
    source: str
    value: float | None = None
    error: float = 0.0
    n: int = 0

    @property
    def inside(self) -> bool | None:
        """Whether the world meets the fact; None where it cannot say or is not judged.

        Too few firms to be sure of a figure inside leave it open; a figure outside in spite of them
        is outside.
        """
        if self.value is None or not self.fact.judged:
            return None
        low, high = self.fact.bounds
        if not low - self.own <= self.value <= high + self.own:
            return False
        return True if self.own <= high - low else None

    def told(self) -> dict[str, Any]:
        """All of it as plain fields, for whoever writes it down."""
        low, high = self.fact.bounds
        least, most = self.fact.published_range
        plain: dict[str, Any] = to_builtins(self.fact) | to_builtins(self)
        return plain | {"bounds": (low, high), "published": (least, most), "own": self.own,
                        "inside": self.inside}  # fmt: skip

    @property
    def own(self) -> float:
        """The world's own sampling error, 95 % either way."""
        return Z_95 * self.error


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, str]
    fact: tuple[Fact, ...]


class FactError(ValueError):
    """A published figure that cannot be used: its code, what is wrong, what was expected."""


@cache
def published(path: Path = PUBLISHED) -> tuple[tuple[Fact, ...], dict[str, str]]:
    """The facts and the texts of their sources; raises FactError for one that is incomplete."""
    file = convert(tomllib.loads(path.read_text("utf-8")), _File)
    seen = set()
    for fact in file.fact:
        if fact.code in seen:
            raise FactError(f"{path.name}: {fact.code} stands twice, expected every code once")
        seen.add(fact.code)
        if fact.measure not in MEASURES:
            known = ", ".join(sorted(MEASURES))
            raise FactError(f"{fact.code}.measure: got {fact.measure!r}, expected one of {known}")
        if fact.source not in file.sources:
            raise FactError(f"{fact.code}.source: got {fact.source!r}, expected one of [sources]")
        if (fact.tolerance is None) == (fact.times is None):
            raise FactError(f"{fact.code}: expected either a tolerance or times, and one of them")
        low, high = fact.published_range
        if low > high or not fact.why.strip():
            raise FactError(f"{fact.code}: expected a range in order and a `why` for its tolerance")
    return file.fact, file.sources


def hold(census: Census) -> list[Held]:
    """Every published fact beside the world's figure."""
    facts, sources = published()
    held = []
    for fact in facts:
        figure = MEASURES[fact.measure](census, fact.of)
        told = {} if figure is None else figure._asdict()
        held.append(Held(fact=fact, source=sources[fact.source], **told))
    return held
