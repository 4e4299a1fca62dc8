from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.scorer import Scorer
from model.table import ScorecardError, ScorecardFile, read


@pytest.fixture(scope="module")
def card(artifact: Path) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode((artifact / "scorecard.json").read_bytes())
    return decoded


def refused(card: dict[str, Any], expected: str, **changes: Any) -> None:
    with pytest.raises(ScorecardError, match=expected):
        read(msgspec.json.encode(card | changes))


def with_column(card: dict[str, Any], **changes: Any) -> list[Any]:
    at = next(
        i for i, c in enumerate(card["columns"]) if c["direction"] == -1 and len(c["cuts"]) > 1
    )
    columns = list(card["columns"])
    columns[at] = columns[at] | changes
    return columns


def test_a_sound_file_is_read(card: dict[str, Any]) -> None:
    assert isinstance(read(msgspec.json.encode(card)), ScorecardFile)


def test_another_format_is_refused(card: dict[str, Any]) -> None:
    refused(card, "format: got 'x/9'", format="x/9")


def test_a_column_named_twice_is_refused(card: dict[str, Any]) -> None:
    refused(card, "appears twice", columns=[*card["columns"], card["columns"][0]])


def test_cuts_out_of_order_are_refused(card: dict[str, Any]) -> None:
    column = next(c for c in with_column(card) if c["direction"] == -1 and len(c["cuts"]) > 1)
    refused(card, "cuts: expected ascending", columns=with_column(card, cuts=column["cuts"][::-1]))


def test_a_step_against_the_direction_is_refused(card: dict[str, Any]) -> None:
    refused(card, "declared direction", columns=with_column(card, direction=1))


def test_too_few_contributions_are_refused(card: dict[str, Any]) -> None:
    refused(card, r"contributions: got 1", columns=with_column(card, contributions=[0.0]))


def test_grades_that_leave_a_gap_are_refused(card: dict[str, Any]) -> None:
    refused(card, "ending in 1.0", grades=card["grades"][:-1])


@given(st.binary(max_size=200))
def test_noise_is_refused_without_a_crash(noise: bytes) -> None:
    with pytest.raises(ScorecardError):
        read(noise)


@given(st.data())
def test_a_damaged_file_is_read_or_refused_never_crashes(
    artifact: Path, data: st.DataObject
) -> None:
    stored = bytearray((artifact / "scorecard.json").read_bytes())
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] = data.draw(st.integers(0, 255))
    try:
        read(bytes(stored))
    except ScorecardError:
        return


HOSTILE = [None, True, -1, 1e308, "", "x" * 5_000, [], {}, [[]], [1.0] * 300, {"a": 1}, 2**80]


@given(st.data())
def test_a_hostile_file_is_refused_or_scores(card: dict[str, Any], data: st.DataObject) -> None:
    """One value anywhere in the file becomes another; what is still read can be scored with."""
    hostile = deepcopy(card)
    at: Any = hostile
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(st.sampled_from(HOSTILE))
    try:
        found = read(msgspec.json.encode(hostile))
        scorer = Scorer(found, {column.name: i for i, column in enumerate(found.columns)})
    except ScorecardError:
        return
    rows: list[list[Any]] = [
        [value if column.kind == "number" else None for column in found.columns]
        for value in (0.0, float("nan"), float("inf"), -1e300)
    ]
    for row in rows:
        assert 0.0 <= scorer.assess(row).pd_12m <= 1.0
