"""Hot swaps: never a mixed or lost decision, back in one call, what is damaged is refused."""

import asyncio
import dataclasses
import logging
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp
from typer.testing import CliRunner

from model import artifact as artifacts
from service import server
from service.application import parse
from service.archive import Archive, ArchiveError
from service.backup import backup
from service.chain import Record
from service.cli import app
from service.decide import DEFAULT_CATALOGUE, DEFAULT_POLICY, Engine, Versions, decide
from service.ledger import LedgerUnavailable, ledger_beside, open_ledger
from service.problem import Problem
from service.process import running
from service.replay import replay, versions_of
from service.settings import Settings
from service.swaps import SWAPS, Back, Wanted, check
from service.versions import Swaps
from tests import variants
from tests.conftest import serve_command
from tests.databases import Database

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def releases(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return variants.releases(tmp_path_factory.mktemp("releases"), artifact, 3)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def opened(url: str, artifact: Path, releases: Path, policy: Path = DEFAULT_POLICY) -> Swaps:
    """The swaps of a server that starts with some settings."""
    engine, archive = Engine.load(artifact, policy), Archive.beside(url)
    archive.keep(engine.versions, artifact, policy, DEFAULT_CATALOGUE)
    return Swaps.beside(url, engine, archive, releases)


@pytest.fixture
def swaps(url: str, artifact: Path, releases: Path) -> Iterator[Swaps]:
    made = opened(url, artifact, releases)
    yield made
    made.close()


def now(swaps: Swaps) -> Versions:
    return swaps.now.engine.versions


async def lived(app: ASGIApp, work: Any) -> None:
    """Start an application, work with it, close it."""
    asked: asyncio.Queue[Any] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        await work(client)
    await asked.put({"type": "lifespan.shutdown"})
    await life


def test_swaps_under_load_lose_and_mix_nothing(
    url: str, engine: Engine, artifact: Path, releases: Path, stories: dict[str, bytes],
    tmp_path: Path,
) -> None:  # fmt: skip
    """Each decision is made again, byte for byte, with the one set whose versions it names."""
    settings = Settings(
        ledger=url, artifact=artifact, releases=releases, showcase=tmp_path / "none"
    )
    sets, told = [engine.versions], []

    async def work(client: httpx.AsyncClient) -> None:
        done = asyncio.Event()

        async def post(body: bytes) -> None:
            while not done.is_set():
                at = len(sets)
                reply = await client.post("/v1/decisions", content=body, headers=JSON)
                assert reply.status_code == 201, reply.text
                told.append((at, reply.json()["versions"]))

        async def swap() -> None:
            for nth in range(6):
                part = ("scorecard", "policy", "catalogue")[nth % 3]
                name = f"{part[0]}{nth // 3}" + ".toml" * (part != "scorecard")
                await change("/v1/swaps", {part: name})
                if nth == 1:
                    await change("/v1/rollbacks", {"said": "worse"})
            done.set()

        async def change(path: str, body: dict[str, str]) -> None:
            reply = await client.post(path, json=body)
            assert reply.status_code == 201, reply.text
            sets.append(msgspec.convert(reply.json()["versions"], Versions))
            assert (await client.get("/readyz")).json()["versions"] == reply.json()["versions"]
            answered = await client.post("/v1/scores", json={})
            assert answered.json()["versions"]["scorecard"] == sets[-1].scorecard

        await asyncio.gather(
            swap(), *(post(stories[code]) for code in ("mask-maker", "young-shop"))
        )
        shown = (await client.get("/v1/policy")).json()
        assert shown["version"] == sets[-1].policy
        assert shown["text"] == (releases / "p1.toml").read_text()
        assert (await client.get("/v1/scorecard")).json()["scorecard"]["scale"]["base_score"] == 602
        assert (await client.get("/v1/catalogue")).json()["version"] == sets[-1].catalogue
        live = (await client.get("/v1/versions")).json()
        assert (live["number"], live["by"], live["parity_rows"]) == (7, "open door", 64)
        assert [one["kind"] for one in live["swaps"]].count("rollback") == 1

    asyncio.run(lived(server.make(settings, engine), work))
    for at, versions in told:  # what was in force when it was posted, or came in since
        assert msgspec.convert(versions, Versions) in sets[at - 1 :]
    archive, seen = Archive.beside(url), set()
    with open_ledger(url, read_only=True) as ledger:
        assert ledger.count() == len(told)
        for record in ledger.records():
            made_with = archive.engine(versions_of(record))
            assert made_with is not None
            assert replay(record, made_with).same
            seen.add(versions_of(record))
    assert len(seen) >= 4
    found = check(url)
    assert found is not None
    assert (found.chain.records, found.what) == (7, None)


def test_a_mixture_would_be_noticed(
    engine: Engine, artifact: Path, releases: Path, stories: dict[str, bytes]
) -> None:
    """One part of another set under the versions of this one does not replay."""
    other = Engine.load(releases / "s0", releases / "p0.toml", releases / "c0.toml")
    asked = parse(stories["mask-maker"], date.max)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for part in ("scorer", "policy", "catalogue"):
        mixed = dataclasses.replace(engine, **{part: getattr(other, part)})
        told = decide(asked, mixed, decision_id="1", decided_at=at, tick=lambda: 0)
        record = Record(1, "1", stories["mask-maker"], msgspec.json.encode(told), "", "")
        assert versions_of(record) == engine.versions
        assert replay(record, other).same is replay(record, engine).same is False, part


def refused(swaps: Swaps, wanted: Wanted) -> str:
    before, number = swaps.now, swaps.live().number
    with pytest.raises(Problem) as problem:
        swaps.swap(wanted, "key 7")
    assert problem.value.status == 422
    (error, *_) = problem.value.document.errors
    assert error.value is not None
    assert getattr(wanted, error.field) is not None
    assert (swaps.now, swaps.live().number) == (before, number)
    return problem.value.document.detail


def test_what_is_damaged_or_wrong_is_refused_and_nothing_changes(
    swaps: Swaps, artifact: Path, own_artifact: Path, releases: Path, tmp_path: Path
) -> None:
    (swaps._releases) = folder = Path(shutil.copytree(releases, tmp_path / "releases"))
    card = folder / "s1" / artifacts.SCORECARD
    card.write_bytes(card.read_bytes().replace(b'"yidaitong"', b'"somebody"', 1))
    assert "s1/scorecard.json: SHA-256 is" in refused(swaps, Wanted(scorecard="s1"))
    variants.scorecard(folder / "s0", folder / "unlike", 1)
    shutil.copy(folder / "s0" / artifacts.PARITY, folder / "unlike")
    sample = artifacts.sha256((folder / "unlike" / artifacts.PARITY).read_bytes())
    about = artifacts.load_card(folder / "unlike")
    hashes = about.hashes | {artifacts.PARITY: sample}
    (folder / "unlike" / artifacts.CARD).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(about, hashes=hashes))
    )
    said = refused(swaps, Wanted(scorecard="unlike"))
    assert "parity.json: row 0: points: got" in said
    strange = folder / "strange"
    shutil.copytree(folder / "s0", strange)
    text = (strange / artifacts.SCORECARD).read_bytes().replace(b'"tax_paid', b'"tax_prayed')
    (strange / artifacts.SCORECARD).write_bytes(text)
    bare = msgspec.structs.replace(about, hashes={artifacts.SCORECARD: artifacts.sha256(text)})
    (strange / artifacts.CARD).write_bytes(msgspec.json.encode(bare))
    assert "which the portrait does not have" in refused(swaps, Wanted(scorecard="strange"))
    shutil.copytree(own_artifact, folder / "own")
    assert "lender's own table" in refused(swaps, Wanted(scorecard="own"))
    policy = (folder / "p0.toml").read_text()
    (folder / "age.toml").write_text(policy.replace("firm_age_months < 12'", "firm_age < 12'", 1))
    assert "'firm_age' is not a fact" in refused(swaps, Wanted(policy="age.toml"))
    never = policy.replace("firm_age_months < 12'", "firm_age_months < -12'", 1)
    (folder / "never.toml").write_text(never)
    assert "the linter finds 2 mistakes" in refused(swaps, Wanted(policy="never.toml"))
    products = (folder / "c0.toml").read_text().replace("[[product]]", "[[gift]]", 1)
    (folder / "gift.toml").write_text(products)
    assert "catalogue: gift: got" in refused(swaps, Wanted(catalogue="gift.toml"))


