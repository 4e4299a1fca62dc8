"""The desk: what people add to decisions, in a hash chain of its own beside the ledger.

An officer claims a referred decision and rules on it; above an amount another one signs (four
eyes). A datum of any decision can be disputed, and is answered; an applicant can ask for a person,
and bring more evidence. Nothing is ever changed: every step is one more event. What other servers
note in the same chain is read before every answer.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from model.credit_file import SOURCES, Fault
from service.application import Consent
from service.body import invalid
from service.case import FIELDS, Case, Event, Matter, case_of, numbered
from service.chain import Record
from service.desk_terms import DeskTerms
from service.ledger import DuplicateDecision, Ledger, ledger_beside, open_ledger
from service.problem import Problem

LEAST_WORDS = 10
MOST_WORDS = 2_000
MOST_ATTEMPTS = 10
"""How often a step is tried again when another server notes one on the same case meanwhile."""


class _Posted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what people post to the desk."""


class Ruling(_Posted, frozen=True, kw_only=True):
    """What an officer rules: verdict, the reason's code, the limit of an approval, and why."""

    verdict: Literal["approve", "decline"]
    reason_code: str
    said: str
    limit_yuan: float | None = None


class Signature(_Posted, frozen=True, kw_only=True):
    """What the second officer does: agree, or give the case back, and why."""

    agree: bool
    said: str


class Dispute(_Posted, frozen=True, kw_only=True):
    """What is wrong in the data of a source: which field, where one is meant, and what is right."""

    source: str
    said: str
    field: str | None = None
    right: Annotated[str, Meta(max_length=200)] | int | float | bool | None = None


class Answer(_Posted, frozen=True, kw_only=True):
    """Whether a dispute was right, and what follows."""

    source: str
    upheld: bool
    said: str


class PersonRequest(_Posted, frozen=True, kw_only=True):
    """An applicant asks for a person to look at a decision, and says why."""

    said: str


class Evidence(_Posted, frozen=True, kw_only=True):
    """A corrected or extended credit file to decide on anew, and what is new in it.

    `consent` in place of the application's, when the file speaks of a source it does not name.
    """

    credit_file: Raw
    said: str
    consent: Consent | None = None


class Claim(_Posted, frozen=True, kw_only=True):
    """Nothing is said when a case is claimed or released."""


