"""The OpenAPI document, made from the records themselves, with real examples."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from model.credit_file import SOURCES
from service.application import Request
from service.benchmark import State
from service.case import Case
from service.chain import Verification
from service.clocks import Reading
from service.consent import ConsentRecord, SubjectGrant
from service.decide import Decision
from service.desk import Answer, Claim, Dispute, Evidence, PersonRequest, Ruling, Signature
from service.desk_api import Queue, SignIn, Standing
from service.desk_openapi import LANE, QUEUE_QUERY
from service.desk_terms import DeskTerms
from service.intake import ShortApplication
from service.journal import Line, Totals
from service.notice import FORMATS, LANGS, Notice
from service.policy import VERDICTS
from service.problem import MEDIA_TYPE, ProblemDocument
from service.recourse import Recourse
from service.replay import Replay
from service.schedule import Plan
from service.scores import Score, Scores
from service.showcase import FirmLine
from service.swaps import Back, Live, Swap, Wanted

EXAMPLES = Path(__file__).parent / "examples.json"
"""A posted request and the reply to it; kept true by a test."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the ledger a decision stands: whose chain, its number, the hashes around it."""

    writer: int
    seq: int
    hash: str
    prev_hash: str


def document(scores: Scores) -> dict[str, Any]:
    """OpenAPI 3.1 for the whole service."""
    components = _components(
        scores,
        Request, Decision, Place, Notice, ProblemDocument, Recourse, Plan, Line, Totals, Reading,
        Replay, Verification, Case, Queue, Standing, Ruling, Signature, Dispute, Answer, Evidence,
        PersonRequest, Claim, DeskTerms, SignIn, State, FirmLine, Score, ShortApplication,
        SubjectGrant, ConsentRecord, Live, Wanted, Swap, Back,
    )  # fmt: skip
    reply = components["Decision"]
    reply["properties"]["record"] = {"$ref": "#/components/schemas/Place"}
    reply["required"] = [*reply["required"], "record"]
    components["Evidence"]["properties"]["credit_file"] = _ref("CreditFile")
    examples = msgspec.json.decode(EXAMPLES.read_bytes()) if EXAMPLES.exists() else {}
    decided = {"description": "The decision, durable.", "content": _json("Decision", examples)}
    problem = _PROBLEM
    by_id = {
        "name": "decision_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    }
    others = _others(by_id, problem)
    return _whole(
        "A credit file in; a durable decision with exact reasons out.",
        {
            "/v1/decisions": {
                "post": {
                    "operationId": "decide",
                    "summary": "Decide an application",
                    "parameters": [_KEY],
                    "requestBody": {"required": True, "content": _json("Request", examples)},
                    "responses": {
                        "201": decided,
                        **dict.fromkeys((*_REFUSALS, "409", "410"), problem),
                    },
                },
                **others.pop("/v1/decisions"),
            },
            "/v1/applications": {
                "post": {
                    "operationId": "apply",
                    "summary": "Gather a credit file with consent, and decide on it",
                    "requestBody": {"required": True, "content": _json("ShortApplication", {})},
                    "responses": {
                        "201": decided,
                        **dict.fromkeys((*_REFUSALS, "403", "404"), problem),
                    },
                }
            },
            "/v1/decisions/{decision_id}": {
                "get": {
                    "operationId": "get_decision",
                    "summary": "A decision made earlier, byte for byte",
                    "parameters": [by_id],
                    "responses": {"200": decided, "404": problem, "410": problem},
                }
            },
            "/v1/recourse": {"post": _recourse(examples, problem)},
            "/v1/decisions/{decision_id}/offers/{product}/schedule": {
                "get": _schedule(by_id, problem)
            },
            "/v1/decisions/{decision_id}/notice": {"get": _notice(by_id, problem)},
            **others,
            "/v1/scores": {"post": _score(scores)},
            **_probes("Able to decide and to record"),
        },
        components,
    )


def scores_document(scores: Scores) -> dict[str, Any]:
    """OpenAPI 3.1 for a scorecard of a lender's own table, which is asked for scores alone."""
    return _whole(
        "The features of a loan in; its score with exact reasons out.",
        {"/v1/scores": {"post": _score(scores)}, **_probes("Able to score")},
        _components(scores, ProblemDocument, Score),
    )


def _whole(description: str, paths: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Yidaitong",
            "version": version("yidaitong"),
            "description": description,
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{}, {"key": []}, {"password": []}],  # none on a server without keys
    }


