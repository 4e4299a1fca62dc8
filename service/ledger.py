"""The ledger: append-only, hash-chained, group-committed decision records on SQLite.

One writer thread takes everything that waits, commits it as one transaction (WAL,
synchronous=FULL) and only then releases the replies; meanwhile the next batch gathers. Checkpoints
run on a thread of their own, off the reply path. The chain of hashes is in chain.py.
"""

import asyncio
import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, NamedTuple

import apsw

from service.chain import GENESIS, Receipt, Record, Verification, chained, walk

SCHEMA_VERSION = 1
MOST_WAITING = 10_000
BATCH = 512
CHECKPOINT_PAGES = 2_000
WAL_PAGES_MOST = 64_000

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY,
    decision_id TEXT NOT NULL UNIQUE,
    request BLOB NOT NULL,
    decision BLOB NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
PRAGMA user_version = {SCHEMA_VERSION};
"""
_COLUMNS = "seq, decision_id, request, decision, prev_hash, hash"
_ROW = "(?, ?, ?, ?, ?, ?)"


class LedgerError(Exception):
    """Something about the ledger the caller should know, in a sentence."""


class LedgerBusy(LedgerError):
    """Too many records wait to be committed."""


class LedgerUnavailable(LedgerError):
    """The ledger cannot be opened or written; nothing was acknowledged."""


class DuplicateDecision(LedgerError):
    """A decision_id that is already in the ledger."""


class _Waiting(NamedTuple):
    """A record that waits to be committed, and the future its caller awaits."""

    future: asyncio.Future[Receipt]
    decision_id: str
    request: bytes
    decision: bytes


_Settled = list[tuple["asyncio.Future[Receipt]", Receipt | LedgerError]]


def open_ledger(url: str, *, read_only: bool = False) -> "Ledger":
    """Open a ledger by URL: sqlite:///relative.db or sqlite:////absolute.db.

    Raises LedgerUnavailable when the file cannot be opened, is not a ledger, is newer than this
    program, or another process writes to it.
    """
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise LedgerUnavailable(
            f"ledger: got {url!r}, expected sqlite:///PATH (relative) or sqlite:////PATH (absolute)"
        )
    return Ledger(Path(url[len(prefix) :]), read_only=read_only)


class Ledger:
    """An open ledger; one writer a file, any number of readers."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.commits = 0
        self._waiting = 0
        self._healthy = True
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._probing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = threading.Event()
        self._checkpoint_due = threading.Event()
        self._wal_pages = 0
        self._reading = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._lock_file: IO[bytes] | None = None
        if not read_only:
            self._lock_file = _lock(path)
        self._reader: Any = None
        self._writer: Any = None
        try:
            if not read_only:
                self._writer = _open_writer(path)
                self._writer.set_wal_hook(self._after_commit)
            self._reader = _open_reader(path)
        except LedgerError:
            self.close()
            raise
        self._head = _head(self._reader)
        if not read_only:
            for run in (self._write, self._checkpoint):
                thread = threading.Thread(target=run, name=f"ledger{run.__name__}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(
        self, decision_id: str, request: bytes, decision: bytes
    ) -> "asyncio.Future[Receipt]":
        """Record one decision; the future resolves when it is durable.

        Raises LedgerBusy when too many wait; the future raises LedgerUnavailable or
        DuplicateDecision. Call from one event loop.
        """
        if self._writer is None or self._closing.is_set():
            raise LedgerUnavailable(f"{self.path}: the ledger is not open for writing")
        if self._waiting >= MOST_WAITING:
            raise LedgerBusy(f"{self._waiting} records wait, expected fewer than {MOST_WAITING}")
        loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        self._waiting += 1
        self._queue.put(_Waiting(future, decision_id, request, decision))
        return future

    def get(self, decision_id: str) -> Record | None:
        """The record of a decision, or None."""
        with self._reading:
            rows = _rows(
                self._reader, f"SELECT {_COLUMNS} FROM record WHERE decision_id = ?", (decision_id,)
            )
        return _record(rows[0]) if rows else None

    def records(self, from_seq: int = 1) -> Iterator[Record]:
        """All records in order, from a sequence number on."""
        while True:
            with self._reading:
                rows = _rows(
                    self._reader,
                    f"SELECT {_COLUMNS} FROM record WHERE seq >= ? ORDER BY seq LIMIT 200",
                    (from_seq,),
                )
            if not rows:
                return
            for row in rows:
                yield _record(row)
            from_seq = rows[-1][0] + 1

    def count(self) -> int:
        """How many records the ledger holds."""
        with self._reading:
            return int(_rows(self._reader, "SELECT count(*) FROM record")[0][0])

    def ready(self) -> bool:
        """Whether the last commit succeeded; after a failure each call also tries a small one."""
        if self._writer is None or self._closing.is_set():
            return False
        if not self._healthy and not self._probing:
            self._probing = True
            self._queue.put(None)
        return self._healthy

    def close(self) -> None:
        """Finish what was accepted, then let go of the file."""
        if not self._closing.is_set():
            self._closing.set()
            self._checkpoint_due.set()
            self._queue.put(None)
            for thread in self._threads:
                thread.join()
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        if self._lock_file is not None:
            self._lock_file.close()

    def _write(self) -> None:
        """The writer thread: everything that waits, in one commit, then all replies at once."""
        while True:
            batch = [self._queue.get()]
            while len(batch) < BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except Empty:
                    break
            waiting = [item for item in batch if item is not None]
            try:
                settled = self._commit(waiting)
                self._healthy = True
            except apsw.Error as error:
                settled = [(item.future, self._failed(error)) for item in waiting]
            self._probing = False
            if settled and self._loop is not None:
                try:
                    self._loop.call_soon_threadsafe(self._settle, settled)
                except RuntimeError:  # the event loop is gone, and with it whoever waited
                    self._waiting -= len(settled)
            if self._closing.is_set() and self._queue.empty():
                return

    def _commit(self, batch: list[_Waiting]) -> _Settled:
        """Insert a batch as one durable transaction; raises apsw.Error when it cannot."""
        writer = self._writer
        writer.execute("BEGIN IMMEDIATE")
        if not batch:
            writer.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        try:
            settled, head = self._insert(batch)
        except apsw.ConstraintError:  # nothing of the statement was kept: one record at a time
            settled, head = self._insert_one_by_one(batch)
        writer.execute("COMMIT")
        self.commits += 1
        self._head = head
        if self._wal_pages > WAL_PAGES_MOST:
            writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return settled

    def _insert(self, batch: list[_Waiting]) -> tuple[_Settled, tuple[int, bytes]]:
        """All records of a batch in one statement.

        One statement gives the interpreter lock away once, not once a record: taking it back from
        a busy event loop can cost milliseconds.
        """
        seq, prev_hash = self._head
        settled: _Settled = []
        values: list[Any] = []
        for future, decision_id, request, decision in batch:
            seq += 1
            own = chained(prev_hash, decision_id, request, decision)
            values += (seq, decision_id, request, decision, prev_hash, own)
            settled.append((future, Receipt(seq, prev_hash.hex(), own.hex())))
            prev_hash = own
        if batch:
            rows = ",".join([_ROW] * len(batch))
            self._writer.execute(f"INSERT INTO record ({_COLUMNS}) VALUES {rows}", values)
        return settled, (seq, prev_hash)

    def _insert_one_by_one(self, batch: list[_Waiting]) -> tuple[_Settled, tuple[int, bytes]]:
        """The batch without the records whose decision_id is already there."""
        before, settled = self._head, []
        for item in batch:
            try:
                one, self._head = self._insert([item])
                settled += one
            except apsw.ConstraintError:
                refusal = DuplicateDecision(f"{item.decision_id!r} is already in the ledger")
                settled.append((item.future, refusal))
        head, self._head = self._head, before
        return settled, head

    def _failed(self, error: apsw.Error) -> LedgerUnavailable:
        """Forget a batch that could not be committed; the head is read again from the file."""
        self._healthy = False
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            self._head = _head(self._writer)
        except apsw.Error:
            pass  # the next batch fails the same way and says so
        return LedgerUnavailable(f"{self.path}: {type(error).__name__}: {error}")

    def _settle(self, settled: _Settled) -> None:
        """On the event loop: release the replies of a batch."""
        self._waiting -= len(settled)
        for future, receipt in settled:
            if future.cancelled():
                continue
            if isinstance(receipt, LedgerError):
                future.set_exception(receipt)
            else:
                future.set_result(receipt)

    def _after_commit(self, _connection: Any, _database: str, pages: int) -> int:
        self._wal_pages = pages
        if pages > CHECKPOINT_PAGES:
            self._checkpoint_due.set()
        return int(apsw.SQLITE_OK)

    def _checkpoint(self) -> None:
        """The checkpoint thread: moves the log into the file with a connection of its own."""
        connection = _connect(self.path, apsw.SQLITE_OPEN_READWRITE)
        while not self._closing.is_set():
            self._checkpoint_due.wait()
            self._checkpoint_due.clear()
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.Error:
                self._closing.wait(0.1)  # a full disk: the writer meets it and reports it
        connection.close()


