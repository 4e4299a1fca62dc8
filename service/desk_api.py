"""The human lane over HTTP: the queue, what officers do, and what an applicant may ask for."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model.credit_file import Fault
from service.application import parse, strictly
from service.body import answer, json_body, read
from service.case import STATUSES, Case, Matter, Told, case_of, uncorrected
from service.chain import Key, Record
from service.console.api import Parts, found
from service.console.session import Session
from service.day import today
from service.decide import Decision
from service.desk import (
    Answer,
    Claim,
    Desk,
    Dispute,
    Evidence,
    PersonRequest,
    Ruling,
    Signature,
    explained,
)
from service.idempotency import key_of
from service.journal import Line
from service.problem import Problem

MOST_CASES = 200
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
Step: TypeAlias = Callable[[Request, str], Awaitable[Case | Response]]
"""What somebody does: where the case stands then, or the decision it led to."""
Decided: TypeAlias = Callable[[bytes, Key | None], Awaitable[bytes]]
"""Decides on a body and records it; under a key used before, answers as then."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Decision).decode
_evidence = msgspec.json.Decoder(Evidence).decode


class Queued(Struct, frozen=True, kw_only=True):
    """A decision in the queue, with where its case stands."""

    line: Line
    case: Case


class Queue(Struct, frozen=True, kw_only=True):
    """Part of the queue, what is due first first.

    `total` are all that were asked for and `overdue` those of them that are late; `next` is where
    the following part is. `whole` is false while older decisions are still being read.
    """

    cases: list[Queued]
    total: int
    overdue: int
    whole: bool
    next: str | None


class Standing(Told, frozen=True, kw_only=True):
    """What an applicant is told of a case: where it stands and until when, nobody's names."""

    reason_zh: str | None
    reason_en: str | None


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs in; null signs out."""

    officer: str | None


class _Asked(Struct, frozen=True):
    """Which cases of the queue are asked for."""

    status: str | None
    claimed_by: str | None
    unclaimed: bool
    overdue: bool

    def fits(self, case: Case) -> bool:
        """Whether a case is one of them; without a status only those where something waits."""
        return (
            (case.waits if self.status is None else case.status == self.status)
            and (self.claimed_by is None or case.claimed_by == self.claimed_by)
            and not (self.unclaimed and case.claimed_by)
            and (case.overdue or not self.overdue)
        )


def routes(parts: Parts, decided: Decided) -> list[Route]:
    """Every route of the human lane; what officers post bears their session's token."""
    lane = _Lane(parts, decided)
    desk = parts.desk

    def officers(step: Step) -> Handler:
        async def handle(request: Request) -> Response:
            done = await step(request, parts.sessions.officer(request))
            return answer(done) if isinstance(done, Case) else done

        return handle

    def applicants(step: Step) -> Handler:
        async def handle(request: Request) -> Response:
            caller = request.scope.get("caller")
            done = await step(request, f"applicant, key {caller}" if caller else "applicant")
            return answer(lane.as_told(done)) if isinstance(done, Case) else done

        return handle

    by_number: dict[str, Step] = {
        "signatures": partial(lane.step, Signature, desk.sign),
        "answers": partial(lane.step, Answer, desk.answer),
        "disputes": partial(lane.step, Dispute, desk.dispute),
        "claims": partial(lane.matter_step, Claim, lambda matter, who, _: desk.claim(matter, who)),
        "releases": partial(
            lane.matter_step, Claim, lambda matter, who, _: desk.release(matter, who)
        ),
        "rulings": partial(lane.matter_step, Ruling, desk.rule),
        "person-requests": partial(lane.matter_step, PersonRequest, desk.ask_for_person),
        "evidence": lane.decide_again,
    }
    at, of_applicant = "/v1/desk/decisions/{decision_id}", "/v1/decisions/{decision_id}"
    asked = ("disputes", "person-requests", "evidence")
    return [
        Route("/v1/desk/session", lane.sign_in, methods=["POST"]),
        Route("/v1/desk/terms", lane.terms, methods=["GET"]),
        Route("/v1/desk/cases", lane.queue, methods=["GET"]),
        Route(at, lane.case, methods=["GET"]),
        *[Route(f"{at}/{n}", officers(do), methods=["POST"]) for n, do in by_number.items()],
        Route(f"{of_applicant}/case", lane.standing, methods=["GET"]),
        *[
            Route(f"{of_applicant}/{name}", applicants(by_number[name]), methods=["POST"])
            for name in asked
        ],
    ]  # fmt: skip


