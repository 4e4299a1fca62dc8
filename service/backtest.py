"""Backtest: what another policy, scorecard or catalogue would have decided on the same firms.

Every application is decided twice by the parts the service decides with, without the records a
decision leaves behind. Applications are read in chunks by as many processes as there are cores and
only sums are kept, so a million take no more memory than a thousand.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from model.credit_file import SOURCES, CreditFile
from model.features import INDEX
from model.portrait import portrait
from service import limit as limits
from service.application import Application, Consent, Request
from service.chain import erased
from service.decide import Engine, dates, decide, facts, within_products
from service.ledger import open_ledger
from service.lpr import lpr_1y
from service.offers import Matched, Offer, match
from service.policy import Verdict, strictest

CHUNK = 1_000
"""Applications read from a ledger at a time."""
TIMED_EVERY = 397
"""One application in so many is decided in full on both sides and timed."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BacktestError(ValueError):
    """Applications that cannot be read: where, what was found, what was expected."""


class Parts(Struct, frozen=True):
    """Where the parts of an engine are: artefact folder, policy and catalogue files."""

    artifact: Path
    policy: Path
    catalogue: Path

    def load(self) -> Engine:
        """The engine made of them; raises their errors."""
        return Engine.load(self.artifact, self.policy, self.catalogue)


class Judged(NamedTuple):
    """What a decision says, in short, and what lending all of the limit would bring.

    `earned_yuan` is interest less what money and work cost; `lost_yuan` what a default takes.
    """

    verdict: Verdict
    limit_yuan: float
    pd_12m: float
    interest_yuan: float = 0.0
    earned_yuan: float = 0.0
    lost_yuan: float = 0.0


class _Sums(Struct):
    """Numbers that add up."""

    def add(self, other: "_Sums") -> None:
        """Add the sums of another."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Money(_Sums):
    """What one side lends and what becomes of it, summed; only approvals lend.

    `expected_yuan` is what is earned less what the scorecard expects to lose; `real_yuan` what is
    earned by those that paid less what those that defaulted took, where it is known.
    """

    lent_yuan: float = 0.0
    interest_yuan: float = 0.0
    expected_yuan: float = 0.0
    real_yuan: float = 0.0
    defaulted_yuan: float = 0.0

    def lend(self, judged: Judged, defaulted: bool | None) -> None:
        """Add what an approval brings."""
        self.lent_yuan += judged.limit_yuan
        self.interest_yuan += judged.interest_yuan
        pd_12m = judged.pd_12m
        self.expected_yuan += (1.0 - pd_12m) * judged.earned_yuan - pd_12m * judged.lost_yuan
        if defaulted is not None:
            self.real_yuan += -judged.lost_yuan if defaulted else judged.earned_yuan
        if defaulted:
            self.defaulted_yuan += judged.limit_yuan


class Tally(_Sums):
    """Applications that fared alike, counted; `known` are those whose outcome is known."""

    applications: int = 0
    first_time: int = 0
    pd_12m: float = 0.0
    known: int = 0
    defaults: int = 0


class Swap(Struct):
    """The applications with one verdict then and one now."""

    tally: Tally
    was: Money
    now: Money


class Result(Struct):
    """What a backtest found: swaps by verdict then and now, and the clock C3 of a sample."""

    swaps: dict[tuple[Verdict, Verdict], Swap] = {}
    timed: int = 0
    was_ns: int = 0
    now_ns: int = 0

    def add(self, other: "Result") -> None:
        """Add the sums of another part."""
        for pair, swap in other.swaps.items():
            mine = self.of(pair)
            mine.tally.add(swap.tally)
            mine.was.add(swap.was)
            mine.now.add(swap.now)
        self.timed += other.timed
        self.was_ns += other.was_ns
        self.now_ns += other.now_ns

    def of(self, pair: tuple[Verdict, Verdict]) -> Swap:
        """The swap of a pair of verdicts, empty when there was none."""
        return self.swaps.setdefault(pair, Swap(Tally(), Money(), Money()))


class Case(NamedTuple):
    """One application with its file, whether it is the firm's first loan, and if it defaulted."""

    application: Application
    credit_file: CreditFile
    first_time: bool
    defaulted: bool | None


class Chunk(Struct, frozen=True):
    """Applications one process reads: a row group of a world, or requests as posted."""

    world: Path | None = None
    row_group: int = 0
    requests: list[bytes] = []
    applications: int = 0


