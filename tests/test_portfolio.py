from pathlib import Path

import msgspec
import pandas as pd
import pytest

from model.credit_file import Fault
from service.portfolio import score_table
from service.scores import Scores
from tests.own_loans import FEATURES, written


@pytest.fixture(scope="module")
def scores(own_artifact: Path) -> Scores:
    return Scores.load(own_artifact)


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_a_table_gets_the_endpoints_numbers(scores: Scores, kind: str, tmp_path: Path) -> None:
    source, to = written(tmp_path, f"loans{kind}"), tmp_path / f"scores{kind}"
    assert score_table(source, to, scores) == 3_000
    given = pd.read_parquet(written(tmp_path))
    found = pd.read_csv(to) if kind == ".csv" else pd.read_parquet(to)
    assert [*found.columns] == [
        *given.columns, "pd_12m", "score", "grade", "reasons_zh", "reasons_en",
    ]  # fmt: skip
    rows = given[[*FEATURES]].astype(object).iloc[::50].to_dict("records")
    for at, row in zip(range(0, 3_000, 50), rows, strict=True):
        body = {name: None if value != value else value for name, value in row.items()}
        one = scores.score(scores.parse(msgspec.json.encode(body)))
        assert found.loc[at, "pd_12m"] == one.pd_12m
        assert found.loc[at, "score"] == one.score
        assert found.loc[at, "grade"] == one.grade
        assert found.loc[at, "reasons_zh"] == "；".join(reason.text_zh for reason in one.reasons)


def test_a_column_that_is_not_there_is_missing(scores: Scores, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("rating,secured\nB,true\n,\n")
    score_table(tmp_path / "a.csv", tmp_path / "b.csv", scores)
    found = pd.read_csv(tmp_path / "b.csv")["pd_12m"].tolist()
    posted = [{"rating": "B", "secured": True}, {}]
    assert found == [
        scores.score(scores.parse(msgspec.json.encode(body))).pd_12m for body in posted
    ]


def test_a_csv_files_own_columns_are_given_back_as_they_are(scores: Scores, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("loan,zip,income_yuan\n1000014003,01095,200000\n7,,1e5\n")
    score_table(tmp_path / "a.csv", tmp_path / "b.csv", scores)
    _, *rows = (tmp_path / "b.csv").read_text().splitlines()
    assert rows[0].startswith("1000014003,01095,200000,0.")
    assert rows[1].startswith("7,,1e5,0.")


def test_a_place_that_cannot_be_written_is_named(scores: Scores, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("rating\nA\n")
    with pytest.raises(ValueError, match=r"--out: .*a.csv/b.csv: .*expected a file to write"):
        score_table(tmp_path / "a.csv", tmp_path / "a.csv" / "b.csv", scores)


@pytest.mark.parametrize(
    ("content", "to", "said"),
    [
        ("income_yuan\n1\nmany\n", "b.csv", "column income_yuan, row 2: got 'many'"),
        ("secured\ntrue\nperhaps\n", "b.csv", "column secured, row 1"),
        ("secured\n1\n2\n", "b.csv", "secured, row 2: got 2.0, expected true, false or null"),
        ("sector\n" + "x" * 501 + "\n", "b.csv", "sector, row 1"),
        ("a,b\n1,2\n", "b.csv", "none of the scorecard's columns; expected income_yuan"),
        ("rating,grade\nA,B\n", "b.csv", "has a column 'grade' already"),
        ("rating\nA\n", "b.xlsx", "--out: got 'b.xlsx', expected"),
    ],
)
def test_a_table_that_cannot_be_scored_says_where(
    content: str, to: str, said: str, scores: Scores, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises((ValueError, Fault), match=said):
        score_table(tmp_path / "a.csv", tmp_path / to, scores)
    assert not (tmp_path / to).exists()


def test_without_reasons_the_numbers_are_the_same(scores: Scores, tmp_path: Path) -> None:
    source = written(tmp_path)
    told, untold = tmp_path / "told.parquet", tmp_path / "untold.parquet"
    score_table(source, told, scores)
    assert score_table(source, untold, scores, reasons=False) == 3_000
    with_reasons, without = pd.read_parquet(told), pd.read_parquet(untold)
    assert [*without.columns] == [*with_reasons.columns[:-2]]
    pd.testing.assert_frame_equal(without, with_reasons[[*without.columns]], rtol=1e-12)
