"""The benchmark as the console starts it: in processes of its own, one at a time."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from service.problem import Problem

MOST_S = 300


class State(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a benchmark runs, for how long, and what the latest one found."""

    running: bool = False
    seconds: float = 0.0
    error: str | None = None
    report: Raw | None = None


class Benchmark:
    """Runs a command that writes its figures into a file given to it."""

    def __init__(self, command: Callable[[Path], Sequence[str]]) -> None:
        self._command = command
        self._task: asyncio.Task[None] | None = None
        self._begun, self._latest = 0.0, State()

    def start(self) -> None:
        """Begin one; raises Problem when one is running."""
        if self._task is not None and not self._task.done():
            raise Problem("busy", 409, "A benchmark is running; its figures will be shown here.")
        self._begun = time.monotonic()
        self._task = asyncio.create_task(self._run())

    def state(self) -> State:
        """What there is to see now."""
        if self._task is not None and not self._task.done():
            return State(running=True, seconds=time.monotonic() - self._begun)
        return self._latest

    async def _run(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "figures.json"
            process = await asyncio.create_subprocess_exec(
                *self._command(out),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                _, said = await asyncio.wait_for(process.communicate(), MOST_S)
            except (TimeoutError, asyncio.CancelledError):
                process.kill()
                await process.wait()
                self._latest = State(error=f"stopped after {MOST_S} seconds")
                raise
            took = time.monotonic() - self._begun
            if process.returncode or not out.is_file():
                last = said.decode(errors="replace").strip().splitlines()[-1:]
                self._latest = State(error=" ".join(last) or "no figures", seconds=took)
            else:
                report = Raw(msgspec.json.encode(msgspec.json.decode(out.read_bytes())))
                self._latest = State(report=report, seconds=took)
