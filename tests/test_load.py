"""The load generator: what it counts, what it charges, where it refuses to go."""

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from service.load import LoadError, LoadResult, closed_loop, open_loop, summarise
from service.process import running

SERVER = """
import asyncio, sys, time
import uvicorn

seen = {}

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    path = scope["path"]
    seen[path] = seen.get(path, 0) + 1
    if path.startswith("/stall") and seen[path] == 100:
        time.sleep(0.3)
    if path == "/slow":
        await asyncio.sleep(0.05)
    if path == "/never":
        await asyncio.sleep(30)
    status = 500 if path == "/fails" and seen[path] % 2 else 200
    body = str(seen.get(scope["query_string"].decode(), 0)).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    if path == "/closes":
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", log_level="critical",
            timeout_graceful_shutdown=1)
"""
BODIES = [b'{"amount_yuan": 1}', b'{"amount_yuan": 22}']


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = tmp_path_factory.mktemp("server") / "server.py"
    script.write_text(SERVER)
    with running(lambda port: [sys.executable, str(script), str(port)]) as server:
        yield server.url


@pytest.fixture
def hangs_up() -> Iterator[str]:
    """A server that reads a request and hangs up without a reply."""

    class HangUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, request_queue_size = True, 64

    with Server(("127.0.0.1", 0), HangUp) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join(10)


def served(url: str, path: str) -> int:
    """How many requests the server itself counted on a path."""
    return int(httpx.get(f"{url}/count?{path}", trust_env=False).text)


def test_the_closed_loop_counts_what_the_server_counted(url: str) -> None:
    seen = closed_loop(f"{url}/fixed", BODIES, 16, 0.5)
    assert seen.errors == 0
    assert seen.requests == served(url, "/fixed") > 100
    assert seen.latency is not None
    assert seen.latency.count == seen.requests
    assert seen.per_s == seen.achieved_per_s == pytest.approx(seen.requests / 0.5, rel=0.5)


def test_the_open_loop_sends_every_request_that_was_due(url: str) -> None:
    seen = open_loop(f"{url}/open", BODIES, 400, 0.5, 8)
    assert seen.requests == served(url, "/open") == 200
    assert seen.errors == 0
    assert seen.lag is not None
    assert seen.lag.count == 200


def test_requests_leave_on_time_though_earlier_replies_have_not_come(url: str) -> None:
    # 50 ms a reply: two connections asking in turn would manage 40 a second
    seen = open_loop(f"{url}/slow", BODIES, 200, 0.5, 64)
    assert seen.errors == 0
    assert seen.achieved_per_s > 120


def test_waiting_for_a_free_connection_counts_as_latency(url: str) -> None:
    crowded = open_loop(f"{url}/slow", BODIES, 100, 0.3, 1)
    roomy = open_loop(f"{url}/slow", BODIES, 100, 0.3, 64)
    assert crowded.latency is not None
    assert roomy.latency is not None
    assert crowded.requests == roomy.requests == 30
    assert crowded.latency.p50_us > 3 * roomy.latency.p50_us


def test_the_open_loop_sees_a_stall_that_the_closed_loop_hides(url: str) -> None:
    opened = open_loop(f"{url}/stall/open", BODIES, 500, 1.0, 16)
    closed = closed_loop(f"{url}/stall/closed", BODIES, 1, 1.0)
    assert opened.latency is not None
    assert closed.latency is not None
    assert opened.latency.max_us > 250_000
    assert closed.latency.max_us > 250_000, "both met the stall"
    assert opened.latency.p99_us > 150_000
    assert closed.latency.p99_us < opened.latency.p99_us / 5


def test_replies_that_are_not_2xx_are_errors_and_not_latency(url: str) -> None:
    seen = closed_loop(f"{url}/fails", BODIES, 1, 0.3)
    assert seen.latency is not None
    assert abs(seen.non_2xx - seen.latency.count) <= 1, "every second reply was a 500"
    assert seen.errors == seen.non_2xx > 10
    assert seen.requests == seen.errors + seen.latency.count


