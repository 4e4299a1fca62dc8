"""What Prometheus reads: true numbers, bounded labels, at almost no cost."""

import re
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.application import Request, parse
from service.decide import Decision, Engine
from service.keys import Keys
from service.metrics import CIRCUITS, MOST_KEPT, Meters, Spread, Standing
from service.settings import Settings
from service.watch import Watch
from tests.in_process import JSON, talking

Read = dict[str, dict[tuple[tuple[str, str], ...], float]]


def read(page: str) -> Read:
    """Sample name -> labels in order -> value."""
    found: Read = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def page_of(meters: Meters, standing: Standing | None = None, accepts: str = "") -> str:
    meters.count()
    return meters.page(standing or Standing(), accepts)[0].decode()


def test_what_was_answered_and_decided_is_counted(
    engine: Engine, settings: Settings, stories: dict[str, bytes]
) -> None:
    async def talk(client: httpx.AsyncClient) -> tuple[list[Any], Read]:
        posted = [
            await client.post("/v1/decisions", content=body, headers=JSON)
            for body in stories.values()
        ]
        await client.post("/v1/decisions", content=b"{", headers=JSON)
        for number in range(20):
            await client.get(f"/v1/decisions/nothing-{number}")
            await client.get(f"/nowhere-{number}")
        await client.request("BREW", "/v1/decisions")
        return [one.json() for one in posted], read((await client.get("/metrics")).text)

    decisions, found = talking(settings, engine, talk)
    for verdict in ("approve", "refer", "decline"):
        count = sum(one["verdict"] == verdict for one in decisions)
        assert found["yidaitong_decisions_total"][(("verdict", verdict),)] == count
    for step, taken_us in decisions[0]["timings_us"].items():
        labels = (("step", step),)
        taken = sum(one["timings_us"][step] for one in decisions)
        assert found["yidaitong_step_seconds_count"][labels] == len(decisions)
        assert found["yidaitong_step_seconds_sum"][labels] == pytest.approx(taken / 1e6)
        assert taken_us > 0
    assert found["yidaitong_score_sum"][()] == sum(one["assessment"]["score"] for one in decisions)
    waits = [found[f"yidaitong_{name}_seconds_sum"][()] for name in ("ledger_append", "decision")]
    engine_s = found["yidaitong_step_seconds_sum"][(("step", "engine"),)]
    assert 0 < waits[0] < waits[1]
    assert engine_s < waits[1]
    requests = found["yidaitong_requests_total"]
    assert requests == {
        (("method", "POST"), ("route", "/v1/decisions"), ("status", "201")): len(decisions),
        (("method", "POST"), ("route", "/v1/decisions"), ("status", "400")): 1,
        (("method", "GET"), ("route", "/v1/decisions/{decision_id}"), ("status", "404")): 20,
        (("method", "GET"), ("route", "none"), ("status", "404")): 20,
        (("method", "other"), ("route", "/v1/decisions"), ("status", "405")): 1,
    }
    problems = found["yidaitong_problems_total"]
    assert problems[(("kind", "decision-not-found"),)] == 20
    assert problems[(("kind", "invalid-field"),)] == 1
    assert problems[(("kind", "internal"),)] == 0
    assert found["yidaitong_ledger_commits_total"][()] == len(decisions)
    assert found["yidaitong_requests_in_flight"][()] == 1
    assert found["yidaitong_ledger_waiting_records"][()] == 0
    ready = {labels[0][1]: value for labels, value in found["yidaitong_ready"].items()}
    assert ready == {"engine": 1, "ledger": 1, "desk": 1}
    (about,) = found["yidaitong_build_info"]
    assert dict(about)["policy"] == engine.versions.policy
    assert found["process_open_fds"][()] > 0


def test_only_operators_read_it_and_refusals_are_counted(
    engine: Engine, settings: Settings
) -> None:
    keys = Keys(settings.keys)
    tokens = {scope: keys.add(scope, [scope], 5)[1] for scope in ("audit", "lend", "operate")}

    async def talk(client: httpx.AsyncClient) -> Read:
        def asked(token: str, path: str) -> Any:
            return client.get(path, headers={"authorization": f"Bearer {token}"})

        for scope in ("audit", "lend"):
            assert (await asked(tokens[scope], "/metrics")).status_code == 403
        assert (await client.get("/metrics")).status_code == 401
        for _ in range(7):
            await asked(tokens["lend"], "/v1/totals")
        return read((await asked(tokens["operate"], "/metrics")).text)

    problems = talking(settings, engine, talk)["yidaitong_problems_total"]
    assert problems[(("kind", "too-many-requests"),)] == 2  # what was refused is not counted in
    assert problems[(("kind", "not-allowed"),)] == 2
    assert problems[(("kind", "not-authenticated"),)] == 1


@pytest.mark.parametrize(
    ("accepts", "begins", "ends"),
    [
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", "# EOF\n"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4", ""),
        ("text/plain;version=abc", "text/plain; version=0.0.4", ""),
        ("application/openmetrics-text;version=x", "", ""),
        ("\x00,;;=,text/plain;version==", "text/plain", ""),
    ],
)
def test_it_is_told_in_the_format_asked_for(accepts: str, begins: str, ends: str) -> None:
    page, kind = Meters().page(Standing(), accepts)
    assert kind.startswith(begins)
    assert page.decode().endswith(ends)


