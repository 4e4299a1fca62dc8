"""How long an application without a credit file waits for its decision, by how its sources behave.

C2, open loop: from the moment an application was due to the reply in hand, sources asked and record
durable. Every profile has a server and a data exchange of its own and asks about each firm once, so
nothing is remembered from before.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
from msgspec import Struct
from rich.table import Table

from model.credit_file import SOURCES
from service.exchange import exchange_file
from service.intake import without_file
from service.load import LoadResult, open_loop
from service.process import running

PATH = "/v1/applications"
CONNECTIONS = 256
READY_S = 120.0  # a world of many firms takes a while to read


class Waits(Struct, frozen=True, kw_only=True):
    """What was seen under one profile; `circuits_open` are sources left alone at the end."""

    profile: str
    deadline_ms: int
    load: LoadResult
    circuits_open: list[str]

    @property
    def in_time(self) -> bool:
        """Whether every application was answered, and inside the deadline."""
        load = self.load
        worst_us = load.latency.max_us if load.latency else float("inf")
        return not load.errors and worst_us <= self.deadline_ms * 1e3


def measure(
    bodies: Sequence[bytes],
    server_command: Callable[..., Sequence[str]],
    exchange_command: Callable[..., Sequence[str]],
    *,
    deadline_ms: int,
    rate: float,
    seconds: float,
    step: Callable[[str], None] = lambda _: None,
    profiles: Sequence[str] = (),
    folder: Path | None = None,
) -> list[Waits]:
    """Post the bodies at a constant rate under every profile of exchange.toml, or some.

    `server_command(port, ledger=, exchange=)` and `exchange_command(port, profile=)` start them.
    Raises ValueError for more applications than there are firms.
    """
    due = int(rate * seconds)
    if due > len(bodies):
        raise ValueError(
            f"--rate, --seconds: got {due:,} applications, expected at most {len(bodies):,}, one "
            "for each firm"
        )
    found = []
    for profile in profiles or list(exchange_file().profile):
        step(f"C2 without a credit file, delays {profile}")
        with (
            TemporaryDirectory(dir=folder) as kept,
            running(partial(exchange_command, profile=profile), within_s=READY_S) as exchange,
            running(
                partial(
                    server_command,
                    ledger=f"sqlite:///{Path(kept).resolve() / 'ledger.db'}",
                    exchange=exchange.url,
                ),
                within_s=READY_S,
            ) as server,
        ):
            load = open_loop(server.url + PATH, bodies[:due], rate, seconds, CONNECTIONS)
            health = httpx.get(f"{server.url}/v1/sources", trust_env=False).json()
        ill = [one["source"] for one in health if one["circuit"] != "closed"]
        found.append(Waits(profile=profile, deadline_ms=deadline_ms, load=load, circuits_open=ill))
    return found


def asking_firms(world: Path, most: int) -> Iterator[dict[str, Any]]:
    """Applications of different firms of a world, without their credit files."""
    from service.backtest import cases, world_chunks

    seen: set[str] = set()
    for chunk in world_chunks(world):
        for case in cases(chunk):
            if case.application.applicant in seen:
                continue
            if len(seen) == most:
                return
            seen.add(case.application.applicant)
            application: dict[str, Any] = msgspec.to_builtins(case.application)
            application["consent"]["sources"] = [*SOURCES]
            yield without_file(application)


def table(found: Sequence[Waits]) -> Table:
    """The profiles beside each other."""
    title = "C2 without a credit file: sources asked, decided, durable (milliseconds)"
    shown = Table(title=title, title_justify="left")
    for head in ("delays", "per s", "p50", "p90", "p99", "max", "errors", "deadline", "kept",
                 "left alone at the end"):  # fmt: skip
        left = head in ("delays", "left alone at the end")
        shown.add_column(head, justify="left" if left else "right")
    for one in found:
        wait = one.load.latency
        waits = [wait.p50_us, wait.p90_us, wait.p99_us, wait.max_us] if wait else []
        shown.add_row(
            one.profile, f"{one.load.offered_per_s:,.0f}",
            *([f"{us / 1e3:,.0f}" for us in waits] or ["-"] * 4), f"{one.load.errors:,}",
            f"{one.deadline_ms:,}", "yes" if one.in_time else "no",
            ", ".join(one.circuits_open) or "none",
        )  # fmt: skip
    return shown
