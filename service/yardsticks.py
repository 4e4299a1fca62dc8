"""C2 beside its yardsticks: what a durable reply costs at the least, and what tutorials pay.

Ours, the floor (FastAPI, plain ASGI) and the naive baseline, which here stores what it answers,
take turns in rounds, each a server of one worker in a process of its own, with a file of its own
in the same folder. What is compared: throughput at 16 connections, and the wait at one.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from msgspec import Struct
from rich.console import Group
from rich.table import Table

from service.bench import BUSY, PATH, BenchError, baseline
from service.load import LoadResult, closed_loop
from service.machine import Machine, seen
from service.process import running

ROUNDS = 3


class Yardstick(Struct, frozen=True):
    """One server at one number of connections: medians of the rounds; microseconds."""

    what: str
    connections: int
    per_s: float
    p50_us: float
    p99_us: float
    errors: int


class Yardsticks(Struct, frozen=True):
    """All of them, ours first, and the ratios that matter."""

    machine: Machine
    measured: list[Yardstick]
    ours_over_floor: float  # throughput at 16 connections, against FastAPI's durable reply
    ours_over_naive: float  # throughput at 16, against the naive baseline that stores
    ours_over_bare: float  # p50 at one connection, against plain ASGI and one fdatasync
    sqlite_over_postgres: float | None  # throughput at 16


OURS, FLOOR, BARE, NAIVE = (
    "ours", "floor: FastAPI, parsed, appended, fixed reply",
    "bare ASGI, one fdatasync, fixed reply", "naive, each answer committed to SQLite",
)  # fmt: skip
POSTGRES = "ours, records in PostgreSQL"
_PLAN = [(OURS, 1), (BARE, 1), (FLOOR, 1), (OURS, BUSY), (FLOOR, BUSY), (NAIVE, BUSY)]


def measure(
    body: bytes,
    reply: bytes,
    serve: Callable[[int, str], Sequence[str]],
    *,
    seconds: float,
    folder: Path,
    postgres: str | None = None,
    step: Callable[[str], None] = lambda what: None,
) -> Yardsticks:
    """Measure all, `seconds` each in each round; `reply` is what a decision on `body` looks like.

    `serve` gives the command of our server by port and ledger; `postgres` is the URL of a second
    ledger to measure. Raises BenchError when one answers nothing.
    """
    plan = _PLAN if postgres is None else [*_PLAN, (POSTGRES, 1), (POSTGRES, BUSY)]
    taken: dict[tuple[str, int], list[LoadResult]] = {one: [] for one in plan}
    where = seen()
    with ExitStack() as stack:
        step("starting the servers")
        urls = _started(stack, reply, serve, folder, postgres)
        bodies = dict.fromkeys(urls, body)
        naive = stack.enter_context(baseline(seconds, 1, folder / "naive.db"))
        urls[NAIVE], bodies[NAIVE] = naive.url, naive.body
        for what, url in urls.items():
            if not closed_loop(url, [bodies[what]], BUSY, 1.0).per_s:
                raise BenchError(f"{what}: {url} gave no 2xx")
        for nth in range(ROUNDS):
            for what, connections in plan:
                step(f"round {nth + 1}: {what}, {connections} connections")
                load = closed_loop(urls[what], [bodies[what]], connections, seconds)
                taken[what, connections].append(load)
    return _told(where, taken)


def _started(
    stack: ExitStack,
    reply: bytes,
    serve: Callable[[int, str], Sequence[str]],
    folder: Path,
    postgres: str | None,
) -> dict[str, str]:
    fixed = folder / "reply.json"
    fixed.write_bytes(reply)

    def floor(kind: str) -> Callable[[int], list[str]]:
        return lambda port: [
            sys.executable, "-m", "service.floor", "--kind", kind, "--port", str(port),
            "--file", str(folder / f"{kind}.log"), "--reply", str(fixed),
        ]  # fmt: skip

    ledger = f"sqlite:///{folder.resolve() / 'ledger.db'}"
    commands = {
        OURS: lambda port: serve(port, ledger),
        FLOOR: floor("fastapi"),
        BARE: floor("bare"),
    }
    if postgres is not None:
        commands[POSTGRES] = lambda port: serve(port, postgres)
    return {
        what: stack.enter_context(running(command)).url + PATH for what, command in commands.items()
    }


def _told(where: Machine, taken: dict[tuple[str, int], list[LoadResult]]) -> Yardsticks:
    measured = {}
    for (what, connections), rounds in taken.items():
        waits = [one.latency for one in rounds if one.latency is not None]
        if len(waits) < len(rounds):
            raise BenchError(f"{what}, {connections} connections: a round without any 2xx")
        measured[what, connections] = Yardstick(
            what, connections, median(one.per_s for one in rounds),
            median(wait.p50_us for wait in waits), median(wait.p99_us for wait in waits),
            sum(one.errors for one in rounds),
        )  # fmt: skip
    busy, alone, shared = measured[OURS, BUSY], measured[OURS, 1], measured.get((POSTGRES, BUSY))
    return Yardsticks(
        where,
        list(measured.values()),
        ours_over_floor=busy.per_s / measured[FLOOR, BUSY].per_s,
        ours_over_naive=busy.per_s / measured[NAIVE, BUSY].per_s,
        ours_over_bare=alone.p50_us / measured[BARE, 1].p50_us,
        sqlite_over_postgres=None if shared is None else busy.per_s / shared.per_s,
    )


def table(found: Yardsticks) -> Group:
    """The yardsticks as a table for people."""
    shown = Table(title="C2 beside its yardsticks", title_justify="left")
    for column in ("what", "connections", "per s", "p50, ms", "p99, ms", "errors"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    for one in found.measured:
        shown.add_row(
            one.what, f"{one.connections}", f"{one.per_s:,.0f}", f"{one.p50_us / 1e3:.3g}",
            f"{one.p99_us / 1e3:.3g}", f"{one.errors}",
        )  # fmt: skip
    said = (
        f"At {BUSY} connections {found.ours_over_floor:.2f} of the floor and "
        f"{found.ours_over_naive:.0f} x naive; at one, {found.ours_over_bare:.2f} x the wait of "
        "bare ASGI."
    )
    if found.sqlite_over_postgres is not None:
        said += f" SQLite {found.sqlite_over_postgres:.2f} x PostgreSQL."
    return Group(
        shown,
        said,
        f"Closed loop, medians of {ROUNDS} rounds in turns; one worker each; all files in one "
        f"folder. {found.machine.said()}",
    )
