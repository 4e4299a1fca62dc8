"""Records in one SQLite file in WAL mode, and everything about its SQL.

One connection writes, from the ledger's writer thread. Readers have their own connections and end
every read before they hand anything out, so they never hold the write-ahead log back. A thread of
its own copies that log into the file, so that replies do not wait for it.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from itertools import islice
from math import inf
from pathlib import Path
from typing import cast

import apsw

from service.chain import Head, Record, genesis
from service.migrations import SCHEMA_VERSION, SQLITE, WRITER_BITS, steps
from service.store import (
    PAGE_ROWS,
    DuplicateDecision,
    LedgerDamaged,
    LedgerUnavailable,
    NoLedger,
    Row,
    Stubs,
)

BUSY_MS = 2_000
CHECKPOINT_PASSES, NEARLY_PAGES = 5, 200
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0")
"""How the writing connection is set: a commit returns only after its log is on disk."""
WRITER = 1
"""One process writes a file, so it adds to the first writer's chain; others come by restoring."""

_COLUMNS = ("decision_id", "request", "decision", "prev_hash", "hash")
_READ_ONLY = apsw.SQLITE_OPEN_READONLY
_READ_WRITE = apsw.SQLITE_OPEN_READWRITE
log = logging.getLogger("yidaitong")


class SqliteStore:
    """The records of one ledger file. Raises LedgerUnavailable for whatever SQLite reports.

    Opened for writing it locks `<path>.lock` until closed and lets its log grow to about
    `wal_bytes` before it is copied into the file.
    """

    def __init__(self, path: Path, *, read_only: bool, wal_bytes: int) -> None:
        self.path, self._wal_bytes = path.absolute(), wal_bytes
        self._lock_file: int | None = None
        self._writer: apsw.Connection | None = None
        self._reader: apsw.Connection | None = None
        self._reading = threading.Lock()
        self._logged_bytes, self._closing = 0, False
        self._wake, self._nearly_copied = threading.Event(), threading.Event()
        self._checkpointer: threading.Thread | None = None
        self._select = _selecting(SCHEMA_VERSION)
        try:
            with self._translated():
                if read_only:
                    self._open_reader()
                else:
                    self._open_writer()
        except BaseException:
            self.close()
            raise

    def _open_reader(self) -> None:
        if not self.path.is_file():
            raise NoLedger(f"ledger {self.path}: there is no such file")
        self._reader = self._connect(_READ_ONLY)
        version = _version(self._reader, self.path)
        if not version:
            raise LedgerUnavailable(f"ledger {self.path}: the file is empty, it holds no ledger")
        self._select = _selecting(version)

    def _open_writer(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = _locked(self.path.with_name(self.path.name + ".lock"))
        self._writer = self._connect(_READ_WRITE | apsw.SQLITE_OPEN_CREATE)
        version = _version(self._writer, self.path)
        for pragma in PRAGMAS:
            self._writer.execute(f"PRAGMA {pragma}")
        with self._writer:
            for number, step in steps(SQLITE, version):
                self._writer.execute(step)
                if number > 1:
                    sql = "INSERT INTO schema_version (version) VALUES (?)"
                    self._writer.execute(sql, (number,))
                self._writer.execute(f"PRAGMA user_version = {number}")
        self._inode = _inode(self.path)
        self.probe()
        self._reader = self._connect(_READ_ONLY)
        self._checkpointer = threading.Thread(
            target=self._checkpoint_when_woken, name="ledger-checkpoint", daemon=True
        )
        self._checkpointer.start()

    def close(self) -> None:
        """Close every connection and let the next writer in; what was committed stays."""
        self._closing = True
        self._wake.set()
        if self._checkpointer is not None:
            self._checkpointer.join()
        with self._reading:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    # Writing: only ever from one thread.

    def insert(self, rows: Sequence[Row]) -> None:
        """Add all rows in one durable commit, or none; DuplicateDecision when one is not new.

        One statement and no explicit transaction: the interpreter lock is given up once for the
        whole batch.
        """
        with self._translated():
            self._still_there()
            bound = [value for row in rows for value in row]
            try:
                self._writing.execute(_insert(len(rows)), bound)
            except apsw.ConstraintError as error:
                if getattr(error, "extendedresult", None) == apsw.SQLITE_CONSTRAINT_UNIQUE:
                    raise DuplicateDecision("decision_id: expected one not yet recorded") from error
                raise
        self._logged_bytes += sum(len(row[2]) + len(row[3]) for row in rows)

    def known(self, decision_ids: Sequence[str], keys: Sequence[str]) -> tuple[set[str], set[str]]:
        """Those of the decision_ids and of the keys that are recorded already."""
        with self._translated():
            return self._among("decision_id", decision_ids), self._among("key", keys)

    def _among(self, column: str, texts: Sequence[str]) -> set[str]:
        marks = ",".join("?" * len(texts))
        sql = f"SELECT {column} FROM record WHERE {column} IN ({marks})"
        return {str(row[0]) for row in self._writing.execute(sql, list(texts))}

    def head(self) -> Head:
        """The last record of the chain written here."""
        with self._translated():
            return _head(self._writing, WRITER)

    def restore(self, records: Iterable[Record]) -> None:
        """Take in records of all chains as they are, in one commit; the file must be empty."""
        with self._translated(), self._writing:
            if self._writing.execute("SELECT 1 FROM record LIMIT 1").fetchone():
                raise LedgerUnavailable(f"ledger {self.path}: holds records, expected an empty one")
            remaining = iter(records)
            while some := list(islice(remaining, PAGE_ROWS)):
                self._writing.execute(
                    _insert(len(some)), [value for record in some for value in _restored(record)]
                )

    def erase(self, stubs: Sequence[Stubs]) -> None:
        """Put stubs in the place of records, in one durable commit; freed pages are zeroed."""
        rows = [(request, answer, _place(of, seq)) for of, seq, request, answer in stubs]
        with self._translated():
            self._writing.execute("PRAGMA secure_delete = ON")
            with self._writing:
                sql = "UPDATE record SET request = ?, decision = ? WHERE rowid = ?"
                self._writing.executemany(sql, rows)

    def shrink(self) -> None:
        """Rewrite the file without the space of what was erased, and empty its log."""
        with self._translated():
            self._writing.execute("VACUUM")
            self._writing.execute("PRAGMA busy_timeout = 60000")  # until no reader needs the log
            self._writing.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def probe(self) -> None:
        """Prove that a commit becomes durable, by making one that changes nothing."""
        with self._translated():
            self._still_there()
            self._writing.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def between_commits(self) -> None:
        """What the writer does after the replies have left: keep the log short.

        While commits go on, the checkpoint thread never quite reaches the end of the log, and only
        a log copied to its end starts over; so the writer copies the little that is left.
        """
        if self._nearly_copied.is_set():
            self._nearly_copied.clear()
            _checkpoint(self._writing, self.path)
        elif self._logged_bytes >= self._wal_bytes:
            self._logged_bytes = 0
            self._wake.set()

    def _checkpoint_when_woken(self) -> None:
        with closing(self._connect(_READ_WRITE)) as connection:
            connection.execute("PRAGMA journal_mode")  # reads the file: only now it knows its log
            while self._wake.wait() and not self._closing:
                self._wake.clear()
                copied = 0
                for _ in range(CHECKPOINT_PASSES):
                    before, copied = copied, _checkpoint(connection, self.path)
                    if copied - before <= NEARLY_PAGES:
                        break
                self._nearly_copied.set()

    def _still_there(self) -> None:
        if _inode(self.path) != self._inode:
            raise LedgerUnavailable(
                f"ledger {self.path}: the file was moved or replaced while open"
            )

    @property
    def _writing(self) -> apsw.Connection:
        if self._writer is None:
            raise LedgerUnavailable(f"ledger {self.path}: not open for writing")
        return self._writer

    # Reading: from any thread.

    def get(self, decision_id: str) -> Record | None:
        """The record of a decision; None when there is none."""
        return self._one("decision_id", decision_id)

    def under(self, key: str) -> Record | None:
        """The record made under an Idempotency-Key; None when there is none."""
        return self._one("key", key)

    def _one(self, column: str, text: str) -> Record | None:
        with self._reading, self._translated():
            sql = f"{self._select} WHERE {column} = ?"
            row = self._read_only.execute(sql, (text,)).fetchone()
        return _record(row) if row else None

    def heads(self) -> list[Head]:
        """The last record of every writer's chain."""
        found: list[Head] = []
        with self._reading, self._translated():
            lowest = 1
            sql = "SELECT min(rowid) FROM record WHERE rowid >= ?"
            while (row := self._read_only.execute(sql, (lowest,)).fetchone()) and row[0]:
                writer, _ = _parts(cast(int, row[0]))
                found.append(_head(self._read_only, writer))
                lowest = _place(writer + 1, 0)
        return found

    def count(self) -> int:
        """How many records there are."""
        with self._reading, self._translated():
            row = self._read_only.execute("SELECT count(*) FROM record").fetchone()
        return int(row[0]) if row else 0

    def chain(self, writer: int, after_seq: int) -> Iterator[Record]:
        """A writer's records after a number, in order."""
        return self._between(_place(writer, after_seq), _place(writer + 1, 0))

    def everything(self) -> Iterator[Record]:
        """Every record there is, writer by writer, those in impossible places too."""
        return self._between(-inf, inf)

    def _between(self, low: float, high: float) -> Iterator[Record]:
        """No read is open while a record is used, so a slow reader does not hold the log back."""
        sql = f"{self._select} WHERE rowid > ? AND rowid < ? ORDER BY rowid LIMIT {PAGE_ROWS}"
        with self._translated(), closing(self._connect(_READ_ONLY)) as connection:
            while rows := connection.execute(sql, (low, high)).fetchall():
                yield from map(_record, rows)
                low = cast(int, rows[-1][0])

    @property
    def _read_only(self) -> apsw.Connection:
        if self._reader is None:
            raise LedgerUnavailable(f"ledger {self.path}: closed")
        return self._reader

    def _connect(self, flags: int) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), flags=flags)
        connection.set_busy_timeout(BUSY_MS)
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.NotADBError as error:
            raise LedgerUnavailable(f"ledger {self.path}: not a ledger file: {error}") from error
        except apsw.CorruptError as error:
            raise LedgerDamaged(f"ledger {self.path}: damaged: {error}") from error
        except (apsw.Error, OSError) as error:
            kind = type(error).__name__
            raise LedgerUnavailable(f"ledger {self.path}: {kind}: {error}") from error


