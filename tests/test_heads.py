"""Heads kept apart: whatever is cut off after they were noted is missed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.chain import Head
from service.cli import app
from service.heads import note, noted
from service.ledger import open_ledger, verify
from service.signing import Signer, SigningError

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.of(tmp_path / "key.pem")


def test_lines_are_added_and_read_back(tmp_path: Path, signer: Signer) -> None:
    path, first, second = tmp_path / "heads", [Head(1, 5, "a" * 64)], [Head(2, 7, "b" * 64)]
    note(path, first, AT, signer)
    note(path, second, AT, signer)
    assert list(noted(path, signer.public_pem)) == first + second


@pytest.mark.parametrize("change", [(b'"1', b'"2'), (b"seq", b"sEq"), (b'":"', b'":'), (b"{", b"")])
def test_a_changed_line_is_named(
    tmp_path: Path, signer: Signer, change: tuple[bytes, bytes]
) -> None:
    path = tmp_path / "heads"
    for seq in (1, 2):
        note(path, [Head(1, seq, "1" * 64)], AT, signer)
    first, second = path.read_bytes().splitlines(keepends=True)
    changed = second.replace(*change, 1) if change[0] != b'"1' else second.replace(b"111", b"211")
    path.write_bytes(first + changed)
    with pytest.raises(SigningError, match="heads line 2"):
        list(noted(path, signer.public_pem))


def test_a_line_signed_with_another_key_is_refused(tmp_path: Path, signer: Signer) -> None:
    path, other = tmp_path / "heads", Signer.of(tmp_path / "other.pem")
    note(path, [Head(1, 1, "1" * 64)], AT, other)
    with pytest.raises(SigningError, match="another key"):
        list(noted(path, signer.public_pem))


def test_the_commands_find_a_cut_and_a_chain_that_is_gone(ledger_url: str, tmp_path: Path) -> None:
    files = ["--key", str(tmp_path / "key.pem")]
    runner, heads = CliRunner(), str(tmp_path / "apart" / "heads")
    check = ["verify", "--ledger", ledger_url, "--heads", heads, *files]
    with open_ledger(ledger_url) as ledger:
        for i in range(3):
            ledger.append_sync(f"d{i}", b"q", b"a")
        told = runner.invoke(app, ["heads", "--ledger", ledger_url, "--out", heads, *files])
        assert (told.exit_code, "1 chain, 3 records" in told.output) == (0, True), told.output
        ledger.append_sync("d3", b"q", b"a")
    ran = runner.invoke(app, check)
    assert (ran.exit_code, "4 records, 1 chain intact" in ran.output) == (0, True), ran.output

    kept = list(noted(Path(heads), Signer.of(tmp_path / "key.pem").public_pem))
    assert verify(ledger_url, None, kept).ok
    longer = [*kept, Head(1, 9, "0" * 64)]
    found = verify(ledger_url, None, longer)
    assert (found.broken_writer, found.broken_seq) == (1, 5)
    assert "cut off here: a head noted earlier is record 9" in str(found.what)
    gone = verify(ledger_url, None, [*kept, Head(2, 1, "0" * 64)])
    assert (gone.broken_writer, gone.broken_seq) == (2, 1)
    rewritten = verify(ledger_url, None, [Head(1, 2, "0" * 64)])
    assert (rewritten.broken_writer, rewritten.broken_seq) == (1, 2)
    assert "rewritten" in str(rewritten.what)
    note(Path(heads), longer, AT, Signer.of(tmp_path / "key.pem"))
    assert runner.invoke(app, check).exit_code == 1
