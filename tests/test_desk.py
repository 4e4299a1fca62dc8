from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from service import desk as desks
from service.case import Matter
from service.desk import Answer, Desk, Dispute, PersonRequest, Ruling, Signature
from service.ledger import open_ledger, verify
from service.problem import Problem
from tests.databases import Database

WHY = "The orders were seen and are genuine."
ID = "a" * 32
FOUND = 600_000.0
MATTER = Matter(
    decision_id=ID, verdict="refer", decided_at=datetime.now(UTC), asked_yuan=800_000.0,
    most_yuan=FOUND,
)  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    opened = Desk.beside(url)
    yield opened
    opened.close()


def approve(yuan: float | None = 500_000.0) -> Ruling:
    return Ruling(verdict="approve", reason_code="D-VERIFIED", said=WHY, limit_yuan=yuan)


DECLINE = Ruling(verdict="decline", reason_code="D-CONFIRMED", said=WHY)


def ruled(desk: Desk, officer: str, ruling: Ruling, matter: Matter = MATTER) -> Any:
    """Claimed, then ruled on."""
    desk.claim(matter, officer)
    return desk.rule(matter, officer, ruling)


def test_nothing_was_said_about_a_decision_yet(desk: Desk) -> None:
    assert (desk.case(ID).status, desk.case(ID).events) == ("open", [])
    assert list(desk.cases()) == []


def test_two_officers_sign_an_approval(desk: Desk) -> None:
    assert ruled(desk, "lin", approve()).status == "ruled"
    case = desk.sign(ID, "zhao", Signature(agree=True, said=WHY))
    assert (case.status, case.verdict, case.limit_yuan) == ("signed", "approve", 500_000.0)
    assert case.reason_code == "D-VERIFIED"
    assert [event.officer for event in case.events] == ["lin", "lin", "zhao"]
    assert case.events[1].terms == desk.terms.version


def test_the_officer_who_ruled_cannot_sign(desk: Desk) -> None:
    ruled(desk, "lin", approve())
    with pytest.raises(Problem, match="another officer") as caught:
        desk.sign(ID, "lin", Signature(agree=True, said=WHY))
    assert caught.value.status == 409
    assert len(desk.case(ID).events) == 2


@pytest.mark.parametrize(
    ("matter", "ruling", "status"),
    [
        (MATTER, approve(200_000.0), "decided"),  # what is lent counts, not what was asked for
        (MATTER, approve(200_001.0), "ruled"),
        (MATTER, DECLINE, "ruled"),
        (replace(MATTER, asked_yuan=200_000.0), DECLINE, "decided"),
    ],
)
def test_one_officer_suffices_up_to_an_amount(
    desk: Desk, matter: Matter, ruling: Ruling, status: str
) -> None:
    assert desk.terms.four_eyes_above_yuan == 200_000.0
    case = ruled(desk, "lin", ruling, matter)
    assert (case.status, case.waits) == (status, status == "ruled")
    if status == "decided":
        with pytest.raises(Problem, match="no ruling to sign"):
            desk.sign(ID, "zhao", Signature(agree=True, said=WHY))


def test_only_who_claimed_a_case_rules_on_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="claim it, then rule"):
        desk.rule(MATTER, "lin", approve())
    desk.claim(MATTER, "lin")
    for refused in (desk.rule, desk.claim):
        with pytest.raises(Problem, match="lin claimed this case until"):
            refused(MATTER, "zhao", *([approve()] if refused == desk.rule else []))
    with pytest.raises(Problem, match="zhao holds no claim"):
        desk.release(MATTER, "zhao")
    assert desk.release(MATTER, "lin").claimed_by is None
    desk.claim(MATTER, "zhao")
    later = datetime.now(UTC) + timedelta(minutes=desk.terms.claim_minutes)
    monkeypatch.setattr(desks, "_now", lambda: later)
    assert desk.case(ID).claimed_by is None  # lapsed
    assert ruled(desk, "lin", approve()).status == "ruled"


def test_a_case_given_back_is_ruled_on_again_and_by_anybody_signed(desk: Desk) -> None:
    ruled(desk, "lin", approve())
    assert desk.sign(ID, "zhao", Signature(agree=False, said=WHY)).status == "open"
    ruled(desk, "zhao", DECLINE)
    case = desk.sign(ID, "lin", Signature(agree=True, said=WHY))
    assert (case.status, case.verdict, case.limit_yuan) == ("signed", "decline", None)


@pytest.mark.parametrize("yuan", [None, 999.0, 600_001.0])
def test_an_approval_stays_within_what_the_engine_found(desk: Desk, yuan: float | None) -> None:
    with pytest.raises(Problem, match="between 1000 and 600000"):
        ruled(desk, "lin", approve(yuan))


def test_a_case_is_ruled_on_once_and_signed_only_after(desk: Desk) -> None:
    with pytest.raises(Problem, match="no ruling to sign"):
        desk.sign(ID, "zhao", Signature(agree=True, said=WHY))
    ruled(desk, "lin", approve())
    with pytest.raises(Problem, match="ruled on already"):
        ruled(desk, "zhao", approve())


