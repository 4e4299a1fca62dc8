"""What every source said when a credit file was gathered for an application, and when."""

from datetime import date, datetime
from typing import Literal

from msgspec import Struct

from service.application import SourceName

Status = Literal["live", "cached", "empty", "stale", "late", "failed", "refused", "circuit_open"]


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one source said: how fresh, how whole, how long it took; or why it said nothing.

    status: live - asked now; cached - said earlier and still fresh; empty - it knows nothing of
    the firm; stale - too old to decide on; late - nothing within its time; failed - no answer that
    can be used; refused - it would not answer; circuit_open - it failed again and again and was not
    asked. Only live and cached sections are in the credit file.
    """

    source: SourceName
    status: Status
    as_of: date | None = None  # the day the section speaks of
    age_days: int | None = None  # from then to the credit file's date
    complete: bool | None = None  # as the source says; false: it knows that something is missing
    answered_at: datetime | None = None
    took_ms: float = 0.0
    attempts: int = 0
    sha256: str | None = None  # of the bytes it sent
    said: str | None = None  # why there is no section


class Gathering(Struct, frozen=True, kw_only=True):
    """How the credit file of one decision was gathered: under which consent, source by source.

    `took_ms` of at most `deadline_ms` went by until the last source had answered or was given up.
    """

    consent_id: str
    evidence_sha256: str
    began: datetime
    took_ms: float
    deadline_ms: int
    answers: list[Answer]
