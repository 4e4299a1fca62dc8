"""Files of earlier releases: read as they are, brought up to date, their decisions unchanged."""

from pathlib import Path

import apsw
import pytest
from typer.testing import CliRunner

from service.archive import Archive
from service.chain import Key
from service.cli import app
from service.ledger import open_ledger, verify, versions_folder
from service.migrations import POSTGRES, SCHEMA_VERSION, SQLITE, steps
from service.replay import replay, versions_of
from tests.releases import ITS_HEAD, first_release


@pytest.fixture
def old(tmp_path: Path) -> str:
    return first_release(tmp_path)


def schema(url: str) -> list[str]:
    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    found = connection.execute("SELECT coalesce(sql, name) FROM sqlite_schema")
    return ["".join(str(row[0]).split()) for row in found]


def versions(url: str) -> list[int]:
    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    return [row[0] for row in connection.execute("SELECT version FROM schema_version ORDER BY 1")]


def replayed(url: str) -> list[bool]:
    archive = Archive(versions_folder(url))
    same = []
    with open_ledger(url, read_only=True) as ledger:
        for record in ledger.records():
            engine = archive.engine(versions_of(record))
            assert engine is not None
            same.append(replay(record, engine).same)
    return same


def test_a_file_of_the_first_release_is_read_without_being_changed(old: str) -> None:
    before = Path(old.removeprefix("sqlite:///")).read_bytes()
    found = verify(old)
    assert (found.ok, found.heads) == (True, [ITS_HEAD])
    assert replayed(old) == [True] * 3
    assert Path(old.removeprefix("sqlite:///")).read_bytes() == before


def test_a_file_of_the_first_release_is_brought_up_to_date_and_goes_on(old: str) -> None:
    with open_ledger(old, read_only=True) as ledger:
        before = list(ledger.records())
    with open_ledger(old) as ledger:
        assert list(ledger.records()) == before
        receipt = ledger.append_sync("new", b"q", b"a", Key.of("k", b"q"))
    assert (receipt.writer, receipt.seq, receipt.prev_hash) == (1, 4, ITS_HEAD.hash)
    assert versions(old) == [1, SCHEMA_VERSION]
    found = verify(old, ITS_HEAD.hash, [ITS_HEAD])
    assert (found.ok, found.records) == (True, 4)
    open_ledger(old).close()
    assert versions(old) == [1, SCHEMA_VERSION]


def test_its_decisions_are_replayed_byte_for_byte_after_that(old: str) -> None:
    open_ledger(old).close()
    assert replayed(old) == [True] * 3
    ran = CliRunner().invoke(app, ["verify", "--ledger", old, "--head", ITS_HEAD.hash])
    assert (ran.exit_code, "3 records, 1 chain intact" in ran.output) == (0, True)


def test_a_new_file_has_the_same_tables_as_one_brought_up_to_date(old: str, tmp_path: Path) -> None:
    new = f"sqlite:///{tmp_path / 'new.db'}"
    open_ledger(old).close()
    open_ledger(new).close()
    assert schema(old) == schema(new)
    assert versions(old) == versions(new)


def test_steps_are_taken_in_order_from_where_a_database_stands() -> None:
    assert [number for number, _ in steps(SQLITE, 0)] == [1, 2]
    assert [number for number, _ in steps(SQLITE, 1)] == [2]
    assert steps(SQLITE, SCHEMA_VERSION) == steps(POSTGRES, SCHEMA_VERSION) == []
    assert max(SQLITE) == max(POSTGRES) == SCHEMA_VERSION
