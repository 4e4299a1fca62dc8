"""The gateway in virtual time: deadlines, circuits, budgets, memory, consent, every dead subset."""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from datetime import date
from itertools import product
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from model.credit_file import SOURCES, CreditFile
from service.application import Application, Consent, Request
from service.consent import Consents
from service.decide import DEFAULT_POLICY, Decision
from service.gathering import Answer, Gathering
from service.policy import Policy
from service.problem import Problem
from service.sources import Gateway, GatewaySettings, SourcesError
from tests.source_stand_ins import DAY, SETTINGS, Sources, consents, gateway, grant
from tests.virtual_time import run

GATHER_MS = SETTINGS.deadline_ms - SETTINGS.reserve_ms
SUBSETS = int(os.environ.get("SUBSETS", "256"))
ASKED = SOURCES if 2 ** len(SOURCES) == SUBSETS else SOURCES[:12]
WELL = ("live", "empty")  # not every firm is known to every source


@pytest.fixture(scope="module")
def file(stories: dict[str, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(stories["mask-maker"])["credit_file"]
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consents]:
    opened = consents(tmp_path_factory.mktemp("consents"))
    yield opened
    opened.close()


@pytest.fixture
def consent(kept: Consents, file: dict[str, Any]) -> str:
    signed = grant(file, SOURCES)
    return asyncio.run(kept.grant(file["uscc"], signed, DAY)).consent_id


@pytest.fixture
def sources(file: dict[str, Any]) -> Sources:
    return Sources(file)


def settings(**changes: Any) -> GatewaySettings:
    """The packaged settings with some of [default] changed, alike for every source."""
    return replace(SETTINGS, default=replace(SETTINGS.default, **changes), source={})


def gathered(
    asking: Gateway, consent: str, times: int = 1, wait_s: float = 0.0
) -> tuple[CreditFile, Gathering]:
    """Gather one firm's file, some times over with a wait in between; the last."""

    async def work() -> tuple[CreditFile, Gathering]:
        for _ in range(times):
            loop = asyncio.get_running_loop()
            subject = asking.consents.get(consent).subject
            found = await asking.gather(consent, subject, loop.time())
            await asyncio.sleep(wait_s)
        return found

    return run(work())


def by_source(gathering: Gathering) -> dict[str, Answer]:
    return {answer.source: answer for answer in gathering.answers}


def test_a_file_is_gathered_as_it_would_have_been_posted(
    sources: Sources, kept: Consents, consent: str, file: dict[str, Any]
) -> None:
    found, gathering = gathered(gateway(sources, kept), consent)
    assert found == msgspec.convert(file, CreditFile)
    assert gathering.consent_id == consent
    assert gathering.took_ms == pytest.approx(50), "all at once, not one after the other"
    for answer in gathering.answers:
        if file[answer.source] is None:
            assert answer.status == "empty"
            continue
        assert (answer.status, answer.complete, answer.attempts) == ("live", True, 1)
        assert answer.as_of == date.fromisoformat(file[answer.source]["as_of"])
        assert answer.age_days == (date(2020, 4, 15) - answer.as_of).days
        assert answer.took_ms == pytest.approx(50)
        assert len(answer.sha256 or "") == 64


def test_only_sources_that_were_consented_to_are_asked(
    sources: Sources, kept: Consents, file: dict[str, Any]
) -> None:
    signed = grant(file, ["registry", "tax"])
    consent = asyncio.run(kept.grant(file["uscc"], signed, DAY)).consent_id
    found, _ = gathered(gateway(sources, kept), consent)
    assert sources.calls == {"registry": 1, "tax": 1}
    assert found.invoices is None


@pytest.mark.parametrize(
    ("way", "status", "attempts"),
    [
        ("hangs", "late", 2),
        ("fails", "failed", 2),
        ("refuses", "refused", 1),
        ("garbage", "failed", 2),
        (None, "empty", 1),
        (lambda answer: msgspec.json.encode(answer | {"section": None}), "empty", 1),
        (lambda answer: msgspec.json.encode(answer | {"uscc": "91419999MAQ93TH22Q"}), "failed", 2),
        (lambda answer: msgspec.json.encode(answer | {"answered_on": "2026-03-03"}), "failed", 2),
        (lambda answer: msgspec.json.encode(answer | {"answered_on": "2020-12-31"}), "stale", 1),
    ],
)
def test_a_source_that_is_not_well_is_silent_and_its_answer_says_why(
    sources: Sources, kept: Consents, consent: str, way: Any, status: str, attempts: int
) -> None:
    sources.ways["tax"] = way
    found, gathering = gathered(gateway(sources, kept), consent)
    answer = by_source(gathering)["tax"]
    assert found.tax is None
    assert found.invoices is not None
    assert (answer.status, answer.attempts) == (status, attempts)
    assert answer.said
    assert gathering.took_ms <= GATHER_MS
    kept_out = {one.source for one in gathering.answers if one.status not in WELL}
    assert kept_out <= {"tax"}


def test_no_answer_of_years_ago_passes_for_one_of_now(
    sources: Sources, kept: Consents, file: dict[str, Any]
) -> None:
    signed = grant(file, SOURCES, granted="2026-03-01")
    consent = asyncio.run(kept.grant(file["uscc"], signed, DAY)).consent_id
    found, gathering = gathered(gateway(sources, kept), consent)
    assert {answer.status for answer in gathering.answers} <= {"stale", "empty"}
    assert found == CreditFile(uscc=file["uscc"], as_of=DAY)


def test_a_partial_answer_is_used_and_marked(
    sources: Sources, kept: Consents, consent: str
) -> None:
    sources.ways["tax"] = lambda answer: msgspec.json.encode(answer | {"complete": False})
    found, gathering = gathered(gateway(sources, kept), consent)
    assert found.tax is not None
    assert by_source(gathering)["tax"].complete is False


def test_the_deadline_holds_when_every_source_hangs_and_counts_from_the_application(
    sources: Sources, kept: Consents, consent: str
) -> None:
    sources.ways = dict.fromkeys(SOURCES, "hangs")
    asking = gateway(sources, kept, settings(timeout_ms=60_000))

    async def late_by(seconds: float) -> tuple[CreditFile, Gathering]:
        now = asyncio.get_running_loop().time()
        return await asking.gather(consent, sources.file["uscc"], now - seconds)

    found, gathering = run(late_by(0.0))
    assert gathering.took_ms == pytest.approx(GATHER_MS)
    assert {answer.status for answer in gathering.answers} == {"late"}
    assert found == CreditFile(uscc=sources.file["uscc"], as_of=DAY)
    assert run(late_by(1.0))[1].took_ms == pytest.approx(GATHER_MS - 1_000)
    assert run(late_by(9.0))[1].took_ms == 0, "the time is up before it began"


def test_what_was_said_is_used_again_while_fresh(
    sources: Sources, kept: Consents, consent: str
) -> None:
    asking = gateway(sources, kept, settings(ttl_s=60))
    _, first = gathered(asking, consent)
    found, second = gathered(asking, consent)
    assert found.tax is not None
    assert set(sources.calls.values()) == {1}
    before, after = by_source(first)["tax"], by_source(second)["tax"]
    assert (after.status, after.attempts) == ("cached", 0)
    assert (after.answered_at, after.sha256) == (before.answered_at, before.sha256)
    forgetful = gateway(sources, kept, settings(ttl_s=0))
    gathered(forgetful, consent, times=2)
    assert set(sources.calls.values()) == {3}


def test_a_source_that_keeps_failing_is_left_alone_then_tried_by_one_call(
    sources: Sources, kept: Consents, consent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.ways["tax"] = "fails"
    asking = gateway(sources, kept, settings(failures=3, open_s=15, ttl_s=0, attempts=1))
    gathered(asking, consent, times=5)
    assert sources.calls["tax"] == 3
    _, gathering = gathered(asking, consent)
    assert by_source(gathering)["tax"].status == "circuit_open"
    assert by_source(gathering)["tax"].attempts == 0
    health = {one.source: one for one in asking.health()}["tax"]
    assert (health.circuit, health.calls, health.failures) == ("open", 3, 3)

    monkeypatch.setattr("circuitbreaker.monotonic", lambda: monotonic() + 16)

    async def three_at_once() -> list[Any]:
        now, firm = asyncio.get_running_loop().time(), sources.file["uscc"]
        return await asyncio.gather(*(asking.gather(consent, firm, now) for _ in range(3)))

    run(three_at_once())
    assert sources.calls["tax"] == 4, "one call tries it, the others leave it alone"
    sources.ways.clear()
    monkeypatch.setattr("circuitbreaker.monotonic", lambda: monotonic() + 32)
    found, _ = gathered(asking, consent)
    assert found.tax is not None
    assert {one.circuit for one in asking.health()} == {"closed"}


def test_a_source_that_hangs_beyond_the_deadline_is_left_alone_too(
    sources: Sources, kept: Consents, consent: str
) -> None:
    sources.ways["tax"] = "hangs"
    asking = gateway(sources, kept, settings(timeout_ms=60_000, failures=3, ttl_s=0))
    gathered(asking, consent, times=5)
    assert sources.calls["tax"] == 3


def test_retries_are_bounded_by_a_budget_of_all_sources(
    sources: Sources, kept: Consents, consent: str
) -> None:
    sources.ways = dict.fromkeys(SOURCES, "fails")
    some = replace(settings(failures=1_000), retry_share=0.25, retry_reserve=5)
    gathered(gateway(sources, kept, some), consent, times=10)
    first_calls = 10 * len(SOURCES)
    retries = sum(sources.calls.values()) - first_calls
    assert 5 < retries <= 5 + 0.25 * sum(sources.calls.values())


def test_no_source_is_called_without_consent(
    sources: Sources, kept: Consents, consent: str
) -> None:
    asking = gateway(sources, kept)
    for consent_id, firm in (("none", sources.file["uscc"]), (consent, "91419999MAQ93TH22Q")):
        with pytest.raises(Problem, match="consent: expected one that"):
            run(asking.gather(consent_id, firm, 0.0))
    assert sources.calls == {}


def test_a_revoked_consent_stops_the_next_fetch_and_what_was_kept_is_forgotten(
    sources: Sources, kept: Consents, consent: str
) -> None:
    asking = gateway(sources, kept, settings(ttl_s=600))
    gathered(asking, consent)
    assert {one.cached_firms for one in asking.health()} == {1}
    asyncio.run(asking.revoke(consent))
    assert {one.cached_firms for one in asking.health()} == {0}
    with pytest.raises(Problem, match="revoked"):
        gathered(asking, consent)
    assert set(sources.calls.values()) == {1}


def test_a_consent_taken_back_meanwhile_stops_retries_and_the_decision(
    sources: Sources, kept: Consents, consent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.ways = dict.fromkeys(SOURCES, "fails")

    def taken_back() -> None:
        was = kept.get(consent)
        monkeypatch.setitem(kept._records, consent, replace(was, revoked_at=was.recorded_at))

    sources.before_answer = taken_back
    asking = gateway(sources, kept)
    with pytest.raises(Problem, match="revoked"):
        gathered(asking, consent)
    assert set(sources.calls.values()) == {1}, "no second call to any source"
    sources.ways.clear()
    monkeypatch.undo()
    with pytest.raises(Problem, match="revoked"):
        gathered(asking, consent)
    assert {one.cached_firms for one in asking.health()} == {0}, "nor is anything kept"


def test_too_many_applications_at_once_are_told_to_come_back(
    sources: Sources, kept: Consents, consent: str
) -> None:
    asking = gateway(sources, kept, replace(settings(ttl_s=0), most_gathering=2))

    async def three_at_once() -> list[Any]:
        asked = (asking.gather(consent, sources.file["uscc"], 0.0) for _ in range(3))
        return await asyncio.gather(*asked, return_exceptions=True)

    *served, refused = run(three_at_once())
    assert all(isinstance(one, tuple) for one in served)
    assert isinstance(refused, Problem)
    assert (refused.status, refused.headers) == (503, {"Retry-After": "1"})
    assert len(gathered(asking, consent)[1].answers) == len(SOURCES)


def test_an_unforeseen_error_is_a_silent_source(
    sources: Sources, kept: Consents, consent: str
) -> None:
    def broken(_: Any) -> bytes:
        raise RecursionError

    sources.ways["tax"] = broken
    found, gathering = gathered(gateway(sources, kept), consent)
    assert found.tax is None
    assert by_source(gathering)["tax"].said == "RecursionError"


def test_of_any_subset_of_dead_sources_the_rest_is_gathered_in_time(
    file: dict[str, Any], kept: Consents, consent: str
) -> None:
    """Drawn from all subsets, or every one of them; dead by hanging, failing or garbage."""
    subsets = list(product((False, True), repeat=len(SOURCES)))
    if len(subsets) > SUBSETS:
        drawn = random.Random(7).sample(subsets, SUBSETS - 2)
        subsets = [subsets[0], subsets[-1], *drawn]
    ways = ("hangs", "fails", "garbage")

    async def every_one() -> None:
        for seen, bits in enumerate(subsets):
            dead = [name for name, down in zip(SOURCES, bits, strict=True) if down]
            sources = Sources(file)
            sources.ways = {name: ways[(seen + at) % 3] for at, name in enumerate(dead)}
            now = asyncio.get_running_loop().time()
            found, _ = await gateway(sources, kept).gather(consent, file["uscc"], now)
            assert asyncio.get_running_loop().time() - now <= GATHER_MS / 1e3
            assert found == (
                msgspec.convert(file | dict.fromkeys(dead), CreditFile)
                if any(file[name] is not None for name in set(SOURCES) - set(dead))
                else CreditFile(uscc=file["uscc"], as_of=DAY)
            )

    run(every_one())


def test_no_subset_of_dead_sources_is_lent_more_than_the_degraded_cap(
    healthy: Request, decided: Callable[[Request], Decision], credit_files: list[CreditFile]
) -> None:
    """Every subset of the first twelve sources, or of all; a firm that all of them know."""
    terms = Policy.load(DEFAULT_POLICY).file.sources
    caps: dict[str, float] = {str(name): cap for name, cap in terms.helpful.items()}
    told: dict[str, Any] = {name: getattr(healthy.credit_file, name) for name in ASKED}
    for name in ASKED:
        others = (getattr(file, name) for file in credit_files)
        told[name] = told[name] or next(section for section in others if section is not None)
    asked = replace(
        healthy,
        application=replace(healthy.application, amount_yuan=2e7),
        credit_file=replace(healthy.credit_file, **told),
    )
    most_yuan, seen, capped = decided(asked).limit_yuan, 0, 0
    for bits in product((False, True), repeat=len(ASKED)):
        dead = [name for name, down in zip(ASKED, bits, strict=True) if down]
        sections: dict[str, Any] = dict.fromkeys(dead)
        decision = decided(replace(asked, credit_file=replace(asked.credit_file, **sections)))
        cap_yuan = min([caps[name] for name in dead if name in caps], default=inf)
        assert decision.limit_yuan <= cap_yuan, dead
        assert all(offer.amount_yuan <= cap_yuan for offer in decision.offers), dead
        if set(dead) & set(terms.required):
            assert decision.verdict != "approve", dead
        if decision.limit_cap == "degraded":
            capped += 1
        seen += 1
    assert seen == 2 ** len(ASKED)
    assert capped, f"the caps matter: {most_yuan:,.0f} yuan with every source"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("deadline_ms = 2_000", "deadline_ms = 200", "reserve_ms: got 250"),
        ("attempts = 2", "attempts = 0", "attempts"),
        ("timeout_ms = 800", "timeout = 800", "timeout"),
        ("[source.courts]", "[source.horoscope]", "horoscope"),
        ("ttl_s = 3_600", "ttl_h = 1", "ttl_h"),
        ("\n[default]", "\n[default", "mine.toml"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    from service.settings import Settings

    text = Settings().sources_file.read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(SourcesError, match=said):
        GatewaySettings.load(tmp_path / "mine.toml")
    with pytest.raises(SourcesError, match="none"):
        GatewaySettings.load(tmp_path / "none.toml")


def test_a_source_has_its_own_settings_over_the_default_ones() -> None:
    assert SETTINGS.of("registry").ttl_s == 86_400
    assert SETTINGS.of("registry").timeout_ms == SETTINGS.default.timeout_ms
    assert SETTINGS.of("electricity") == SETTINGS.default


def test_closing_lets_go_of_everything(tmp_path: Path, file: dict[str, Any]) -> None:
    sources, kept = Sources(file), consents(tmp_path)
    asyncio.run(gateway(sources, kept).close())
    assert sources.closed
    with pytest.raises(Exception, match="closed"):
        asyncio.run(kept.grant(file["uscc"], grant(file, ["tax"]), DAY))


def test_applications_still_have_the_consent_they_had() -> None:
    fields = Application.__struct_fields__
    assert fields == ("applicant", "amount_yuan", "tenor_months", "purpose", "consent")
    assert Consent.__struct_fields__ == ("granted", "sources")
