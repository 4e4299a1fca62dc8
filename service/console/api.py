"""What the console reads and posts beside /v1/decisions: JSON, for anyone else too."""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model.credit_file import SOURCES, Fault
from service.application import parse
from service.archive import Archive
from service.audit import audit, in_one
from service.benchmark import Benchmark
from service.body import answer, json_body
from service.chain import Record
from service.clocks import Clocks
from service.console.session import Sessions
from service.day import today
from service.decide import Decision, Engine, decide
from service.desk import Desk
from service.health import Health
from service.idempotency import not_erased
from service.journal import Journal
from service.ledger import Ledger
from service.policy import VERDICTS
from service.problem import Problem
from service.replay import replay, versions_of
from service.settings import Settings
from service.showcase import Showcase
from service.versions import Swaps
from service.watch import Watch

if TYPE_CHECKING:
    from service.sources import Gateway

Handler = Callable[[Request], Awaitable[Response]]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Decision).decode


class Parts(Struct, frozen=True, kw_only=True):
    """What the console is made of, made once at start."""

    settings: Settings
    swaps: Swaps
    ledger: Ledger
    archive: Archive
    journal: Journal
    desk: Desk
    clocks: Clocks
    sessions: Sessions
    benchmark: Benchmark
    showcase: Showcase | None
    watch: Watch
    health: Health
    gateway: "Gateway | None" = None

    @property
    def engine(self) -> Engine:
        """What decides now; whoever needs it more than once asks once."""
        return self.swaps.now.engine


async def found(ledger: Ledger, request: Request) -> Record:
    """The record a route's path names; raises Problem when there is none, or it was erased."""
    decision_id = str(request.path_params["decision_id"])
    record = await run_in_threadpool(ledger.get, decision_id)
    if record is None:
        raise Problem(
            "decision-not-found",
            404,
            f"No decision {decision_id[:64]!r} is in the ledger; expected the decision_id of "
            "an earlier reply.",
        )
    return not_erased(record)


def routes(parts: Parts) -> list[Route]:
    """Every route of the API beside decisions."""
    groups = (_decisions(parts), _showcase(parts), _running(parts))
    return [
        Route(path, handler, methods=[method])
        for group in groups
        for method, path, handler in group
    ]


_Routes = Sequence[tuple[str, str, Handler]]


def _decisions(parts: Parts) -> _Routes:
    """Finding, trying and checking decisions."""

    async def find(request: Request) -> Response:
        verdict = request.query_params.get("verdict") or None
        if verdict is not None and verdict not in VERDICTS:
            raise Fault("verdict", verdict[:20], f"one of {', '.join(VERDICTS)}")
        asked = request.query_params.get("q", "")[:80]
        return answer(await run_in_threadpool(parts.journal.find, asked, verdict))

    async def asked(request: Request) -> Response:
        return Response((await found(parts.ledger, request)).request, media_type="application/json")

    async def again(request: Request) -> Response:
        return answer(await run_in_threadpool(_replayed, parts, await found(parts.ledger, request)))

    async def preview(request: Request) -> Response:
        most = parts.settings.max_body_bytes
        body = await json_body(dict(request.scope["headers"]), request.receive, most)
        return answer(_previewed(parts, body))

    async def verification(_: Request) -> Response:
        found = await run_in_threadpool(audit, parts.settings.ledger)
        return answer(in_one(found))

    async def totals(_: Request) -> Response:
        return answer(await run_in_threadpool(parts.journal.totals))

    return (
        ("GET", "/v1/decisions", find),
        ("GET", "/v1/decisions/{decision_id}/request", asked),
        ("POST", "/v1/decisions/{decision_id}/replay", again),
        ("POST", "/v1/previews", preview),
        ("GET", "/v1/verification", verification),
        ("GET", "/v1/totals", totals),
    )


