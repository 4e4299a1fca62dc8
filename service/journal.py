"""The journal: the ledger read along, for running totals and for finding decisions again.

Totals count every record; only the latest are kept to be found. Nothing is written.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Struct

from service.ledger import Ledger
from service.policy import Verdict

MOST_LINES = 10_000
MOST_READ = 20_000
"""Records read at one call at most; the next call goes on."""


class Line(Struct, frozen=True, kw_only=True):
    """One decision in a list."""

    seq: int
    decision_id: str
    decided_at: datetime
    applicant: str
    name: str
    verdict: Verdict
    amount_yuan: float
    limit_yuan: float
    score: int
    grade: str


class Totals(Struct, frozen=True, kw_only=True):
    """What this ledger holds; `whole` is false while older records are still being read."""

    decisions: int = 0
    approved: int = 0
    referred: int = 0
    declined: int = 0
    approved_yuan: float = 0.0
    engine_us: float = 0.0
    institutions: int = 0
    products: int = 0
    whole: bool = True


class _Registry(Struct):
    name: str = ""


class _File(Struct):
    registry: _Registry | None = None


class _Request(Struct):
    credit_file: _File


class _Application(Struct):
    applicant: str
    amount_yuan: float


class _Assessment(Struct):
    score: int
    grade: str


class _Timings(Struct):
    engine: float


class _Decision(Struct):
    decided_at: datetime
    verdict: Verdict
    limit_yuan: float
    application: _Application
    assessment: _Assessment
    timings_us: _Timings


_request = msgspec.json.Decoder(_Request).decode
_decision = msgspec.json.Decoder(_Decision).decode


class Journal:
    """Totals and the latest lines of one ledger."""

    def __init__(self, ledger: Ledger, institutions: int, products: int) -> None:
        self._ledger, self._seq, self._reading = ledger, 0, threading.Lock()
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._totals = Totals(institutions=institutions, products=products)

    def totals(self) -> Totals:
        """The totals up to now."""
        return self._caught_up()

    def latest(self) -> Line | None:
        """The latest decision."""
        self._caught_up()
        return self._lines[-1] if self._lines else None

    def find(
        self, asked: str = "", verdict: str | None = None, most: int = 50,
        chosen: Callable[[Line], bool] = lambda _: True,
    ) -> list[Line]:  # fmt: skip
        """The latest decisions whose firm, code or id contains what is asked for, newest first."""
        self._caught_up()
        asked, found = asked.strip().lower(), []
        for line in reversed(self._lines):
            if verdict is not None and line.verdict != verdict:
                continue
            about = f"{line.name}\n{line.applicant}\n{line.decision_id}".lower()
            if asked in about and chosen(line):
                found.append(line)
                if len(found) >= most:
                    break
        return found

    def _caught_up(self) -> Totals:
        with self._reading:
            was, counted, whole = (
                self._totals,
                dict.fromkeys(("approve", "refer", "decline"), 0),
                True,
            )
            approved_yuan = engine_us = 0.0
            read = 0
            for record in self._ledger.records(self._seq + 1):
                decision, file = _decision(record.decision), _request(record.request).credit_file
                counted[decision.verdict] += 1
                approved_yuan += decision.limit_yuan if decision.verdict == "approve" else 0.0
                engine_us += decision.timings_us.engine
                self._lines.append(_line(record.seq, record.decision_id, decision, file))
                self._seq, read = record.seq, read + 1
                if read >= MOST_READ:
                    whole = False
                    break
            self._totals = Totals(
                decisions=was.decisions + read,
                approved=was.approved + counted["approve"],
                referred=was.referred + counted["refer"],
                declined=was.declined + counted["decline"],
                approved_yuan=was.approved_yuan + approved_yuan,
                engine_us=was.engine_us + engine_us,
                institutions=was.institutions,
                products=was.products,
                whole=whole,
            )
            return self._totals


def _line(seq: int, decision_id: str, decision: _Decision, file: _File) -> Line:
    return Line(
        seq=seq,
        decision_id=decision_id,
        decided_at=decision.decided_at,
        applicant=decision.application.applicant,
        name=file.registry.name if file.registry else "",
        verdict=decision.verdict,
        amount_yuan=decision.application.amount_yuan,
        limit_yuan=decision.limit_yuan,
        score=decision.assessment.score,
        grade=decision.assessment.grade,
    )
