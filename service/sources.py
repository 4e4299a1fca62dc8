"""The gateway: a credit file gathered from its sources, all at once, under one deadline.

A source that is late, fails or is left alone is silent; what a decision may at most be without it
stands in the policy. Nothing is asked, and nothing remembered is used, without consent.
"""

import asyncio
import logging
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec
from cachetools import TTLCache
from circuitbreaker import CircuitBreaker
from msgspec import Meta, Struct
from msgspec.structs import replace
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random

from model.credit_file import SOURCES, CreditFile, Fault
from service.application import SourceName
from service.consent import ConsentRecord, Consents
from service.day import today
from service.gathering import Answer, Gathering, Status
from service.outlet import Failed, Outlet, Refused, Section, read
from service.problem import Problem

log = logging.getLogger("yidaitong")
_Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
_CREDIT_DECISION: Literal["credit_decision"] = "credit_decision"


class SourcesError(ValueError):
    """A file of source settings that cannot be used: what was found, what was expected."""


class SourceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one source is asked; every field is explained in sources.toml."""

    timeout_ms: _Count
    attempts: Annotated[int, Meta(ge=1, le=5)]
    wait_ms: Annotated[int, Meta(ge=0, le=10_000)]
    ttl_s: Annotated[int, Meta(ge=0, le=30 * 86_400)]
    max_age_days: _Count
    failures: _Count
    open_s: _Count
    most_bytes: _Count


class GatewaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sources.toml: the deadline, the budgets, and how each source is asked."""

    deadline_ms: _Count
    reserve_ms: _Count
    most_gathering: _Count
    retry_share: Annotated[float, Meta(ge=0, le=1)]
    retry_reserve: Annotated[int, Meta(ge=0)]
    most_cached: _Count
    default: SourceSettings
    source: dict[SourceName, dict[str, int]] = {}

    @classmethod
    def load(cls, path: Path) -> "GatewaySettings":
        """Read a file of settings; raises SourcesError saying what is wrong where."""
        try:
            found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), cls)
            for source in SOURCES:
                found.of(source)
        except (OSError, ValueError) as error:  # not there, not TOML, not text, not these settings
            raise SourcesError(f"{path}: {error}; expected settings as in sources.toml") from None
        if found.reserve_ms >= found.deadline_ms:
            said = f"got {found.reserve_ms}, expected less than deadline_ms = {found.deadline_ms}"
            raise SourcesError(f"{path}: reserve_ms: {said}")
        return found

    def of(self, source: str) -> SourceSettings:
        """The settings of one source: the default ones, and what its own table changes."""
        changes: Any = {str(name): some for name, some in self.source.items()}.get(source, {})
        return msgspec.convert(msgspec.to_builtins(self.default) | changes, SourceSettings)


class SourceHealth(Struct, frozen=True, kw_only=True):
    """How one source is doing, seen from this server since it started."""

    source: str
    circuit: str
    calls: int
    failures: int
    cached_firms: int
    last_took_ms: float | None
    last_said: str | None


class Asks(Protocol):
    """Whoever is asked what sources say; over HTTP it is the Outlet."""

    async def ask(self, source: str, consent: ConsentRecord, most_bytes: int) -> bytes | None:
        """What a source says of a firm; None when it does not know it."""

    async def close(self) -> None:
        """Let go of what is held open."""


class _RetryBudget:
    """Retries that may still be spent: every call earns a share of one."""

    def __init__(self, share: float, reserve: int) -> None:
        self._share, self._left, self._most = share, float(reserve), float(reserve)

    def earn(self) -> None:
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class _Source:
    """One source as this server knows it: settings, circuit, what it said lately."""

    def __init__(self, name: SourceName, settings: SourceSettings, most_cached: int) -> None:
        self.name, self.settings = name, settings
        self.cache: TTLCache[str, tuple[Section, datetime]] = TTLCache(most_cached, settings.ttl_s)
        self.breaker = CircuitBreaker(
            settings.failures, settings.open_s, lambda kind, _: not issubclass(kind, Refused)
        )
        self.trying = False  # one call at a time may find out whether an ill source is well again
        self.calls = self.failures = 0
        self.last_took_ms: float | None = None
        self.last_said: str | None = None

    def health(self) -> SourceHealth:
        self.cache.expire()
        return SourceHealth(
            source=self.name, circuit=self.breaker.state, calls=self.calls,
            failures=self.failures, cached_firms=len(self.cache),
            last_took_ms=self.last_took_ms, last_said=self.last_said,
        )  # fmt: skip


