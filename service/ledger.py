"""The ledger: decision records, durable before they are acknowledged, in hash chains.

One writer thread takes everything that waits, chains it, commits it at once and only then releases
the replies; meanwhile the next batch gathers. An event loop rings for the writer when it has done
all it could do just now, not at every record: fewer hand-overs, larger batches. A batch that cannot
be committed is refused as a whole, nothing of it is acknowledged, and the next one starts again
from what the store says.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeAlias

from msgspec import Struct

from service.chain import (
    Head,
    Key,
    Receipt,
    Record,
    Verification,
    chained,
    content_hash,
    walk,
)
from service.settings import HOME
from service.store import (
    DuplicateDecision,
    KeyTaken,
    LedgerBusy,
    LedgerDamaged,
    LedgerError,
    LedgerUnavailable,
    Row,
    Store,
    beside,
    connection_and_schema,
    is_postgres,
    open_store,
    sqlite_path,
)

__all__ = [
    "DuplicateDecision", "KeyTaken", "Ledger", "LedgerBusy", "LedgerDamaged", "LedgerError",
    "LedgerUnavailable", "open_ledger", "verify",
]  # fmt: skip

MOST_WAITING = 4_096
MOST_IN_A_BATCH = 256
MOST_ATTEMPTS = 10
"""How often a batch is tried again when other writers record the same keys meanwhile."""
FRESH_S, STUCK_S = 1.0, 5.0
WAL_BYTES = 64 * 2**20
"""How many bytes of records are logged before the log is copied into the file."""

log = logging.getLogger("yidaitong")


class _Waiting(Struct, frozen=True):
    """A record that waits to be committed, and who waits for it: an event loop, or a thread."""

    decision_id: str
    request: bytes
    decision: bytes
    content: bytes
    key: Key | None
    future: "asyncio.Future[Receipt] | Future[Receipt]"
    loop: asyncio.AbstractEventLoop | None


_Settled: TypeAlias = list[tuple[_Waiting, Receipt | LedgerError]]
_Refused: TypeAlias = list[tuple[_Waiting, DuplicateDecision | Key]]


def open_ledger(url: str, *, read_only: bool = False) -> "Ledger":
    """Open a ledger, making it when there is none and bringing its tables up to date.

    `sqlite:///relative.db` or `sqlite:////absolute.db` is a file that one process writes;
    `postgresql://user@host/database?schema=name` is shared by any number of writers, each with a
    chain of its own. Raises LedgerUnavailable when the URL, the database or its schema is not one
    we know, or another process writes to the file. Read-only works beside live writers and changes
    nothing.
    """
    return Ledger(open_store(url, read_only=read_only, wal_bytes=WAL_BYTES), read_only=read_only)


def versions_folder(url: str) -> Path:
    """The folder where versions that decided are kept: beside a ledger's file.

    A PostgreSQL ledger keeps them itself; then it is this machine's copy of them.
    """
    if is_postgres(url):
        return HOME / f"versions-{connection_and_schema(url)[1]}"
    path = sqlite_path(url)
    return path.with_name(f"{path.name}.versions")


def ledger_beside(url: str, name: str) -> str:
    """The URL of another ledger beside a ledger's own."""
    return beside(url, name)


