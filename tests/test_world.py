import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from synthetic_data.parameters import load, standard
from synthetic_data.scenario import names
from synthetic_data.tables import NAMES, Tables
from synthetic_data.world import generate, simulate_block

MONTHS = 15


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 firms, 15 months, seed 7."""
    folder = tmp_path_factory.mktemp("small")
    generate(folder, 1_000, MONTHS, 7, workers=1)
    return folder


def test_one_worker_and_two_write_the_same_bytes(tmp_path: Path) -> None:
    told: list[int] = []
    generate(tmp_path / "one", 1_200, MONTHS, 7, told.append, workers=1)
    generate(tmp_path / "two", 1_200, MONTHS, 7, workers=2)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert told == [1_000, 200]


def test_so_they_do_with_every_scenario_laid_over(tmp_path: Path) -> None:
    chosen = load(scenarios=[name for name in names() if name != "published"])
    chosen = replace(chosen, world=replace(chosen.world, futures=1))
    generate(tmp_path / "one", 1_200, MONTHS, 7, workers=1, parameters=chosen)
    generate(tmp_path / "two", 1_200, MONTHS, 7, workers=2, parameters=chosen)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert json.loads((tmp_path / "one" / "world.json").read_text())["scenarios"] == [
        "published", *(name for name in names() if name != "published")
    ]  # fmt: skip


def test_another_seed_writes_another_world(small: Path, tmp_path: Path) -> None:
    generate(tmp_path, 1_000, MONTHS, 8, workers=1)
    mine, other = hashes(small), hashes(tmp_path)
    assert all(mine[name] != other[name] for name in mine)


def test_a_firm_lives_the_same_life_among_more_firms(small: Path, tmp_path: Path) -> None:
    generate(tmp_path, 3_000, MONTHS, 7)
    for name in NAMES:
        few, many = (pd.read_parquet(folder / f"{name}.parquet") for folder in (small, tmp_path))
        assert len(many) > 2 * len(few)
        pd.testing.assert_frame_equal(few, many.iloc[: len(few)])


def test_a_firm_of_a_part_block_lives_the_same_life(small: Path, tmp_path: Path) -> None:
    generate(tmp_path, 250, MONTHS, 7, workers=1)
    for name in ("firms", "months"):
        part, whole = (pd.read_parquet(folder / f"{name}.parquet") for folder in (tmp_path, small))
        pd.testing.assert_frame_equal(part, whole.iloc[: len(part)])
    assert pd.read_parquet(tmp_path / "firms.parquet").uscc.nunique() == 250


def test_a_part_block_may_hold_no_application(tmp_path: Path) -> None:
    generate(tmp_path, 1_001, 13, 7, workers=1)
    assert pd.read_parquet(tmp_path / "firms.parquet").uscc.nunique() == 1_001
    applications = pd.read_parquet(tmp_path / "applications.parquet")
    assert set(applications.uscc) <= set(pd.read_parquet(tmp_path / "firms.parquet").uscc)


@pytest.fixture(scope="module")
def shorter_and_longer() -> tuple[Tables, Tables]:
    return simulate_block(standard(), 0, 36, 7), simulate_block(standard(), 0, 48, 7)


def test_a_longer_world_tells_the_same_months(shorter_and_longer: tuple[Tables, Tables]) -> None:
    shorter, longer = (tables["months"].to_pandas() for tables in shorter_and_longer)
    common = longer[longer.month < "2021-01"].reset_index(drop=True)
    pd.testing.assert_frame_equal(shorter, common)


@pytest.mark.parametrize("name", ["applications", "outcomes", "truth", "credit_files"])
def test_a_longer_world_tells_the_same_loans(
    name: str, shorter_and_longer: tuple[Tables, Tables]
) -> None:
    shorter, longer = (tables[name].to_pandas() for tables in shorter_and_longer)
    assert len(longer) > len(shorter)
    known = longer[longer.application_id.isin(shorter.application_id)].reset_index(drop=True)
    pd.testing.assert_frame_equal(shorter, known)


def test_the_world_says_how_it_was_made(small: Path) -> None:
    told = json.loads((small / "world.json").read_text())
    assert told == {
        "format": 2,
        "seed": 7,
        "firms": 1_000,
        "months": MONTHS,
        "first_month": "2018-01",
        "parameters_sha256": standard().sha256,
        "scenarios": ["published"],
        "scenarios_sha256": standard().scenarios_sha256,
    }


def test_firms_have_months_only_while_they_live(world: Path) -> None:
    firms = pd.read_parquet(world / "firms.parquet").set_index("uscc")
    months = pd.read_parquet(world / "months.parquet", columns=["uscc", "month"])
    lived = months.groupby("uscc").month.agg(["min", "max", "size"]).join(firms)
    founded = lived.established.astype(str).str[:7]
    assert (lived["min"] == founded.where(founded > "2018-01", "2018-01")).all()
    assert (lived["max"] < lived.closed.fillna("9999-12")).all()
    assert firms.closed.notna().mean() > 0.1


def test_principal_that_falls_due_in_2020_is_deferred(world: Path) -> None:
    columns = ["month", "true_debt_service_due_yuan", "true_loan_owed_yuan", "debt_overdue_yuan"]
    months = pd.read_parquet(world / "months.parquet", columns=columns)
    paying = months[(months.true_loan_owed_yuan > 0) & (months.debt_overdue_yuan == 0)]
    sums = paying.groupby("month")[["true_debt_service_due_yuan", "true_loan_owed_yuan"]].sum()
    due = sums.true_debt_service_due_yuan / sums.true_loan_owed_yuan
    assert due["2020-03":"2020-06"].mean() < 0.8 * due["2019-03":"2019-06"].mean()


@pytest.mark.parametrize(
    ("firms", "months", "message"),
    [
        (0, 36, "firms: got 0, expected at least 1"),
        (10, 12, "months: got 12, expected at least 13"),
    ],
)
def test_a_world_too_small_or_too_short_is_refused(
    firms: int, months: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        generate(tmp_path, firms, months, 7)


def test_a_seed_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed: got -1"):
        generate(tmp_path, 10, 13, -1, workers=1)
