"""API keys: shown once, kept as hashes, taken back at once."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import keys as kept
from service.keyring import app
from service.keys import Keys, KeysError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "keys.json"


def test_a_key_is_found_by_itself_alone(path: Path) -> None:
    keys = Keys(path)
    key, token = keys.add("desk 1", ["apply"], 60)
    other, other_token = keys.add("auditor", ["audit", "lend"], 60)
    assert keys.find(token) == key
    assert keys.find(other_token) == other
    swapped = token.rpartition("_")[0] + "_" + other_token.rpartition("_")[2]
    for wrong in ("", token[:-1], token + "x", swapped, key.sha256, key.key_id, "ydt_", "é" * 9):
        assert keys.find(wrong) is None, wrong


def test_the_file_holds_hashes_for_its_owner_alone(path: Path) -> None:
    _, token = Keys(path).add("desk", ["apply"], 60)
    text = path.read_text()
    assert token not in text
    assert token.rpartition("_")[2] not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(path.parent.glob("*.new"))


def test_a_key_taken_back_stops_working_in_another_process_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FRESH_S", 0.0)
    office = Keys(path)
    key, token = office.add("desk", ["apply"], 60)
    server = Keys(path)
    assert server.find(token) == key
    taken_back = office.revoke(key.key_id)
    assert server.find(token) is None
    assert office.revoke(key.key_id) == taken_back, "once and for all"
    assert server.list() == [taken_back]


def test_nobody_gets_in_by_deleting_or_damaging_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FRESH_S", 0.0)
    _, token = Keys(path).add("desk", ["apply"], 60)
    server = Keys(path)
    assert server.find(token)
    stored = path.read_text()
    path.write_bytes(b'[{"key_id":"\xff"}]')
    assert server.find(token), "a file that is no text is passed over, too"
    with pytest.raises(KeysError, match="expected what `keys add` writes"):
        Keys(path)
    path.write_text("[{")
    assert server.find(token), "what was read last goes on"
    with pytest.raises(KeysError, match="expected what `keys add` writes"):
        Keys(path)
    path.unlink()
    assert server.find(token) is None
    path.write_text(stored)
    assert server.find(token)


def test_what_is_no_key_is_refused_with_what_was_expected(path: Path) -> None:
    keys = Keys(path)
    for name, scopes, per_minute in (("", ["apply"], 1), ("x", [], 1), ("x", ["all"], 1),
                                     ("x", ["apply"], 0)):  # fmt: skip
        with pytest.raises(KeysError, match="expected a name, and scopes of apply, lend, audit"):
            keys.add(name, scopes, per_minute)
    with pytest.raises(KeysError, match="got 'none', expected one of none"):
        keys.revoke("none")
    assert not path.exists()


def test_keys_are_made_listed_and_taken_back_on_the_command_line(path: Path) -> None:
    def yidaitong(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--keys", str(path)], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    token, about = yidaitong("add", "desk 1", "--scope", "apply", "--scope", "audit").splitlines()
    key = Keys(path).find(token)
    assert key is not None
    assert about == f"{key.key_id}  desk 1: apply, audit"
    yidaitong("revoke", key.key_id)
    assert "desk 1: apply, audit, 600 a minute, revoked 20" in yidaitong("list")
    assert Keys(path).find(token) is None