def links(desk: Desk, record: Record) -> dict[str, str]:
    """The Link header of a decision that was made anew, or from another one (RFC 5829)."""
    case = desk.case(record.decision_id)
    told = [f'</v1/decisions/{one}>; rel="successor-version"' for one in case.decided_again]
    if case.decides_again is not None:
        told.append(f'</v1/decisions/{case.decides_again}>; rel="predecessor-version"')
    return {"Link": ", ".join(told)} if told else {}


def matter_of(record: Record) -> Matter:
    """What the desk must know of a record; an approval against a decline keeps within its caps."""
    decision = _decode(record.decision)
    declined = decision.verdict == "decline"
    return Matter(
        decision_id=decision.decision_id,
        verdict=decision.verdict,
        decided_at=decision.decided_at,
        asked_yuan=decision.application.amount_yuan,
        most_yuan=min(decision.caps.values()) if declined else decision.limit_yuan,
    )


class _Lane:
    """What the routes do."""

    def __init__(self, parts: Parts, decided: Decided) -> None:
        self._parts, self._desk, self._decided = parts, parts.desk, decided
        self._old_lines: dict[str, Line] = {}

    async def sign_in(self, request: Request) -> Response:
        """An officer signs in or out."""
        sessions = self._parts.sessions
        session = sessions.checked(request)
        wanted = (await read(request, SignIn)).officer
        if wanted is not None and wanted not in sessions.officers:
            known = f"one of {', '.join(sessions.officers)}, or null"
            raise Fault("officer", wanted[:40], known)
        response = answer({"officer": wanted})
        sessions.keep(request, response, Session(session.token, wanted))
        return response

    async def terms(self, _: Request) -> Response:
        """Clocks, four eyes, reasons."""
        return answer(self._desk.terms)

    async def queue(self, request: Request) -> Response:
        """What waits, or has some status, what is due first first."""
        given = request.query_params
        status = given.get("status")
        if status is not None and status not in STATUSES:
            raise Fault("status", status[:20], f"one of {', '.join(STATUSES)}")
        officer = self._parts.sessions.of(request).officer if _flag(request, "mine") else None
        if officer is None and _flag(request, "mine"):
            raise Problem("not-signed-in", 403, "Nobody is signed in; whose cases are yours?")
        asked = _Asked(status, officer, _flag(request, "unclaimed"), _flag(request, "overdue"))
        most = _count(request, "most", 50, 1, MOST_CASES)
        skip = _count(request, "skip", 0, 0, 10_000_000)
        queued, whole = await run_in_threadpool(self._queued, asked)
        following = None
        if skip + most < len(queued):
            url = request.url.include_query_params(skip=skip + most, most=most)
            following = f"{url.path}?{url.query}"
        return answer(
            Queue(
                cases=queued[skip : skip + most],
                total=len(queued),
                overdue=sum(one.case.overdue for one in queued),
                whole=whole,
                next=following,
            )
        )

    async def case(self, request: Request) -> Response:
        """Where a decision stands."""
        record = await found(self._parts.ledger, request)
        return answer(await run_in_threadpool(self._case, record))

    async def standing(self, request: Request) -> Response:
        """Where a decision stands, as its applicant is told."""
        record = await found(self._parts.ledger, request)
        return answer(self.as_told(await run_in_threadpool(self._case, record)))

    async def step(
        self, kind: type[Any], done: Callable[..., Case], request: Request, who: str
    ) -> Case:
        """One step on a decision known by its number."""
        posted = await read(request, kind)
        record = await found(self._parts.ledger, request)
        await run_in_threadpool(done, record.decision_id, who, posted)
        return await run_in_threadpool(self._case, record)

    async def matter_step(
        self, kind: type[Any], done: Callable[..., Case], request: Request, who: str
    ) -> Case:
        """One step for which the desk must know what the engine decided."""
        posted = await read(request, kind)
        matter = matter_of(await found(self._parts.ledger, request))
        return await run_in_threadpool(done, matter, who, posted)

    async def decide_again(self, request: Request, who: str) -> Response:
        """Decide anew on a corrected or extended credit file, and link the two decisions."""
        most, headers = self._parts.settings.max_body_bytes, dict(request.scope["headers"])
        body = await json_body(headers, request.receive, most)
        posted: Evidence = strictly(body, _evidence)
        explained(posted.said)
        key = key_of(headers, body)
        record = await found(self._parts.ledger, request)
        was = parse(record.request, date.max)
        application = was.application
        if posted.consent is not None:
            application = msgspec.structs.replace(application, consent=posted.consent)
        again = b'{"application":%b,"credit_file":%b}' % (_encode(application), posted.credit_file)
        now = parse(again, today())
        same = uncorrected(
            await run_in_threadpool(self._case, record), was.credit_file, now.credit_file
        )
        if same is not None:
            raise Problem(
                "not-corrected",
                409,
                f"credit_file.{same}: reads as it did, though a dispute about it was upheld; "
                "expected it corrected. Nothing was decided.",
            )
        reply = await self._decided(again, key)
        became = msgspec.json.decode(reply, type=_Named).decision_id
        await run_in_threadpool(
            self._desk.decided_again, record.decision_id, who, posted.said, became
        )
        about = {
            "Location": f"/v1/decisions/{became}",
            "Link": f'</v1/decisions/{record.decision_id}>; rel="predecessor-version"',
        }
        return Response(reply, 201, about, media_type="application/json")

    def _case(self, record: Record) -> Case:
        return self._desk.case(record.decision_id, matter_of(record))

    def as_told(self, case: Case) -> Standing:
        """A case as its applicant is told of it."""
        reasons = {one.code: one for one in self._desk.terms.reason}
        final = case.status in ("signed", "decided")
        reason = reasons.get(case.reason_code or "") if final else None
        known = {name: getattr(case, name) for name in Told.__struct_fields__}
        if not final:  # a ruling that another officer has not signed is nobody's business yet
            known |= {"verdict": None, "limit_yuan": None}
        return Standing(
            **known,
            reason_zh=reason.zh if reason else None,
            reason_en=reason.en if reason else None,
        )

    def _queued(self, asked: _Asked) -> tuple[list[Queued], bool]:
        """The cases asked for, what is due first first; and whether all decisions were read."""
        desk, journal, now = self._desk, self._parts.journal, datetime.now(UTC)
        lines = {line.decision_id: line for line in journal.referred()}
        events = desk.known()
        finished, queued = [], []
        for decision_id in [*lines, *(one for one in events if one not in lines)]:
            line = lines.get(decision_id) or self._line(decision_id)
            if line is None:
                continue
            matter = Matter(
                decision_id=decision_id, verdict=line.verdict, decided_at=line.decided_at,
                asked_yuan=line.amount_yuan, most_yuan=line.limit_yuan,
            )  # fmt: skip
            case = case_of(decision_id, events.get(decision_id, []), desk.terms, now, matter)
            gone = case.waits and not line.applicant  # erased: nobody can look at it any more
            if asked.fits(case) and not gone:
                queued.append(Queued(line=line, case=case))
            if gone or not case.waits:
                finished.append(decision_id)
        journal.let_go(finished)
        queued.sort(
            key=lambda one: (one.case.due_at is None, one.case.due_at or one.line.decided_at)
        )
        return queued, journal.totals().whole

    def _line(self, decision_id: str) -> Line | None:
        """A decision that was not referred, or is finished; kept once it was read."""
        if decision_id not in self._old_lines:
            line = self._parts.journal.line(decision_id)
            if line is None:
                return None
            self._old_lines[decision_id] = line
        return self._old_lines[decision_id]


class _Named(Struct):
    decision_id: str


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false")
    if given not in ("true", "false"):
        raise Fault(name, given[:20], "true or false")
    return given == "true"


def _count(request: Request, name: str, default: int, least: int, most: int) -> int:
    given = request.query_params.get(name, str(default))
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 9 else -1
    if not least <= number <= most:
        raise Fault(name, given[:20], f"a whole number from {least} to {most}")
    return number
