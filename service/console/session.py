"""Who is at the console: an officer's name in a signed cookie, and a token against forged posts.

There is no password: an officer signs in by choosing a name, which is fit for a room with a
projector and a server on loopback, and for nothing else.
"""

import secrets

import msgspec
from itsdangerous import BadSignature, URLSafeTimedSerializer
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from service.problem import Problem

COOKIE = "yidaitong"
LASTS_S = 12 * 3600


class Session(Struct, frozen=True):
    """One browser: its token, and the officer who signed in."""

    token: str
    officer: str | None = None


class Sessions:
    """Reads and writes sessions; the key is new with every start."""

    def __init__(self, officers: list[str]) -> None:
        self.officers = officers
        self._signer = URLSafeTimedSerializer(secrets.token_hex(32), "console")

    def of(self, request: Request) -> Session:
        """The session of a request; a new one when it bears none, or one not signed by us."""
        try:
            held = self._signer.loads(request.cookies.get(COOKIE, ""), max_age=LASTS_S)
            return msgspec.convert(held, Session)
        except (BadSignature, msgspec.ValidationError):
            return Session(secrets.token_hex(16))

    def keep(self, request: Request, response: Response, session: Session) -> None:
        """Give the browser its session."""
        response.set_cookie(
            COOKIE,
            str(self._signer.dumps(msgspec.to_builtins(session))),
            max_age=LASTS_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def checked(self, request: Request) -> Session:
        """The session of a post that bears its own token; raises Problem for a forged one."""
        session = self.of(request)
        given = request.headers.get("x-csrf-token", "")
        if not secrets.compare_digest(given.encode(), session.token.encode()):
            said = "x-csrf-token: expected the token of this session, from the page's meta tag."
            raise Problem("forged", 403, said)
        return session

    def officer(self, request: Request) -> str:
        """The officer who posts; raises Problem when nobody signed in."""
        session = self.checked(request)
        if session.officer is None:
            raise Problem("not-signed-in", 403, "Nobody is signed in; choose an officer first.")
        return session.officer
