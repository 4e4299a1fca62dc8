"""The real server over HTTP: decisions, refusals, what it imports and weighs."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from service.application import parse
from service.process import Server
from tests.bad_inputs import BAD_INPUTS, Bad


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def right(stories: dict[str, bytes]) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(stories["young-shop"])
    return decoded


def post(client: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    return client.post(
        "/v1/decisions", content=body, headers={"content-type": "application/json"} | headers
    )


def test_a_decision_names_everything_a_reader_asks(
    client: httpx.Client, stories: dict[str, bytes]
) -> None:
    reply = post(client, stories["mask-maker"])
    assert reply.status_code == 201
    decision = reply.json()
    assert decision["verdict"] in ("approve", "refer", "decline")
    assessment = decision["assessment"]
    assert isinstance(assessment["score"], int)
    assert 0 < assessment["pd_12m"] < 1
    assert assessment["grade"]
    assert decision["limit_cap"] in decision["caps"]
    assert decision["limit_yuan"] <= decision["caps"][decision["limit_cap"]]
    for offer in decision["offers"]:
        assert {"institution", "product", "amount_yuan", "annual_rate", "tenor_months",
                "valid_until"} <= set(offer)  # fmt: skip
    assert 1 <= len(decision["reasons"]) <= 4
    for reason in decision["reasons"]:
        assert reason["code"][:2] in ("M-", "P-", "L-")
        assert reason["text_zh"]
        assert reason["text_en"]
    told = [reason for reason in decision["reasons"] if reason["code"].startswith("M-")]
    assert all(reason["source"] for reason in told)
    assert all(reason.get("source_as_of") for reason in told if reason.get("value") is not None)
    assert len(decision["rules"]) >= 12
    assert set(decision["versions"]) == {"scorecard", "policy", "catalogue"}
    assert decision["timings_us"]["engine"] > 0
    assert len(decision["record"]["hash"]) == 64
    refused = sum(len(one["products"]) for one in decision["refused"])
    assert decision["eligible_products"] + refused == 146


def test_a_decision_is_read_again_byte_for_byte(
    client: httpx.Client, stories: dict[str, bytes]
) -> None:
    posted = post(client, stories["young-shop"])
    again = client.get(f"/v1/decisions/{posted.json()['decision_id']}")
    assert again.status_code == 200
    assert again.content == posted.content


def test_records_chain(client: httpx.Client, stories: dict[str, bytes]) -> None:
    first = post(client, stories["young-shop"]).json()["record"]
    second = post(client, stories["young-shop"]).json()["record"]
    assert second["prev_hash"] == first["hash"]
    assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_bad_input_gets_a_problem_document(
    client: httpx.Client, right: dict[str, Any], bad: Bad
) -> None:
    reply = post(client, bad.body(right))
    assert reply.status_code in (400, 422)
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == reply.status_code
    (error,) = problem["errors"]
    assert set(error) == {"field", "value", "expected"}
    if bad.field:
        assert error["field"] == bad.field
    assert bad.expects in error["expected"]
    assert post(client, msgspec.json.encode(right)).status_code == 201


def test_a_body_of_ten_megabytes_is_refused(client: httpx.Client) -> None:
    reply = post(client, b" " * 10_000_000)
    assert reply.status_code == 413
    assert reply.json()["errors"][0]["expected"] == "at most 1000000 bytes"
    assert client.get("/healthz").status_code == 200


def test_a_large_body_without_a_length_is_refused(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    reply = client.post(
        "/v1/decisions", content=chunks(), headers={"content-type": "application/json"}
    )
    assert reply.status_code == 413


def test_another_content_type_is_refused(client: httpx.Client, stories: dict[str, bytes]) -> None:
    reply = client.post(
        "/v1/decisions", content=stories["young-shop"], headers={"content-type": "text/plain"}
    )
    assert reply.status_code == 415
    assert reply.json()["errors"][0]["value"] == "text/plain"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/decisions/none", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/decisions", 405),
        ("GET", "/v1/decisions/%00", 404),
        ("GET", "/v1/decisions/" + "x" * 5_000, 404),
    ],
)
def test_wrong_addresses_get_problem_documents(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    reply = client.request(method, path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["status"] == status


def test_the_server_stays_small(
    server: Server, client: httpx.Client, stories: dict[str, bytes]
) -> None:
    for _ in range(300):
        assert post(client, stories["mask-maker"]).status_code == 201
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("no /proc on this system: memory is not measured")
    resident_kb = next(
        int(line.split()[1]) for line in status.read_text().splitlines() if "VmRSS" in line
    )
    assert resident_kb < 150_000


def test_the_served_process_imports_no_heavy_library(server: Server) -> None:
    """The libraries mapped into the running server, as the operating system sees them."""
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("no /proc on this system: mapped libraries are not listed")
    mapped = maps.read_text()
    assert "/apsw/" in mapped  # what is imported does show
    assert not [name for name in ("/sklearn/", "/pandas/", "/scipy/", "/pyarrow/", "/numpy/")
                if name in mapped]  # fmt: skip


def test_the_document_describes_what_is_sent(
    client: httpx.Client, stories: dict[str, bytes]
) -> None:
    document = client.get("/openapi.json").json()
    decision = post(client, stories["mask-maker"]).json()
    described = document["components"]["schemas"]["Decision"]
    assert set(described["required"]) <= set(decision)
    assert set(decision) | {"gathering"} == set(described["properties"])
    example = document["paths"]["/v1/decisions"]["post"]["requestBody"]["content"]
    body = msgspec.json.encode(example["application/json"]["example"])
    assert parse(body, date.max).application
    assert post(client, body).status_code == 201


def test_health(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert ready["status"] == "ready"
    assert len(ready["versions"]["scorecard"]) == 16


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.settings import Settings

    monkeypatch.setitem(os.environ, "YIDAITONG_PORT", "8123")
    assert Settings().port == 8123