def test_counts_are_up_to_each_bound_however_they_come() -> None:
    spread = Spread([1.0, 2.0, 4.0])
    for some in ([0.5, 1.0, 1.5], [], [4.0, 5.0, 100.0]):
        for value in some:
            spread.keep(value)
        spread.count()
    up_to, total = spread.told(0.5)
    assert up_to == [("0.5", 2), ("1", 3), ("2", 4), ("+Inf", 6)]
    assert total == pytest.approx(56)


def test_numbers_that_nobody_reads_do_not_pile_up() -> None:
    meters = Meters()
    for _ in range(MOST_KEPT + 5):
        meters.answered("/v1/decisions", "POST", 201, 1_000_000, "")
    assert len(meters.routes["/v1/decisions"]._kept) == 5
    found = read(page_of(meters))
    labels = (("route", "/v1/decisions"),)
    assert found["yidaitong_request_seconds_count"][labels] == MOST_KEPT + 5


def test_records_that_wait_are_seen_with_the_oldest_first() -> None:
    meters = Meters()
    now = time.perf_counter_ns()
    meters.waiting |= {"a": now - 3_000_000_000, "b": now}
    found = read(page_of(meters))
    assert found["yidaitong_ledger_waiting_records"][()] == 2
    assert 3 <= found["yidaitong_ledger_oldest_wait_seconds"][()] < 60


def test_sources_tell_how_they_are_and_what_they_said(
    decided: Callable[[Request], Decision], healthy: Request
) -> None:
    from datetime import UTC, datetime

    from msgspec.structs import replace

    from service.gathering import Answer, Gathering
    from service.sources import SourceHealth

    answers = [
        Answer(source="tax", status="live", took_ms=120.0, attempts=2),
        Answer(source="bank", status="circuit_open"),
    ]
    gathering = Gathering(
        consent_id="c", evidence_sha256="e", began=datetime.now(UTC), took_ms=1.0,
        deadline_ms=2, answers=answers,
    )  # fmt: skip
    meters = Meters()
    meters.decided(replace(decided(healthy), gathering=gathering), 0, 0)
    about: dict[str, Any] = {"cached_firms": 0, "last_took_ms": None, "last_said": None}
    sources = [SourceHealth(source="tax", circuit="half_open", calls=7, failures=3, **about)]
    found = read(page_of(meters, Standing(sources=sources)))
    said = found["yidaitong_source_answers_total"]
    assert said[(("source", "bank"), ("status", "circuit_open"))] == 1
    assert found["yidaitong_source_seconds_sum"] == {(("source", "tax"),): pytest.approx(0.12)}
    assert found["yidaitong_source_failures_total"][(("source", "tax"),)] == 3
    circuit = found["yidaitong_source_circuit"]
    states = {state: circuit[(("source", "tax"), ("state", state))] for state in CIRCUITS}
    assert states == {"closed": 0, "half_open": 1, "open": 0}


def test_counting_costs_less_than_a_twentieth_of_a_decision(
    decided: Callable[[Request], Decision], stories: dict[str, bytes]
) -> None:
    request = parse(stories["mask-maker"], date.max)
    decision, watch = decided(request), Watch()

    def least_ns(what: Callable[[], object]) -> int:
        taken = []
        for _ in range(200):
            begun = time.perf_counter_ns()
            what()
            taken.append(time.perf_counter_ns() - begun)
        return min(taken)

    def counted() -> None:
        watch.decided(decision, 0, 0, 0)
        watch.meters.answered("/v1/decisions", "POST", 201, 1_000, "")

    assert least_ns(counted) < 0.05 * least_ns(lambda: decided(request))


def test_a_server_of_scores_alone_has_meters_too(own_artifact: Path, settings: Settings) -> None:
    from service.scores import Scores

    async def talk(client: httpx.AsyncClient) -> Read:
        await client.post("/v1/scores", json={})
        return read((await client.get("/metrics")).text)

    found = talking(settings, Scores.load(own_artifact), talk)
    labels = (("method", "POST"), ("route", "/v1/scores"), ("status", "200"))
    assert found["yidaitong_requests_total"][labels] == 1
    assert SimpleNamespace(**dict(next(iter(found["yidaitong_build_info"])))).scorecard


def test_every_metric_of_the_operations_page_is_on_the_page_of_metrics() -> None:
    page = (Path(__file__).parent.parent / "docs" / "operations.md").read_text()
    meters = Meters()
    meters.answered("/v1/decisions", "POST", 201, 1, "busy")
    families = page_of(meters, Standing(ready={"ledger": True}))
    told = {line.split()[2] for line in families.splitlines() if line.startswith("# TYPE")}
    named = set(re.findall(r"\byidaitong_\w+", page))
    assert len(named) > 10
    assert {name for name in named - told if name.rpartition("_")[0] not in told} == set()
    alarms = re.findall(r"^\| \[[\w ]+\]\(#([\w-]+)\)", page, re.MULTILINE)
    headings = {
        line.lower().replace(" ", "-") for line in re.findall(r"^### (.+)$", page, re.MULTILINE)
    }
    assert set(alarms) == headings
