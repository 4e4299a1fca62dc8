"""The demo: a real server, the stories posted over HTTP, each decision as a table."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.rule import Rule

from service.process import running
from service.tables import decision_table

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Told:
    """A story with its title, what it shows, and the request to post."""

    title_zh: str
    title_en: str
    shows_zh: str
    shows_en: str
    request: dict[str, object]


def run(
    out: Console,
    stories: Sequence[Told],
    serve_command: Callable[[int], Sequence[str]],
    *,
    port: int,
    once: bool,
) -> None:
    """Post every story and print its decision; then keep serving unless `once`."""
    with running(serve_command, port) as server, httpx.Client(base_url=server.url) as client:
        out.print(f"server ready in {server.ready_s:.1f} s at {server.url}")
        for story in stories:
            out.print(Rule(f"{story.title_zh}  {story.title_en}"))
            out.print(f"{story.shows_zh}\n{story.shows_en}")
            begun = time.perf_counter()
            reply = client.post("/v1/decisions", json=story.request)
            c2_ms = (time.perf_counter() - begun) * 1e3
            reply.raise_for_status()
            out.print(decision_table(reply.json(), c2_ms))
        found = client.get("/v1/firms")
        firms = found.json() if found.is_success else []  # a server without a showcase has none
        for firm in firms:
            request = client.get(f"/v1/firms/{firm['uscc']}").raise_for_status().content
            posted = client.post("/v1/decisions", content=request, headers=_JSON)
            posted.raise_for_status()
        out.print(f"and {len(firms)} firms of the simulated economy, some for the desk")
        if once:
            return
        out.print(
            f"\nOpen {server.url}/ in a browser: choose a story, apply, open the decision.\n"
            f"API: {server.url}/v1/decisions (schema: {server.url}/openapi.json). Ctrl-C stops it.",
            soft_wrap=True,
        )
        try:
            server.process.wait()
        except KeyboardInterrupt:
            out.print("stopped")
