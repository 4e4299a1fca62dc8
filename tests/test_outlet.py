"""What the gateway makes of a data exchange's replies, over httpx without a network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec
import pytest

from model.credit_file import SOURCES, CreditFile, Fault
from service.consent import ConsentRecord
from service.outlet import Failed, Outlet, Refused, read
from tests.source_stand_ins import DAY, EVIDENCE

FIRM = "91629999MA5YQP8B8G"
CONSENT = ConsentRecord(
    consent_id="c1", subject=FIRM, sources=["tax"], use="credit_decision",
    granted=date(2020, 1, 1), expires=date(2030, 1, 1), evidence_sha256=EVIDENCE,
    recorded_at=datetime(2020, 1, 1, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture(scope="module")
def file(stories: dict[str, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(stories["mask-maker"])["credit_file"]
    return found


@pytest.fixture(scope="module")
def answers(file: dict[str, Any]) -> Callable[..., bytes]:
    """The bytes a source sends, with some of it changed."""

    def made(of: str, **changes: Any) -> bytes:
        right = {"uscc": FIRM, "source": of, "answered_on": file["as_of"], "complete": True}
        return msgspec.json.encode(right | {"section": file[of]} | changes)

    return made


async def chunks(*sent: bytes) -> AsyncIterator[bytes]:
    for chunk in sent:
        yield chunk


def ask(reply: Callable[[httpx.Request], httpx.Response], most_bytes: int = 100_000) -> Any:
    async def work() -> Any:
        outlet = Outlet("http://exchange", httpx.MockTransport(reply))
        try:
            return await outlet.ask("tax", CONSENT, most_bytes)
        finally:
            await outlet.close()

    return asyncio.run(work())


def test_a_source_is_asked_about_the_firm_with_consent_and_evidence() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == f"http://exchange/v1/firms/{FIRM}/sources/tax"
        assert request.headers["consent-id"] == "c1"
        assert request.headers["consent-evidence-sha256"] == EVIDENCE
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, content=chunks(b"as ", b"sent"))

    assert ask(reply) == b"as sent"


@pytest.mark.parametrize(
    ("status", "error"), [(401, Refused), (403, Refused), (429, Failed), (500, Failed),
                          (503, Failed), (302, Failed)],
)  # fmt: skip
def test_a_refusal_is_told_from_a_failure(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"it answered {status}"):
        ask(lambda _: httpx.Response(status))


def test_a_firm_nobody_knows_is_no_failure() -> None:
    assert ask(lambda _: httpx.Response(404)) is None


def test_an_answer_without_end_is_given_up() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000

    with pytest.raises(Failed, match="more than 5000 bytes"):
        ask(lambda _: httpx.Response(200, content=endless()), most_bytes=5_000)


def test_a_connection_that_breaks_is_a_failure() -> None:
    def reply(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens")

    with pytest.raises(Failed, match="nobody listens"):
        ask(reply)


@pytest.mark.parametrize("source", SOURCES)
def test_every_section_is_read_as_the_contract_says(
    file: dict[str, Any], answers: Callable[..., bytes], source: str
) -> None:
    found = read(answers(source), source, FIRM, DAY)
    assert found.section == getattr(msgspec.convert(file, CreditFile), source)
    assert found.answered_on == date(2020, 4, 15)
    assert len(found.sha256) == 64
    assert read(answers(source, section=None), source, FIRM, DAY).section is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"uscc": "91419999MAQ93TH22Q"}, "uscc"),
        ({"source": "bank"}, "source"),
        ({"answered_on": "2026-03-03"}, "answered_on"),
        ({"answered_on": "2020-01-31"}, "credit_file.tax.as_of"),
        ({"mood": "good"}, "mood"),
        ({"section": {}}, "section.as_of"),
        ({"section": "none"}, "section"),
        ({"section": {"as_of": "2020-02-29", "months": ["2020-02"], "declared_sales_yuan": [],
                      "tax_paid_yuan": [1], "filings": ["on_time"]}},
         "credit_file.tax.declared_sales_yuan"),
    ],
)  # fmt: skip
def test_what_cannot_be_true_is_named(
    answers: Callable[..., bytes], changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Fault) as fault:
        read(answers("tax", **changes), "tax", FIRM, DAY)
    assert fault.value.field == field


def test_bytes_that_are_no_json_are_a_fault(answers: Callable[..., bytes]) -> None:
    for body in (b"", b"<html>", b"\xff", b"[" * 100_000, answers("tax")[:-9]):
        with pytest.raises(Fault):
            read(body, "tax", FIRM, DAY)
