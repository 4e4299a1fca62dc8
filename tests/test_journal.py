from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest

from service import journal as journals
from service.application import parse
from service.decide import Decision
from service.journal import Journal
from service.ledger import Ledger, open_ledger
from tests.test_cases import Decide


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


def keep(ledger: Ledger, body: bytes, decided: Decide, number: int) -> Decision:
    request = parse(body, date.max)
    decision = msgspec.structs.replace(decided(request), decision_id=f"{number:032x}")
    ledger.append_sync(decision.decision_id, body, msgspec.json.encode(decision))
    return decision


def test_totals_count_every_record_once(
    ledger: Ledger, stories: dict[str, bytes], decided: Decide
) -> None:
    assert Journal(ledger, lambda: (56, 146)).totals().decisions == 0
    bodies = list(stories.values())
    told = [keep(ledger, body, decided, at) for at, body in enumerate(bodies[:2])]
    journal = Journal(ledger, lambda: (56, 146))
    for at, body in enumerate(bodies[2:], 2):
        told.append(keep(ledger, body, decided, at))
        journal.note(at + 1, told[-1], "a firm")
    for _ in range(3):  # reading again counts nothing twice
        totals = journal.totals()
        assert totals.decisions == len(told)
    assert totals.approved == sum(one.verdict == "approve" for one in told)
    assert totals.declined == sum(one.verdict == "decline" for one in told)
    approved = sum(one.limit_yuan for one in told if one.verdict == "approve")
    assert totals.approved_yuan == approved
    assert (totals.institutions, totals.products, totals.whole) == (56, 146, True)


def test_decisions_are_found_by_name_code_id_and_verdict(
    ledger: Ledger, stories: dict[str, bytes], decided: Decide
) -> None:
    told = {
        code: keep(ledger, body, decided, at) for at, (code, body) in enumerate(stories.items())
    }
    journal, mask = Journal(ledger, lambda: (56, 146)), told["mask-maker"]
    assert [line.decision_id for line in journal.find()][::-1] == [
        one.decision_id for one in told.values()
    ]
    assert {line.name for line in journal.find("岚禾泰")} == {"甘肃岚禾泰卫生材料有限公司"}
    assert journal.find(mask.decision_id.upper())[0].limit_yuan == mask.limit_yuan
    assert all(line.verdict == "decline" for line in journal.find(verdict="decline"))
    assert journal.find("no such firm") == []
    assert len(journal.find(most=2)) == 2
    journal.note(99, told["young-shop"], "新店")
    assert [line.seq for line in journal.find("新店")] == [99]
    latest = journal.latest()
    assert latest is not None
    assert latest.seq == 99


def test_a_long_ledger_is_read_in_parts(
    ledger: Ledger, stories: dict[str, bytes], decided: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "MOST_READ", 3)
    body = stories["young-shop"]
    for number in range(7):
        keep(ledger, body, decided, number)
    journal = Journal(ledger, lambda: (56, 146))
    seen = [journal.totals() for _ in range(4)]
    assert [one.decisions for one in seen] == [3, 6, 7, 7]
    assert [one.whole for one in seen] == [False, False, True, True]