class Desk:
    """All cases of one ledger; its events are kept in memory and followed as they are added."""

    def __init__(self, events: Ledger, terms: DeskTerms) -> None:
        self.terms = terms
        self._ledger = events
        self._read: dict[int, int] = {}
        self._events: dict[str, list[Event]] = {}
        self._early: dict[tuple[str, int], Event] = {}
        self._origins: dict[str, str] = {}
        self._reading, self._adding = threading.Lock(), threading.Lock()
        self._follow()

    @classmethod
    def beside(cls, ledger_url: str, terms: DeskTerms | None = None) -> "Desk":
        """The desk whose events are kept beside a ledger; raises LedgerUnavailable."""
        return cls(open_ledger(ledger_beside(ledger_url, "desk")), terms or DeskTerms.load())

    def close(self) -> None:
        """Close the file of events."""
        self._ledger.close()

    def ready(self) -> bool:
        """Whether an officer's word can be written now."""
        return self._ledger.ready()

    def case(self, decision_id: str, matter: Matter | None = None) -> Case:
        """Where a decision stands; open when nobody has said anything."""
        self._follow()
        return self._case(decision_id, matter)

    def cases(self) -> Iterator[Case]:
        """Every decision somebody has said something about; referral clocks are not in them."""
        self._follow()
        for decision_id in list(self._events):
            yield self._case(decision_id)

    def known(self) -> dict[str, list[Event]]:
        """The events of every decision somebody has said something about."""
        self._follow()
        return dict(self._events)

    def claim(self, matter: Matter, officer: str) -> Case:
        """Take a case that waits, or hold it for longer; nobody else rules on it meanwhile."""

        def may(case: Case) -> None:
            if not case.waits:
                raise Problem("nothing-waits", 409, "Nothing of this decision waits for a person.")
            _not_anothers(case, officer)

        until = _now() + timedelta(minutes=self.terms.claim_minutes)
        event = Event(
            kind="claim", decision_id=matter.decision_id, officer=officer, at=_now(), said="",
            until=until,
        )  # fmt: skip
        return self._add(event, may, matter)

    def release(self, matter: Matter, officer: str) -> Case:
        """Give a claimed case back to the queue."""

        def may(case: Case) -> None:
            if case.claimed_by != officer:
                raise Problem("not-claimed", 409, f"{officer} holds no claim on this case.")

        event = Event(
            kind="release", decision_id=matter.decision_id, officer=officer, at=_now(), said=""
        )
        return self._add(event, may, matter)

    def rule(self, matter: Matter, officer: str, ruling: Ruling) -> Case:
        """The first pair of eyes, and the only one up to the amount the terms name.

        An approval lends up to what was found; one against the engine's decline takes four eyes
        whatever the amount.
        """
        explained(ruling.said)
        approves = ruling.verdict == "approve"
        if approves:
            given, most = ruling.limit_yuan, matter.most_yuan
            if given is None or not 1_000 <= given <= most:
                raise _wrong(
                    "limit_yuan", given, f"yuan between 1000 and {most:.0f}, the limit found"
                )
        reasons = self.terms.reasons(ruling.verdict)
        if ruling.reason_code not in reasons:
            raise _wrong("reason_code", ruling.reason_code[:40], f"one of {', '.join(reasons)}")
        amount = (ruling.limit_yuan if approves else None) or matter.asked_yuan
        against = approves and matter.verdict == "decline"

        def may(case: Case) -> None:
            _may_be_ruled_on(case, matter, ruling)
            if case.status != "open":
                _refuse("the case is ruled on already")
            _not_anothers(case, officer)
            if case.claimed_by != officer:
                raise Problem("not-claimed", 409, "Nobody holds this case; claim it, then rule.")

        event = Event(
            kind="ruling", decision_id=matter.decision_id, officer=officer, at=_now(),
            said=ruling.said.strip(), verdict=ruling.verdict, reason_code=ruling.reason_code,
            limit_yuan=ruling.limit_yuan if approves else None, terms=self.terms.version,
            alone=amount <= self.terms.four_eyes_above_yuan and not against,
        )  # fmt: skip
        return self._add(event, may, matter)

    def sign(self, decision_id: str, officer: str, signature: Signature) -> Case:
        """The second pair of eyes: agreed, or given back; never the officer who ruled."""
        explained(signature.said)

        def may(case: Case) -> None:
            if case.status != "ruled":
                _refuse("there is no ruling to sign")
            ruling = next(event for event in reversed(case.events) if event.kind == "ruling")
            if ruling.officer == officer:
                said = f"{officer} ruled on this case; expected another officer to sign."
                raise Problem("same-officer", 409, said)
            _not_anothers(case, officer)

        event = Event(
            kind="signature" if signature.agree else "return", decision_id=decision_id,
            officer=officer, at=_now(), said=signature.said.strip(),
        )  # fmt: skip
        return self._add(event, may)

    def dispute(self, decision_id: str, officer: str, dispute: Dispute) -> Case:
        """Note what an applicant says is wrong."""
        explained(dispute.said)
        source, field = dispute.source, dispute.field
        if source not in SOURCES:
            raise _wrong("source", source[:40], f"one of {', '.join(SOURCES)}")
        if field is not None and field not in FIELDS[source]:
            raise _wrong("field", field[:40], f"a field of {source}: {', '.join(FIELDS[source])}")

        def may(case: Case) -> None:
            if source in case.disputed:
                raise Problem("disputed", 409, f"A dispute about {source} is open already.")

        event = Event(
            kind="dispute", decision_id=decision_id, officer=officer, at=_now(),
            said=dispute.said.strip(), source=source, field=field, right=dispute.right,
        )  # fmt: skip
        return self._add(event, may)

    def answer(self, decision_id: str, officer: str, answer: Answer) -> Case:
        """Answer an open dispute; one upheld waits for a decision on corrected data."""
        explained(answer.said)

        def may(case: Case) -> None:
            if answer.source not in case.disputed:
                said = f"No dispute about {answer.source[:40]!r} is open."
                raise Problem("no-dispute", 409, said)
            _not_anothers(case, officer)

        event = Event(
            kind="answer", decision_id=decision_id, officer=officer, at=_now(),
            said=answer.said.strip(), source=answer.source, upheld=answer.upheld,
        )  # fmt: skip
        return self._add(event, may)

    def ask_for_person(self, matter: Matter, who: str, asked: PersonRequest) -> Case:
        """Put a decision into the queue because its applicant wants a person to look at it."""
        explained(asked.said)

        def may(case: Case) -> None:
            if case.status == "redecided":
                _refuse(f"it was decided again as {case.decided_again[-1]}: ask about that one")
            if case.status in ("signed", "decided"):
                _refuse("a person decided this already")
            if case.person or matter.verdict == "refer":
                _refuse("a person will look at this already")

        event = Event(
            kind="person", decision_id=matter.decision_id, officer=who, at=_now(),
            said=asked.said.strip(),
        )  # fmt: skip
        return self._add(event, may, matter)

    def decided_again(self, decision_id: str, who: str, said: str, became: str) -> Case:
        """Link a decision with the one made on more evidence; linked once, however often told."""
        if self._origin(became) == decision_id:
            return self.case(decision_id)
        event = Event(
            kind="evidence", decision_id=decision_id, officer=who, at=_now(), said=said.strip(),
            became=became,
        )  # fmt: skip
        return self._add(event, lambda _: None)

    def _origin(self, decision_id: str) -> str | None:
        self._follow()
        return self._origins.get(decision_id)

    def _case(self, decision_id: str, matter: Matter | None = None) -> Case:
        events = self._events.get(decision_id, [])
        origin = self._origins.get(decision_id)
        return case_of(decision_id, events, self.terms, _now(), matter, origin)

    def _add(self, event: Event, may: Callable[[Case], None], matter: Matter | None = None) -> Case:
        """Make an event durable, when the case still stands where it must; then it counts.

        Its number in the case is taken only once in all chains: when another server took it
        meanwhile, the case is looked at again.
        """
        named = event.decision_id
        with self._adding:
            for _ in range(MOST_ATTEMPTS):
                self._follow()
                may(self._case(named, matter))
                number = f"{named}:{len(self._events.get(named, []))}"
                try:
                    self._ledger.append_sync(number, msgspec.json.encode(event), b"{}")
                except DuplicateDecision:
                    continue
                self._follow()
                return self._case(named, matter)
        raise Problem("conflict", 409, "Others work on this case just now; nothing was noted.")

    def _follow(self) -> None:
        """Read what was added to any chain since the last time."""
        with self._reading:
            for head in self._ledger.heads():
                after = self._read.get(head.writer, 0)
                if head.seq > after:
                    for record in self._ledger.records({head.writer: after}, head.writer):
                        self._take(record)
                        self._read[head.writer] = record.seq

    def _take(self, record: Record) -> None:
        """Put an event in its place among its case's: chains are not read at the same moment."""
        named, number, event = numbered(record)
        self._early[named, number] = event
        events = self._events.setdefault(named, [])
        while (waiting := self._early.pop((named, len(events)), None)) is not None:
            events.append(waiting)
            if waiting.became is not None:
                self._origins[waiting.became] = named


