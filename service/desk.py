"""The desk: what people add to decisions, in a hash chain of its own beside the ledger.

A referred decision is ruled on by one officer and signed by another (four eyes); a datum of any
decision can be disputed, and is answered. Nothing is ever changed: every step is one more event.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from model.credit_file import SOURCES
from service.ledger import Ledger, ledger_beside, open_ledger
from service.problem import FieldError, Problem

LEAST_WORDS = 10
MOST_WORDS = 2_000
Status = Literal["open", "ruled", "signed"]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of one officer; `at` is UTC."""

    kind: Literal["ruling", "signature", "return", "dispute", "answer"]
    decision_id: str
    officer: str
    at: datetime
    said: str
    verdict: Literal["approve", "decline"] | None = None
    limit_yuan: float | None = None
    source: str | None = None
    upheld: bool | None = None


class Case(Struct, frozen=True, kw_only=True):
    """Where a decision stands at the desk, with every event in order.

    `disputed` are the sources whose disputes wait for an answer.
    """

    decision_id: str
    status: Status
    verdict: str | None
    limit_yuan: float | None
    disputed: list[str]
    events: list[Event]


class Ruling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an officer rules: verdict, the limit of an approval, and why."""

    verdict: Literal["approve", "decline"]
    said: str
    limit_yuan: float | None = None


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the second officer does: agree, or give the case back, and why."""

    agree: bool
    said: str


class Dispute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an applicant says is wrong in the data of a source."""

    source: str
    said: str


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a dispute was right, and what follows."""

    source: str
    upheld: bool
    said: str


class Desk:
    """All cases of one ledger; opened, its events are read once and then kept in memory."""

    def __init__(self, events: Ledger) -> None:
        self._ledger = events
        self._events: dict[str, list[Event]] = {}
        self._adding = threading.Lock()
        for record in events.records():
            event = msgspec.json.decode(record.request, type=Event)
            self._events.setdefault(event.decision_id, []).append(event)

    @classmethod
    def beside(cls, ledger_url: str) -> "Desk":
        """The desk whose events are kept beside a ledger; raises LedgerUnavailable."""
        return cls(open_ledger(ledger_beside(ledger_url, "desk")))

    def close(self) -> None:
        """Close the file of events."""
        self._ledger.close()

    def ready(self) -> bool:
        """Whether an officer's word can be written now."""
        return self._ledger.ready()

    def case(self, decision_id: str) -> Case:
        """Where a decision stands; open when nobody has said anything."""
        return _case(decision_id, self._events.get(decision_id, []))

    def cases(self) -> Iterator[Case]:
        """Every decision somebody has said something about."""
        for decision_id, events in list(self._events.items()):
            yield _case(decision_id, events)

    def rule(self, decision_id: str, officer: str, ruling: Ruling, most_yuan: float) -> Case:
        """The first pair of eyes; an approval lends up to `most_yuan`, what the engine found."""
        _said(ruling.said)
        if ruling.verdict == "approve":
            given = ruling.limit_yuan
            if given is None or not 1_000 <= given <= most_yuan:
                expected = f"yuan between 1000 and {most_yuan:.0f}, the limit found"
                raise _wrong("limit_yuan", given, expected)
        event = Event(
            kind="ruling", decision_id=decision_id, officer=officer, at=datetime.now(UTC),
            said=ruling.said.strip(), verdict=ruling.verdict,
            limit_yuan=ruling.limit_yuan if ruling.verdict == "approve" else None,
        )  # fmt: skip
        return self._add(event, "open", "the case is ruled on already")

    def sign(self, decision_id: str, officer: str, signature: Signature) -> Case:
        """The second pair of eyes: agreed, or given back; never the officer who ruled."""
        _said(signature.said)
        for event in reversed(self._events.get(decision_id, [])):
            if event.kind == "ruling" and event.officer == officer:
                said = f"{officer} ruled on this case; expected another officer to sign."
                raise Problem("same-officer", 409, said)
            if event.kind in ("ruling", "return"):
                break
        event = Event(
            kind="signature" if signature.agree else "return", decision_id=decision_id,
            officer=officer, at=datetime.now(UTC), said=signature.said.strip(),
        )  # fmt: skip
        return self._add(event, "ruled", "there is no ruling to sign")

    def dispute(self, decision_id: str, officer: str, dispute: Dispute) -> Case:
        """Note what an applicant says is wrong."""
        _said(dispute.said)
        if dispute.source not in SOURCES:
            raise _wrong("source", dispute.source[:40], f"one of {', '.join(SOURCES)}")
        if dispute.source in self.case(decision_id).disputed:
            raise Problem("disputed", 409, f"A dispute about {dispute.source} is open already.")
        event = Event(
            kind="dispute", decision_id=decision_id, officer=officer, at=datetime.now(UTC),
            said=dispute.said.strip(), source=dispute.source,
        )  # fmt: skip
        return self._add(event)

    def answer(self, decision_id: str, officer: str, answer: Answer) -> Case:
        """Answer an open dispute."""
        _said(answer.said)
        if answer.source not in self.case(decision_id).disputed:
            raise Problem("no-dispute", 409, f"No dispute about {answer.source[:40]!r} is open.")
        event = Event(
            kind="answer", decision_id=decision_id, officer=officer, at=datetime.now(UTC),
            said=answer.said.strip(), source=answer.source, upheld=answer.upheld,
        )  # fmt: skip
        return self._add(event)

    def _add(self, event: Event, status: str | None = None, otherwise: str = "") -> Case:
        """Make an event durable, when the case still stands where it must; then it counts."""
        with self._adding:
            events = self._events.setdefault(event.decision_id, [])
            if status is not None and self.case(event.decision_id).status != status:
                raise Problem("conflict", 409, f"Nothing was noted: {otherwise}.")
            number = f"{event.decision_id}:{len(events)}"
            self._ledger.append_sync(number, msgspec.json.encode(event), b"{}")
            events.append(event)
            return self.case(event.decision_id)


def _case(decision_id: str, events: list[Event]) -> Case:
    status: Status = "open"
    ruling: Event | None = None
    disputed: list[str] = []
    for event in events:
        if event.kind == "ruling":
            status, ruling = "ruled", event
        elif event.kind == "signature":
            status = "signed"
        elif event.kind == "return":
            status, ruling = "open", None
        elif event.source and event.kind == "dispute":
            disputed.append(event.source)
        elif event.source:
            disputed.remove(event.source)
    return Case(
        decision_id=decision_id,
        status=status,
        verdict=ruling.verdict if ruling else None,
        limit_yuan=ruling.limit_yuan if ruling else None,
        disputed=disputed,
        events=list(events),
    )


def _said(said: str) -> None:
    if not LEAST_WORDS <= len(said.strip()) <= MOST_WORDS:
        raise _wrong("said", said[:80], f"{LEAST_WORDS} to {MOST_WORDS} characters: the reason")


def _wrong(field: str, value: object, expected: str) -> Problem:
    error = FieldError(field=field, value=value, expected=expected)
    return Problem("invalid-field", 422, f"{field}: expected {expected}.", [error])