def test_dropped_connections_are_errors_and_the_run_still_ends(hangs_up: str) -> None:
    for seen in (closed_loop(hangs_up, BODIES, 4, 0.3), open_loop(hangs_up, BODIES, 100, 0.3, 4)):
        assert seen.transport_errors > 10
        assert seen.errors == seen.requests == seen.transport_errors + seen.unanswered
        assert seen.achieved_per_s == 0


def test_a_server_that_closes_after_each_reply_is_no_error(url: str) -> None:
    seen = closed_loop(f"{url}/closes", BODIES, 4, 0.3)
    assert seen.errors == 0
    assert seen.requests > 10


def test_a_run_ends_on_time_when_the_server_has_gone_and_nobody_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_once() -> None:
            connection, _ = listening.accept()
            listening.close()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer_once)
        thread.start()
        begun = time.monotonic()
        at = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        seen = closed_loop(at, BODIES, 1, 0.3, grace_s=60)
        thread.join(10)
    assert seen.requests - seen.errors == 1
    assert time.monotonic() - begun < 30, "it did not wait for its grace to run out"


def test_requests_never_answered_are_charged_for_the_time_waited(url: str) -> None:
    seen: LoadResult = open_loop(f"{url}/never", BODIES, 20, 0.5, 2, grace_s=0.3)
    assert seen.unanswered == seen.errors == seen.requests == 10
    assert seen.latency is not None
    assert 700_000 < seen.latency.max_us < 3_000_000, "the first was due 0.8 s before the end"
    assert seen.latency.p50_us > 300_000


def test_percentiles_are_those_of_the_latencies() -> None:
    latency = summarise([1_000 * us for us in range(1, 1001)])
    assert latency is not None
    for seen, expected in ((latency.p50_us, 500), (latency.p90_us, 900), (latency.p99_us, 990)):
        assert seen == pytest.approx(expected, rel=2e-3)
    assert (latency.count, latency.max_us) == (1000, 1000)
    assert latency.mean_us == pytest.approx(500.5, rel=2e-3)
    assert summarise([]) is None


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1", "0.0.0.0", "localhost.example.com"])
def test_other_machines_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match=rf"{host}.*expected this machine.*allow_remote=True"):
        open_loop(f"http://{host}:9/", BODIES, 10, 0.1)


@pytest.mark.parametrize(
    ("url", "rate_per_s", "seconds", "connections", "field"),
    [
        ("https://127.0.0.1:9/", 10, 1, 1, "url"),
        ("127.0.0.1:9", 10, 1, 1, "url"),
        ("http://127.0.0.1:9/", 10, 0, 1, "seconds"),
        ("http://127.0.0.1:9/", 10, 601, 1, "seconds"),
        ("http://127.0.0.1:9/", 10, float("nan"), 1, "seconds"),
        ("http://127.0.0.1:9/", 10, 1, 0, "connections"),
        ("http://127.0.0.1:9/", 10, 1, 5000, "connections"),
        ("http://127.0.0.1:9/", 0, 1, 1, "rate_per_s"),
        ("http://127.0.0.1:9/", 1e9, 1, 1, "rate_per_s"),
    ],
)
def test_plans_out_of_bounds_are_refused_by_name(
    url: str, rate_per_s: float, seconds: float, connections: int, field: str
) -> None:
    with pytest.raises(ValueError, match=f"^{field}: got .*expected"):
        open_loop(url, BODIES, rate_per_s, seconds, connections)


def test_nothing_to_post_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^bodies: got none"):
        closed_loop("http://127.0.0.1:9/", [], 1, 0.1)


def test_nobody_listening_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LoadError, match=f"http://127.0.0.1:{port}/ failed: .*Connect"):
        closed_loop(f"http://127.0.0.1:{port}/", BODIES, 1, 0.1)
