"""Readiness means that it works: what is broken is named, and what is mended is seen."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from service import ledger as ledgers
from service.decide import Engine
from service.health import Health
from service.ledger import Ledger
from service.problem import Problem
from service.settings import Settings
from service.sqlite_store import SqliteStore
from tests.disk import Disk
from tests.in_process import talking


@pytest.fixture
def disk() -> Iterator[Disk]:
    with Disk() as found:
        yield found


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(ledgers, "FRESH_S", 0.0)
    return settings.model_copy(update={"open": True})


async def until(client: httpx.AsyncClient, status: int, *names: str) -> Any:
    """What /readyz says once it answers with a status and names; never a decision is asked for."""
    for _ in range(300):
        reply = await client.get("/readyz")
        named = {error["field"] for error in reply.json().get("errors", ())}
        if reply.status_code == status and named >= {*names}:
            return reply.json()
        await asyncio.sleep(0.02)
    raise AssertionError(f"/readyz never answered {status}, last {reply.text}")


async def settled(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    for _ in range(500):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never was")


@pytest.mark.parametrize("fault", ["full", "read_only"])
def test_a_ledger_that_cannot_be_written_is_named_without_traffic(
    engine: Engine, settings: Settings, disk: Disk, fault: str
) -> None:
    async def talk(client: httpx.AsyncClient) -> Any:
        ready = await until(client, 200)
        setattr(disk, fault, True)
        broken = await until(client, 503, "ledger", "desk")
        alive = await client.get("/healthz")
        setattr(disk, fault, False)
        return ready, broken, alive, await until(client, 200)

    ready, broken, alive, mended = talking(settings, engine, talk)
    assert ready["parts"] == {"engine": True, "ledger": True, "desk": True}
    assert ready == mended
    assert broken["type"] == "urn:yidaitong:problem:not-ready"
    assert "ledger: a commit fails" in broken["detail"]
    assert alive.json() == {"status": "ok"}


def test_a_ledger_file_that_was_moved_away_is_named(engine: Engine, settings: Settings) -> None:
    path = Path(settings.ledger.removeprefix("sqlite:///"))

    async def talk(client: httpx.AsyncClient) -> Any:
        await until(client, 200)
        path.rename(path.with_name("away.db"))
        broken = await until(client, 503)
        path.with_name("away.db").rename(path)
        await until(client, 200)
        return broken

    broken = talking(settings, engine, talk)
    assert [error["field"] for error in broken["errors"]] == ["ledger"]  # the desk's is there


def test_a_commit_that_hangs_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "FRESH_S", 0.0)
    monkeypatch.setattr(ledgers, "STUCK_S", 0.1)
    hangs = 0.3

    class Slow(SqliteStore):
        def probe(self) -> None:
            time.sleep(hangs)
            super().probe()

    store = Slow(tmp_path / "ledger.db", read_only=False, wal_bytes=1_000_000)
    with Ledger(store, read_only=False) as ledger:
        assert ledger.ready()
        asyncio.run(settled(lambda: not ledger.ready()))
        hangs = 0.0
        asyncio.run(settled(ledger.ready))


def test_asking_often_commits_no_more_than_once_a_second(tmp_path: Path) -> None:
    """Anyone may ask: nobody may make the disk work by it."""
    probed: list[float] = []

    class Counted(SqliteStore):
        def probe(self) -> None:
            probed.append(time.monotonic())
            super().probe()

    store = Counted(tmp_path / "ledger.db", read_only=False, wal_bytes=1_000_000)
    before = len(probed)
    with Ledger(store, read_only=False) as ledger:
        begun = time.monotonic()
        for _ in range(300):
            ledger.ready()
            time.sleep(0.004)
        most = (time.monotonic() - begun) / ledgers.FRESH_S + 1
    assert 1 <= len(probed) - before <= most


def test_an_engine_that_cannot_decide_is_named(engine: Engine) -> None:
    class Broken:
        def assess(self, _: object) -> None:
            raise ZeroDivisionError

    engines: list[Any] = [replace(engine, scorer=Broken())]  # type: ignore[arg-type]
    health = Health(lambda: engines[0], {"ledger": lambda: True})
    assert health.faults() == {"engine": "ZeroDivisionError"}
    with pytest.raises(Problem, match="engine: ZeroDivisionError") as refused:
        asyncio.run(health.readyz(None))  # type: ignore[arg-type]
    assert refused.value.status == 503
    engines[0] = engine
    assert health.faults() == {}


def test_every_part_is_named_apart() -> None:
    stores = {"ledger": lambda: True, "desk": lambda: False}
    health = Health(lambda: None, stores)  # type: ignore[arg-type,return-value]
    assert set(health.faults()) == {"desk", "engine"}
    assert health.parts() == {"engine": False, "ledger": True, "desk": False}
