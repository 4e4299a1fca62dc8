"""Swaps under load over HTTP: nothing refused, nothing lost, nothing mixed; run by tests.faults."""

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import msgspec

from service.archive import Archive
from service.decide import Versions
from service.ledger import open_ledger
from service.process import running
from service.replay import replay, versions_of
from service.swaps import check
from tests import variants
from tests.faults import HEADERS, READY_S, Clients, Command, Lost

VARIANTS, PAUSE_S = 10, 0.1


@dataclass
class Watching(Clients):
    """Clients that note which set was in force when they asked, and which one answered."""

    bodies: Sequence[bytes] = ()
    sets: list[Versions] = field(default_factory=list)
    noted: list[tuple[int, Versions, float, bool]] = field(default_factory=list)
    swapping: bool = False

    def _ask(self, client: httpx.Client, url: str, key: str) -> None:
        since, during, begun = len(self.sets) - 1, self.swapping, time.perf_counter()
        headers = HEADERS | {"idempotency-key": key}
        try:
            reply = client.post(
                f"{url}/v1/decisions", content=random.choice(self.bodies), headers=headers
            )
        except httpx.TransportError as error:
            raise Lost(f"no answer: {error!r}") from error
        if reply.status_code != 201:
            self.refused.append(reply)
            return
        ms = (time.perf_counter() - begun) * 1e3
        versions = msgspec.convert(reply.json()["versions"], Versions)
        self.told[key] = reply.content
        self.noted.append((since, versions, ms, during or self.swapping))


def swap_under_load(
    command: Command, ledger: str, folder: Path, artifact: Path, bodies: Sequence[bytes], swaps: int
) -> str:
    """Swap and roll back under load; every decision must be of exactly one set, whole."""
    variants.releases(folder, artifact, VARIANTS)
    wrapped = lambda port: ["env", f"YIDAITONG_RELEASES={folder}", *command(port)]  # noqa: E731
    with (
        running(wrapped, within_s=READY_S) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as operator,
    ):
        clients = Watching([server.url], bodies[0], bodies=bodies)
        clients.sets.append(_versions(operator.get("/v1/versions").json()))
        took_ms: list[float] = []
        with clients.posting():
            clients.more(50)
            memory_mb = [_memory_mb(server.process.pid)]
            for nth in range(swaps):
                path, body = _next(nth)
                begun, clients.swapping = time.perf_counter(), True
                reply = operator.post(path, json=body)
                clients.swapping = False
                took_ms.append((time.perf_counter() - begun) * 1e3)
                if reply.status_code != 201:
                    raise Lost(f"swap {nth + 1}: {reply.status_code} {reply.text}")
                clients.sets.append(_versions(reply.json()))
                clients.more(5)
                time.sleep(PAUSE_S)
            memory_mb.append(_memory_mb(server.process.pid))
        told = clients.check(ledger)
    return (
        f"{_consistent(clients, ledger, swaps)}; {_times(clients, took_ms)}; "
        f"the server held {memory_mb[0]:.0f} MB before and {memory_mb[1]:.0f} MB after\n{told}"
    )


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def _next(nth: int) -> tuple[str, dict[str, Any]]:
    """One part, all three, or back: in turns, with variants that always differ from before."""
    at = (nth // 5) % VARIANTS
    wanted = {"scorecard": f"s{at}", "policy": f"p{at}.toml", "catalogue": f"c{at}.toml"}
    kind = nth % 5
    if kind == 4:
        return "/v1/rollbacks", {}
    if kind == 3:
        other = (at + VARIANTS // 2) % VARIANTS
        return "/v1/swaps", {
            "scorecard": f"s{other}", "policy": f"p{other}.toml", "catalogue": f"c{other}.toml"
        }  # fmt: skip
    part = ("scorecard", "policy", "catalogue")[kind]
    return "/v1/swaps", {part: wanted[part]}


def _versions(reply: Any) -> Versions:
    return msgspec.convert(reply["versions"], Versions)


def _consistent(clients: Watching, ledger: str, swaps: int) -> str:
    """Raise Lost unless each decision is of a set in force while it was asked, and replays so."""
    if clients.refused or clients.retried:
        raise Lost(f"{len(clients.refused)} refused, {clients.retried} asked again; expected none")
    for since, versions, _, _ in clients.noted:
        if versions not in clients.sets[since:]:
            raise Lost(f"asked under {clients.sets[since]}, answered by {versions}")
    archive, seen, count = Archive.beside(ledger), set(), 0
    with open_ledger(ledger, read_only=True) as opened:
        for record in opened.records():
            made_with = archive.engine(versions_of(record))
            if made_with is None or not replay(record, made_with).same:
                raise Lost(f"{record.decision_id} is not what {versions_of(record)} decides")
            seen.add(versions_of(record))
            count += 1
    found = check(ledger)
    if found is None or not found.chain.ok or found.what or found.chain.records != swaps:
        raise Lost(f"swaps on record: {found}")
    return (
        f"{swaps} swaps and roll-backs on record, {count} decisions of {len(seen)} sets, 0 errors; "
        "each replays with the one set it names, in force while it was asked"
    )


def _times(clients: Watching, took_ms: Sequence[float]) -> str:
    calm = [ms for _, _, ms, during in clients.noted if not during]
    during = [ms for _, _, ms, during in clients.noted if during]
    p50 = quantiles(took_ms, n=100)[49]
    told = f"a swap took {p50:.0f} ms in the middle, {max(took_ms):.0f} at most"
    for name, some in (("between swaps", calm), ("during one", during)):
        cuts = quantiles(some, n=100)
        told += f"; decisions {name} ({len(some)}) p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms"
    return told
