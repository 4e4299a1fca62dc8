"""The hash chain that makes a change to any past decision visible.

    hash_n = SHA-256(hash_{n-1} || length-prefixed decision_id, request, decision)

Hashes are taken over the bytes as stored, never over a re-encoding.
"""

import hashlib
from collections.abc import Iterable

from msgspec import Struct

GENESIS = bytes(32)
"""What the first record follows."""


class Receipt(Struct, frozen=True):
    """Where a durable record stands in the chain."""

    seq: int
    prev_hash: str
    hash: str


class Record(Struct, frozen=True):
    """One decision as stored: the request and the decision, byte for byte, and its place."""

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
    digest = hashlib.sha256(prev_hash)
    for part in (decision_id.encode(), request, decision):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def walk(records: Iterable[Record], expected_head: str | None = None) -> Verification:
    """Follow the chain through records in order and name the first broken place.

    `expected_head` is a head hash noted earlier: without one a cut at the end cannot be seen.
    """
    seq, head, seen = 0, GENESIS, expected_head in (None, GENESIS.hex())
    for record in records:
        what = None
        own = chained(head, record.decision_id, record.request, record.decision)
        if record.seq != seq + 1:
            what = f"record {seq + 1} is missing"
        elif record.prev_hash != head.hex():
            what = "prev_hash is not the hash of the record before"
        elif record.hash != own.hex():
            what = "the stored bytes do not fit their hash"
        if what:
            return Verification(False, seq, head.hex(), seq + 1, what)
        seq, head = record.seq, own
        seen = seen or record.hash == expected_head
    if not seen:
        what = f"no record has the expected head {expected_head}: records were cut off"
        return Verification(False, seq, head.hex(), seq + 1, what)
    return Verification(True, seq, head.hex())
