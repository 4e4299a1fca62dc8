"""The real server with something planted in it: `python -m tests.faulty_server FAULT serve ...`

early       replies leave before their records are committed: what a fault test must catch
lazy        PostgreSQL commits return before their log is on disk: what a fault test must catch
disk=PATH   the disk is full while PATH.full exists, read-only while PATH.readonly exists
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from service import cli, postgres_store
from service.postgres_store import PostgresStore
from service.sqlite_store import SqliteStore
from service.store import Row
from tests.disk import Disk


def later(insert: Callable[[Any, Sequence[Row]], None]) -> Callable[[Any, Sequence[Row]], None]:
    """An insert that says it is done and only then does it, when the next one comes."""
    held: list[Row] = []

    def mutant(store: Any, rows: Sequence[Row]) -> None:
        earlier = held.copy()
        held[:] = rows
        if earlier:
            insert(store, earlier)

    return mutant


class Switched(Disk):
    """A disk whose faults are switched on and off from another process."""

    def __init__(self, switch: str) -> None:
        self._switches = {name: Path(f"{switch}.{name}") for name in ("full", "readonly")}
        super().__init__()

    @property
    def full(self) -> bool:
        return self._switches["full"].exists()

    @full.setter
    def full(self, _: bool) -> None:
        """Nobody but the other process switches."""

    @property
    def read_only(self) -> bool:
        return self._switches["readonly"].exists()

    @read_only.setter
    def read_only(self, _: bool) -> None:
        """Nobody but the other process switches."""

    def wrote(self, path: str, at: int, written: bytes | None) -> None:
        """Nothing is kept: the power stays on."""

    def synced(self, path: str) -> None:
        """Nothing is kept."""


if __name__ == "__main__":
    fault = sys.argv.pop(1)
    if fault == "early":
        SqliteStore.insert = later(SqliteStore.insert)  # type: ignore[method-assign]
        PostgresStore.insert = later(PostgresStore.insert)  # type: ignore[method-assign]
    elif fault == "lazy":
        postgres_store.SYNCHRONOUS_COMMIT = "off"
    else:
        disk = Switched(fault.removeprefix("disk="))  # in force as long as it lives
    cli.main()
