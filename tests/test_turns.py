"""The queue in front of deciding: turns in order, and refusals when an answer would be late."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service import turns
from service.problem import Problem
from service.turns import HURRY_S, MOST_A_ROUND, MOST_WAITING, OVERLOAD_S, PATIENCE_S, Turns


class Clock:
    """A clock that moves when told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(turns, "time", made)
    return made


async def rounds(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def asking(queue: Turns, seen: list[str], name: str) -> None:
    try:
        await queue.take()
        seen.append(name)
    except Problem as problem:
        kept_out = problem.status == 503 and problem.headers == {"Retry-After": "1"}
        seen.append(f"{name} {'refused' if kept_out else problem.status}")


def run(story: Callable[[Turns, list[str]], Awaitable[None]]) -> list[str]:
    seen: list[str] = []
    queue = Turns()

    async def told() -> None:
        await story(queue, seen)
        await rounds(400)
        assert queue.waiting == 0

    asyncio.run(told())
    return seen


def test_turns_are_given_in_order_some_in_a_round(clock: Clock) -> None:
    async def story(queue: Turns, seen: list[str]) -> None:
        tasks = [asyncio.create_task(asking(queue, seen, f"{n}")) for n in range(3 * MOST_A_ROUND)]
        await rounds(1)
        assert len(seen) == MOST_A_ROUND
        assert queue.waiting == 2 * MOST_A_ROUND
        await asyncio.gather(*tasks)

    assert run(story) == [f"{n}" for n in range(3 * MOST_A_ROUND)]


def test_after_a_stall_everybody_who_waited_is_answered(clock: Clock) -> None:
    async def story(queue: Turns, seen: list[str]) -> None:
        tasks = [asyncio.create_task(asking(queue, seen, f"{n}")) for n in range(2 * MOST_A_ROUND)]
        await rounds(1)
        clock.now += OVERLOAD_S - 0.001  # longer than a request waits in overload
        await asyncio.gather(*tasks)

    assert run(story) == [f"{n}" for n in range(2 * MOST_A_ROUND)]


def test_no_one_waits_longer_than_patience(clock: Clock) -> None:
    async def story(queue: Turns, seen: list[str]) -> None:
        tasks = [asyncio.create_task(asking(queue, seen, f"{n}")) for n in range(MOST_A_ROUND + 1)]
        await rounds(1)
        clock.now += PATIENCE_S + 0.001
        await asyncio.gather(*tasks)

    assert run(story)[-1] == f"{MOST_A_ROUND} refused"


def test_in_overload_the_latest_are_served_and_the_others_refused(clock: Clock) -> None:
    """Twice as many come as are served, each round taking 10 ms."""
    waited: dict[str, float] = {}

    async def one(queue: Turns, name: str) -> None:
        since, told = clock.now, list[str]()
        await asking(queue, told, name)
        waited[told[0]] = clock.now - since

    async def story(queue: Turns, seen: list[str]) -> None:
        tasks = []
        for step in range(50):
            tasks += [
                asyncio.create_task(one(queue, f"{step}.{n}")) for n in range(2 * MOST_A_ROUND)
            ]
            await rounds(1)
            clock.now += 0.01
        clock.now -= 0.01
        await asyncio.gather(*tasks)
        assert queue.refused == sum("refused" in name for name in waited)

    run(story)
    served = {name: s for name, s in waited.items() if "refused" not in name}
    refused = {name: s for name, s in waited.items() if "refused" in name}
    late = [s for name, s in served.items() if float(name) >= 30]
    assert max(late) <= HURRY_S + 1e-9
    rounds_at_the_end = 1 + HURRY_S / 0.01 + 2  # what waits when no more come
    assert 50 <= len(served) / MOST_A_ROUND <= 50 + rounds_at_the_end
    assert max(s for name, s in refused.items() if float(name.split()[0]) >= 30) <= HURRY_S + 0.011


def test_a_full_queue_refuses_at_once(clock: Clock) -> None:
    async def story(queue: Turns, seen: list[str]) -> None:
        coming = MOST_A_ROUND + MOST_WAITING
        tasks = [asyncio.create_task(asking(queue, seen, f"{n}")) for n in range(coming)]
        await rounds(1)
        assert len(seen) == MOST_A_ROUND
        await asking(queue, seen, "one more")
        assert seen[-1] == "one more refused"
        await asyncio.gather(*tasks)

    assert len(run(story)) == MOST_A_ROUND + MOST_WAITING + 1


def test_who_left_gives_the_turn_to_the_next(clock: Clock) -> None:
    async def story(queue: Turns, seen: list[str]) -> None:
        names = range(2 * MOST_A_ROUND + 1)
        tasks = [asyncio.create_task(asking(queue, seen, f"{n}")) for n in names]
        await rounds(1)
        for task in tasks[MOST_A_ROUND:-1]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert run(story)[-1] == f"{2 * MOST_A_ROUND}"


def test_no_two_are_refused_by_the_same_exception(clock: Clock) -> None:
    """Raised again and again, it would keep every frame it ever passed."""
    first, second = Turns().refusal(), Turns().refusal()
    assert first is not second
    assert first.__traceback__ is None
