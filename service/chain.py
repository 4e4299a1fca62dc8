"""The hash chain that makes a change to any past decision visible.

    hash_n = SHA-256(hash_{n-1} || SHA-256(request) || SHA-256(decision) || decision_id)

Hashes are taken over the bytes as stored, never over a re-encoding. The contents are hashed before
a record has its place in the chain, so the one thread that chains has little to do.
"""

import hashlib
from collections.abc import Iterable

from msgspec import Struct

GENESIS = bytes(32)
"""What the first record follows."""


class Unreadable(Exception):
    """A record that is there but can no longer be read."""


class Receipt(Struct, frozen=True):
    """Where a durable record stands in the chain."""

    seq: int
    prev_hash: str
    hash: str


class Record(Struct, frozen=True):
    """One decision as stored: the request and the decision, byte for byte, and its place.

    A decision_id damaged so that it is no longer UTF-8 is shown with surrogate escapes.
    """

    seq: int
    decision_id: str
    request: bytes
    decision: bytes
    prev_hash: str
    hash: str


class Verification(Struct, frozen=True):
    """What walking the chain found; `broken_seq` and `what` name the first broken place."""

    ok: bool
    records: int
    head_hash: str
    broken_seq: int | None = None
    what: str | None = None


def content_hash(request: bytes, decision: bytes) -> bytes:
    """SHA-256 of the request followed by SHA-256 of the decision; 64 bytes."""
    return hashlib.sha256(request).digest() + hashlib.sha256(decision).digest()


def chained(prev_hash: bytes, decision_id: str, content: bytes) -> bytes:
    """The hash of a record that follows one with `prev_hash`; 32 bytes.

    `content` is the record's content_hash.
    """
    named = decision_id.encode(errors="surrogateescape")
    return hashlib.sha256(prev_hash + content + named).digest()


def walk(records: Iterable[Record], expected_head: str | None = None) -> Verification:
    """Follow the chain through all records in order and name the first broken place.

    `expected_head` is a head hash noted earlier: without one a cut at the end cannot be seen.
    """
    seq, head, seen = 0, GENESIS, expected_head in (None, GENESIS.hex())
    what = None
    try:
        for record in records:
            content = content_hash(record.request, record.decision)
            own = chained(head, record.decision_id, content)
            if what := _misfit(record, seq + 1, head, own):
                break
            seq, head = record.seq, own
            seen = seen or record.hash == expected_head
    except Unreadable as error:
        what = str(error)
    if not what and not seen:
        what = f"no record has the expected head {expected_head}: records were cut off or rewritten"
    if what:
        return Verification(False, seq, head.hex(), seq + 1, what)
    return Verification(True, seq, head.hex())


def _misfit(record: Record, seq: int, prev_hash: bytes, own_hash: bytes) -> str | None:
    """Why a record does not fit as number `seq` after `prev_hash`; None when it does."""
    if record.seq > seq:
        return f"record {seq} is missing; the next one there is {record.seq}"
    if record.seq != seq:
        return f"got a record numbered {record.seq}, expected {seq}"
    if record.prev_hash != prev_hash.hex():
        return "prev_hash is not the hash of the record before"
    if record.hash != own_hash.hex():
        return "the stored bytes do not fit their hash"
    return None
