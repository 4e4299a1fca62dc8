"""Records in a PostgreSQL database that any number of servers share, and everything about its SQL.

Every writing process holds the advisory lock of one writer's number on the connection it writes
with, and adds to that writer's chain. When the connection is lost so is the lock, and whatever it
had not committed; a process that starts again takes the lowest number nobody holds. So there are as
many chains as there ever were writers at a time. Connections must last as long as a process: a
pooler that hands them round by transaction will not do.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from typing import Any
from zlib import crc32

import psycopg
from psycopg import errors

from service.chain import Head, Record, genesis
from service.migrations import POSTGRES, SCHEMA_VERSION, steps
from service.store import (
    PAGE_ROWS,
    DuplicateDecision,
    LedgerDamaged,
    LedgerUnavailable,
    NoLedger,
    Row,
    Stubs,
    connection_and_schema,
    shown,
)

MOST_WRITERS = 1_000
WITHIN_S = 5
"""How long a connection may take to be made, a statement to answer, a dead peer to be noticed."""
SYNCHRONOUS_COMMIT = "on"
"""A commit returns only after its log is on disk."""

_COLUMNS = "writer, seq, decision_id, request, decision, prev_hash, hash, key, body_hash"
_TYPES = ("int4", "int8", *["bytea"] * 7)
_COPY = f"COPY record ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_SELECT = f"SELECT {_COLUMNS} FROM record"
_LAST = "SELECT writer, seq, hash FROM record WHERE writer = {} ORDER BY seq DESC LIMIT 1"
_NEXT_HEAD = _LAST.format("(SELECT min(writer) FROM record WHERE writer > %s)")
_BROKEN = (errors.DataCorrupted, errors.IndexCorrupted, errors.InternalError_)
_Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresStore:
    """The records in one schema of a database. Raises LedgerUnavailable for whatever it reports."""

    def __init__(self, connection: str, schema: str, *, read_only: bool) -> None:
        self._url, self._schema, self._read_only = connection, schema, read_only
        self._name = f"ledger {shown(connection)} schema {schema}"
        self._writer, self._number = None if read_only else self._opened(), 0
        self._reader: _Connection | None = None
        self._reading = threading.Lock()
        self._closed = False
        try:
            with self._translated():
                if self._writer is None:
                    self._check_version(self._read_from())
                else:
                    self._migrate(self._writer)
                    self._take_number(self._writer)
            if not read_only:
                self.probe()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> _Connection:
        with _translated(self._name):
            return _connected(self._url, self._schema)

    def _migrate(self, connection: _Connection) -> None:
        """Make the tables or bring them up to date, one process at a time."""
        if self._check_version(connection, empty=True) == SCHEMA_VERSION:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (self._lock_key,))
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
            for number, step in steps(POSTGRES, self._check_version(connection, empty=True)):
                for statement in step.split(";")[:-1]:
                    connection.execute(statement)
                sql = "INSERT INTO schema_version (version) VALUES (%s)"
                connection.execute(sql, (number,))

    def _check_version(self, connection: _Connection, *, empty: bool = False) -> int:
        sql = "SELECT to_regclass(%s), to_regclass(%s)"
        names = (f"{self._schema}.schema_version", f"{self._schema}.record")
        version_table, record_table = connection.execute(sql, names).fetchone() or (None, None)
        if version_table is None:
            if record_table is not None:
                raise LedgerUnavailable(f"{self._name}: not a ledger: it has other tables")
            if not empty:
                raise NoLedger(f"{self._name}: there is no ledger in it")
            return 0
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        version = int(row[0]) if row else 0
        if version > SCHEMA_VERSION:
            raise LedgerUnavailable(
                f"{self._name}: schema version: got {version}, expected at most {SCHEMA_VERSION}; "
                "it was written by a newer program"
            )
        return version

    @property
    def _lock_key(self) -> int:
        """The advisory locks of this schema; a clash with another only makes numbers be skipped."""
        return crc32(self._schema.encode()) - 2**31

    def _take_number(self, connection: _Connection) -> None:
        """Become the lowest-numbered writer that no other connection is."""
        for number in range(1, MOST_WRITERS + 1):
            sql = "SELECT pg_try_advisory_lock(%s, %s)"
            (taken,) = connection.execute(sql, (self._lock_key, number)).fetchone() or (False,)
            if taken:
                self._number = number
                return
        raise LedgerUnavailable(f"{self._name}: {MOST_WRITERS} writers at a time, expected fewer")

    def close(self) -> None:
        """Close every connection; what was committed stays.

        The number is given back first: the database notices a closed connection a moment later.
        """
        self._closed = True
        if self._writer is not None and not self._writer.closed:
            with suppress(psycopg.Error):
                self._writer.execute("SELECT pg_advisory_unlock_all()")
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    # Writing: only ever from one thread.

    def head(self) -> Head:
        """The last record of the chain written here; a lost connection is made anew first."""
        with self._translated():
            lost = self._writer is None or self._writer.closed
            if lost and not self._read_only and not self._closed:
                self._writer, connection = None, self._opened()
                with ExitStack() as stack:
                    stack.callback(connection.close)
                    self._take_number(connection)
                    stack.pop_all()  # it has its number: kept
                self._writer = connection
            row = self._writing.execute(_LAST.format("%s"), (self._number,)).fetchone()
        if row is None:
            return Head(self._number, 0, genesis(self._number).hex())
        return Head(row[0], row[1], row[2].hex())

    def insert(self, rows: Sequence[Row]) -> None:
        """Add all rows in one durable commit, or none; DuplicateDecision when one is not new."""
        number = self._number
        self._copy(
            [
                (number, seq, named.encode(), *stored, key and key.encode(), body_hash)
                for seq, named, *stored, key, body_hash in rows
            ]
        )

    def _copy(self, rows: Iterable[tuple[object, ...]]) -> None:
        with self._translated():
            try:
                with self._writing.cursor() as cursor, cursor.copy(_COPY) as copy:
                    copy.set_types(_TYPES)
                    for row in rows:
                        copy.write_row(row)
            except errors.UniqueViolation as error:
                if error.diag.constraint_name in ("record_decision_id", "record_key"):
                    raise DuplicateDecision("decision_id: expected one not yet recorded") from error
                raise
            except errors.DeadlockDetected as error:  # two writers wait for each other's keys
                raise DuplicateDecision("a key is being recorded by another writer") from error

    def known(self, decision_ids: Sequence[str], keys: Sequence[str]) -> tuple[set[str], set[str]]:
        """Those of the decision_ids and of the keys that are recorded already."""
        with self._translated():
            return self._among("decision_id", decision_ids), self._among("key", keys)

    def _among(self, column: str, texts: Sequence[str]) -> set[str]:
        sql = f"SELECT {column} FROM record WHERE {column} = ANY(%b)"
        found = self._writing.execute(sql, ([text.encode() for text in texts],))
        return {bytes(row[0]).decode() for row in found}

    def probe(self) -> None:
        """Prove that a commit becomes durable, by making one that changes no record."""
        with self._translated():
            self._writing.execute(
                "UPDATE schema_version SET probed_at = now() WHERE version = %s", (SCHEMA_VERSION,)
            )

    def between_commits(self) -> None:
        """Nothing: the database keeps its own log short."""

    def restore(self, records: Iterable[Record]) -> None:
        """Take in records of all chains as they are, in one commit; the schema must be empty."""
        with self._translated(), self._writing.transaction():
            if self._writing.execute("SELECT 1 FROM record LIMIT 1").fetchone():
                raise LedgerUnavailable(f"{self._name}: holds records, expected an empty one")
            self._writing.execute("SET LOCAL statement_timeout = 0")
            self._copy(map(_restored, records))

    def erase(self, stubs: Sequence[Stubs]) -> None:
        """Put stubs in the place of records, in one durable commit."""
        sql = "UPDATE record SET request = %b, decision = %b WHERE writer = %s AND seq = %s"
        rows = [(request, answer, of, seq) for of, seq, request, answer in stubs]
        with self._translated(), self._writing.transaction(), self._writing.cursor() as cursor:
            cursor.executemany(sql, rows)

    def shrink(self) -> None:
        """Write the table anew, without what was erased; nobody else uses it meanwhile."""
        with self._translated():
            self._writing.execute("SET statement_timeout = 0")
            self._writing.execute("VACUUM FULL record")
            self._writing.execute(f"SET statement_timeout = '{WITHIN_S}s'")

    @property
    def _writing(self) -> _Connection:
        """The connection whose lock makes this process the only writer of its chain.

        Only `head` makes a new one: rows chained for one writer never leave as another's.
        """
        if self._writer is None:
            raise LedgerUnavailable(f"{self._name}: not open for writing")
        return self._writer

    # Reading: from any thread.

    def get(self, decision_id: str) -> Record | None:
        """The record of a decision; None when there is none."""
        return self._one("decision_id", decision_id)

    def under(self, key: str) -> Record | None:
        """The record made under an Idempotency-Key; None when there is none."""
        return self._one("key", key)

    def _one(self, column: str, text: str) -> Record | None:
        named = text.encode(errors="surrogatepass")
        rows = self._fetched(f"{_SELECT} WHERE {column} = %b", named)
        return _record(rows[0]) if rows else None

    def heads(self) -> list[Head]:
        """The last record of every writer's chain."""
        found: list[Head] = []
        while rows := self._fetched(_NEXT_HEAD, found[-1].writer if found else 0):
            writer, seq, own_hash = rows[0]
            found.append(Head(writer, seq, own_hash.hex()))
        return found

    def count(self) -> int:
        """How many records there are."""
        return int(self._fetched("SELECT count(*) FROM record")[0][0])

    def chain(self, writer: int, after_seq: int) -> Iterator[Record]:
        """A writer's records after a number, in order."""
        return self._paged("writer = %s AND seq > %s", "seq", writer, after_seq)

    def everything(self) -> Iterator[Record]:
        """Every record there is, writer by writer, those in impossible places too."""
        lowest = -(2**31)
        return self._paged("(writer, seq) > (%s, %s)", "writer, seq", lowest, -(2**63))

    def _paged(self, where: str, order: str, writer: int, seq: int) -> Iterator[Record]:
        sql = f"{_SELECT} WHERE {where} ORDER BY {order} LIMIT {PAGE_ROWS}"
        with closing(self._opened()) as connection:
            while True:
                with self._translated():
                    rows = connection.execute(sql, (writer, seq), binary=True).fetchall()
                if not rows:
                    return
                yield from map(_record, rows)
                writer, seq = rows[-1][:2]

    def _fetched(self, sql: str, *bound: object) -> list[tuple[Any, ...]]:
        """What a reading statement finds; a connection lost since the last one is made anew."""
        with self._reading, self._translated():
            reader = self._read_from()
            try:
                return reader.execute(sql, bound, binary=True).fetchall()
            except psycopg.OperationalError:
                if not reader.closed:
                    raise
                return self._read_from().execute(sql, bound, binary=True).fetchall()

    def _read_from(self) -> _Connection:
        if self._closed:
            raise LedgerUnavailable(f"{self._name}: closed")
        if self._reader is None or self._reader.closed:
            self._reader = None
            self._reader = self._opened()
        return self._reader

    def _translated(self) -> AbstractContextManager[None]:
        return _translated(self._name)


