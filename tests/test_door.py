"""The door: who gets in where, how often, and that an open one is for this machine only."""

import asyncio
import base64
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from service.door import Door, guarded
from service.keys import SCOPES, Keys, KeysError
from service.process import running
from service.settings import Settings
from tests.conftest import serve_command

Call = Callable[..., httpx.Response]


async def inside(scope: Any, receive: Any, send: Any) -> None:
    """Answers whoever was let in."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def calls(app: Any) -> Call:
    async def work(method: str, path: str, token: str | None, **headers: str) -> httpx.Response:
        given = {} if token is None else {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, headers=given | headers)

    return lambda *words, **headers: asyncio.run(work(*words, **headers))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.json")


@pytest.fixture
def call(keys: Keys) -> Call:
    return calls(Door(inside, keys, None, 60))


def problem(reply: httpx.Response, status: int, kind: str) -> str:
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    found: dict[str, str] = reply.json()
    assert found["type"].endswith(kind)
    return found["detail"]


WAYS = {
    ("POST", "/v1/decisions"): {"apply", "lend"},
    ("POST", "/v1/applications"): {"apply", "lend"},
    ("POST", "/v1/consents/c1/revocation"): {"apply", "lend"},
    ("GET", "/v1/decisions/d1"): {"apply", "lend", "audit"},
    ("GET", "/v1/decisions/d1/notice"): {"apply", "lend", "audit"},
    ("GET", "/v1/decisions/d1/case"): {"apply", "lend", "audit"},
    ("POST", "/v1/decisions/d1/disputes"): {"apply", "lend"},
    ("POST", "/v1/decisions/d1/person-requests"): {"apply", "lend"},
    ("POST", "/v1/decisions/d1/evidence"): {"apply", "lend"},
    ("POST", "/v1/desk/decisions/d1/disputes"): {"lend"},
    ("GET", "/v1/desk/cases"): {"lend", "audit"},
    ("GET", "/v1/decisions"): {"lend", "audit"},
    ("GET", "/v1/decisions/d1/request"): {"lend", "audit"},
    ("GET", "/v1/verification"): {"lend", "audit"},
    ("GET", "/zh/desk"): {"lend", "audit"},
    ("POST", "/v1/decisions/d1/replay"): {"lend", "audit"},
    ("POST", "/v1/desk/decisions/d1/rulings"): {"lend"},
    ("GET", "/metrics"): set(),
    ("POST", "/v1/benchmarks"): set(),
    ("GET", "/v1/versions"): {"lend", "audit"},
    ("POST", "/v1/swaps"): set(),
    ("POST", "/v1/rollbacks"): set(),
    ("DELETE", "/v1/decisions/d1"): set(),
}


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_each_scope_gets_in_where_it_may_and_nowhere_else(
    call: Call, keys: Keys, method: str, path: str
) -> None:
    for scope in SCOPES:
        _, token = keys.add(scope, [scope], 60)
        reply = call(method, path, token)
        if scope in WAYS[method, path] | {"operate"}:
            assert reply.status_code == 200, scope
        else:
            assert "operate" in problem(reply, 403, "not-allowed")


def test_who_was_let_in_is_handed_on(keys: Keys) -> None:
    key, token = keys.add("operator", ["operate"], 60)
    seen: list[str] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["caller"])
        await inside(scope, receive, send)

    calls(Door(noting, keys, None, 60))("POST", "/v1/swaps", token)
    assert seen == [key.key_id]


@pytest.mark.parametrize("token", [None, "", "guess", "ydt_00000000_guess", "a.b.c"])
def test_nobody_gets_in_without_a_key_that_holds(call: Call, keys: Keys, token: str | None) -> None:
    keys.add("someone", ["operate"], 60)
    reply = call("GET", "/v1/totals", token)
    problem(reply, 401, "not-authenticated")
    assert "Bearer" in reply.headers["www-authenticate"]
    for path in ("/healthz", "/readyz"):
        assert call("GET", path, token).status_code == 200


def test_a_browser_shows_its_key_as_a_password(call: Call, keys: Keys) -> None:
    _, token = keys.add("officer", ["lend"], 60)
    for given, status in ((f"me:{token}", 200), (f":{token}", 200), (f"{token}:", 401)):
        basic = "Basic " + base64.b64encode(given.encode()).decode()
        assert call("GET", "/zh/desk", None, authorization=basic).status_code == status
    assert call("GET", "/zh/desk", None, authorization="Basic %%%").status_code == 401
    assert call("GET", "/zh/desk", None, authorization=f"Digest {token}").status_code == 401


def test_a_key_has_so_many_requests_a_minute_and_is_told_how_many_are_left(
    call: Call, keys: Keys
) -> None:
    _, token = keys.add("desk", ["apply"], 3)
    _, other = keys.add("other desk", ["apply"], 3)
    left = []
    for _ in range(3):
        reply = call("POST", "/v1/decisions", token)
        assert reply.headers["ratelimit-policy"] == '"key";q=3;w=60'
        left.append(reply.headers["ratelimit"].partition(";t=")[0])
    assert left == ['"key";r=2', '"key";r=1', '"key";r=0']
    refused = call("POST", "/v1/decisions", token)
    problem(refused, 429, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert call("POST", "/v1/decisions", other).status_code == 200, "others have their own"


@pytest.fixture
def issuer(tmp_path: Path) -> tuple[Settings, Callable[..., str]]:
    """Settings that trust an issuer, and the issuer."""
    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "issuer.pem").write_bytes(public)

    def issue(key: Any = private, algorithm: str = "EdDSA", **changes: Any) -> str:
        claims = {"sub": "desk 7", "iss": "https://issuer", "aud": "yidaitong", "scope": "apply x",
                  "exp": time.time() + 60}  # fmt: skip
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(claims, key, algorithm)

    settings = Settings(
        jwt_key=tmp_path / "issuer.pem", jwt_algorithm="EdDSA", jwt_issuer="https://issuer",
        jwt_audience="yidaitong", keys=tmp_path / "none.json",
    )  # fmt: skip
    return settings, issue


def test_a_token_of_the_issuer_gets_in_with_its_scopes(
    issuer: tuple[Settings, Callable[..., str]],
) -> None:
    settings, issue = issuer
    call = calls(guarded(inside, settings))
    assert call("POST", "/v1/decisions", issue()).status_code == 200
    problem(call("GET", "/v1/verification", issue()), 403, "not-allowed")
    assert call("GET", "/v1/verification", issue(scope="audit")).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1}, {"exp": None}, {"sub": None}, {"iss": "https://other"}, {"aud": "another"},
        {"key": ed25519.Ed25519PrivateKey.generate()}, {"key": "x" * 64, "algorithm": "HS256"},
        {"key": "", "algorithm": "none"},
    ],
    ids=["expired", "endless", "nobody's", "other issuer", "other audience", "forged",
         "other algorithm", "unsigned"],
)  # fmt: skip
def test_a_token_that_does_not_hold_does_not(
    issuer: tuple[Settings, Callable[..., str]], changes: dict[str, Any]
) -> None:
    settings, issue = issuer
    reply = calls(guarded(inside, settings))("POST", "/v1/decisions", issue(**changes))
    problem(reply, 401, "not-authenticated")


def test_the_public_key_is_no_secret_to_sign_with(
    issuer: tuple[Settings, Callable[..., str]], tmp_path: Path
) -> None:
    """The classic confusion of a public key with the secret of another algorithm."""
    import hashlib
    import hmac
    import json

    settings, _ = issuer
    assert settings.jwt_key is not None

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"sub": "x", "iss": "https://issuer", "aud": "yidaitong", "scope": "operate",
              "exp": time.time() + 60}  # fmt: skip
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    mac = hmac.new(settings.jwt_key.read_text().strip().encode(), signed.encode(), hashlib.sha256)
    token = signed + "." + base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
    problem(calls(guarded(inside, settings))("GET", "/v1/totals", token), 401, "not-authenticated")


def test_an_open_door_is_for_this_machine_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    none = tmp_path / "none.json"
    with caplog.at_level(logging.WARNING):
        for host in ("127.0.0.1", "::1", "localhost"):
            assert guarded(inside, Settings(host=host, keys=none)) is inside
    assert "no keys: whoever reaches 127.0.0.1 may do everything" in caplog.text
    for host in ("0.0.0.0", "192.168.1.7", "::", "example.com"):
        for opened in (False, True):
            with pytest.raises(KeysError, match="expected an address of this machine"):
                guarded(inside, Settings(host=host, keys=none, open=opened))
    Keys(none).add("someone", ["operate"], 60)
    assert isinstance(guarded(inside, Settings(host="0.0.0.0", keys=none)), Door)
    assert guarded(inside, Settings(keys=none, open=True)) is inside


def test_an_issuer_that_is_half_configured_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    for more in ({}, {"jwt_issuer": "x"}, {"jwt_audience": "x"}):
        with pytest.raises(KeysError, match="expected jwt_issuer and jwt_audience"):
            guarded(inside, Settings(jwt_key=tmp_path / "key", **more))
    with pytest.raises(KeysError, match="expected a key"):
        guarded(inside, Settings(jwt_key=tmp_path / "no", jwt_issuer="x", jwt_audience="x"))


def test_a_real_server_asks_for_keys_once_there_is_one(own_artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    _, token = Keys(path).add("scoring", ["apply"], 60)
    serve = serve_command(own_artifact, f"sqlite:///{tmp_path / 'ledger.db'}", ())
    told = ["/usr/bin/env", f"YIDAITONG_KEYS={path}"]
    with running(lambda port: [*told, *serve(port)]) as server:
        assert httpx.get(f"{server.url}/openapi.json", trust_env=False).status_code == 401
        given = {"authorization": f"Bearer {token}"}
        reply = httpx.get(f"{server.url}/openapi.json", headers=given, trust_env=False)
        assert reply.status_code == 200
        assert reply.headers["ratelimit"].startswith('"key";r=59')
