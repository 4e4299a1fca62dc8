from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.credit_file import CreditFile
from model.features import FEATURES, INDEX
from model.portrait import portrait
from service import causes
from service.causes import ALL, CAUSES, FEWEST, KNOWABLE, MOST, Apart, Found, by_chance
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
    assert {row.cause: row.firms for row in found if row.cause in CAUSES} == counts.to_dict()
    assert (found[-1].cause, found[-1].firms) == (ALL, counts.sum())


def test_every_share_is_one(found: list[Found]) -> None:
    for row in found:
        assert 0.0 <= row.ours <= 1.0
        assert 0.0 <= row.of_others <= 1.0
        assert 0.0 < row.by_chance < 1.0
        assert row.lift == pytest.approx(row.ours - row.of_others)
        assert (row.shap is None) == (row.shap_lift is None) == (find_spec("shap") is None)


def test_debt_and_buyers_can_be_known_beforehand_and_refusals_to_pay_cannot(
    found: list[Found],
) -> None:
    """What the world shows, on all its defaults; what our reasons make of it: docs/accuracy.md."""
    apart = {row.cause: row.apart for row in found if row.apart is not None}
    for cause in ("over_leverage", "late_payer"):
        assert apart[cause].known, apart[cause]
    assert not apart["wilful"].known, apart["wilful"]
    assert KNOWABLE in {row.cause for row in found}


def test_a_cause_is_known_by_its_own_features_or_not_at_all(credit_files: list[CreditFile]) -> None:
    """Some firms are made to owe much: debt tells them, what they file tells no other cause."""
    rng = np.random.default_rng(3)
    portraits = [list(portrait(one)) for one in credit_files[:400]]
    loaded = rng.random(len(portraits)) < 0.3
    for one, heavy in zip(portraits, loaded, strict=True):
        one[INDEX["debt_to_sales"]] = rng.normal(0.4 + 0.4 * heavy, 0.2)
    why = np.where(loaded, "over_leverage", np.where(rng.random(400) < 0.3, "wilful", "late_payer"))
    apart = causes._apart([tuple(one) for one in portraits], why.tolist())
    assert set(apart) == {"over_leverage", "wilful", "late_payer"}
    assert apart["over_leverage"].auc > 0.8
    assert apart["over_leverage"].known
    assert not apart["wilful"].known
    few = ["late_payer"] * (401 - FEWEST) + ["fraud"] * (FEWEST - 1)
    assert causes._apart([tuple(one) for one in portraits], few) == {}


def test_reasons_that_are_the_cause_lift_and_reasons_of_anybody_do_not() -> None:
    """What the yardstick must say of an oracle, of one who always says the same, and of luck."""
    rng = np.random.default_rng(5)
    why = rng.choice(["fraud", "over_leverage", "demand_shock"], 600).tolist()
    groups = frozenset(group for cause in CAUSES.values() for group in cause)
    oracle = [frozenset({CAUSES[cause][0]}) for cause in why]
    same = [frozenset({"consistency", "debt", "liquidity", "filings"})] * len(why)
    lots = sorted(groups)
    luck = [frozenset(rng.choice(lots, 4, replace=False).tolist()) for _ in why]
    for cause in set(why):
        assert causes._found(cause, why, oracle, None, groups).lift == 1.0
        assert causes._found(cause, why, same, None, groups).lift == 0.0
        drawn = causes._found(cause, why, luck, None, groups)
        assert abs(drawn.lift) < 3.0 * drawn.error
        assert drawn.ours == pytest.approx(drawn.by_chance, abs=0.12)


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
    why = ["over_leverage", "over_leverage", "fraud"]
    row = causes._found("over_leverage", why, told, None, groups)
    assert (row.firms, row.ours, row.shap, row.shap_lift) == (2, 0.5, None, None)
    assert (row.of_others, row.lift) == (1.0, -0.5)  # the third names it and is another's
    assert row.error == pytest.approx((0.5 * 0.5 / 2) ** 0.5)
    # two or one of eight, of which two are wanted
    assert row.by_chance == pytest.approx((1 - 15 / 28 + 2 / 8) / 2)
    assert by_chance(0, 2, 8) == 0.0


def test_the_knowable_count_once_each_and_everybody_by_firms() -> None:
    rows = [
        Found(cause=cause, firms=firms, ours=ours, shap=None, of_others=0.1, by_chance=0.2,
              error=0.3, apart=apart)
        for cause, firms, ours, apart in (
            ("fraud", 10, 0.9, Apart(0.9, 0.05)), ("late_payer", 30, 0.3, Apart(0.7, 0.05)),
            ("wilful", 60, 0.1, Apart(0.55, 0.04)), ("guarantee", 0, 0.0, None),
        )
    ]  # fmt: skip
    (known,), (everybody,) = causes._knowable(rows), causes._everybody(rows)
    assert (known.cause, known.firms, everybody.cause) == (KNOWABLE, 40, ALL)
    assert known.ours == pytest.approx(0.6)
    assert known.error == pytest.approx(0.3 / 2**0.5)
    assert everybody.ours == pytest.approx(0.24)
    assert causes._knowable(rows[2:]) == []


def test_the_foremost_are_four_groups_that_raise_the_risk() -> None:
    raised = [0.5, 0.4, -0.9, 0.3, 0.2, 0.1, 0.0]
    assert causes._foremost(raised, list("aabcdef")) == frozenset("acde")
    assert causes._foremost(raised, list("abcdefg")) == frozenset("abde")
    assert MOST == 4


def test_the_table_says_what_is_not_known() -> None:
    from rich.console import Console

    row = Found(cause="late_payer", firms=3, ours=1 / 3, shap=None, of_others=0.2, by_chance=0.1,
                error=0.04, apart=Apart(0.73, 0.02))  # fmt: skip
    console = Console(record=True, width=160)
    console.print(causes.table([row]))
    said = console.export_text()
    assert "late payer" in said
    assert all(word in said for word in ("33%", "20%", "10%", " - ", "+13% ± 4%", "0.73 ± 0.02"))
