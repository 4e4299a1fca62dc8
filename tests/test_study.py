from pathlib import Path
from typing import Any

import msgspec
import pytest

from service import showcase as showcases
from service.study import RUNGS, Study


@pytest.fixture(scope="module")
def told(showcase: Path) -> Study:
    return msgspec.json.decode((showcase / "study.json").read_bytes(), type=Study)


def test_every_source_is_on_one_rung() -> None:
    from model.credit_file import SOURCES

    assert sorted(source for rung in RUNGS for source in rung) == sorted(SOURCES)


def test_more_sources_tell_the_firms_apart_better(told: Study) -> None:
    auc = [rung.auc for rung in told.ladder]
    # some hundred loans to learn from: single rungs are noisy, thirds of the ladder are not
    assert auc[0] < auc[-1]
    assert sum(auc[:3]) / 3 + 0.02 < sum(auc[-3:]) / 3
    assert auc[-1] > 0.68
    for rung in told.ladder:
        assert rung.at_equal_risk.default_rate <= told.ours.default_rate


def test_every_way_to_decide_is_over_the_same_applications(told: Study) -> None:
    ways: list[Any] = [told.legacy, told.ours, told.at_equal_risk, told.at_equal_approval]
    for way in ways + [cut.lent for cut in told.frontier]:
        assert way.approved_share == pytest.approx(way.approved / told.applications)
        assert way.first_time <= way.approved
    assert told.at_equal_approval.approved == told.legacy.approved
    assert told.at_equal_approval.default_rate < told.legacy.default_rate
    assert told.at_equal_risk.default_rate <= told.legacy.default_rate
    assert told.frontier[-1].lent.approved == told.applications
    assert told.frontier[-1].lent.default_rate == pytest.approx(told.default_rate)


def test_cut_offs_ascend_with_what_they_approve(told: Study) -> None:
    cuts = [cut.pd_12m for cut in told.frontier]
    approved = [cut.lent.approved for cut in told.frontier]
    assert cuts == sorted(cuts)
    assert approved == sorted(approved)


def test_scores_that_did_not_move_stay_mostly_within_what_chance_reaches(told: Study) -> None:
    assert told.vintages == sorted(told.vintages, key=lambda one: one.vintage)
    fitted = [one for one in told.vintages if one.vintage < told.since]
    assert sum(one.psi > one.psi_by_chance for one in fitted) <= len(fitted) / 4
    fewest = min(told.vintages, key=lambda one: one.applications)
    most = max(told.vintages, key=lambda one: one.applications)
    assert fewest.psi_by_chance > most.psi_by_chance


def test_medians_are_of_the_sides_of_a_firm(told: Study) -> None:
    from model.features import DIMENSIONS

    assert "all" in told.medians
    assert all(set(sides) == set(DIMENSIONS) for sides in told.medians.values())


def test_champion_and_challenger_are_named(told: Study) -> None:
    assert [rival.name for rival in told.rivals] == ["scorecard", "boosting"]


def test_the_showcase_holds_stories_and_firms(showcase: Path, stories: dict[str, bytes]) -> None:
    shown = showcases.read(showcase)
    assert shown is not None
    assert list(shown.stories) == list(stories)
    lines = shown.firms("")
    assert len(lines) == showcases.MOST_FOUND
    one = lines[0]
    stored = shown.request(one.uscc)
    assert stored is not None
    assert msgspec.json.decode(stored)["credit_file"]["uscc"] == one.uscc
    assert one in shown.firms(one.name)
    assert shown.firms("%") == lines
    assert shown.request("nobody") is None
    assert showcases.made_for(showcase) == msgspec.json.decode(shown.study)["scorecard"]


def test_an_unfinished_showcase_is_none(tmp_path: Path) -> None:
    (tmp_path / showcases.STORIES).write_text("[]")
    assert showcases.read(tmp_path) is None
    assert showcases.made_for(tmp_path) is None
