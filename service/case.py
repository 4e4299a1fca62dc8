"""A case: where a decision stands at the desk, worked out from its events and the time it is.

Pure: events in order, the desk's terms and a clock reading in; status, claim and due time out.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from model.credit_file import SOURCES, CreditFile
from service.chain import Record, kept
from service.desk_terms import ClockName, DeskTerms
from service.policy import Verdict

Status = Literal["open", "ruled", "signed", "decided", "redecided"]
STATUSES: tuple[Status, ...] = ("open", "ruled", "signed", "decided", "redecided")
"""To rule on, to sign, ruled and signed, ruled by one officer who sufficed, decided anew."""
Kind = Literal[
    "ruling", "signature", "return", "dispute", "answer", "claim", "release", "person", "evidence"
]
_SECTIONS = {one.name: one.type.__args__[0] for one in fields(CreditFile) if one.name in SOURCES}
FIELDS: dict[str, tuple[str, ...]] = {
    source: tuple(one.name for one in fields(section)) for source, section in _SECTIONS.items()
}
"""Source -> the fields of its section, which a dispute can name."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of one person; `at` is UTC. `officer` is who did it, an applicant too.

    `alone`: this ruling needs no second officer. `until`: when a claim lapses. `field`, `right`:
    what a dispute is about, and what would be right. `became`: the decision made on more evidence.
    `terms`: the version of the desk's terms that a ruling was made under.
    """

    kind: Kind
    decision_id: str
    officer: str
    at: datetime
    said: str
    verdict: Literal["approve", "decline"] | None = None
    limit_yuan: float | None = None
    source: str | None = None
    upheld: bool | None = None
    reason_code: str | None = None
    alone: bool = False
    until: datetime | None = None
    field: str | None = None
    right: str | int | float | bool | None = None
    became: str | None = None
    terms: str | None = None


class Told(Struct, frozen=True, kw_only=True):
    """Where a decision stands at the desk, as anybody concerned may know it.

    `disputed` are the sources whose disputes wait for an answer, `to_correct` those whose disputes
    were upheld and wait for a decision on corrected data. `person`: the applicant asked for one.
    `decided_again` are the decisions made since on more evidence, `decides_again` the one that
    this decision was made anew from. While something waits, `due_at` is when it must be done and
    `due_for` the clock that says so.
    """

    decision_id: str
    status: Status
    verdict: str | None
    limit_yuan: float | None
    person: bool
    disputed: list[str]
    to_correct: list[str]
    decided_again: list[str]
    decides_again: str | None
    due_at: datetime | None
    due_for: ClockName | None
    overdue: bool


class Case(Told, frozen=True, kw_only=True):
    """The same as officers know it, with whose it is and every event in order."""

    reason_code: str | None
    waits: bool
    claimed_by: str | None
    claimed_until: datetime | None
    events: list[Event]


class Matter(Struct, frozen=True, kw_only=True):
    """What the desk must know of a recorded decision; `most_yuan` is what may be lent at most."""

    decision_id: str
    verdict: Verdict
    decided_at: datetime
    asked_yuan: float
    most_yuan: float


class _Standing(Struct):
    """What events add up to; changed event by event."""

    status: Status = "open"
    ruling: Event | None = None
    claim: Event | None = None
    person: Event | None = None
    disputes: dict[str, Event] = {}
    upheld: dict[str, Event] = {}
    became: list[str] = []

    def take(self, event: Event) -> None:
        """One more event."""
        kind, source = event.kind, event.source or ""
        if kind == "ruling":
            self.status, self.ruling = "decided" if event.alone else "ruled", event
        elif kind == "signature":
            self.status = "signed"
        elif kind == "return":
            self.status, self.ruling = "open", None
        elif kind == "dispute":
            self.disputes[source] = event
        elif kind == "answer":
            self.disputes.pop(source, None)
            if event.upheld:
                self.upheld[source] = event
        elif kind == "person":
            self.person = event
        elif kind == "evidence" and event.became:
            self.became.append(event.became)
            self.upheld = {}
            if self.status in ("open", "ruled"):
                self.status = "redecided"
        if kind == "claim":
            self.claim = event
        elif kind in ("release", "ruling", "signature", "return"):
            self.claim = None

    def clocks(self, matter: Matter | None) -> list[tuple[ClockName, datetime]]:
        """The clocks that run, and since when."""
        running: list[tuple[ClockName, datetime]] = []
        if self.status in ("open", "ruled"):
            if matter is not None and matter.verdict == "refer":
                running.append(("referral", matter.decided_at))
            if self.person is not None:
                running.append(("person", self.person.at))
        if self.status == "ruled" and self.ruling is not None:
            running.append(("signature", self.ruling.at))
        running += [("dispute", one.at) for one in self.disputes.values()]
        running += [("correction", one.at) for one in self.upheld.values()]
        return running


def case_of(
    decision_id: str,
    events: Sequence[Event],
    terms: DeskTerms,
    now: datetime,
    matter: Matter | None = None,
    decides_again: str | None = None,
) -> Case:
    """Where a decision stands at some time; without `matter` no referral clock runs."""
    standing = _Standing()
    for event in events:
        standing.take(event)
    claim, ruling = standing.claim, standing.ruling
    if claim is not None and (claim.until is None or claim.until <= now):
        claim = None
    due = min(
        ((terms.due(clock, since), clock) for clock, since in standing.clocks(matter)),
        default=(None, None),
    )
    return Case(
        decision_id=decision_id,
        status=standing.status,
        verdict=ruling.verdict if ruling else None,
        limit_yuan=ruling.limit_yuan if ruling else None,
        reason_code=ruling.reason_code if ruling else None,
        waits=due[0] is not None,
        claimed_by=claim.officer if claim else None,
        claimed_until=claim.until if claim else None,
        person=standing.person is not None,
        disputed=[*standing.disputes],
        to_correct=[*standing.upheld],
        decided_again=standing.became,
        decides_again=decides_again,
        due_at=due[0],
        due_for=due[1],
        overdue=due[0] is not None and due[0] < now,
        events=list(events),
    )


def numbered(record: Record) -> tuple[str, int, Event]:
    """The decision an event is about, its number among that one's events, and the event."""
    named, _, number = record.decision_id.rpartition(":")
    return named, int(number), msgspec.json.decode(kept(record.request), type=Event)


def events_of(records: Iterable[Record]) -> dict[str, list[Event]]:
    """All events of a desk by decision, each in order."""
    found: dict[str, dict[int, Event]] = {}
    for named, number, event in map(numbered, records):
        found.setdefault(named, {})[number] = event
    return {named: [some[number] for number in sorted(some)] for named, some in found.items()}


def uncorrected(case: Case, was: CreditFile, now: CreditFile) -> str | None:
    """The first source or field of an upheld dispute that reads in `now` as it did in `was`."""
    disputes = {event.source: event for event in case.events if event.kind == "dispute"}
    for source in case.to_correct:
        before, after = getattr(was, source), getattr(now, source)
        field = disputes[source].field
        if field is not None:
            before, after = getattr(before, field, None), getattr(after, field, None)
        if before == after:
            return source if field is None else f"{source}.{field}"
    return None
