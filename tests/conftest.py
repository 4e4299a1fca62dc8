"""What tests share: one small world, the scorecard trained on it, the stories, an engine."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model import flat
from model.artifact import Card
from model.credit_file import CreditFile
from model.training import train
from service import cli
from service.application import Request, parse
from service.decide import Decision, Engine, decide
from service.process import Server, running
from service.settings import Settings
from synthetic_data.stories import STORIES, application
from synthetic_data.world import generate
from tests.databases import Database
from tests.own_loans import written


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of 2,000 firms and 36 months."""
    folder = tmp_path_factory.mktemp("world")
    generate(folder, 2_000, 36, 7)
    return folder


@pytest.fixture(scope="session")
def artifact_and_card(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Card]:
    folder = tmp_path_factory.mktemp("artifact")
    return folder, train(world, folder)


@pytest.fixture(scope="session")
def artifact(artifact_and_card: tuple[Path, Card]) -> Path:
    return artifact_and_card[0]


@pytest.fixture(scope="session")
def own_loans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lender's own table of past loans, as Parquet."""
    return written(tmp_path_factory.mktemp("loans"))


@pytest.fixture(scope="session")
def own_artifact(own_loans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorecard trained on that table, its latest third held out."""
    folder = tmp_path_factory.mktemp("own")
    flat.train(own_loans, "result", folder, positive="charged off", time="approved_on")
    return folder


@pytest.fixture(scope="session")
def engine(artifact: Path) -> Engine:
    return Engine.load(artifact)


@pytest.fixture(scope="session")
def stories() -> dict[str, bytes]:
    """Story code -> applicant JSON as posted."""
    return {code: msgspec.json.encode(application(code)) for code in STORIES}


@pytest.fixture(scope="session")
def healthy(stories: dict[str, bytes]) -> Request:
    """A request that parses, whose parts tests change one at a time."""
    return parse(stories["young-shop"], date.max)


@pytest.fixture(scope="session")
def decided(engine: Engine) -> Callable[[Request], Decision]:
    """decide() with a fixed id, time and clock."""

    def run(request: Request) -> Decision:
        return decide(
            request,
            engine,
            decision_id="0" * 32,
            decided_at=datetime(2026, 1, 1, tzinfo=UTC),
            tick=lambda: 0,
        )

    return run


@pytest.fixture(scope="session")
def credit_files(world: Path) -> list[CreditFile]:
    """Some hundreds of credit files of the world."""
    import pandas as pd

    stored: list[Any] = list(pd.read_parquet(world / "credit_files.parquet")["credit_file"][:600])
    decode = msgspec.json.Decoder(CreditFile).decode
    return [decode(one) for one in stored]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Database]:
    """A real PostgreSQL, started for the tests that ask for one."""
    database = Database()
    yield database
    database.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger in either store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    database: Database = request.getfixturevalue("postgres")
    return database.url()


@pytest.fixture
def settings(artifact: Path, tmp_path: Path) -> Settings:
    """Settings of a server with nothing but an artefact; everything it writes is its own."""
    return Settings(
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}", artifact=artifact, showcase=tmp_path / "none",
        keys=tmp_path / "keys.json",
    )  # fmt: skip


@pytest.fixture(scope="session")
def server(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server in a process of its own, with a ledger of its own."""
    ledger = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
    with running(serve_command(artifact, ledger)) as started:
        yield started


@pytest.fixture(scope="session")
def showcase(world: Path, artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A showcase of the small world."""
    folder = tmp_path_factory.mktemp("showcase")
    cli.showcase(world, folder, artifact)
    return folder


@pytest.fixture(scope="session")
def serve_showcase(
    artifact: Path, showcase: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], list[str]]:
    """The command that serves the small world's showcase with a ledger of its own."""
    ledger = f"sqlite:///{tmp_path_factory.mktemp('console') / 'ledger.db'}"
    serve = serve_command(artifact, ledger)
    return lambda port: [*serve(port), "--showcase", str(showcase)]


def serve_command(
    artifact: Path, ledger: str, words: Sequence[str] = ("--open",)
) -> Callable[[int], list[str]]:
    """The command that serves an artefact on a port, to everyone on this machine."""
    return lambda port: [
        sys.executable, "-m", "service.cli", "serve", "--port", str(port),
        "--artifact", str(artifact), "--ledger", ledger, "--showcase", str(artifact / "none"),
        *words,
    ]  # fmt: skip


def exchange_command(*words: str) -> Callable[[int], list[str]]:
    """The command that starts a data exchange on a port, with the stories' firms only."""
    return lambda port: [
        sys.executable, "-m", "service.cli", "exchange", "--port", str(port), "--delays", "none",
        *words,
    ]  # fmt: skip
