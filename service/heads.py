"""Heads kept apart: how long every chain was, signed, in a file outside the database.

A chain does not show that its end was cut off, nor a database that a whole chain is gone. A line
noted elsewhere does: the records it names must still be there. Lines are only ever added.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from service.chain import Head
from service.signing import Signer, SigningError, check


class Noted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The heads of all chains at a time; `at` is UTC."""

    at: datetime
    heads: list[Head]


class _Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the file: the bytes signed, as text, and their signature in base64."""

    noted: str
    signature: str


def note(path: Path, heads: Sequence[Head], at: datetime, signer: Signer) -> None:
    """Add the heads of a ledger to a file, signed."""
    told = msgspec.json.encode(Noted(at=at, heads=list(heads)))
    line = _Line(noted=told.decode(), signature=b64encode(signer.sign(told)).decode())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def noted(path: Path, public_pem: bytes) -> Iterator[Head]:
    """All heads in a file, each line checked against the key; raises SigningError."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        what = f"{path} line {number}"
        try:
            read = msgspec.json.decode(line, type=_Line)
            told = read.noted.encode()
            signature = b64decode(read.signature, validate=True)
            heads = msgspec.json.decode(told, type=Noted).heads
        except (msgspec.DecodeError, ValueError) as error:
            raise SigningError(f"{what}: not a line of signed heads: {error}") from None
        check(public_pem, signature, told, what)
        yield from heads
