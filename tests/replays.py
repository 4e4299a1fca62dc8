"""Random decisions made by a server and again by another process, byte for byte; by hand:

uv run python -m tests.replays 10000              # by this release
uv run python -m tests.replays 10000 ../earlier   # by the release checked out there, upgraded

The release that decides simulates a world and trains its own scorecard.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec

from service.process import running
from tests.faults import CLIENTS, HEADERS, READY_S, Lost

FIRMS, SEED = 2_000, 7
PURPOSES = ("working_capital", "equipment", "inventory", "epidemic_supplies", "other")


def replays(count: int, release: Path, folder: Path) -> str:
    """Raise Lost unless every decision of a release is made again by this one."""
    world, artifact, ledger = folder / "world", folder / "artifact", f"sqlite:///{folder}/ledger.db"
    by = _command(release)
    subprocess.run([*by, "generate", "--firms", str(FIRMS), "--out", str(world)], check=True)
    subprocess.run([*by, "train", "--world", str(world), "--out", str(artifact)], check=True)
    serve = [*by, "serve", "--artifact", str(artifact), "--ledger", ledger]
    with running(lambda port: [*serve, "--port", str(port)], within_s=READY_S) as server:
        parts = [list(requests(world, count // CLIENTS, n)) for n in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as clients:
            decided = sum(clients.map(lambda bodies: _post(server.url, bodies), parts))
    ours = _command(Path.cwd())
    told = ""
    for check in ("verify", "replay all"):
        ran = subprocess.run(
            [*ours, *check.split(), "--ledger", ledger], capture_output=True, text=True, check=False
        )
        told += f"; {check}: {' '.join((ran.stdout + ran.stderr).split())[-200:]}"
        if ran.returncode:
            raise Lost(told)
    return f"{decided} decided{told}"


def requests(world: Path, count: int, seed: int) -> Iterator[bytes]:
    """Requests for random amounts and tenors, on credit files of a world with sources missing."""
    import pandas as pd

    drawn, stored = random.Random(SEED + seed), pd.read_parquet(world / "credit_files.parquet")
    for _ in range(count):
        file = msgspec.json.decode(stored["credit_file"].iloc[drawn.randrange(len(stored))])
        there = [name for name, value in file.items() if isinstance(value, dict)]
        for name in there:
            if drawn.random() < 0.1:
                file[name] = None
        application: dict[str, Any] = {
            "applicant": file["uscc"],
            "amount_yuan": round(10 ** drawn.uniform(3.5, 7.5), -2),
            "tenor_months": drawn.randint(1, 60),
            "purpose": drawn.choice(PURPOSES),
            "consent": {"granted": file["as_of"], "sources": there},
        }
        yield msgspec.json.encode({"application": application, "credit_file": file})


def _post(url: str, bodies: Sequence[bytes]) -> int:
    with httpx.Client(base_url=url, headers=HEADERS, trust_env=False, timeout=30.0) as client:
        for body in bodies:
            client.post("/v1/decisions", content=body).raise_for_status()
    return len(bodies)


def _command(release: Path) -> list[str]:
    """The command line of a release, run by this environment."""
    return ["env", "-C", str(release), sys.executable, "-m", "service.cli"]


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    begun = time.monotonic()
    with TemporaryDirectory() as name:
        os.environ["YIDAITONG_OPEN"] = "true"
        said = replays(count, Path(sys.argv[2]) if len(sys.argv) > 2 else Path.cwd(), Path(name))
    sys.stdout.write(f"{said} ({time.monotonic() - begun:.0f} s)\n")
