"""Leakage: columns that know how the loan ended, and directions the loans clearly show.

Each column is tried alone: a small tree (numbers, dates) or the smoothed default rate of each text,
fitted on the earlier part and measured on the held-out part.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import TargetEncoder
from sklearn.tree import DecisionTreeClassifier

from model.schema import Sign

Floats = NDArray[np.float64]
MOST_AUC_ALONE = 0.95
"""A column that separates held-out loans better than this alone is taken for a leak."""
MOST_ROWS = 50_000
"""Rows that are enough to try one column."""
FEWEST = 200
"""Loans with a value from which on a direction is suggested."""
CUTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Shares of the loans at which a number is cut to see its direction, the tails included."""
CLEAR_SHARE, CLEAR_ERRORS = 0.95, 4.0
"""A direction is clear when it explains this share of what differs between those parts, and its
trend is this many standard errors from none."""
FAR_ABOVE, STRONG_AUC = 2.0, 0.7
"""A column whose AUC alone is above this, and so many times further above 0.5 than any other's, is
worth a look."""

_KNOWN_AFTER = re.compile(
    r"chg_?off|charged?_?off|write_?off|written_?off|recover|default|disburs|mis_?status"
    r"|loan_?status|pay_?off|paid_?off|settle|closed|collection|outcome|loss_given|lgd|last_?pay"
    r"|核销|回收|追偿|结清|放款后|违约",
    re.IGNORECASE,
)


def known_after(name: str) -> str | None:
    """The part of a column's name that sounds like something known only after the loan."""
    found = _KNOWN_AFTER.search(name)
    return found[0] if found else None


def auc_alone(values: pd.Series[Any], hits: Floats, late: NDArray[np.bool_]) -> float | None:
    """AUC on held-out loans of one column alone, missing counted as a value; None if not tried.

    `hits` (n_loans,) are 0/1 outcomes, `late` (n_loans,) says which loans are held out.
    """
    early_rows, late_rows = _sample(np.flatnonzero(~late)), _sample(np.flatnonzero(late))
    fitted_on, measured_on = hits[early_rows], hits[late_rows]
    if len(np.unique(fitted_on)) < 2 or len(np.unique(measured_on)) < 2:
        return None
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        values = values.astype("datetime64[s]").astype("int64").where(values.notna())
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
        numbers = np.clip(numbers, -1e30, 1e30)  # the tree works in single precision
        tree = DecisionTreeClassifier(
            max_leaf_nodes=16, min_samples_leaf=max(5, len(early_rows) // 200), random_state=0
        )
        tree.fit(numbers[early_rows], fitted_on)
        risk = tree.predict_proba(numbers[late_rows])[:, 1]
    else:
        texts = (
            values.astype(object).where(values.notna(), "").astype(str).to_numpy(object)[:, None]
        )
        rates = TargetEncoder(target_type="binary").fit(texts[early_rows], fitted_on)
        risk = rates.transform(texts[late_rows])[:, 0]
    return float(roc_auc_score(measured_on, risk))


def _sample(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    every = max(1, len(rows) // MOST_ROWS)
    return rows[::every]


def suggested_direction(numbers: Floats, hits: Floats) -> Sign | None:
    """+1 or -1 when the default rate clearly only rises or only falls with a number, else None.

    Loans are put into parts by the number (n_loans,); an isotonic fit through the parts' default
    rates has to explain nearly all of what differs between them.
    """
    known = np.isfinite(numbers)
    numbers, hits = numbers[known], hits[known]
    if len(numbers) < FEWEST or np.ptp(hits) == 0:
        return None
    edges = np.unique(np.quantile(numbers, CUTS))
    _, part = np.unique(np.searchsorted(edges, numbers, side="left"), return_inverse=True)
    counts = np.bincount(part)
    rates = np.bincount(part, hits) / counts
    if len(rates) < min(4, len(np.unique(numbers))):  # too coarse to see a turn
        return None
    mean = hits.mean()
    between = float(counts @ (rates - mean) ** 2)
    trend = float(np.corrcoef(part, hits)[0, 1]) * np.sqrt(len(hits))
    if abs(trend) < CLEAR_ERRORS:
        return None
    fit = IsotonicRegression(increasing=bool(trend > 0)).fit_transform(
        np.arange(len(rates)), rates, sample_weight=counts
    )
    explained = 1.0 - float(counts @ (rates - fit) ** 2) / between
    if explained < CLEAR_SHARE:
        return None
    return 1 if trend > 0 else -1


def far_above(alone: dict[str, float]) -> str | None:
    """The column whose AUC alone is far above every other's, if there is one."""
    if len(alone) < 2:
        return None
    (_, next_auc), (name, auc) = sorted(alone.items(), key=lambda item: item[1])[-2:]
    if auc > STRONG_AUC and auc - 0.5 > FAR_ABOVE * (next_auc - 0.5):
        return name
    return None
