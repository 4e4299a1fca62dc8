"""The baseline is what tutorials teach: 40 flat fields, all its trees, the same answer each way."""

import asyncio
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import httpx
import joblib
import msgspec
import pandas as pd
import pytest

from service import naive
from service.bench import Timing

FEW_TREES = 3


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path: Path = tmp_path_factory.mktemp("naive") / "pipeline.joblib"
    naive.fit(path, FEW_TREES)
    return joblib.load(path)


def ask(
    pipeline: Any, method: str, path: str, flat: object = None, store: Path | None = None
) -> httpx.Response:
    """One request to the tutorial's service."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(naive.create_app(pipeline, store))
        async with httpx.AsyncClient(transport=transport, base_url="http://naive") as client:
            return await client.request(method, path, json=flat)

    return asyncio.run(asked())


def test_the_table_has_5000_rows_and_40_columns_of_which_10_are_letters() -> None:
    frame, target = naive.table()
    assert frame.shape == (5_000, 40)
    assert set(target) == {0, 1}
    letters = frame.select_dtypes(exclude="number")
    assert list(letters) == naive.LETTERS
    assert set(letters.to_numpy().ravel()) == set("abcde")


def test_every_tree_asked_for_is_there_and_200_are_asked_for(pipeline: Any) -> None:
    assert naive.TREES == 200
    assert pipeline["trees"].n_iter_ == FEW_TREES
    assert not pipeline["trees"].do_early_stopping_


def test_the_pipeline_learned_something(pipeline: Any) -> None:
    frame, target = naive.table()
    assert pipeline.score(frame, target) > 0.6


def test_a_ready_frame_and_a_dict_give_the_same_probability(pipeline: Any) -> None:
    from_frame, from_dict = naive.predict_once(pipeline)
    assert from_frame() == from_dict()
    expected = pipeline.predict_proba(pd.DataFrame([naive.example()]))[0, 1]
    assert from_frame() == pytest.approx(expected)
    assert 0 < from_frame() < 1


def test_the_service_answers_a_dict_with_that_probability(pipeline: Any) -> None:
    reply = ask(pipeline, "POST", "/predict", naive.example())
    assert reply.status_code == 200
    pd_12m = naive.predict_once(pipeline)[0]()
    assert reply.json() == {"pd_12m": pytest.approx(pd_12m), "approved": pd_12m < 0.5}


def test_a_field_left_out_is_refused(pipeline: Any) -> None:
    flat = naive.example()
    del flat["letter_3"]
    reply = ask(pipeline, "POST", "/predict", flat)
    assert reply.status_code == 422
    assert "letter_3" in reply.text


def test_it_says_when_it_is_ready(pipeline: Any) -> None:
    assert ask(pipeline, "GET", "/readyz").status_code == 200


def test_the_command_times_both_calls_as_json(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any
) -> None:
    path = tmp_path / "pipeline.joblib"
    joblib.dump(pipeline, path)
    monkeypatch.setattr(sys, "argv", ["naive", "--pipeline", str(path), "--time", "0.2"])
    naive.main()
    frame, from_dict = msgspec.json.decode(capfdbinary.readouterr().out, type=list[Timing])
    assert frame.latency.count > 1
    assert from_dict.latency.p50_us > 100, "a DataFrame alone takes longer than that"


def test_the_example_is_40_flat_fields_of_json() -> None:
    flat = json.loads(msgspec.json.encode(naive.example()))
    assert list(flat) == naive.NUMBERS + naive.LETTERS
    assert {type(flat[name]) for name in naive.NUMBERS} == {float}
    assert {type(flat[name]) for name in naive.LETTERS} == {str}


def test_asked_to_store_it_commits_every_answer(pipeline: Any, tmp_path: Path) -> None:
    answer = ask(pipeline, "POST", "/predict", naive.example(), tmp_path / "answers.db").json()
    with sqlite3.connect(tmp_path / "answers.db") as database:
        rows = database.execute("SELECT applicant, pd_12m FROM answer").fetchall()
    database.close()
    assert [(json.loads(posted), pd_12m) for posted, pd_12m in rows] == [
        (naive.example(), answer["pd_12m"])
    ]