@cache
def _insert(rows: int) -> str:
    return "INSERT INTO record VALUES " + ",".join(["(?,?,?,?,?,?,?,?)"] * rows)


@cache
def _selecting(version: int) -> str:
    """The reading statement of a schema version; a file is read without being brought up to date.

    The casts give bytes even where a damaged file holds another type or text that is not UTF-8.
    """
    keyed = ("key", "body_hash") if version > 1 else ("NULL", "NULL")
    stored = [f"coalesce(CAST({name} AS BLOB), x'')" for name in _COLUMNS]
    stored += [f"CAST({name} AS BLOB)" for name in keyed]
    return f"SELECT rowid, {', '.join(stored)} FROM record"


def _place(writer: int, seq: int) -> int:
    return (writer - 1 << WRITER_BITS) + seq


def _parts(place: int) -> tuple[int, int]:
    """Writer and number of a place; a place that no writer has counts as writer 1's."""
    writer = place >> WRITER_BITS
    return (writer + 1, place - (writer << WRITER_BITS)) if writer >= 0 else (1, place)


def _head(connection: apsw.Connection, writer: int) -> Head:
    sql = (
        "SELECT rowid, hash FROM record WHERE rowid >= ? AND rowid < ? ORDER BY rowid DESC LIMIT 1"
    )
    row = connection.execute(sql, (_place(writer, 1), _place(writer + 1, 0))).fetchone()
    if row is None:
        return Head(writer, 0, genesis(writer).hex())
    return Head(writer, _parts(cast(int, row[0]))[1], cast(bytes, row[1]).hex())


