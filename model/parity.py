"""The parity sample: rows with the numbers that training gave them, which serving must give again.

The rows are made up from the scorecard's own steps, so that no borrower's data travel with it, and
the expected numbers come from the estimator, not from the scorer that is being checked.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from math import log, nan
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from model.scorer import Scorer
from model.table import Column, ScorecardError, ScorecardFile

if TYPE_CHECKING:
    import pandas as pd

ROWS = 64
TOLERANCE = 1e-12
"""Largest difference, as a share of the number expected where that is above one."""
FORMAT = "yidaitong-parity/1"


class Parity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """parity.json: rows in the order of `columns`, null for missing, and what they must score.

    `points` are scores before rounding; `pd_12m` probabilities.
    """

    format: str
    columns: list[str]
    rows: list[list[float | str | None]]
    points: list[float]
    pd_12m: list[float]


def sample(estimator: Any, features: pd.DataFrame, card: ScorecardFile) -> Parity:
    """Rows that visit the steps of a scorecard, scored by the estimator it was read from.

    `features` are loans it was fitted on; only the types of its columns are used.
    """
    import numpy as np
    import pandas as pd

    by_column = {column.name: _visits(column) for column in card.columns}
    frame = pd.DataFrame(
        {
            name: pd.Series(by_column.get(str(name), [None] * ROWS)).astype(kind)
            for name, kind in features.dtypes.items()
        }
    )
    scale = card.scale
    per_logit = scale.doubling_points / log(2)
    logits = np.asarray(estimator.decision_function(frame))
    return Parity(
        format=FORMAT,
        columns=[*by_column],
        rows=[list(row) for row in zip(*by_column.values(), strict=True)],
        points=(scale.base_score - per_logit * (log(scale.base_odds) + logits)).tolist(),
        pd_12m=estimator.predict_proba(frame)[:, 1].tolist(),
    )


def read(stored: bytes, where: str) -> Parity:
    """Decode parity.json; raises ScorecardError when it is damaged."""
    try:
        found = msgspec.json.decode(stored, type=Parity)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScorecardError(f"{where}: {error}") from error
    lengths = {len(found.rows), len(found.points), len(found.pd_12m)}
    if found.format != FORMAT or len(lengths) > 1 or not found.rows:
        raise ScorecardError(
            f"{where}: got {found.format!r} with {sorted(lengths)} rows and numbers; expected "
            f"{FORMAT!r} with as many numbers as rows"
        )
    return found


def check(parity: Parity, card: ScorecardFile, where: str) -> None:
    """Score the sample; raises ScorecardError naming the first row that comes out otherwise."""
    names = [column.name for column in card.columns]
    if sorted(parity.columns) != sorted(names):
        strange = sorted(set(parity.columns) ^ set(names))
        raise ScorecardError(
            f"{where}: columns differ from the scorecard's in {strange[:5]}; expected the sample "
            "written with it"
        )
    scorer = Scorer(card, {name: at for at, name in enumerate(parity.columns)})
    kinds = {column.name: column.kind for column in card.columns}
    numbers = [kinds[name] == "number" for name in parity.columns]
    for nth, row in enumerate(parity.rows):
        if len(row) != len(numbers) or not all(map(_fits, row, numbers)):
            raise ScorecardError(f"{where}: row {nth}: expected one value of each column's type")
        values = [
            nan if value is None and number else value
            for value, number in zip(row, numbers, strict=True)
        ]
        points = scorer.points(values)
        _, pd_12m, _ = scorer.rated(points)
        _same(where, nth, "points", scorer.reference_score + sum(points), parity.points[nth])
        _same(where, nth, "pd_12m", pd_12m, parity.pd_12m[nth])


def _same(where: str, nth: int, name: str, got: float, expected: float) -> None:
    if not abs(got - expected) <= TOLERANCE * max(1.0, abs(expected)):
        raise ScorecardError(
            f"{where}: row {nth}: {name}: got {got!r}, expected {expected!r} to {TOLERANCE:g}; "
            "the scorecard does not score as it did when it was trained"
        )


def _fits(value: float | str | None, number: bool) -> bool:
    return value is None or isinstance(value, str) != number


def _visits(column: Column) -> list[float | str | None]:
    """A value for each row: missing, every category, or on, below and above every cut."""
    seen: list[float | str | None] = [None, *column.categories]
    if column.kind == "number":
        seen += _around(column.cuts)
    visits = (seen * (ROWS // len(seen) + 1))[:ROWS] if len(seen) < ROWS else seen
    return random.Random(column.name).sample(visits, ROWS)  # the same on every machine


def _around(cuts: Sequence[float]) -> list[float]:
    if not cuts:
        return [0.0]
    between = [(low + high) / 2 for low, high in pairwise(cuts)]
    return [cuts[0] - 1.0, *cuts, *between, cuts[-1] + 1.0]
