import pytest

from service import clocks as module
from service.clocks import KEPT, Clocks


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    return Clocks()


def test_nothing_has_been_decided_yet(clocks: Clocks) -> None:
    reading = clocks.read()
    assert (reading.c2.count, reading.c2.percentiles_us, reading.c2.bars) == (0, {}, [])
    assert sum(reading.per_second) == 0


def test_both_clocks_are_spread_apart(clocks: Clocks) -> None:
    for number in range(1, 101):
        clocks.add(number * 10_000, number * 1_000)
    reading = clocks.read()
    assert reading.c2.count == reading.c3.count == 100
    assert reading.c2.percentiles_us["p50"] == pytest.approx(500, rel=0.02)
    assert reading.c3.percentiles_us["p99"] == pytest.approx(99, rel=0.02)
    assert reading.c3.max_us == 100
    assert sum(count for _, _, count in reading.c3.bars) == 100
    assert all(low < high for low, high, _ in reading.c3.bars)


def test_seconds_are_counted_apart(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.2]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    for second, count in ((1000, 3), (1001, 5), (1003, 2)):
        now[0] = second + 0.5
        for _ in range(count):
            clocks.add(1, 1)
    now[0] = 1004.1
    assert clocks.read().per_second[-5:] == [0, 3, 5, 0, 2]
    now[0] = 1100.0
    assert sum(clocks.read().per_second) == 0


def test_only_the_latest_are_kept(clocks: Clocks) -> None:
    for _ in range(KEPT + 10):
        clocks.add(1_000, 1_000)
    assert clocks.read().c2.count == KEPT


def test_a_reading_is_given_again_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    clocks = Clocks()
    first = clocks.read()
    clocks.add(1, 1)
    assert clocks.read() is first
    now[0] += 2
    assert clocks.read().c2.count == 1
