"""Records on disk: power cuts, full disks, files that are not ours, a log that stays short."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from service import ledger as ledgers
from service import sqlite_store as stores
from service.ledger import LedgerUnavailable, open_ledger, verify
from service.sqlite_store import SqliteStore
from service.store import Row
from tests.disk import Disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def lost_in_power_cuts(folder: Path, appends: int) -> int:
    """Append, cutting the power after every acknowledgement; how many cuts lost one or broke."""
    chance = random.Random(appends)
    heads = []
    with Disk() as disk, open_ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        for i in range(appends):
            heads.append(ledger.append_sync(f"d{i}", chance.randbytes(3_000), b"a" * 500).hash)
            disk.cut(folder / str(i), chance)
    return sum(not whole(folder / str(i) / "ledger.db", head) for i, head in enumerate(heads))


def whole(path: Path, head: str) -> bool:
    try:
        return verify(f"sqlite:///{path}", head).ok
    except LedgerUnavailable:  # not even a ledger any more
        return False


@pytest.fixture
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the log into the file every few records, so that cuts fall into that too."""
    monkeypatch.setattr(ledgers, "WAL_BYTES", 20_000)


@pytest.mark.usefixtures("short_log")
def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path) -> None:
    assert lost_in_power_cuts(tmp_path, 100) == 0


@pytest.mark.usefixtures("short_log")
@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_the_power_cut_catches_commits_that_are_not_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    weaker = [p for p in stores.PRAGMAS if "synchronous" not in p] + [f"synchronous = {level}"]
    monkeypatch.setattr(stores, "PRAGMAS", weaker)
    assert lost_in_power_cuts(tmp_path, 20) > 5


@pytest.mark.usefixtures("short_log")
def test_the_power_cut_catches_an_acknowledgement_before_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, held = SqliteStore.insert, list[Row]()

    def insert_later(store: SqliteStore, rows: Sequence[Row]) -> None:
        earlier = held.copy()
        held[:] = rows
        if earlier:
            insert(store, earlier)

    monkeypatch.setattr(SqliteStore, "insert", insert_later)
    assert lost_in_power_cuts(tmp_path, 20) == 20


@pytest.mark.usefixtures("short_log")
def test_a_power_cut_at_any_write_leaves_a_chain_with_all_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(7)
    cuts: list[tuple[str, Path]] = []
    head = None  # of the chain when the last reply left

    class Cutting(Disk):
        def wrote(self, path: str, at: int, written: bytes | None) -> None:
            super().wrote(path, at, written)
            if head and chance.random() < 0.05:
                with self._lock:
                    cuts.append((head, self.cut(tmp_path / str(len(cuts)), chance)))

    with Cutting(), open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        for i in range(120):
            head = ledger.append_sync(f"d{i}", chance.randbytes(2_000), b"a").hash
    assert len(cuts) > 20
    assert all(whole(folder / "ledger.db", acknowledged) for acknowledged, folder in cuts)


def test_a_full_disk_acknowledges_nothing_and_the_ledger_recovers(url: str) -> None:
    async def work() -> None:
        with Disk() as disk, open_ledger(url) as ledger:
            first = await ledger.append("before", b"q", b"a")
            disk.full = True
            found = await asyncio.gather(
                *[ledger.append(f"full{i}", b"q", b"a") for i in range(3)], return_exceptions=True
            )
            assert all(isinstance(error, LedgerUnavailable) for error in found)
            assert all("FullError" in str(error) for error in found)
            assert not ledger.ready()
            disk.full = False
            while not ledger.ready():  # without traffic: asking makes the writer try
                await asyncio.sleep(0.001)
            after = await ledger.append("after", b"q", b"a")
            assert (after.seq, after.prev_hash) == (2, first.hash)
            assert ledger.get("full0") is None

    asyncio.run(work())
    assert verify(url).ok


