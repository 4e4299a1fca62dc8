"""What the ledger asks of a store, and which store a URL names.

Two stores keep records alike: one SQLite file, or a PostgreSQL database that several servers share.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from service.chain import Head, Record, Unreadable

Row: TypeAlias = tuple[int, str, bytes, bytes, bytes, bytes, str | None, bytes | None]
"""seq, decision_id, request, decision, prev_hash, hash, key, body_hash; hashes as 32 bytes."""
Stubs: TypeAlias = tuple[int, int, bytes, bytes]
"""Writer and number of a record, and what is put in place of its request and its decision."""
SCHEMA = "yidaitong"
"""The PostgreSQL schema of a ledger whose URL does not name one with ?schema=."""
PAGE_ROWS = 100
_EXPECTED = (
    "sqlite:///relative.db, sqlite:////absolute.db or postgresql://user@host/database?schema=name"
)


class LedgerError(Exception):
    """Anything the ledger refuses or cannot do; the sentence says what and why."""


class LedgerBusy(LedgerError):
    """More records are waiting than may; nothing of this one was kept."""


class LedgerUnavailable(LedgerError):
    """The ledger cannot be read or written now; the record was not acknowledged."""


class NoLedger(LedgerUnavailable):
    """There is nothing where the URL points."""


class LedgerDamaged(LedgerUnavailable, Unreadable):
    """The file was a ledger, but parts of it can no longer be read."""


class DuplicateDecision(LedgerError):
    """The decision_id is in the ledger already; a decision is recorded once."""


class KeyTaken(LedgerError):
    """A record was made under the Idempotency-Key already; `record` is that one."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"Idempotency-Key: got {record.key!r}, expected one not yet used")
        self.record = record


class Store(Protocol):
    """Where records are kept. Raises LedgerUnavailable for whatever the database reports.

    What writes is called from one thread only, what reads from any.
    """

    def head(self) -> Head:
        """The last record of the chain this process adds to, connecting anew when need be."""

    def insert(self, rows: Sequence[Row]) -> None:
        """Add all rows to that chain in one durable commit, or none.

        Raises DuplicateDecision when a decision_id or a key is not new.
        """

    def known(self, decision_ids: Sequence[str], keys: Sequence[str]) -> tuple[set[str], set[str]]:
        """Those of the decision_ids and of the keys that are recorded already."""

    def probe(self) -> None:
        """Prove that a commit becomes durable, by making one that changes no record."""

    def between_commits(self) -> None:
        """What the writer does after the replies have left."""

    def get(self, decision_id: str) -> Record | None:
        """The record of a decision; None when there is none."""

    def under(self, key: str) -> Record | None:
        """The record made under an Idempotency-Key; None when there is none."""

    def heads(self) -> list[Head]:
        """The last record of every writer's chain."""

    def count(self) -> int:
        """How many records there are."""

    def chain(self, writer: int, after_seq: int) -> Iterator[Record]:
        """A writer's records after a number, in order; no read stays open while one is used."""

    def everything(self) -> Iterator[Record]:
        """Every record there is, writer by writer, those in impossible places too."""

    def restore(self, records: Iterable[Record]) -> None:
        """Take in records of all chains as they are, in one commit; the store must be empty."""

    def erase(self, stubs: Sequence[Stubs]) -> None:
        """Put stubs in the place of records, in one durable commit."""

    def shrink(self) -> None:
        """Give up the space of what was erased, so that its bytes are in no file of the store."""

    def close(self) -> None:
        """Close every connection; what was committed stays."""


def open_store(url: str, *, read_only: bool, wal_bytes: int) -> Store:
    """The store a URL names; raises LedgerUnavailable when it names none."""
    if is_postgres(url):
        try:
            from service.postgres_store import PostgresStore
        except ImportError as error:
            raise LedgerUnavailable(
                f"ledger {shown(url)}: PostgreSQL needs its driver ({error}): pip install "
                "'yidaitong[postgres]', or uv run --extra postgres"
            ) from error
        return PostgresStore(*connection_and_schema(url), read_only=read_only)
    from service.sqlite_store import SqliteStore

    return SqliteStore(sqlite_path(url), read_only=read_only, wal_bytes=wal_bytes)


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def sqlite_path(url: str) -> Path:
    """The file a URL names; raises LedgerUnavailable."""
    scheme, separator, rest = url.partition("://")
    if (scheme, separator) != ("sqlite", "://") or not rest.startswith("/") or len(rest) < 2:
        raise LedgerUnavailable(f"ledger: got {shown(url)!r}, expected {_EXPECTED}")
    return Path(rest[1:])


def connection_and_schema(url: str) -> tuple[str, str]:
    """A PostgreSQL URL without its ?schema=, and that schema; raises LedgerUnavailable."""
    connection, _, query = url.partition("?")
    options = [option for option in query.split("&") if option]
    schema = SCHEMA
    for option in [option for option in options if option.startswith("schema=")]:
        options.remove(option)
        schema = option.removeprefix("schema=")
    if not schema.isidentifier() or not schema.isascii() or len(schema) > 48:
        raise LedgerUnavailable(
            f"ledger {shown(url)}: schema: got {schema[:60]!r}, expected at most 48 letters, "
            "digits and underscores"
        )
    return connection + "?" * bool(options) + "&".join(options), schema


def beside(url: str, name: str) -> str:
    """The URL of another ledger beside one: a file of its own, or a schema of its own."""
    if not is_postgres(url):
        path = sqlite_path(url)
        return f"sqlite:///{path.with_name(f'{path.name}.{name}')}"
    connection, schema = connection_and_schema(url)
    return connection + ("&" if "?" in connection else "?") + f"schema={schema}_{name}"


def shown(url: str) -> str:
    """A URL without the name and password in it."""
    scheme, separator, rest = url.partition("://")
    return scheme + separator + "***@" * ("@" in rest) + rest.rpartition("@")[2]
