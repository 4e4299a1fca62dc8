"""Turns: who may decide next, and who is refused at once because the answer would come too late.

Deciding keeps the event loop busy, so requests would pile up unseen where nobody can refuse them.
Here they queue, a few decide in each round of the loop, and new ones are noticed in between. A
request may wait long in a queue that empties again, after a slow disk, say. A queue that has not
been empty for a while is overload: then only the latest have a chance, and whoever waited longer
than a moment is refused (the queue of CoDel, Nichols and Jacobson 2012, in its simplest form).
"""

import asyncio
import time
from collections import deque

from service.problem import Problem

PATIENCE_S = 0.25
"""How long a request may wait while the queue empties now and then."""
OVERLOAD_S, HURRY_S = 0.1, 0.04
"""A queue not empty for so long is overload; how long a request may wait then."""
MOST_WAITING = 1_024
MOST_A_ROUND = 16
"""Decisions between two looks at what has come: about what is committed together."""


class Refused(Problem):
    """A turn would come too late. A new one each time: an exception raised again keeps growing."""

    def __init__(self) -> None:
        super().__init__(
            "busy",
            503,
            "More is asked than can be answered in time; nothing was decided. Try again later.",
            headers={"Retry-After": "1"},
        )


class Turns:
    """The queue of one event loop. `waiting` requests stand in it; `refused` were, since start."""

    def __init__(self) -> None:
        self.refused = 0
        self._queue: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self._taken = 0
        self._empty_at = 0.0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._queue)

    @property
    def hopeless(self) -> bool:
        """Whether whoever comes now would wait too long: as those before have."""
        if not self._queue:
            return False
        now = time.monotonic()
        if now - self._empty_at <= OVERLOAD_S:
            return len(self._queue) >= MOST_WAITING
        return now - self._queue[0][0] > HURRY_S

    async def take(self) -> None:
        """Wait for a turn; whoever has it decides before it awaits anything else.

        Raises Refused when the turn would come too late.
        """
        loop = asyncio.get_running_loop()
        if self._taken < MOST_A_ROUND and not self._queue:
            self._taken += 1
            if self._taken == 1:
                loop.call_soon(self._next)
            return
        if self.hopeless:
            raise self.refusal()
        future: asyncio.Future[bool] = loop.create_future()
        self._queue.append((time.monotonic(), future))
        if not await future:
            raise self.refusal()

    def _next(self) -> None:
        """A new round: turns for the first in the queue that did not wait too long."""
        now, self._taken = time.monotonic(), 0
        patience_s = HURRY_S if now - self._empty_at > OVERLOAD_S else PATIENCE_S
        while self._queue and self._taken < MOST_A_ROUND:
            since, future = self._queue.popleft()
            if not future.done():  # else the caller left
                in_time = now - since <= patience_s
                future.set_result(in_time)
                self._taken += in_time
        if not self._queue:
            self._empty_at = now
        if self._taken:
            asyncio.get_running_loop().call_soon(self._next)

    def refusal(self) -> Refused:
        """What one who is refused is told; counted."""
        self.refused += 1
        return Refused()
