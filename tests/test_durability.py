"""Kill the real server and the real database in the middle of a load: nothing acknowledged is lost.

The numbers are small here; `uv run python -m tests.faults` runs the same with large ones.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from service.process import running
from tests.conftest import serve_command
from tests.databases import Database
from tests.faults import Lost, break_and_mend, kill_database, kill_servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
KILLS, DATABASE_KILLS = 5, 2


@pytest.fixture
def body(stories: dict[str, bytes]) -> bytes:
    return stories["young-shop"]


def faulty(command: Callable[[int], Sequence[str]], fault: str) -> Callable[[int], list[str]]:
    """A command that serves, with a fault planted in it."""

    def planted(port: int) -> list[str]:
        python, _, module, *rest = command(port)
        assert module == "service.cli"
        return [python, "-m", "tests.faulty_server", fault, *rest]

    return planted


def test_kills_of_the_server_lose_nothing_and_record_nothing_twice(
    artifact: Path, body: bytes, ledger_url: str
) -> None:
    kills, servers = (KILLS, 1) if ledger_url.startswith("sqlite") else (2, 2)
    kill_servers(serve_command(artifact, ledger_url), ledger_url, body, kills, servers)


def test_a_reply_that_leaves_before_its_commit_is_caught(
    artifact: Path, body: bytes, tmp_path: Path
) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    with pytest.raises(Lost, match="acknowledged decisions are not there"):
        kill_servers(faulty(serve_command(artifact, ledger), "early"), ledger, body, 1)


def test_kills_of_the_database_lose_nothing_and_the_server_goes_on(
    artifact: Path, body: bytes
) -> None:
    database = Database()
    try:
        url = database.url()
        kill_database(serve_command(artifact, url), database, url, body, DATABASE_KILLS)
        url = database.url()
        command = faulty(serve_command(artifact, url), "lazy")
        with pytest.raises(Lost, match="acknowledged decisions are not there"):
            kill_database(command, database, url, body, 1)
    finally:
        database.stop()


@pytest.mark.parametrize("fault", ["full", "readonly"])
def test_a_disk_that_takes_no_more_gives_503_and_recovers_without_a_restart(
    artifact: Path, body: bytes, tmp_path: Path, fault: str
) -> None:
    ledger, switch = f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / f"disk.{fault}"
    command = faulty(serve_command(artifact, ledger), f"disk={tmp_path / 'disk'}")
    with running(command) as server:
        break_and_mend(server.url, ledger, body, switch.touch, switch.unlink)