def explained(said: str) -> None:
    """Whether words say why; raises Problem."""
    if not LEAST_WORDS <= len(said.strip()) <= MOST_WORDS:
        raise _wrong("said", said[:80], f"{LEAST_WORDS} to {MOST_WORDS} characters: the reason")


def _now() -> datetime:
    return datetime.now(UTC)


def _may_be_ruled_on(case: Case, matter: Matter, ruling: Ruling) -> None:
    """Raises Problem unless a person may rule so on this decision."""
    if case.status == "redecided":
        _refuse(f"it was decided again as {case.decided_again[-1]}: rule on that one")
    if matter.verdict != "refer" and not case.person:
        said = f"The decision is {matter.verdict}; expected one referred to a person."
        raise Problem("not-referred", 409, said)
    if matter.verdict == "approve" and ruling.verdict == "decline":
        said = "Asking for a person must not make a decision worse; expected the verdict approve."
        raise Problem("worse", 409, said)


def _not_anothers(case: Case, officer: str) -> None:
    """Raises Problem while somebody else holds the case."""
    if case.claimed_by is not None and case.claimed_by != officer:
        until = case.claimed_until.isoformat(timespec="seconds") if case.claimed_until else ""
        said = f"{case.claimed_by} claimed this case until {until}; expected the same officer."
        raise Problem("claimed", 409, said)


def _refuse(why: str) -> None:
    raise Problem("conflict", 409, f"Nothing was noted: {why}.")


def _wrong(field: str, value: object, expected: str) -> Problem:
    return invalid(Fault(field, value, expected))