def verify(url: str, expected_head: str | None = None) -> Verification:
    """Walk the chain of a ledger, which may be in use, and name the first broken place."""
    with open_ledger(url, read_only=True) as ledger:
        return walk(ledger.records(), expected_head)


def _lock(path: Path) -> IO[bytes]:
    """Hold the side file that makes this process the only writer."""
    beside = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = beside.open("ab")
    except OSError as error:
        raise LedgerUnavailable(f"{beside}: {error.strerror}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise LedgerUnavailable(
            f"{path}: another process writes to this ledger ({beside.name} is locked); "
            "stop it, or give this one a ledger of its own"
        ) from error
    return held


def _connect(path: Path, flags: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(5_000)
    return connection


def _open_writer(path: Path) -> apsw.Connection:
    try:
        writer = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        writer.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        _check_version(path, writer)
        writer.execute(_SCHEMA)
    except apsw.Error as error:
        raise LedgerUnavailable(f"{path}: {error}; expected a ledger") from error
    return writer


def _open_reader(path: Path) -> apsw.Connection:
    if not path.exists():
        raise LedgerUnavailable(f"{path}: no such file; expected a ledger written by `serve`")
    try:
        reader = _connect(path, apsw.SQLITE_OPEN_READONLY)
        _check_version(path, reader)
        reader.execute(f"SELECT {_COLUMNS} FROM record LIMIT 1").fetchall()
    except apsw.Error as error:
        raise LedgerUnavailable(f"{path}: {error}; expected a ledger") from error
    return reader


def _check_version(path: Path, connection: Any) -> None:
    found = int(connection.execute("PRAGMA user_version").fetchall()[0][0])
    if found > SCHEMA_VERSION:
        raise LedgerUnavailable(
            f"{path}: written by a newer program (schema {found}, this one knows {SCHEMA_VERSION})"
        )


def _head(connection: Any) -> tuple[int, bytes]:
    rows = connection.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchall()
    return (int(rows[0][0]), bytes(rows[0][1])) if rows else (0, GENESIS)


def _rows(connection: Any, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    try:
        return list(connection.execute(statement, values).fetchall())
    except apsw.Error as error:
        raise LedgerUnavailable(f"reading the ledger: {error}") from error


def _record(row: Any) -> Record:
    seq, decision_id, request, decision, prev_hash, own = row
    return Record(seq, decision_id, request, decision, prev_hash.hex(), own.hex())
