"""A server in a process of its own: started, awaited until ready, stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx


class ServerDied(RuntimeError):
    """The server did not become ready; says what it printed."""


@dataclass(frozen=True)
class Server:
    """A running server: where, which process, and how long it took to become ready."""

    url: str
    process: subprocess.Popen[bytes]
    ready_s: float


def free_port(wanted: int = 0) -> int:
    """The wanted port when nobody listens on it, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


@contextmanager
def running(
    command: Callable[[int], Sequence[str]], port: int = 0, *, within_s: float = 30.0
) -> Iterator[Server]:
    """Start `command(port)`, wait for GET /readyz to answer 200, stop it when done.

    Raises ServerDied when it exits, or is not ready in time.
    """
    port = free_port(port)
    begun = time.monotonic()
    process = subprocess.Popen(list(command(port)), stdout=subprocess.DEVNULL, env=os.environ)
    try:
        url = f"http://127.0.0.1:{port}"
        _await_ready(process, url, begun + within_s)
        yield Server(url, process, time.monotonic() - begun)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(process: subprocess.Popen[bytes], url: str, until: float) -> None:
    last = "nothing listened"
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        while time.monotonic() < until:
            if process.poll() is not None:
                raise ServerDied(f"the server at {url} exited with code {process.returncode}")
            try:
                reply = client.get(f"{url}/readyz")
                if reply.status_code == 200:
                    return
                last = f"/readyz answered {reply.status_code}"
            except httpx.TransportError as error:
                last = str(error)
            time.sleep(0.02)
    raise ServerDied(f"the server at {url} was not ready in time: {last}")
