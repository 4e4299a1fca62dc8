"""The commands, as a newcomer types them."""

import asyncio
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import apsw
import msgspec
import pytest

from service.application import Request, parse
from service.cli import app
from service.consent import Grant
from service.decide import Decision, Engine, decide
from service.intake import ShortApplication, without_file
from service.ledger import open_ledger


def yidaitong(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *words], capture_output=True, text=True, cwd=cwd
    )


def test_an_application_is_printed_and_decided(artifact: Path, tmp_path: Path) -> None:
    printed = yidaitong("application", "--story", "young-shop")
    (tmp_path / "a.json").write_text(printed.stdout)
    decided = yidaitong("decide", str(tmp_path / "a.json"), "--artifact", str(artifact))
    assert decided.returncode == 0
    assert msgspec.json.decode(decided.stdout, type=Decision).verdict == "approve"


def test_stories_are_listed() -> None:
    listed = yidaitong("application").stdout
    assert "mask-maker" in listed
    assert "口罩" in listed


def test_an_application_is_made_without_its_credit_file(healthy: Request) -> None:
    short = without_file(msgspec.to_builtins(healthy.application))
    applied = msgspec.convert(short, ShortApplication)
    assert isinstance(applied.consent, Grant)
    assert applied.applicant == healthy.application.applicant


def test_an_exchange_is_not_started_with_what_it_does_not_know() -> None:
    done = yidaitong("exchange", "--delays", "stormy")
    assert done.returncode == 1
    assert "expected one of none, realistic" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_unknown_story_is_answered_with_the_known_ones() -> None:
    done = yidaitong("application", "--story", "unicorn")
    assert done.returncode == 1
    assert "expected one of mask-maker" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("decide", "nowhere.json"), "expected a file of applicant JSON"),
        (("train", "--world", "nowhere", "--out", "x"), "yidaitong generate"),
        (("generate", "--scenario", "flood", "--out", "x"), "expected a .toml file or one of"),
        (("verify", "--ledger", "sqlite:///nowhere.db"), "no such file"),
        (("verify", "--ledger", "mysql://x"), "expected sqlite:///relative.db"),
        (("replay", "x", "--artifact", "nowhere"), "yidaitong train --out"),
    ],
)
def test_a_mistake_is_one_sentence_not_a_traceback(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = yidaitong(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.fixture
def ledger(engine: Engine, stories: dict[str, bytes], tmp_path: Path) -> str:
    """A ledger of three decisions."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"

    async def record() -> None:
        with open_ledger(url) as opened:
            for i, body in enumerate(list(stories.values())[:3]):
                made = decide(
                    parse(body, date.max),
                    engine,
                    decision_id=f"d{i}",
                    decided_at=datetime.now(UTC),
                    tick=lambda: 0,
                )
                await opened.append(f"d{i}", body, msgspec.json.encode(made))

    asyncio.run(record())
    return url


def test_decisions_are_replayed_and_the_chain_verified(ledger: str, artifact: Path) -> None:
    one = yidaitong("replay", "d1", "--ledger", ledger, "--artifact", str(artifact))
    assert (one.returncode, one.stdout) == (
        0,
        "1 replayed, 1 with the same bytes, 0 different\n",
    )
    every = yidaitong("replay", "all", "--ledger", ledger, "--artifact", str(artifact))
    assert "3 replayed, 3 with the same bytes" in every.stdout
    verified = yidaitong("verify", "--ledger", ledger)
    assert verified.returncode == 0
    assert "3 records, 1 chain intact" in verified.stdout


def test_a_broken_chain_exits_1_and_names_the_place(ledger: str) -> None:
    connection = apsw.Connection(ledger.removeprefix("sqlite:///"))
    connection.execute("UPDATE record SET decision = x'7b7d' WHERE place = 2")
    done = yidaitong("verify", "--ledger", ledger)
    assert done.returncode == 1
    assert "broken at record 2" in done.stderr


def test_every_command_explains_itself() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert command.callback.__doc__
