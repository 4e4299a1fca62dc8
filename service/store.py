"""Where records are kept: one SQLite file in WAL mode, and everything about SQL.

One connection writes, from the ledger's writer thread. Readers have their own connections and end
every read before they hand anything out, so they never hold the write-ahead log back. A thread of
its own copies that log into the file, so that replies do not wait for it.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast

import apsw

from service.chain import GENESIS, Record, Unreadable

SCHEMA_VERSION = 1
BUSY_MS = 2_000
PAGE_ROWS = 100
CHECKPOINT_PASSES, NEARLY_PAGES = 5, 200
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0")
"""How the writing connection is set: a commit returns only after its log is on disk."""

Row: TypeAlias = tuple[int, str, bytes, bytes, bytes, bytes]
"""seq, decision_id, request, decision, prev_hash, hash; hashes as 32 bytes."""

_CREATE = """
CREATE TABLE record (
    seq INTEGER PRIMARY KEY,
    decision_id TEXT NOT NULL UNIQUE,
    request BLOB NOT NULL,
    decision BLOB NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT
"""
# The casts give bytes even where a damaged file holds another type or text that is not UTF-8.
_SELECT = "SELECT seq, " + ", ".join(
    f"coalesce(CAST({column} AS BLOB), x'')"
    for column in ("decision_id", "request", "decision", "prev_hash", "hash")
)
_READ_ONLY = apsw.SQLITE_OPEN_READONLY
_READ_WRITE = apsw.SQLITE_OPEN_READWRITE
log = logging.getLogger("yidaitong")


class LedgerError(Exception):
    """Anything the ledger refuses or cannot do; the sentence says what and why."""


class LedgerBusy(LedgerError):
    """More records are waiting than may; nothing of this one was kept."""


class LedgerUnavailable(LedgerError):
    """The ledger cannot be read or written now; the record was not acknowledged."""


class LedgerDamaged(LedgerUnavailable, Unreadable):
    """The file was a ledger, but parts of it can no longer be read."""


class DuplicateDecision(LedgerError):
    """The decision_id is in the ledger already; a decision is recorded once."""


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
            raise LedgerUnavailable(f"ledger {self.path}: there is no such file")
        self._reader = self._connect(_READ_ONLY)
        if not _has_schema(self._reader, self.path):
            raise LedgerUnavailable(f"ledger {self.path}: the file is empty, it holds no ledger")

    def _open_writer(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = _locked(self.path.with_name(self.path.name + ".lock"))
        self._writer = self._connect(_READ_WRITE | apsw.SQLITE_OPEN_CREATE)
        created = _has_schema(self._writer, self.path)
        for pragma in PRAGMAS:
            self._writer.execute(f"PRAGMA {pragma}")
        if not created:
            with self._writer:
                self._writer.execute(_CREATE)
                self._writer.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
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
        """Add all rows in one durable commit, or none.

        One statement and no explicit transaction: the interpreter lock is given up once for the
        whole batch. Raises DuplicateDecision when a decision_id is not new.
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

    def known(self, decision_ids: Sequence[str]) -> set[str]:
        """Those of the decision_ids that are recorded already."""
        marks = ",".join("?" * len(decision_ids))
        with self._translated():
            sql = f"SELECT decision_id FROM record WHERE decision_id IN ({marks})"
            return {str(row[0]) for row in self._writing.execute(sql, list(decision_ids))}

    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last record; (0, GENESIS) of an empty ledger."""
        sql = "SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1"
        with self._translated():
            row = self._writing.execute(sql).fetchone()
        return (int(row[0]), bytes(row[1])) if row else (0, GENESIS)

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
        with self._reading, self._translated():
            sql = f"{_SELECT} FROM record WHERE decision_id = ?"
            row = self._read_only.execute(sql, (decision_id,)).fetchone()
        return _record(row) if row else None

    def count(self) -> int:
        """How many records there are."""
        with self._reading, self._translated():
            row = self._read_only.execute("SELECT count(*) FROM record").fetchone()
        return int(row[0]) if row else 0

    def records(self, after_seq: float) -> Iterator[Record]:
        """The records after number `after_seq` in order; -inf gives all there are.

        No read is open while a record is used, so a slow reader does not hold the log back.
        """
        sql = f"{_SELECT} FROM record WHERE seq > ? ORDER BY seq LIMIT {PAGE_ROWS}"
        with self._translated(), closing(self._connect(_READ_ONLY)) as connection:
            while rows := connection.execute(sql, (after_seq,)).fetchall():
                yield from map(_record, rows)
                after_seq = cast(int, rows[-1][0])

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
    return "INSERT INTO record VALUES " + ",".join(["(?,?,?,?,?,?)"] * rows)


def _record(row: Sequence[object]) -> Record:
    seq, *stored = row
    decision_id, request, decision, prev_hash, own_hash = (cast(bytes, part) for part in stored)
    named = decision_id.decode(errors="surrogateescape")
    return Record(cast(int, seq), named, request, decision, prev_hash.hex(), own_hash.hex())


def _has_schema(connection: apsw.Connection, path: Path) -> bool:
    """Whether the file is a ledger already; an empty file is not yet, anything else is refused."""
    version = cast(int, connection.execute("PRAGMA user_version").fetchall()[0][0])
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema")]
    if version > SCHEMA_VERSION:
        raise LedgerUnavailable(
            f"ledger {path}: schema version: got {version}, expected at most {SCHEMA_VERSION}; "
            "it was written by a newer program"
        )
    if not tables and version == 0:
        return False
    if "record" not in tables:
        raise LedgerUnavailable(f"ledger {path}: not a ledger: a database with other tables")
    return True


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
