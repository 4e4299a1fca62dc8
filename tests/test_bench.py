"""The benchmark: its arithmetic, what it withholds, and a run against a real server."""

import sys
import time
from collections import defaultdict
from io import StringIO
from pathlib import Path
from subprocess import run
from typing import Literal

import msgspec
import pytest
from rich.console import Console

from service import bench as benches
from service.bench import BenchError, Report, Timing, bench, render, time_calls
from service.load import Latency, LoadResult

SERVER = """
import sys
import uvicorn

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    right = scope["path"] == "/readyz" or (
        scope["path"] == "/v1/decisions" and len(sys.argv) == 2
        and (b"content-type", b"application/json") in scope["headers"]
    )
    headers = [(b"content-length", b"2")]
    status = 200 if right else 422
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})

uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", log_level="critical")
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("server") / "server.py"
    path.write_text(SERVER)
    return str(path)


@pytest.fixture(scope="module")
def measured(
    script: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, Path, list[str]]:
    """A whole run with a sweep and without the baseline."""
    told: list[str] = []
    out_json = tmp_path_factory.mktemp("bench") / "report.json"
    report = bench(
        lambda: sum(range(100)),
        b"{}",
        server_command=lambda port: [sys.executable, script, str(port)],
        naive=False,
        sweep=True,
        seconds=0.1,
        rounds=2,
        out_json=out_json,
        progress=lambda step, done, total: told.append(f"{done}/{total} {step}"),
    )
    return report, out_json, told


def wait(p50_us: float, p99_us: float = 0.0) -> Latency:
    return Latency(100, p50_us, p50_us, p50_us, p99_us or p50_us, p50_us, p50_us)


def load(per_s: float, p50_us: float, errors: int = 0) -> LoadResult:
    return LoadResult(
        "closed", 1.0, 16, per_s, per_s, 100, errors, 0, 0, errors, wait(p50_us), None
    )


def taken(**rounds: list[Timing | LoadResult]) -> benches._Taken:
    """Rounds of the closed loop with 16 connections, by side."""
    return defaultdict(list, {("closed 16", side): seen for side, seen in rounds.items()})


def ratio(ours: list[Timing | LoadResult], naive: list[Timing | LoadResult]) -> float | None:
    figures, _ = benches._figures(taken(ours=ours, naive=naive))
    return figures[0].ratio


def test_a_call_is_timed_again_and_again_until_time_is_up() -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.002)

    timing = time_calls(call, 0.2)
    assert calls > timing.latency.count > 10, "the warm-up is not counted"
    assert timing.latency.p50_us >= 2_000
    assert timing.per_s == pytest.approx(1e6 / timing.latency.mean_us)


def test_timing_stops_at_the_number_of_calls_asked_for() -> None:
    assert time_calls(lambda: None, 60, max_calls=50).latency.count == 50


def test_a_call_longer_than_the_time_given_is_still_timed_once() -> None:
    assert time_calls(lambda: time.sleep(0.02), 0.001).latency.count == 1


@pytest.mark.parametrize(("seconds", "max_calls"), [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_timing_for_no_time_is_refused(seconds: float, max_calls: int) -> None:
    with pytest.raises(ValueError, match=r"got .*expected above 0"):
        time_calls(lambda: None, seconds, max_calls)


def test_a_figure_is_the_median_of_its_rounds_and_keeps_them_all() -> None:
    rounds: list[Timing | LoadResult] = [load(100, 9), load(300, 5), load(110, 7, errors=2)]
    figure = benches._figure("closed 16", "ours", taken(ours=rounds))
    assert figure.per_s == 110
    assert figure.latency is not None
    assert figure.latency.p50_us == 7
    assert figure.errors == 2, "errors of any round count"
    assert figure.rounds == rounds


def test_throughput_ratios_divide_ours_by_naive() -> None:
    assert ratio([load(900, 1), load(1100, 1)], [load(10, 1), load(10, 1)]) == 100


def test_latency_ratios_divide_naive_by_ours() -> None:
    seen: benches._Taken = defaultdict(list)
    seen["C3", "ours"] = [Timing(1.0, wait(50))]
    seen["C3", "naive"] = [Timing(1.0, wait(5_000))]
    seen["C3 from a dict", "naive"] = [Timing(1.0, wait(6_000))]
    ours, naive, from_dict = benches._figures(seen)[0]
    assert (ours.ratio, naive.ratio, from_dict.ratio) == (100, None, 120)
    assert {figure.clock for figure in (ours, naive, from_dict)} == {"C3"}


@pytest.mark.parametrize("side", ["ours", "naive"])
def test_a_ratio_is_withheld_when_either_side_had_errors(side: Literal["ours", "naive"]) -> None:
    good: list[Timing | LoadResult] = [load(100, 1), load(100, 1)]
    bad: list[Timing | LoadResult] = [load(100, 1), load(100, 1, errors=1)]
    assert ratio(good, good) == 1
    assert (ratio(bad, good) if side == "ours" else ratio(good, bad)) is None


def test_a_ratio_is_withheld_when_the_rounds_of_either_side_disagree() -> None:
    steady: list[Timing | LoadResult] = [load(1000, 1), load(1000, 1)]
    collapsed: list[Timing | LoadResult] = [load(100, 1), load(4, 1), load(5, 1)]
    assert ratio(steady, collapsed) is None
    assert ratio(collapsed, steady) is None
    assert ratio(steady, [load(100, 1), load(290, 1)]) is not None


def test_a_side_that_answered_nothing_gives_no_ratio() -> None:
    assert ratio([load(1000, 1)], [load(0, 1)]) is None


def test_each_step_of_a_sweep_is_compared_with_the_first() -> None:
    seen: benches._Taken = defaultdict(list)
    for share, p99_us in (("10%", 100), ("20%", 150), ("90%", 4_000)):
        seen[f"sweep {share}", "ours"] = [Timing(1.0, wait(10, p99_us))]
    figures, swept = benches._figures(seen)
    assert figures == []
    assert [figure.ratio for figure in swept] == [1, 1.5, 40]


def test_a_whole_run_measures_each_clock_and_each_load(
    measured: tuple[Report, Path, list[str]],
) -> None:
    report, _, _ = measured
    assert [(figure.clock, figure.key) for figure in report.figures] == [
        ("C3", "C3"),
        ("C2", "closed 1"),
        ("C2", "closed 16"),
        ("C2", "open"),
    ]
    assert all(len(figure.rounds) == 2 for figure in report.figures)
    assert all(figure.errors == 0 for figure in report.figures)
    assert len(report.sweep) == len(benches.SWEEP)
    assert report.ratios == benches.Ratios(None, None)


def test_the_open_loop_runs_at_half_of_the_measured_saturation(
    measured: tuple[Report, Path, list[str]],
) -> None:
    report, _, _ = measured
    busy, opened = report.figures[2], report.figures[3]
    assert report.saturation_per_s == busy.per_s
    assert report.rate_per_s == busy.per_s / 2
    offered = [once.offered_per_s for once in opened.rounds if isinstance(once, LoadResult)]
    assert offered == [report.rate_per_s] * 2


def test_the_report_says_where_and_how_and_survives_json(
    measured: tuple[Report, Path, list[str]],
) -> None:
    report, out_json, _ = measured
    assert msgspec.json.decode(out_json.read_bytes(), type=Report) == report
    assert report.machine.cores >= 1
    assert report.machine.memory_gb > 0
    assert {"uvicorn", "msgspec", "scikit-learn"} <= set(report.versions)
    for word in ("C2", "C3", "pinned", "due", "No baseline"):
        assert word in report.method


def test_progress_counts_every_step_to_the_last(
    measured: tuple[Report, Path, list[str]],
) -> None:
    _, _, told = measured
    total = len(told)
    assert total == 1 + 2 * 4 + len(benches.SWEEP)
    assert [step.split()[0] for step in told] == [f"{at}/{total}" for at in range(total)]


def test_the_tables_name_the_clocks_and_the_ratios(
    measured: tuple[Report, Path, list[str]],
) -> None:
    report, _, _ = measured
    paper = Console(file=StringIO(), width=200)
    paper.print(render(report))
    assert isinstance(paper.file, StringIO)
    shown = paper.file.getvalue()
    for word in (
        "C2",
        "C3",
        "x naive",
        "p99 x first",
        "withheld or not measured",
        report.method[:40],
    ):
        assert word in shown


def test_a_server_that_refuses_every_body_is_an_error_that_says_so(script: str) -> None:
    with pytest.raises(BenchError, match=r"/v1/decisions gave no 2xx .* by hand"):
        bench(
            lambda: None,
            b"{}",
            server_command=lambda port: [sys.executable, script, str(port), "refuse"],
            naive=False,
            seconds=0.1,
        )


def test_another_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="expected this machine"):
        bench(lambda: None, b"{}", url="http://example.com", naive=False, seconds=0.1)


def test_a_run_without_a_server_or_without_turns_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^url, server_command: got neither"):
        bench(lambda: None, b"{}")
    with pytest.raises(ValueError, match=r"^rounds: got 1, expected at least 2"):
        bench(lambda: None, b"{}", url="http://127.0.0.1:9", rounds=1)


def test_the_benchmark_and_the_load_import_no_scikit_learn_and_no_pandas() -> None:
    code = (
        "import sys, service.bench, service.load; "
        "sys.exit(bool({'sklearn', 'pandas', 'numpy', 'service.naive'} & set(sys.modules)))"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0
