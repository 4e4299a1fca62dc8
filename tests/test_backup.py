"""Backup under writes and restore: into either store, chains, keys and versions as they were."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.archive import Archive
from service.backup import backup, restore
from service.chain import Key
from service.cli import app
from service.desk import Desk, Dispute
from service.ledger import Ledger, LedgerError, LedgerUnavailable, open_ledger, verify
from service.replay import replay, versions_of
from tests.databases import Database
from tests.releases import ITS_HEAD, first_release


@contextmanager
def written_to(ledgers: list[Ledger]) -> Iterator[list[str]]:
    """Writers that go on until the block is left; the ids they saw acknowledged."""
    acknowledged: list[str] = []
    stopped = threading.Event()

    def write(number: int, ledger: Ledger) -> None:
        at = 0
        while not stopped.is_set():
            named = f"w{number}-{at}"
            ledger.append_sync(named, b"q" * 5_000, b"a" * 5_000, Key.of(named, b"q"))
            acknowledged.append(named)
            at += 1

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(write, number, ledgers[number % len(ledgers)]) for number in range(4)]
        try:
            while len(acknowledged) < 100:
                assert not any(one.done() for one in work)
                threading.Event().wait(0.005)
            yield acknowledged
        finally:
            stopped.set()
    for one in work:
        one.result()


def test_a_backup_under_writes_holds_all_that_was_acknowledged_before(
    ledger_url: str, tmp_path: Path
) -> None:
    copy = tmp_path / "backup" / "ledger.db"
    with ExitStack() as stack:
        count = 1 if ledger_url.startswith("sqlite") else 2
        ledgers = [stack.enter_context(open_ledger(ledger_url)) for _ in range(count)]
        with written_to(ledgers) as acknowledged:
            before = set(acknowledged)
            made = backup(ledger_url, copy)
            assert len(acknowledged) > len(before)  # it was written to meanwhile
    assert made.ledger.ok
    with open_ledger(f"sqlite:///{copy}", read_only=True) as kept:
        assert before <= {record.decision_id for record in kept.records()}
        assert [head.writer for head in kept.heads()] == list(range(1, count + 1))
    heads = made.ledger.heads
    assert verify(ledger_url, None, heads).ok  # what was copied is how the ledger began
    with pytest.raises(LedgerError, match="is there already"):
        backup(ledger_url, copy)


def test_a_backup_is_put_back_and_goes_on(ledger_url: str, tmp_path: Path) -> None:
    """A ledger of the first release, with desk and versions: copied, restored, replayed."""
    old, copy = first_release(tmp_path / "old"), tmp_path / "copy.db"
    with open_ledger(old) as ledger:
        before = list(ledger.records())
    desk = Desk.beside(old)
    desk.dispute(
        before[0].decision_id, "Lin", Dispute(source="tax", said="the return was filed in time")
    )
    desk.close()
    assert set(backup(old, copy).beside) == {"desk"}
    runner = CliRunner()
    ran = runner.invoke(app, ["restore", str(copy), "--ledger", ledger_url])
    assert (ran.exit_code, "3 records, 1 chain intact" in ran.output) == (0, True), ran.output
    archive = Archive.beside(ledger_url)
    with open_ledger(ledger_url) as ledger:
        assert list(ledger.records()) == before
        assert ledger.heads() == [ITS_HEAD]
        for record in before:
            engine = archive.engine(versions_of(record))
            assert engine is not None
            assert replay(record, engine).same
        assert ledger.append_sync("next", b"q", b"a").prev_hash == ITS_HEAD.hash
    desk = Desk.beside(ledger_url)
    assert desk.case(before[0].decision_id).disputed == ["tax"]
    desk.close()
    with pytest.raises(LedgerUnavailable, match="holds records"):
        restore(copy, ledger_url)


def test_chains_of_several_writers_move_from_postgresql_to_a_file_and_back(
    postgres: Database, tmp_path: Path
) -> None:
    url, again = postgres.url(), postgres.url()
    with open_ledger(url) as first, open_ledger(url) as second:
        for number in range(250):
            first.append_sync(f"a{number}", b"q", b"a")
            second.append_sync(f"b{number}", b"q", b"a", Key.of(f"k{number}", b"q"))
        records, heads = list(first.records()), first.heads()
    copy = tmp_path / "copy.db"
    assert backup(url, copy).ledger.heads == heads
    assert restore(copy, again).ledger.heads == heads
    for each in (f"sqlite:///{copy}", again):
        with open_ledger(each) as ledger:
            assert list(ledger.records()) == records
            assert ledger.under("k249") == records[-1]
            assert ledger.append_sync("next", b"q", b"a").seq == 251


def test_what_is_broken_is_not_restored(tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    with open_ledger(f"sqlite:///{source}") as ledger:
        ledger.append_sync("a", b"q", b"a")
    source.write_bytes(source.read_bytes().replace(b"qa", b"qb"))
    with pytest.raises(LedgerError, match="broken at record 1 of writer 1"):
        restore(source, f"sqlite:///{tmp_path / 'target.db'}")
    assert not (tmp_path / "target.db").exists()
    with pytest.raises(LedgerUnavailable, match="no such file"):
        backup(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "copy.db")
