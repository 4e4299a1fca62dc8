"""The C2 of applications without a credit file: its arithmetic, and a run against stand-ins."""

import sys
from io import StringIO
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from service.load import Latency, LoadResult
from service.waits import Waits, measure, table

STAND_IN = """
import sys
import uvicorn

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    answers = {
        "/readyz": (200, b"{}"),
        "/v1/sources": (200, b'[{"source": "tax", "circuit": "open"}]'),
        "/v1/applications": (201 if sys.argv[2].startswith("http://") else 404, b"{}"),
    }
    status, body = answers[scope["path"]]
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", log_level="critical")
"""


def waits(max_us: float = 900_000.0, errors: int = 0) -> Waits:
    spread = Latency(100, 1e5, 1e5, 2e5, 8e5, 9e5, max_us)
    load = LoadResult("open", 1.0, 16, 10, 10, 100, errors, 0, 0, errors, spread, None)
    return Waits(profile="one-dead", deadline_ms=1_000, load=load, circuits_open=["tax"])


def test_the_deadline_is_kept_only_when_everyone_was_answered_within_it() -> None:
    assert waits().in_time
    assert not waits(max_us=1_000_001.0).in_time
    assert not waits(errors=1).in_time
    assert not replace(waits(), load=replace(waits().load, latency=None)).in_time


def test_each_profile_has_a_server_and_an_exchange_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    started: list[tuple[str, str]] = []

    def serve(port: int, ledger: str, exchange: str) -> list[str]:
        started.append(("server", exchange))
        assert ledger.startswith(f"sqlite:///{tmp_path}")
        return [sys.executable, str(script), str(port), exchange]

    def exchange(port: int, profile: str) -> list[str]:
        started.append(("exchange", profile))
        return [sys.executable, str(script), str(port), profile]

    found = measure(
        [b"{}"] * 50, serve, exchange, deadline_ms=1_000, rate=50, seconds=0.5,
        profiles=("none", "one-dead"), folder=tmp_path,
    )  # fmt: skip
    assert [one for kind, one in started if kind == "exchange"] == ["none", "one-dead"]
    assert [one.profile for one in found] == ["none", "one-dead"]
    assert all(one.load.requests == 25 and not one.load.errors for one in found)
    assert found[0].circuits_open == ["tax"]


def test_a_firm_is_asked_about_once() -> None:
    with pytest.raises(ValueError, match="got 100 applications, expected at most 9"):
        measure([b"{}"] * 9, lambda *_: [], lambda *_: [], deadline_ms=1, rate=10, seconds=10)


def test_the_table_shows_what_waiting_cost() -> None:
    paper = Console(file=StringIO(), width=160)
    paper.print(table([waits(), waits(max_us=3e6)]))
    assert isinstance(paper.file, StringIO)
    shown = paper.file.getvalue()
    for word in ("one-dead", "p99", "800", "900", "3,000", "yes", "no", "tax"):
        assert word in shown
