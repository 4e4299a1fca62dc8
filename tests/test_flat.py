"""A lender's own table: recognised, searched for leaks, split, fitted, saved, trained again."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from model import artifact as artifacts
from model import flat, schema, scorecard
from tests.own_loans import FEATURES, loans, written


@pytest.fixture(autouse=True)
def few_bags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bags instead of twenty: how good a scorecard is is not what most of these look at."""
    monkeypatch.setattr(scorecard, "ROWS_IN_BAGS", 0)


def seen_in(path: Path, out: Path, **options: Any) -> dict[str, flat.Seen]:
    seen: list[flat.Seen] = []
    options = {"positive": "charged off"} | options
    flat.train(path, "result", out, show=seen.extend, **options)
    return {one.name: one for one in seen}


@pytest.fixture(scope="module")
def seen(own_loans: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, flat.Seen]:
    return seen_in(own_loans, tmp_path_factory.mktemp("seen"), time="approved_on")


def test_columns_are_recognised_and_left_out_with_the_reason(seen: dict[str, flat.Seen]) -> None:
    assert {name: one.column.type for name, one in seen.items()} == {
        "loan_id": "identifier", "approved_on": "date", "country": "constant",
        "officer_note": "identifier", "income_yuan": "number", "debt_share": "number",
        "wobble": "number", "noise": "number", "sector": "category", "rating": "category",
        "secured": "number", "charged_off_yuan": "number", "result": "outcome",
    }  # fmt: skip
    used = {name for name, one in seen.items() if one.column.leave_out is None}
    assert used == set(FEATURES)
    assert all(one.column.leave_out for name, one in seen.items() if name not in used)
    assert 0.08 < seen["debt_share"].missing_share < 0.12


def test_a_leak_is_caught_and_told(seen: dict[str, flat.Seen]) -> None:
    leak = seen["charged_off_yuan"]
    assert leak.auc_alone == 1.0
    assert "a leak: alone it gives AUC 1.000" in (leak.column.leave_out or "")
    assert all((seen[name].auc_alone or 0) < 0.8 for name in FEATURES)


def test_only_clear_directions_are_suggested(seen: dict[str, flat.Seen]) -> None:
    suggested = {name: one.column.suggested_direction for name, one in seen.items()}
    assert suggested["income_yuan"] == -1
    assert suggested["wobble"] is None  # riskier at both ends
    assert suggested["noise"] is None
    assert all(one.column.direction is None for one in seen.values())


def test_the_scorecard_finds_the_truth_on_later_loans(own_artifact: Path, own_loans: Path) -> None:
    table, truth = loans()
    card = artifacts.load_card(own_artifact)
    late = table["approved_on"] >= card.loans["held_out_from"]
    hits = table["result"] == "charged off"
    assert card.loans["held_out"] == late.sum()
    assert 0.3 < late.mean() < 0.37
    assert card.metrics["held_out"]["auc"] > roc_auc_score(hits[late], truth[late]) - 0.04
    assert "charged_off_yuan" not in [c.name for c in artifacts.load(own_artifact)[0].columns]


def test_without_a_time_the_same_seed_holds_out_the_same_loans(
    own_loans: Path, tmp_path: Path
) -> None:
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        flat.train(own_loans, "result", tmp_path / folder, positive="charged off", seed=seed)
    a, b, c = [(tmp_path / name / "scorecard.json").read_bytes() for name in "abc"]
    assert a == b != c
    card = artifacts.load_card(tmp_path / "a")
    assert (card.loans["split"], card.loans["seed"]) == ("at random, by outcome", 7)
    rates = [card.metrics[part]["default_rate"] for part in ("train", "held_out")]
    assert abs(rates[0] - rates[1]) < 0.002


