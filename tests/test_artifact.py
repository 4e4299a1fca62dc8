import shutil
from pathlib import Path

import pytest

from model import artifact as artifacts
from model.artifact import Card
from model.table import ScorecardError


@pytest.fixture
def copy(artifact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(artifact, tmp_path / "copy"))


def test_what_was_saved_is_loaded(copy: Path) -> None:
    card, version = artifacts.load(copy)
    assert len(card.columns) >= 20
    assert artifacts.load_card(copy).hashes["scorecard.json"].startswith(version)


def test_a_changed_scorecard_is_refused(copy: Path) -> None:
    path = copy / "scorecard.json"
    path.write_bytes(path.read_bytes().replace(b'"intercept": -', b'"intercept": ', 1))
    with pytest.raises(ScorecardError, match="changed after training"):
        artifacts.load(copy)


def test_a_changed_estimator_is_refused_before_it_is_opened(copy: Path) -> None:
    (copy / "estimator.joblib").write_bytes(b"not what was trained")
    with pytest.raises(ScorecardError, match="SHA-256"):
        artifacts.load_estimator(copy)


def test_a_folder_without_a_scorecard_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ScorecardError, match="yidaitong train --out"):
        artifacts.load(tmp_path)


def test_the_card_says_what_it_was_made_from(artifact_and_card: tuple[Path, Card]) -> None:
    _, card = artifact_and_card
    assert set(card.hashes) == {"scorecard.json", "estimator.joblib", "parity.json"}
    assert card.loans["train"] > card.loans["held_out"] > 0
    assert card.loans["first_vintage"] < card.loans["held_out_from"] <= card.loans["last_vintage"]
    assert {"scikit-learn", "yidaitong"} <= set(card.versions)