def _components(scores: Scores, *records: Any) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(
        records, ref_template="#/components/schemas/{name}"
    )
    return {**components, "Features": scores.request_schema()}


def _probes(ready: str) -> dict[str, Any]:
    text = {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "/healthz": {
            "get": {"operationId": "healthz", "summary": "Alive", "responses": {"200": text}}
        },
        "/readyz": {
            "get": {
                "operationId": "readyz",
                "summary": ready,
                "responses": {"200": text, "503": _PROBLEM},
            }
        },
    }


def _score(scores: Scores) -> dict[str, Any]:
    example = scores.example()
    reply = msgspec.to_builtins(scores.score(scores.parse(msgspec.json.encode(example))))
    examples = {"Features": example, "Score": reply}
    scored = {"description": "The score.", "content": _json("Score", examples)}
    return {
        "operationId": "score",
        "summary": "Score the features of one loan; nothing is recorded",
        "requestBody": {"required": True, "content": _json("Features", examples)},
        "responses": {"200": scored, **dict.fromkeys(_REFUSALS[:4], _PROBLEM)},
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
        "responses": {"200": plan, "404": problem, "410": problem},
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
        "responses": {"200": told, **dict.fromkeys(("404", "410", "422", "500", "503"), problem)},
    }


_FIRM = {
    "name": "code",
    "in": "path",
    "required": True,
    "description": "A story, or the USCC of a firm of the world.",
    "schema": {"type": "string"},
}
_OTHERS: tuple[tuple[str, str, str, str, str | None, str | None, tuple[str, ...]], ...] = (
    ("get", "/v1/decisions", "find_decisions", "The latest decisions, found by firm, code or id",
     None, "Line[]", ("422",)),
    ("get", "/v1/decisions/{decision_id}/request", "get_request",
     "The request a decision was made on, byte for byte", None, "Request", ("404", "410")),
    ("post", "/v1/decisions/{decision_id}/replay", "replay",
     "Decide again with the versions of that day and compare the bytes", None, "Replay",
     ("404", "410")),
    ("post", "/v1/previews", "preview", "Decide without recording", "Request", "Decision",
     ("400", "413", "415", "422")),
    ("get", "/v1/verification", "verify", "Walk every hash chain of the ledger", None,
     "Verification", ("503",)),
    ("get", "/v1/totals", "get_totals", "What the ledger holds", None, "Totals", ()),
    ("get", "/v1/clocks", "get_clocks", "How long the latest decisions took", None, "Reading", ()),
    ("get", "/v1/benchmarks", "get_benchmark", "The benchmark running, or the latest", None,
     "State", ()),
    ("post", "/v1/benchmarks", "start_benchmark", "Start a short benchmark", None, "State",
     ("403", "409")),
    ("get", "/v1/scorecard", "get_scorecard", "The scorecard in force", None, None, ()),
    ("get", "/v1/policy", "get_policy", "The policy in force and what the linter says", None, None,
     ()),
    ("get", "/v1/catalogue", "get_catalogue", "Institutions and products in force", None, None, ()),
    ("get", "/v1/stories", "list_stories", "The stories of the showcase", None, None, ("404",)),
    ("get", "/v1/firms", "find_firms", "Firms of the showcase's world", None, "FirmLine[]",
     ("404",)),
    ("get", "/v1/firms/{code}", "get_firm", "A story or a firm as it would be posted", None,
     "Request", ("404",)),
    ("get", "/v1/firms/{code}/sources/{source}", "get_section", "What one source says of it", None,
     None, ("404", "422")),
    ("get", "/v1/study", "get_study", "What each source is worth, measured", None, None, ("404",)),
    ("post", "/v1/consents", "grant_consent", "Record what an applicant signed", "SubjectGrant",
     "ConsentRecord", ("400", "404", "413", "415", "422", "503")),
    ("get", "/v1/consents/{consent_id}", "get_consent", "A consent as it stands", None,
     "ConsentRecord", ("404",)),
    ("post", "/v1/consents/{consent_id}/revocation", "revoke_consent",
     "Take a consent back: no source is asked under it any more", None, "ConsentRecord",
     ("404", "503")),
    ("get", "/v1/versions", "get_versions",
     "Which scorecard, policy and catalogue decide, since when, and what was before", None, "Live",
     ()),
    ("post", "/v1/swaps", "swap",
     "Decide with others from now on; 200 when they do already, 422 when one is refused", "Wanted",
     "Swap", ("400", "409", "415", "422", "503")),
    ("post", "/v1/rollbacks", "roll_back", "Decide again with what decided before the latest swap",
     "Back", "Swap", ("400", "409", "415", "422", "503")),
    ("get", "/v1/sources", "get_sources", "How every source is doing", None, None, ("404",)),
)  # fmt: skip
"""Method, path, operation, summary, what is posted, what is answered, which refusals."""


