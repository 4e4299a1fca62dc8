from service.chain import GENESIS, Record, chained, walk


def records(count: int) -> list[Record]:
    made, head = [], GENESIS
    for seq in range(1, count + 1):
        own = chained(head, f"d{seq}", b"q", b"a")
        made.append(Record(seq, f"d{seq}", b"q", b"a", head.hex(), own.hex()))
        head = own
    return made


def test_a_whole_chain_is_walked_to_its_head() -> None:
    made = records(4)
    found = walk(made)
    assert (found.ok, found.records, found.head_hash) == (True, 4, made[-1].hash)


def test_an_empty_chain_ends_in_genesis() -> None:
    assert walk([], GENESIS.hex()).head_hash == GENESIS.hex()


def test_lengths_are_part_of_the_hash() -> None:
    assert chained(GENESIS, "ab", b"c", b"") != chained(GENESIS, "a", b"bc", b"")


def test_the_first_break_is_named() -> None:
    made = records(4)
    assert walk([made[0], *made[2:]]).broken_seq == 2
    assert walk([made[1]]).broken_seq == 1


def test_a_head_that_was_cut_off_is_missed() -> None:
    made = records(4)
    assert walk(made[:2], made[-1].hash).what is not None
    assert walk(made, made[1].hash).ok
