"""Traces: one span for each request, below it those of a decision's steps, ledger and sources.

OpenTelemetry's SDK is imported by a server that is told where to send spans, and by no other. Spans
of steps are made of the times a decision carries, once it is recorded. Nothing personal is in them.
"""

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.gathering import Gathering
from service.metrics import STEPS

if TYPE_CHECKING:
    from starlette.types import Scope

    from service.decide import Decision

_PARENT = (b"traceparent", b"tracestate")


class Traces:
    """Makes spans and hands them to a processor, by default one that sends them in batches."""

    def __init__(self, processor: SpanProcessor) -> None:
        about = {"service.name": "yidaitong", "service.version": version("yidaitong")}
        self._provider = TracerProvider(resource=Resource.create(about))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("yidaitong")
        self._read = TraceContextTextMapPropagator()

    @classmethod
    def to(cls, endpoint: str) -> "Traces":
        """Traces sent to an OTLP/HTTP endpoint; OTEL_* variables say more, as the SDK has it."""
        return cls(BatchSpanProcessor(OTLPSpanExporter(endpoint)))

    def begun(self, scope: "Scope") -> Span:
        """A request's span, below the caller's where it names one."""
        named = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _PARENT
        }
        above = self._read.extract(named) if named else None
        return self._tracer.start_span("request", above, SpanKind.SERVER)

    def decided(
        self, span: Span, decision: "Decision", received_ns: int, begun_ns: int, appended_ns: int
    ) -> None:
        """The spans of a decision just recorded; times by perf_counter_ns."""
        now_ns = time.perf_counter_ns()
        epoch_ns = time.time_ns() - now_ns
        span.set_attribute("yidaitong.decision_id", decision.decision_id)
        whole = self._tracer.start_span(
            "decision", set_span_in_context(span), start_time=epoch_ns + received_ns
        )
        whole.set_attribute("yidaitong.verdict", decision.verdict)
        below = set_span_in_context(whole)
        if isinstance(decision.gathering, Gathering):
            began_ns = int(decision.gathering.began.timestamp() * 1e9)
            for one in decision.gathering.answers:
                about = {"yidaitong.status": one.status, "yidaitong.calls": one.attempts}
                self._span(below, f"source {one.source}", began_ns, one.took_ms * 1e6, about)
        at_ns = epoch_ns + begun_ns
        for name, taken_us in zip(STEPS[:-1], msgspec.structs.astuple(decision.timings_us)):  # noqa: B905
            self._span(below, name, at_ns, taken_us * 1e3)
            at_ns += int(taken_us * 1e3)
        self._span(below, "ledger", epoch_ns + appended_ns, now_ns - appended_ns)
        whole.end(epoch_ns + now_ns)

    def answered(self, span: Span, method: str, route: str, status: int) -> None:
        """The end of a request."""
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
        )
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def _span(
        self, above: Context, name: str, begun_ns: int, taken_ns: float, about: Any = None
    ) -> None:
        span = self._tracer.start_span(name, above, attributes=about, start_time=begun_ns)
        span.end(begun_ns + int(taken_ns))
