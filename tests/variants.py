"""Scorecards, policies and catalogues that decide differently, as a folder of releases."""

import shutil
from pathlib import Path

import msgspec

from model import artifact as artifacts
from model import parity
from model.table import read
from service.decide import DEFAULT_CATALOGUE, DEFAULT_POLICY


def releases(folder: Path, artifact: Path, count: int) -> Path:
    """`count` of each, named s0, p0.toml, c0.toml and so on; no two make the same decision."""
    folder.mkdir(parents=True, exist_ok=True)
    policy, catalogue = DEFAULT_POLICY.read_text(), DEFAULT_CATALOGUE.read_text()
    for nth in range(count):
        scorecard(artifact, folder / f"s{nth}", nth + 1)
        share = f"sales_share = {0.1 + nth / 1000:.3f}"
        (folder / f"p{nth}.toml").write_text(policy.replace("sales_share = 0.20", share, 1))
        weight = f"risk_weight = {0.5 + nth / 100:.2f}"
        (folder / f"c{nth}.toml").write_text(catalogue.replace("risk_weight = 0.75", weight, 1))
    return folder


def scorecard(artifact: Path, to: Path, more: float) -> Path:
    """A copy of a scorecard that gives everybody some points more, its parity sample with it."""
    shutil.copytree(artifact, to)
    stored = read((to / artifacts.SCORECARD).read_bytes())
    scale = msgspec.structs.replace(stored.scale, base_score=stored.scale.base_score + more)
    _write(to, artifacts.SCORECARD, msgspec.structs.replace(stored, scale=scale))
    if (to / artifacts.PARITY).exists():
        sample = parity.read((to / artifacts.PARITY).read_bytes(), "parity.json")
        points = [one + more for one in sample.points]
        _write(to, artifacts.PARITY, msgspec.structs.replace(sample, points=points))
    return to


def _write(folder: Path, name: str, record: object) -> None:
    """Write one file of an artefact and name its hash in the card."""
    stored = msgspec.json.encode(record)
    (folder / name).write_bytes(stored)
    card = artifacts.load_card(folder)
    hashes = card.hashes | {name: artifacts.sha256(stored)}
    card = msgspec.structs.replace(card, hashes=hashes)
    (folder / artifacts.CARD).write_bytes(msgspec.json.encode(card))
