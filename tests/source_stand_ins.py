"""Sources that answer, hang or fail as told, in process: what the gateway is tested with."""

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from service.consent import ConsentRecord, Consents, Grant
from service.ledger import open_ledger
from service.outlet import Failed, Refused
from service.settings import Settings
from service.sources import Gateway, GatewaySettings

DAY = date(2026, 3, 2)
SETTINGS = GatewaySettings.load(Settings().sources_file)
EVIDENCE = "0123456789abcdef" * 4


class Sources:
    """Asked for sections of one credit file; counts the calls to each source.

    `ways` says how a source misbehaves: hangs, fails, refuses, garbage, or a function that makes
    the bytes it sends; None for a firm it does not know.
    """

    def __init__(self, file: dict[str, Any], delay_s: float = 0.05) -> None:
        self.file, self.delay_s = file, delay_s
        self.calls: dict[str, int] = {}
        self.ways: dict[str, Any] = {}
        self.before_answer: Callable[[], Any] = lambda: None
        self.closed = False
        self._sent: dict[str, bytes] = {}

    async def ask(self, source: str, consent: ConsentRecord, most_bytes: int) -> bytes | None:
        self.calls[source] = self.calls.get(source, 0) + 1
        way = self.ways.get(source, "")
        if way == "hangs":
            await asyncio.sleep(3_600)
        await asyncio.sleep(self.delay_s)
        self.before_answer()
        if way == "fails":
            raise Failed("it answered 503")
        if way == "refuses":
            raise Refused("it answered 403")
        if way == "garbage":
            return b'{"uscc":'
        if way is None:
            return None
        if callable(way):
            return bytes(way(self.answer(source)))
        if source not in self._sent:
            self._sent[source] = msgspec.json.encode(self.answer(source))
        return self._sent[source]

    def answer(self, source: str) -> dict[str, Any]:
        """What a source says when it is well."""
        return {
            "uscc": self.file["uscc"], "source": source, "answered_on": self.file["as_of"],
            "complete": True, "section": self.file.get(source),
        }  # fmt: skip

    async def close(self) -> None:
        self.closed = True


def consents(folder: Path) -> Consents:
    return Consents(open_ledger(f"sqlite:///{folder / 'consents.db'}"))


def grant(file: dict[str, Any], sources: Any, **changes: Any) -> Grant:
    """What the firm of a credit file signed on the day of the file."""
    signed = {"granted": file["as_of"], "expires": "2030-01-01", "evidence_sha256": EVIDENCE}
    return msgspec.convert(signed | {"sources": list(sources)} | changes, Grant)


def gateway(sources: Sources, kept: Consents, settings: GatewaySettings = SETTINGS) -> Gateway:
    """A gateway in virtual time."""
    return Gateway(settings, sources, kept, lambda: DAY, lambda: asyncio.get_running_loop().time())
