"""Consent: who may be asked about whom, for what, until when; `Consents.check` alone checks it.

Every consent and every revocation is an event of a hash chain of its own beside the ledger; what
counts is what is durable there.
"""

import secrets
from datetime import UTC, date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from model.credit_file import Fault, Uscc
from service.application import SourceName
from service.chain import erased
from service.ledger import DuplicateDecision, Ledger, ledger_beside, open_ledger
from service.problem import FieldError, Problem

CONSENT, EVIDENCE = "consent-id", "consent-evidence-sha256"
"""Headers that tell a source under which consent it is asked."""
Use = Literal["credit_decision", "monitoring"]
Sha256 = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 as 64 hexadecimal digits")
]


class Grant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an applicant signed: which sources may be asked, for what, from when until when.

    `evidence_sha256` is the hash of the signed document, which whoever obtained it keeps.
    """

    sources: Annotated[list[SourceName], Meta(min_length=1, max_length=20)]
    granted: date
    expires: date  # the first day it no longer holds
    evidence_sha256: Sha256
    use: Use = "credit_decision"


class SubjectGrant(Grant, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grant with the firm that signed it."""

    subject: Uscc


class ConsentRecord(Struct, frozen=True, kw_only=True):
    """One consent as it stands: what was signed, by whom, recorded when, revoked when."""

    consent_id: str
    subject: Uscc
    sources: list[SourceName]
    use: Use
    granted: date
    expires: date
    evidence_sha256: str
    recorded_at: datetime
    revoked_at: datetime | None = None


class Consents:
    """All consents of one server; opened, their events are read once and then kept in memory."""

    def __init__(self, events: Ledger) -> None:
        self._ledger = events
        self._records: dict[str, ConsentRecord] = {}
        for event in events.records():
            if erased(event):
                continue
            record = msgspec.json.decode(event.request, type=ConsentRecord)
            self._records[record.consent_id] = record

    @classmethod
    def beside(cls, ledger_url: str) -> "Consents":
        """The consents whose events are kept beside a ledger; raises LedgerUnavailable."""
        return cls(open_ledger(ledger_beside(ledger_url, "consents")))

    def close(self) -> None:
        """Close the file of events."""
        self._ledger.close()

    def ready(self) -> bool:
        """Whether a consent can be written now."""
        return self._ledger.ready()

    def get(self, consent_id: str) -> ConsentRecord:
        """A consent as it stands; raises Problem when there is none."""
        record = self._records.get(consent_id)
        if record is None:
            said = f"No consent {consent_id[:64]!r} is recorded; expected the consent_id of one."
            raise Problem("consent-not-found", 404, said)
        return record

    async def grant(self, subject: str, grant: Grant, today: date, at: str = "") -> ConsentRecord:
        """Record what an applicant signed; it counts once it is durable.

        Raises Fault; `at` is where the grant stands in what was posted.
        """
        if grant.granted > today:
            raise Fault(f"{at}granted", grant.granted, f"a date not after today, {today}")
        if grant.expires <= today:
            raise Fault(f"{at}expires", grant.expires, f"a date after today, {today}")
        record = ConsentRecord(
            consent_id=secrets.token_hex(16),
            subject=subject,
            sources=list(dict.fromkeys(grant.sources)),
            use=grant.use,
            granted=grant.granted,
            expires=grant.expires,
            evidence_sha256=grant.evidence_sha256,
            recorded_at=datetime.now(UTC),
        )
        await self._ledger.append(record.consent_id, msgspec.json.encode(record), b"{}")
        self._records[record.consent_id] = record
        return record

    async def revoke(self, consent_id: str) -> ConsentRecord:
        """Take a consent back, durably; once taken back it stays so. Raises Problem."""
        record = self.get(consent_id)
        if record.revoked_at is not None:
            return record
        record = msgspec.structs.replace(record, revoked_at=datetime.now(UTC))
        try:
            await self._ledger.append(f"{consent_id}:revoked", msgspec.json.encode(record), b"{}")
        except DuplicateDecision:  # taken back by another request at the same moment
            return self.get(consent_id)
        self._records[consent_id] = record
        return record

    def check(
        self,
        consent_id: str,
        subject: str,
        use: Use,
        today: date,
        source: SourceName | None = None,
    ) -> ConsentRecord:
        """The consent, when it allows asking about a subject now; raises Problem when it does not.

        The only place where consent is checked: asked before anything is gathered, again before
        every single call to a source, and once more before deciding.
        """
        record = self._records.get(consent_id)
        if record is None:
            raise _refused(consent_id, "one that is recorded; POST /v1/consents records one")
        if record.subject != subject:
            raise _refused(consent_id, "one that the applicant granted; another firm granted this")
        if record.use != use:
            raise _refused(consent_id, f"one for {use}; this one is for {record.use}")
        if record.revoked_at is not None:
            when = f"{record.revoked_at:%F %T} UTC"
            raise _refused(consent_id, f"one in force; this one was revoked on {when}")
        if not record.granted <= today < record.expires:
            until = f"it holds from {record.granted} until before {record.expires}"
            raise _refused(consent_id, f"one in force today, {today}; {until}")
        if source is not None and source not in record.sources:
            raise _refused(consent_id, f"one for the source {source}")
        return record


def _refused(consent_id: str, expected: str) -> Problem:
    error = FieldError(field="consent", value=consent_id[:64], expected=expected)
    return Problem("consent-refused", 403, f"consent: expected {expected}.", [error])
