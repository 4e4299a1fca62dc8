"""The hash chains that make a change to any past decision visible.

Every writer has a chain of its own:

    hash_n = SHA-256(hash_{n-1} || SHA-256(request) || SHA-256(decision) || decision_id || keyed)

`keyed` is empty, or 0xff, the SHA-256 of the body posted and the Idempotency-Key it was posted
under (UTF-8 holds no 0xff, so nothing can be moved from one part to another). The first record of
writer 1 follows 32 zero bytes, that of writer n follows SHA-256("yidaitong writer n"), so that no
chain can be passed off as another's. Hashes are taken over the bytes as stored, never over a
re-encoding. The contents are hashed before a record has its place in the chain, so the one thread
that chains has little to do.

The chain holds digests of the contents, not the contents: a record whose personal data were erased
keeps both digests in a stub where its bytes were, and fits as before. A stub begins with a zero
byte, which no JSON does, and holds what is kept for statistics; that is covered by the hash in the
erasure event (service/erasure.py), without which an erased record counts as broken.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct

GENESIS = bytes(32)
"""What the first record of the first writer follows."""


_ERASED = b"\0erased\0"
Places: TypeAlias = Mapping[tuple[int, int], str]
"""Writer and number of each record whose erasure was recorded -> hash of what is kept of it."""


class Unreadable(Exception):
    """A record that is there but can no longer be read."""


class Receipt(Struct, frozen=True):
    """Where a durable record stands: whose chain, which number, and the hashes around it."""

    seq: int
    prev_hash: str
    hash: str
    writer: int = 1


class Record(Struct, frozen=True):
    """One decision as stored: the request and the decision, byte for byte, and its place.

    A decision_id or key damaged so that it is no longer UTF-8 is shown with surrogate escapes.
    """

    seq: int
    decision_id: str
    request: bytes
    decision: bytes
    prev_hash: str
    hash: str
    writer: int = 1
    key: str | None = None
    body_hash: str | None = None


class Key(Struct, frozen=True):
    """The Idempotency-Key a request came under, with the SHA-256 of the body posted; 32 bytes."""

    key: str
    body_hash: bytes

    @classmethod
    def of(cls, key: str, body: bytes) -> "Key":
        """The key of a body as posted."""
        return cls(key, hashlib.sha256(body).digest())


class Head(Struct, frozen=True):
    """The last record of one writer's chain."""

    writer: int
    seq: int
    hash: str


class Verification(Struct, frozen=True):
    """What walking all chains found.

    `broken_writer`, `broken_seq` and `what` name the first broken place; `heads` are the last
    records that fit, of each chain walked.
    """

    ok: bool
    records: int
    heads: list[Head]
    broken_writer: int | None = None
    broken_seq: int | None = None
    what: str | None = None
    erased: int = 0


def erased(record: Record) -> bool:
    """Whether the personal data of a record were erased: only stubs are left."""
    return record.request.startswith(_ERASED) or record.decision.startswith(_ERASED)


def stub(stored: bytes, keep: bytes) -> bytes:
    """What is put in the place of stored bytes: their SHA-256, and what is kept of them."""
    return _ERASED + _digest(stored) + keep


def kept(stored: bytes) -> bytes:
    """The stored bytes, or what is kept of them after an erasure."""
    return stored[len(_ERASED) + 32 :] if stored.startswith(_ERASED) else stored


def stubs_hash(request: bytes, decision: bytes) -> str:
    """SHA-256 over both stubs of an erased record, as its erasure event has it."""
    return hashlib.sha256(content_hash(request, decision)).hexdigest()


def _digest(stored: bytes) -> bytes:
    """SHA-256 of what was recorded; 32 bytes."""
    if stored.startswith(_ERASED):
        return stored[len(_ERASED) : len(_ERASED) + 32]
    return hashlib.sha256(stored).digest()


def genesis(writer: int) -> bytes:
    """What the first record of a writer follows; 32 bytes."""
    return GENESIS if writer == 1 else hashlib.sha256(b"yidaitong writer %d" % writer).digest()


def content_hash(request: bytes, decision: bytes) -> bytes:
    """SHA-256 of the request followed by SHA-256 of the decision; 64 bytes."""
    return hashlib.sha256(request).digest() + hashlib.sha256(decision).digest()


