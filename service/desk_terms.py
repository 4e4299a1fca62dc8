"""The terms of the desk, read from desk.toml: clocks, four eyes, claims, reasons of a ruling."""

import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from model.artifact import sha256
from service.day import local

PACKAGED = Path(__file__).parent / "desk.toml"
ClockName = Literal["referral", "signature", "person", "dispute", "correction"]
_DAY = timedelta(days=1)


class DeskTermsError(ValueError):
    """Terms that cannot be used: the place, what was found, what was expected."""


class RulingReason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reason a ruling may give, and for which verdict."""

    code: Annotated[str, Meta(pattern=r"^D-[A-Z0-9-]+$")]
    verdict: Literal["approve", "decline"]
    zh: Annotated[str, Meta(min_length=1)]
    en: Annotated[str, Meta(min_length=1)]


class Clock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many hours a step may take; `working`: the clock stands still on days off in China."""

    hours: Annotated[float, Meta(gt=0, le=10_000)]
    working: bool
    source: str


class DeskTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """desk.toml; `version` is the first 16 characters of the file's SHA-256."""

    four_eyes_above_yuan: Annotated[float, Meta(ge=0)]
    claim_minutes: Annotated[float, Meta(gt=0, le=1_440)]
    holidays: list[date]
    work_days: list[date]
    clock: dict[ClockName, Clock]
    reason: Annotated[list[RulingReason], Meta(min_length=1)]
    version: str = ""

    @classmethod
    def load(cls, path: Path = PACKAGED) -> "DeskTerms":
        """Read a file of terms; raises DeskTermsError saying what is wrong where."""
        try:
            stored = path.read_bytes()
            read = tomllib.loads(stored.decode())
            found = msgspec.convert(read | {"version": sha256(stored)[:16]}, cls)
        except (OSError, ValueError) as error:  # not there, not TOML, not text, not these terms
            said = f"{path}: {error}; expected terms as in service/desk.toml"
            raise DeskTermsError(said) from None
        clocks = ClockName.__args__  # type: ignore[attr-defined]
        if missing := set(clocks) - set(found.clock):
            raise DeskTermsError(f"{path}: [clock.{min(missing)}] is missing")
        codes = [one.code for one in found.reason]
        if twice := {code for code in codes if codes.count(code) > 1}:
            raise DeskTermsError(f"{path}: reason {min(twice)} is there twice, expected once")
        return found

    def reasons(self, verdict: str) -> dict[str, RulingReason]:
        """The reasons a ruling of this verdict may give, by code."""
        return {one.code: one for one in self.reason if one.verdict == verdict}

    def due(self, clock: ClockName, since: datetime) -> datetime:
        """When a step that began at some time must be done, in the same time zone."""
        terms = self.clock[clock]
        left = timedelta(hours=terms.hours)
        if not terms.working:
            return since + left
        at = local(since)
        while True:
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
            if self._works(at.date()):
                if left <= midnight - at:
                    return (at + left).astimezone(since.tzinfo)
                left -= midnight - at
            at = midnight

    def _works(self, day: date) -> bool:
        return day in self.work_days or (day.weekday() < 5 and day not in self.holidays)
