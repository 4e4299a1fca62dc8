"""The OpenAPI document, made from the records themselves, with real examples."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from service.application import Request
from service.decide import Decision
from service.notice import FORMATS, LANGS, Notice
from service.problem import MEDIA_TYPE, ProblemDocument
from service.recourse import Recourse
from service.schedule import Plan

EXAMPLES = Path(__file__).parent / "examples.json"
"""A posted request and the reply to it; kept true by a test."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the ledger a decision stands: its number and the hashes that chain it."""

    seq: int
    hash: str
    prev_hash: str


def document() -> dict[str, Any]:
    """OpenAPI 3.1 for the whole service."""
    records = (Request, Decision, Place, Notice, ProblemDocument, Recourse, Plan)
    _, components = msgspec.json.schema_components(
        records, ref_template="#/components/schemas/{name}"
    )
    reply = components["Decision"]
    reply["properties"]["record"] = {"$ref": "#/components/schemas/Place"}
    reply["required"] = [*reply["required"], "record"]
    examples = msgspec.json.decode(EXAMPLES.read_bytes()) if EXAMPLES.exists() else {}
    decided = {"description": "The decision, durable.", "content": _json("Decision", examples)}
    problem = {
        "description": "A problem document (RFC 9457) naming field, value and expectation.",
        "content": {MEDIA_TYPE: {"schema": _ref("ProblemDocument")}},
    }
    text = {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}}
    by_id = {
        "name": "decision_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Yidaitong",
            "version": version("yidaitong"),
            "description": "A credit file in; a durable decision with exact reasons out.",
        },
        "paths": {
            "/v1/decisions": {
                "post": {
                    "operationId": "decide",
                    "summary": "Decide an application",
                    "requestBody": {"required": True, "content": _json("Request", examples)},
                    "responses": {"201": decided, **dict.fromkeys(_REFUSALS, problem)},
                }
            },
            "/v1/decisions/{decision_id}": {
                "get": {
                    "operationId": "get_decision",
                    "summary": "A decision made earlier, byte for byte",
                    "parameters": [by_id],
                    "responses": {"200": decided, "404": problem},
                }
            },
            "/v1/recourse": {"post": _recourse(examples, problem)},
            "/v1/decisions/{decision_id}/offers/{product}/schedule": {
                "get": _schedule(by_id, problem)
            },
            "/v1/decisions/{decision_id}/notice": {"get": _notice(by_id, problem)},
            "/healthz": {
                "get": {"operationId": "healthz", "summary": "Alive", "responses": {"200": text}}
            },
            "/readyz": {
                "get": {
                    "operationId": "readyz",
                    "summary": "Able to decide and to record",
                    "responses": {"200": text, "503": problem},
                }
            },
        },
        "components": {"schemas": components},
    }


def _recourse(examples: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    ways = {"description": "Up to three ways to yes.", "content": _json("Recourse", {})}
    return {
        "operationId": "recourse",
        "summary": "The cheapest changes that lead to yes; nothing is recorded",
        "parameters": [_WANTED],
        "requestBody": {"required": True, "content": _json("Request", examples)},
        "responses": {"200": ways, **dict.fromkeys(_REFUSALS[:4], problem)},
    }


def _schedule(by_id: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    plan = {"description": "The plan.", "content": _json("Plan", {})}
    return {
        "operationId": "get_schedule",
        "summary": "What is paid when, to the fen, if an offer is taken that day",
        "parameters": [by_id, {**by_id, "name": "product"}],
        "responses": {"200": plan, "404": problem},
    }


def _notice(by_id: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    """The applicant's notice: JSON, or a page when Accept or `format` asks for one."""
    page = {"text/html": {"schema": {"type": "string"}}}
    told = {"description": "The notice.", "content": _json("Notice", {}) | page}
    return {
        "operationId": "get_notice",
        "summary": "The letter to the applicant, in Chinese and English, as JSON or to print",
        "parameters": [
            by_id,
            _query("lang", LANGS, "One language only; both when it is left out."),
            _query("format", FORMATS, "Goes before the Accept header; JSON when neither says."),
        ],
        "responses": {"200": told, **dict.fromkeys(("404", "422", "500", "503"), problem)},
    }


def _query(name: str, choices: tuple[str, ...], description: str) -> dict[str, Any]:
    schema = {"type": "string", "enum": [*choices]}
    return {"name": name, "in": "query", "description": description, "schema": schema}


_WANTED = {
    "name": "amount_yuan",
    "in": "query",
    "description": "The amount to reach; any approval when left out.",
    "schema": {"type": "number", "minimum": 1_000, "maximum": 1_000_000_000},
}
_REFUSALS = ("400", "413", "415", "422", "503")


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str, examples: dict[str, Any]) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": _ref(name)}
    if name in examples:
        media["example"] = examples[name]
    return {"application/json": media}
