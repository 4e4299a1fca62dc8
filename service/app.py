"""HTTP in, decide, record, HTTP out. The only file that imports FastAPI.

The reply to POST /v1/decisions leaves only after its record is durable. Bodies are parsed and
written by msgspec; FastAPI routes, documents and turns exceptions into problem documents.
"""

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from model.credit_file import Fault
from service import desk_api, intake, notice, versions
from service.application import parse
from service.body import invalid, json_body
from service.chain import Key, Receipt, Record
from service.console import api
from service.console.api import Parts, found
from service.console.assets import Assets
from service.console.pages import Pages
from service.day import local, today
from service.decide import Decision, decide
from service.gathering import Gathering
from service.idempotency import key_of, same_request
from service.ledger import KeyTaken, LedgerBusy, LedgerError
from service.problem import MEDIA_TYPE, Problem
from service.recourse import recourse
from service.schedule import plan
from service.scores import Scores
from service.seen import seen
from service.turns import Refused
from service.watch import Watch

log = logging.getLogger("yidaitong")
PATH, SCORES = "/v1/decisions", "/v1/scores"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Decision).decode


def create_app(parts: Parts) -> ASGIApp:
    """The web application of all its parts; closing it closes ledger and desk."""
    swaps, ledger, max_body_bytes = parts.swaps, parts.ledger, parts.settings.max_body_bytes

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if parts.gateway is not None:
            await parts.gateway.close()
        ledger.close()
        parts.desk.close()
        swaps.close()

    app = _fastapi(lifespan)

    async def post_recourse(request: Request) -> Response:
        body = await json_body(dict(request.scope["headers"]), request.receive, max_body_bytes)
        asked, wanted_yuan = parse(body, today()), _wanted_yuan(request)
        return _json(_encode(await run_in_threadpool(recourse, asked, parts.engine, wanted_yuan)))

    async def get_decision(request: Request) -> Response:
        record = await found(ledger, request)
        reply = _json(with_record(record.decision, record))
        reply.headers.update(await run_in_threadpool(desk_api.links, parts.desk, record))
        return reply

    async def get_notice(request: Request) -> Response:
        lang = _choice(request, "lang", notice.LANGS)
        form = _choice(request, "format", notice.FORMATS)
        if form is None:
            wanted = notice.prefers_html(request.headers.get("accept", ""))
            form = "html" if wanted else "json"
        return await run_in_threadpool(_notice, await found(ledger, request), lang, form)

    async def get_schedule(request: Request) -> Response:
        return _json(_schedule(await found(ledger, request), str(request.path_params["product"])))

    decisions = _Decisions(parts)
    app.router.routes.extend(intake.routes(parts, decisions.decided))
    app.router.routes.append(Route(PATH, decisions, methods=["POST"]))
    app.router.routes.extend(desk_api.routes(parts, decisions.decided))
    app.router.routes.extend(api.routes(parts))
    app.router.routes.extend(versions.routes(swaps))
    app.router.routes.extend(Pages(parts, Assets()).routes())
    at = "/v1/decisions/{decision_id}"
    app.add_route("/v1/recourse", post_recourse, methods=["POST"])
    post_scores = _post_scores(lambda: swaps.now.scores, max_body_bytes)
    app.add_route(SCORES, post_scores, methods=["POST"])
    for path, handler in (
        (at, get_decision),
        (f"{at}/notice", get_notice),
        (f"{at}/offers/{{product}}/schedule", get_schedule),
        ("/readyz", parts.health.readyz),
        ("/metrics", parts.watch.metrics),
        ("/openapi.json", _schema(lambda: swaps.now.scores)),
    ):
        app.add_route(path, handler, methods=["GET"])

    parts.watch.knows(app.router.routes)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            scope["endpoint"] = decisions
            await decisions(scope, receive, send)
        else:
            await app(scope, receive, send)

    return front


