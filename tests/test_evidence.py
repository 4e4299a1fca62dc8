"""Evidence: checked in a fresh interpreter without our package, and by openssl and sha256sum."""

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import apsw
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from service.archive import Archive
from service.chain import Key
from service.cli import app
from service.evidence import evidence
from service.evidence_check import signed
from service.ledger import Ledger, LedgerDamaged, LedgerError, open_ledger
from service.signing import Signer
from tests.releases import first_release


@pytest.fixture
def url(tmp_path: Path) -> str:
    return first_release(tmp_path)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.of(tmp_path / "key.pem")


def unpacked(url: str, seq: int, signer: Signer, folder: Path) -> Path:
    with open_ledger(url, read_only=True) as ledger:
        record = next(ledger.records({1: seq - 1}))
        packed = evidence(ledger, record.decision_id, Archive.beside(url), signer)
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        archive.extractall(folder)
    return folder


def checked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a third party would: Python alone, isolated, in the folder, our package out of reach."""
    command = [sys.executable, "-I", "-S", "check.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={})


def by_hand(folder: Path) -> list[int]:
    """The steps of README.txt."""
    readme = (folder / "README.txt").read_text()
    steps = ["sha256sum -c SHA256SUMS",
             "openssl pkeyutl -verify -pubin -inkey public_key.pem -rawin -in SHA256SUMS "
             "-sigfile SHA256SUMS.sig"]  # fmt: skip
    assert all(step in readme for step in steps)
    return [
        subprocess.run(step.split(), cwd=folder, capture_output=True, check=False).returncode
        for step in steps
    ]


def test_a_third_party_checks_it_offline_without_our_code(
    url: str, signer: Signer, tmp_path: Path
) -> None:
    folder = unpacked(url, 2, signer, tmp_path / "evidence")
    done = checked(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("ALL FITS\n")
    for said in (signer.fingerprint, "record 2 of writer 1", "decided with scorecard",
                 "decided with policy", "decided with catalogue"):  # fmt: skip
        assert said in done.stdout
    assert by_hand(folder) == [0, 0]
    (tmp_path / "lender.pem").write_bytes(signer.public_pem)
    assert checked(folder, str(tmp_path / "lender.pem")).returncode == 0
    (tmp_path / "other.pem").write_bytes(Signer.of(tmp_path / "other").public_pem)
    refused = checked(folder, str(tmp_path / "other.pem"))
    assert (refused.returncode, "not made with this key" in refused.stderr) == (1, True)


def test_a_flipped_byte_in_any_file_is_found(url: str, signer: Signer, tmp_path: Path) -> None:
    folder = unpacked(url, 1, signer, tmp_path / "evidence")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "check.py"]
    assert len(files) == 11
    for path in files:
        stored = path.read_bytes()
        at = len(stored) // 2
        path.write_bytes(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])
        assert checked(folder).returncode == 1, path.name
        assert by_hand(folder) != [0, 0], path.name
        path.write_bytes(stored)
    assert checked(folder).returncode == 0


def test_a_record_that_was_signed_but_is_not_the_ledgers_does_not_fit(
    url: str, signer: Signer, tmp_path: Path
) -> None:
    """The lender's own key does not help: request, decision and place must give the hash."""
    folder = unpacked(url, 1, signer, tmp_path / "evidence")
    other = unpacked(url, 3, signer, tmp_path / "other")
    for name in ("request.json", "record.json"):
        stored = (folder / name).read_bytes()
        (folder / name).write_bytes((other / name).read_bytes())
        names = [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
        sums = subprocess.run(
            ["sha256sum", *names], cwd=folder, capture_output=True, check=True
        ).stdout
        (folder / "SHA256SUMS").write_bytes(sums)
        (folder / "SHA256SUMS.sig").write_bytes(signer.sign(sums))
        done = checked(folder)
        assert (done.returncode, "hash of the record" in done.stderr) == (1, True)
        (folder / name).write_bytes(stored)


def test_the_key_it_came_under_is_part_of_the_hash(
    url: str, signer: Signer, tmp_path: Path
) -> None:
    with open_ledger(url) as ledger:
        earlier = next(ledger.records())
        ledger.append_sync(
            "keyed", earlier.request,
            earlier.decision.replace(earlier.decision_id.encode(), b"keyed"),
            Key.of("key", b"posted"),
        )  # fmt: skip
    folder = unpacked(url, 4, signer, tmp_path / "evidence")
    assert checked(folder).stdout.endswith("ALL FITS\n")


def test_nothing_is_signed_that_does_not_fit(url: str, signer: Signer) -> None:
    def made(ledger: Ledger, seq: int) -> bytes:
        record = next(ledger.records({1: seq - 1}))
        return evidence(ledger, record.decision_id, Archive.beside(url), signer)

    apsw.Connection(url.removeprefix("sqlite:///")).execute(
        "UPDATE record SET decision = x'7b7d' WHERE seq = 2"
    )
    with open_ledger(url, read_only=True) as ledger:
        with pytest.raises(LedgerDamaged, match="record 2 of writer 1"):
            made(ledger, 2)
        assert made(ledger, 1)
        with pytest.raises(LedgerError, match="not in the ledger"):
            evidence(ledger, "none", Archive.beside(url), signer)


def test_the_command_writes_it(url: str, tmp_path: Path) -> None:
    with open_ledger(url, read_only=True) as ledger:
        decision_id = next(ledger.records()).decision_id
    key, out = tmp_path / "new" / "key.pem", tmp_path / "evidence.zip"
    command = ["evidence", decision_id, "--out", str(out), "--ledger", url, "--key", str(key)]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert Signer.of(key).fingerprint in ran.output
    assert len(zipfile.ZipFile(out).namelist()) == 12


@settings(deadline=None, max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 511))
def test_the_stand_alone_check_agrees_with_the_library(
    seed: bytes, content: bytes, bit: int
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(content)
    assert signed(public, signature, content)
    flipped = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(64, "big")
    assert not signed(public, flipped, content)
    assert not signed(public, signature, content + b"x")
