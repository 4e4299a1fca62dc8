"""The hash chain that makes a change to any past decision visible.

    hash_n = SHA-256(hash_{n-1} || length-prefixed decision_id, request, decision)

Hashes are taken over the bytes as stored, never over a re-encoding.
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


def chained(prev_hash: bytes, decision_id: str, request: bytes, decision: bytes) -> bytes:
    """The hash of a record that follows one with `prev_hash`; 32 bytes."""
    parts = [prev_hash]
    for part in (decision_id.encode(errors="surrogateescape"), request, decision):
        parts += (len(part).to_bytes(8, "big"), part)
    return hashlib.sha256(b"".join(parts)).digest()


def walk(records: Iterable[Record], expected_head: str | None = None) -> Verification:
    """Follow the chain through all records in order and name the first broken place.

    `expected_head` is a head hash noted earlier: without one a cut at the end cannot be seen.
    """
    seq, head, seen = 0, GENESIS, expected_head in (None, GENESIS.hex())
    what = None
    try:
        for record in records:
            own = chained(head, record.decision_id, record.request, record.decision)
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
