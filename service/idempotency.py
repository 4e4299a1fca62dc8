"""Idempotency-Key: the same request sent again is answered again, and decided once.

Modelled on the IETF draft draft-ietf-httpapi-idempotency-key-header, which expired and is no RFC. A
key is kept with its record for good, in the same commit; it holds for all servers that share a
ledger. It may be quoted, as the draft writes it, or not.
"""

from collections.abc import Mapping

from service.chain import Key, Record, erased
from service.problem import FieldError, Problem

HEADER = "Idempotency-Key"
MOST_CHARACTERS = 255
_EXPECTED = f"1 to {MOST_CHARACTERS} visible ASCII characters, without quotes or backslashes inside"


def key_of(headers: Mapping[bytes, bytes], body: bytes) -> Key | None:
    """The key a body was posted under; None without the header. Raises Problem when it is none."""
    given = headers.get(b"idempotency-key")
    if given is None:
        return None
    key = given.strip()
    if len(key) >= 2 and key[:1] == key[-1:] == b'"':
        key = key[1:-1]
    if not 1 <= len(key) <= MOST_CHARACTERS or any(
        not 0x21 <= byte <= 0x7E or byte in b'"\\' for byte in key
    ):
        raise Problem(
            "invalid-field",
            400,
            f"{HEADER}: expected {_EXPECTED}.",
            [FieldError(field=HEADER, value=given[:80].decode("latin-1"), expected=_EXPECTED)],
        )
    return Key.of(key.decode(), body)


def same_request(record: Record, key: Key | None) -> Record:
    """The record made under a key earlier, if it was for the same body; raises Problem.

    409 for another body, 410 when the record's personal data were erased since.
    """
    if key is None or record.body_hash != key.body_hash.hex():
        expected = "the body it was first used with, or a new key"
        raise Problem(
            "key-reused",
            409,
            f"{HEADER}: this key was used with another body; expected {expected}. Nothing was "
            "recorded by this request.",
            [FieldError(field=HEADER, value=record.key, expected=expected)],
        )
    return not_erased(record)


def not_erased(record: Record) -> Record:
    """The record itself; raises Problem, 410, when its personal data were erased."""
    if erased(record):
        raise Problem(
            "erased",
            410,
            "The personal data of this decision were erased when their time was over; the chain "
            "still holds its hashes.",
        )
    return record
