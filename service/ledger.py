"""The ledger: decision records, durable before they are acknowledged, in one hash chain.

One writer thread takes everything that waits, chains it, commits it at once and only then releases
the replies; meanwhile the next batch gathers. An event loop rings for the writer when it has done
all it could do just now, not at every record: fewer hand-overs, larger batches. A batch that cannot
be committed is refused as a whole, nothing of it is acknowledged, and the next one starts again
from what the file says.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from math import inf
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeAlias

from msgspec import Struct

from service.chain import GENESIS, Receipt, Record, Verification, chained, content_hash, walk
from service.store import (
    DuplicateDecision,
    LedgerBusy,
    LedgerDamaged,
    LedgerError,
    LedgerUnavailable,
    Row,
    SqliteStore,
)

__all__ = [
    "DuplicateDecision",
    "Ledger",
    "LedgerBusy",
    "LedgerDamaged",
    "LedgerError",
    "LedgerUnavailable",
    "open_ledger",
    "verify",
]

MOST_WAITING = 4_096
MOST_IN_A_BATCH = 256
WAL_BYTES = 64 * 2**20
"""How many bytes of records are logged before the log is copied into the file."""

log = logging.getLogger("yidaitong")


class _Waiting(Struct, frozen=True):
    """A record that waits to be committed, and who waits for it: an event loop, or a thread."""

    decision_id: str
    request: bytes
    decision: bytes
    content: bytes
    future: "asyncio.Future[Receipt] | Future[Receipt]"
    loop: asyncio.AbstractEventLoop | None


_Settled: TypeAlias = list[tuple[_Waiting, Receipt | LedgerError]]


def open_ledger(url: str, *, read_only: bool = False) -> "Ledger":
    """Open a ledger, making it when there is none: sqlite:///relative.db, sqlite:////absolute.db.

    Raises LedgerUnavailable when the URL, the file or its schema is not one we know, or another
    process writes to it. Read-only works beside a live writer and makes nothing.
    """
    store = SqliteStore(_path(url), read_only=read_only, wal_bytes=WAL_BYTES)
    return Ledger(store, read_only=read_only)


def versions_folder(url: str) -> Path:
    """The folder beside a ledger's file where versions that decided are kept."""
    path = _path(url)
    return path.with_name(f"{path.name}.versions")


def ledger_beside(url: str, name: str) -> str:
    """The URL of another ledger in a file beside a ledger's own."""
    path = _path(url)
    return f"sqlite:///{path.with_name(f'{path.name}.{name}')}"


