"""In front of everything: each request is numbered, counted, logged and traced here.

Every answer leaves with headers that let a browser do no more with it than it must. A server whose
door is open answers only under a name of this machine: otherwise any page in a browser on it could
have its own name resolve to this machine, and read every decision.
"""

import logging
import secrets
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from itertools import count
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Meters
from service.problem import Problem
from service.seen import Seen, current

if TYPE_CHECKING:
    from service.decide import Decision
    from service.tracing import Traces

log = logging.getLogger("yidaitong.requests")
QUIET = ("/healthz", "/readyz", "/metrics")
"""Asked again and again by machines: logged at DEBUG only."""
_PROCESS, _number = secrets.token_hex(4), count(1)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_NOBODYS = "none"
"""The route of a request that no route fits, or that was turned away at the door."""
HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
"""Of every answer that does not say otherwise itself."""
_HSTS = {b"strict-transport-security": b"max-age=31536000"}


class Watch:
    """What a server sees of itself: meters, and traces where they are wanted."""

    def __init__(self, meters: Meters | None = None, traces: "Traces | None" = None) -> None:
        self.meters, self.traces = meters or Meters(), traces
        self.routes: dict[object, str] = {}

    def knows(self, routes: Sequence[Any]) -> None:
        """The routes of the application: each is named in metrics and logs by its pattern."""
        self.routes |= {route.endpoint: route.path for route in routes}

    def around(self, app: ASGIApp, *, here_only: bool = False, tls: bool = False) -> ASGIApp:
        """An application as it is watched; `here_only` under names of this machine alone."""
        return _Watched(app, self, here_only, HEADERS | (_HSTS if tls else {}))

    def close(self) -> None:
        """Send what is left of the traces."""
        if self.traces is not None:
            self.traces.close()

    def decided(
        self, decision: "Decision", received_ns: int, begun_ns: int, appended_ns: int
    ) -> None:
        """A decision was recorded: received, begun and given to the ledger by perf_counter_ns."""
        self.meters.decided(decision, received_ns, appended_ns)
        about = current.get(None)
        if about is not None:
            about.decision_id = decision.decision_id
            if self.traces is not None and about.span is not None:
                self.traces.decided(about.span, decision, received_ns, begun_ns, appended_ns)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: the meters, as Prometheus reads them."""
        self.meters.count()
        standing, accepts = self.meters.standing(), request.headers.get("accept", "")
        body, kind = await run_in_threadpool(self.meters.page, standing, accepts)
        return Response(body, headers={"content-type": kind})


class _Watched:
    def __init__(
        self, app: ASGIApp, watch: Watch, here_only: bool, headers: dict[bytes, bytes]
    ) -> None:
        self._app, self._meters, self._traces = app, watch.meters, watch.traces
        self._close = watch.close
        self._routes = watch.routes
        self._here_only, self._headers = here_only, [*headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                self._close()
            return
        begun, status = perf_counter_ns(), 0
        about = Seen(f"{_PROCESS}{next(_number):08x}")
        token = current.set(about)
        if self._traces is not None:
            about.span = self._traces.begun(scope)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = self._completed(message.get("headers", ()), about.request_id)
                message = {**message, "headers": headers}  # what was sent may be sent again
            await send(message)

        self._meters.in_flight += 1
        try:
            if self._here_only and not _named_here(scope):
                await _misdirected(about, answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            self._meters.in_flight -= 1
            current.reset(token)
            self._answered(scope, status, perf_counter_ns() - begun, about)

    def _completed(self, given: Any, request_id: str) -> list[tuple[bytes, bytes]]:
        headers = [*given, (b"x-request-id", request_id.encode())]
        names = {name for name, _ in headers}
        headers += [header for header in self._headers if header[0] not in names]
        return headers

    def _answered(self, scope: Scope, status: int, taken_ns: int, about: Seen) -> None:
        """Count and tell what came of a request; status 0: nobody waited for the answer."""
        route = self._routes.get(scope.get("endpoint"), _NOBODYS)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._meters.answered(route, method, status, taken_ns, about.problem)
        if self._traces is not None and about.span is not None:
            self._traces.answered(about.span, method, route, status)
        level = logging.DEBUG if route in QUIET else logging.INFO
        if log.isEnabledFor(level):
            told = {
                "request_id": about.request_id, "method": method, "route": route,
                "status": status, "ms": round(taken_ns / 1e6, 3), "key_id": about.caller,
                "decision_id": about.decision_id, "problem": about.problem,
            }  # fmt: skip
            log.log(level, "request answered", extra=told)


def _named_here(scope: Scope) -> bool:
    """Whether a request is meant for a name or address that only this machine has."""
    for name, value in scope["headers"]:
        if name == b"host":
            return _is_here(value)
    return False


@lru_cache(256)
def _is_here(host: bytes) -> bool:
    name = host.decode("latin-1").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


async def _misdirected(about: Seen, send: Send) -> None:
    said = (
        "Host: expected localhost or an address of this machine, for the door is open; with keys "
        "(`yidaitong keys add`) the server answers under any name."
    )
    problem = Problem("misdirected", 421, said)
    about.problem = problem.kind
    for part in problem.messages():
        await send(part)