class Ledger:
    """Decision records in hash chains; safe to use from any thread and event loop.

    `commits` counts durable commits that carried records. Made by `open_ledger`.
    """

    def __init__(self, store: Store, *, read_only: bool) -> None:
        self.commits = 0
        self._store = store
        self._head: Head | None = None  # None: ask the store
        self._failed, self._proven = False, time.monotonic()
        self._asked: float | None = None  # when a proof that commits work was asked for
        self._closed = read_only
        self._accepting = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if not read_only:
            self._thread = threading.Thread(target=self._write, name="ledger-writer", daemon=True)
            self._thread.start()

    def append(
        self, decision_id: str, request: bytes, decision: bytes, key: Key | None = None
    ) -> asyncio.Future[Receipt]:
        """Record one decision; the awaited receipt comes only after it is durable.

        `key` is kept with it in the same commit. Raises LedgerBusy, LedgerUnavailable (closed) or
        LedgerError (an id that is not text) at once; the future raises DuplicateDecision, KeyTaken
        with the record made under the key before, or LedgerUnavailable when the commit failed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        content = content_hash(request, decision)
        self._accept(_Waiting(decision_id, request, decision, content, key, future, loop))
        loop.call_soon(self._bell.put, None)  # after all that is ready to run before it
        return future

    def append_sync(
        self, decision_id: str, request: bytes, decision: bytes, key: Key | None = None
    ) -> Receipt:
        """Record one decision from a script, without an event loop; errors as for `append`."""
        future: Future[Receipt] = Future()
        content = content_hash(request, decision)
        self._accept(_Waiting(decision_id, request, decision, content, key, future, None))
        self._bell.put(None)
        return future.result()

    def get(self, decision_id: str) -> Record | None:
        """The record of a decision; None when there is none."""
        return self._store.get(decision_id)

    def under(self, key: str) -> Record | None:
        """The record made under an Idempotency-Key; None when there is none."""
        return self._store.under(key)

    def heads(self) -> list[Head]:
        """The last record of every writer's chain."""
        return self._store.heads()

    def records(
        self, after: Mapping[int, int] | None = None, writer: int | None = None
    ) -> Iterator[Record]:
        """The records chain by chain in order, of each writer those after a number.

        With `writer` only that one's.
        """
        writers = [head.writer for head in self._store.heads()] if writer is None else [writer]
        for each in writers:
            yield from self._store.chain(each, (after or {}).get(each, 0))

    def neighbour(self, record: Record, step: int) -> Record | None:
        """The record before (-1) or after (1) another in its chain."""
        found = next(self._store.chain(record.writer, record.seq + step - 1), None)
        return found if found and found.seq == record.seq + step else None

    def restore(self, records: Iterable[Record]) -> None:
        """Take in the records of another ledger as they are; this one must be empty."""
        self._store.restore(records)

    def count(self) -> int:
        """How many records there are."""
        return self._store.count()

    def ready(self) -> bool:
        """Whether records can be written now. Never blocks.

        False from a failed commit until a later one succeeds, and while one takes longer than
        STUCK_S. When none succeeded within FRESH_S, asking makes the writer try one that changes
        nothing: without traffic, too, what broke or is mended shows when asked again.
        """
        now = time.monotonic()
        if self._asked is None and (self._failed or now - self._proven > FRESH_S):
            self._asked = now
            self._bell.put(None)
        alive = self._thread is not None and self._thread.is_alive()
        stuck = now - (self._asked or now) > STUCK_S
        return alive and not self._closed and not self._failed and not stuck

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
                self._failed, self._proven = False, time.monotonic()
            except Exception as error:
                settled = self._fail(batch, error)
            self._asked = None
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
            if self._failed or self._asked is not None:
                self._store.probe()
            return []
        refused: _Refused = []
        rows = self._chain(batch)
        for _ in range(MOST_ATTEMPTS):
            try:
                if rows:
                    self._store.insert(rows)
                break
            except DuplicateDecision:
                batch, again = self._without_duplicates(batch)
                refused += again
                rows = self._chain(batch)
        else:
            raise LedgerUnavailable("other writers recorded the same again and again")
        if rows:
            self._head = Head(self._head.writer, rows[-1][0], rows[-1][5].hex())
            self.commits += 1
        writer = self._head.writer
        receipts = [Receipt(row[0], row[4].hex(), row[5].hex(), writer) for row in rows]
        return [*zip(batch, receipts, strict=True), *self._with_records(refused)]

    def _chain(self, batch: list[_Waiting]) -> list[Row]:
        head = self._head or self._store.head()
        seq, prev_hash = head.seq, bytes.fromhex(head.hash)
        rows: list[Row] = []
        for waiting in batch:
            named, key = waiting.decision_id, waiting.key
            own_hash = chained(prev_hash, named, waiting.content, key)
            seq += 1
            keyed = (None, None) if key is None else (key.key, key.body_hash)
            stored = (waiting.request, waiting.decision, prev_hash, own_hash)
            rows.append((seq, named, *stored, *keyed))
            prev_hash = own_hash
        return rows

    def _without_duplicates(self, batch: list[_Waiting]) -> tuple[list[_Waiting], _Refused]:
        """The records of a batch whose decision_id and key are new, and the others."""
        keys = [waiting.key.key for waiting in batch if waiting.key]
        seen, used = self._store.known([waiting.decision_id for waiting in batch], keys)
        fresh: list[_Waiting] = []
        refused: _Refused = []
        for waiting in batch:
            if waiting.key and waiting.key.key in used:
                refused.append((waiting, waiting.key))
            elif waiting.decision_id in seen:
                said = f"decision_id: got {waiting.decision_id!r}, expected one not yet recorded"
                refused.append((waiting, DuplicateDecision(said)))
            else:
                seen.add(waiting.decision_id)
                used |= {waiting.key.key} if waiting.key else set()
                fresh.append(waiting)
        return fresh, refused

    def _with_records(self, refused: _Refused) -> _Settled:
        """What was refused for its key, with the record made under it: durable by now."""
        settled: _Settled = []
        for waiting, outcome in refused:
            if isinstance(outcome, Key):
                record = self._store.under(outcome.key)
                vanished = LedgerUnavailable("the record of this key is not there any more")
                settled.append((waiting, KeyTaken(record) if record else vanished))
            else:
                settled.append((waiting, outcome))
        return settled

    def _fail(self, batch: list[_Waiting], error: Exception) -> _Settled:
        """Refuse a whole batch; what really is in the file is read again before the next one."""
        if not isinstance(error, LedgerUnavailable):
            log.error("ledger: unforeseen %s", type(error).__name__, exc_info=error)
        elif not self._failed:
            log.error("ledger: cannot write: %s", error)
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


def verify(url: str, expected_head: str | None = None, noted: Iterable[Head] = ()) -> Verification:
    """Walk all chains of a ledger, which may be in use, and name the first place that is broken.

    `expected_head` is a head hash (64 hexadecimal digits) noted earlier, `noted` are heads with
    their places: records cut off after them cannot be missed, because they must be in a chain.
    Raises LedgerUnavailable when there is no ledger to walk.
    """
    from service.erasure import recorded  # it is made of ledgers itself

    expected = None if expected_head is None else _hash(expected_head)
    erasures, broken = recorded(url)
    return broken or walk(_everything(url), expected, noted, erasures)


def _everything(url: str) -> Iterator[Record]:
    with closing(open_store(url, read_only=True, wal_bytes=WAL_BYTES)) as store:
        yield from store.everything()


def _hash(given: str) -> str:
    digits = given.strip().lower()
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise LedgerError(f"expected_head: got {given!r}, expected 64 hexadecimal digits")
    return digits
