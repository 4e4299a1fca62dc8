"""The ledger under use and abuse: order, chain, faults, kills."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import ledger as ledgers
from service.chain import Receipt
from service.ledger import (
    DuplicateDecision,
    Ledger,
    LedgerBusy,
    LedgerUnavailable,
    open_ledger,
    verify,
)

T = TypeVar("T")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def path_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def appended(url: str, count: int, prefix: str = "d") -> list[Receipt]:
    with open_ledger(url) as ledger:
        return await asyncio.gather(
            *[ledger.append(f"{prefix}{i}", b"request", b"decision") for i in range(count)]
        )


def test_many_at_once_share_commits_and_chain_without_a_gap(url: str) -> None:
    async def work() -> tuple[list[Receipt], int]:
        with open_ledger(url) as ledger:
            receipts = await asyncio.gather(
                *[ledger.append(f"d{i}", b"q", b"a") for i in range(1_000)]
            )
            return receipts, ledger.commits

    receipts, commits = run(work())
    assert [receipt.seq for receipt in receipts] == list(range(1, 1_001))
    assert all(b.prev_hash == a.hash for a, b in pairwise(receipts))
    assert commits < 100
    found = verify(url)
    assert (found.ok, found.records, found.head_hash) == (True, 1_000, receipts[-1].hash)


def test_what_was_appended_is_read_back_by_id_and_in_order(url: str) -> None:
    run(appended(url, 5))
    with open_ledger(url, read_only=True) as ledger:
        record = ledger.get("d3")
        assert record is not None
        assert (record.seq, record.request, record.decision) == (4, b"request", b"decision")
        assert ledger.get("none") is None
        assert [r.decision_id for r in ledger.records(4)] == ["d3", "d4"]
        assert ledger.count() == 5


def test_a_ledger_goes_on_where_it_stopped(url: str) -> None:
    first = run(appended(url, 3))
    second = run(appended(url, 3, "e"))
    assert second[0].prev_hash == first[-1].hash
    assert verify(url).records == 6


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(max_size=2_000), st.binary(max_size=2_000), st.text(max_size=40))
def test_any_bytes_survive(url: str, request_: bytes, decision: bytes, name: str) -> None:
    Path(path_of(url)).unlink(missing_ok=True)

    async def work() -> None:
        with open_ledger(url) as ledger:
            await ledger.append(name, request_, decision)
            record = ledger.get(name)
            assert record is not None
            assert (record.request, record.decision) == (request_, decision)

    if "\x00" in name or any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        return
    run(work())


def test_a_decision_id_is_recorded_once_and_its_batch_mates_are_kept(url: str) -> None:
    async def work() -> list[Receipt | BaseException]:
        with open_ledger(url) as ledger:
            return await asyncio.gather(
                *[ledger.append(i, b"q", b"a") for i in ("a", "b", "a", "c")],
                return_exceptions=True,
            )

    found = run(work())
    assert isinstance(found[2], DuplicateDecision)
    assert [r.seq for r in found if isinstance(r, Receipt)] == [1, 2, 3]
    assert verify(url).ok


TAMPERINGS = {
    "a flipped byte": ("UPDATE record SET decision = x'00' WHERE seq = 3", 3, "do not fit"),
    "a changed request": ("UPDATE record SET request = x'00' WHERE seq = 2", 2, "do not fit"),
    "a record taken out": ("DELETE FROM record WHERE seq = 3", 3, "record 3 is missing"),
    "a changed hash": ("UPDATE record SET hash = zeroblob(32) WHERE seq = 2", 2, "do not fit"),
    "two records swapped": (
        "UPDATE record SET seq = -1 WHERE seq = 2; UPDATE record SET seq = 2 WHERE seq = 3;"
        "UPDATE record SET seq = 3 WHERE seq = -1",
        2,
        "prev_hash",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampering_is_found_where_it_happened(url: str, what: str) -> None:
    run(appended(url, 5))
    statement, seq, said = TAMPERINGS[what]
    apsw.Connection(path_of(url)).execute(statement)
    found = verify(url)
    assert not found.ok
    assert found.broken_seq == seq
    assert said in str(found.what)


def test_a_cut_at_the_end_is_found_with_a_head_noted_earlier(url: str) -> None:
    receipts = run(appended(url, 5))
    assert verify(url, receipts[2].hash).ok
    apsw.Connection(path_of(url)).execute("DELETE FROM record WHERE seq > 3")
    assert verify(url).ok
    found = verify(url, receipts[-1].hash)
    assert not found.ok
    assert "cut off" in str(found.what)


def test_a_full_disk_acknowledges_nothing_and_the_ledger_recovers(url: str) -> None:
    async def work() -> None:
        with open_ledger(url) as ledger:
            first = await ledger.append("before", b"q", b"a")
            pages = ledger._writer.execute("PRAGMA page_count").fetchall()[0][0]
            ledger._writer.execute(f"PRAGMA max_page_count = {pages}")
            with pytest.raises(LedgerUnavailable, match="FullError"):
                await ledger.append("full", b"q" * 100_000, b"a")
            assert not ledger.ready()
            ledger._writer.execute("PRAGMA max_page_count = 1000000")
            after = await ledger.append("after", b"q" * 100_000, b"a")
            assert ledger.ready()
            assert (after.seq, after.prev_hash) == (2, first.hash)
            assert ledger.get("full") is None

    run(work())
    assert verify(url).ok


def test_readiness_comes_back_by_itself(url: str) -> None:
    async def work() -> None:
        with open_ledger(url) as ledger:
            ledger._healthy = False
            for _ in range(200):
                if ledger.ready():
                    return
                await asyncio.sleep(0.01)
            pytest.fail("not ready after a probe that succeeds")

    run(work())


def test_too_many_waiting_is_refused_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST_WAITING", 3)

    async def work() -> None:
        with open_ledger(url) as ledger:
            waiting = [ledger.append(f"d{i}", b"q", b"a") for i in range(3)]
            with pytest.raises(LedgerBusy, match="fewer than 3"):
                ledger.append("d3", b"q", b"a")
            await asyncio.gather(*waiting)
            await ledger.append("d3", b"q", b"a")

    run(work())


def test_a_second_writer_is_refused_and_readers_are_not(url: str) -> None:
    with open_ledger(url):
        with pytest.raises(LedgerUnavailable, match="another process writes"):
            open_ledger(url)
        with open_ledger(url, read_only=True) as reader:
            assert reader.count() == 0


@pytest.mark.parametrize("bad", ["", "sqlite://", "sqlite:///", "postgres://x", "ledger.db"])
def test_a_url_that_names_no_ledger_is_refused(bad: str) -> None:
    with pytest.raises(LedgerUnavailable, match="expected sqlite:///PATH"):
        open_ledger(bad)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerUnavailable, match="expected a ledger"):
        open_ledger(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(LedgerUnavailable, match="no such file"):
        verify(f"sqlite:///{tmp_path / 'none.db'}")


def test_a_newer_schema_is_refused(url: str) -> None:
    Ledger(Path(path_of(url))).close()
    apsw.Connection(path_of(url)).execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerUnavailable, match="newer program"):
        open_ledger(url)


CHILD = """
import asyncio, os, sys
from service.ledger import open_ledger
async def main():
    with open_ledger(sys.argv[1]) as ledger:
        async def one(lane):
            for i in range(10**9):
                name = f"{sys.argv[2]}-{lane}-{i}"
                await ledger.append(name, b"q" * 500, b"a" * 500)
                os.write(1, name.encode() + b"\\n")
        await asyncio.gather(*[one(lane) for lane in range(16)])
asyncio.run(main())
"""


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_it_acknowledged(url: str) -> None:
    acknowledged: list[str] = []
    for life in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, url, str(life)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            seen = b""
            while seen.count(b"\n") < 300 * (life + 1):
                seen += os.read(child.stdout.fileno(), 65_536)
            child.send_signal(signal.SIGKILL)
            seen += child.stdout.read()
        acknowledged += [line.decode() for line in seen.split(b"\n")[:-1]]
    assert verify(url).ok
    with open_ledger(url, read_only=True) as ledger:
        kept = {record.decision_id for record in ledger.records()}
    assert len(acknowledged) > 1_500
    assert set(acknowledged) <= kept
