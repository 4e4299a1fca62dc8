"""Records in PostgreSQL: several writers, what is refused, a server that goes away."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from service import postgres_store as stores
from service.chain import Head
from service.ledger import Ledger, LedgerUnavailable, open_ledger, verify
from service.store import connection_and_schema
from tests.databases import Database


@pytest.fixture
def url(postgres: Database) -> str:
    return postgres.url()


@pytest.fixture
def database(url: str) -> Iterator[psycopg.Connection]:
    """A connection of somebody else to the tables of a ledger."""
    connection, schema = connection_and_schema(url)
    open_ledger(url).close()
    with psycopg.connect(connection, autocommit=True) as opened:
        opened.execute(f"SET search_path = {schema}")
        yield opened


def filled(ledger: Ledger, name: str, count: int) -> None:
    for number in range(count):
        ledger.append_sync(f"{name}{number}", b"q", b"a")


def test_every_writer_has_a_chain_of_its_own(url: str) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        ledgers = [stack.enter_context(open_ledger(url)) for _ in range(4)]
        list(pool.map(filled, ledgers, "abcd", [50] * 4))
        heads = ledgers[0].heads()
        assert [(head.writer, head.seq) for head in heads] == [(n, 50) for n in (1, 2, 3, 4)]
        assert ledgers[3].count() == 200
        assert len({record.decision_id for record in ledgers[1].records()}) == 200
        assert [r.seq for r in ledgers[1].records({2: 49}, 2)] == [50]
        found = verify(url, heads[2].hash, heads)
        assert (found.ok, found.heads) == (True, heads)


def test_a_writer_that_comes_back_goes_on_with_a_chain_that_nobody_holds(url: str) -> None:
    with open_ledger(url) as first, open_ledger(url) as second:
        filled(first, "a", 2)
        filled(second, "b", 2)
        first.close()
        with open_ledger(url) as third:
            filled(third, "c", 2)
    assert [(head.writer, head.seq) for head in verify(url).heads] == [(1, 4), (2, 2)]


@pytest.mark.parametrize("writer", [1, 2])
def test_verify_names_the_chain_and_the_place(
    url: str, writer: int, database: psycopg.Connection
) -> None:
    with open_ledger(url) as first, open_ledger(url) as second:
        filled(first, "a", 5)
        filled(second, "b", 5)
        heads = first.heads()
    at = f"WHERE writer = {writer} AND seq"
    for statement, seq, noted in (
        (f"UPDATE record SET decision = 'A' {at} = 2", 2, []),
        (f"UPDATE record SET decision = 'a' {at} = 2", None, heads),
        (f"DELETE FROM record {at} = 5", None, []),
        (f"DELETE FROM record {at} = 5", 5, heads),
        (f"DELETE FROM record {at} = 3", 3, []),
        (f"DELETE FROM record {at} > 0", 1, heads),
    ):
        database.execute(statement)
        found = verify(url, None, noted)
        place = (found.broken_writer, found.broken_seq)
        assert (found.ok, place) == (seq is None, (writer, seq) if seq else (None, None))


def test_a_chain_cannot_be_passed_off_as_another_writers(
    url: str, database: psycopg.Connection
) -> None:
    with open_ledger(url) as first, open_ledger(url) as second:
        filled(first, "a", 1)
        filled(second, "b", 3)
    database.execute("UPDATE record SET writer = 3 WHERE writer = 2")
    found = verify(url)
    assert (found.broken_writer, found.broken_seq) == (3, 1)


def test_rows_put_in_behind_its_back_stop_one_batch_and_are_found(
    url: str, database: psycopg.Connection
) -> None:
    with open_ledger(url) as ledger:
        filled(ledger, "a", 1)
        database.execute("INSERT INTO record VALUES (1, 2, 'forged', '', '', '', '')")
        with pytest.raises(LedgerUnavailable, match="UniqueViolation"):
            ledger.append_sync("b", b"q", b"a")
        assert ledger.append_sync("b", b"q", b"a").seq == 3
    assert (verify(url).broken_writer, verify(url).broken_seq) == (1, 2)


def test_a_database_that_is_read_only_acknowledges_nothing_and_recovers(
    url: str, database: psycopg.Connection
) -> None:
    with open_ledger(url) as ledger:
        filled(ledger, "a", 1)
        role = "ALTER DATABASE postgres SET default_transaction_read_only = "
        try:
            database.execute(role + "on")
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'yidaitong'"
            )
            for number in range(3):
                with pytest.raises(LedgerUnavailable, match="not recorded"):
                    ledger.append_sync(f"ro{number}", b"q", b"a")
            assert not ledger.ready()
            assert ledger.get("a0") is not None
        finally:
            database.execute("SET default_transaction_read_only = off")
            database.execute(role + "off")
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'yidaitong'"
        )
        while not ledger.ready():  # without traffic: asking makes the writer try
            threading.Event().wait(0.01)
        assert ledger.append_sync("b", b"q", b"a").seq == 2
        assert [head.seq for head in ledger.heads()] == [2]
    assert verify(url).ok


def test_records_chained_for_one_number_never_leave_as_anothers(
    url: str, database: psycopg.Connection
) -> None:
    """A writer that lost its connection, and its number to another, starts from that chain."""
    with open_ledger(url) as first:
        filled(first, "a", 2)
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'yidaitong'"
        )
        while True:
            with open_ledger(url) as second:
                if second.heads() and second.append_sync("b", b"q", b"a").writer == 1:
                    break
            database.execute("DELETE FROM record WHERE decision_id = 'b'")
        with pytest.raises(LedgerUnavailable):
            first.append_sync("c", b"q", b"a")
        receipt = first.append_sync("c", b"q", b"a")
        assert (receipt.writer, receipt.seq) == (1, 4)
    assert verify(url).ok


def test_what_is_no_ledger_is_refused_and_left_alone(
    url: str, postgres: Database, database: psycopg.Connection
) -> None:
    empty = postgres.url()
    with pytest.raises(LedgerUnavailable, match="no ledger in it"):
        verify(empty)
    _, schema = connection_and_schema(empty)
    database.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.record (x int)")
    with pytest.raises(LedgerUnavailable, match="other tables"):
        open_ledger(empty)
    database.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(LedgerUnavailable, match="got 99, expected at most 2"):
        open_ledger(url)
    with pytest.raises(LedgerUnavailable, match="schema: got 'a-b'"):
        open_ledger(postgres.url("a-b"))


def test_a_commit_waits_for_the_disk(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting every writing connection has, asked of the database itself."""
    seen: list[object] = []
    original = stores.PostgresStore.insert

    def watched(store: stores.PostgresStore, rows: object) -> None:
        seen.append(store._writing.execute("SHOW synchronous_commit").fetchone())
        original(store, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(stores.PostgresStore, "insert", watched)
    with open_ledger(url) as ledger:
        filled(ledger, "a", 1)
    assert seen == [("on",)]


def test_heads_of_an_empty_ledger_are_none(url: str) -> None:
    with open_ledger(url) as ledger:
        assert ledger.heads() == []
        assert ledger.append_sync("a", b"q", b"a").seq == 1
        assert [type(head) for head in ledger.heads()] == [Head]


def test_a_role_that_may_only_add_records_can_serve(url: str, database: psycopg.Connection) -> None:
    """The rights docs/operations.md names; no record can be changed with them."""
    connection, schema = connection_and_schema(url)
    role = f"serving_{schema}"
    database.execute(f"""
        CREATE ROLE {role} LOGIN;
        GRANT USAGE ON SCHEMA {schema} TO {role};
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {role};
        GRANT UPDATE ON {schema}.schema_version TO {role};
    """)
    as_role = url.replace("postgres:@", f"{role}@")
    assert as_role != url
    with open_ledger(as_role) as ledger:
        assert ledger.append_sync("a", b"q", b"a").seq == 1
        assert ledger.ready()
    stores.keep_files(as_role, {"policy-1.toml": b"x"})
    stores.keep_files(as_role, {"policy-1.toml": b"y"})  # what is kept stays as it is
    assert stores.kept_files(as_role) == [("policy-1.toml", b"x")]
    own = connection.replace("postgres:@", f"{role}@")
    with psycopg.connect(own, autocommit=True) as theirs:
        for statement in ("UPDATE {}.record SET decision = ''", "DELETE FROM {}.record"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                theirs.execute(statement.format(schema))
