"""The floor does what it says: the same bytes durable, a fixed reply."""

import asyncio
from pathlib import Path

import httpx
import pytest

from service.floor import Appender, bare_app, fastapi_app

REPLY = b'{"fixed":true}'


@pytest.mark.parametrize("make", [fastapi_app, bare_app])
def test_the_floor_appends_what_came_and_what_it_answers(
    make: object, tmp_path: Path, stories: dict[str, bytes]
) -> None:
    body, file = stories["young-shop"], tmp_path / "appended"

    async def asked() -> list[httpx.Response]:
        transport = httpx.ASGITransport(make(Appender(file), REPLY))  # type: ignore[operator]
        async with httpx.AsyncClient(transport=transport, base_url="http://floor") as client:
            posts = (client.post("/v1/decisions", content=body) for _ in range(20))
            return await asyncio.gather(*posts)

    assert {reply.content for reply in asyncio.run(asked())} == {REPLY}
    assert file.read_bytes() == (body + REPLY) * 20


def test_the_floor_parses_as_we_do(tmp_path: Path) -> None:
    async def asked() -> httpx.Response:
        app = fastapi_app(Appender(tmp_path / "appended"), REPLY)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://floor") as client:
            return await client.post("/v1/decisions", content=b"{}")

    assert asyncio.run(asked()).status_code == 500  # it is no service: it only costs as much
