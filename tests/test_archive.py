"""The archive: what decided is kept, found again after it changed, and never overwritten."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from service.archive import Archive, ArchiveError
from service.cli import app
from service.decide import DEFAULT_CATALOGUE, DEFAULT_POLICY, Decision, Engine, Versions
from service.ledger import open_ledger, versions_folder
from service.postgres_store import keep_files
from service.process import running
from tests.conftest import serve_command
from tests.databases import Database


@pytest.fixture
def kept(engine: Engine, artifact: Path, tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "versions")
    archive.keep(engine.versions, artifact, DEFAULT_POLICY, DEFAULT_CATALOGUE)
    return archive


def test_what_was_kept_is_found_and_nothing_else(
    kept: Archive, engine: Engine, artifact: Path, tmp_path: Path
) -> None:
    found = kept.engine(engine.versions)
    assert found is not None
    assert found.versions == engine.versions
    assert kept.engine(engine.versions) is found
    assert not list(kept.folder.rglob("*.part"))
    other = tmp_path / "other.toml"
    other.write_bytes(DEFAULT_POLICY.read_bytes() + b"\n")
    stranger = Engine.load(artifact, other).versions
    assert kept.engine(stranger) is None


def test_a_kept_file_is_not_overwritten_and_a_changed_one_is_refused(
    kept: Archive, engine: Engine, artifact: Path
) -> None:
    policy = next(kept.folder.glob("policy-*.toml"))
    policy.write_bytes(policy.read_bytes() + b"\n")
    kept.keep(engine.versions, artifact, DEFAULT_POLICY, DEFAULT_CATALOGUE)
    assert policy.read_bytes() == DEFAULT_POLICY.read_bytes() + b"\n"
    with pytest.raises(ArchiveError, match="one of them was changed"):
        Archive(kept.folder).engine(engine.versions)


def test_versions_kept_by_one_machine_are_found_on_another(
    engine: Engine, artifact: Path, tmp_path: Path, postgres: Database
) -> None:
    url = postgres.url()
    open_ledger(url).close()
    here, there = Archive(tmp_path / "here", url), Archive(tmp_path / "there", url)
    assert there.engine(engine.versions) is None
    here.keep(engine.versions, artifact, DEFAULT_POLICY, DEFAULT_CATALOGUE)
    found = there.engine(engine.versions)
    assert found is not None
    assert found.versions == engine.versions
    assert there.files(engine.versions) == here.files(engine.versions)
    assert set(here.files(engine.versions)) == {
        "scorecard.json", "card.json", "parity.json", "policy.toml", "catalogue.toml"
    }  # fmt: skip
    keep_files(url, {"../outside.toml": b""})
    with pytest.raises(ArchiveError, match="not a version"):
        there.fetch()


def test_decisions_are_replayed_with_what_decided_them(
    artifact: Path, stories: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    decided: Callable[..., Decision],
) -> None:  # fmt: skip
    """A server decides, the policy changes, another server decides: all replay alike."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    headers = {"content-type": "application/json"}
    policy = tmp_path / "policy.toml"
    for text in (DEFAULT_POLICY.read_text(), DEFAULT_POLICY.read_text() + "\n# changed\n"):
        policy.write_text(text)
        monkeypatch.setenv("YIDAITONG_POLICY", str(policy))
        with running(serve_command(artifact, url)) as server:
            for body in stories.values():
                posted = httpx.post(
                    f"{server.url}/v1/decisions", content=body, headers=headers, trust_env=False
                )
                assert posted.status_code == 201
    assert len(list(versions_folder(url).glob("policy-*.toml"))) == 2
    monkeypatch.delenv("YIDAITONG_POLICY")
    command = ["replay", "all", "--ledger", url, "--artifact", str(artifact)]
    ran = CliRunner().invoke(app, command)
    many = 2 * len(stories)
    told = f"{many} replayed, {many} with the same bytes" in ran.output
    assert (ran.exit_code, told) == (0, True), ran
    with open_ledger(url, read_only=True) as ledger:
        assert ledger.count() == many


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", "..", "x" * 65, "a\x00b"])
def test_a_version_that_is_a_path_names_no_file(tmp_path: Path, name: str) -> None:
    versions = Versions(scorecard="abc", policy=name, catalogue="abc")
    with pytest.raises(ArchiveError, match="expected a hash"):
        Archive(tmp_path).files(versions)