def chained(prev_hash: bytes, decision_id: str, content: bytes, key: Key | None = None) -> bytes:
    """The hash of a record that follows one with `prev_hash`; 32 bytes.

    `content` is the record's content_hash.
    """
    named = decision_id.encode(errors="surrogateescape")
    if key is not None:
        named += b"\xff" + key.body_hash + key.key.encode(errors="surrogateescape")
    return hashlib.sha256(prev_hash + content + named).digest()


def walk(
    records: Iterable[Record],
    expected: str | None = None,
    noted: Iterable[Head] = (),
    erasures: Places = MappingProxyType({}),
) -> Verification:
    """Follow all chains, given writer by writer in order, and name the first broken place.

    `expected` is a head hash noted earlier, `noted` are heads noted with their places: without
    them a cut at the end cannot be seen. `erasures` are those recorded.
    """
    heads: list[Head] = []
    known: dict[tuple[int, int], set[str]] = {}
    for head in noted:
        if head.seq:
            known.setdefault((head.writer, head.seq), set()).add(head.hash)
    seen = expected in (None, GENESIS.hex())
    what: str | None = None
    gone = 0
    try:
        for writer, chain in groupby(records, lambda record: record.writer):
            heads.append(Head(writer, 0, genesis(writer).hex()))
            for record in chain:
                at = (writer, record.seq)
                if what := _misfit(record, heads[-1], known.pop(at, {record.hash})):
                    return _broken(heads, what)
                if erased(record):
                    gone += 1
                    if erasures.get(at) != stubs_hash(record.request, record.decision):
                        return _broken(heads, "erased, and no erasure event says so")
                heads[-1] = Head(writer, record.seq, record.hash)
                seen = seen or record.hash == expected
            if any(of == writer for of, _ in known):
                return _broken(heads, _cut(writer, known))
    except Unreadable as error:
        return _broken(heads or [Head(1, 0, GENESIS.hex())], str(error))
    for writer, _ in known:
        return _broken([*heads, Head(writer, 0, genesis(writer).hex())], _cut(writer, known))
    if not seen:
        what = f"no record has the expected head {expected}: records were cut off or rewritten"
        return _broken(heads or [Head(1, 0, GENESIS.hex())], what)
    return Verification(True, sum(head.seq for head in heads), heads, erased=gone)


def _broken(heads: list[Head], what: str) -> Verification:
    """The chain walked last is broken after its head."""
    last = heads[-1]
    return Verification(
        False, sum(head.seq for head in heads), heads, last.writer, last.seq + 1, what
    )


def _cut(writer: int, known: Iterable[tuple[int, int]]) -> str:
    last = max(seq for of, seq in known if of == writer)
    return f"the chain was cut off here: a head noted earlier is record {last}"


def _misfit(record: Record, before: Head, noted: set[str]) -> str | None:
    """Why a record does not fit after the one before it; None when it does."""
    seq = before.seq + 1
    if record.seq > seq:
        return f"record {seq} is missing; the next one there is {record.seq}"
    if record.seq != seq:
        return f"got a record numbered {record.seq}, expected {seq}"
    if record.prev_hash != before.hash:
        return "prev_hash is not the hash of the record before"
    if record.hash != own_hash(record).hex():
        return "the stored bytes do not fit their hash"
    if (record.key is None) != (record.body_hash is None) or len(
        record.body_hash or "0" * 64
    ) != 64:
        return "key and body_hash do not belong together"
    text = record.decision_id + (record.key or "")
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        return "decision_id or key is not UTF-8"
    if noted != {record.hash}:
        told = " and ".join(sorted(noted))
        return f"the record noted earlier in this place has the hash {told}: rewritten"
    return None


def own_hash(record: Record) -> bytes:
    """The hash a record must have, from what is stored with it; 32 bytes."""
    key = None
    if record.key is not None or record.body_hash is not None:
        key = Key(record.key or "", bytes.fromhex(record.body_hash or ""))
    content = _digest(record.request) + _digest(record.decision)
    return chained(bytes.fromhex(record.prev_hash), record.decision_id, content, key)
