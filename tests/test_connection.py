"""Clients that are slow, endless or strange: each is let go of, and the next is served."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from service import connection, server
from service.settings import Settings


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers how long the body was."""
    if scope["type"] != "http":
        return
    more, size = True, 0
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server configured as ours is, that waits for no more than 0.4 s."""
    monkeypatch.setattr(connection, "REQUEST_S", 0.4)
    served = uvicorn.Server(server.configured(echo, Settings(port=0)))
    thread = threading.Thread(target=served.run)
    thread.start()
    while not served.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield served.servers[0].sockets[0].getsockname()[1]
    served.should_exit = True
    thread.join()


def closed_by_server(talk: socket.socket, drip: bytes = b"", within_s: float = 10.0) -> bytes:
    """What was said until the server closed, while `drip` is sent every now and then."""
    said, until = b"", time.monotonic() + within_s
    talk.settimeout(0.05)
    while time.monotonic() < until:
        try:
            if drip:
                talk.sendall(drip)
            got = talk.recv(65_536)
            if not got:
                return said
            said += got
        except TimeoutError:
            continue
        except OSError:
            return said
    raise AssertionError("the server never closed the connection")


@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        (b"", b""),
        (b"POST / HTTP/1.1\r\nhost: x\r\n", b""),
        (b"POST / HTTP/1.1\r\nhost: x\r\n", b"x: y\r\n"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n", b"b"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nb\r\n"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n", b"x: y\r\n"),
    ],
    ids=["silent", "half a head", "endless head", "slow body", "slow chunks", "slow trailers",
         "slow second request"],
)  # fmt: skip
def test_who_never_finishes_is_let_go(port: int, begun: bytes, drip: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.sendall(begun)
        closed_by_server(talk, drip)
    assert httpx.post(f"http://127.0.0.1:{port}/", content=b"abc", trust_env=False).text == "3"


def test_a_head_without_end_is_refused_before_it_fills_the_memory(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_S", 60.0)
    for first in (b"GET /" + b"a" * 50_000, b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nx: "):
        with socket.create_connection(("127.0.0.1", port)) as talk:
            talk.sendall(first)
            line = b"y: " + b"z" * 10_000 + b"\r\n" if first.endswith(b"\n") else b"z" * 10_000
            said = closed_by_server(talk, line)
        assert said.startswith(b"HTTP/1.1 400") or said == b""  # b"": reset while still sending


def test_who_is_in_time_keeps_the_connection(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for size in (0, 10, 300_000):
            assert client.post("/", content=b"x" * size).text == f"{size}"
            time.sleep(0.5)  # longer than a request may take: between two, others count
        reply = client.get("/", headers={"x": "y" * 30_000})
    assert reply.text == "0"
    assert "server" not in reply.headers


def test_no_websocket_is_opened(port: int) -> None:
    asks = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    asks += b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.sendall(asks)
        assert not talk.recv(1_000).startswith(b"HTTP/1.1 101")