def create_scores_app(scores: Scores, watch: Watch, max_body_bytes: int = 1_000_000) -> ASGIApp:
    """The web application over a scorecard of a lender's own table: it scores, decides nothing."""
    app = _fastapi()
    ready = _constant({"status": "ready", "versions": scores.versions})

    async def decides_nothing(_: Request) -> Response:
        raise Problem(
            "no-decisions",
            404,
            f"This server holds {scores.card.name!r}, a scorecard of a lender's own table: POST "
            f"{SCORES} scores a loan, GET /openapi.json shows how. Applications are decided with a "
            "scorecard for credit files.",
        )

    app.add_route(SCORES, _post_scores(lambda: scores, max_body_bytes), methods=["POST"])
    app.add_route("/readyz", ready, methods=["GET"])
    app.add_route("/metrics", watch.metrics, methods=["GET"])
    app.add_route("/openapi.json", _schema(lambda: scores, alone=True), methods=["GET"])
    for path in ("/", PATH, PATH + "/{rest:path}", "/v1/recourse"):
        app.add_route(path, decides_nothing, methods=["GET", "POST"])
    watch.knows(app.router.routes)
    return app


def _fastapi(lifespan: Any = None) -> FastAPI:
    """FastAPI without its own pages, answering every error with a problem document."""
    app = FastAPI(
        title="Yidaitong", docs_url=None, redoc_url=None, lifespan=lifespan, openapi_url=None
    )
    app.add_route("/healthz", _constant({"status": "ok"}), methods=["GET"])
    for error in (Problem, Fault, HTTPException, LedgerError, Exception):
        app.add_exception_handler(error, _render)
    return app


def _constant(answer: object) -> Callable[[Request], Awaitable[Response]]:
    """A route that always answers the same."""
    body = _encode(answer)

    async def answered(_: Request) -> Response:
        return _json(body)

    return answered


