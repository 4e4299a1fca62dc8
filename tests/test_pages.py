"""The console over HTTP: what is served, with which headers, to whom; no browser needed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.features import FEATURES
from service.console.assets import FOLDER
from service.console.words import Words
from service.eligibility import Refusal
from service.process import running

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(serve_showcase: Any) -> Iterator[httpx.Client]:
    with running(serve_showcase) as server, httpx.Client(base_url=server.url) as made:
        yield made


@pytest.fixture(scope="module")
def decision(client: httpx.Client) -> dict[str, Any]:
    request = client.get("/v1/firms/young-shop").content
    found: dict[str, Any] = client.post("/v1/decisions", content=request, headers=JSON).json()
    return found


def signed_in(client: httpx.Client, officer: str | None) -> dict[str, str]:
    """Headers of a session in which an officer is signed in."""
    page = client.get("/en/desk").text
    token = re.search(r'name="csrf" content="([0-9a-f]+)"', page)
    assert token is not None
    headers = {"x-csrf-token": token[1], **JSON}
    client.post("/v1/desk/session", json={"officer": officer}, headers=headers).raise_for_status()
    return headers


def test_the_front_door_speaks_the_browsers_language(client: httpx.Client) -> None:
    for accepts, to in (("en-GB,en", "/en/"), ("zh-CN", "/zh/"), ("fr", "/zh/")):
        reply = client.get("/", headers={"accept-language": accepts})
        assert (reply.status_code, reply.headers["location"]) == (303, to)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("page", ["", "concept", "speed", "desk", "models"])
def test_a_page_comes_with_a_policy_that_allows_nothing_inline(
    client: httpx.Client, lang: str, page: str
) -> None:
    reply = client.get(f"/{lang}/{page}")
    assert reply.status_code == 200
    policy = reply.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert " style=" not in reply.text
    assert not re.search(r"<script(?![^>]* src=)", reply.text)
    assert not re.search(r'\son\w+="', reply.text)
    kept = reply.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=strict" in kept


def test_pages_of_a_decision_say_what_the_record_says(
    client: httpx.Client, decision: dict[str, Any]
) -> None:
    for page in ("decision", "portrait", "what-if"):
        latest = client.get(f"/zh/{page}")
        assert latest.headers["location"] == f"/zh/{page}/{decision['decision_id']}"
        text = client.get(latest.headers["location"]).text
        assert "河南沐朗丰百货有限公司" in text
    text = client.get(f"/zh/decision/{decision['decision_id']}").text
    assert decision["record"]["hash"] in text
    assert all(reason["text_zh"] in text for reason in decision["reasons"])
    assert all(rule["code"] in text for rule in decision["rules"])
    assert all(offer["product_name_zh"] in text for offer in decision["offers"])


def test_a_decision_that_is_not_there_is_a_page_that_says_so(client: httpx.Client) -> None:
    reply = client.get("/en/decision/nothing")
    assert reply.status_code == 404
    assert "no such decision" in reply.text
    assert client.get("/en/nowhere").status_code == 404


def test_assets_are_kept_for_ever_under_their_hash(client: httpx.Client) -> None:
    page = client.get("/en/").text
    base = re.search(r'data-assets="([^"]+)"', page)
    assert base is not None
    for path in FOLDER.iterdir():
        reply = client.get(f"{base[1]}/{path.name}")
        assert reply.content == path.read_bytes()
        assert "immutable" in reply.headers["cache-control"]
    assert len(client.get(f"{base[1]}/plotly.min.js").content) > 1_000_000
    assert client.get(f"{base[1]}/..%2fpages.py").status_code == 404


def test_a_preference_goes_back_only_to_this_server(client: httpx.Client) -> None:
    for to, kept in (("/zh/desk", "/zh/desk"), ("https://elsewhere", "/"), ("//elsewhere", "/"),
                     ("/\\elsewhere", "/")):  # fmt: skip
        reply = client.get("/preferences", params={"theme": "dark", "to": to})
        assert (reply.status_code, reply.headers["location"]) == (303, kept)
        assert "HttpOnly" in reply.headers["set-cookie"]
    assert "set-cookie" not in client.get("/preferences", params={"theme": "blue"}).headers


@pytest.mark.parametrize("path", ["session", "decisions/x/rulings", "decisions/x/answers"])
def test_a_post_without_its_sessions_token_is_refused(client: httpx.Client, path: str) -> None:
    for headers in (JSON, {"x-csrf-token": "0" * 32, **JSON}):
        reply = client.post(f"/v1/desk/{path}", json={}, headers=headers)
        assert reply.status_code == 403
        assert reply.headers["content-type"] == "application/problem+json"
    assert client.post("/v1/benchmarks", json={}, headers=JSON).status_code == 403


def test_only_an_officer_works_at_the_desk(client: httpx.Client, decision: dict[str, Any]) -> None:
    path = f"/v1/desk/decisions/{decision['decision_id']}"
    headers = signed_in(client, None)
    dispute = {"source": "tax", "said": "The arrears were paid in May."}
    assert client.post(f"{path}/disputes", json=dispute, headers=headers).status_code == 403
    headers = signed_in(client, "Lin 林")
    assert client.post(f"{path}/disputes", json=dispute, headers=headers).status_code == 200
    ruling = {"verdict": "decline", "reason_code": "D-PURPOSE", "said": "Not what we lend to."}
    refused = client.post(f"{path}/rulings", json=ruling, headers=headers)
    assert refused.status_code == 409  # the engine approved it
    stranger = client.post("/v1/desk/session", json={"officer": "Nobody"}, headers=headers)
    assert stranger.status_code == 422
    wrong = client.post(f"{path}/disputes", json={"source": 3}, headers=headers)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "source")
    broken = client.post(f"{path}/disputes", content=b"{", headers=headers)
    assert broken.status_code == 400
    waiting = client.get("/v1/desk/cases").json()["cases"]
    assert decision["decision_id"] in [one["line"]["decision_id"] for one in waiting]


def test_a_preview_decides_the_same_and_records_nothing(
    client: httpx.Client, decision: dict[str, Any]
) -> None:
    before = client.get("/v1/totals").json()["decisions"]
    request = client.get(f"/v1/decisions/{decision['decision_id']}/request").content
    assert request == client.get("/v1/firms/young-shop").content
    reply = client.post("/v1/previews", content=request, headers=JSON)
    assert reply.status_code == 200
    for field in ("verdict", "limit_yuan", "caps", "offers", "refused", "portrait", "assessment"):
        assert reply.json()[field] == decision[field]
    assert "record" not in reply.json()
    assert client.get("/v1/totals").json()["decisions"] == before
    bad = client.post("/v1/previews", content=b'{"application": 1}', headers=JSON)
    assert bad.status_code == 422


def test_replay_and_verification_say_what_they_checked(
    client: httpx.Client, decision: dict[str, Any]
) -> None:
    path = f"/v1/decisions/{decision['decision_id']}/replay"
    assert client.post(path).json()["same"] is True
    found = client.get("/v1/verification").json()
    assert found["ok"] is True
    assert found["records"] == client.get("/v1/totals").json()["decisions"]


def test_firms_are_told_source_by_source(client: httpx.Client) -> None:
    whole = client.get("/v1/firms/mask-maker").json()["credit_file"]
    for source in ("tax", "courts"):
        assert client.get(f"/v1/firms/mask-maker/sources/{source}").json() == whole[source]
    assert client.get("/v1/firms/mask-maker/sources/moon").status_code == 422
    assert client.get("/v1/firms/nobody/sources/tax").status_code == 404


def test_the_server_says_what_it_decides_with(client: httpx.Client) -> None:
    policy = client.get("/v1/policy").json()
    assert policy["findings"] == []
    assert len(policy["rules"]) == 50
    scorecard = client.get("/v1/scorecard").json()
    assert scorecard["card"]["metrics"]["held_out"]["auc"] > 0.5
    assert len(client.get("/v1/catalogue").json()["products"]) == 146
    assert client.get("/v1/clocks").json()["c3"]["count"] >= 1


def test_a_server_without_a_showcase_says_how_to_get_one(server: Any) -> None:
    with httpx.Client(base_url=server.url) as bare:
        assert bare.get("/en/").status_code == 200
        reply = bare.get("/v1/stories")
        assert reply.status_code == 404
        assert "yidaitong demo" in json.loads(reply.content)["detail"]


@pytest.mark.parametrize(
    ("refusal", "zh", "en"),
    [
        (Refusal(["P1"], "tenor", ">= 6", 3, 3), "至少6个月", "at least 6 months"),
        (Refusal(["P1"], "grade", "BB or better", "CCC", 2.0), "BB级或更好", "BB or better"),
        (Refusal(["P1"], "region", "in 62, 31", "37"), "限甘肃、上海", "only Gansu, Shanghai"),
        (Refusal(["P1"], "sector", "not in C", "C"), "不含制造", "not Manufacturing"),
        (Refusal(["P1"], "source", "tax"), "需要税务数据", "needs data of tax bureau"),
        (Refusal(["P1"], "tax_paid_12m_yuan", "known"), "需有数据", "must be known"),
        (Refusal(["P1"], "amount", ">= 500000", 3e5, 2e5), "至少50.0万元", "at least 500,000 yuan"),
    ],
)
def test_what_a_product_requires_in_words(refusal: Refusal, zh: str, en: str) -> None:
    assert (Words("zh").requirement(refusal), Words("en").requirement(refusal)) == (zh, en)


def test_every_feature_has_a_word_and_a_missing_value_too() -> None:
    for lang, missing in (("zh", "无数据"), ("en", "no data")):
        say = Words(lang)
        for feature in FEATURES:
            assert say.feature(feature.name)
            assert say.value(feature.name, float("nan")) == missing


def test_the_console_asks_no_other_host() -> None:
    for folder in (FOLDER, FOLDER.parent / "templates"):
        for path in folder.iterdir():
            text = Path(path).read_text()
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