def test_the_schema_beside_the_scorecard_trains_the_same_one_again(
    own_artifact: Path, own_loans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # as many bags as own_artifact was fitted in
    flat.train(
        own_loans, "result", tmp_path, positive="charged off", time="approved_on",
        schema=own_artifact / flat.SCHEMA,
    )  # fmt: skip
    for name in (flat.SCHEMA, "scorecard.json"):
        assert (tmp_path / name).read_bytes() == (own_artifact / name).read_bytes()


def test_an_edited_schema_is_kept_to(own_loans: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("""
        [columns.rating]
        type = "ordered"
        categories = ["A", "B", "C"]
        direction = 1
        label_zh = "评级"
        label_en = "Rating"
        [columns.wobble]
        direction = 1
        [columns.noise]
        leave_out = "says nothing"
        [columns.debt_share]
        unit = "ratio"
        group = "debt"
    """)
    seen = seen_in(own_loans, tmp_path / "out", schema=path)
    card, _ = artifacts.load(tmp_path / "out")
    columns = {column.name: column for column in card.columns}
    rating = columns["rating"]
    assert (rating.kind, rating.direction, rating.label_zh) == ("ordered", 1, "评级")
    assert rating.contributions == sorted(rating.contributions)
    assert columns["wobble"].contributions == sorted(columns["wobble"].contributions)
    assert "noise" not in columns
    assert seen["noise"].column.leave_out == "says nothing"
    assert (columns["debt_share"].unit, columns["debt_share"].group) == ("ratio", "debt")
    again = schema.read(tmp_path / "out" / flat.SCHEMA).columns["rating"]
    assert again.categories == ["A", "B", "C"]


def test_codes_get_no_direction_and_a_warning(own_loans: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(own_loans).rename(columns={"income_yuan": "branch_code"})
    table["branch_code"] = table["branch_code"].round(-3)
    table.to_parquet(tmp_path / "loans.parquet")
    branch = seen_in(tmp_path / "loans.parquet", tmp_path)["branch_code"]
    assert (branch.column.type, branch.column.suggested_direction) == ("number", None)
    assert any("the name says it is a code" in said for said in branch.warnings)


def test_a_feature_recorded_otherwise_later_is_told(own_loans: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(own_loans)
    late = table["approved_on"] >= "2021-01-01"
    table.loc[late, "debt_share"] = table.loc[late, "debt_share"] / 100
    table.to_parquet(tmp_path / "loans.parquet")
    given = {"positive": "charged off", "time": "approved_on"}
    card = flat.train(tmp_path / "loans.parquet", "result", tmp_path, **given)
    moved = card.loans["moved_points"]
    assert next(iter(moved)) == "debt_share"
    assert moved["debt_share"] > 20
    card = flat.train(own_loans, "result", tmp_path / "as it was", **given)
    assert card.loans["moved_points"] == {}


def test_a_place_that_cannot_be_written_is_told_before_fitting(
    own_loans: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"--out: .*file: .*expected a folder to write into"):
        seen_in(own_loans, tmp_path / "file")


def test_a_text_with_many_values_is_used_where_the_schema_asks_for_it(
    own_loans: Path, tmp_path: Path
) -> None:
    table = pd.read_parquet(own_loans)
    table["branch"] = [f"branch {i % 260}" for i in range(len(table))]
    table.to_parquet(tmp_path / "loans.parquet")
    (tmp_path / "mine.toml").write_text('[columns.branch]\ntype = "category"\n')
    seen = seen_in(tmp_path / "loans.parquet", tmp_path / "out", schema=tmp_path / "mine.toml")
    assert (seen["branch"].distinct, seen["branch"].column.leave_out) == (260, None)
    card, _ = artifacts.load(tmp_path / "out")
    assert {len(c.categories) for c in card.columns if c.name == "branch"} == {200}


def test_suggestions_can_be_left_unused(own_loans: Path, tmp_path: Path) -> None:
    seen = seen_in(own_loans, tmp_path, suggested=False)
    card, _ = artifacts.load(tmp_path)
    assert {column.direction for column in card.columns} == {0}
    assert seen["income_yuan"].column.suggested_direction == -1
    assert artifacts.load_card(tmp_path).loans["suggested_directions_used"] is False


def test_a_leak_that_the_schema_asks_for_is_used_with_a_warning(
    own_loans: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[columns.charged_off_yuan]\ntype = "number"\n')
    seen = seen_in(own_loans, tmp_path / "out", schema=path)
    said = " ".join(seen["charged_off_yuan"].warnings)
    assert "used because the schema says so" in said
    assert "'charged_off' in the name" in said
    assert artifacts.load_card(tmp_path / "out").metrics["held_out"]["auc"] > 0.99


def test_a_csv_file_gives_the_same_scorecard(own_loans: Path, tmp_path: Path) -> None:
    for path in (own_loans, written(tmp_path, "loans.csv")):
        flat.train(path, "result", tmp_path / path.suffix, positive="charged off")
    cards = [(tmp_path / s / "scorecard.json").read_bytes() for s in (".parquet", ".csv")]
    assert cards[0] == cards[1]


def test_loans_whose_outcome_is_missing_are_left_out(own_loans: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(own_loans)
    table.loc[:99, "result"] = None
    table.to_parquet(tmp_path / "loans.parquet")
    card = flat.train(tmp_path / "loans.parquet", "result", tmp_path, positive="charged off")
    assert card.loans["outcome_or_time_missing"] == 100
    assert card.loans["train"] + card.loans["held_out"] == len(table) - 100


@pytest.mark.parametrize(
    "values", [[0, 1], [False, True], ["0", "1"], [0.0, 1.0], ["FALSE", "TRUE"]]
)
def test_zero_and_one_need_no_positive(values: list[Any]) -> None:
    ended = flat.outcomes("bad", pd.Series([*values, values[1], None], dtype=object), None)
    assert ended.tolist()[:3] == [0.0, 1.0, 1.0]
    assert np.isnan(ended.iloc[3])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "reslt"}, "--target: .* has no column 'reslt'; expected one of loan_id"),
        ({"positive": None}, "holds .'repaid', 'charged off'.* say with --positive"),
        ({"positive": "bad"}, "--positive: got 'bad', expected one of"),
        ({"time": "month"}, "--time: .* has no column 'month'"),
        ({"time": "sector"}, "--time sector: row 1 holds .*, expected dates such as 2024-01-31"),
        ({"time": "country"}, "--time country: row 1 holds 'CN'"),
        (
            {"target": "secured", "positive": "maybe"},
            "expected one of .'false', 'true'. of secured",
        ),
    ],
)
def test_a_mistake_says_what_was_expected(
    options: dict[str, Any], said: str, own_loans: Path, tmp_path: Path
) -> None:
    given = {"target": "result", "positive": "charged off"} | options
    with pytest.raises(ValueError, match=said):
        flat.train(own_loans, given.pop("target"), tmp_path, **given)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('[columns.incom_yuan]\ntype = "number"', "has no column 'incom_yuan'"),
        ('[columns.sector]\ntype = "number"', "column sector, row .*expected a number"),
        ("[columns.sector]\ndirection = 1", 'sector.direction: got .1.*type = "ordered"'),
        ('[columns.rating]\ntype = "ordered"\ncategories = ["A", "B"]', "got .'C'., expected one"),
    ],
)
def test_a_schema_that_does_not_fit_the_table_is_refused(
    written: str, said: str, own_loans: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(written)
    with pytest.raises(ValueError, match=said):
        seen_in(own_loans, tmp_path / "out", schema=tmp_path / "mine.toml")


def test_too_few_defaults_are_refused(own_loans: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(own_loans).head(100)
    table.to_parquet(tmp_path / "few.parquet")
    with pytest.raises(ValueError, match="expected at least 20 of either outcome"):
        flat.train(tmp_path / "few.parquet", "result", tmp_path, positive="charged off")


def test_a_card_of_own_loans_says_from_what_and_names_no_folder(
    own_artifact: Path, own_loans: Path, tmp_path: Path
) -> None:
    card = artifacts.load_card(own_artifact)
    assert card.name == "loans"
    assert card.loans["fingerprint"] == artifacts.sha256(own_loans.read_bytes())
    assert card.loans["schema"] == artifacts.sha256((own_artifact / flat.SCHEMA).read_bytes())
    assert str(own_loans.parent) not in msgspec.json.encode(card).decode()
    copy = Path(shutil.copytree(own_artifact, tmp_path / "copy"))
    (copy / flat.SCHEMA).write_text("")  # to be edited: the scorecard does not depend on it
    artifacts.load(copy)