def _others(by_id: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    """What the console uses beside decisions."""
    source = {**by_id, "name": "source", "schema": {"type": "string", "enum": [*SOURCES]}}
    consent = {**by_id, "name": "consent_id"}
    known = {"decision_id": by_id, "code": _FIRM, "source": source, "consent_id": consent}
    paths: dict[str, Any] = {}
    for method, path, name, summary, posted, told, refusals in (*_OTHERS, *LANE):
        schema: dict[str, Any] = {"type": "object"}
        if told is not None:
            one = _ref(told.removesuffix("[]"))
            schema = {"type": "array", "items": one} if told.endswith("[]") else one
        reply = {"description": "OK", "content": {"application/json": {"schema": schema}}}
        status = _STATUS.get(name, "200")
        operation: dict[str, Any] = {
            "operationId": name,
            "summary": summary,
            "parameters": [about for part, about in known.items() if f"{{{part}}}" in path],
            "responses": {status: reply, **dict.fromkeys(refusals, problem)},
        }
        if posted is not None:
            operation["requestBody"] = {"required": True, "content": _json(posted, {})}
        paths.setdefault(path, {})[method] = operation
    paths["/v1/decisions"]["get"]["parameters"] = [
        _query("verdict", VERDICTS, "Only these."), _ASKED
    ]  # fmt: skip
    paths["/v1/firms"]["get"]["parameters"] = [_ASKED]
    paths["/v1/desk/cases"]["get"]["parameters"] = QUEUE_QUERY
    for at in ("/v1/desk/decisions", "/v1/decisions"):
        paths[f"{at}/{{decision_id}}/evidence"]["post"]["parameters"].append(_KEY)
    return paths


_STATUS = {
    "start_benchmark": "202", "grant_consent": "201", "note_evidence": "201",
    "bring_evidence": "201", "swap": "201", "roll_back": "201",
}  # fmt: skip
"""Operation -> the status of its reply, where it is not 200."""
_ASKED = {
    "name": "q",
    "in": "query",
    "description": "Part of a name, a code or an id.",
    "schema": {"type": "string"},
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
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same body: the same reply, decided once; with another "
    "body: 409. Kept for good. Modelled on an expired IETF draft; may be quoted.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 257},
}
_REFUSALS = ("400", "413", "415", "422", "503")


_PROBLEM = {
    "description": "A problem document (RFC 9457) naming field, value and expectation.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str, examples: dict[str, Any]) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": _ref(name)}
    if name in examples:
        media["example"] = examples[name]
    return {"application/json": media}