def test_the_log_stays_short_under_load_and_beside_a_slow_reader(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "WAL_BYTES", 1_000_000)
    log = path.with_name("ledger.db-wal")

    async def work() -> int:
        with open_ledger(url) as ledger:
            await ledger.append("first", b"", b"")
            reading = ledger.records()
            next(reading)

            async def lane(number: int) -> None:
                for i in range(200):
                    await ledger.append(f"{number}-{i}", b"q" * 6_000, b"a" * 3_000)

            await asyncio.gather(*[lane(number) for number in range(16)])
            assert sum(1 for _ in reading) == 3_200
            return log.stat().st_size

    assert asyncio.run(work()) < path.stat().st_size / 2


def test_a_file_moved_away_is_noticed_before_anything_is_acknowledged(url: str, path: Path) -> None:
    with open_ledger(url) as ledger:
        ledger.append_sync("a", b"q", b"a")
        path.rename(path.with_name("away.db"))
        with pytest.raises(LedgerUnavailable, match="No such file"):
            ledger.append_sync("b", b"q", b"a")
        path.write_bytes(b"")
        with pytest.raises(LedgerUnavailable, match="moved or replaced"):
            ledger.append_sync("b", b"q", b"a")
        path.with_name("away.db").rename(path)
        assert ledger.append_sync("b", b"q", b"a").seq == 2


def test_rows_put_in_behind_its_back_stop_one_batch_and_are_found(url: str, path: Path) -> None:
    forged = "INSERT INTO record VALUES (2, 'forged', x'', x'', x'', x'', NULL, NULL)"
    with open_ledger(url) as ledger:
        ledger.append_sync("a", b"q", b"a")
        apsw.Connection(str(path)).execute(forged)
        with pytest.raises(LedgerUnavailable, match=r"record\.place"):
            ledger.append_sync("b", b"q", b"a")
        assert ledger.append_sync("b", b"q", b"a").seq == 3
        assert verify(url).broken_seq == 2


def test_a_second_writer_is_refused_and_readers_are_not(url: str) -> None:
    with open_ledger(url) as ledger:
        with pytest.raises(LedgerUnavailable, match=r"another process writes.*ledger\.db\.lock"):
            open_ledger(url)
        ledger.append_sync("a", b"q", b"a")
        with open_ledger(url, read_only=True) as reader:
            assert reader.count() == 1
            assert not reader.ready()
            with pytest.raises(LedgerUnavailable, match="read-only"):
                reader.append_sync("b", b"q", b"a")
        assert verify(url).records == 1
    open_ledger(url).close()


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path: Path, url: str) -> None:
    with pytest.raises(LedgerUnavailable, match="no such file"):
        verify(url)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerUnavailable, match="not a ledger file"):
        open_ledger(url)
    assert path.read_bytes() == b"not a database at all" * 100
    path.write_bytes(b"")
    with pytest.raises(LedgerUnavailable, match="empty"):
        verify(url)
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    theirs = path.read_bytes()
    with pytest.raises(LedgerUnavailable, match="other tables"):
        open_ledger(url)
    assert path.read_bytes() == theirs


def test_a_newer_schema_is_refused(url: str, path: Path) -> None:
    open_ledger(url).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerUnavailable, match="got 99, expected at most 2"):
        open_ledger(url)
    with pytest.raises(LedgerUnavailable, match="newer program"):
        verify(url)


def test_a_damaged_page_is_a_broken_place_and_not_a_crash(url: str, path: Path) -> None:
    with open_ledger(url) as ledger:
        for i in range(50):
            ledger.append_sync(f"d{i}", b"q" * 3_000, b"a")
    whole = path.read_bytes()
    chance = random.Random(3)
    for _ in range(40):
        at = chance.randrange(1, len(whole) // 4096) * 4096
        path.write_bytes(whole[:at] + chance.randbytes(4096) + whole[at + 4096 :])
        found = verify(url)
        assert found.ok or found.broken_seq == found.records + 1
    path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    assert not verify(url).ok
