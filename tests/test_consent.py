"""Consent: what it allows, what it does not, and that it is durable."""

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.credit_file import Fault
from service.consent import Consents
from service.problem import Problem
from tests.source_stand_ins import DAY, consents, grant

FIRM, OTHER = "91629999MA5YQP8B8G", "91419999MAQ93TH22Q"
FILE = {"uscc": FIRM, "as_of": "2020-04-15"}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Consents]:
    opened = consents(tmp_path)
    yield opened
    opened.close()


def granted(kept: Consents, **changes: Any) -> str:
    signed = grant(FILE, ["tax", "courts"], **changes)
    return asyncio.run(kept.grant(FIRM, signed, DAY)).consent_id


def refusal(kept: Consents, *asked: Any) -> str:
    with pytest.raises(Problem) as refused:
        kept.check(*asked)
    assert refused.value.status == 403
    (error,) = refused.value.document.errors
    assert error.field == "consent"
    return error.expected


def test_a_consent_allows_its_sources_for_its_use_until_it_expires(kept: Consents) -> None:
    consent_id = granted(kept)
    record = kept.check(consent_id, FIRM, "credit_decision", DAY, "tax")
    assert record.sources == ["tax", "courts"]
    assert kept.check(consent_id, FIRM, "credit_decision", date(2029, 12, 31)) == record


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"consent_id": "none"}, "recorded"),
        ({"subject": OTHER}, "another firm"),
        ({"use": "monitoring"}, "this one is for credit_decision"),
        ({"today": date(2030, 1, 1)}, "in force today, 2030-01-01"),
        ({"today": date(2020, 4, 14)}, "in force today, 2020-04-14"),
        ({"source": "bank"}, "for the source bank"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(
    kept: Consents, changed: dict[str, Any], said: str
) -> None:
    asked = {"consent_id": granted(kept), "subject": FIRM, "use": "credit_decision", "today": DAY,
             "source": "tax"}  # fmt: skip
    assert said in refusal(kept, *(asked | changed).values())


def test_what_is_taken_back_stays_so(kept: Consents) -> None:
    consent_id = granted(kept)

    async def twice_at_once() -> list[Any]:
        return await asyncio.gather(kept.revoke(consent_id), kept.revoke(consent_id))

    first, second = asyncio.run(twice_at_once())
    assert first.revoked_at is not None
    assert second.revoked_at is not None
    assert asyncio.run(kept.revoke(consent_id)) == kept.get(consent_id)
    assert "revoked on 20" in refusal(kept, consent_id, FIRM, "credit_decision", DAY)


def test_consents_and_revocations_are_read_again_after_a_restart(tmp_path: Path) -> None:
    first = consents(tmp_path)
    stays, goes = granted(first), granted(first)
    taken_back = asyncio.run(first.revoke(goes))
    first.close()
    second = consents(tmp_path)
    assert second.get(goes) == taken_back
    assert second.check(stays, FIRM, "credit_decision", DAY).consent_id == stays
    second.close()


def test_a_consent_is_told_as_json(kept: Consents) -> None:
    told = msgspec.json.decode(msgspec.json.encode(kept.get(granted(kept))))
    assert told["subject"] == FIRM
    assert told["revoked_at"] is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"granted": "2026-03-03"}, "consent.granted"),
        ({"expires": "2026-03-02"}, "consent.expires"),
    ],
)
def test_dates_that_make_no_sense_are_named(
    kept: Consents, changes: dict[str, str], field: str
) -> None:
    signed = grant(FILE, ["tax"], **changes)
    with pytest.raises(Fault) as fault:
        asyncio.run(kept.grant(FIRM, signed, DAY, "consent."))
    assert fault.value.field == field


def test_nobody_finds_a_consent_that_is_not_there(kept: Consents) -> None:
    with pytest.raises(Problem, match="No consent 'x'"):
        kept.get("x")
