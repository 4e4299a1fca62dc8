"""The human lane's part of the OpenAPI document."""

from typing import Any

from service.case import STATUSES
from service.desk_api import MOST_CASES

_AT, _OF = "/v1/desk/decisions/{decision_id}", "/v1/decisions/{decision_id}"
_STEP = ("400", "403", "404", "409", "410", "413", "415", "422", "503")
_ASKED = ("400", "404", "409", "410", "413", "415", "422", "503")

LANE: tuple[tuple[str, str, str, str, str | None, str | None, tuple[str, ...]], ...] = (
    ("post", "/v1/desk/session", "sign_in", "An officer signs in or out", "SignIn", None,
     ("403", "422")),
    ("get", "/v1/desk/terms", "get_desk_terms", "Clocks, four eyes, reasons a ruling may give",
     None, "DeskTerms", ()),
    ("get", "/v1/desk/cases", "list_cases", "What waits at the desk, what is due first first",
     None, "Queue", ("403", "422", "503")),
    ("get", _AT, "get_case", "Where a decision stands", None, "Case", ("404", "410", "503")),
    ("post", f"{_AT}/claims", "claim", "Take a case that waits, or hold it for longer", "Claim",
     "Case", _STEP),
    ("post", f"{_AT}/releases", "release", "Give a claimed case back", "Claim", "Case", _STEP),
    ("post", f"{_AT}/rulings", "rule", "The first pair of eyes, by who claimed the case", "Ruling",
     "Case", _STEP),
    ("post", f"{_AT}/signatures", "sign", "The second pair of eyes", "Signature", "Case", _STEP),
    ("post", f"{_AT}/disputes", "note_dispute", "Note what an applicant says is wrong", "Dispute",
     "Case", _STEP),
    ("post", f"{_AT}/answers", "answer_dispute", "Answer a dispute", "Answer", "Case", _STEP),
    ("post", f"{_AT}/person-requests", "note_person_request",
     "Note that an applicant asks for a person", "PersonRequest", "Case", _STEP),
    ("post", f"{_AT}/evidence", "note_evidence",
     "Decide anew on a corrected or extended credit file", "Evidence", "Decision", _STEP),
    ("get", f"{_OF}/case", "get_standing", "Where a decision stands, as its applicant is told",
     None, "Standing", ("404", "410", "503")),
    ("post", f"{_OF}/disputes", "dispute", "Say what is wrong in the data of a source", "Dispute",
     "Standing", _ASKED),
    ("post", f"{_OF}/person-requests", "ask_for_person", "Ask for a person to look at a decision",
     "PersonRequest", "Standing", _ASKED),
    ("post", f"{_OF}/evidence", "bring_evidence",
     "Have it decided anew on a corrected or extended credit file; linked with this decision",
     "Evidence", "Decision", _ASKED),
)  # fmt: skip
"""Method, path, operation, summary, what is posted, what is answered, which refusals."""


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


QUEUE_QUERY = [
    _query("status", "Cases with this status, also those where nothing waits.", type="string",
           enum=[*STATUSES]),
    _query("unclaimed", "Only those nobody holds.", type="boolean"),
    _query("mine", "Only those the officer signed in holds.", type="boolean"),
    _query("overdue", "Only those that are late.", type="boolean"),
    _query("most", "How many at a time.", type="integer", minimum=1, maximum=MOST_CASES,
           default=50),
    _query("skip", "How many before them; `next` of the reply says it.", type="integer",
           minimum=0, default=0),
]  # fmt: skip