def test_a_reason_is_needed_in_words_and_as_a_code_for_that_verdict(desk: Desk) -> None:
    with pytest.raises(Problem, match="said: expected 10 to 2000 characters"):
        ruled(desk, "lin", replace(DECLINE, said="  no  "))
    with pytest.raises(Problem, match="reason_code: expected one of D-CONFIRMED, D-CAPACITY"):
        ruled(desk, "lin", replace(DECLINE, reason_code="D-VERIFIED"))


def test_a_dispute_is_open_until_it_is_answered(desk: Desk) -> None:
    assert desk.dispute(ID, "lin", Dispute(source="tax", said=WHY)).disputed == ["tax"]
    with pytest.raises(Problem, match="open already"):
        desk.dispute(ID, "lin", Dispute(source="tax", said=WHY))
    case = desk.answer(ID, "zhao", Answer(source="tax", upheld=True, said=WHY))
    assert (case.disputed, case.events[-1].upheld, case.to_correct) == ([], True, ["tax"])
    with pytest.raises(Problem, match="No dispute"):
        desk.answer(ID, "zhao", Answer(source="tax", upheld=True, said=WHY))
    with pytest.raises(Problem, match="source: expected one of"):
        desk.dispute(ID, "lin", Dispute(source="moon", said=WHY))
    with pytest.raises(Problem, match="field: expected a field of bank: "):
        desk.dispute(ID, "lin", Dispute(source="bank", field="arrears_yuan", said=WHY))


def test_a_person_is_asked_for_once_and_where_none_looks_already(desk: Desk) -> None:
    asked = PersonRequest(said="The enforcement was lifted in May.")
    declined = replace(MATTER, verdict="decline", most_yuan=100_000.0)
    with pytest.raises(Problem, match="expected one referred"):
        desk.rule(declined, "lin", DECLINE)
    with pytest.raises(Problem, match="Nothing of this decision waits"):
        desk.claim(declined, "lin")
    assert desk.ask_for_person(declined, "applicant", asked).waits
    for matter in (declined, replace(MATTER, decision_id="b" * 32)):
        with pytest.raises(Problem, match="look at this already"):
            desk.ask_for_person(matter, "applicant", asked)
    case = ruled(desk, "lin", approve(50_000.0), declined)
    assert case.status == "ruled"  # against the engine's decline: four eyes whatever the amount
    desk.sign(ID, "zhao", Signature(agree=True, said=WHY))
    with pytest.raises(Problem, match="a person decided this already"):
        desk.ask_for_person(declined, "applicant", asked)


def test_asking_for_a_person_cannot_make_an_approval_worse(desk: Desk) -> None:
    approved = replace(MATTER, verdict="approve")
    desk.ask_for_person(approved, "applicant", PersonRequest(said="I hoped for a larger limit."))
    with pytest.raises(Problem, match="must not make a decision worse"):
        ruled(desk, "lin", DECLINE, approved)


def test_decisions_made_on_more_evidence_are_linked_both_ways_once(desk: Desk) -> None:
    for _ in range(2):
        case = desk.decided_again(ID, "applicant", WHY, "b" * 32)
        assert (case.decided_again, case.status, len(case.events)) == (["b" * 32], "redecided", 1)
    assert desk.case("b" * 32).decides_again == ID
    with pytest.raises(Problem, match=f"decided again as {'b' * 32}"):
        desk.rule(MATTER, "lin", approve())
    asked = PersonRequest(said="The enforcement was lifted in May.")
    with pytest.raises(Problem, match="ask about that one"):
        desk.ask_for_person(replace(MATTER, verdict="decline"), "applicant", asked)


def test_events_survive_a_restart_in_a_chain_that_verifies(url: str) -> None:
    desk = Desk.beside(url)
    ruled(desk, "lin", approve())
    desk.dispute("b" * 32, "lin", Dispute(source="tax", said=WHY))
    desk.close()
    again = Desk.beside(url)
    assert [case.decision_id for case in again.cases()] == [ID, "b" * 32]
    assert again.sign(ID, "zhao", Signature(agree=True, said=WHY)).status == "signed"
    again.close()
    assert verify(f"{url}.desk").records == 4


def test_several_servers_see_each_others_steps_and_take_no_step_twice(postgres: Database) -> None:
    """Two desks over one PostgreSQL: what one notes the other knows before its next answer."""
    url = postgres.url()
    with closing(Desk.beside(url)) as one, closing(Desk.beside(url)) as other:
        one.claim(MATTER, "lin")
        assert other.case(ID).claimed_by == "lin"
        with pytest.raises(Problem, match="lin claimed"):
            other.claim(MATTER, "zhao")
        one.rule(MATTER, "lin", approve())
        assert other.sign(ID, "zhao", Signature(agree=True, said=WHY)).status == "signed"
        assert [event.kind for event in one.case(ID).events] == ["claim", "ruling", "signature"]
        with open_ledger(f"{url}_desk", read_only=True) as events:
            assert len(events.heads()) == 2


def test_a_step_taken_by_another_server_in_between_is_seen_and_checked(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url()
    with closing(Desk.beside(url)) as one, closing(Desk.beside(url)) as other:
        follow, late = one._follow, [True]

        def behind() -> None:
            follow()
            if late.pop() if late else False:  # the other is quicker, unseen
                other.claim(MATTER, "zhao")

        monkeypatch.setattr(one, "_follow", behind)
        with pytest.raises(Problem, match="zhao claimed"):
            one.claim(MATTER, "lin")
        assert [event.officer for event in one.case(ID).events] == ["zhao"]
