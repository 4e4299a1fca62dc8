"""Broken input at every reader; a few thousand here, a million by hand: tests/fuzzing.py."""

from pathlib import Path

from tests.fuzzing import Mutator, Reader, fuzz, readers

INPUTS = 4_000


def test_no_input_crashes_a_reader_or_a_decision(
    artifact: Path, stories: dict[str, bytes], tmp_path: Path
) -> None:
    given = readers(tmp_path, artifact, [*stories.values()])
    found = fuzz(given, INPUTS, 7)
    assert not found.crashes, [
        (name, body[:300], repr(error)) for name, body, error in found.crashes
    ]
    assert sum(found.inputs.values()) == INPUTS
    for name in given:
        assert 0 < found.accepted[name] < found.inputs[name], f"{name}: {found}"


def test_a_reader_that_crashes_is_found() -> None:
    def strict(body: bytes) -> None:
        if not body.startswith(b"{"):
            raise ValueError
        body.decode("ascii")  # a UnicodeDecodeError is a ValueError, an index beyond is not
        body[40]

    found = fuzz(
        {"strict": Reader([b'{"a": [1, 2, 3], "b": {"c": "text"}}'], strict, ValueError, 1.0)},
        500,
        7,
    )
    assert {type(error) for _, _, error in found.crashes} == {IndexError}


def test_the_same_seed_makes_the_same_inputs() -> None:
    one, other = (Mutator([b'{"a":[1,2.5,"x",null],"b":{"c":true}}'], 3) for _ in range(2))
    made = [one.one() for _ in range(200)]
    assert made == [other.one() for _ in range(200)]
    assert len(set(made)) > 100
