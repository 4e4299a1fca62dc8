"""The journal: running totals of a ledger, and its latest decisions to be found again.

What was there at the start is read once, in parts, when somebody asks, and so is what other servers
that share the ledger add; what this server decides is noted as it is recorded. Totals count every
record; only the latest are kept to be found, and every one that was referred to a person.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice

import msgspec
from msgspec import Struct

from service.chain import Record, kept
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
        self._referred: dict[str, Line] = {}
        self._ours: set[int] = set()
        self._marking = threading.Lock()
        self._sums = _Sums()
        self._offered = offered

    def note(self, seq: int, decision: Decision, name: str, writer: int = 1) -> None:
        """Note a decision just recorded; from the one thread that records.

        The chains this process wrote to are not read again, also when it lost one to another.
        """
        with self._marking:
            if seq <= self._until.get(writer, 0):  # is read, or will be
                return
            self._ours.add(writer)
        asked, assessment = decision.application, decision.assessment
        line = Line(
            seq=seq, decision_id=decision.decision_id, decided_at=decision.decided_at,
            applicant=asked.applicant, name=name, verdict=decision.verdict,
            amount_yuan=asked.amount_yuan, limit_yuan=decision.limit_yuan,
            score=assessment.score, grade=assessment.grade,
        )  # fmt: skip
        self._noted.append(line)
        if line.verdict == "refer":
            self._referred[line.decision_id] = line
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

    def referred(self) -> list[Line]:
        """Every decision referred to a person that was not let go, as far as records were read."""
        self._read_on()
        return list(self._referred.values())

    def let_go(self, decision_ids: Iterable[str]) -> None:
        """Forget that these were referred: nobody waits for them any more."""
        for decision_id in decision_ids:
            self._referred.pop(decision_id, None)

    def line(self, decision_id: str) -> Line | None:
        """One decision, however old; None when it is not in the ledger."""
        record = self._ledger.get(decision_id)
        return None if record is None else _line_and_time(record)[0]

    def _lines(self) -> list[Line]:
        self._read_on()
        return (list(self._earlier) + list(self._noted))[: -MOST_LINES - 1 : -1]

    def _read_on(self) -> None:
        """Read some more of what was there at the start, or was added by others."""
        with self._reading:
            heads = self._ledger.heads()
            with self._marking:
                for head in heads:
                    if head.writer not in self._ours:
                        self._until[head.writer] = head.seq
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
        line, engine_us = _line_and_time(record)
        self._sums.add(line.verdict, line.limit_yuan, engine_us)
        self._earlier.append(line)
        if line.verdict == "refer":
            self._referred[line.decision_id] = line


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


def _line_and_time(record: Record) -> tuple[Line, float]:
    decision = _decision(kept(record.decision))
    file = _request(kept(record.request)).credit_file
    line = Line(
        seq=record.seq,
        decision_id=record.decision_id,
        decided_at=decision.decided_at,
        applicant=decision.application.applicant,
        name=file.registry.name if file.registry else "",
        verdict=decision.verdict,
        amount_yuan=decision.application.amount_yuan,
        limit_yuan=decision.limit_yuan,
        score=decision.assessment.score,
        grade=decision.assessment.grade,
    )
    return line, decision.timings_us.engine
