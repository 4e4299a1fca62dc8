"""Fairness: how a scorecard treats one kind of firm beside another, with how sure one can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from model.validation import discrimination, share

FEWEST = 20
"""Loans of either outcome without which no AUC is told."""
MOST_KINDS = 12
"""Kinds shown of one sort, those with most loans; all others are told together."""

OTHER, MISSING = "其他 other", "无数据 not known"


class Kind(Struct, frozen=True, kw_only=True):
    """Loans of one kind of firm: approved, defaulted (each with 95 % bounds), expected, AUC.

    `approved_ratio` is the share approved over that of the kind with the highest, among kinds with
    at least 100 loans; below 0.8 people look closer (the four-fifths rule).
    """

    name: str
    loans: int
    approved: tuple[float, float, float]
    defaulted: tuple[float, float, float]
    expected: float
    auc: float | None
    approved_ratio: float = 1.0

    @property
    def outside(self) -> bool:
        """The default rate expected lies outside the bounds of the one observed."""
        return not self.defaulted[1] <= self.expected <= self.defaulted[2]


def kinds(
    labels: pd.Series[Any],
    defaulted: NDArray[np.float64],
    pd_12m: NDArray[np.float64],
    approved: NDArray[np.bool_],
) -> list[Kind]:
    """Compare the kinds of firms that `labels` (n_loans,) tell apart, in their own order.

    `defaulted` is 0 or 1, `approved` whether the score alone approves.
    """
    shown = _shown(labels)
    order = list(shown.cat.categories)
    found = [
        _kind(name, defaulted[at], pd_12m[at], approved[at])
        for name in order
        if (at := (shown == name).to_numpy()).any()
    ]
    best = max((kind.approved[0] for kind in found if kind.loans >= 100), default=0.0)
    return [
        replace(kind, approved_ratio=kind.approved[0] / best if best else 1.0) for kind in found
    ]


def _shown(labels: pd.Series[Any]) -> pd.Series[Any]:
    """Labels as ordered kinds, missing and rare ones by name."""
    counted = labels.value_counts()
    counted = counted[counted > 0]
    kept = list(counted.index[: MOST_KINDS if len(counted) <= MOST_KINDS else MOST_KINDS - 1])
    if isinstance(labels.dtype, pd.CategoricalDtype) and labels.cat.ordered:
        kept = [name for name in labels.cat.categories if name in kept]
    texts = labels.astype(object)
    texts = texts.where(texts.isin(kept), OTHER).where(labels.notna(), MISSING)
    kept = [str(name) for name in kept]
    more = [name for name in (OTHER, MISSING) if (texts == name).any() and name not in kept]
    return texts.astype(str).astype(pd.CategoricalDtype([*kept, *more], ordered=True))


def _kind(
    name: str,
    defaulted: NDArray[np.float64],
    pd_12m: NDArray[np.float64],
    approved: NDArray[np.bool_],
) -> Kind:
    loans, bad = len(defaulted), int(defaulted.sum())
    enough = min(bad, loans - bad) >= FEWEST
    return Kind(
        name=name,
        loans=loans,
        approved=share(int(approved.sum()), loans),
        defaulted=share(bad, loans),
        expected=float(pd_12m.mean()),
        auc=discrimination(defaulted, pd_12m)[0] if enough else None,
    )
