"""Load on a server, and how long it kept people waiting, measured from a process of its own.

Open loop: requests are due at a constant rate and latency counts from the moment each was due, so
a server that stalls is charged for everyone it kept waiting (no coordinated omission). Closed loop:
each connection asks again once answered; it measures throughput and hides stalls.

Not httpx: at about 600 us a request the generator would be the bottleneck. Here asyncio transports
(uvloop when installed) and the httptools parser cost about 10 us. POSIX, plain http only.
"""

import asyncio
import ipaddress
import signal
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter_ns
from typing import Literal, cast
from urllib.parse import urlsplit

import httptools
from hdrh.histogram import HdrHistogram
from msgspec import Struct, json

MAX_SECONDS, MAX_CONNECTIONS, MAX_REQUESTS = 600.0, 1024, 2_000_000
HOUR_NS, RETRY_S = 3_600_000_000_000, 0.05
LEAD_S = 300e-6  # the alarm rings this early and the loop spins the rest: wake-ups are late


class LoadError(Exception):
    """The load could not be put on the server; says why."""


class Latency(Struct, frozen=True):
    """How long calls took, in microseconds; percentiles to 3 significant digits."""

    count: int
    mean_us: float
    p50_us: float
    p90_us: float
    p99_us: float
    p99_9_us: float
    max_us: float


class LoadResult(Struct, frozen=True, tag=True):
    """What one load run saw.

    `latency` holds every 2xx reply and, for requests never answered, the time waited until we gave
    up (a lower bound); it is null when there were none. `achieved_per_s` counts 2xx replies until
    the last one; `refused` is how long other replies took. `lag` is how late the generator itself
    sent: its own error, within the latency.
    """

    loop: Literal["open", "closed"]
    seconds: float
    connections: int
    offered_per_s: float
    achieved_per_s: float
    requests: int
    non_2xx: int
    transport_errors: int
    unanswered: int
    errors: int
    latency: Latency | None
    lag: Latency | None
    refused: Latency | None = None

    @property
    def per_s(self) -> float:
        """The throughput, under the name it shares with timings in process."""
        return self.achieved_per_s


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """What to send where; closed loop when there is no rate. Bounded in time and in number."""

    url: str
    bodies: list[bytes]
    rate_per_s: float | None
    seconds: float
    connections: int
    grace_s: float
    allow_remote: bool = False


def open_loop(
    url: str, bodies: Sequence[bytes], rate_per_s: float, seconds: float,
    connections: int = 64, *, grace_s: float = 5.0, allow_remote: bool = False,
) -> LoadResult:  # fmt: skip
    """Post the bodies in turn at a constant rate, whether or not earlier replies have come.

    One request in flight per connection; when all are busy requests queue and the queueing counts
    as latency. After `seconds` nothing new is due and replies are awaited `grace_s` longer. Raises
    ValueError for a plan out of bounds or a host that is not this machine, LoadError when it fails.
    """
    return _apart(Plan(url, list(bodies), rate_per_s, seconds, connections, grace_s, allow_remote))


def closed_loop(
    url: str, bodies: Sequence[bytes], concurrency: int, seconds: float,
    *, grace_s: float = 5.0, allow_remote: bool = False,
) -> LoadResult:  # fmt: skip
    """Keep `concurrency` connections busy for `seconds`, each posting again when answered."""
    return _apart(Plan(url, list(bodies), None, seconds, concurrency, grace_s, allow_remote))


def summarise(latencies_ns: Sequence[int]) -> Latency | None:
    """Percentiles by hdrhistogram of latencies in nanoseconds; null when there are none."""
    if not latencies_ns:
        return None
    histogram = HdrHistogram(1, HOUR_NS, 3)
    for value in latencies_ns:
        histogram.record_value(min(value, HOUR_NS))
    at = [histogram.get_value_at_percentile(p) / 1e3 for p in (50, 90, 99, 99.9)]
    mean_us = histogram.get_mean_value() / 1e3
    return Latency(len(latencies_ns), mean_us, at[0], at[1], at[2], at[3], max(latencies_ns) / 1e3)


