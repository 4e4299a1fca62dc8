"""Half of what a server can do, for minutes: memory and latency must stay; run by tests.faults."""

from collections.abc import Sequence
from statistics import median

from service.ledger import verify
from service.load import closed_loop, open_loop
from service.process import running
from tests.faults import READY_S, Command, Lost
from tests.swapping import memory_mb

CONCURRENCY, WARM_S, SLICES = 8, 5.0, 10
MOST_GROWTH_MB, MOST_GROWTH_P50 = 30.0, 1.5


def soak(command: Command, ledger: str, bodies: Sequence[bytes], seconds: float) -> str:
    """Raise Lost when anything is refused, latency or memory grows, or a chain does not fit.

    Memory is compared after a fifth of the time and at the end: by then the console's journal and
    clocks have their fill. Latencies are medians of slices, the first half against the second.
    """
    with running(command, within_s=READY_S) as server:
        url, pid = f"{server.url}/v1/decisions", server.process.pid
        fresh_mb = memory_mb(pid)
        full = closed_loop(url, bodies, CONCURRENCY, WARM_S)
        rate_per_s = full.achieved_per_s / 2
        taken, held_mb = [], []
        for _ in range(SLICES):
            taken.append(open_loop(url, bodies, rate_per_s, seconds / SLICES))
            held_mb.append(memory_mb(pid))
    p50_ms = [one.latency.p50_us / 1e3 for one in taken if one.latency]
    p99_ms = [one.latency.p99_us / 1e3 for one in taken if one.latency]
    refused = sum(one.errors for one in taken)
    found = verify(ledger)
    told = (
        f"{found.records} decisions at {rate_per_s:.0f}/s for {seconds:.0f} s, {refused} errors; "
        f"ready in {server.ready_s:.1f} s with {fresh_mb:.0f} MB; MB held {_row(held_mb)}; "
        f"p50 ms {_row(p50_ms, 1)}; p99 ms {_row(p99_ms, 1)}"
    )
    half = SLICES // 2
    slower = median(p50_ms[half:]) / median(p50_ms[:half])
    if refused or not found.ok or slower > MOST_GROWTH_P50:
        raise Lost(told)
    if held_mb[-1] - held_mb[1] > MOST_GROWTH_MB:
        raise Lost(told)
    return told


def _row(numbers: Sequence[float], digits: int = 0) -> str:
    return " ".join(f"{number:.{digits}f}" for number in numbers)
