"""The door: who is asking, whether they may, and how often; in front of every route.

A caller shows an API key or, where one is configured, a JWT: `Authorization: Bearer`, or as the
password of Basic, which browsers ask for themselves. Without keys the door stands open, which only
a server on loopback allows.
"""

import base64
import binascii
import hashlib
import logging
import math
import re
import time
from typing import Any

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Asked

from service.keys import Keys, KeysError
from service.problem import Problem
from service.seen import seen
from service.settings import Settings

log = logging.getLogger("yidaitong")
OPEN = ("/healthz", "/readyz")
_BY_ID = r"/v1/decisions/[^/]+(/notice|/case|/offers/[^/]+/schedule)?"
_OF_APPLICANT = r"/v1/decisions/[^/]+/(disputes|person-requests|evidence)"
_RULES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("POST", r"/v1/(decisions|applications|consents|previews|recourse|scores)", ("apply", "lend")),
    ("POST", r"/v1/consents/[^/]+/revocation", ("apply", "lend")),
    ("POST", _OF_APPLICANT, ("apply", "lend")),
    ("GET", rf"{_BY_ID}|/v1/consents/[^/]+|/openapi\.json", ("apply", "lend", "audit")),
    ("POST", r"/v1/desk/.+", ("lend",)),
    ("POST", r"/v1/decisions/[^/]+/replay", ("lend", "audit")),
    ("GET", r"/metrics", ()),
    ("GET", r".*", ("lend", "audit")),
)
"""Method, path, scopes that may; `operate` may everything. The first that fits counts."""
_COMPILED = [(method, re.compile(path), {*may}) for method, path, may in _RULES]


class Caller(Struct, frozen=True):
    """Who is asking: a key's number or a token's subject, what they may, how often a minute."""

    name: str
    scopes: frozenset[str]
    per_minute: int

    @property
    def shown(self) -> str:
        """The caller as logs may know it: a token's subject can be a person's name."""
        kind, _, subject = self.name.partition(" ")
        return f"{kind} {hashlib.sha256(subject.encode()).hexdigest()[:12]}" if subject else kind


def guarded(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application behind its door; raises KeysError where an open one is not allowed."""
    if not settings.open and (settings.keys.exists() or settings.jwt_key is not None):
        tokens = None if settings.jwt_key is None else Tokens(settings)
        return Door(app, Keys(settings.keys), tokens, settings.jwt_per_minute)
    if not settings.on_loopback:
        raise KeysError(
            f"host: got {settings.host!r} with an open door, expected an address of this machine "
            "only, or keys: `yidaitong keys add NAME --scope operate` makes one"
        )
    if not settings.open:
        log.warning("no keys: whoever reaches %s may do everything", settings.host)
    return app


class Tokens:
    """JWTs of one issuer, checked by its public key (or a shared secret, for HS256)."""

    def __init__(self, settings: Settings) -> None:
        import jwt

        if settings.jwt_key is None or not settings.jwt_issuer or not settings.jwt_audience:
            raise KeysError("jwt_key: expected jwt_issuer and jwt_audience beside it")
        try:
            self._key = settings.jwt_key.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise KeysError(f"{settings.jwt_key}: {error}; expected a key") from None
        self._about: Any = {
            "algorithms": [settings.jwt_algorithm],  # never what the token says
            "issuer": settings.jwt_issuer,
            "audience": settings.jwt_audience,
            "options": {"require": ["exp", "sub"]},
            "leeway": 5,
        }
        self._decode, self._refused = jwt.decode, jwt.PyJWTError

    def read(self, token: str) -> tuple[str, frozenset[str]] | None:
        """Subject and scopes of a token; None for one that does not hold."""
        try:
            claims = self._decode(token, self._key, **self._about)
        except self._refused:
            return None
        scopes = claims.get("scope", "")
        return str(claims["sub"]), frozenset(scopes.split() if isinstance(scopes, str) else ())


class Door:
    """Lets a request through when its caller may; otherwise answers 401, 403 or 429."""

    def __init__(
        self, app: ASGIApp, keys: Keys, tokens: Tokens | None, token_per_minute: int
    ) -> None:
        from limits import RateLimitItemPerMinute, storage, strategies

        self._app, self._keys, self._tokens = app, keys, tokens
        self._token_per_minute = token_per_minute
        self._limiter = strategies.FixedWindowRateLimiter(storage.MemoryStorage())
        self._per_minute = RateLimitItemPerMinute

    async def __call__(self, asked: Asked, receive: Receive, send: Send) -> None:
        """One request, as ASGI defines it."""
        if asked["type"] != "http" or asked["path"] in OPEN:
            await self._app(asked, receive, send)
            return
        try:
            caller = self._caller(dict(asked["headers"]).get(b"authorization", b""))
            seen().caller = caller.shown
            _allowed(caller, asked["method"], asked["path"])
            told = self._counted(caller)
        except Problem as problem:
            seen().problem = problem.kind
            for part in problem.messages():
                await send(part)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        asked["caller"] = caller.name  # who is on record for what is changed
        await self._app(asked, receive, answer)

    def _caller(self, authorization: bytes) -> Caller:
        token = _token(authorization)
        key = self._keys.find(token)
        if key is not None:
            return Caller(key.key_id, frozenset(key.scopes), key.per_minute)
        found = self._tokens.read(token) if self._tokens is not None else None
        if found is None:
            said = "Expected a key or token that holds: `Authorization: Bearer KEY`."
            challenge = 'Bearer, Basic realm="key as password", charset="UTF-8"'
            raise Problem("not-authenticated", 401, said, headers={"WWW-Authenticate": challenge})
        return Caller(f"jwt {found[0]}", found[1], self._token_per_minute)

    def _counted(self, caller: Caller) -> list[tuple[bytes, bytes]]:
        """Headers that say how much of a caller's rate is left; raises Problem when none is."""
        most = self._per_minute(caller.per_minute)
        within = self._limiter.hit(most, caller.name)
        window = self._limiter.get_window_stats(most, caller.name)
        wait_s = max(1, math.ceil(window.reset_time - time.time()))
        told = {
            "RateLimit-Policy": f'"key";q={caller.per_minute};w=60',
            "RateLimit": f'"key";r={max(0, window.remaining)};t={wait_s}',
        }
        if not within:
            said = f"More than {caller.per_minute} requests in this minute."
            later = told | {"Retry-After": f"{wait_s}"}
            raise Problem("too-many-requests", 429, said, headers=later)
        return [(name.lower().encode(), value.encode()) for name, value in told.items()]


def _token(authorization: bytes) -> str:
    kind, _, rest = authorization.decode("latin-1").strip().partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            user_and_password = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return ""
        return user_and_password.partition(":")[2]
    return ""


def _allowed(caller: Caller, method: str, path: str) -> None:
    method = "GET" if method == "HEAD" else method
    fitting = (may for one, at, may in _COMPILED if one == method and at.fullmatch(path))
    may = next(fitting, set()) | {"operate"}
    if not caller.scopes & may:
        expected = " or ".join(sorted(may))
        said = f"{method} {path[:80]}: expected a key with the scope {expected}."
        raise Problem("not-allowed", 403, said)
