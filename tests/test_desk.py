from collections.abc import Iterator
from pathlib import Path

import pytest

from service.desk import Answer, Desk, Dispute, Ruling, Signature
from service.ledger import verify
from service.problem import Problem

WHY = "The orders were seen and are genuine."
ID = "a" * 32


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    opened = Desk.beside(url)
    yield opened
    opened.close()


def approve(yuan: float = 50_000.0) -> Ruling:
    return Ruling(verdict="approve", said=WHY, limit_yuan=yuan)


def test_nothing_was_said_about_a_decision_yet(desk: Desk) -> None:
    assert (desk.case(ID).status, desk.case(ID).events) == ("open", [])
    assert list(desk.cases()) == []


def test_two_officers_sign_an_approval(desk: Desk) -> None:
    assert desk.rule(ID, "lin", approve(), 60_000.0).status == "ruled"
    case = desk.sign(ID, "zhao", Signature(agree=True, said=WHY))
    assert (case.status, case.verdict, case.limit_yuan) == ("signed", "approve", 50_000.0)
    assert [event.officer for event in case.events] == ["lin", "zhao"]


def test_the_officer_who_ruled_cannot_sign(desk: Desk) -> None:
    desk.rule(ID, "lin", approve(), 60_000.0)
    with pytest.raises(Problem, match="another officer") as caught:
        desk.sign(ID, "lin", Signature(agree=True, said=WHY))
    assert caught.value.status == 409
    assert len(desk.case(ID).events) == 1


def test_a_case_given_back_is_ruled_on_again_and_by_anybody_signed(desk: Desk) -> None:
    desk.rule(ID, "lin", approve(), 60_000.0)
    assert desk.sign(ID, "zhao", Signature(agree=False, said=WHY)).status == "open"
    desk.rule(ID, "zhao", Ruling(verdict="decline", said=WHY), 60_000.0)
    case = desk.sign(ID, "lin", Signature(agree=True, said=WHY))
    assert (case.status, case.verdict, case.limit_yuan) == ("signed", "decline", None)


@pytest.mark.parametrize("yuan", [None, 999.0, 60_001.0])
def test_an_approval_stays_within_what_the_engine_found(desk: Desk, yuan: float | None) -> None:
    ruling = Ruling(verdict="approve", said=WHY, limit_yuan=yuan)
    with pytest.raises(Problem, match="between 1000 and 60000"):
        desk.rule(ID, "lin", ruling, 60_000.0)


def test_a_case_is_ruled_on_once_and_signed_only_after(desk: Desk) -> None:
    with pytest.raises(Problem, match="no ruling to sign"):
        desk.sign(ID, "zhao", Signature(agree=True, said=WHY))
    desk.rule(ID, "lin", approve(), 60_000.0)
    with pytest.raises(Problem, match="ruled on already"):
        desk.rule(ID, "zhao", approve(), 60_000.0)


def test_a_reason_is_needed(desk: Desk) -> None:
    with pytest.raises(Problem, match="said: expected 10 to 2000 characters"):
        desk.rule(ID, "lin", Ruling(verdict="decline", said="  no  "), 0.0)


def test_a_dispute_is_open_until_it_is_answered(desk: Desk) -> None:
    assert desk.dispute(ID, "lin", Dispute(source="tax", said=WHY)).disputed == ["tax"]
    with pytest.raises(Problem, match="open already"):
        desk.dispute(ID, "lin", Dispute(source="tax", said=WHY))
    case = desk.answer(ID, "zhao", Answer(source="tax", upheld=True, said=WHY))
    assert (case.disputed, case.events[-1].upheld) == ([], True)
    with pytest.raises(Problem, match="No dispute"):
        desk.answer(ID, "zhao", Answer(source="tax", upheld=True, said=WHY))
    with pytest.raises(Problem, match="source: expected one of"):
        desk.dispute(ID, "lin", Dispute(source="moon", said=WHY))


def test_events_survive_a_restart_in_a_chain_that_verifies(url: str) -> None:
    desk = Desk.beside(url)
    desk.rule(ID, "lin", approve(), 60_000.0)
    desk.dispute("b" * 32, "lin", Dispute(source="tax", said=WHY))
    desk.close()
    again = Desk.beside(url)
    assert [case.decision_id for case in again.cases()] == [ID, "b" * 32]
    assert again.sign(ID, "zhao", Signature(agree=True, said=WHY)).status == "signed"
    again.close()
    assert verify(f"{url}.desk").records == 3
