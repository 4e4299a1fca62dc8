"""Break things under load and count what was lost; also by hand, with larger numbers:

uv run python -m tests.faults server 200     # SIGKILL of the server, SQLite
uv run python -m tests.faults servers 200    # SIGKILL of one of two servers, PostgreSQL
uv run python -m tests.faults database 20    # SIGKILL of PostgreSQL
uv run python -m tests.faults tmpfs          # a disk that really is full (needs root)
uv run python -m tests.faults swaps 100      # scorecard, policy, catalogue swapped under load
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx

from service.app import with_record
from service.ledger import open_ledger, verify
from service.process import free_port, running
from tests.databases import Database

CLIENTS, READY_S = 4, 120.0
HEADERS = {"content-type": "application/json"}
Command = Callable[[int], Sequence[str]]


class Lost(AssertionError):
    """Something acknowledged is not there, is there twice, or a chain is broken."""


@dataclass
class Clients:
    """Applicants that post under a key and ask again, under the same key, until they are told."""

    urls: Sequence[str]
    body: bytes
    told: dict[str, bytes] = field(default_factory=dict)
    refused: list[httpx.Response] = field(default_factory=list)
    retried: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @contextmanager
    def posting(self) -> Iterator["Clients"]:
        """Post until the block is left."""
        self._threads = [threading.Thread(target=self._post, args=(i,)) for i in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self.finish()

    def finish(self) -> None:
        """Begin nothing new; ask until what was begun is told, for half a minute at most."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until that many more were told."""
        target = len(self.told) + count
        _await(lambda: len(self.told) >= target, f"{count} more told")

    def refusals(self, count: int) -> None:
        """Wait until that many more were refused."""
        target = len(self.refused) + count
        _await(lambda: len(self.refused) >= target, f"{count} more refused")

    def _post(self, number: int) -> None:
        with httpx.Client(trust_env=False, timeout=10.0) as client:
            while not self._stopped.is_set():
                key, attempt, until = uuid4().hex, 0, time.monotonic() + 30.0
                while key not in self.told and time.monotonic() < until:
                    url = self.urls[(number + attempt) % len(self.urls)]
                    self._ask(client, url, key)
                    attempt += 1
                self.retried += attempt - 1

    def _ask(self, client: httpx.Client, url: str, key: str) -> None:
        headers = HEADERS | {"idempotency-key": key}
        try:
            reply = client.post(f"{url}/v1/decisions", content=self.body, headers=headers)
        except httpx.TransportError:
            time.sleep(0.01)
            return
        if reply.status_code == 201:
            self.told[key] = reply.content
        else:
            self.refused.append(reply)
            time.sleep(0.01)

    def check(self, ledger: str) -> str:
        """Raise Lost unless all that was told is recorded once, as it was told."""
        found = verify(ledger)
        if not found.ok:
            raise Lost(f"writer {found.broken_writer}, record {found.broken_seq}: {found.what}")
        with open_ledger(ledger, read_only=True) as opened:
            records = list(opened.records())
        by_key = {record.key: with_record(record.decision, record) for record in records}
        if len(by_key) != len(records):
            raise Lost(f"{len(records) - len(by_key)} keys were recorded twice")
        missing = [key for key, reply in self.told.items() if by_key.get(key) != reply]
        if missing:
            raise Lost(f"{len(missing)} of {len(self.told)} acknowledged decisions are not there")
        wrong = [reply for reply in self.refused if not said_why(reply)]
        if wrong:
            raise Lost(f"refused with {wrong[0].status_code} {wrong[0].text}")
        return (
            f"{len(self.told)} acknowledged, {len(records)} recorded in {len(found.heads)} chains, "
            f"{self.retried} retries, {len(self.refused)} refused with 503; 0 lost, 0 twice"
        )


def _await(what: Callable[[], bool], named: str, within_s: float = 60.0) -> None:
    until = time.monotonic() + within_s
    while not what():
        if time.monotonic() > until:
            raise Lost(f"expected {named} within {within_s:.0f} s")
        time.sleep(0.002)


def said_why(reply: httpx.Response) -> bool:
    """Whether a refusal is a 503 problem document that says when to come again."""
    return (
        reply.status_code == 503
        and reply.headers.get("retry-after") == "1"
        and reply.headers["content-type"] == "application/problem+json"
        and reply.json()["type"].startswith("urn:yidaitong:problem:")
        and "Traceback" not in reply.text
    )


