"""The parity sample: what training said each row scores, serving must say again."""

import shutil
from pathlib import Path

import msgspec
import pytest

from model import artifact as artifacts
from model import parity
from model.parity import Parity
from model.table import ScorecardError
from service.decide import Engine


def rewritten(folder: Path, to: Path, **changes: object) -> Path:
    """A copy of an artefact whose parity sample is another one, properly named by its card."""
    copied = Path(shutil.copytree(folder, to))
    found = parity.read((copied / artifacts.PARITY).read_bytes(), "")
    stored = msgspec.json.encode(msgspec.structs.replace(found, **changes))
    (copied / artifacts.PARITY).write_bytes(stored)
    card = artifacts.load_card(copied)
    hashes = card.hashes | {artifacts.PARITY: artifacts.sha256(stored)}
    (copied / artifacts.CARD).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(card, hashes=hashes))
    )
    return copied


def sample_of(folder: Path) -> Parity:
    return parity.read((folder / artifacts.PARITY).read_bytes(), "parity.json")


@pytest.mark.parametrize("kind", ["artifact", "own_artifact"])
def test_a_sample_visits_every_step_it_has_room_for(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(kind)
    card, _ = artifacts.load(folder)
    found = sample_of(folder)
    assert found.columns == [column.name for column in card.columns]
    assert len(found.rows) == parity.ROWS
    assert len({*found.pd_12m}) > 10
    for at, column in enumerate(card.columns):
        seen = {row[at] for row in found.rows}
        assert None in seen or len(column.cuts) >= parity.ROWS // 2
        if 2 * len(column.cuts) + 2 <= parity.ROWS:
            assert {*column.cuts, *column.categories} <= seen
            assert not column.cuts or max(x for x in seen if x is not None) > column.cuts[-1]


def test_numbers_that_differ_in_the_eleventh_digit_are_refused(
    artifact: Path, tmp_path: Path
) -> None:
    found = sample_of(artifact)
    pds, points = [*found.pd_12m], [*found.points]
    pds[3] += 1e-11
    points[5] *= 1 + 1e-11
    with pytest.raises(ScorecardError, match=r"row 3: pd_12m: got .*, expected .* to 1e-12"):
        Engine.load(rewritten(artifact, tmp_path / "pd", pd_12m=pds))
    with pytest.raises(ScorecardError, match=r"parity.json: row 5: points: got .*, expected"):
        artifacts.load(rewritten(artifact, tmp_path / "points", points=points))


def test_a_sample_of_another_scorecard_or_shape_is_refused(artifact: Path, tmp_path: Path) -> None:
    found = sample_of(artifact)
    for nth, (changes, match) in enumerate(
        (
            ({"columns": ["strange", *found.columns[1:]]}, "columns differ .*strange"),
            ({"rows": [["text", *found.rows[0][1:]], *found.rows[1:]]}, "row 0: expected one"),
            ({"rows": [found.rows[0][1:], *found.rows[1:]]}, "row 0: expected one"),
            ({"rows": found.rows[1:]}, "as many numbers as rows"),
            ({"format": "yidaitong-parity/9"}, "yidaitong-parity/9"),
        )
    ):
        with pytest.raises(ScorecardError, match=match):
            artifacts.load(rewritten(artifact, tmp_path / str(nth), **changes))


def test_a_damaged_or_lost_sample_is_refused(artifact: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(artifact, tmp_path / "copy"))
    path = copied / artifacts.PARITY
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ScorecardError, match=r"parity.json: SHA-256 is .* but card.json names"):
        artifacts.load(copied)
    path.unlink()
    with pytest.raises(ScorecardError, match=r"parity\.json: No such file"):
        artifacts.load(copied)
    with pytest.raises(ScorecardError, match=r"p\.json: "):
        parity.read(b"\xff{", "p.json")


def test_an_artefact_of_before_there_were_samples_is_loaded(artifact: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(artifact, tmp_path / "copy"))
    (copied / artifacts.PARITY).unlink()
    card = artifacts.load_card(copied)
    hashes = {name: one for name, one in card.hashes.items() if name != artifacts.PARITY}
    (copied / artifacts.CARD).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(card, hashes=hashes))
    )
    assert artifacts.load(copied)[1] == artifacts.load(artifact)[1]
