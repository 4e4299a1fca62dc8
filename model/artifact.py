"""The artefact: scorecard.json for serving, estimator.joblib for research, card.json with hashes.

A server opens scorecard.json alone, after its SHA-256 is found equal to the one in card.json, and
scores the rows of parity.json to see that they come out as in training; an artefact made before
there was a parity.json is loaded without.
estimator.joblib is a pickle: load it only when you made it.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from model import parity as parities
from model.parity import Parity
from model.table import ScorecardError, ScorecardFile, read

SCORECARD, ESTIMATOR, CARD = "scorecard.json", "estimator.joblib", "card.json"
PARITY = "parity.json"
CARD_FORMAT = "yidaitong-card/1"


class Card(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reviewer asks first: what is in the artefact, from which loans, how good it is."""

    format: str
    name: str
    hashes: dict[str, str]  # file name -> SHA-256
    loans: dict[str, Any]  # fingerprint, numbers and vintages of the loans used
    metrics: dict[str, Any]  # see validation.Metrics
    versions: dict[str, str]  # package -> version


def sha256(content: bytes) -> str:
    """SHA-256 as 64 hexadecimal characters."""
    return hashlib.sha256(content).hexdigest()


def save(
    folder: Path, scorecard: ScorecardFile, estimator: object, card: Card, parity: Parity
) -> Card:
    """Write the four files; returns the card with the hashes filled in."""
    import joblib

    folder.mkdir(parents=True, exist_ok=True)
    written = msgspec.json.format(msgspec.json.encode(scorecard), indent=1)
    (folder / SCORECARD).write_bytes(written)
    (folder / PARITY).write_bytes(msgspec.json.encode(parity))
    joblib.dump(estimator, folder / ESTIMATOR, compress=3)
    names = (SCORECARD, ESTIMATOR, PARITY)
    hashes = {name: sha256((folder / name).read_bytes()) for name in names}
    card = msgspec.structs.replace(card, hashes=hashes)
    (folder / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1))
    return card


def load(folder: Path) -> tuple[ScorecardFile, str]:
    """The scorecard of an artefact and its version (the first 16 characters of its SHA-256).

    Raises ScorecardError when a file is missing, damaged or not the one the card names, or when
    the rows of its parity sample score otherwise than in training.
    """
    stored = _stored(folder, SCORECARD)
    hashes = load_card(folder).hashes
    _as_named(folder, SCORECARD, stored, hashes)
    card = read(stored)
    if PARITY in hashes:
        kept = _stored(folder, PARITY)
        _as_named(folder, PARITY, kept, hashes)
        where = str(folder / PARITY)
        parities.check(parities.read(kept, where), card, where)
    return card, sha256(stored)[:16]


def _stored(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ScorecardError(
            f"{folder / name}: {error.strerror}; expected an artefact folder written by "
            "`yidaitong train --out`"
        ) from error


def _as_named(folder: Path, name: str, stored: bytes, hashes: dict[str, str]) -> None:
    found, expected = sha256(stored), hashes.get(name)
    if found != expected:
        raise ScorecardError(
            f"{folder / name}: SHA-256 is {found}, but {CARD} names {expected}; "
            "the file changed after training"
        )


def load_card(folder: Path) -> Card:
    """card.json of an artefact; raises ScorecardError when it is missing or damaged."""
    try:
        card = msgspec.json.decode((folder / CARD).read_bytes(), type=Card)
    except OSError as error:
        raise ScorecardError(f"{folder / CARD}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ScorecardError(f"{folder / CARD}: {error}") from error
    if card.format != CARD_FORMAT:
        raise ScorecardError(f"{CARD}: format is {card.format!r}, expected {CARD_FORMAT!r}")
    return card


def load_estimator(folder: Path) -> Any:
    """The scikit-learn estimator of an artefact, for research; opens a pickle you must trust."""
    import joblib

    stored = folder / ESTIMATOR
    expected = load_card(folder).hashes.get(ESTIMATOR)
    found = sha256(stored.read_bytes())
    if found != expected:
        raise ScorecardError(f"{stored}: SHA-256 is {found}, but {CARD} names {expected}")
    return joblib.load(stored)
