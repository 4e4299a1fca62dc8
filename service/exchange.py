"""The data exchange: one outlet, many sources, over HTTP; a stand-in for a real one.

It serves the sections of credit files it is given, as late and as faulty as a profile of
exchange.toml says, and nothing without a consent. Not a part of the server that decides.
"""

import asyncio
import math
import random
import re
import tomllib
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model.credit_file import SOURCES, Fault
from service.application import SourceName
from service.body import invalid, read
from service.consent import CONSENT, EVIDENCE
from service.problem import MEDIA_TYPE, Problem

PROFILES = Path(__file__).parent / "exchange.toml"
MOST_LISTED = 20
_Z99 = 2.3263478740408408  # the standard normal's 99th percentile
_SHA256 = re.compile(r"[0-9a-f]{64}")
_encode = msgspec.json.Encoder().encode
_sections = msgspec.json.Decoder(dict[str, Raw]).decode
Files = Callable[[str], bytes | None]
"""USCC -> the firm's latest credit file as JSON; None for a firm nobody knows."""


class Faults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the sources behave: delayed, slow or dead, and which share of calls fails."""

    delayed: bool = True
    error_rate: Annotated[float, Meta(ge=0, le=1)] = 0.0
    slow: list[SourceName] = []
    dead: list[SourceName] = []
    partial: list[SourceName] = []  # say that something is missing


class ExchangeFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """exchange.toml: delays by source and named profiles."""

    delay_ms: dict[str, tuple[float, float]]
    slow_ms: dict[str, tuple[float, float]]
    profile: dict[str, Faults]


class _Dated(Struct):
    uscc: str
    as_of: str


class LatestFiles:
    """The latest credit file of every firm, compressed: of some files given, and of a world.

    Raises FileNotFoundError for a folder that is no world.
    """

    def __init__(self, files: Iterable[bytes], world: Path | None) -> None:
        about, dated = msgspec.json.Decoder(_Dated).decode, dict[str, str]()
        self._kept: dict[str, bytes] = {}
        for stored in chain(files, () if world is None else _of_world(world)):
            file = about(stored)
            if file.as_of > dated.get(file.uscc, ""):
                dated[file.uscc], self._kept[file.uscc] = file.as_of, zlib.compress(stored, 1)

    @property
    def usccs(self) -> list[str]:
        """Every firm there is."""
        return [*self._kept]

    def file(self, uscc: str) -> bytes | None:
        """A firm's latest credit file as JSON; None for a firm nobody knows."""
        kept = self._kept.get(uscc)
        return None if kept is None else zlib.decompress(kept)


def _of_world(world: Path) -> Iterator[bytes]:
    from pyarrow.parquet import ParquetFile

    path = world / "credit_files.parquet"
    if not path.is_file():
        said = f"{path}: no such file; expected what `yidaitong generate` writes"
        raise FileNotFoundError(said)
    for batch in ParquetFile(path).iter_batches(1_000, columns=["credit_file"]):
        yield from (one.as_buffer().to_pybytes() for one in batch.column(0))


class Exchange:
    """The state of one exchange: its profile now, and who was asked about whom."""

    def __init__(self, files: Files, listed: Sequence[str], faults: Faults, seed: int) -> None:
        self.files, self.listed, self.faults = files, listed[:MOST_LISTED], faults
        self.asked: dict[str, dict[str, int]] = {}  # consent -> source -> calls
        self._random, self._file = random.Random(seed), exchange_file()

    async def section(
        self, uscc: str, source: str, consent: str, hung_up: Callable[[], Awaitable[object]]
    ) -> bytes:
        """What a source says of a firm, after its delay; raises Problem for a fault of its own.

        `hung_up` returns when the caller no longer waits: until then a dead source says nothing.
        """
        calls = self.asked.setdefault(consent, {})
        calls[source] = calls.get(source, 0) + 1
        faults = self.faults
        dead = source in faults.dead
        with suppress(TimeoutError):
            async with asyncio.timeout(None if dead else self._delay_s(source)):
                await hung_up()
        if dead or self._random.random() < faults.error_rate:
            raise Problem("source-unavailable", 503, f"The source {source} does not answer.")
        stored = self.files(uscc)
        if stored is None:
            raise Problem("firm-not-found", 404, f"No source knows a firm {uscc[:18]!r}.")
        file = _sections(stored)
        return _encode(
            {
                "uscc": uscc,
                "source": source,
                "answered_on": file["as_of"],
                "complete": source not in faults.partial,
                "section": file.get(source),
            }
        )

    def _delay_s(self, source: str) -> float:
        if source in self.faults.slow:
            table = self._file.slow_ms
        elif self.faults.delayed:
            table = self._file.delay_ms
        else:
            return 0.0
        median_ms, p99_ms = table.get(source, table["default"])
        sigma = math.log(p99_ms / median_ms) / _Z99
        return self._random.lognormvariate(math.log(median_ms), sigma) / 1e3


def exchange_file() -> ExchangeFile:
    """The packaged delays and profiles."""
    return msgspec.convert(tomllib.loads(PROFILES.read_text("utf-8")), ExchangeFile)


def create_exchange(exchange: Exchange) -> Starlette:
    """The web application of an exchange."""

    async def section(request: Request) -> Response:
        source = str(request.path_params["source"])
        if source not in SOURCES:
            said = f"No source {source[:40]!r}; expected one of {', '.join(SOURCES)}."
            raise Problem("source-not-found", 404, said)
        consent = request.headers.get(CONSENT, "")
        if not consent or not _SHA256.fullmatch(request.headers.get(EVIDENCE, "")):
            said = (
                f"Expected the headers {CONSENT} and {EVIDENCE}: nothing is said without consent."
            )
            raise Problem("consent-required", 401, said)

        async def hung_up() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        uscc = str(request.path_params["uscc"])
        return _json(await exchange.section(uscc, source, consent, hung_up))

    async def firms(_: Request) -> Response:
        return _json(_encode(list(exchange.listed)))

    async def calls(request: Request) -> Response:
        return _json(_encode(exchange.asked.get(str(request.path_params["consent"]), {})))

    async def faults(request: Request) -> Response:
        if request.method == "PUT":
            exchange.faults = await read(request, Faults)
        return _json(_encode(exchange.faults))

    async def ready(_: Request) -> Response:
        return _json(b'{"status":"ready"}')

    return Starlette(
        routes=[
            Route("/v1/firms", firms),
            Route("/v1/firms/{uscc}/sources/{source}", section),
            Route("/v1/calls/{consent}", calls),
            Route("/v1/faults", faults, methods=["GET", "PUT"]),
            Route("/readyz", ready),
        ],
        exception_handlers={Problem: _told, Fault: _told},
    )


def profile(name: str, dead: Sequence[Any] = (), slow: Sequence[Any] = ()) -> Faults:
    """A named profile with further sources dead or slow; raises Fault for an unknown name."""
    known = exchange_file().profile
    if name not in known:
        raise Fault("--delays", name, f"one of {', '.join(known)}")
    for option, given in (("--dead", dead), ("--slow", slow)):
        for source in given:
            if source not in SOURCES:
                raise Fault(option, source, f"one of {', '.join(SOURCES)}")
    found = known[name]
    return replace(found, dead=[*found.dead, *dead], slow=[*found.slow, *slow])


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _told(_: Request, error: Exception) -> Response:
    problem = invalid(error) if isinstance(error, Fault) else error
    assert isinstance(problem, Problem)
    return Response(problem.body(), problem.status, media_type=MEDIA_TYPE)