class _Found(Struct):
    """What came of asking one source: the answer to be recorded, and its section if usable."""

    answer: Answer
    section: Section | None = None


class Gateway:
    """Gathers credit files; `consents` say who may be asked."""

    def __init__(
        self,
        settings: GatewaySettings,
        outlet: Asks,
        consents: Consents,
        day: Callable[[], date] = today,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings, self.consents = settings, consents
        self._outlet, self._day, self._clock = outlet, day, clock
        self._budget = _RetryBudget(settings.retry_share, settings.retry_reserve)
        names: Any = SOURCES
        self._sources: dict[str, _Source] = {
            name: _Source(name, settings.of(name), settings.most_cached) for name in names
        }
        self._gathering = 0

    @classmethod
    def to(cls, exchange: str, settings: GatewaySettings, ledger_url: str) -> "Gateway":
        """A gateway to a data exchange, its consents kept beside a ledger."""
        return cls(settings, Outlet(exchange), Consents.beside(ledger_url))

    async def close(self) -> None:
        """Let go of connections and of the file of consents."""
        await self._outlet.close()
        self.consents.close()

    def health(self) -> list[SourceHealth]:
        """How every source is doing."""
        return [source.health() for source in self._sources.values()]

    async def revoke(self, consent_id: str) -> ConsentRecord:
        """Take a consent back: nothing is asked under it any more, what was kept is forgotten."""
        record = await self.consents.revoke(consent_id)
        for source in self._sources.values():
            source.cache.pop(record.subject, None)
        return record

    async def gather(
        self, consent_id: str, subject: str, since: float
    ) -> tuple[CreditFile, Gathering]:
        """The credit file of a firm that consented, and how it came about; inside the deadline.

        `since` is when the application was received, by the gateway's clock. Raises Problem
        when the consent does not hold, also when it is taken back meanwhile, and when too many
        applications are being gathered already.
        """
        consent = self.allowed(consent_id, subject)
        if self._gathering >= self.settings.most_gathering:
            said = f"{self._gathering} applications are being gathered already."
            raise Problem("busy", 503, said, headers={"Retry-After": "1"})
        self._gathering += 1
        try:
            return await self._gathered(consent, since)
        finally:
            self._gathering -= 1

    def allowed(self, consent_id: str, subject: str, source: Any = None) -> ConsentRecord:
        """The consent, when a firm may be asked about under it now; raises Problem otherwise."""
        return self.consents.check(consent_id, subject, _CREDIT_DECISION, self._day(), source)

    async def _gathered(self, consent: ConsentRecord, since: float) -> tuple[CreditFile, Gathering]:
        settings, start, began = self.settings, self._clock(), datetime.now(UTC)
        until = since + (settings.deadline_ms - settings.reserve_ms) / 1e3
        tasks = {
            name: asyncio.create_task(self._found(self._sources[name], consent))
            for name in consent.sources
        }
        try:
            await asyncio.wait(tasks.values(), timeout=max(0.0, until - start))
        finally:
            for task in tasks.values():
                task.cancel()
        took_ms = self._ms(start)
        self.allowed(consent.consent_id, consent.subject)
        found = [
            task.result() if task.done() and not task.cancelled() else _late(name, took_ms)
            for name, task in tasks.items()
        ]
        used = {one.answer.source: one.section for one in found if one.section is not None}
        spoke = [section.answered_on for section in used.values()]
        # never before the consent: a file is as of the day it was gathered
        as_of = max(consent.granted, *spoke) if spoke else self._day()
        sections: Any = {name: answer.section for name, answer in used.items()}
        gathering = Gathering(
            consent_id=consent.consent_id,
            evidence_sha256=consent.evidence_sha256,
            began=began,
            took_ms=took_ms,
            deadline_ms=settings.deadline_ms,
            answers=[_aged(one.answer, as_of) for one in found],
        )
        return CreditFile(uscc=consent.subject, as_of=as_of, **sections), gathering

    async def _found(self, source: _Source, consent: ConsentRecord) -> _Found:
        """Ask one source, or remember what it said; whatever goes wrong is a value."""
        start, asked = self._clock(), 0

        def silent(status: Status, said: str) -> _Found:
            took_ms, name = self._ms(start), source.name
            about = Answer(source=name, status=status, took_ms=took_ms, attempts=asked, said=said)
            return _Found(about)

        kept = source.cache.get(consent.subject)
        if kept is not None:
            return _usable(source, consent, "cached", *kept, took_ms=self._ms(start))
        circuit = source.breaker.state
        if circuit == "open" or (circuit == "half_open" and source.trying):
            return silent("circuit_open", f"{source.breaker.failure_count} calls failed in a row")
        source.trying = circuit == "half_open"
        try:
            async for attempt in self._attempts(source):
                with attempt:
                    asked += 1
                    section = await self._asked(source, consent)
            self.allowed(consent.consent_id, consent.subject, source.name)
        except Failed as error:
            return silent("failed", str(error))
        except TimeoutError:
            return silent("late", f"nothing within {source.settings.timeout_ms} ms")
        except Refused as error:
            return silent("refused", str(error))
        except Problem as problem:  # the consent was taken back meanwhile
            return silent("refused", problem.document.detail)
        except Exception as error:
            log.error("source %s: unforeseen", source.name, exc_info=error)
            return silent("failed", type(error).__name__)
        finally:
            source.trying = source.trying and circuit != "half_open"
        took_ms = source.last_took_ms = self._ms(start)
        if section is None:
            return silent("empty", "it does not know the firm")
        kept = section, datetime.now(UTC)
        source.cache[consent.subject] = kept
        return _usable(source, consent, "live", *kept, took_ms=took_ms, attempts=asked)

    async def _asked(self, source: _Source, consent: ConsentRecord) -> Section | None:
        """One call to a source, with consent, within its time; raises Failed, Refused, Problem."""
        self.allowed(consent.consent_id, consent.subject, source.name)
        source.calls += 1
        self._budget.earn()
        try:
            with source.breaker:
                async with asyncio.timeout(source.settings.timeout_ms / 1e3):
                    most = source.settings.most_bytes
                    body = await self._outlet.ask(source.name, consent, most)
                return None if body is None else self._read(source, consent, body)
        except BaseException as error:
            source.failures += 1
            source.last_said = str(error) or type(error).__name__
            raise

    def _ms(self, start: float) -> float:
        return round((self._clock() - start) * 1e3, 3)

    def _read(self, source: _Source, consent: ConsentRecord, body: bytes) -> Section:
        try:
            return read(body, source.name, consent.subject, self._day())
        except Fault as fault:
            said = f"it sent what cannot be used: {fault}"
            raise Failed(said[:300]) from None

    def _attempts(self, source: _Source) -> AsyncRetrying:
        """Calls to one source: again after a failure, a little later, while the budget lasts."""

        def enough(state: RetryCallState) -> bool:
            last = state.attempt_number >= source.settings.attempts or source.breaker.opened
            return last or not self._budget.spend()

        return AsyncRetrying(
            stop=enough,
            wait=wait_random(0, source.settings.wait_ms / 1e3),
            retry=retry_if_exception_type((Failed, TimeoutError)),
            reraise=True,
        )


def _usable(
    source: _Source, consent: ConsentRecord, status: Status, section: Section,
    answered_at: datetime, *, took_ms: float, attempts: int = 0,
) -> _Found:  # fmt: skip
    """A section with its stamps; without the section when it is too old to decide on.

    On the day it was said, or on the day of the consent if that is later: no answer of years ago
    passes for one of now.
    """
    stamped = Answer(
        source=source.name, status=status, complete=section.complete, answered_at=answered_at,
        took_ms=took_ms, attempts=attempts, sha256=section.sha256,
    )  # fmt: skip
    if section.section is None:
        return _Found(replace(stamped, status="empty", said="it knows nothing of the firm"))
    as_of, most = section.section.as_of, source.settings.max_age_days
    stamped = replace(stamped, as_of=as_of)
    if (max(section.answered_on, consent.granted) - as_of).days <= most:
        return _Found(stamped, section)
    said = f"it speaks of {as_of}, more than {most} days before"
    return _Found(replace(stamped, status="stale", said=said))


def _late(name: SourceName, took_ms: float) -> _Found:
    said = "nothing by the deadline"
    return _Found(Answer(source=name, status="late", took_ms=took_ms, said=said))


def _aged(answer: Answer, as_of: date) -> Answer:
    if answer.as_of is None:
        return answer
    return replace(answer, age_days=(as_of - answer.as_of).days)