def keep_files(url: str, files: Mapping[str, bytes]) -> None:
    """Keep versions that decided in a ledger's database; those already there stay as they are."""
    sql = "INSERT INTO version_file VALUES (%s, %s) ON CONFLICT DO NOTHING"
    with _translated(f"ledger {shown(url)}"), _connected(*connection_and_schema(url)) as connection:
        connection.cursor().executemany(sql, [*files.items()])


def kept_files(url: str) -> list[tuple[str, bytes]]:
    """All versions kept in a ledger's database: name, content."""
    sql = "SELECT name, content FROM version_file"
    with _translated(f"ledger {shown(url)}"), _connected(*connection_and_schema(url)) as connection:
        return [(name, content) for name, content in connection.execute(sql, binary=True)]


def _connected(url: str, schema: str) -> _Connection:
    """A connection whose every commit is durable, and which gives up on a dead server."""
    connection = psycopg.connect(
        url, autocommit=True, connect_timeout=WITHIN_S, keepalives_idle=WITHIN_S,
        tcp_user_timeout=WITHIN_S * 1000, fallback_application_name="yidaitong",
    )  # fmt: skip
    connection.prepare_threshold = 0
    connection.execute(
        "SELECT set_config('search_path', %s, false), set_config('synchronous_commit', %s, false), "
        "set_config('statement_timeout', %s, false)",
        (schema, SYNCHRONOUS_COMMIT, f"{WITHIN_S}s"),
    )
    return connection


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise LedgerDamaged(f"{name}: damaged: {_said(error)}") from error
    except psycopg.Error as error:
        kind = type(error).__name__
        raise LedgerUnavailable(f"{name}: {kind}: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    """What the database said, without the values it may quote."""
    return error.diag.message_primary or str(error).partition("\n")[0]


def _record(row: Sequence[Any]) -> Record:
    writer, seq, decision_id, request, decision, prev_hash, own_hash, key, body_hash = row
    return Record(
        seq, decision_id.decode(errors="surrogateescape"), request, decision, prev_hash.hex(),
        own_hash.hex(), writer, None if key is None else key.decode(errors="surrogateescape"),
        None if body_hash is None else body_hash.hex(),
    )  # fmt: skip


def _restored(record: Record) -> tuple[object, ...]:
    return (
        record.writer, record.seq, record.decision_id.encode(), record.request, record.decision,
        bytes.fromhex(record.prev_hash), bytes.fromhex(record.hash),
        None if record.key is None else record.key.encode(),
        None if record.body_hash is None else bytes.fromhex(record.body_hash),
    )  # fmt: skip
