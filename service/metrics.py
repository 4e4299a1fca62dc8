"""What a server counts of itself, as Prometheus reads it: GET /metrics.

Counted in plain numbers while requests are answered, put into Prometheus' words when it asks. Each
server process counts for itself, on the port it serves.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from service.gathering import Gathering
from service.policy import VERDICTS
from service.turns import Turns

if TYPE_CHECKING:
    from service.decide import Decision
    from service.sources import SourceHealth

STEPS = ("portrait", "assess", "policy", "limit", "offers", "engine")
STEP_US = [float(2**k) for k in range(15)]
"""1 microsecond to 16 milliseconds, each twice the one before."""
WAIT_US = [125.0 * 2**k for k in range(18)]
"""125 microseconds to 16 seconds."""
SCORES = [float(score) for score in range(300, 925, 25)]
CIRCUITS = ("closed", "half_open", "open")
MOST_KEPT = 1_024
_SECONDS = 1e-6
_astuple = msgspec.structs.astuple


class Spread:
    """How many numbers were at most each bound; numbers are kept as they come, counted later."""

    __slots__ = ("_kept", "bounds", "keep", "sum", "up_to")

    def __init__(self, bounds: list[float]) -> None:
        self.bounds, self.up_to, self.sum = bounds, [0] * (len(bounds) + 1), 0.0
        self._kept: list[float] = []
        self.keep = self._kept.append

    def full(self) -> bool:
        """Whether so many numbers are kept that they should be counted."""
        return len(self._kept) >= MOST_KEPT

    def count(self) -> None:
        """Count what was kept: sorted, a bound is found in a thousand numbers at once."""
        kept = sorted(self._kept)
        self._kept.clear()
        self.sum += sum(kept)
        found = [bisect_right(kept, bound) for bound in self.bounds]
        self.up_to = [had + more for had, more in zip(self.up_to, [*found, len(kept)], strict=True)]

    def told(self, scale: float = 1.0) -> tuple[list[tuple[str, float]], float]:
        """Counts up to each bound, and the sum, as Prometheus takes them."""
        names = [f"{bound * scale:.9g}" for bound in self.bounds]
        return [*zip([*names, "+Inf"], map(float, self.up_to), strict=True)], self.sum * scale


class Standing(Struct, frozen=True):
    """How things stand when Prometheus asks: parts that are ready, commits, sources, versions."""

    ready: Mapping[str, bool] = {}
    commits: int = 0
    sources: Sequence["SourceHealth"] = ()
    versions: Mapping[str, str] = {}


class Meters:
    """The counts of one server; added to from the thread that answers."""

    def __init__(self, standing: Callable[[], Standing] = Standing) -> None:
        self.standing = standing
        self.in_flight, self.turns = 0, Turns()
        self.waiting: dict[str, int] = {}  # decision_id -> since when its record waits
        self.verdicts = dict.fromkeys(VERDICTS, 0)
        self.steps = [Spread(STEP_US) for _ in STEPS]
        self._keep_steps = [step.keep for step in self.steps]
        self.decision, self.append, self.scores = Spread(WAIT_US), Spread(WAIT_US), Spread(SCORES)
        self.requests: dict[tuple[str, str, int], int] = {}
        self.problems: dict[str, int] = {}
        self.routes: dict[str, Spread] = {}
        self.answers: dict[tuple[str, str], int] = {}
        self.sources: dict[str, Spread] = {}

    def decided(self, decision: "Decision", received_ns: int, appended_ns: int) -> None:
        """Count a decision just recorded: when it was received, when given to the ledger."""
        now = perf_counter_ns()
        self.verdicts[decision.verdict] += 1
        self.scores.keep(decision.assessment.score)
        for keep, taken in zip(self._keep_steps, _astuple(decision.timings_us), strict=True):
            keep(taken)
        self.append.keep((now - appended_ns) / 1e3)
        self.decision.keep((now - received_ns) / 1e3)
        if self.scores.full():
            self.count()
        if isinstance(decision.gathering, Gathering):
            for one in decision.gathering.answers:
                named = one.source, one.status
                self.answers[named] = self.answers.get(named, 0) + 1
                if one.attempts:
                    self.sources.setdefault(one.source, Spread(WAIT_US)).keep(one.took_ms * 1e3)

    def answered(self, route: str, method: str, status: int, taken_ns: int, problem: str) -> None:
        """Count a request just answered; `route` is a pattern, never what was asked for."""
        named = route, method, status
        self.requests[named] = self.requests.get(named, 0) + 1
        spread = self.routes.get(route)
        if spread is None:
            spread = self.routes[route] = Spread(WAIT_US)
        spread.keep(taken_ns / 1e3)
        if spread.full():
            spread.count()
        if problem:
            self.problems[problem] = self.problems.get(problem, 0) + 1

    def count(self) -> None:
        """Count all that was kept; in the thread that answers."""
        spreads = [*self.steps, self.decision, self.append, self.scores]
        for spread in (*spreads, *self.routes.values(), *self.sources.values()):
            spread.count()

    def page(self, standing: Standing, accepts: str = "") -> tuple[bytes, str]:
        """The page of metrics and its media type; safe to make in another thread."""
        from prometheus_client import CollectorRegistry, ProcessCollector, exposition

        registry = CollectorRegistry()
        registry.register(_Reading(self, standing))
        ProcessCollector(registry=registry)
        try:
            encode, kind = exposition.choose_encoder(accepts)
        except (TypeError, ValueError):  # a version that is none
            encode, kind = exposition.choose_encoder("")
        return encode(registry), kind


class _Reading:
    """One reading of the meters."""

    def __init__(self, meters: Meters, standing: Standing) -> None:
        self._meters, self._standing = meters, standing

    def collect(self) -> Iterator[Any]:
        """Every family of metrics."""
        yield from _decisions(self._meters)
        yield from _requests(self._meters)
        yield from _ledger(self._meters, self._standing)
        yield from _sources(self._meters, self._standing)
        yield _info(self._standing)


def _decisions(meters: Meters) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    verdicts = CounterMetricFamily(
        "yidaitong_decisions", "Decisions recorded, by verdict.", labels=["verdict"]
    )
    for verdict, count in meters.verdicts.items():
        verdicts.add_metric([verdict], count)
    yield verdicts
    steps = HistogramMetricFamily(
        "yidaitong_step_seconds", "Time of each step of a decision (clock C3: engine).",
        labels=["step"],
    )  # fmt: skip
    for name, spread in zip(STEPS, meters.steps, strict=True):
        steps.add_metric([name], *spread.told(_SECONDS))
    yield steps
    for name, said, spread, scale in (
        ("decision_seconds", "Request received to record durable (clock C2).", meters.decision,
         _SECONDS),
        ("ledger_append_seconds", "Record handed over to record durable.", meters.append, _SECONDS),
        ("score", "Scores of decisions recorded, in points.", meters.scores, 1.0),
    ):  # fmt: skip
        family = HistogramMetricFamily(f"yidaitong_{name}", said)
        family.add_metric([], *spread.told(scale))
        yield family


def _requests(meters: Meters) -> Iterator[Any]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    requests = CounterMetricFamily(
        "yidaitong_requests", "Requests answered.", labels=["route", "method", "status"]
    )
    for (route, method, status), count in list(meters.requests.items()):
        requests.add_metric([route, method, str(status)], count)
    yield requests
    routes = HistogramMetricFamily(
        "yidaitong_request_seconds", "Head of a request read to answer sent.", labels=["route"]
    )
    for route, spread in list(meters.routes.items()):
        routes.add_metric([route], *spread.told(_SECONDS))
    yield routes
    problems = CounterMetricFamily(
        "yidaitong_problems", "Requests answered with a problem document.", labels=["kind"]
    )
    for kind, count in ({"too-many-requests": 0, "internal": 0} | meters.problems).items():
        problems.add_metric([kind], count)
    yield problems
    yield GaugeMetricFamily(
        "yidaitong_requests_in_flight", "Requests being answered.", meters.in_flight
    )
    yield GaugeMetricFamily(
        "yidaitong_requests_queued", "Requests that wait for their turn to be decided.",
        meters.turns.waiting,
    )  # fmt: skip


def _ledger(meters: Meters, standing: Standing) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    since = list(meters.waiting.values())
    oldest_s = (perf_counter_ns() - since[0]) / 1e9 if since else 0.0
    yield GaugeMetricFamily(
        "yidaitong_ledger_waiting_records", "Records that wait to be durable.", len(since)
    )
    yield GaugeMetricFamily(
        "yidaitong_ledger_oldest_wait_seconds", "How long the oldest of them waits.", oldest_s
    )
    yield CounterMetricFamily(
        "yidaitong_ledger_commits", "Durable commits that carried records.", standing.commits
    )
    ready = GaugeMetricFamily(
        "yidaitong_ready", "Whether a part can do its work, as /readyz says.", labels=["part"]
    )
    for part, fine in standing.ready.items():
        ready.add_metric([part], float(fine))
    yield ready


def _sources(meters: Meters, standing: Standing) -> Iterator[Any]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    answers = CounterMetricFamily(
        "yidaitong_source_answers", "What sources said for decisions recorded.",
        labels=["source", "status"],
    )  # fmt: skip
    for named, count in list(meters.answers.items()):
        answers.add_metric(list(named), count)
    yield answers
    taken = HistogramMetricFamily(
        "yidaitong_source_seconds", "How long a source took, asked again included.",
        labels=["source"],
    )  # fmt: skip
    for source, spread in list(meters.sources.items()):
        taken.add_metric([source], *spread.told(_SECONDS))
    yield taken
    calls = CounterMetricFamily("yidaitong_source_calls", "Calls to a source.", labels=["source"])
    failed = CounterMetricFamily(
        "yidaitong_source_failures", "Calls to a source that failed.", labels=["source"]
    )
    circuit = GaugeMetricFamily(
        "yidaitong_source_circuit", "1 for the state a source's circuit is in.",
        labels=["source", "state"],
    )  # fmt: skip
    for health in standing.sources:
        calls.add_metric([health.source], health.calls)
        failed.add_metric([health.source], health.failures)
        for state in CIRCUITS:
            circuit.add_metric([health.source, state], float(state == health.circuit))
    yield from (calls, failed, circuit)


def _info(standing: Standing) -> Any:
    from prometheus_client.core import InfoMetricFamily

    about = {"version": version("yidaitong"), **standing.versions}
    return InfoMetricFamily("yidaitong_build", "What this server runs and decides with.", about)
