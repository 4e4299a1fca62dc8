"""Traces: a whole tree for each request, nothing personal in it, and no cost when off."""

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service import server
from service.decide import Engine
from service.settings import Settings
from service.tracing import Traces
from service.watch import Watch
from tests.in_process import JSON, talking, talking_to

STEPS = ["portrait", "assess", "policy", "limit", "offers", "ledger"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"open": True})


def traced(
    settings: Settings, engine: Engine, method: str, path: str, **asked: Any
) -> tuple[httpx.Response, list[ReadableSpan]]:
    kept = InMemorySpanExporter()
    watch = Watch(traces=Traces(SimpleSpanProcessor(kept)))
    app = watch.around(server.make(settings, engine, watch))

    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(method, path, **asked)

    return talking_to(app, talk), list(kept.get_finished_spans())


def test_a_decision_is_a_request_with_its_steps_below(
    engine: Engine, settings: Settings, stories: dict[str, bytes]
) -> None:
    trace, above = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    body = stories["young-shop"]
    headers = JSON | {"traceparent": f"00-{trace}-{above}-01"}
    reply, spans = traced(settings, engine, "POST", "/v1/decisions", content=body, headers=headers)
    decision = reply.json()
    named = {span.name: span for span in spans}
    request, whole = named["POST /v1/decisions"], named["decision"]
    assert {span.context.trace_id for span in spans} == {int(trace, 16)}
    assert request.parent is not None
    assert request.parent.span_id == int(above, 16)
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 201
    assert request.attributes["yidaitong.decision_id"] == decision["decision_id"]
    assert [span.name for span in spans] == [*STEPS, "decision", "POST /v1/decisions"]
    at = request.start_time or 0
    for name in STEPS:
        step = named[name]
        assert step.parent is not None
        assert step.parent.span_id == whole.context.span_id
        assert step.start_time is not None
        assert step.end_time is not None
        assert at <= step.start_time <= step.end_time <= (whole.end_time or 0)  # in their order
        at = step.end_time
        if name != "ledger":
            taken_us = (step.end_time - step.start_time) / 1e3
            assert taken_us == pytest.approx(decision["timings_us"][name], abs=0.002)
    told = "".join(span.to_json() for span in spans)
    assert decision["application"]["applicant"] not in told


def test_each_source_of_a_gathered_file_is_a_span(
    engine: Engine, settings: Settings, stories: dict[str, bytes]
) -> None:
    from datetime import UTC, date, datetime, timedelta

    from msgspec.structs import replace

    from service.application import parse
    from service.decide import decide
    from service.gathering import Answer, Gathering

    began = datetime.now(UTC) - timedelta(seconds=1)
    gathering = Gathering(
        consent_id="c", evidence_sha256="e", began=began, took_ms=90.0, deadline_ms=100,
        answers=[
            Answer(source="tax", status="live", took_ms=80.0, attempts=2),
            Answer(source="bank", status="late", took_ms=90.0, said="91329999MAKHDU183Y"),
        ],
    )  # fmt: skip
    request = parse(stories["young-shop"], date.max)
    decision = decide(request, engine, decision_id="d", decided_at=began, tick=lambda: 0)
    kept = InMemorySpanExporter()
    traces = Traces(SimpleSpanProcessor(kept))
    span = traces.begun({"headers": [(b"traceparent", b"00-nonsense")]})
    traces.decided(span, replace(decision, gathering=gathering), 0, 0, 0)
    traces.answered(span, "POST", "/v1/applications", 503)
    found = {one.name: one for one in kept.get_finished_spans()}
    tax = found["source tax"]
    assert (tax.end_time or 0) - (tax.start_time or 0) == 80_000_000
    assert dict(tax.attributes or {}) == {"yidaitong.status": "live", "yidaitong.calls": 2}
    assert not found["POST /v1/applications"].status.is_ok
    assert "91329999MAKHDU183Y" not in "".join(one.to_json() for one in found.values())


def test_what_is_refused_is_traced_by_its_pattern(engine: Engine, settings: Settings) -> None:
    _, spans = traced(settings, engine, "GET", "/v1/decisions/91329999MAKHDU183Y")
    (span,) = spans
    assert span.name == "GET /v1/decisions/{decision_id}"
    assert "91329999MAKHDU183Y" not in span.to_json()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A stand-in for an OTLP collector: its URL, and what was sent to it."""
    sent: list[bytes] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    with HTTPServer(("127.0.0.1", 0), Taking) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/v1/traces", sent
        listening.shutdown()


def test_spans_are_sent_to_the_endpoint_at_the_latest_when_a_server_stops(
    engine: Engine, settings: Settings, collector: tuple[str, list[bytes]]
) -> None:
    endpoint, sent = collector

    async def talk(client: httpx.AsyncClient) -> None:
        await client.get("/v1/totals")

    talking(settings.model_copy(update={"traces": endpoint}), engine, talk)
    assert any(b"GET /v1/totals" in one for one in sent)


def test_a_server_that_does_not_trace_imports_nothing_for_it() -> None:
    code = (
        "import sys, service.server, service.cli;"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')"
        " or name.startswith('opentelemetry.exporter')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
