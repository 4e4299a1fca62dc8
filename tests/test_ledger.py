"""The ledger under use and abuse: order, chain, faults, kills."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar
from uuid import uuid4

import apsw
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import ledger as ledgers
from service.chain import Key, Receipt
from service.ledger import (
    DuplicateDecision,
    LedgerBusy,
    LedgerError,
    LedgerUnavailable,
    open_ledger,
    verify,
)
from service.postgres_store import PostgresStore
from service.sqlite_store import SqliteStore
from service.store import Row, Store, beside, connection_and_schema

T = TypeVar("T")


@pytest.fixture
def url(ledger_url: str) -> str:
    return ledger_url


def execute(url: str, statement: str) -> None:
    """Change the tables of a ledger behind its back; `place` is a record's number in SQLite."""
    if url.startswith("sqlite"):
        apsw.Connection(url.removeprefix("sqlite:///")).execute(statement)
        return
    connection, schema = connection_and_schema(url)
    for at, binary in (("place", "seq"), ("CAST(x'ff' AS TEXT)", r"'\xff'"), ("x''", "''")):
        statement = statement.replace(at, binary)
    statement = re.sub(r"CAST\('(\w+)' AS BLOB\)", r"'\1'", statement)
    statement = re.sub(r"(?<!\w)x'(\w+)'", r"'\\x\1'", statement)
    with psycopg.connect(connection, autocommit=True) as opened:
        opened.execute(f"SET search_path = {schema}")
        opened.execute(statement)


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
    assert (found.ok, found.records) == (True, 1_000)
    assert [head.hash for head in found.heads] == [receipts[-1].hash]


def test_what_was_appended_is_read_back_by_id_and_in_order(url: str) -> None:
    run(appended(url, 5))
    with open_ledger(url, read_only=True) as ledger:
        record = ledger.get("d3")
        assert record is not None
        assert (record.seq, record.request, record.decision) == (4, b"request", b"decision")
        assert ledger.get("none") is None
        assert [r.decision_id for r in ledger.records({1: 3})] == ["d3", "d4"]
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


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
@given(st.lists(stored, max_size=5, unique_by=lambda one: one[0]))
def test_any_bytes_survive(url: str, records: list[tuple[str, bytes, bytes]]) -> None:
    with open_ledger(beside(url, uuid4().hex[:8])) as ledger:
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


ZEROS = f"x'{'00' * 32}'"
TAMPERINGS = {
    "a flipped byte": (
        "UPDATE record SET decision = CAST('decisioo' AS BLOB) WHERE place = 3",
        3,
        "do not fit",
    ),
    "a changed request": ("UPDATE record SET request = x'00' WHERE place = 2", 2, "do not fit"),
    "a record taken out": ("DELETE FROM record WHERE place = 3", 3, "record 3 is missing"),
    "a changed hash": (f"UPDATE record SET hash = {ZEROS} WHERE place = 2", 2, "do not fit"),
    "a record put before the first": (
        f"INSERT INTO record SELECT {{first}}, x'', x'', {ZEROS}, {ZEROS}, NULL, NULL",
        1,
        "got a record numbered 0",
    ),
    "an id that is no text any more": (
        "UPDATE record SET decision_id = CAST(x'ff' AS TEXT) WHERE place = 4",
        4,
        "do not fit",
    ),
    "a key put beside a record": (
        f"UPDATE record SET key = 'other', body_hash = {ZEROS} WHERE place = 2",
        2,
        "do not fit",
    ),
    "a key taken from its record": (
        "UPDATE record SET key = NULL, body_hash = NULL WHERE place = 5", 5, "do not fit"
    ),
    "a changed key": ("UPDATE record SET key = 'kez' WHERE place = 5", 5, "do not fit"),
    "two records swapped": (
        "UPDATE record SET place = -1 WHERE place = 2;"
        "UPDATE record SET place = 2 WHERE place = 3;"
        "UPDATE record SET place = 3 WHERE place = -1",
        2,
        "prev_hash",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampering_is_found_where_it_happened(url: str, what: str) -> None:
    run(appended(url, 4))
    with open_ledger(url) as ledger:
        ledger.append_sync("d4", b"request", b"decision", Key.of("key", b"body"))
    statement, seq, said = TAMPERINGS[what]
    first = "0, 'x'" if url.startswith("sqlite") else "1, 0, 'x'"
    assert verify(url).ok
    execute(url, statement.replace("{first}", first))
    found = verify(url)
    assert (found.ok, found.broken_writer, found.broken_seq) == (False, 1, seq)
    assert said in str(found.what)


def test_a_cut_at_the_end_is_found_with_a_head_noted_earlier(url: str) -> None:
    receipts = run(appended(url, 5))
    assert verify(url, receipts[2].hash).ok
    execute(url, "DELETE FROM record WHERE place > 3")
    assert verify(url).ok
    found = verify(url, receipts[-1].hash)
    assert not found.ok
    assert "cut off" in str(found.what)


class Gate:
    """Holds every commit back until opened, so that a test knows what is committing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        for kind in (SqliteStore, PostgresStore):
            monkeypatch.setattr(kind, "insert", self._holding(kind.insert))

    def _holding(self, insert: Callable[[Any, Sequence[Row]], None]) -> Callable[..., None]:
        def held(store: Store, rows: Sequence[Row]) -> None:
            self.reached.set()
            assert self.opened.wait(10)
            insert(store, rows)

        return held


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
            for kind in (SqliteStore, PostgresStore):
                broken.setattr(kind, "insert", lambda *_: [].pop())
            with pytest.raises(LedgerUnavailable, match="not recorded"):
                ledger.append_sync("one", b"q", b"a")
        assert not ledger.ready()
        assert ledger.append_sync("two", b"q", b"a").seq == 1
        assert ledger.ready()


@pytest.mark.parametrize("bad", ["", "sqlite://", "sqlite:///", "mysql://x", "ledger.db"])
def test_a_url_that_names_no_ledger_is_refused(bad: str) -> None:
    with pytest.raises(LedgerUnavailable, match=r"expected sqlite:///relative\.db"):
        open_ledger(bad)


def test_a_refused_url_keeps_its_password_to_itself() -> None:
    for url in ("mysql://me:secret@host/name", "postgresql://me:secret@localhost:1/name"):
        with pytest.raises(LedgerUnavailable, match=r"sql://\*\*\*@\w+.*/name") as refused:
            open_ledger(url)
        assert "secret" not in str(refused.value)


def test_postgresql_without_its_driver_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "service.postgres_store", None)
    with pytest.raises(LedgerUnavailable, match=r"yidaitong\[postgres\]"):
        open_ledger("postgresql://localhost/none")


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
    for life in range(3):
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
    assert len(acknowledged) > 900
    assert set(acknowledged) <= kept