def _record(row: Sequence[object]) -> Record:
    writer, seq = _parts(cast(int, row[0]))
    decision_id, request, decision, prev_hash, own_hash = cast(list[bytes], row[1:6])
    key, body_hash = cast(list[bytes | None], row[6:])
    return Record(
        seq, _text(decision_id), request, decision, prev_hash.hex(), own_hash.hex(), writer,
        None if key is None else _text(key), None if body_hash is None else body_hash.hex(),
    )  # fmt: skip


def _text(stored: bytes) -> str:
    return stored.decode(errors="surrogateescape")


def _restored(record: Record) -> tuple[object, ...]:
    body_hash = None if record.body_hash is None else bytes.fromhex(record.body_hash)
    return (
        _place(record.writer, record.seq), record.decision_id, record.request, record.decision,
        bytes.fromhex(record.prev_hash), bytes.fromhex(record.hash), record.key, body_hash,
    )  # fmt: skip


def _version(connection: apsw.Connection, path: Path) -> int:
    """The schema version of a file, 0 when it is empty; what is no ledger is refused."""
    version = cast(int, connection.execute("PRAGMA user_version").fetchall()[0][0])
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema")]
    if version > SCHEMA_VERSION:
        raise LedgerUnavailable(
            f"ledger {path}: schema version: got {version}, expected at most {SCHEMA_VERSION}; "
            "it was written by a newer program"
        )
    if not tables and version == 0:
        return 0
    if "record" not in tables:
        raise LedgerUnavailable(f"ledger {path}: not a ledger: a database with other tables")
    return version


def _checkpoint(connection: apsw.Connection, path: Path) -> int:
    """Copy the log into the file as far as readers allow; how many of its pages are copied."""
    try:
        return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
    except apsw.BusyError:  # the other thread is copying just now
        return 0
    except apsw.Error as error:  # the records are safe in the log; the next attempt copies them
        log.warning("ledger %s: checkpoint: %s: %s", path, type(error).__name__, error)
        return 0


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _locked(path: Path) -> int:
    """Lock the side file that makes this process the only writer; its file descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise LedgerUnavailable(
            f"another process writes to this ledger: {path} is locked; stop it, or give this one "
            "a ledger of its own"
        ) from error
    return descriptor
