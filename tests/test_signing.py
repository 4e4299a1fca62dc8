"""The signing key: made once, for its owner alone; what it signed, and nothing else, fits."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.signing import Signer, SigningError, check


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing_key.pem"
    old = os.umask(0)
    try:
        made = Signer.of(path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    again = Signer.of(path)
    assert (again.public_pem, again.fingerprint) == (made.public_pem, made.fingerprint)
    assert [each.name for each in path.parent.iterdir()] == ["signing_key.pem"]
    check(again.public_pem, made.sign(b"content"), b"content", "it")


def test_what_was_changed_or_signed_by_another_does_not_fit(tmp_path: Path) -> None:
    one, other = Signer.of(tmp_path / "one"), Signer.of(tmp_path / "other")
    signature = one.sign(b"content")
    for pem, signed, content in (
        (one.public_pem, signature, b"Content"),
        (one.public_pem, signature[:-1] + bytes([signature[-1] ^ 1]), b"content"),
        (other.public_pem, signature, b"content"),
    ):
        with pytest.raises(SigningError, match="the letter: the signature does not fit"):
            check(pem, signed, content, "the letter")


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    Signer.of(path)
    path.chmod(0o640)
    with pytest.raises(SigningError, match="got 640, expected 600"):
        Signer.of(path)
    path.chmod(0o600)
    path.write_bytes(b"no key")
    with pytest.raises(SigningError, match="no private key"):
        Signer.of(path)
    with pytest.raises(SigningError, match="not in PEM form"):
        check(b"no key", b"", b"", "it")
    private = generate_private_key(SECP256R1())
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SigningError, match="expected Ed25519"):
        Signer.of(path)