def kill_servers(command: Command, ledger: str, body: bytes, kills: int, servers: int = 1) -> str:
    """SIGKILL a server under load, again and again; what was told must be there, once."""
    ports = [free_port() for _ in range(servers)]
    clients = Clients([f"http://127.0.0.1:{port}" for port in ports], body)
    with clients.posting(), _others(command, ports[1:]):
        for life in range(kills):
            with running(command, ports[0], within_s=READY_S) as server:
                clients.more(10 + life % 10)
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()
        with running(command, ports[0], within_s=READY_S):
            clients.more(10)
            clients.finish()
    return clients.check(ledger)


@contextmanager
def _others(command: Command, ports: Sequence[int]) -> Iterator[None]:
    if not ports:
        yield
        return
    with running(command, ports[0], within_s=READY_S), _others(command, ports[1:]):
        yield


def kill_database(
    command: Command, database: Database, ledger: str, body: bytes, kills: int
) -> str:
    """SIGKILL PostgreSQL under a server that goes on; it must recover without a restart."""
    with running(command) as server:
        clients = Clients([server.url], body)
        with clients.posting():
            for _ in range(kills):
                clients.more(20)
                database.kill()
                clients.refusals(1)
                database.start()
                clients.more(1)
        if httpx.get(f"{server.url}/readyz", trust_env=False).status_code != 200:
            raise Lost("the server is not ready again")
    return clients.check(ledger)


def break_and_mend(
    url: str, ledger: str, body: bytes, break_: Callable[[], None], mend: Callable[[], None]
) -> str:
    """Break the disk under a server: clear 503s; mend it: the same server goes on."""
    clients = Clients([url], body)
    with clients.posting():
        clients.more(20)
        break_()
        clients.refusals(2 * CLIENTS)
        told = len(clients.told)
        ready = httpx.get(f"{url}/readyz", trust_env=False)
        read = httpx.get(f"{url}/v1/decisions/none", trust_env=False)
        if (ready.status_code, read.status_code, len(clients.told)) != (503, 404, told):
            raise Lost(f"broken: /readyz {ready.status_code}, reading {read.status_code}")
        mend()
        clients.more(20)
    if httpx.get(f"{url}/readyz", trust_env=False).status_code != 200:
        raise Lost("the server is not ready again")
    return clients.check(ledger)


def tmpfs(command: Callable[[str], Command], body: bytes) -> str:
    """A file system of a few megabytes, filled to the last byte under a running server."""
    with TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
        subprocess.run(mount, check=True)
        ledger, filler = f"sqlite:///{folder}/ledger.db", Path(folder) / "filler"

        def fill() -> None:
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    return

        try:
            with running(command(ledger)) as server:
                return break_and_mend(server.url, ledger, body, fill, filler.unlink)
        finally:
            subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    from msgspec import json

    from service.settings import Settings
    from synthetic_data.stories import STORIES, application
    from tests.conftest import serve_command

    what, artifact = sys.argv[1], Settings().artifact
    count, body = (
        int(sys.argv[2]) if len(sys.argv) > 2 else 20,
        json.encode(application("young-shop")),
    )
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        if what == "tmpfs":
            told = tmpfs(lambda url: serve_command(artifact, url), body)
        elif what == "swaps":
            from tests.swapping import swap_under_load

            url, releases = f"sqlite:///{folder}/ledger.db", Path(folder) / "releases"
            bodies = [json.encode(application(code)) for code in STORIES]
            told = swap_under_load(
                serve_command(artifact, url), url, releases, artifact, bodies, count
            )
        elif what == "server":
            url = f"sqlite:///{folder}/ledger.db"
            told = kill_servers(serve_command(artifact, url), url, body, count)
        else:
            database = Database()
            url = database.url()
            try:
                if what == "servers":
                    told = kill_servers(serve_command(artifact, url), url, body, count, 2)
                else:
                    told = kill_database(serve_command(artifact, url), database, url, body, count)
            finally:
                database.stop()
    sys.stdout.write(f"{what}: {told} ({time.monotonic() - begun:.0f} s)\n")
