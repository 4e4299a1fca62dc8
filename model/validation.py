"""How good a scorecard is on loans it has not seen: discrimination and calibration.

Where the loans come from a simulated world, the truth is beside them, and the scorecard is measured
against what could be known at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, ks_2samp
from sklearn.metrics import brier_score_loss, roc_auc_score


class Bin(Struct, frozen=True, kw_only=True):
    """One tenth of the loans, by pd_12m: what was expected and what happened, with 95 % bounds."""

    loans: int
    expected: float
    observed: float
    observed_low: float
    observed_high: float


class Metrics(Struct, frozen=True, kw_only=True):
    """Discrimination and calibration on one set of loans."""

    loans: int
    default_rate: float
    auc: float
    ks: float
    brier: float
    mean_pd_12m: float
    calibration: list[Bin]
    truth_auc: float | None = None


def measure(
    defaulted: ArrayLike, pd_12m: ArrayLike, true_pd_12m: ArrayLike | None = None, bins: int = 10
) -> Metrics:
    """Metrics of probabilities (n_loans,) against 0/1 outcomes (n_loans,).

    Raises ValueError when the loans hold no default or nothing but defaults.
    """
    hits = np.asarray(defaulted, dtype=np.float64)
    expected = np.asarray(pd_12m, dtype=np.float64)
    if hits.min() == hits.max():
        raise ValueError(
            f"measure: {len(hits)} loans of which {int(hits.sum())} defaulted; "
            "expected some of both outcomes"
        )
    auc, ks = discrimination(hits, expected)
    return Metrics(
        loans=len(hits),
        default_rate=float(hits.mean()),
        auc=auc,
        ks=ks,
        brier=float(brier_score_loss(hits, expected)),
        mean_pd_12m=float(expected.mean()),
        calibration=_calibration(hits, expected, bins),
        truth_auc=None if true_pd_12m is None else float(roc_auc_score(hits, true_pd_12m)),
    )


def discrimination(defaulted: ArrayLike, pd_12m: ArrayLike) -> tuple[float, float]:
    """AUC and KS of probabilities against 0/1 outcomes of both kinds."""
    hits, rated = np.asarray(defaulted, dtype=np.float64), np.asarray(pd_12m, dtype=np.float64)
    apart = ks_2samp(rated[hits == 1], rated[hits == 0]).statistic
    return float(roc_auc_score(hits, rated)), float(apart)


def share(of: int, loans: int) -> tuple[float, float, float]:
    """A share with its 95 % bounds (Wilson)."""
    bounds = binomtest(of, loans).proportion_ci(0.95, method="wilson")
    return of / loans, float(bounds.low), float(bounds.high)


def _calibration(hits: NDArray[np.float64], expected: NDArray[np.float64], bins: int) -> list[Bin]:
    out = []
    for members in np.array_split(np.argsort(expected, kind="stable"), bins):
        if not len(members):
            continue
        bad = int(hits[members].sum())
        observed, low, high = share(bad, len(members))
        out.append(
            Bin(
                loans=len(members),
                expected=float(expected[members].mean()),
                observed=observed,
                observed_low=low,
                observed_high=high,
            )
        )
    return out


def causes(world: Path, application_ids: pd.Series[Any]) -> list[str] | None:
    """Why applications default, as the world knows it; None on real loans."""
    path = world / "truth.parquet"
    if not path.exists():
        return None
    known = pd.read_parquet(path, columns=["application_id", "true_cause"])
    return known.set_index("application_id")["true_cause"].loc[application_ids].tolist()


def happened(world: Path) -> pd.DataFrame | None:
    """What became or would have become of every application of a world, in its order.

    Columns: defaulted (0 or 1), pd_12m, mill. None on real loans.
    """
    path = world / "truth.parquet"
    if not path.exists():
        return None
    names = {"true_defaulted_12m": "defaulted", "true_pd_12m": "pd_12m", "true_mill": "mill"}
    return pd.read_parquet(path, columns=list(names)).rename(columns=names)


def truth(world: Path, application_ids: pd.Series[Any]) -> NDArray[np.float64] | None:
    """true_pd_12m of applications, where the world knows it; None on real loans."""
    path = world / "truth.parquet"
    if not path.exists():
        return None
    known = pd.read_parquet(path, columns=["application_id", "true_pd_12m"])
    return known.set_index("application_id")["true_pd_12m"].loc[application_ids].to_numpy(float)
