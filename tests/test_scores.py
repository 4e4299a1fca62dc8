"""POST /v1/scores: the estimator's own numbers, and a problem document for whatever is wrong."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import artifact as artifacts
from model import columns, flat, schema
from model.credit_file import Fault
from model.features import FEATURES
from service.process import Server, running
from service.scores import Score, Scores, own_table
from tests.conftest import serve_command
from tests.own_loans import FEATURES as OWN

RIGHT = {
    "income_yuan": 200_000, "debt_share": 1.2, "wobble": 0.1, "noise": -0.5,
    "sector": "catering", "rating": "B", "secured": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def scores(own_artifact: Path) -> Scores:
    return Scores.load(own_artifact)


@pytest.fixture(scope="module")
def own_server(
    own_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Path]]:
    """The real server with a scorecard of own loans, and the ledger it was told of."""
    ledger = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with running(serve_command(own_artifact, f"sqlite:///{ledger}")) as started:
        yield started, ledger


@pytest.fixture(scope="module")
def client(own_server: tuple[Server, Path]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own_server[0].url, trust_env=False) as opened:
        yield opened


def post(client: httpx.Client, body: bytes, kind: str = "application/json") -> httpx.Response:
    return client.post("/v1/scores", content=body, headers={"content-type": kind})


def scored(client: httpx.Client, posted: dict[str, Any]) -> Score:
    reply = post(client, msgspec.json.encode(posted))
    assert reply.status_code == 200, reply.text
    return msgspec.json.decode(reply.content, type=Score)


def test_a_posted_loan_gets_the_estimators_own_probability(
    client: httpx.Client, own_artifact: Path, own_loans: Path
) -> None:
    table = pd.read_parquet(own_loans).iloc[::30].reset_index(drop=True)
    used = schema.read(own_artifact / flat.SCHEMA).columns
    frame = pd.DataFrame({name: columns.feature(name, table[name], used[name]) for name in OWN})
    expected = artifacts.load_estimator(own_artifact).predict_proba(frame)[:, 1]
    posted = [
        {name: None if value != value else value for name, value in row.items()}
        for row in table[[*OWN]].astype(object).to_dict("records")
    ]
    found = [scored(client, row).pd_12m for row in posted]
    assert len(found) == 100
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_reply_says_score_grade_and_reasons_that_add_up(client: httpx.Client) -> None:
    reply = scored(client, RIGHT)
    assert isinstance(reply.score, int)
    assert reply.grade in ("AAA", "AA", "A", "BBB", "BB", "B", "CCC")
    total = reply.reference_score + sum(reply.contributions.values())
    assert abs(total - reply.score) <= 0.5 + 1e-9
    assert set(reply.contributions) == set(OWN)
    assert 1 <= len(reply.reasons) <= 4
    first = reply.reasons[0]
    assert (first.code, first.feature) == (f"M-{first.feature}".upper(), first.feature)
    assert first.points is not None
    assert first.points < 0
    assert "分）" in first.text_zh
    assert "points)" in first.text_en
    assert reply.missing == reply.unseen == []
    assert len(reply.versions.scorecard) == 16


def test_what_is_not_there_is_missing(client: httpx.Client) -> None:
    without = {name: value for name, value in RIGHT.items() if name not in ("sector", "wobble")}
    null = RIGHT | {"sector": None, "wobble": None}
    empty = RIGHT | {"sector": "", "wobble": None}
    assert scored(client, without) == scored(client, null) == scored(client, empty)
    assert scored(client, null).missing == ["wobble", "sector"]
    assert scored(client, {}).missing == list(OWN)


def test_a_category_never_seen_is_scored_and_told(client: httpx.Client) -> None:
    reply = scored(client, RIGHT | {"sector": "space travel"})
    assert reply.unseen == ["sector"]
    assert scored(client, RIGHT | {"sector": "cave diving"}).pd_12m == reply.pd_12m


def changed(**values: Any) -> bytes:
    return msgspec.json.encode(RIGHT | values)


def raw(old: bytes, new: bytes) -> bytes:
    body = msgspec.json.encode(RIGHT)
    assert old in body
    return body.replace(old, new)


BAD = [
    (changed(incom_yuan=1), "incom_yuan", 1, "did you mean 'income_yuan'?"),
    (changed(SECTOR="retail"), "SECTOR", "retail", "did you mean 'sector'?"),
    (changed(loan_id=7), "loan_id", 7, "a feature of the scorecard"),
    (changed(**{"x" * 5_000: 7}), "x" * 200, 7, "a feature of the scorecard"),
    (changed(income_yuan="200000"), "income_yuan", "200000", "a number or null"),
    (changed(income_yuan=True), "income_yuan", True, "a number or null"),
    (changed(income_yuan=[1]), "income_yuan", "an array", "a number or null"),
    (changed(income_yuan={"yuan": 1}), "income_yuan", "an object", "a number or null"),
    (changed(sector=3), "sector", 3, "a text of at most 500 characters, such as 'catering'"),
    (changed(sector=["retail"]), "sector", "an array", "or null"),
    (changed(sector="x" * 501), "sector", "x" * 80 + "...", "at most 500 characters"),
    (changed(secured="yes"), "secured", "yes", "true, false or null"),
    (changed(secured=2), "secured", 2, "true, false or null"),
    (raw(b"200000", b"NaN"), "income_yuan", "nan", "a finite number or null"),
    (raw(b"200000", b"Infinity"), "income_yuan", "inf", "a finite number or null"),
    (raw(b"200000", b"1e999"), "income_yuan", "inf", "a finite number or null"),
    (raw(b"200000", b"-1e999"), "income_yuan", "-inf", "a finite number or null"),
    (raw(b"200000", b"9" * 400), "income_yuan", "a number of more", "a finite number or null"),
    (raw(b'"noise"', b'"wobble"'), "wobble", -0.5, "it is there twice"),
    (b"[]", "body", "an array", "one flat object"),
    (b"7", "body", 7, "one flat object"),
    (b"null", "body", None, "one flat object"),
    (b"", "body", "", "valid JSON"),
    (b"{", "body", "{", "valid JSON"),
    (b"{'a': 1}", "body", "{'a': 1}", "valid JSON"),
    (b'{"sector": "\xff"}', "body", '{"sector": "\ufffd"}', "valid JSON in UTF-8"),
    (b"[" * 100_000, "body", "", ""),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "", "", ""),
]


@pytest.mark.parametrize(("body", "field", "value", "expects"), BAD, ids=lambda v: str(v)[:40])
def test_bad_input_gets_a_problem_document(
    client: httpx.Client, body: bytes, field: str, value: Any, expects: str
) -> None:
    reply = post(client, body)
    assert reply.status_code in (400, 422)
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == reply.status_code
    (error,) = problem["errors"]
    assert (reply.status_code == 400) == (error["field"] == "body")
    if field:
        assert error["field"] == field
    assert str(error["value"]).startswith(str(value))
    assert expects in error["expected"]


def test_the_usual_bounds_hold(client: httpx.Client) -> None:
    assert post(client, b" " * 2_000_000).status_code == 413
    assert post(client, msgspec.json.encode(RIGHT), "text/plain").status_code == 415
    wrong = client.get("/v1/scores")
    assert (wrong.status_code, wrong.headers["content-type"]) == (405, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/decisions"),
        ("GET", "/v1/decisions/x"),
        ("POST", "/v1/recourse"),
        ("GET", "/"),
    ],
)
def test_such_a_server_decides_nothing_and_says_so(
    client: httpx.Client, method: str, path: str
) -> None:
    reply = client.request(method, path)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert "POST /v1/scores scores a loan" in reply.json()["detail"]


def test_the_document_is_made_from_the_tables_own_features(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {"/v1/scores", "/healthz", "/readyz"}
    features = document["components"]["schemas"]["Features"]
    assert list(features["properties"]) == list(OWN)
    assert features["additionalProperties"] is False
    assert features["properties"]["income_yuan"]["type"] == ["number", "null"]
    assert "only lower pd_12m" in features["properties"]["income_yuan"]["description"]
    assert "catering, machinery" in features["properties"]["sector"]["description"]
    content = document["paths"]["/v1/scores"]["post"]
    example = content["requestBody"]["content"]["application/json"]["example"]
    shown = content["responses"]["200"]["content"]["application/json"]["example"]
    assert msgspec.to_builtins(scored(client, example)) == shown
    assert "Decision" not in document["components"]["schemas"]


def test_such_a_server_is_ready_without_a_ledger_and_stays_light(
    client: httpx.Client, own_server: tuple[Server, Path]
) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json()["versions"].keys() == {"scorecard"}
    server, ledger = own_server
    assert not ledger.exists()
    maps = Path(f"/proc/{server.process.pid}/maps")
    if maps.exists():
        loaded = maps.read_text()
        assert not any(name in loaded for name in ("sklearn", "pandas", "numpy", "pyarrow"))


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*OWN, "x"]), inner),
        max_leaves=8,
    )
)
def test_any_json_is_scored_or_refused(scores: Scores, posted: Any) -> None:
    with suppress(Fault):  # and nothing else
        assert 0 <= scores.score(scores.parse(msgspec.json.encode(posted))).pd_12m <= 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_scored_or_refused(scores: Scores, body: bytes) -> None:
    with suppress(Fault):  # and nothing else
        assert len(scores.parse(body)) == len(OWN)


def test_a_credit_file_scorecard_answers_for_the_features_of_the_portrait(
    artifact: Path, server: Server
) -> None:
    assert own_table(artifact) is None
    scores = Scores.load(artifact)
    used = next(name for name, one in scores.columns.items() if one.kind == "number")
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        reply = scored(client, {used: 5.0, "tax_rating": "D"})
        beside = scored(client, {used: 5.0, "tax_rating": "D", next(iter(scores.idle)): 1.0})
        wrong = post(client, b'{"sales_12m_yaun": 1}')
        document = client.get("/openapi.json").json()
    assert beside == reply
    assert used in reply.contributions
    assert "tax_rating" not in reply.missing
    assert wrong.json()["errors"][0]["expected"] == (
        "a feature of the scorecard; did you mean 'sales_12m_yuan'?"
    )
    posted = document["components"]["schemas"]["Features"]["properties"]
    assert set(posted) <= {feature.name for feature in FEATURES}
    assert {"/v1/decisions", "/v1/scores"} <= set(document["paths"])


def test_nothing_there_is_no_scorecard_of_own_loans(tmp_path: Path) -> None:
    assert own_table(tmp_path) is None
