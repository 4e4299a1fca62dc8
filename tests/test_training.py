from pathlib import Path

import pytest

from model import training
from model.artifact import Card
from model.features import NOT_SCORED
from model.training import by_vintage, read_loans, train


def test_later_vintages_are_held_out(world: Path) -> None:
    earlier, later, split_at = by_vintage(read_loans(world))
    assert earlier.vintages.max() < split_at == later.vintages.min()


def test_the_scorecard_beats_chance_on_later_vintages_and_stays_below_the_truth(
    artifact_and_card: tuple[Path, Card],
) -> None:
    held_out = artifact_and_card[1].metrics["held_out"]
    assert 0.6 < held_out["auc"] < held_out["truth_auc"] + 0.05
    assert held_out["truth_auc"] > 0.7


def test_training_twice_writes_the_same_scorecard(
    world: Path, artifact: Path, tmp_path: Path
) -> None:
    train(world, tmp_path)
    assert (tmp_path / "scorecard.json").read_bytes() == (artifact / "scorecard.json").read_bytes()


def test_the_province_is_not_scored(world: Path) -> None:
    assert {"region"} == NOT_SCORED
    assert "region" not in read_loans(world).features


def test_a_folder_without_loans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="yidaitong generate"):
        train(tmp_path, tmp_path / "out")


def test_too_few_vintages_are_refused(world: Path) -> None:
    loans = read_loans(world)
    one = loans.part(loans.vintages == loans.vintages.min())
    with pytest.raises(ValueError, match="expected at least 3"):
        by_vintage(one)


def test_directions_cover_every_scored_feature(world: Path) -> None:
    assert set(training.directions()) == set(read_loans(world).features.columns)