def _showcase(parts: Parts) -> _Routes:
    """Stories, firms and the study; 404 for a server without a showcase."""

    def shown() -> Showcase:
        if parts.showcase is None:
            said = "This server has no showcase; `yidaitong demo` makes one and serves it."
            raise Problem("no-showcase", 404, said)
        return parts.showcase

    def posted(request: Request) -> bytes:
        code = str(request.path_params["code"])
        story = shown().stories.get(code)
        found = _encode(story.request) if story else shown().request(code)
        if found is None:
            raise Problem("not-found", 404, f"No story and no firm of the world is {code[:40]!r}.")
        return found

    async def stories(_: Request) -> Response:
        return answer(
            [
                {
                    "code": one.code, "title_zh": one.title_zh, "title_en": one.title_en,
                    "shows_zh": one.shows_zh, "shows_en": one.shows_en,
                    "application": one.request.application,
                }
                for one in shown().stories.values()
            ]
        )  # fmt: skip

    async def firms(request: Request) -> Response:
        asked = request.query_params.get("q", "")[:40]
        return answer(await run_in_threadpool(shown().firms, asked))

    async def firm(request: Request) -> Response:
        return Response(await run_in_threadpool(posted, request), media_type="application/json")

    async def section(request: Request) -> Response:
        source = str(request.path_params["source"])
        if source not in SOURCES:
            raise Fault("source", source[:40], f"one of {', '.join(SOURCES)}")
        file = msgspec.json.decode(await run_in_threadpool(posted, request))["credit_file"]
        return answer(file.get(source))

    async def study(_: Request) -> Response:
        return Response(shown().study, media_type="application/json")

    return (
        ("GET", "/v1/stories", stories),
        ("GET", "/v1/firms", firms),
        ("GET", "/v1/firms/{code}", firm),
        ("GET", "/v1/firms/{code}/sources/{source}", section),
        ("GET", "/v1/study", study),
    )


def _running(parts: Parts) -> _Routes:
    """The clocks, the benchmark, and what this server decides with."""

    async def clocks(_: Request) -> Response:
        return answer(await run_in_threadpool(parts.clocks.read))

    async def measured(_: Request) -> Response:
        return answer(parts.benchmark.state())

    async def measure(request: Request) -> Response:
        parts.sessions.checked(request)
        parts.benchmark.start()
        return answer(parts.benchmark.state(), 202)

    async def scorecard(_: Request) -> Response:
        now = parts.swaps.now
        return answer({"scorecard": now.engine.scorer.card, "card": Raw(now.about)})

    async def policy(_: Request) -> Response:
        from service.linter import lint  # takes a while to import, and few ask

        now = parts.swaps.now
        findings = await run_in_threadpool(lint, now.policy, today())
        return answer(
            {
                "version": now.engine.versions.policy,
                "findings": [str(one) for one in findings],
                "rules": list(now.engine.policy.rules.values()),
                "text": now.policy.read_text("utf-8"),
            }
        )

    async def catalogue(_: Request) -> Response:
        kept = parts.engine.catalogue
        return answer(
            {
                "version": kept.version,
                "institutions": list(kept.institutions.values()),
                "products": kept.products,
            }
        )

    return (
        ("GET", "/v1/clocks", clocks),
        ("GET", "/v1/benchmarks", measured),
        ("POST", "/v1/benchmarks", measure),
        ("GET", "/v1/scorecard", scorecard),
        ("GET", "/v1/policy", policy),
        ("GET", "/v1/catalogue", catalogue),
    )


def _replayed(parts: Parts, record: Record) -> object:
    return replay(record, parts.archive.engine(versions_of(record)) or parts.engine)


def _previewed(parts: Parts, body: bytes) -> Decision:
    """A real decision that is not recorded."""
    return decide(
        parse(body, today()),
        parts.engine,
        decision_id=f"preview-{secrets.token_hex(8)}",
        decided_at=datetime.now(UTC),
        tick=time.perf_counter_ns,
    )
