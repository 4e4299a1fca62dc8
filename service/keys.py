"""API keys: shown once when made, kept as hashes in a file, each with scopes and a rate.

A key is 256 random bits, so that one SHA-256 of it hides it; its number stands in front, to find it
by. The file is read again when it has changed: a key taken back stops working within a second.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

Scope = Literal["apply", "lend", "audit", "operate"]
SCOPES: dict[Scope, str] = {
    "apply": "an applicant's desk: consents, applications, one decision by its number",
    "lend": "a lender: all of apply, the list of decisions, the desk where people decide",
    "audit": "an auditor: reads everything, replays, verifies; changes nothing",
    "operate": "an operator: everything",
}
FRESH_S = 1.0
_PREFIX = "ydt"


class KeysError(ValueError):
    """Keys that cannot be read, made or taken back: what was found, what was expected."""


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key as it is kept: never the key itself."""

    key_id: str
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    scopes: Annotated[list[Scope], Meta(min_length=1)]
    per_minute: Annotated[int, Meta(ge=1, le=10_000_000)]
    sha256: str
    made_at: datetime
    revoked_at: datetime | None = None


class Keys:
    """The keys of one file; safe to use from one thread."""

    def __init__(self, path: Path) -> None:
        self._path, self._read_at, self._stamp = path, -FRESH_S, (0, 0)
        self._keys: dict[str, Key] = {}
        self._read()

    def list(self) -> list[Key]:
        """Every key, also those taken back."""
        return [*self._keys.values()]

    def add(self, name: str, scopes: Sequence[str], per_minute: int) -> tuple[Key, str]:
        """Make a key; what is returned beside it is shown now and never again."""
        key_id = secrets.token_hex(4)
        token = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        made = {
            "key_id": key_id, "name": name, "scopes": [*scopes], "per_minute": per_minute,
            "sha256": _hashed(token), "made_at": datetime.now(UTC),
        }  # fmt: skip
        try:
            key = msgspec.convert(made, Key)
        except msgspec.ValidationError as error:
            known = ", ".join(SCOPES)
            raise KeysError(f"{error}; expected a name, and scopes of {known}") from None
        self._keys[key_id] = key
        self._write()
        return key, token

    def revoke(self, key_id: str) -> Key:
        """Take a key back; once taken back it stays so."""
        key = self._keys.get(key_id)
        if key is None:
            known = ", ".join(self._keys) or "none"
            raise KeysError(f"key_id: got {key_id!r}, expected one of {known}")
        if key.revoked_at is None:
            key = self._keys[key_id] = replace(key, revoked_at=datetime.now(UTC))
            self._write()
        return key

    def find(self, token: str) -> Key | None:
        """The key that was given, while it holds; None for any other text."""
        if time.monotonic() - self._read_at >= FRESH_S:
            self._read()
        prefix, _, rest = token.partition("_")
        key = self._keys.get(rest.partition("_")[0]) if prefix == _PREFIX else None
        if key is None or key.revoked_at is not None:
            return None
        return key if hmac.compare_digest(_hashed(token), key.sha256) else None

    def _read(self) -> None:
        self._read_at = time.monotonic()
        try:
            about = self._path.stat()
            stamp = (about.st_mtime_ns, about.st_size)
            if stamp == self._stamp:
                return
            stored = msgspec.json.decode(self._path.read_bytes(), type=list[Key])
        except FileNotFoundError:
            if self._stamp != (0, 0):  # there were keys: nobody gets in by deleting the file
                self._keys = {}
            return
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if self._stamp != (0, 0):
                return
            raise KeysError(f"{self._path}: {error}; expected what `keys add` writes") from None
        self._stamp, self._keys = stamp, {key.key_id: key for key in stored}

    def _write(self) -> None:
        """Write the file as a whole, for its owner's eyes only."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(self._path.name + ".new")
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(msgspec.json.format(msgspec.json.encode(self.list()), indent=1) + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(self._path)
        about = self._path.stat()
        self._stamp = (about.st_mtime_ns, about.st_size)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
