"""The benchmark's page: every figure on it, nothing fetched, drawn where there is a browser."""

from msgspec.structs import replace

from service.bench import BUSY, SWEEP, Figure, Ratios, Report
from service.bench_page import page
from service.load import Latency, LoadResult
from service.machine import seen


def figure(key: str, per_s: float, p50_us: float, offered_per_s: float = 0.0) -> Figure:
    wait = Latency(9, p50_us, p50_us, p50_us, 2 * p50_us, p50_us, 9 * p50_us)
    refused = None if offered_per_s < 1_000 else replace(wait, p99_us=31_000.0)
    load = LoadResult(
        "open", 1, 64, offered_per_s, per_s, 9, 0, 0, 0, 0, wait, None, refused
    )  # fmt: skip
    return Figure(
        key=key, name=f"what {key} is", side="ours", clock="C2", per_s=per_s, latency=wait,
        errors=0, ratio=12.5 if "closed" in key else None, ratio_of="per_s", rounds=[load],
    )  # fmt: skip


def report(sweep: bool) -> Report:
    figures = [figure("C3", 7_000, 141), figure(f"closed {BUSY}", 1_600, 8_100)]
    figures.append(figure("open", 800, 3_300))
    steps = [figure(f"sweep {at:.0%}", min(at, 1) * 1e3, 100 * at, at * 1e3) for at in SWEEP]
    return Report(
        seen(), {}, "how it was measured", 1_600, 800, figures, steps if sweep else [],
        Ratios(None, None),
    )  # fmt: skip


def test_every_figure_is_told_and_a_sweep_is_drawn() -> None:
    told = page(report(sweep=True))
    for said in ("what C3 is", "7,000", "0.141", "12.5", "p99 16.2 ms at 1,600", "6.6 ms at 800",
                 "what sweep 500% is", "how it was measured", "拒绝"):  # fmt: skip
        assert said in told
    assert told.count("<script") == told.count("</script>") > 0
    assert "<script src" not in told
    assert "<link" not in told


def test_without_a_sweep_nothing_is_drawn() -> None:
    assert "<script" not in page(report(sweep=False))
