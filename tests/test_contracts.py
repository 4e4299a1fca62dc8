"""The live server held to its OpenAPI document; some hundred cases here, more by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from service.process import Server
from tests.contracts import check

PHASES = "examples,fuzzing"


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
    return found


def references(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "$ref":
            yield value
        elif isinstance(value, dict | list):
            yield from references(value)


def test_every_reference_and_link_leads_somewhere(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
    operations = [one for path in document["paths"].values() for one in path.values()]
    names = {one["operationId"] for one in operations}
    replies = [reply for one in operations for reply in one["responses"].values()]
    links = [link for reply in replies for link in reply.get("links", {}).values()]
    assert links
    assert {link["operationId"] for link in links} <= names


def test_a_method_that_is_not_there_is_told_all_that_are(server: Server) -> None:
    for path, allowed in (("/v1/decisions", {"GET", "HEAD", "POST"}), ("/v1/swaps", {"POST"})):
        reply = httpx.delete(server.url + path, trust_env=False)
        assert reply.status_code == 405
        assert set(reply.headers["allow"].split(", ")) == allowed


@pytest.mark.slow
def test_no_answer_is_a_5xx_or_beside_the_document(
    server: Server, document: dict[str, Any], tmp_path: Path
) -> None:
    found = check(server.url, tmp_path, 6, {}, msgspec.json.encode(document), PHASES)
    assert not found.wrong, (tmp_path / "report.txt").read_text()
    assert found.cases > 150


@pytest.mark.slow
def test_an_answer_beside_the_document_is_found(
    server: Server, document: dict[str, Any], tmp_path: Path
) -> None:
    wrong = {"type": "object", "required": ["weather"]}
    healthz: Any = msgspec.json.decode(msgspec.json.encode(document["paths"]["/healthz"]))
    healthz["get"]["responses"]["200"]["content"]["application/json"]["schema"] = wrong
    changed = msgspec.json.encode(document | {"paths": {"/healthz": healthz}})
    found = check(server.url, tmp_path, 1, {}, changed, PHASES)
    assert found.wrong == ["Response violates schema: GET /healthz"]
