"""The clocks of a running server: how long its latest decisions took, and how many a second.

C2 runs from the last byte of the request to the durable record, C3 is the decision alone; both
are kept for the latest decisions only, and nothing is worked out until somebody looks.
"""

import threading
import time
from collections import deque

from msgspec import Struct

KEPT = 1_000
WINDOW_S = 60
FRESH_S = 1.0
"""A reading is given again within this time: ten watchers cost no more than one."""
_PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Spread(Struct, frozen=True, kw_only=True):
    """How one clock is spread: percentiles and a histogram, microseconds.

    `bars` are [from, to, count] of logarithmic bins that hold anything.
    """

    count: int
    percentiles_us: dict[str, float]
    max_us: float
    bars: list[tuple[float, float, int]]


class Reading(Struct, frozen=True, kw_only=True):
    """Both clocks over the latest 1,000 decisions, and decisions in each of the last 60 seconds."""

    c2: Spread
    c3: Spread
    per_second: list[int] = []


class Clocks:
    """The latest decisions of one server."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, int]] = deque(maxlen=KEPT)
        self._seconds: deque[tuple[int, int]] = deque(maxlen=WINDOW_S + 1)
        self._second, self._count = 0, 0
        self._read_at, self._reading = -FRESH_S, Reading(c2=_spread([]), c3=_spread([]))
        self._lock = threading.Lock()

    def add(self, c2_ns: int, c3_ns: int) -> None:
        """Note one decision; from one thread."""
        self._kept.append((c2_ns, c3_ns))
        second = int(time.monotonic())
        if second != self._second:
            self._seconds.append((self._second, self._count))
            self._second, self._count = second, 0
        self._count += 1

    def read(self) -> Reading:
        """What the clocks show now; from any thread."""
        with self._lock:
            now = time.monotonic()
            if now - self._read_at >= FRESH_S:
                self._reading, self._read_at = self._made(int(now)), now
            return self._reading

    def _made(self, second: int) -> Reading:
        kept = list(self._kept)
        counts = dict([*self._seconds, (self._second, self._count)])
        return Reading(
            c2=_spread([c2 for c2, _ in kept]),
            c3=_spread([c3 for _, c3 in kept]),
            per_second=[counts.get(second - ago, 0) for ago in range(WINDOW_S, 0, -1)],
        )


def _spread(taken_ns: list[int]) -> Spread:
    if not taken_ns:
        return Spread(count=0, percentiles_us={}, max_us=0.0, bars=[])
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(1, 60_000_000_000, 3)
    for one in taken_ns:
        histogram.record_value(max(1, one))
    shown = {f"p{p:g}": histogram.get_value_at_percentile(p) / 1e3 for p in _PERCENTILES}
    bars = [
        (step.value_iterated_from / 1e3, step.value_iterated_to / 1e3, count)
        for step in histogram.get_log_iterator(10_000, 1.25)
        if (count := step.count_added_in_this_iter_step)
    ]
    return Spread(count=len(taken_ns), percentiles_us=shown, max_us=max(taken_ns) / 1e3, bars=bars)
