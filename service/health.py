"""Whether a server can do its work: GET /readyz; whatever cannot is named.

Ready means that a decision can be made, and that its record, an officer's word and a consent can be
written.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.application import parse
from service.body import answer
from service.decide import Engine, Versions, decide
from service.problem import FieldError, Problem

EXAMPLE = Path(__file__).parent / "examples.json"
"""The request that the API document shows: decided when a server is asked whether it is ready."""
CANNOT_WRITE = "a commit fails, or takes too long"
_EXPECTED = {"engine": "a decision on the API document's example"}
log = logging.getLogger("yidaitong")


class Health:
    """The parts of a server that must work; `stores` say whether they can write now."""

    def __init__(self, engine: Callable[[], Engine], stores: Mapping[str, Callable[[], bool]]):
        self._engine, self._stores = engine, stores
        self._decides: Versions | None = None  # the engine that was seen to decide

    def faults(self) -> dict[str, str]:
        """Each part that cannot do its work, with what is wrong; asks every part."""
        faults = {name: CANNOT_WRITE for name, can in self._stores.items() if not can()}
        try:
            self._try_engine()
        except Exception as error:  # whatever it is, no decision can be made
            log.error("engine: cannot decide the example", exc_info=error)
            faults["engine"] = type(error).__name__
        return faults

    def parts(self) -> dict[str, bool]:
        """Each part, and whether it can do its work."""
        faults = self.faults()
        return {name: name not in faults for name in ("engine", *self._stores)}

    async def readyz(self, _: Request) -> Response:
        """GET /readyz: 200 with what it decides with, or a problem that names what is wrong."""
        if faults := self.faults():
            errors = [
                FieldError(field=name, value=what, expected=_EXPECTED.get(name, "durable commits"))
                for name, what in faults.items()
            ]
            said = "; ".join(f"{name}: {what}" for name, what in faults.items()) + "."
            raise Problem("not-ready", 503, said, errors, {"Retry-After": "1"})
        parts = dict.fromkeys(("engine", *self._stores), True)
        return answer({"status": "ready", "parts": parts, "versions": self._engine().versions})

    def _try_engine(self) -> None:
        engine = self._engine()
        if engine.versions == self._decides:
            return
        body = msgspec.json.decode(EXAMPLE.read_bytes(), type=dict[str, msgspec.Raw])["Request"]
        decide(
            parse(bytes(body), date.max),
            engine,
            decision_id="ready",
            decided_at=datetime.now(UTC),
            tick=time.perf_counter_ns,
        )
        self._decides = engine.versions
