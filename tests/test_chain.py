"""The chain: any change to the past shows, at the place where it happened."""

import hashlib
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.chain import (
    GENESIS,
    Head,
    Key,
    Record,
    Unreadable,
    chained,
    content_hash,
    genesis,
    walk,
)


def chain(count: int) -> list[Record]:
    head, records = GENESIS, []
    for seq in range(1, count + 1):
        own = chained(head, f"d{seq}", content_hash(b"request", b"decision"))
        records.append(Record(seq, f"d{seq}", b"request", b"decision", head.hex(), own.hex()))
        head = own
    return records


def test_the_hash_is_the_published_formula() -> None:
    asked, said = hashlib.sha256(b"asked").digest(), hashlib.sha256(b"said").digest()
    expected = hashlib.sha256(bytes(32) + asked + said + b"id").digest()
    assert chained(GENESIS, "id", content_hash(b"asked", b"said")) == expected


parts = st.tuples(st.text(max_size=3), st.binary(max_size=3), st.binary(max_size=3))


@given(parts, parts)
def test_bytes_moved_from_one_part_to_the_next_change_the_hash(
    a: tuple[str, bytes, bytes], b: tuple[str, bytes, bytes]
) -> None:
    first, second = (chained(GENESIS, named, content_hash(*parts)) for named, *parts in (a, b))
    assert (first == second) == (a == b)


def test_an_empty_chain_fits_and_ends_in_zeros() -> None:
    assert walk([]).heads == []
    assert walk([], "0" * 64).ok


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decision_id", "other"),
        ("request", b"Request"),
        ("decision", b""),
        ("prev_hash", "00" * 32),
        ("hash", "00" * 32),
        ("seq", 9),
        ("seq", 0),
    ],
)
@pytest.mark.parametrize("place", [2, 5])
def test_any_changed_field_is_found_where_it_is(field: str, value: object, place: int) -> None:
    records = chain(5)
    records[place - 1] = msgspec.structs.replace(records[place - 1], **{field: value})
    found = walk(records)
    assert (found.ok, found.broken_seq, found.records) == (False, place, place - 1)


def test_a_missing_record_is_named() -> None:
    records = chain(5)
    del records[2]
    assert walk(records).what == "record 3 is missing; the next one there is 4"


def test_a_cut_shows_only_against_a_head_noted_earlier() -> None:
    records = chain(5)
    assert walk(records[:3]).ok
    assert walk(records, records[2].hash).ok  # the chain has grown since
    found = walk(records[:3], records[4].hash)
    assert (found.ok, found.broken_seq) == (False, 4)
    assert "cut off" in str(found.what)


def test_a_record_that_cannot_be_read_is_a_broken_place() -> None:
    def records() -> Iterator[Record]:
        yield from chain(2)
        raise Unreadable("a damaged page")

    found = walk(records())
    assert (found.ok, found.broken_seq, found.what) == (False, 3, "a damaged page")


def keyed(key: str | None, body_hash: bytes | None) -> Record:
    own = chained(GENESIS, "d", content_hash(b"q", b"a"), Key.of("key", b"body"))
    stored = None if body_hash is None else body_hash.hex()
    return Record(1, "d", b"q", b"a", GENESIS.hex(), own.hex(), 1, key, stored)


@pytest.mark.parametrize(
    ("key", "move"), [("kex", 0), ("ey", 1), ("", 3), (None, 0), (None, 3), ("key", None)]
)
def test_no_byte_of_a_key_can_be_changed_or_moved(key: str | None, move: int | None) -> None:
    hashed = hashlib.sha256(b"body").digest()
    assert walk([keyed("key", hashed)]).ok
    found = walk([keyed(key, None if move is None else hashed + b"key"[:move])])
    assert (found.ok, found.broken_seq) == (False, 1)


def test_bytes_moved_from_a_key_to_the_id_are_found() -> None:
    """The hash is the same; the id is no text any more."""
    tail = b"\xff" + hashlib.sha256(b"body").digest() + b"key"
    moved = msgspec.structs.replace(
        keyed(None, None), decision_id=(b"d" + tail).decode(errors="surrogateescape")
    )
    found = walk([moved])
    assert (found.ok, found.what) == (False, "decision_id or key is not UTF-8")


def test_chains_are_walked_one_by_one_and_start_from_their_writers_name() -> None:
    other = [msgspec.structs.replace(record, writer=2) for record in chain(2)]
    found = walk([*chain(3), *other])
    assert (found.broken_writer, found.broken_seq, found.records) == (2, 1, 3)
    own = chained(genesis(2), "d", content_hash(b"q", b"a"))
    first = Record(1, "d", b"q", b"a", genesis(2).hex(), own.hex(), 2)
    found = walk([*chain(3), first])
    assert (found.ok, [head.seq for head in found.heads]) == (True, [3, 1])


def test_two_heads_noted_for_one_place_cannot_both_be_true() -> None:
    records = chain(2)
    true, false = Head(1, 2, records[1].hash), Head(1, 2, "0" * 64)
    assert walk(records, None, [true, true]).ok
    for noted in ([true, false], [false, true]):
        assert walk(records, None, noted).broken_seq == 2
