"""The yardsticks' ratios are of the right medians."""

from service.load import Latency, LoadResult
from service.machine import seen
from service.yardsticks import BARE, FLOOR, NAIVE, OURS, POSTGRES, _told, table


def load(per_s: float, p50_us: float) -> LoadResult:
    latency = Latency(10, p50_us, p50_us, p50_us, 2 * p50_us, p50_us, p50_us)
    return LoadResult("closed", 1, 16, per_s, per_s, 10, 0, 0, 0, 0, latency, None)


def test_ratios_are_of_medians_of_rounds() -> None:
    def thrice(*rounds: tuple[float, float]) -> list[LoadResult]:
        return [load(*one) for one in rounds]

    found = _told(
        seen(),
        {
            (OURS, 1): thrice((1, 900), (1, 600), (1, 100)),
            (BARE, 1): thrice((1, 300), (1, 300), (1, 100)),
            (OURS, 16): thrice((4_000, 1), (1_000, 1), (9_000, 1)),
            (FLOOR, 16): thrice((5_000, 1), (5_000, 1), (5_000, 1)),
            (NAIVE, 16): thrice((40, 1), (10, 1), (90, 1)),
            (POSTGRES, 16): thrice((2_000, 1), (4_000, 1), (9_000, 1)),
        },
    )
    assert (found.ours_over_floor, found.ours_over_naive) == (0.8, 100.0)
    assert (found.ours_over_bare, found.sqlite_over_postgres) == (2.0, 1.0)
    assert "0.80 of the floor and 100 x naive" in str(table(found).renderables[1])
