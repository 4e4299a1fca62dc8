"""The SELECT gives what the scorer gives, in SQLite and in DuckDB."""

import sqlite3
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pytest

from model import artifact as artifacts
from model.credit_file import Fault
from model.points import points
from model.portrait import Value
from model.scorer import Scorer
from model.sql import query
from model.table import ScorecardError, ScorecardFile
from tests.awkward_card import CARD, column, rows

FURTHEST = 1e300
"""Stands for infinity, which not every way into a database lets through."""


@pytest.fixture(params=["by hand", "demo"])
def card(request: pytest.FixtureRequest, artifact: Path) -> ScorecardFile:
    return CARD if request.param == "by hand" else artifacts.load(artifact)[0]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def null(value: Value) -> Value:
    return None if isinstance(value, float) and isnan(value) else value


def in_sqlite(card: ScorecardFile, taken: Sequence[Sequence[Value]], sql: str) -> list[Any]:
    kinds = {"number": "REAL"}
    columns = ", ".join(f"{quoted(c.name)} {kinds.get(c.kind, 'TEXT')}" for c in card.columns)
    store = sqlite3.connect(":memory:")
    store.execute(f'CREATE TABLE "loans" (loan_id INTEGER, {columns})')
    marks = ", ".join("?" * (len(card.columns) + 1))
    numbered = [(i, *map(null, row)) for i, row in enumerate(taken)]
    store.executemany(f'INSERT INTO "loans" VALUES ({marks})', numbered)
    answered = store.execute(sql.rstrip().rstrip(";") + " ORDER BY loan_id").fetchall()
    store.close()
    return answered


def in_duckdb(card: ScorecardFile, taken: Sequence[Sequence[Value]], sql: str) -> list[Any]:
    import pyarrow as pa

    kinds = {"number": pa.float64()}
    columns = {
        one.name: pa.array([null(row[i]) for row in taken], kinds.get(one.kind, pa.string()))
        if one.unit != "yes/no"
        else pa.array([None if isnan(row[i]) else bool(row[i]) for row in taken], pa.bool_())  # type: ignore[arg-type]
        for i, one in enumerate(card.columns)
    }
    with duckdb.connect() as store:
        store.register("loans", pa.table({"loan_id": range(len(taken)), **columns}))
        return store.execute(sql.rstrip().rstrip(";") + " ORDER BY loan_id").fetchall()


@pytest.mark.parametrize("run", [in_sqlite, in_duckdb])
def test_ten_thousand_rows_are_scored_alike(card: ScorecardFile, run: Any) -> None:
    taken = rows(card, 10_000, infinite=FURTHEST)
    answered = run(card, taken, query(points(card, "v"), "loans"))
    scorer = Scorer(card, {one.name: i for i, one in enumerate(card.columns)})
    expected = [scorer.rate(row) for row in taken]
    exact = [scorer.reference_score + sum(scorer.points(row)) for row in taken]
    assert len(answered) == 10_000
    assert len(answered[0]) == 1 + len(card.columns) + 4
    *_, score_exact, pd_12m, score, grade = zip(*answered, strict=True)
    np.testing.assert_allclose(score_exact, exact, rtol=0, atol=1e-9)
    np.testing.assert_allclose(pd_12m, [one[1] for one in expected], rtol=0, atol=1e-9)
    assert list(score) == [one[0] for one in expected]
    assert list(grade) == [one[2] for one in expected]


def one_number(contributions: list[float], **given: Any) -> ScorecardFile:
    plain = {"cuts": [1.0], "missing": 0.0, "reference": 0.0} | given
    only = column("x", "number", contributions, **plain)
    scale = msgspec.structs.replace(CARD.scale, base_odds=1.0)
    return msgspec.structs.replace(CARD, columns=[only], two_way=[], intercept=0.0, scale=scale)


def test_certain_losses_are_no_overflow_and_halves_go_to_even() -> None:
    from math import log

    for contributions in ([-1e4, 1e4], [log(2) / 80, -log(2) / 80 * 3], [-3e-4, 4e-4]):
        card = one_number(contributions)
        scorer = Scorer(card, {"x": 0})
        answered = in_sqlite(card, [[0.0], [2.0], [None]], query(points(card, "v"), "loans"))
        for row, value in zip(answered, (0.0, 2.0, float("nan")), strict=True):
            score, pd_12m, grade = scorer.rate([value])
            assert row[3] == pytest.approx(pd_12m, abs=1e-12)
            assert row[4:] == (score, grade)


def test_infinity_and_empty_texts() -> None:
    taken = rows(CARD, 50)
    scorer = Scorer(CARD, {one.name: i for i, one in enumerate(CARD.columns)})
    empty = [["" if i in (0, 6) and not value else value for i, value in enumerate(row)]
             for row in taken]  # fmt: skip
    answered = in_sqlite(CARD, empty, query(points(CARD, "v"), "loans"))
    assert [row[-1] for row in answered] == [scorer.rate(row)[2] for row in taken]


def test_a_column_the_table_lacks_is_an_error() -> None:
    """SQLite takes a quoted name it does not know for a text, unless it says of which table."""
    card = one_number([0.1, 0.2])
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE loans (y REAL)")
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        store.execute(query(points(card, "v"), "loans"))
    store.close()


def test_two_thousand_features_are_not_too_deep() -> None:
    many = [column(f"x{i}", "number", [0.01, -0.01], cuts=[0.5]) for i in range(1_900)]
    card = msgspec.structs.replace(CARD, columns=many, two_way=[])
    answered = in_sqlite(card, [[1.0] * 1_900], query(points(card, "v"), "loans"))
    scorer = Scorer(card, {one.name: i for i, one in enumerate(many)})
    assert answered[0][-3] == pytest.approx(scorer.rate([1.0] * 1_900)[1], abs=1e-9)


def test_a_name_cannot_end_the_comment_or_the_quotes() -> None:
    sql = query(points(CARD, "v"), 'a"b.loans')
    assert sql.splitlines()[0] == '-- 手工 <card> "one" -- o\'clock SELECT, version v'
    assert sql.splitlines()[1].startswith("SELECT rated.*")
    assert 'FROM "a""b"."loans" AS loan' in sql


@pytest.mark.parametrize("table", ["", ".loans", "a..b", "a\0b"])
def test_an_impossible_table_is_refused(table: str) -> None:
    with pytest.raises(Fault, match=r"--table: got .* expected the name of a table"):
        query(points(CARD, "v"), table)


def test_features_sql_cannot_hold_are_refused() -> None:
    def made(*names: str, **given: Any) -> ScorecardFile:
        columns = [column(name, "number", [0.0]) for name in names]
        return msgspec.structs.replace(CARD, columns=columns, two_way=[])

    for names, said in (
        (("Income", "income"), "got 'Income' and 'income', expected names that differ"),
        (("grade",), "expected no feature named like an answer"),
        (("",), "expected one that SQL can hold"),
    ):
        with pytest.raises(ScorecardError, match=said):
            query(points(made(*names), "v"), "loans")
    bad = column("a", "nominal", [0.0], categories=["x\0y"])
    with pytest.raises(ScorecardError, match="expected none with a zero byte"):
        query(points(msgspec.structs.replace(CARD, columns=[bad], two_way=[]), "v"), "loans")
