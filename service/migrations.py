"""The tables of a ledger by schema version, and the steps from each version to the next.

A step only ever adds: no record is rewritten, so that a file of any size is brought up to date in a
moment. A database remembers its steps in the table `schema_version`.
"""

SCHEMA_VERSION = 2
"""1: one chain. 2: a chain for each writer, and the Idempotency-Key beside a record."""

WRITER_BITS = 40
"""SQLite keeps writer and number in one integer, `place` = (writer - 1) << 40 | seq: the numbers of
a version 1 file are the places of writer 1."""

SQLITE = {
    1: """
    CREATE TABLE record (
        seq INTEGER PRIMARY KEY,
        decision_id TEXT NOT NULL UNIQUE,
        request BLOB NOT NULL,
        decision BLOB NOT NULL,
        prev_hash BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    """,
    2: """
    ALTER TABLE record RENAME COLUMN seq TO place;
    ALTER TABLE record ADD COLUMN key TEXT;
    ALTER TABLE record ADD COLUMN body_hash BLOB;
    CREATE UNIQUE INDEX record_key ON record (key) WHERE key IS NOT NULL;
    CREATE TABLE schema_version (
        version INTEGER PRIMARY KEY,
        at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
    ) STRICT;
    INSERT INTO schema_version (version) VALUES (1);
    """,
}

# Texts are kept as bytes: any character survives, and they are compared as quickly as can be.
# EXTERNAL: compressing 25 kB of JSON costs ten times what storing it does.
POSTGRES = {
    2: """
    CREATE TABLE record (
        writer integer NOT NULL,
        seq bigint NOT NULL,
        decision_id bytea NOT NULL,
        request bytea STORAGE EXTERNAL NOT NULL,
        decision bytea STORAGE EXTERNAL NOT NULL,
        prev_hash bytea NOT NULL,
        hash bytea NOT NULL,
        key bytea,
        body_hash bytea,
        PRIMARY KEY (writer, seq),
        CONSTRAINT record_decision_id UNIQUE (decision_id)
    );
    CREATE UNIQUE INDEX record_key ON record (key) WHERE key IS NOT NULL;
    CREATE TABLE schema_version (
        version integer PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        probed_at timestamptz
    );
    CREATE TABLE version_file (name text PRIMARY KEY, content bytea NOT NULL);
    """,
}


def steps(tables: dict[int, str], version: int) -> list[tuple[int, str]]:
    """What is still to be done to a database of some version, 0 for an empty one, in order."""
    return [(number, step) for number, step in sorted(tables.items()) if number > version]
