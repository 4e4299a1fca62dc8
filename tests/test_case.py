"""Where a case stands: pure, from events, terms and a time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from service.application import Request
from service.case import FIELDS, Event, Matter, case_of, uncorrected
from service.desk_terms import DeskTerms

ID, TERMS = "a" * 32, DeskTerms.load()
AT = datetime(2026, 11, 23, 2, tzinfo=UTC)
"""A Monday morning in China."""
HOUR = timedelta(hours=1)
REFERRED = Matter(
    decision_id=ID, verdict="refer", decided_at=AT, asked_yuan=3e5, most_yuan=3e5
)  # fmt: skip


def event(kind: Any, hours: float = 0.0, **more: Any) -> Event:
    made = {"decision_id": ID, "officer": "lin", "at": AT + hours * HOUR, "said": "because"}
    return Event(kind=kind, **(made | more))


def test_an_event_of_the_first_release_is_read_and_nothing_new_is_written_into_it() -> None:
    stored = msgspec.json.encode(
        {"kind": "ruling", "decision_id": ID, "officer": "Lin 林", "at": "2026-07-01T00:00:00Z",
         "said": "Papers seen.", "verdict": "approve", "limit_yuan": 5000.0}
    )  # fmt: skip
    assert msgspec.json.encode(msgspec.json.decode(stored, type=Event)) == stored


def test_what_is_due_first_is_told_with_the_clock_that_says_so() -> None:
    untouched = case_of(ID, [], TERMS, AT, REFERRED)
    assert (untouched.due_for, untouched.due_at) == ("referral", AT + 48 * HOUR)
    ruled = case_of(ID, [event("ruling", 1, verdict="approve")], TERMS, AT, REFERRED)
    assert (ruled.due_for, ruled.due_at) == ("signature", AT + 25 * HOUR)
    late = case_of(ID, [event("ruling", 40, verdict="approve")], TERMS, AT, REFERRED)
    assert (late.due_for, late.due_at) == ("referral", AT + 48 * HOUR)
    signed = case_of(ID, [*late.events, event("signature", 41)], TERMS, AT, REFERRED)
    assert (signed.waits, signed.due_at, signed.overdue) == (False, None, False)


def test_a_case_is_overdue_a_moment_after_it_was_due() -> None:
    due = AT + 48 * HOUR
    for now, late in ((due, False), (due + timedelta(microseconds=1), True)):
        assert case_of(ID, [], TERMS, now, REFERRED).overdue is late


def test_a_claim_lapses_and_ends_with_a_step() -> None:
    claim = event("claim", until=AT + HOUR)
    held = case_of(ID, [claim], TERMS, AT, REFERRED)
    assert (held.claimed_by, held.claimed_until) == ("lin", AT + HOUR)
    assert case_of(ID, [claim], TERMS, AT + HOUR, REFERRED).claimed_by is None
    for kind in ("release", "ruling", "signature", "return"):
        assert case_of(ID, [claim, event(kind)], TERMS, AT, REFERRED).claimed_by is None


def test_even_a_decline_waits_when_a_person_is_asked_for() -> None:
    declined = replace(REFERRED, verdict="decline")
    assert not case_of(ID, [], TERMS, AT, declined).waits
    asked = case_of(ID, [event("person")], TERMS, AT, declined)
    assert (asked.waits, asked.due_for, asked.due_at) == (True, "person", AT + 72 * HOUR)


def test_an_upheld_dispute_waits_until_it_is_decided_again() -> None:
    events = [event("dispute", source="tax"), event("answer", 2, source="tax", upheld=True)]
    case = case_of(ID, events, TERMS, AT, None)
    assert (case.disputed, case.to_correct, case.due_for) == ([], ["tax"], "correction")
    case = case_of(ID, [*events, event("evidence", became="b")], TERMS, AT, REFERRED)
    assert (case.status, case.to_correct, case.waits) == ("redecided", [], False)
    assert case.decided_again == ["b"]
    refused = [events[0], event("answer", source="tax", upheld=False)]
    assert not case_of(ID, refused, TERMS, AT, None).waits


def test_what_was_upheld_must_have_changed(
    healthy: Request, decided: Callable[[Request], Any]
) -> None:
    was = healthy.credit_file
    assert was.tax is not None
    assert "arrears_yuan" in FIELDS["tax"]
    other = replace(was, tax=replace(was.tax, arrears_yuan=1.0))
    for field, said in (("arrears_yuan", "tax.arrears_yuan"), (None, "tax")):
        events = [
            event("dispute", source="tax", field=field),
            event("answer", source="tax", upheld=True),
        ]
        case = case_of(ID, events, TERMS, AT, None)
        assert uncorrected(case, was, was) == said
        assert uncorrected(case, was, other) is None
        assert uncorrected(case, was, replace(was, tax=None)) is None
    case = case_of(ID, [event("dispute", source="tax", field="rating"),
                        event("answer", source="tax", upheld=True)], TERMS, AT, None)  # fmt: skip
    assert uncorrected(case, was, other) == "tax.rating"