def check(plan: Plan) -> None:
    """Refuse a plan that is out of bounds or aims at another machine than this one."""
    parts = urlsplit(plan.url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"url: got {plan.url!r}, expected http://HOST:PORT/PATH")
    host, rate_per_s = parts.hostname, plan.rate_per_s
    if not plan.allow_remote and not _is_loopback(host):
        raise ValueError(
            f"url: got host {host!r}, expected this machine (localhost, 127.0.0.1 or ::1); "
            "pass allow_remote=True only for a server you may put under load"
        )
    if not plan.bodies:
        raise ValueError("bodies: got none, expected at least one")
    if not 0 < plan.seconds <= MAX_SECONDS:
        raise ValueError(f"seconds: got {plan.seconds}, expected above 0, at most {MAX_SECONDS}")
    if not 0 <= plan.grace_s <= MAX_SECONDS:
        raise ValueError(f"grace_s: got {plan.grace_s}, expected 0 to {MAX_SECONDS}")
    if not 1 <= plan.connections <= MAX_CONNECTIONS:
        raise ValueError(f"connections: got {plan.connections}, expected 1 to {MAX_CONNECTIONS}")
    if rate_per_s is not None and not 1 <= rate_per_s * plan.seconds <= MAX_REQUESTS:
        raise ValueError(
            f"rate_per_s: got {rate_per_s} for {plan.seconds} s, "
            f"expected 1 to {MAX_REQUESTS:,} requests in all"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _apart(plan: Plan) -> LoadResult:
    """Run the plan in a fresh interpreter, so that it shares no lock with anyone."""
    check(plan)
    command, limit_s = [sys.executable, "-m", "service.load"], plan.seconds + plan.grace_s + 60
    try:
        done = subprocess.run(
            command, input=json.encode(plan), capture_output=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"load on {plan.url} did not end within {limit_s:.0f} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise LoadError(f"load on {plan.url} failed: {said[-1]}")
    return json.decode(done.stdout, type=LoadResult)


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight, due at `due_ns`."""

    def __init__(self, run: "_Run") -> None:
        self.run, self.due_ns = run, 0
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.run.live.add(self)
        self.run.idle(self)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_message_complete(self) -> None:
        due_ns, self.due_ns = self.due_ns, 0
        self.run.answered(due_ns, self.parser.get_status_code())
        if self.parser.should_keep_alive():
            self.run.idle(self)
        else:
            self.transport.close()
        self.run.settle()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.lost(self)


class _Run:
    """One run: what is due, who is free, what waits; then what was seen."""

    def __init__(self, plan: Plan) -> None:
        parts = urlsplit(plan.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.host, self.port = str(parts.hostname), parts.port or 80
        self.plan = plan
        self.requests = [
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
            for body in plan.bodies
        ]
        self.open = plan.rate_per_s is not None
        self.step_ns = 1e9 / plan.rate_per_s if plan.rate_per_s else 0.0
        self.total = int(plan.rate_per_s * plan.seconds) if plan.rate_per_s else MAX_REQUESTS
        self.start_ns = self.end_ns = self.last_ns = 0
        self.due = self.posted = self.finished = self.non_2xx = self.transport_errors = 0
        self.live: set[_Connection] = set()
        self.free: dict[_Connection, None] = {}  # last in, first out
        self.backlog: deque[int] = deque()  # when each queued request was due
        self.latencies_ns, self.lags_ns, self.refused_ns = array("q"), array("q"), array("q")
        self.reconnecting: set[asyncio.Task[None]] = set()
        self.loop, self.done = asyncio.get_running_loop(), asyncio.Event()

    async def go(self) -> LoadResult:
        async with asyncio.timeout(10):
            await asyncio.gather(*(self.connect() for _ in range(self.plan.connections)))
        self.start_ns = perf_counter_ns()
        self.end_ns = self.start_ns + int(self.plan.seconds * 1e9)
        if self.open:
            self.loop.add_signal_handler(signal.SIGALRM, self.ring)
            self.ring()
        else:
            # the loop's own clock runs in whole milliseconds: never before end_ns
            self.loop.call_later(self.plan.seconds + 0.01, self.settle)
            for connection in list(self.free):
                del self.free[connection]
                self.idle(connection)
        try:
            async with asyncio.timeout(self.plan.seconds + self.plan.grace_s):
                await self.done.wait()
        except TimeoutError:
            self.done.set()
        return self.result()

    async def connect(self) -> None:
        await self.loop.create_connection(lambda: _Connection(self), self.host, self.port)

    async def reconnect(self) -> None:
        while not self.done.is_set():
            try:
                return await self.connect()
            except OSError:
                await asyncio.sleep(RETRY_S)

    def ring(self) -> None:
        """Post all that is due by now and set the alarm for the next (libuv's timers: 1 ms)."""
        now_ns = perf_counter_ns()
        while self.due < self.total:
            due_ns = self.start_ns + int(self.due * self.step_ns)
            if due_ns > now_ns:
                left_s = (due_ns - now_ns) / 1e9 - LEAD_S
                if left_s > 0:
                    signal.setitimer(signal.ITIMER_REAL, max(left_s, 2e-6))
                else:
                    self.loop.call_soon(self.ring)
                return
            self.due += 1
            self.lags_ns.append(now_ns - due_ns)
            self.backlog.append(due_ns)
            if self.free:
                self.idle(self.free.popitem()[0])

    def idle(self, connection: _Connection) -> None:
        """Give a free connection the next request, if there is one."""
        if self.backlog:
            self.post(connection, self.backlog.popleft())
        elif not self.open and self.start_ns and self.due < self.total:
            now_ns = perf_counter_ns()
            if now_ns < self.end_ns:
                self.due += 1
                self.post(connection, now_ns)
        if not connection.due_ns:
            self.free[connection] = None

    def post(self, connection: _Connection, due_ns: int) -> None:
        connection.due_ns = due_ns
        connection.transport.write(self.requests[self.posted % len(self.requests)])
        self.posted += 1

    def answered(self, due_ns: int, status: int) -> None:
        self.finished += 1
        now_ns = perf_counter_ns()
        if 200 <= status < 300:
            self.last_ns = now_ns
            self.latencies_ns.append(now_ns - due_ns)
        else:
            self.non_2xx += 1
            self.refused_ns.append(now_ns - due_ns)

    def lost(self, connection: _Connection) -> None:
        self.live.discard(connection)
        self.free.pop(connection, None)
        if connection.due_ns and not self.done.is_set():
            self.transport_errors += 1
            self.finished += 1
        if not self.done.is_set():
            task = self.loop.create_task(self.reconnect())
            self.reconnecting.add(task)
            task.add_done_callback(self.reconnecting.discard)
        self.settle()

    def settle(self) -> None:
        """Stop when nothing more is due and nobody waits."""
        over = self.due == self.total or (not self.open and perf_counter_ns() >= self.end_ns)
        if over and self.finished == self.due:
            self.done.set()

    def result(self) -> LoadResult:
        now_ns = perf_counter_ns()
        answered, plan = len(self.latencies_ns), self.plan
        waiting = [c.due_ns for c in self.live if c.due_ns] + list(self.backlog)
        self.latencies_ns.extend(now_ns - due_ns for due_ns in waiting)
        full = not self.open and self.due == self.total  # stopped early, at MAX_REQUESTS
        elapsed_s = max(0.0 if full else plan.seconds, (self.last_ns - self.start_ns) / 1e9)
        return LoadResult(
            loop="open" if self.open else "closed",
            seconds=plan.seconds,
            connections=plan.connections,
            offered_per_s=plan.rate_per_s or self.due / plan.seconds,
            achieved_per_s=answered / elapsed_s,
            requests=self.due,
            non_2xx=self.non_2xx,
            transport_errors=self.transport_errors,
            unanswered=len(waiting),
            errors=self.non_2xx + self.transport_errors + len(waiting),
            latency=summarise(self.latencies_ns),
            lag=summarise(self.lags_ns),
            refused=summarise(self.refused_ns),
        )


def main() -> None:
    """Read a plan as JSON, run it, write the result as JSON: the other half of `_apart`."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):
        from uvloop import new_event_loop as factory
    plan = json.decode(sys.stdin.buffer.read(), type=Plan)
    check(plan)

    async def run() -> LoadResult:
        return await _Run(plan).go()

    with asyncio.Runner(loop_factory=factory) as runner:
        sys.stdout.buffer.write(json.encode(runner.run(run())))


if __name__ == "__main__":
    main()
