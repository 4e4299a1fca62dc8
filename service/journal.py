"""The journal: running totals of a ledger, and its latest decisions to be found again.

What was there at the start is read once, in parts, when somebody asks; what this server decides is
noted as it is recorded, what others that share its ledger decide meanwhile is not. Totals count
every record; only the latest are kept to be found.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import islice

import msgspec
from msgspec import Struct

from service.chain import Record
from service.decide import Decision
from service.ledger import Ledger
from service.policy import VERDICTS, Verdict

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
    """Totals and the latest lines of one ledger, as far as this process saw or wrote them."""

    def __init__(self, ledger: Ledger, offered: Callable[[], tuple[int, int]]) -> None:
        """`offered` says how many institutions and products there are now."""
        self._ledger, self._reading = ledger, threading.Lock()
        self._read: dict[int, int] = {}
        self._until = {head.writer: head.seq for head in ledger.heads()}
        self._earlier: deque[Line] = deque(maxlen=MOST_LINES)
        self._noted: deque[Line] = deque(maxlen=MOST_LINES)
        self._sums = _Sums()
        self._offered = offered

    def note(self, seq: int, decision: Decision, name: str) -> None:
        """Note a decision just recorded; from the one thread that records."""
        asked, assessment = decision.application, decision.assessment
        self._noted.append(
            Line(
                seq=seq, decision_id=decision.decision_id, decided_at=decision.decided_at,
                applicant=asked.applicant, name=name, verdict=decision.verdict,
                amount_yuan=asked.amount_yuan, limit_yuan=decision.limit_yuan,
                score=assessment.score, grade=assessment.grade,
            )
        )  # fmt: skip
        self._sums.add(decision.verdict, decision.limit_yuan, decision.timings_us.engine)

    def totals(self) -> Totals:
        """The totals up to now; not whole while earlier records are still being read."""
        self._read_on()
        sums, (institutions, products) = self._sums, self._offered()
        return Totals(
            decisions=sum(sums.counted.values()),
            approved=sums.counted["approve"],
            referred=sums.counted["refer"],
            declined=sums.counted["decline"],
            approved_yuan=sums.approved_yuan,
            engine_us=sums.engine_us,
            institutions=institutions,
            products=products,
            whole=self._read == self._until,
        )

    def latest(self) -> Line | None:
        """The latest decision."""
        return next(iter(self._lines()), None)

    def find(
        self,
        asked: str = "",
        verdict: str | None = None,
        most: int = 50,
        chosen: Callable[[Line], bool] = lambda _: True,
    ) -> list[Line]:
        """The latest decisions whose firm, code or id contains what is asked for, newest first."""
        asked, found = asked.strip().lower(), []
        for line in self._lines():
            if verdict is not None and line.verdict != verdict:
                continue
            if asked and asked not in f"{line.name}\n{line.applicant}\n{line.decision_id}".lower():
                continue
            if chosen(line):
                found.append(line)
                if len(found) >= most:
                    break
        return found

    def _lines(self) -> list[Line]:
        self._read_on()
        return (list(self._earlier) + list(self._noted))[: -MOST_LINES - 1 : -1]

    def _read_on(self) -> None:
        """Read some more of what was there at the start."""
        with self._reading:
            if self._read == self._until:
                return
            left = MOST_READ
            for writer, until in self._until.items():
                records = self._ledger.records({writer: self._read.get(writer, 0)}, writer)
                for record in islice(records, left):
                    if record.seq > until:
                        break
                    self._note_earlier(record)
                    self._read[writer], left = record.seq, left - 1

    def _note_earlier(self, record: Record) -> None:
        decision, file = _decision(record.decision), _request(record.request).credit_file
        self._sums.add(decision.verdict, decision.limit_yuan, decision.timings_us.engine)
        self._earlier.append(_line(record.seq, record.decision_id, decision, file))


class _Sums:
    """What totals are made of."""

    def __init__(self) -> None:
        self.counted: dict[str, int] = dict.fromkeys(VERDICTS, 0)
        self.approved_yuan = self.engine_us = 0.0
        self._adding = threading.Lock()

    def add(self, verdict: Verdict, limit_yuan: float, engine_us: float) -> None:
        """Count one decision."""
        with self._adding:
            self.counted[verdict] += 1
            self.engine_us += engine_us
            if verdict == "approve":
                self.approved_yuan += limit_yuan


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