class Ledger:
    """Decision records in one hash chain; safe to use from any thread and event loop.

    `commits` counts durable commits that carried records. Made by `open_ledger`.
    """

    def __init__(self, store: SqliteStore, *, read_only: bool) -> None:
        self.commits = 0
        self._store = store
        self._head: tuple[int, bytes] | None = None  # None: ask the store
        self._failed = False
        self._closed = read_only
        self._accepting = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if not read_only:
            self._thread = threading.Thread(target=self._write, name="ledger-writer", daemon=True)
            self._thread.start()

    def append(self, decision_id: str, request: bytes, decision: bytes) -> asyncio.Future[Receipt]:
        """Record one decision; the awaited receipt comes only after it is durable.

        Raises LedgerBusy, LedgerUnavailable (closed) or LedgerError (an id that is not text) at
        once; the future raises DuplicateDecision, or
        LedgerUnavailable when the commit failed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        content = content_hash(request, decision)
        self._accept(_Waiting(decision_id, request, decision, content, future, loop))
        loop.call_soon(self._bell.put, None)  # after all that is ready to run before it
        return future

    def append_sync(self, decision_id: str, request: bytes, decision: bytes) -> Receipt:
        """Record one decision from a script, without an event loop; errors as for `append`."""
        future: Future[Receipt] = Future()
        content = content_hash(request, decision)
        self._accept(_Waiting(decision_id, request, decision, content, future, None))
        self._bell.put(None)
        return future.result()

    def get(self, decision_id: str) -> Record | None:
        """The record of a decision; None when there is none."""
        return self._store.get(decision_id)

    def records(self, from_seq: int = 1) -> Iterator[Record]:
        """The records in order, from number `from_seq` on."""
        return self._store.records(from_seq - 1)

    def count(self) -> int:
        """How many records there are."""
        return self._store.count()

    def ready(self) -> bool:
        """Whether records can be written now. Never blocks.

        After a failed commit it is False until a later commit succeeds; asking also makes the
        writer try one that changes nothing, so that readiness returns without traffic.
        """
        if self._failed and self._bell.empty():
            self._bell.put(None)
        alive = self._thread is not None and self._thread.is_alive()
        return alive and not self._closed and not self._failed

    def close(self) -> None:
        """Finish what was accepted, then close the file."""
        with self._accepting:
            self._closed = True
        if self._thread is not None:
            self._bell.put(None)
            self._thread.join()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self, waiting: _Waiting) -> None:
        if not _encodable(waiting.decision_id):
            raise LedgerError(f"decision_id: got {waiting.decision_id!r}, expected valid Unicode")
        with self._accepting:
            if self._closed:
                raise LedgerUnavailable("the ledger is closed, or was opened read-only")
            if len(self._queue) >= MOST_WAITING:
                raise LedgerBusy(f"{MOST_WAITING} records wait already, expected fewer")
            self._queue.append(waiting)

    # Everything below runs on the writer thread.

    def _write(self) -> None:
        while not (self._closed and not self._queue):
            batch = self._take()
            try:
                settled = self._commit(batch)
                self._failed = False
            except Exception as error:
                settled = self._fail(batch, error)
            _settle(settled)
            self._store.between_commits()

    def _take(self) -> list[_Waiting]:
        if not self._queue:
            self._bell.get()
        while not self._bell.empty():
            self._bell.get()
        return [self._queue.popleft() for _ in range(min(len(self._queue), MOST_IN_A_BATCH))]

    def _commit(self, batch: list[_Waiting]) -> _Settled:
        """Make a batch durable; an empty one only proves that commits work, if that is in doubt."""
        if self._head is None:
            self._head = self._store.head()
        if not batch:
            if self._failed:
                self._store.probe()
            return []
        refused: _Settled = []
        rows = self._chain(batch)
        try:
            self._store.insert(rows)
        except DuplicateDecision:
            batch, refused = self._without_duplicates(batch)
            rows = self._chain(batch)
            if rows:
                self._store.insert(rows)
        if rows:
            self._head = (rows[-1][0], rows[-1][5])
            self.commits += 1
        receipts = [Receipt(row[0], row[4].hex(), row[5].hex()) for row in rows]
        return [*zip(batch, receipts, strict=True), *refused]

    def _chain(self, batch: list[_Waiting]) -> list[Row]:
        seq, prev_hash = self._head or (0, GENESIS)
        rows: list[Row] = []
        for waiting in batch:
            named = waiting.decision_id
            own_hash = chained(prev_hash, named, waiting.content)
            seq += 1
            rows.append((seq, named, waiting.request, waiting.decision, prev_hash, own_hash))
            prev_hash = own_hash
        return rows

    def _without_duplicates(self, batch: list[_Waiting]) -> tuple[list[_Waiting], _Settled]:
        """The records of a batch whose decision_id is new, the first of each; and the others."""
        seen = self._store.known([waiting.decision_id for waiting in batch])
        fresh: list[_Waiting] = []
        refused: _Settled = []
        for waiting in batch:
            if waiting.decision_id in seen:
                said = f"decision_id: got {waiting.decision_id!r}, expected one not yet recorded"
                refused.append((waiting, DuplicateDecision(said)))
            else:
                seen.add(waiting.decision_id)
                fresh.append(waiting)
        return fresh, refused

    def _fail(self, batch: list[_Waiting], error: Exception) -> _Settled:
        """Refuse a whole batch; what really is in the file is read again before the next one."""
        if not isinstance(error, LedgerUnavailable):
            log.error("ledger: unforeseen %s", type(error).__name__, exc_info=error)
        self._head, self._failed = None, True
        said = f"not recorded: {error}"
        return [(waiting, LedgerUnavailable(said)) for waiting in batch]


def _encodable(text: str) -> bool:
    """Whether UTF-8 can hold a text: false for half a surrogate pair."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _settle(settled: _Settled) -> None:
    """Hand each caller its receipt or error; one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop | None, _Settled] = {}
    for waiting, outcome in settled:
        by_loop.setdefault(waiting.loop, []).append((waiting, outcome))
    for loop, some in by_loop.items():
        if loop is None:
            _resolve(some)
            continue
        try:
            loop.call_soon_threadsafe(_resolve, some)
        except RuntimeError:
            log.warning("ledger: %d settled after their event loop was closed", len(some))


def _resolve(settled: _Settled) -> None:
    for waiting, outcome in settled:
        if waiting.future.done():  # cancelled: nobody waits any more, the record stays
            continue
        if isinstance(outcome, Receipt):
            waiting.future.set_result(outcome)
        else:
            waiting.future.set_exception(outcome)


def verify(url: str, expected_head: str | None = None) -> Verification:
    """Walk the chain of a ledger, which may be in use, and name the first place that is broken.

    `expected_head` is a head hash (64 hexadecimal digits) noted earlier: records cut off after it
    cannot be missed, because it must be in the chain. Raises LedgerUnavailable when there is no
    ledger to walk.
    """
    expected = None if expected_head is None else _hash(expected_head)
    return walk(_everything(_path(url)), expected)


def _everything(path: Path) -> Iterator[Record]:
    with closing(SqliteStore(path, read_only=True, wal_bytes=WAL_BYTES)) as store:
        yield from store.records(-inf)


def _hash(given: str) -> str:
    digits = given.strip().lower()
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise LedgerError(f"expected_head: got {given!r}, expected 64 hexadecimal digits")
    return digits


def _path(url: str) -> Path:
    scheme, separator, rest = url.partition("://")
    if (scheme, separator) != ("sqlite", "://") or not rest.startswith("/") or len(rest) < 2:
        shown = scheme + separator + "***@" * ("@" in rest) + rest.rpartition("@")[2]
        raise LedgerUnavailable(
            f"ledger: got {shown!r}, expected sqlite:///relative.db or sqlite:////absolute.db"
        )
    return Path(rest[1:])
