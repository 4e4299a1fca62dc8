"""The data exchange: what it serves, what it refuses, how its delays are spread."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import msgspec
import pyarrow.parquet as pq
import pytest

from model.credit_file import SOURCES, Fault
from service.application import parse
from service.exchange import (
    Exchange,
    Faults,
    LatestFiles,
    create_exchange,
    exchange_file,
    profile,
)
from service.outlet import read
from tests.source_stand_ins import DAY, EVIDENCE

FIRM = "91629999MA5YQP8B8G"
CONSENT = {"consent-id": "c1", "consent-evidence-sha256": EVIDENCE}


@pytest.fixture
def exchange(stories: dict[str, bytes]) -> Exchange:
    file = msgspec.json.encode(msgspec.json.decode(stories["mask-maker"])["credit_file"])
    return Exchange({FIRM: file}.get, [FIRM], Faults(delayed=False), seed=7)


@pytest.fixture
def call(exchange: Exchange) -> Callable[..., httpx.Response]:
    async def work(method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(create_exchange(exchange))
        async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
            return await client.request(method, path, **more)

    return lambda *words, **more: asyncio.run(work(*words, **more))


def section(source: str) -> str:
    return f"/v1/firms/{FIRM}/sources/{source}"


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_a_firm_can_be_read_by_the_gateway(
    call: Callable[..., httpx.Response], stories: dict[str, bytes], source: str
) -> None:
    reply = call("GET", section(source), headers=CONSENT)
    assert reply.status_code == 200
    file = parse(stories["mask-maker"], DAY).credit_file
    assert read(reply.content, source, FIRM, DAY).section == getattr(file, source)


@pytest.mark.parametrize(
    ("path", "headers", "status", "kind"),
    [
        (section("tax"), {}, 401, "consent-required"),
        (section("tax"), {"consent-id": "c1"}, 401, "consent-required"),
        (section("tax"), CONSENT | {"consent-evidence-sha256": "abc"}, 401, "consent-required"),
        (section("horoscope"), CONSENT, 404, "source-not-found"),
        ("/v1/firms/91419999MAQ93TH22Q/sources/tax", CONSENT, 404, "firm-not-found"),
    ],
)
def test_what_it_does_not_say_is_a_problem_document(
    call: Callable[..., httpx.Response], exchange: Exchange, path: str, headers: dict[str, str],
    status: int, kind: str,
) -> None:  # fmt: skip
    reply = call("GET", path, headers=headers)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"].endswith(kind)
    if status == 401:
        assert exchange.asked == {}


def test_it_counts_who_was_asked_under_which_consent(call: Callable[..., httpx.Response]) -> None:
    for source in ("tax", "tax", "bank"):
        call("GET", section(source), headers=CONSENT)
    assert call("GET", "/v1/calls/c1").json() == {"tax": 2, "bank": 1}
    assert call("GET", "/v1/calls/c2").json() == {}
    assert call("GET", "/v1/firms").json() == [FIRM]


def test_faults_are_changed_while_it_runs(call: Callable[..., httpx.Response]) -> None:
    faults = {"delayed": False, "error_rate": 1.0, "partial": ["bank"]}
    assert call("PUT", "/v1/faults", json=faults).json() == {**faults, "slow": [], "dead": []}
    assert call("GET", section("tax"), headers=CONSENT).status_code == 503
    call("PUT", "/v1/faults", json=faults | {"error_rate": 0.0})
    assert call("GET", section("bank"), headers=CONSENT).json()["complete"] is False
    refused = call("PUT", "/v1/faults", json={"dead": ["horoscope"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "dead[0]"


def test_a_dead_source_takes_the_call_and_never_answers(exchange: Exchange) -> None:
    exchange.faults = Faults(delayed=False, dead=["tax"])

    async def asked() -> bytes:
        async with asyncio.timeout(0.1):
            return await exchange.section(FIRM, "tax", "c1", asyncio.Event().wait)

    with pytest.raises(TimeoutError):
        asyncio.run(asked())


@pytest.mark.parametrize(("slow", "table"), [([], "delay_ms"), (["tax"], "slow_ms")])
def test_delays_have_the_median_and_the_99th_percentile_they_state(
    exchange: Exchange, slow: list[Any], table: str
) -> None:
    exchange.faults = Faults(slow=slow)
    drawn = quantiles([exchange._delay_s("tax") * 1e3 for _ in range(20_000)], n=100)
    stated = getattr(exchange_file(), table)
    median_ms, p99_ms = stated.get("tax", stated["default"])
    assert drawn[49] == pytest.approx(median_ms, rel=0.03)
    assert drawn[98] == pytest.approx(p99_ms, rel=0.10)


def test_profiles_are_named_and_may_be_made_worse() -> None:
    assert profile("none") == Faults(delayed=False)
    assert profile("one-dead").dead == ["tax"]
    worse = profile("realistic", dead=["bank"], slow=["courts"])
    assert (worse.dead, worse.slow, worse.delayed) == (["bank"], ["courts"], True)
    for words in (("stormy",), ("none", ["horoscope"]), ("none", [], ["horoscope"])):
        with pytest.raises(Fault, match="expected one of"):
            profile(*words)
    assert set(exchange_file().delay_ms) - {"default"} <= set(SOURCES)


def test_the_latest_file_of_every_firm_is_served(world: Path, stories: dict[str, bytes]) -> None:
    told = [
        msgspec.json.encode(msgspec.json.decode(one)["credit_file"]) for one in stories.values()
    ]
    kept = LatestFiles(told, world)
    of_stories = {msgspec.json.decode(one)["uscc"] for one in told}
    rows = pq.read_table(world / "applications.parquet", columns=["uscc", "as_of"]).to_pylist()
    assert set(kept.usccs) == of_stories | {row["uscc"] for row in rows}
    latest = max(str(row["as_of"]) for row in rows if row["uscc"] == rows[0]["uscc"])
    assert msgspec.json.decode(kept.file(rows[0]["uscc"]) or b"")["as_of"] == latest
    assert kept.file("none") is None


def test_a_folder_that_is_no_world_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected what `yidaitong generate` writes"):
        LatestFiles([], tmp_path)
