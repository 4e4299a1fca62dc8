"""In front of everything: names a server answers to, headers of every answer, numbers."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.decide import Engine
from service.keys import Keys
from service.settings import Settings
from service.watch import HEADERS
from tests.in_process import JSON, talking


def replies(settings: Settings, engine: Engine, *asked: tuple[str, str, Any]) -> list[Any]:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [
            await client.request(method, path, headers=headers) for method, path, headers in asked
        ]

    found: list[Any] = talking(settings, engine, talk)
    return found


@pytest.mark.parametrize("opened", [False, True])
def test_an_open_door_answers_only_under_names_of_this_machine(
    engine: Engine, settings: Settings, opened: bool
) -> None:
    """Else a page of a stranger, its name made to mean this machine, could read every decision."""
    names = {
        "localhost": 200, "localhost:8000": 200, "LOCALHOST": 200, "127.0.0.1:8000": 200,
        "127.8.8.8": 200, "[::1]:8000": 200, "app.localhost": 200, "evil.example": 421,
        "evil.example:8000": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421,
        "192.168.1.7": 421, "": 421, "[::1": 200, "@localhost": 421, "0.0.0.0": 421,
    }  # fmt: skip
    got = replies(
        settings.model_copy(update={"open": opened}), engine,
        *[("GET", "/v1/totals", {"host": name}) for name in names],
    )  # fmt: skip
    assert dict(zip(names, [one.status_code for one in got], strict=True)) == names
    refused = got[list(names).index("evil.example")]
    assert refused.headers["content-type"] == "application/problem+json"
    assert "keys add" in refused.json()["detail"]


def test_with_keys_it_answers_under_any_name(engine: Engine, settings: Settings) -> None:
    _, token = Keys(settings.keys).add("audit", ["audit"], 60)
    headers = {"host": "credit.bank.example", "authorization": f"Bearer {token}"}
    (reply,) = replies(settings, engine, ("GET", "/v1/totals", headers))
    assert reply.status_code == 200


def test_every_answer_says_what_a_browser_may_do_with_it(
    engine: Engine, settings: Settings, stories: dict[str, bytes]
) -> None:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        posted = await client.post("/v1/decisions", content=stories["young-shop"], headers=JSON)
        notice = f"/v1/decisions/{posted.json()['decision_id']}/notice?format=html"
        paths = ("/", "/zh/", notice, "/metrics", "/healthz", "/nowhere", "/v1/totals")
        return [posted, *[await client.get(path) for path in paths]]

    found = talking(settings, engine, talk)
    for reply in found:
        for name in HEADERS:
            assert reply.headers.get_list(name.decode()), (reply.url, name)
            assert len(reply.headers.get_list(name.decode())) == 1
        assert "no-store" in reply.headers["cache-control"]
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "strict-transport-security" not in reply.headers
    numbers = [reply.headers["x-request-id"] for reply in found]
    assert len(set(numbers)) == len(numbers)


def test_over_tls_a_browser_is_told_to_stay_there(engine: Engine, settings: Settings) -> None:
    secure = settings.model_copy(update={"tls_cert": Path("cert.pem")})
    (reply,) = replies(secure, engine, ("GET", "/healthz", {}))
    assert reply.headers["strict-transport-security"] == "max-age=31536000"


def test_an_answer_that_is_sent_again_and_again_stays_as_it_is(tmp_path: Path) -> None:
    """The refusal of overload is made once: what one caller is told must not reach the next."""
    import asyncio

    from service.door import Door
    from service.metrics import Meters
    from service.watch import Watch

    once = {"type": "http.response.start", "status": 503, "headers": [(b"x", b"y")]}

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await send(once)
        await send({"type": "http.response.body", "body": b""})

    keys = Keys(tmp_path / "keys.json")
    _, token = keys.add("one", ["apply"], 60)
    app = Watch(Meters()).around(Door(refuses, keys, None, 60))

    async def talk() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
            return [await client.post("/v1/decisions", headers=headers) for _ in range(3)]

    for reply in asyncio.run(talk()):
        assert len(reply.headers.get_list("x-request-id")) == 1
        assert len(reply.headers.get_list("ratelimit")) == 1
    assert once["headers"] == [(b"x", b"y")]
