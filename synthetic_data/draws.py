"""Randomness: one generator for every block, month and subject, each with its own key.

A generator depends on nothing but its key, so a block's history depends neither on how many
blocks there are nor on who simulates them, and a month's draws not on how many months follow.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Subject(IntEnum):
    """What the draws are for."""

    FIRMS = 1
    CASHFLOW = 2
    TRACES = 3
    EVENTS = 4
    APPLICATIONS = 5
    FUTURES = 6
    RATINGS = 7
    OPENING = 8
    NETWORK = 9
    SIGNALS = 20
    TYPING = 21
    INVOICES = 30


def generator(seed: int, block: int, subject: Subject, step: int = 0) -> np.random.Generator:
    """The generator of one block, subject and step (a month of the world, a part, or 0)."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed: got {seed}, expected 0 to 2**64 - 1")
    key = np.array([seed, (block << 32) | (int(subject) << 16) | step], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def around(median: float, logit_sd: float, z: Floats) -> Floats:
    """Shares around a median, normal in log-odds: z (n,) standard normal -> (n,) in 0..1."""
    return expit(np.log(median / (1.0 - median)) + logit_sd * z)


def expit(x: Floats) -> Floats:
    """Log-odds to a share."""
    out: Floats = 1.0 / (1.0 + np.exp(-x))
    return out


def logit(share: float) -> float:
    """A share to log-odds."""
    return float(np.log(share / (1.0 - share)))


def choose(weights: dict[str, float], u: Floats) -> Ints:
    """Positions in a table of weights: u (n,) uniform -> (n,)."""
    bounds = np.cumsum(list(weights.values()))
    return np.minimum(np.searchsorted(bounds, u, side="right"), len(bounds) - 1).astype(np.int64)
