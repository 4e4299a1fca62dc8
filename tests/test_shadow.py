"""The shadow: the challenger decides every record once, apart, and can stop and go on."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from service.application import parse
from service.cli import app
from service.decide import DEFAULT_CATALOGUE, DEFAULT_POLICY, Decision, Engine
from service.ledger import open_ledger, verify
from service.process import running
from service.replay import replay
from service.shadow import Apart, ShadowError, follow
from tests.conftest import serve_command
from tests.databases import Database


@pytest.fixture
def stricter(artifact: Path, tmp_path: Path) -> Engine:
    """A challenger that lends to nobody whose probability of default is above 0.3 %."""
    path = tmp_path / "stricter.toml"
    path.write_text(DEFAULT_POLICY.read_text().replace("pd_12m, 0.08, 0.15", "pd_12m, 0.003, 0.15"))
    return Engine.load(artifact, path, DEFAULT_CATALOGUE)


@pytest.fixture
def urls(tmp_path: Path) -> tuple[str, str]:
    return f"sqlite:///{tmp_path / 'champion.db'}", f"sqlite:///{tmp_path / 'challenger.db'}"


def record(
    url: str, stories: dict[str, bytes], decided: Callable[..., Decision], first: int
) -> None:
    with open_ledger(url) as ledger:
        for at, body in enumerate(stories.values(), first):
            request = parse(body, date.max)
            decision = msgspec.structs.replace(decided(request), decision_id=f"{at:032x}")
            ledger.append_sync(decision.decision_id, body, msgspec.json.encode(decision))


def followed(urls: tuple[str, str], engine: Engine) -> list[Apart]:
    with open_ledger(urls[0], read_only=True) as champion, open_ledger(urls[1]) as challenger:
        return list(follow(champion, challenger, engine))


def test_every_record_is_decided_once_and_again_after_a_stop(
    urls: tuple[str, str], stories: dict[str, bytes], decided: Callable[..., Decision],
    stricter: Engine,
) -> None:  # fmt: skip
    record(urls[0], stories, decided, 1)
    first = followed(urls, stricter)
    assert [one.seq for one in first] == list(range(1, len(stories) + 1))
    assert {(one.champion, one.challenger) for one in first} >= {("decline", "decline")}
    assert followed(urls, stricter) == []
    record(urls[0], stories, decided, len(stories) + 1)
    assert [one.seq for one in followed(urls, stricter)] == list(
        range(len(stories) + 1, 2 * len(stories) + 1)
    )
    with open_ledger(urls[1], read_only=True) as challenger:
        records = list(challenger.records())
        assert [one.decision_id for one in records] == [
            f"{at:032x}" for at in range(1, 2 * len(stories) + 1)
        ]
        assert all(replay(one, stricter).same for one in records)
    assert verify(urls[1]).ok


def test_a_ledger_that_followed_another_is_refused(
    urls: tuple[str, str], stories: dict[str, bytes], decided: Callable[..., Decision],
    stricter: Engine,
) -> None:  # fmt: skip
    record(urls[0], stories, decided, 1)
    record(urls[1], stories, decided, 101)
    with pytest.raises(
        ShadowError,
        match=rf"record {len(stories)} of the challenger.s ledger is 0+{100 + len(stories):x}",
    ):
        followed(urls, stricter)


def test_a_ledger_of_several_writers_is_refused(
    urls: tuple[str, str], postgres: Database, stricter: Engine
) -> None:
    shared = postgres.url()
    with open_ledger(shared) as one, open_ledger(shared) as other:
        one.append_sync("a", b"q", b"a")
        other.append_sync("b", b"q", b"a")
    with pytest.raises(ShadowError, match=r"writers \[1, 2\]; expected one"):
        followed((shared, urls[1]), stricter)


def test_the_command_follows_a_ledger_that_a_server_writes(
    stories: dict[str, bytes], artifact: Path, urls: tuple[str, str], tmp_path: Path
) -> None:
    policy = tmp_path / "nobody.toml"
    policy.write_text(
        DEFAULT_POLICY.read_text().replace("pd_12m, 0.08, 0.15", "pd_12m, 0.0001, 0.15")
    )
    command = ["shadow", "--ledger", urls[0], "--to", urls[1], "--policy", str(policy),
               "--artifact", str(artifact), "--once"]  # fmt: skip
    headers = {"content-type": "application/json"}
    with running(serve_command(artifact, urls[0])) as server:
        for body in stories.values():
            httpx.post(f"{server.url}/v1/decisions", content=body, headers=headers, trust_env=False)
        ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert "challenger refer" in ran.output
    assert f"{len(stories)} decided, " in ran.output
