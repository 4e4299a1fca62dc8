"""The ledger under use and abuse: order, chain, faults, kills."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import ledger as ledgers
from service.chain import Receipt
from service.ledger import (
    DuplicateDecision,
    LedgerBusy,
    LedgerError,
    LedgerUnavailable,
    open_ledger,
    verify,
)
from service.store import Row, SqliteStore

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


stored = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=2_000),
    st.binary(max_size=2_000),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(stored, max_size=5, unique_by=lambda one: one[0]))
def test_any_bytes_survive(tmp_path: Path, records: list[tuple[str, bytes, bytes]]) -> None:
    with (
        TemporaryDirectory(dir=tmp_path) as folder,
        open_ledger(f"sqlite:///{folder}/ledger.db") as ledger,
    ):
        for one in records:
            ledger.append_sync(*one)
        kept = [(r.decision_id, r.request, r.decision) for r in ledger.records()]
        assert kept == records
        assert all(ledger.get(one[0]) is not None for one in records)


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
    "a flipped byte": (
        "UPDATE record SET decision = CAST('decisioo' AS BLOB) WHERE seq = 3",
        3,
        "do not fit",
    ),
    "a changed request": ("UPDATE record SET request = x'00' WHERE seq = 2", 2, "do not fit"),
    "a record taken out": ("DELETE FROM record WHERE seq = 3", 3, "record 3 is missing"),
    "a changed hash": ("UPDATE record SET hash = zeroblob(32) WHERE seq = 2", 2, "do not fit"),
    "a record put before the first": (
        "INSERT INTO record VALUES (0, 'x', x'', x'', zeroblob(32), zeroblob(32))",
        1,
        "got a record numbered 0",
    ),
    "an id that is no text any more": (
        "UPDATE record SET decision_id = CAST(x'ff' AS TEXT) WHERE seq = 4",
        4,
        "do not fit",
    ),
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


class Gate:
    """Holds every commit back until opened, so that a test knows what is committing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        insert = SqliteStore.insert

        def held(store: SqliteStore, rows: Sequence[Row]) -> None:
            self.reached.set()
            assert self.opened.wait(10)
            insert(store, rows)

        monkeypatch.setattr(SqliteStore, "insert", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def test_what_arrives_during_a_commit_is_the_next_commit(url: str, gate: Gate) -> None:
    async def work() -> None:
        with open_ledger(url) as ledger:
            first = ledger.append("first", b"q", b"a")
            assert await asyncio.to_thread(gate.reached.wait, 10)
            others = [ledger.append(f"d{i}", b"q", b"a") for i in range(50)]
            assert not first.done()
            assert ledger.get("first") is None
            gate.opened.set()
            assert [r.seq for r in await asyncio.gather(first, *others)] == list(range(1, 52))
            assert ledger.commits == 2

    run(work())


def test_too_many_waiting_is_refused_at_once(
    url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "MOST_WAITING", 3)

    async def work() -> None:
        with open_ledger(url) as ledger:
            waiting = [ledger.append("first", b"q", b"a")]
            assert await asyncio.to_thread(gate.reached.wait, 10)
            waiting += [ledger.append(f"d{i}", b"q", b"a") for i in range(3)]
            with pytest.raises(LedgerBusy, match="3 records wait"):
                ledger.append("d3", b"q", b"a")
            gate.opened.set()
            await asyncio.gather(*waiting)
            await ledger.append("d3", b"q", b"a")
            assert ledger.count() == 5

    run(work())


def test_a_caller_that_gave_up_leaves_its_record_and_its_batch_mates(url: str, gate: Gate) -> None:
    async def work() -> None:
        with open_ledger(url) as ledger:
            one, other = ledger.append("one", b"q", b"a"), ledger.append("other", b"q", b"a")
            one.cancel()
            gate.opened.set()
            assert (await other).seq == 2
            assert ledger.get("one") is not None

    run(work())


def test_closing_finishes_what_was_accepted(url: str, gate: Gate) -> None:
    async def work() -> list[Receipt]:
        with open_ledger(url) as ledger:
            waiting = [ledger.append(f"d{i}", b"q", b"a") for i in range(600)]
            gate.opened.set()
        assert not ledger.ready()
        with pytest.raises(LedgerUnavailable, match="closed"):
            ledger.append("late", b"q", b"a")
        with pytest.raises(LedgerUnavailable, match="closed"):
            ledger.get("d0")
        return await asyncio.gather(*waiting)

    assert len(run(work())) == verify(url).records == 600


def test_threads_and_event_loops_may_append_together(url: str) -> None:
    with open_ledger(url) as ledger, ThreadPoolExecutor(8) as pool:

        async def work(name: str) -> list[Receipt]:
            waiting = [ledger.append(f"{name}-{i}", b"q", b"a") for i in range(50)]
            return await asyncio.gather(*waiting)

        loops = [pool.submit(lambda name: run(work(name)), f"loop{i}") for i in range(3)]
        threads = [pool.submit(ledger.append_sync, f"t{i}", b"q", b"a") for i in range(50)]
        seqs = [r.seq for loop in loops for r in loop.result()] + [t.result().seq for t in threads]
        assert sorted(seqs) == list(range(1, 201))
    assert verify(url).ok


def test_a_record_that_cannot_be_hashed_does_not_stop_the_writer(url: str) -> None:
    with open_ledger(url) as ledger:
        with pytest.raises(LedgerError, match="decision_id"):
            ledger.append_sync("\ud800", b"q", b"a")
        assert ledger.ready()
        assert ledger.append_sync("next", b"q", b"a").seq == 1


def test_an_error_nobody_foresaw_refuses_a_batch_and_not_the_next(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ledger(url) as ledger:
        with monkeypatch.context() as broken:
            broken.setattr(SqliteStore, "insert", lambda *_: [].pop())
            with pytest.raises(LedgerUnavailable, match="not recorded"):
                ledger.append_sync("one", b"q", b"a")
        assert not ledger.ready()
        assert ledger.append_sync("two", b"q", b"a").seq == 1
        assert ledger.ready()


@pytest.mark.parametrize("bad", ["", "sqlite://", "sqlite:///", "postgres://x", "ledger.db"])
def test_a_url_that_names_no_ledger_is_refused(bad: str) -> None:
    with pytest.raises(LedgerUnavailable, match=r"expected sqlite:///relative\.db"):
        open_ledger(bad)


def test_a_refused_url_keeps_its_password_to_itself() -> None:
    with pytest.raises(LedgerUnavailable, match=r"'postgresql://\*\*\*@host/name'"):
        open_ledger("postgresql://me:secret@host/name")


def test_an_expected_head_that_is_no_hash_is_refused(url: str) -> None:
    run(appended(url, 1))
    with pytest.raises(LedgerError, match="64 hexadecimal digits"):
        verify(url, "abc")


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