class Applicant:
    """One application and its portrait, judged by one engine or more; like work is done once."""

    def __init__(self, application: Application, credit_file: CreditFile) -> None:
        self.application, self.credit_file = application, credit_file
        self.values, self.dates = portrait(credit_file), dates(credit_file)
        self._rated: dict[str, tuple[int, float, str]] = {}
        self._matched: dict[tuple[str, float, float], Matched] = {}

    def judged(self, engine: Engine) -> Judged:
        """Verdict, limit and price, the same as decide() says."""
        card, application = engine.versions.scorecard, self.application
        rated = self._rated.get(card)
        if rated is None:
            rated = self._rated[card] = engine.scorer.rate(self.values)
        score, pd_12m, grade = rated
        policy = engine.policy.evaluate(facts(self.values, application, pd_12m, score), self.dates)
        if policy.verdict == "decline":
            return Judged("decline", 0.0, pd_12m)
        amount_yuan = application.amount_yuan
        lend = limits.limit(engine.policy.limit, self.values, grade, amount_yuan, policy)
        key = engine.versions.catalogue, pd_12m, lend.limit_yuan
        matched = self._matched.get(key)
        if matched is None:
            matched = self._matched[key] = self._match(engine, grade, pd_12m, lend.limit_yuan)
        together_yuan = sum([offer.amount_yuan for offer in matched.syndicate])
        lend = within_products(lend, max(matched.most_yuan, together_yuan))
        verdict = strictest(policy.verdict, "approve" if matched.offers else "refer")
        taken = matched.syndicate or matched.offers[-1:]
        if verdict != "approve":
            return Judged(verdict, lend.limit_yuan, pd_12m)
        interest, earned, lost = map(
            sum, zip(*[_brings(one, pd_12m) for one in taken], strict=True)
        )
        return Judged(verdict, lend.limit_yuan, pd_12m, interest, earned, lost)

    def _match(self, engine: Engine, grade: str, pd_12m: float, limit_yuan: float) -> Matched:
        application, as_of = self.application, self.credit_file.as_of
        return match(
            engine.catalogue,
            self.values,
            INDEX,
            sources=self.dates,
            grade=grade,
            pd_12m=pd_12m,
            amount_yuan=application.amount_yuan,
            tenor_months=application.tenor_months,
            purpose=application.purpose,
            limit_yuan=limit_yuan,
            lpr=lpr_1y(as_of),
            as_of=as_of,
            keep=1,  # the cheapest of those that lend the most
            brief=True,
        )


def _brings(offer: Offer, pd_12m: float) -> tuple[float, float, float]:
    """Interest, what is left of it after funding and operating, and what a default would take."""
    interest_yuan, price = offer.total_interest_yuan, offer.price
    owed_years_yuan = interest_yuan / offer.annual_rate if offer.annual_rate > 0 else 0.0
    costs = price.lpr + price.funding + price.operating
    lost_share = price.expected_loss / pd_12m if pd_12m > 0 else 0.0
    return (
        interest_yuan,
        owed_years_yuan * (offer.annual_rate - costs),
        owed_years_yuan * lost_share / (offer.tenor_months / 12.0),
    )


def backtest(
    chunks: Iterable[Chunk],
    was: Parts,
    now: Parts,
    since: date | None = None,
    workers: int | None = None,
) -> Iterator[Result]:
    """Decide every application as before and as now; yields the sums of one chunk after another."""
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        _start(was, now)
        yield from (_tallied(chunk, since) for chunk in chunks)
        return
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(was, now)) as pool:
        waiting, coming = [], iter(chunks)
        for chunk in islice(coming, 2 * workers):
            waiting.append(pool.submit(_tallied, chunk, since))
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(_tallied, chunk, since) for chunk in islice(coming, 1)]


_engines: list[Engine] = []


def _start(was: Parts, now: Parts) -> None:
    _engines[:] = [was.load(), now.load()]


def _tallied(chunk: Chunk, since: date | None) -> Result:
    was, now = _engines
    found = Result()
    for at, (application, credit_file, first_time, defaulted) in enumerate(cases(chunk)):
        if since is not None and credit_file.as_of < since:
            continue
        applicant = Applicant(application, credit_file)
        before, after = applicant.judged(was), applicant.judged(now)
        swap = found.of((before.verdict, after.verdict))
        swap.tally.applications += 1
        swap.tally.first_time += first_time
        swap.tally.pd_12m += after.pd_12m
        if defaulted is not None:
            swap.tally.known += 1
            swap.tally.defaults += defaulted
        if before.verdict == "approve":
            swap.was.lend(before, defaulted)
        if after.verdict == "approve":
            swap.now.lend(after, defaulted)
        if at % TIMED_EVERY == 0:
            _time(found, Request(application=application, credit_file=credit_file))
    return found


