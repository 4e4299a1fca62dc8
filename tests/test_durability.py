"""Kill the real server in the middle of a load, many times: nothing acknowledged is lost."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.ledger import open_ledger, verify
from service.process import running
from tests.conftest import serve_command

LEDGERS, LIVES = 2, 10
"""Two ledgers at a time, each killed ten times."""
CLIENTS = 4


def load(url: str, body: bytes, acknowledged: list[str]) -> None:
    """Post until the server is gone, noting every decision it acknowledged."""
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=url, trust_env=False) as client:
        while True:
            try:
                reply = client.post("/v1/decisions", content=body, headers=headers)
            except httpx.TransportError:
                return
            assert reply.status_code == 201
            acknowledged.append(reply.json()["decision_id"])


def killed_again_and_again(folder: Path, artifact: Path, body: bytes) -> None:
    """One ledger that outlives its servers; every acknowledged decision must be in it."""
    ledger = f"sqlite:///{folder / 'ledger.db'}"
    acknowledged: list[str] = []
    for life in range(LIVES):
        with running(serve_command(artifact, ledger)) as server:
            clients = [
                threading.Thread(target=load, args=(server.url, body, acknowledged))
                for _ in range(CLIENTS)
            ]
            for client in clients:
                client.start()
            target = len(acknowledged) + 20 + life
            while len(acknowledged) < target:
                threading.Event().wait(0.005)
            os.kill(server.process.pid, signal.SIGKILL)
            for client in clients:
                client.join()
    found = verify(ledger)
    assert found.ok, found.what
    with open_ledger(ledger, read_only=True) as records:
        kept = {record.decision_id for record in records.records()}
    assert len(acknowledged) >= LIVES * 20
    assert set(acknowledged) <= kept


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_twenty_kills_lose_no_acknowledged_decision(
    artifact: Path, stories: dict[str, bytes], tmp_path: Path
) -> None:
    folders = [tmp_path / str(number) for number in range(LEDGERS)]
    with ThreadPoolExecutor(LEDGERS) as pool:
        for done in [
            pool.submit(killed_again_and_again, folder, artifact, stories["young-shop"])
            for folder in folders
        ]:
            done.result()
