"""How fast a decision is: C3 in process, C2 over HTTP, beside what tutorials teach.

C3 (engine) runs from the credit file in memory to the decision in memory; C2 (decide) from the
request being due to the reply in hand, record durable. Ours and the baseline take turns in rounds,
so drift of the machine cancels; every round is kept. The baseline and the load generator run in
processes of their own.
"""

import os
import subprocess
import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Literal, cast

from msgspec import Struct, json
from msgspec.structs import replace
from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.load import Latency, LoadResult, closed_loop, open_loop, summarise
from service.machine import Machine, seen, versions
from service.process import running
from service.settings import HOME

PATH = "/v1/decisions"
BUSY, OPEN, CROWD, MAX_CALLS, UNSTEADY = 16, 64, 512, 2_000_000, 3
SWEEP = [*(tenths / 10 for tenths in range(1, 10)), 1.5, 2.0, 5.0]
PACKAGES = {
    "uvicorn", "uvloop", "httptools", "fastapi", "pydantic", "msgspec", "apsw", "hdrhistogram",
    "scikit-learn", "pandas", "numpy", "joblib",
}  # fmt: skip
Step = Callable[[str, int, int], None]
"""Told before each step: what it is, how many are done, how many there are."""


class BenchError(RuntimeError):
    """The benchmark could not measure what it was asked to; says why."""


class Timing(Struct, frozen=True, tag=True):
    """Calls timed in process, one after the other; `per_s` is one over the mean."""

    per_s: float
    latency: Latency


class Figure(Struct, frozen=True, kw_only=True):
    """One measured thing: medians of the rounds, and every round.

    `ratio` says how many times better ours is than the baseline by `ratio_of`; for a sweep, p99
    over that of its first step. Null without a counterpart, or when either side had errors or its
    rounds differed more than threefold: then the machine was measured, not the code.
    """

    key: str
    name: str
    side: Literal["ours", "naive"]
    clock: Literal["C2", "C3"]
    per_s: float
    latency: Latency | None
    errors: int  # over all rounds
    ratio: float | None
    ratio_of: str
    rounds: list[Timing | LoadResult]


class Ratios(Struct, frozen=True):
    """The two headlines: how many times better ours is; null when withheld or not measured."""

    c3_over_naive_predict_proba: float | None  # p50 against a ready DataFrame
    c2_throughput_over_naive: float | None  # 16 connections


class Report(Struct, frozen=True):
    """Everything one benchmark saw, enough to judge it and to run it again."""

    machine: Machine
    versions: dict[str, str]
    method: str
    saturation_per_s: float
    rate_per_s: float
    figures: list[Figure]
    sweep: list[Figure]
    ratios: Ratios


class _Side(Struct, frozen=True):
    """One of the two services, and how it is loaded."""

    name: Literal["ours", "naive"]
    url: str
    body: bytes
    seconds: float
    allow_remote: bool = False
    command: list[str] = []  # of service.naive

    def closed(self, concurrency: int) -> LoadResult:
        more = self.allow_remote
        return closed_loop(self.url, [self.body], concurrency, self.seconds, allow_remote=more)

    def open(self, rate_per_s: float, connections: int = OPEN) -> LoadResult:
        rate_per_s, more = max(rate_per_s, 1.5 / self.seconds), self.allow_remote
        return open_loop(
            self.url, [self.body], rate_per_s, self.seconds, connections, allow_remote=more
        )


_SIDES: tuple[Literal["ours"], Literal["naive"]] = ("ours", "naive")
_Taken = defaultdict[tuple[str, str], list[Timing | LoadResult]]