def _time(found: Result, request: Request) -> None:
    """Add one full decision of each side to the clock, price lists made, taking turns."""
    taken = [0, 0]
    for side in (0, 1, 0, 1) if found.timed % 2 else (1, 0, 1, 0):
        started = perf_counter_ns()
        decide(request, _engines[side], decision_id="", decided_at=_EPOCH, tick=perf_counter_ns)
        taken[side] = perf_counter_ns() - started
    found.timed += 1
    found.was_ns += taken[0]
    found.now_ns += taken[1]


def world_chunks(world: Path) -> list[Chunk]:
    """The applications of a world folder; raises BacktestError for one without them."""
    from pyarrow.parquet import ParquetFile

    sizes: list[list[int]] = []
    for name in ("applications", "credit_files"):
        path = world / f"{name}.parquet"
        if not path.is_file():
            raise BacktestError(f"{path}: no such file; expected what `yidaitong generate` writes")
        about = ParquetFile(path).metadata
        sizes.append([about.row_group(i).num_rows for i in range(about.num_row_groups)])
    if sizes[0] != sizes[1]:
        raise BacktestError(
            f"{world}: applications.parquet and credit_files.parquet have other row groups; "
            "expected the same applications in both, in the same order"
        )
    return [Chunk(world=world, row_group=i, applications=rows) for i, rows in enumerate(sizes[0])]


def ledger_chunks(url: str) -> Iterator[Chunk]:
    """The applications recorded in a ledger, which may be in use; those erased are left out."""
    with open_ledger(url, read_only=True) as ledger:
        records = (record for record in ledger.records() if not erased(record))
        while some := [record.request for record in islice(records, CHUNK)]:
            yield Chunk(requests=some, applications=len(some))


_request = msgspec.json.Decoder(Request).decode
_file = msgspec.json.Decoder(CreditFile).decode


def cases(chunk: Chunk) -> Iterator[Case]:
    """The applications of a chunk, one by one."""
    if chunk.world is None:
        for body in chunk.requests:
            request = _request(body)
            yield Case(request.application, request.credit_file, False, None)
        return
    rows = _read(chunk.world / "applications.parquet", chunk.row_group)
    files = _read(chunk.world / "credit_files.parquet", chunk.row_group)
    if rows["application_id"] != files["application_id"]:
        raise BacktestError(
            f"{chunk.world}: row group {chunk.row_group}: applications.parquet and "
            "credit_files.parquet differ; expected the same applications in the same order"
        )
    known = _defaults(chunk.world, chunk.row_group)
    first_time = rows.get("first_time_borrower") or [False] * len(rows["application_id"])
    for i, stored in enumerate(files["credit_file"]):
        credit_file = _file(stored)
        application = Application(
            applicant=credit_file.uscc,
            amount_yuan=rows["amount_yuan"][i],
            tenor_months=rows["tenor_months"][i],
            purpose=rows["purpose"][i],
            consent=Consent(granted=credit_file.as_of, sources=_answering(credit_file)),
        )
        case_id = rows["application_id"][i]
        yield Case(application, credit_file, first_time[i], known.get(case_id))


def _answering(credit_file: CreditFile) -> list[Any]:
    return [source for source in SOURCES if getattr(credit_file, source) is not None]


def _defaults(world: Path, row_group: int) -> Mapping[str, bool]:
    """Who defaulted: of everybody where the truth is known, else of those who got a loan."""
    for name, column in (("truth", "true_defaulted_12m"), ("outcomes", "defaulted_12m")):
        path = world / f"{name}.parquet"
        if path.is_file():
            rows = _read(path, row_group)
            return dict(zip(rows["application_id"], map(bool, rows[column]), strict=True))
    return {}


def _read(path: Path, row_group: int) -> dict[str, list[Any]]:
    from pyarrow.parquet import ParquetFile

    found: dict[str, list[Any]] = ParquetFile(path).read_row_group(row_group).to_pydict()
    return found
