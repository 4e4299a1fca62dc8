"""The key that signs what leaves the house: Ed25519, in one file that only its owner can read."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


class SigningError(RuntimeError):
    """A key that cannot be used, or a signature that is not its: which file, what was found."""


class Signer:
    """Signs with one private key; `public_pem` is what others check it with.

    `fingerprint` is the SHA-256 of the 32 bytes of the public key, to publish and to compare.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private, public = private, private.public_key()
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(public.public_bytes_raw()).hexdigest()

    @classmethod
    def of(cls, path: Path) -> "Signer":
        """The key of a file, made with permissions 0600 when there is none.

        Raises SigningError when others may read the file or it holds no Ed25519 key.
        """
        with suppress(FileExistsError):
            _make(path)
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise SigningError(
                f"{path}: permissions: got {mode:o}, expected 600: whoever reads this key can sign "
                f"in your name; make a new one, or `chmod 600 {path}` if nobody else could"
            )
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise SigningError(f"{path}: no private key without a password in PEM form") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise SigningError(f"{path}: got another kind of key, expected Ed25519")
        return cls(private)

    def sign(self, content: bytes) -> bytes:
        """The signature of some bytes; 64 bytes."""
        return self._private.sign(content)


def check(public_pem: bytes, signature: bytes, content: bytes, what: str) -> None:
    """Raise SigningError unless the signature of `what` was made with the key."""
    try:
        public = load_pem_public_key(public_pem)
    except ValueError as error:
        raise SigningError(f"{what}: the public key is not in PEM form") from error
    if not isinstance(public, Ed25519PublicKey):
        raise SigningError(f"{what}: got another kind of public key, expected Ed25519")
    try:
        public.verify(signature, content)
    except InvalidSignature:
        raise SigningError(
            f"{what}: the signature does not fit: it was changed, or signed with another key"
        ) from None


def _make(path: Path) -> None:
    """A new key, written whole or not at all, never over one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        os.link(part, path)
    finally:
        part.unlink()
