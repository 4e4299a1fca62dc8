"""The whole application as it is served, watched and behind its door, without a port."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from starlette.types import ASGIApp

from service import server
from service.decide import Engine
from service.scores import Scores
from service.settings import Settings

JSON = {"content-type": "application/json"}
Talk = Callable[[httpx.AsyncClient], Awaitable[Any]]


def talking(settings: Settings, with_: Engine | Scores, talk: Talk) -> Any:
    """What `talk` returns of an application that is stopped afterwards, as a server does."""
    return talking_to(server.application(settings, with_), talk)


def talking_to(app: ASGIApp, talk: Talk) -> Any:
    async def work() -> Any:
        told: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        left = asyncio.Event()

        async def receive() -> dict[str, str]:
            return await told.get()

        async def send(_: Any) -> None:
            left.set()

        life = asyncio.create_task(app({"type": "lifespan", "state": {}}, receive, send))  # type: ignore[arg-type]
        await told.put({"type": "lifespan.startup"})
        await left.wait()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
                return await talk(one)
        finally:
            await told.put({"type": "lifespan.shutdown"})
            await life

    return asyncio.run(work())
