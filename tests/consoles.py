"""Does watching slow deciding down? `uv run python -m tests.consoles`: a ratio in one run.

Decisions are posted one by one to a server, in turns: with no console open; with what ten consoles
ask again and again, sent by a process that draws nothing; and with ten real pages, whose browser
draws on the same cores. Printed: medians of the rounds, and their ratios to the first.
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from typing import Any

import httpx
from rich.console import Console

from service.process import running
from service.settings import Settings
from tests.browser import chromium, context
from tests.conftest import serve_command
from tests.pictures import JSON

CONSOLES = ("speed", "desk", "concept", "speed", "desk", "concept", "speed", "desk", "models", "")
ASKED = {
    "speed": ("/v1/clocks", 2.0), "desk": ("/v1/desk/cases", 5.0), "concept": ("/v1/totals", 5.0),
}  # fmt: skip
"""What a page asks again, and after how many seconds."""
ROUNDS, POSTS = 5, 400


def posted_ms(client: httpx.Client, body: bytes) -> float:
    """The median time of a decision over HTTP."""
    taken = []
    for _ in range(POSTS):
        begun = time.perf_counter()
        client.post("/v1/decisions", content=body, headers=JSON).raise_for_status()
        taken.append((time.perf_counter() - begun) * 1e3)
    return median(taken)


def ask(url: str) -> None:
    """What the ten pages ask while they are open, without drawing it."""

    async def again(client: httpx.AsyncClient, path: str, seconds: float) -> None:
        while True:
            (await client.get(path)).raise_for_status()
            await asyncio.sleep(seconds)

    async def every() -> None:
        async with httpx.AsyncClient(base_url=url) as client:
            asked = [again(client, *ASKED[name]) for name in CONSOLES if name in ASKED]
            await asyncio.gather(*asked)

    asyncio.run(every())


@contextmanager
def asking(url: str) -> Iterator[None]:
    """A process that asks what ten consoles ask."""
    process = multiprocessing.get_context("spawn").Process(target=ask, args=(url,), daemon=True)
    process.start()
    time.sleep(6.0)  # until its imports are done and it only asks
    try:
        yield
    finally:
        process.kill()
        process.join()


@contextmanager
def open_pages(browser: Any, url: str) -> Iterator[None]:
    """Ten pages in a browser."""
    with context(browser, "light") as window:
        for name in CONSOLES:
            window.new_page().goto(f"{url}/en/{name}")
        window.pages[-1].wait_for_timeout(3_000)
        yield


def main() -> None:
    """Measure in turns and print."""
    settings, out = Settings(), Console(highlight=False)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        serve = serve_command(settings.artifact, f"sqlite:///{folder}/ledger.db")
        command = lambda port: [*serve(port), "--showcase", str(settings.showcase)]  # noqa: E731
        with (
            running(command) as server,
            chromium() as browser,
            httpx.Client(base_url=server.url) as client,
        ):
            body = client.get("/v1/firms/mask-maker").content
            posted_ms(client, body)
            for _ in range(ROUNDS):
                for name, watching in (
                    ("nobody watches", nullcontext()),
                    ("what ten consoles ask", asking(server.url)),
                    ("ten pages drawn on the same cores", open_pages(browser, server.url)),
                ):
                    with watching:
                        found.setdefault(name, []).append(posted_ms(client, body))
    alone = median(next(iter(found.values())))
    for name, taken in found.items():
        rounds = ", ".join(f"{one:.2f}" for one in taken)
        out.print(f"{name}: {median(taken):.2f} ms ({rounds}), {median(taken) / alone:.2f} x")


if __name__ == "__main__":
    main()
