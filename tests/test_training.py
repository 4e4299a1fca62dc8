from pathlib import Path

import joblib
import pytest
from msgspec.structs import replace

from model import artifact as artifacts
from model import training
from model.artifact import Card
from model.credit_file import CreditFile
from model.features import INDEX, NOT_SCORED
from model.portrait import portrait
from model.scorer import Scorer
from model.table import FORMAT, Axis, Column, ScorecardFile, TwoWay
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


def test_features_that_change_no_score_are_left_out_and_named(
    artifact_and_card: tuple[Path, Card], credit_files: list[CreditFile]
) -> None:
    folder, card = artifact_and_card
    stored, _ = artifacts.load(folder)
    idle, kept = card.loans["idle_features"], [column.name for column in stored.columns]
    assert sorted([*idle, *kept]) == sorted(training.directions())
    assert idle
    estimator = joblib.load(folder / artifacts.ESTIMATOR)
    portraits = [portrait(one) for one in credit_files[:50]]
    features = training.frame(portraits)
    expected = estimator.predict_proba(features)[:, 1]
    scorer = Scorer(stored, INDEX)
    assert [scorer.rate(one)[1] for one in portraits] == pytest.approx(list(expected), abs=1e-12)


def test_an_idle_feature_leaves_its_mean_behind() -> None:
    column = Column(
        name="a", source="tax", unit="yuan", dimension="capacity", group="a", label_zh="甲",
        label_en="A", direction=0, kind="number", cuts=[1.0], contributions=[-0.5, 0.5],
        missing=0.0, unknown=0.0, reference=0.0,
    )  # fmt: skip
    same = replace(column, name="b", cuts=[], contributions=[0.25], missing=0.25, unknown=0.25)
    paired = replace(column, name="c", cuts=[], contributions=[0.0])
    table = TwoWay(
        first=Axis(feature="a", cuts=[1.0]), second=Axis(feature="c", cuts=[2.0]),
        contributions=[[0.1, 0.2, 0.0]] * 3, reference=0.0,
    )  # fmt: skip
    card = ScorecardFile(
        format=FORMAT, name="x", intercept=-3.0, columns=[column, same, paired], two_way=[table],
        scale=training.SCALE, grades=training.GRADES,
    )  # fmt: skip
    kept, idle = training.without_idle(card)
    assert idle == ["b"]
    assert [one.name for one in kept.columns] == ["a", "c"]
    assert kept.intercept == -2.75
    alone = replace(card, columns=[same], two_way=[])
    assert training.without_idle(alone) == (alone, [])
