from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from model.features import FEATURES
from service import causes
from service.causes import ALL, CAUSES, MOST, Found, by_chance
from service.decide import Engine
from synthetic_data.outcomes import Cause


@pytest.fixture(scope="module")
def found(world: Path, engine: Engine) -> list[Found]:
    return causes.causes(world, engine.scorer)


def test_every_cause_of_the_simulator_is_shown_by_groups_that_exist() -> None:
    assert set(CAUSES) == {cause.name.lower() for cause in Cause} - {"none"}
    groups = {feature.group for feature in FEATURES}
    for cause, shown_by in CAUSES.items():
        assert set(shown_by) <= groups, cause
        assert len(set(shown_by)) == len(shown_by)


def test_each_firm_that_would_default_is_counted_once(found: list[Found], world: Path) -> None:
    from model.training import by_vintage, read_loans

    _, _, since = by_vintage(read_loans(world))
    asked = pd.read_parquet(world / "applications.parquet").set_index("application_id")
    known = pd.read_parquet(world / "truth.parquet").set_index("application_id")
    late = asked[asked["vintage"] >= since].index
    counts = known.loc[late, "true_cause"].value_counts().drop("none")
    assert {row.cause: row.firms for row in found[:-1]} == counts.to_dict()
    assert (found[-1].cause, found[-1].firms) == (ALL, counts.sum())


def test_every_share_is_one(found: list[Found]) -> None:
    """Whether reasons beat chance is for a world with enough defaults to say, not for this one."""
    for row in found:
        assert 0.0 <= row.ours <= 1.0
        assert 0.0 <= row.of_others <= 1.0
        assert 0.0 < row.by_chance < 1.0
        assert (row.shap is None) == (find_spec("shap") is None)


def test_a_world_without_its_truth_tells_nothing(
    world: Path, engine: Engine, tmp_path: Path
) -> None:
    for one in world.glob("*.parquet"):
        if one.name != "truth.parquet":
            (tmp_path / one.name).symlink_to(one)
    assert causes.causes(tmp_path, engine.scorer) == []


def test_one_firm_by_hand() -> None:
    groups = frozenset({"debt", "lenders", "sector", "liquidity", "age", "capital", "a", "b"})
    told = [frozenset({"debt", "age"}), frozenset({"suits"}), frozenset({"lenders", "capital"})]
    row = causes._found("over_leverage", [0, 1], told, None, groups)
    assert (row.firms, row.ours, row.shap) == (2, 0.5, None)
    # the first has 1 of 2 others that name it, the second 2 of 2
    assert row.of_others == 0.75
    # two or one of eight, of which two are wanted
    assert row.by_chance == pytest.approx((1 - 15 / 28 + 2 / 8) / 2)
    assert by_chance(0, 2, 8) == 0.0


def test_the_foremost_are_four_groups_that_raise_the_risk() -> None:
    raised = [0.5, 0.4, -0.9, 0.3, 0.2, 0.1, 0.0]
    assert causes._foremost(raised, list("aabcdef")) == frozenset("acde")
    assert causes._foremost(raised, list("abcdefg")) == frozenset("abde")
    assert MOST == 4


def test_the_table_says_what_is_not_known() -> None:
    from rich.console import Console

    row = Found(cause="late_payer", firms=3, ours=1 / 3, shap=None, of_others=0.2, by_chance=0.1)
    console = Console(record=True, width=120)
    console.print(causes.table([row]))
    said = console.export_text()
    assert "late payer" in said
    assert all(word in said for word in ("33%", "20%", "10%", " - "))
