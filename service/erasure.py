"""Erasure: the personal data of old decisions go, their figures stay, and the chains still fit.

In the place of a request and a decision are put stubs: their SHA-256, which the chain holds, and
what is kept for statistics. What is erased is first noted in a hash chain of its own beside the
ledger, with a hash of what is kept: `verify` calls an erased record broken that is not noted there.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from service.chain import Record, Verification, erased, kept, stub, stubs_hash, walk
from service.day import local
from service.ledger import WAL_BYTES, Ledger, LedgerError, ledger_beside, open_ledger
from service.store import NoLedger, Store, Stubs, open_store

MOST_AT_ONCE = 500
"""Records that one event and one commit erase."""


class Erasure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event: who erased what, when and why; `records` are writer, number, hash of the stubs.

    `before` is the day from which on nothing was erased; `one_subject`: only one firm's records.
    """

    at: datetime
    by: str
    why: str
    records: list[tuple[int, int, str]]
    before: date
    one_subject: bool = False


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be erased: decided before a day (in China), of one firm or of all; who and why."""

    before: date
    subject: str | None = None
    by: str
    why: str
    dry_run: bool = False


class Erased(Struct, frozen=True, kw_only=True):
    """What an erasure found: decisions, events of the desk and consents that it erased.

    `waiting` decisions were left because somebody works on them, `in_force` consents because they
    are; `already` had been erased before.
    """

    decisions: int
    events: int
    consents: int
    waiting: int
    in_force: int
    already: int


class _Decided(Struct):
    decided_at: datetime
    application: Any


def recorded(url: str) -> tuple[dict[tuple[int, int], str], Verification | None]:
    """The erasures recorded beside a ledger by place; what is wrong with their chain, if it is."""
    found: dict[tuple[int, int], str] = {}
    beside = ledger_beside(url, "erasures")
    try:
        with closing(open_store(beside, read_only=True, wal_bytes=WAL_BYTES)) as store:
            events = list(store.everything())
    except NoLedger:
        return found, None
    walked = walk(events)
    if not walked.ok:
        return found, replace(walked, what=f"erasures: {walked.what}")
    for event in events:
        for writer, seq, told in msgspec.json.decode(event.request, type=Erasure).records:
            found[writer, seq] = told
    return found, None


def erase(url: str, wanted: Wanted) -> Erased:
    """Erase what is wanted from a ledger, its desk and its consents; shrink what was written to.

    Raises LedgerError; what was erased until then stays erased, and the next call goes on.
    """
    waiting = _waiting(url)
    gone: set[str] = set()
    left = already = 0

    def of_decisions(record: Record) -> Stubs | None:
        nonlocal left, already
        if erased(record):
            already += 1
            gone.add(record.decision_id)
        elif _fits(record, wanted):
            if record.decision_id not in waiting:
                gone.add(record.decision_id)
                return _place(record, b'{"credit_file":{}}', statistics(record.decision))
            left += 1
        return None

    def of_desk(record: Record) -> Stubs | None:
        if erased(record) or record.decision_id.rpartition(":")[0] not in gone:
            return None
        return _place(record, _without_words(record.request), b"{}")

    in_force = 0

    def of_consents(record: Record) -> Stubs | None:
        nonlocal in_force
        if erased(record):
            return None
        ended, subject = _consent_of(record)
        if wanted.subject not in (None, subject):
            return None
        if ended >= wanted.before:
            in_force += wanted.subject is not None
            return None
        return _place(record, b"", b"")

    decisions = _erased_from(url, wanted, of_decisions)
    events = _erased_from(ledger_beside(url, "desk"), wanted, of_desk)
    consents = _erased_from(ledger_beside(url, "consents"), wanted, of_consents)
    return Erased(
        decisions=decisions, events=events, consents=consents, waiting=left, in_force=in_force,
        already=already,
    )  # fmt: skip


def statistics(decision: bytes) -> bytes:
    """What is kept of a decision: its figures and versions; no firm, no portrait, no texts."""
    was: dict[str, Any] = msgspec.json.decode(decision)
    application, assessment = was["application"], was["assessment"]
    return msgspec.json.encode(
        {
            "decided_at": was["decided_at"],
            "as_of": was["as_of"],
            "verdict": was["verdict"],
            "limit_yuan": was["limit_yuan"],
            "limit_cap": was["limit_cap"],
            "application": {"applicant": ""}
            | {name: application[name] for name in ("amount_yuan", "tenor_months", "purpose")},
            "assessment": {name: assessment[name] for name in ("score", "grade", "pd_12m")},
            "reason_codes": [reason["code"] for reason in was["reasons"]],
            "versions": was["versions"],
            "timings_us": was["timings_us"],
        }
    )


def _without_words(event: bytes) -> bytes:
    """What is kept of a step at the desk: who did what when; neither words nor disputed values."""
    was: dict[str, Any] = msgspec.json.decode(event)
    was.pop("right", None)
    return msgspec.json.encode(was | {"said": ""})


def _erased_from(url: str, wanted: Wanted, stubs_of: Callable[[Record], Stubs | None]) -> int:
    """Erase the records of one ledger for which there are stubs; 0 when there is no ledger."""
    with ExitStack() as stack:
        try:
            reading = open_store(url, read_only=True, wal_bytes=WAL_BYTES)
        except NoLedger:
            return 0
        stack.callback(reading.close)
        writing: Store | None = None
        found = 0
        stubs = (made for record in reading.everything() if (made := stubs_of(record)) is not None)
        while some := list(islice(stubs, MOST_AT_ONCE)):
            found += len(some)
            if wanted.dry_run:
                continue
            if writing is None:
                writing = open_store(url, read_only=False, wal_bytes=WAL_BYTES)
                stack.callback(writing.close)
                events = stack.enter_context(open_ledger(ledger_beside(url, "erasures")))
            _note(events, some, wanted)
            writing.erase(some)
        if writing is not None:
            writing.shrink()
    return found


def _note(events: Ledger, some: Sequence[Stubs], wanted: Wanted) -> None:
    """Make durable what is about to be erased."""
    event = Erasure(
        at=datetime.now(UTC), by=wanted.by, why=wanted.why, before=wanted.before,
        one_subject=wanted.subject is not None,
        records=[(of, seq, stubs_hash(asked, told)) for of, seq, asked, told in some],
    )  # fmt: skip
    body = msgspec.json.encode(event)
    events.append_sync(hashlib.sha256(body).hexdigest()[:32], body, b"{}")


def _place(record: Record, request: bytes, decision: bytes) -> Stubs:
    return (
        record.writer, record.seq, stub(record.request, request), stub(record.decision, decision)
    )  # fmt: skip


def _fits(record: Record, wanted: Wanted) -> bool:
    try:
        was = msgspec.json.decode(record.decision, type=_Decided)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LedgerError(
            f"record {record.seq} of writer {record.writer}: {error}; expected a decision; "
            "nothing was erased"
        ) from error
    subject = was.application.get("applicant")
    return local(was.decided_at).date() < wanted.before and wanted.subject in (None, subject)


def _waiting(url: str) -> set[str]:
    """The decisions somebody works on at the desk: disputed, to sign, or a person was asked for."""
    from service.case import case_of, events_of
    from service.desk_terms import DeskTerms

    try:
        with open_ledger(ledger_beside(url, "desk"), read_only=True) as desk:
            events = events_of(desk.records())
    except NoLedger:
        return set()
    terms, now = DeskTerms.load(), datetime.now(UTC)
    return {named for named, some in events.items() if case_of(named, some, terms, now).waits}


def _consent_of(record: Record) -> tuple[date, str]:
    """The day a consent ended or will end, and whose it is."""
    from service.consent import ConsentRecord

    consent = msgspec.json.decode(kept(record.request), type=ConsentRecord)
    ended = consent.expires
    if consent.revoked_at is not None:
        ended = min(ended, local(consent.revoked_at).date())
    return ended, consent.subject