def time_calls(call: Callable[[], object], seconds: float, max_calls: int = MAX_CALLS) -> Timing:
    """Time a call again and again for `seconds` (at most `max_calls`), after a fifth of warm-up.

    perf_counter_ns around each call (its own 0.1 us is included); the garbage collector stays on.
    """
    if seconds <= 0 or max_calls < 1:
        raise ValueError(f"seconds, max_calls: got {seconds}, {max_calls}, expected above 0")
    for limit, most in ((seconds / 5, max_calls // 5), (seconds, max_calls)):
        spans_ns, until_ns = array("q"), perf_counter_ns() + int(limit * 1e9)
        while not spans_ns or (perf_counter_ns() < until_ns and len(spans_ns) < most):
            begun_ns = perf_counter_ns()
            call()
            spans_ns.append(perf_counter_ns() - begun_ns)
    latency = cast(Latency, summarise(spans_ns))  # at least one call was timed
    return Timing(1e6 / latency.mean_us, latency)


def bench(
    decide_once: Callable[[], object], body: bytes, *,
    server_command: Callable[[int], Sequence[str]] | None = None, url: str | None = None,
    naive: bool = True, naive_threads: int | None = None, rate: float | None = None,
    sweep: bool = False, seconds: float = 5.0, rounds: int = 3, allow_remote: bool = False,
    out_json: Path | None = None, progress: Step = lambda step, done, total: None,
) -> Report:  # fmt: skip
    """Measure a decision in process and over HTTP, beside the baseline; `seconds` each.

    `url` is the root of a running server; without it one is started by `server_command(port)`.
    `rate` is open-loop requests a second, half of the measured saturation when not given.
    `naive_threads` limits the baseline's OpenMP threads; left alone by default. Raises ValueError
    for arguments out of bounds, BenchError when our own server answers nothing with 2xx.
    """
    if url is None and server_command is None:
        raise ValueError("url, server_command: got neither, expected one of them")
    if rounds < 2:
        raise ValueError(f"rounds: got {rounds}, expected at least 2, so that sides take turns")
    total = 1 + naive + rounds * 4 * (1 + naive) + len(SWEEP) * sweep
    done, where = count(), seen()
    taken: _Taken = defaultdict(list)

    def step(what: str) -> None:
        progress(what, next(done), total)

    with ExitStack() as stack:
        step("starting and warming up")
        if url is None and server_command is not None:
            url = stack.enter_context(running(server_command)).url
        ours = _Side("ours", str(url).rstrip("/") + PATH, body, seconds, allow_remote)
        silent = f"{ours.url} gave no 2xx at {BUSY} connections; post one body by hand to see why"
        if not ours.closed(BUSY).per_s:
            raise BenchError(silent)
        sides = [ours]
        if naive:
            step("training and starting the baseline")
            sides.append(stack.enter_context(baseline(seconds, naive_threads)))
        for _ in range(rounds):
            _in_process(taken, decide_once, sides, step)
            for concurrency in (1, BUSY):
                for side in sides:
                    step(f"C2 {side.name}, closed loop, {concurrency} connections")
                    taken[f"closed {concurrency}", side.name].append(side.closed(concurrency))
        at_16 = {side.name: _figure(f"closed {BUSY}", side.name, taken).per_s for side in sides}
        if not at_16["ours"]:
            raise BenchError(silent)
        rate_per_s = rate if rate is not None else at_16["ours"] / 2
        for _ in range(rounds):
            for side in sides:
                step(f"C2 {side.name}, open loop")
                if at_16[side.name]:
                    same_share_per_s = rate_per_s / at_16["ours"] * at_16[side.name]
                    taken["open", side.name].append(side.open(same_share_per_s))
        for share in SWEEP if sweep else []:
            step(f"C2 ours, open loop at {share:.0%} of saturation")
            load = ours.open(share * at_16["ours"], OPEN if share < 1 else CROWD)
            taken[f"sweep {share:.0%}", "ours"].append(load)
    figures, steps = _figures(taken)
    headline = {figure.key: figure.ratio for figure in figures if figure.side == "ours"}
    ratios = Ratios(headline["C3"], headline[f"closed {BUSY}"])
    method = _method(seconds, rounds, rate_per_s / at_16["ours"], naive, naive_threads)
    report = Report(
        where, versions(PACKAGES), method, at_16["ours"], rate_per_s, figures, steps, ratios
    )
    if out_json is not None:
        out_json.write_bytes(json.format(json.encode(report), indent=2))
    return report


def _in_process(
    taken: _Taken, call: Callable[[], object], sides: list[_Side], step: Callable[[str], None]
) -> None:
    step("C3 ours, in process")
    taken["C3", "ours"].append(time_calls(call, sides[0].seconds))
    for side in sides[1:]:
        step("C3 naive, predict_proba")
        timed = _output([*side.command, "--time", str(side.seconds)])
        frame, from_dict = json.decode(timed, type=tuple[Timing, Timing])
        taken["C3", "naive"].append(frame)
        taken["C3 from a dict", "naive"].append(from_dict)


@contextmanager
def baseline(seconds: float, threads: int | None, store: Path | None = None) -> Iterator[_Side]:
    """Train the baseline in a folder of its own, serve it, and remove both at the end.

    With `store` it commits every answer to that SQLite file.
    """
    limit = [] if threads is None else ["/usr/bin/env", f"OMP_NUM_THREADS={threads}"]
    with TemporaryDirectory() as folder:
        pipeline = str(Path(folder) / "pipeline.joblib")
        command = [sys.executable, "-m", "service.naive", "--pipeline", pipeline]
        # one thread to train: several spin against each other for a minute on a busy machine
        body = _output(["/usr/bin/env", "OMP_NUM_THREADS=1", *command, "--fit"])
        command = limit + command
        more = [] if store is None else ["--store", str(store)]
        with running(lambda port: [*command, *more, "--port", str(port)]) as server:
            side = _Side("naive", f"{server.url}/predict", body, seconds, command=command)
            side.closed(BUSY)
            yield side


def _output(command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=600)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise BenchError(f"{' '.join(command)} failed: {said[-1]}")
    return done.stdout


_WHAT: dict[str, tuple[str, Literal["C2", "C3"], str]] = {
    "C3": ("in process, one by one", "C3", "p50"),
    "C3 from a dict": ("the same, DataFrame made from a dict", "C3", "p50"),
    "closed 1": ("closed loop, 1 connection", "C2", "p50"),
    f"closed {BUSY}": (f"closed loop, {BUSY} connections", "C2", "per_s"),
    "open": ("open loop, constant rate", "C2", "p99"),
}
_WHAT |= {f"sweep {at:.0%}": (f"open loop, {at:.0%} of saturation", "C2", "p99") for at in SWEEP}


def _figures(taken: _Taken) -> tuple[list[Figure], list[Figure]]:
    """The figures with their ratios to the baseline, and the sweep's to its first step."""
    figures: list[Figure] = []
    for key in _WHAT:
        both = [_figure(key, side, taken) for side in _SIDES if taken.get((key, side))]
        if len(both) == 2:
            both[0] = replace(both[0], ratio=_ratio(*both))
        elif key == "C3 from a dict" and both:
            both[0] = replace(both[0], ratio=_ratio(_figure("C3", "ours", taken), both[0]))
        figures += both
    steps = [figure for figure in figures if figure.key.startswith("sweep")]
    swept = [replace(at, ratio=_ratio(steps[0], at)) for at in steps]
    return figures[: len(figures) - len(steps)], swept


def _figure(key: str, side: Literal["ours", "naive"], taken: _Taken) -> Figure:
    rounds, (name, clock, ratio_of) = taken[key, side], _WHAT[key]
    waits = [once.latency for once in rounds if once.latency is not None]
    fields = Latency.__struct_fields__ if waits else ()
    middle = {at: median(getattr(wait, at) for wait in waits) for at in fields}
    return Figure(
        key=key, name=name, side=side, clock=clock,
        per_s=median(once.per_s for once in rounds),
        latency=Latency(**{**middle, "count": int(middle["count"])}) if waits else None,
        errors=sum(once.errors for once in rounds if isinstance(once, LoadResult)),
        ratio=None, ratio_of=ratio_of, rounds=rounds,
    )  # fmt: skip


def _ratio(better: Figure, worse: Figure) -> float | None:
    """How many times better the first is; null when either had errors or was unsteady."""
    for figure in (better, worse):
        rounds = [_value(once, better.ratio_of) for once in figure.rounds]
        if figure.errors or not 0 < max(rounds) <= UNSTEADY * min(rounds):
            return None
    over, under = _value(better, better.ratio_of), _value(worse, better.ratio_of)
    return over / under if better.ratio_of == "per_s" else under / over


def _value(seen: Figure | Timing | LoadResult, of: str) -> float:
    if of == "per_s":
        return seen.per_s
    return float(getattr(seen.latency, f"{of}_us")) if seen.latency else 0.0


def _method(seconds: float, rounds: int, used: float, naive: bool, threads: int | None) -> str:
    limit = threads or os.environ.get("OMP_NUM_THREADS")
    ours = (
        f"Every measurement lasts {seconds:g} s after a warm-up; {rounds} rounds in turns, medians "
        "shown, the range of the rounds beside them. C3: perf_counter_ns around each call, garbage "
        "collector on. C2: POST over loopback keep-alive connections from a process of its own; "
        f"open loop: constant rate at {used:.0%} of the throughput at {BUSY} connections, at most "
        f"{OPEN} connections ({CROWD} above saturation, where what comes too late is "
        "refused and counts as an error), latency counted from the moment a request was due. "
        "Percentiles by hdrhistogram, 3 digits. Nothing is pinned to a core. The load average was "
        "read before the start. Ratios are withheld on errors or unsteady rounds. "
    )
    return ours + (
        "Baseline: FastAPI, a pandas DataFrame per request, scikit-learn pipeline with 200 trees, "
        "nothing stored, one worker; OpenMP threads "
        f"{f'limited to {limit}' if limit else 'as they come, which a busy machine slows'}; "
        "its open loop runs at the same share of its own throughput."
        if naive
        else "No baseline was measured."
    )


def render(report: Report) -> Group:
    """The report as tables for people: every figure with its clock and its ratio."""
    ratios = report.ratios
    parts: list[Table | str] = [
        report.machine.said(),
        _table("Decision time", report.figures, "x naive"),
    ]
    parts += [_table("Load and waiting", report.sweep, "p99 x first")] if report.sweep else []
    c3, c2 = ratios.c3_over_naive_predict_proba, ratios.c2_throughput_over_naive
    headline = f"C3: {_times(c3)} naive predict_proba; C2 throughput at {BUSY}: {_times(c2)} naive"
    return Group(*parts, headline, report.method)


def _table(title: str, figures: list[Figure], ratio_title: str) -> Table:
    table = Table(title=f"{title} (milliseconds)", title_justify="left", padding=(0, 1))
    numbers = ("per s", "p50", "p90", "p99", "p99.9", "max", "errors")
    for column in ("clock, what", "", *numbers, ratio_title):
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for figure in figures:
        wait = figure.latency
        waits = [wait.p50_us, wait.p90_us, wait.p99_us, wait.p99_9_us, wait.max_us] if wait else []
        table.add_row(
            f"{figure.clock} {figure.name}", figure.side, f"{figure.per_s:,.0f}",
            *([f"{us / 1e3:,.3g}" for us in waits] or ["-"] * 5),
            f"{figure.errors:,}",
            "" if figure.ratio is None else f"{_times(figure.ratio)} ({figure.ratio_of})",
        )  # fmt: skip
    return table


def _times(ratio: float | None) -> str:
    number = "" if ratio is None else f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.2g} x"
    return number or "withheld or not measured"


def run(
    console: Console, *, decide_once: Callable[[], object], body: bytes,
    server_command: Callable[[int, str], Sequence[str]], url: str | None, naive: bool,
    rate: float | None, sweep: bool, seconds: float, out_json: Path | None,
    naive_threads: int | None = None,
) -> Report:  # fmt: skip
    """Measure with a progress bar and print the tables.

    The server started keeps its ledger beside the default one while it runs: a temporary folder
    may be in memory, where durability costs nothing.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    shown = Progress(*columns, console=console, transient=True)
    with TemporaryDirectory(dir=HOME) as folder, shown as bar:
        task = bar.add_task("")
        ledger = f"sqlite:///{Path(folder).resolve() / 'ledger.db'}"
        report = bench(
            decide_once, body, server_command=lambda port: server_command(port, ledger), url=url,
            naive=naive, naive_threads=naive_threads, rate=rate, sweep=sweep, seconds=seconds,
            out_json=out_json, progress=lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )  # fmt: skip
    console.width = max(console.width, 145)  # eleven columns
    console.print(render(report))
    return report