@pytest.mark.parametrize("name", ["../ledger.db", "/etc/passwd", "..", "out.toml", "none", ".p0"])
def test_nothing_outside_the_folder_of_releases_is_read(
    swaps: Swaps, name: str, releases: Path, tmp_path: Path
) -> None:
    swaps._releases = folder = tmp_path / "releases"
    folder.mkdir()
    (folder / "out.toml").symlink_to(DEFAULT_POLICY)
    refused(swaps, Wanted(policy=name))
    refused(swaps, Wanted(scorecard=name, policy=None))


def test_a_roll_back_goes_back_step_by_step_and_only_upon_the_latest(swaps: Swaps) -> None:
    first = now(swaps)
    one = swaps.swap(Wanted(policy="p0.toml", said="summer"), "key 7")
    two = swaps.swap(Wanted(scorecard="s0", after=1), "key 7")
    assert one is not None
    assert two is not None
    assert swaps.live().before == one.versions
    with pytest.raises(Problem, match="expected 2, the number of the latest"):
        swaps.rollback(Back(after=1), "key 8")
    assert swaps.rollback(Back(after=2), "key 8").versions == one.versions == now(swaps)
    assert swaps.rollback(Back(), "key 8").versions == first == now(swaps)
    with pytest.raises(Problem, match="Nothing was swapped in"):
        swaps.rollback(Back(), "key 8")
    assert swaps.swap(Wanted(), "key 7") is None
    third = swaps.swap(Wanted(policy="p0.toml"), "key 7")
    assert third is not None
    assert third.versions == one.versions
    again = swaps.swap(Wanted(scorecard=two.versions.scorecard), "key 7")  # by its hash
    assert again is not None
    assert (again.versions, again.number) == (two.versions, 6)
    assert [one.by for one in reversed(swaps.live().swaps)] == ["key 7"] * 2 + ["key 8"] * 2 + [
        "key 7"
    ] * 2