def _schema(
    scores: Callable[[], Scores], alone: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    @lru_cache(1)
    def made(scores: Scores) -> bytes:
        from service import openapi  # made when first asked for, to be ready sooner

        return _encode(openapi.scores_document(scores) if alone else openapi.document(scores))

    async def schema(_: Request) -> Response:
        return _json(await run_in_threadpool(made, scores()))

    return schema


def _post_scores(
    scores: Callable[[], Scores], most: int
) -> Callable[[Request], Awaitable[Response]]:
    async def post_scores(request: Request) -> Response:
        body = await json_body(dict(request.scope["headers"]), request.receive, most)
        now = scores()
        return _json(_encode(now.score(now.parse(body))))

    return post_scores


class _Decisions:
    """POST /v1/decisions as plain ASGI, for FastAPI's layers cost about as much as deciding.

    It stands in front of them, and among FastAPI's routes so that other methods get their 405.
    """

    def __init__(self, parts: Parts) -> None:
        self._swaps, self._ledger = parts.swaps, parts.ledger
        self._max_body_bytes = parts.settings.max_body_bytes
        self._clocks, self._journal, self._watch = parts.clocks, parts.journal, parts.watch
        self._turns = parts.watch.meters.turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI defines it."""
        try:
            if self._turns.hopeless:  # before anything is read: refusing must cost little
                raise self._turns.refusal()
            headers = dict(scope["headers"])
            body = await json_body(headers, receive, self._max_body_bytes)
            key = key_of(headers, body)
            await self._turns.take()
            reply = await self.decided(body, key)
        except ClientDisconnect:
            return
        except Refused as refused:
            seen().problem = refused.kind
            for message in _REFUSED:
                await send(message)
            return
        except Exception as error:
            problem = await _render(Request(scope), error)
            await problem(scope, receive, send)
            return
        about = [(b"content-length", b"%d" % len(reply)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 201, "headers": about})
        await send({"type": "http.response.body", "body": reply})

    async def decided(
        self,
        body: bytes,
        key: Key | None,
        gathering: Gathering | None = None,
        received: int | None = None,
    ) -> bytes:
        """Decide on a body and record it; the reply, once the record is durable.

        With how its credit file was gathered, and when the application was received, if it was.
        Under a key that was used before, the reply of then.
        """
        received = received or time.perf_counter_ns()
        asked = parse(body, today())
        begun = time.perf_counter_ns()
        decision = decide(
            asked,
            self._swaps.now.engine,
            decision_id=f"{time.time_ns():016x}{secrets.token_hex(8)}",  # in order of time
            decided_at=datetime.now(UTC),
            tick=time.perf_counter_ns,
        )
        decided = time.perf_counter_ns()
        if gathering is not None:
            decision = replace(decision, gathering=gathering)
        stored = _encode(decision)
        waiting = self._watch.meters.waiting
        waiting[decision.decision_id] = appended = time.perf_counter_ns()
        try:
            receipt = await self._ledger.append(decision.decision_id, body, stored, key)
        except KeyTaken as taken:
            return with_record(same_request(taken.record, key).decision, taken.record)
        finally:
            del waiting[decision.decision_id]
        self._clocks.add(time.perf_counter_ns() - received, decided - begun)
        registry = asked.credit_file.registry
        name = registry.name if registry else ""
        self._journal.note(receipt.seq, decision, name, receipt.writer)
        self._watch.decided(decision, received, begun, appended)
        return with_record(stored, receipt)


_RETRY = {"Retry-After": "1"}
_REFUSED = Refused().messages()


def with_record(stored: bytes, receipt: Receipt | Record) -> bytes:
    """A stored decision with its place in the ledger added; the stored bytes stay as they are."""
    place = {
        "writer": receipt.writer, "seq": receipt.seq, "hash": receipt.hash,
        "prev_hash": receipt.prev_hash,
    }  # fmt: skip
    return stored[:-1] + b',"record":' + _encode(place) + b"}"


def _schedule(record: Record, code: str) -> bytes:
    """The instalments of one of a decision's offers, as if paid out on the day it was decided."""
    decision = _decode(record.decision)
    offers = [*decision.syndicate, *decision.offers]  # what is taken together goes first
    offer = next((one for one in offers if one.product == code), None)
    if offer is None:
        known = ", ".join(dict.fromkeys(one.product for one in offers)) or "none"
        said = f"The decision offers no product {code[:16]!r}; it offers {known}."
        raise Problem("offer-not-found", 404, said)
    start = local(decision.decided_at).date()
    return _encode(plan(offer, start))


def _notice(record: Record, lang: Any, form: str) -> Response:
    """The applicant's notice of a decision, as JSON or as a page."""
    try:
        told = notice.notice(record, lang)
    except notice.NoticeError as error:
        log.error("notice: %s", error)
        said = "The recorded decision cannot be told as a notice by this version."
        raise Problem("notice-unavailable", 500, said) from None
    if form == "json":
        return Response(_encode(told), headers=_PRIVATE, media_type="application/json")
    return Response(notice.html(told), headers=_PRIVATE | _PAGE_ALONE, media_type="text/html")


_PRIVATE = {"Vary": "Accept", "Cache-Control": "private, no-store"}
_PAGE_ALONE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def _choice(request: Request, name: str, choices: Sequence[str]) -> str | None:
    """A query parameter that is one of a few words; None when it is not given."""
    value = request.query_params.get(name)
    if value is None or value in choices:
        return value
    raise Fault(name, value[:80], f"one of {', '.join(choices)}")


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def _wanted_yuan(request: Request) -> float | None:
    """The amount the applicant wants, from ?amount_yuan=; None when left out."""
    given = request.query_params.get("amount_yuan")
    if given is None:
        return None
    try:
        wanted_yuan = float(given)
    except ValueError:
        wanted_yuan = -1.0
    if not 1_000 <= wanted_yuan <= 1_000_000_000:
        raise Fault("amount_yuan", given[:80], "yuan between 1000 and 1000000000")
    return wanted_yuan


def _allowed(request: Request) -> str:
    """The methods of all routes of a path, for Starlette names those of the first alone."""
    routes: list[Any] = request.app.router.routes
    known = [one.methods for one in routes if one.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted(set().union(*known)))


async def _render(request: Request, error: Exception) -> Response:
    """Any exception as a problem document; an unforeseen one tells nothing of its inside."""
    if isinstance(error, Problem):
        problem = error
    elif isinstance(error, Fault):
        problem = invalid(error)
    elif isinstance(error, HTTPException):
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        headers: Any = error.headers
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": _allowed(request)}
        problem = Problem(kind, error.status_code, str(error.detail), headers=headers)
    elif isinstance(error, LedgerBusy):
        problem = Problem("busy", 503, "Too many decisions are waiting.", headers=_RETRY)
    elif isinstance(error, LedgerError):
        log.error("ledger: %s", error)
        problem = Problem(
            "ledger-unavailable",
            503,
            "The ledger does not answer; no decision was recorded by this request. Try again.",
            headers=_RETRY,
        )
    else:
        log.error("unforeseen %s", type(error).__name__, exc_info=error)
        problem = Problem(
            "internal", 500, "An unforeseen error; no decision was recorded by this request."
        )
    seen().problem = problem.kind
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)
