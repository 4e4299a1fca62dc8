"""The human lane over HTTP: a real server behind its door, an applicant's key and a lender's."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from service.desk_terms import PACKAGED
from service.keys import Keys
from service.ledger import verify
from service.process import running
from tests.conftest import serve_command

JSON = {"content-type": "application/json"}
WHY = "The payment of the arrears was seen on paper."
LIN, ZHAO = "Lin 林", "Zhao 赵"


class Lane:
    """Both sides of the counter: whoever applies, and officers signed in."""

    def __init__(self, url: str, applicant: str, lender: str, ledger: str) -> None:
        self.ledger, self.applicant_id = ledger, applicant.split("_")[1]
        self.applicant = self._client(url, applicant)
        self.officers = {name: self._signed_in(url, lender, name) for name in (LIN, ZHAO)}

    def _client(self, url: str, key: str) -> httpx.Client:
        given = {"authorization": f"Bearer {key}", **JSON}
        return httpx.Client(base_url=url, headers=given, trust_env=False)

    def _signed_in(self, url: str, key: str, officer: str) -> httpx.Client:
        client = self._client(url, key)
        token = re.search(r'name="csrf" content="([0-9a-f]+)"', client.get("/en/desk").text)
        assert token is not None
        client.headers["x-csrf-token"] = token[1]
        client.post("/v1/desk/session", json={"officer": officer}).raise_for_status()
        return client

    def close(self) -> None:
        for client in (self.applicant, *self.officers.values()):
            client.close()

    def decide(self, request: dict[str, Any]) -> dict[str, Any]:
        reply = self.applicant.post("/v1/decisions", content=msgspec.json.encode(request))
        found: dict[str, Any] = reply.raise_for_status().json()
        return found

    def step(
        self, officer: str, decision: dict[str, Any], step: str, **body: Any
    ) -> httpx.Response:
        path = f"/v1/desk/decisions/{decision['decision_id']}/{step}"
        return self.officers[officer].post(path, json=body)

    def ask(self, decision: dict[str, Any], step: str, **body: Any) -> httpx.Response:
        path = f"/v1/decisions/{decision['decision_id']}/{step}"
        return self.applicant.post(path, content=msgspec.json.encode(body))

    def standing(self, decision: dict[str, Any]) -> dict[str, Any]:
        reply = self.applicant.get(f"/v1/decisions/{decision['decision_id']}/case")
        found: dict[str, Any] = reply.raise_for_status().json()
        return found

    def queue(self, officer: str = LIN, **asked: str | int) -> dict[str, Any]:
        reply = self.officers[officer].get("/v1/desk/cases", params=asked)
        found: dict[str, Any] = reply.raise_for_status().json()
        return found

    def waiting(self, **asked: str | int) -> list[str]:
        return [one["line"]["decision_id"] for one in self.queue(**asked)["cases"]]


@pytest.fixture(scope="module")
def lane(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    folder = tmp_path_factory.mktemp("lane")
    ledger, keys = f"sqlite:///{folder / 'ledger.db'}", Keys(folder / "keys.json")
    applicant, lender = (keys.add(name, [name], 100_000)[1] for name in ("apply", "lend"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YIDAITONG_KEYS", str(folder / "keys.json"))
        with running(serve_command(artifact, ledger, ())) as server:
            made = Lane(server.url, applicant, lender, ledger)
            yield made
            made.close()


@pytest.fixture
def arrears(stories: dict[str, bytes]) -> Callable[..., dict[str, Any]]:
    """A shop that owes taxes: a person decides."""

    def made(amount_yuan: float = 300_000.0, owed: float = 9_000.0) -> dict[str, Any]:
        request: dict[str, Any] = msgspec.json.decode(stories["young-shop"])
        request["application"]["amount_yuan"] = amount_yuan
        request["credit_file"]["tax"]["arrears_yuan"] = owed
        return request

    return made


def problem(reply: httpx.Response, status: int, kind: str) -> str:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"].endswith(kind)
    return str(reply.json()["detail"])


def test_a_referred_case_is_claimed_ruled_on_and_signed(lane: Lane, arrears: Any) -> None:
    decision = lane.decide(arrears())
    assert decision["verdict"] == "refer"
    number = decision["decision_id"]
    assert number in lane.waiting(unclaimed="true")
    ruling = {
        "verdict": "approve",
        "reason_code": "D-DOCUMENTS",
        "said": WHY,
        "limit_yuan": 250_000,
    }
    problem(lane.step(LIN, decision, "rulings", **ruling), 409, "not-claimed")
    held = lane.step(LIN, decision, "claims").json()
    assert held["claimed_by"] == LIN
    problem(lane.step(ZHAO, decision, "rulings", **ruling), 409, "claimed")
    assert number not in lane.waiting(unclaimed="true")
    assert number in lane.waiting(mine="true")
    assert number not in [
        one["line"]["decision_id"] for one in lane.queue(ZHAO, mine="true")["cases"]
    ]
    wrong = lane.step(LIN, decision, "rulings", **ruling | {"reason_code": "D-CONFIRMED"})
    assert "D-VERIFIED" in problem(wrong, 422, "invalid-field")
    ruled = lane.step(LIN, decision, "rulings", **ruling).json()
    assert (ruled["status"], ruled["due_for"]) == ("ruled", "signature")
    assert lane.standing(decision)["verdict"] is None  # not yet
    assert lane.step(ZHAO, decision, "signatures", agree=True, said=WHY).json()["waits"] is False
    told = lane.standing(decision)
    assert (told["status"], told["verdict"], told["limit_yuan"]) == ("signed", "approve", 250_000)
    assert told["reason_zh"] == "缺失的数据已由书面材料补足"
    assert "events" not in told
    assert number not in lane.waiting()
    assert number in lane.waiting(status="signed")


def test_a_small_amount_needs_one_officer(lane: Lane, arrears: Any) -> None:
    decision = lane.decide(arrears(100_000.0))
    lane.step(ZHAO, decision, "claims")
    ruling = {"verdict": "decline", "reason_code": "D-CAPACITY", "said": WHY}
    assert lane.step(ZHAO, decision, "rulings", **ruling).json()["status"] == "decided"
    assert lane.standing(decision)["reason_en"] == "The firm cannot be expected to repay"


def test_the_queue_is_sorted_by_what_is_due_and_comes_in_parts(lane: Lane, arrears: Any) -> None:
    decisions = [lane.decide(arrears()) for _ in range(3)]
    whole = lane.queue()
    due = [one["case"]["due_at"] for one in whole["cases"]]
    assert due == sorted(due)
    assert (whole["overdue"], whole["whole"], whole["total"]) == (0, True, len(due))
    assert lane.queue(overdue="true")["cases"] == []
    parts, path = [], "/v1/desk/cases?most=2"
    while path:
        part = lane.officers[LIN].get(path).raise_for_status().json()
        parts += part["cases"]
        path = part["next"]
    assert parts == whole["cases"]
    assert {one["decision_id"] for one in decisions} <= {
        one["line"]["decision_id"] for one in parts
    }
    for asked in ({"status": "lost"}, {"most": "0"}, {"skip": "-1"}, {"mine": "yes"}):
        problem(lane.officers[LIN].get("/v1/desk/cases", params=asked), 422, "invalid-field")
    given = {"authorization": lane.officers[LIN].headers["authorization"]}
    url = f"{lane.officers[LIN].base_url}/v1/desk/cases?mine=true"
    problem(httpx.get(url, headers=given, trust_env=False), 403, "not-signed-in")


def test_a_dispute_is_upheld_corrected_decided_again_and_linked(lane: Lane, arrears: Any) -> None:
    """The whole way of a datum that was wrong, as the applicant and an officer walk it."""
    decision, number = lane.decide(arrears()), ""
    number = decision["decision_id"]
    told = lane.ask(
        decision, "disputes", source="tax", field="arrears_yuan", right=0, said=WHY
    ).json()
    assert (told["disputed"], told["due_for"]) == (["tax"], "referral")
    events = lane.officers[LIN].get(f"/v1/desk/decisions/{number}").json()["events"]
    assert events[0]["officer"] == f"applicant, key {lane.applicant_id}"
    assert (events[0]["field"], events[0]["right"]) == ("arrears_yuan", 0)
    told = lane.step(LIN, decision, "answers", source="tax", upheld=True, said=WHY).json()
    assert told["to_correct"] == ["tax"]
    same = lane.ask(decision, "evidence", said=WHY, credit_file=arrears()["credit_file"])
    assert "tax.arrears_yuan" in problem(same, 409, "not-corrected")
    reply = lane.ask(decision, "evidence", said=WHY, credit_file=arrears(owed=0.0)["credit_file"])
    assert reply.status_code == 201
    again = reply.json()
    assert (again["verdict"], again["application"]) == ("approve", decision["application"])
    assert reply.headers["location"] == f"/v1/decisions/{again['decision_id']}"
    was, now = lane.standing(decision), lane.standing(again)
    assert (was["status"], was["decided_again"]) == ("redecided", [again["decision_id"]])
    assert now["decides_again"] == number
    for one, other, rel in ((decision, again, "successor"), (again, decision, "predecessor")):
        got = lane.applicant.get(f"/v1/decisions/{one['decision_id']}")
        assert got.headers["link"] == (
            f'</v1/decisions/{other["decision_id"]}>; rel="{rel}-version"'
        )
        assert got.json() == one  # what was decided stays as it was
    assert number not in lane.waiting()
    assert number in lane.waiting(status="redecided")
    replayed = lane.officers[LIN].post(f"/v1/decisions/{again['decision_id']}/replay")
    assert replayed.json()["same"] is True


def test_more_evidence_sent_twice_under_a_key_is_decided_once(lane: Lane, arrears: Any) -> None:
    decision = lane.decide(arrears())
    body = {"said": WHY, "credit_file": arrears(owed=0.0)["credit_file"]}
    path = f"/v1/decisions/{decision['decision_id']}/evidence"
    replies = [
        lane.applicant.post(path, json=body, headers={"idempotency-key": "more-1"})
        for _ in range(2)
    ]
    assert replies[0].json() == replies[1].json()
    assert len(lane.standing(decision)["decided_again"]) == 1
    other = lane.applicant.post(
        path, json=body | {"said": WHY + "!"}, headers={"idempotency-key": "more-1"}
    )
    problem(other, 409, "key-reused")


def test_an_officer_adds_a_source_with_its_consent(lane: Lane, stories: dict[str, bytes]) -> None:
    """Courts were silent, so a person decides; with their answer the engine does."""
    request: dict[str, Any] = msgspec.json.decode(stories["young-shop"])
    whole = msgspec.json.decode(stories["young-shop"])
    request["credit_file"]["courts"] = None
    request["application"]["consent"]["sources"].remove("courts")
    decision = lane.decide(request)
    assert decision["verdict"] == "refer"
    more = {"said": WHY, "credit_file": whole["credit_file"]}
    assert "consent" in problem(lane.step(LIN, decision, "evidence", **more), 422, "invalid-field")
    more["consent"] = whole["application"]["consent"]
    again = lane.step(LIN, decision, "evidence", **more)
    assert (again.status_code, again.json()["verdict"]) == (201, "approve")


def test_a_refused_applicant_asks_for_a_person(lane: Lane, stories: dict[str, bytes]) -> None:
    decision = lane.decide(msgspec.json.decode(stories["mask-maker-judgment"]))
    assert decision["verdict"] == "decline"
    told = lane.ask(decision, "person-requests", said="The enforcement was lifted in May.").json()
    assert (told["person"], told["due_for"]) == (True, "person")
    assert decision["decision_id"] in lane.waiting()
    problem(lane.ask(decision, "person-requests", said="And once more, please."), 409, "conflict")
    lane.step(LIN, decision, "claims")
    ruling = {"verdict": "approve", "reason_code": "D-VERIFIED", "said": WHY, "limit_yuan": 1_000}
    told = problem(lane.step(LIN, decision, "rulings", **ruling), 422, "invalid-field")
    assert "and 0, the limit found" in told  # no product fits
    ruling = {"verdict": "decline", "reason_code": "D-CONFIRMED", "said": WHY}
    assert lane.step(LIN, decision, "rulings", **ruling).json()["status"] == "ruled"
    lane.step(ZHAO, decision, "signatures", agree=True, said=WHY)
    assert lane.standing(decision)["verdict"] == "decline"


@pytest.mark.parametrize(
    ("step", "body", "status", "field"),
    [
        ("disputes", {"source": "moon", "said": WHY}, 422, "source"),
        ("disputes", {"source": "tax", "field": "moon", "said": WHY}, 422, "field"),
        ("disputes", {"source": "tax", "said": "no"}, 422, "said"),
        ("disputes", {"source": "tax", "said": WHY, "right": "9" * 201}, 422, "right"),
        ("disputes", {"source": "tax", "said": WHY, "right": [1]}, 422, "right"),
        ("person-requests", {}, 400, "body"),
        ("person-requests", {"said": 3}, 422, "said"),
        ("evidence", {"said": WHY}, 422, "credit_file"),
        ("evidence", {"said": WHY, "credit_file": 3}, 422, "credit_file"),
        ("evidence", {"said": WHY, "credit_file": {"uscc": "x"}}, 422, "credit_file"),
        ("evidence", {"said": WHY, "credit_file": {}, "application": {}}, 422, "application"),
        ("evidence", {"said": WHY, "credit_file": {}, "consent": {}}, 422, "consent"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    lane: Lane, arrears: Any, step: str, body: dict[str, Any], status: int, field: str
) -> None:
    decision = lane.decide(arrears())
    reply = lane.ask(decision, step, **body)
    assert reply.status_code == status
    problem(reply, status, "invalid-field")
    assert reply.json()["errors"][0]["field"].startswith(field)
    assert lane.standing(decision)["status"] == "open"


def test_an_applicant_sees_and_does_no_more_than_that(lane: Lane, arrears: Any) -> None:
    decision = lane.decide(arrears())
    number = decision["decision_id"]
    for method, path in (
        ("GET", "/v1/desk/cases"), ("GET", f"/v1/desk/decisions/{number}"),
        ("POST", f"/v1/desk/decisions/{number}/claims"),
        ("POST", f"/v1/desk/decisions/{number}/evidence"),
    ):  # fmt: skip
        problem(lane.applicant.request(method, path, json={}), 403, "not-allowed")
    for step in ("disputes", "person-requests", "evidence"):
        body = {"said": WHY, "source": "tax", "credit_file": {}}
        wanted = {"disputes": ("said", "source"), "person-requests": ("said",),
                  "evidence": ("said", "credit_file")}[step]  # fmt: skip
        told = lane.ask({"decision_id": "none"}, step, **{name: body[name] for name in wanted})
        problem(told, 404, "decision-not-found")


def test_the_document_names_every_route_of_the_lane(lane: Lane) -> None:
    document = lane.applicant.get("/openapi.json").json()
    schemas, paths = document["components"]["schemas"], document["paths"]
    for step in ("claims", "releases", "rulings", "signatures", "disputes", "answers",
                 "person-requests", "evidence"):  # fmt: skip
        assert "409" in paths[f"/v1/desk/decisions/{{decision_id}}/{step}"]["post"]["responses"]
    for step in ("disputes", "person-requests", "evidence"):
        assert "201" in paths["/v1/decisions/{decision_id}/evidence"]["post"]["responses"]
        assert f"/v1/decisions/{{decision_id}}/{step}" in paths
    assert schemas["Evidence"]["properties"]["credit_file"] == {
        "$ref": "#/components/schemas/CreditFile"
    }
    asked = {one["name"] for one in paths["/v1/desk/cases"]["get"]["parameters"]}
    assert asked == {"status", "unclaimed", "mine", "overdue", "most", "skip"}
    terms = lane.officers[LIN].get("/v1/desk/terms").json()
    assert set(terms) == set(schemas["DeskTerms"]["properties"])
    assert len(terms["reason"]) == PACKAGED.read_text("utf-8").count("[[reason]]")


def test_every_step_is_in_a_chain_that_verifies(lane: Lane, arrears: Any) -> None:
    before = verify(f"{lane.ledger}.desk").records
    lane.step(LIN, lane.decide(arrears()), "claims")
    found = verify(f"{lane.ledger}.desk")
    assert (found.ok, found.records) == (True, before + 1)