def test_after_a_restart_the_latest_word_counts(
    url: str, artifact: Path, releases: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    swaps = opened(url, artifact, releases)
    at_first = now(swaps)
    swaps.swap(Wanted(policy="p1.toml"), "key 7")
    swapped = now(swaps)
    swaps.close()
    swaps = opened(url, artifact, releases)  # the settings say what they said: the swap counts
    with caplog.at_level(logging.WARNING):
        assert now(swaps) == swapped != at_first
    swaps.close()
    swaps = opened(url, artifact, releases, releases / "p2.toml")  # they say something new
    settings = now(swaps)
    live = swaps.live()
    assert (live.kind, live.number, live.before) == ("settings", 2, swapped)
    assert settings.policy not in (swapped.policy, at_first.policy)
    swaps.close()
    swaps = opened(url, artifact, releases, releases / "p2.toml")
    assert (now(swaps), swaps.live().number) == (settings, 2)
    assert swaps.rollback(Back(), "key 7").versions == swapped
    swaps.close()
    kept = Archive.beside(url).paths(swapped)[1]
    kept.write_bytes(kept.read_bytes() + b"\n")
    with pytest.raises(ArchiveError, match="one of them was changed"):
        opened(url, artifact, releases, releases / "p2.toml")
    ran = CliRunner().invoke(app, ["verify", "--ledger", url])
    assert ran.exit_code == 1


def test_what_was_damaged_in_the_archive_does_not_come_back(swaps: Swaps) -> None:
    swaps.swap(Wanted(policy="p0.toml"), "key 7")
    kept = swaps._archive.paths(swaps.live().before or now(swaps))[1]
    kept.write_bytes(kept.read_bytes() + b"\n")
    with pytest.raises(Problem, match="one of them was changed"):
        swaps.rollback(Back(), "key 7")
    with pytest.raises(Problem, match="unchanged; its hash is"):
        swaps.swap(Wanted(policy=kept.stem.removeprefix("policy-")), "key 7")


def test_a_swap_that_cannot_be_recorded_does_not_happen(swaps: Swaps) -> None:
    before = swaps.now
    swaps._events.close()
    with pytest.raises(LedgerUnavailable):
        swaps.swap(Wanted(policy="p0.toml"), "key 7")
    assert swaps.now is before


def test_servers_that_share_a_ledger_follow_and_take_turns(
    artifact: Path, releases: Path, postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.versions.FOLLOW_S", 0.02)
    url = postgres.url()
    open_ledger(url).close()
    here, there = opened(url, artifact, releases), opened(url, artifact, releases)
    try:
        made = here.swap(Wanted(policy="p0.toml"), "key 7")
        assert made is not None
        until = time.monotonic() + 10
        while now(there) != made.versions and time.monotonic() < until:
            time.sleep(0.01)
        assert now(there) == made.versions
        assert there.swap(Wanted(policy="p0.toml"), "key 8") is None
        second = there.swap(Wanted(catalogue="c0.toml"), "key 8")
        back = here.rollback(Back(), "key 7")
        assert second is not None
        assert (second.number, back.number, back.versions) == (2, 3, made.versions)
        found = check(url)
        assert found is not None
        assert (found.chain.ok, found.chain.records, found.what) == (True, 3, None)
    finally:
        here.close()
        there.close()


def test_a_server_that_cannot_follow_decides_as_before_and_says_so(
    artifact: Path, releases: Path, postgres: Database, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("service.versions.FOLLOW_S", 3600)
    url = postgres.url()
    open_ledger(url).close()
    here, there = opened(url, artifact, releases), opened(url, artifact, releases)
    try:
        before = now(there)
        here.swap(Wanted(policy="p0.toml"), "key 7")
        kept = there._archive.paths(now(here))[1]
        whole = kept.read_bytes()
        kept.write_bytes(whole + b"\n")
        with pytest.raises(Problem, match=r"cannot be followed here: .* was changed"):
            there.swap(Wanted(policy="p1.toml"), "key 8")
        assert (now(there), there.live().versions) == (before, before)
        assert "was changed" in str(there.live().behind)
        kept.write_bytes(whole)
        back = there.rollback(Back(), "key 8")
        assert (back.number, now(there), there.live().behind) == (2, before, None)
    finally:
        here.close()
        there.close()


def test_a_backup_holds_the_swaps_and_what_they_brought_in(
    url: str, swaps: Swaps, artifact: Path, releases: Path, tmp_path: Path
) -> None:
    swaps.swap(Wanted(policy="p0.toml", scorecard="s0"), "key 7")
    open_ledger(url).close()
    assert backup(url, tmp_path / "copy.db").beside["swaps"].records == 1
    copy = f"sqlite:///{tmp_path / 'copy.db'}"
    found = check(copy)
    assert found is not None
    assert (found.chain.ok, found.what) == (True, None)
    again = opened(copy, artifact, releases)
    assert now(again) == now(swaps)
    again.close()


def test_verify_finds_a_swap_that_was_changed(url: str, swaps: Swaps) -> None:
    assert check(url) is None
    swaps.swap(Wanted(policy="p0.toml", said="a good reason"), "key 7")
    swaps.close()
    path = Path(ledger_beside(url, SWAPS).removeprefix("sqlite:///"))
    open_ledger(url).close()
    ran = CliRunner().invoke(app, ["verify", "--ledger", url])
    assert "1 swaps, intact" in ran.output
    path.write_bytes(path.read_bytes().replace(b"a good reason", b"another reaso"))
    ran = CliRunner().invoke(app, ["verify", "--ledger", url])
    assert (ran.exit_code, "swaps: broken at record 1" in ran.output) == (1, True), ran.output


def test_the_command_swaps_shows_and_brings_back(url: str, artifact: Path, releases: Path) -> None:
    serve = serve_command(artifact, url)
    told = ["env", f"YIDAITONG_RELEASES={releases}"]

    def run(*words: str) -> tuple[int, str]:
        ran = CliRunner().invoke(app, ["swap", "--server", started.url, *words])
        return ran.exit_code, ran.output

    with running(lambda port: [*told, *serve(port)]) as started:
        assert "by the settings since" in run()[1]
        code, said = run("--policy", "p0.toml", "--said", "summer")
        assert (code, "swap 1: decides with" in said) == (0, True), said
        code, said = run("--catalogue", "p0.toml")
        assert (code, "catalogue: got 'p0.toml'" in said or "catalogue:" in said) == (1, True), said
        assert run("--back")[0] == 0
        assert run("--back")[0] == 1
        assert run("--back", "--policy", "p0.toml")[0] == 1
        assert "rollback 2 since" in run()[1]
    assert run()[0] == 1
