"""The demo: a real server and a data exchange, the stories told over HTTP, decisions as tables."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.rule import Rule

from service.process import running
from service.tables import Asked, decision_table, gathering_table

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Told:
    """A story with its title, what it shows, the request to post, and the same without a file."""

    title_zh: str
    title_en: str
    shows_zh: str
    shows_en: str
    request: dict[str, object]
    without_file: dict[str, object]


def run(
    out: Console,
    stories: Sequence[Told],
    serve_command: Callable[[int, str], Sequence[str]],
    exchange_command: Callable[[int], Sequence[str]],
    *,
    port: int,
    once: bool,
) -> None:
    """Post every story and print its decision; then keep serving unless `once`.

    `serve_command` is told its port and the URL of the data exchange, a process of its own.
    """
    with (
        running(exchange_command, within_s=120) as exchange,
        running(lambda on: serve_command(on, exchange.url), port) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        out.print(f"server ready in {server.ready_s:.1f} s at {server.url}")
        out.print(f"data exchange, a process of its own, at {exchange.url}")
        for story in stories:
            out.print(Rule(f"{story.title_zh}  {story.title_en}"))
            out.print(f"{story.shows_zh}\n{story.shows_en}")
            begun = time.perf_counter()
            reply = client.post("/v1/decisions", json=story.request)
            c2_ms = (time.perf_counter() - begun) * 1e3
            reply.raise_for_status()
            out.print(decision_table(reply.json(), c2_ms))
        _ask_sources(out, client, exchange.url, stories[0])
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


def _ask_sources(out: Console, client: httpx.Client, exchange: str, story: Told) -> None:
    """One firm applies without a document: sources asked, remembered, and one of them dead."""
    out.print(Rule(f"零材料申请  No document attached: {story.title_zh} {story.title_en}"))
    out.print(
        "企业只填写名称、金额和授权；网关同时向各数据源取数。\n"
        "The firm says who, how much and consents; the gateway asks every source at once."
    )

    def apply(title: str) -> Asked:
        begun = time.perf_counter()
        reply = client.post("/v1/applications", json=story.without_file)
        c2_ms = (time.perf_counter() - begun) * 1e3
        return Asked(title, reply.raise_for_status().json(), c2_ms)

    asked = [apply("各来源 asked"), apply("已缓存 remembered")]
    for one in asked:  # what is taken back is forgotten
        consent_id = one.decision["gathering"]["consent_id"]
        client.post(f"/v1/consents/{consent_id}/revocation").raise_for_status()
    usual = httpx.get(f"{exchange}/v1/faults", trust_env=False).json()
    httpx.put(f"{exchange}/v1/faults", json=usual | {"dead": ["tax"]}, trust_env=False)
    asked.append(apply("税务中断 tax dead"))
    httpx.put(f"{exchange}/v1/faults", json=usual, trust_env=False)
    out.print(gathering_table(asked))
    out.print(
        f"C1, the form: {len(story.without_file)} fields, no document; not measured.\n"
        "C2: measured here, over HTTP, sources and durable record included. C3: the engine alone.\n"
        "C4, the money: simulated, none moves.",
        soft_wrap=True,
    )
