"""The scorecard as a scikit-learn estimator: additive, monotone, calibrated, printable.

Boosted trees that each see one feature add up to one step function per feature. Fitting boosts on
binned values in cross-fitted folds (each stops on its held-out fold), averages the step functions,
merges them to a readable number of steps and calibrates them on the held-out log-odds. What is
learned is a table (`columns_`); predicting reads that table and nothing else, so the table printed
on one page is the estimator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from model.steps import Steps, encode

Floats = NDArray[np.float64]
SMALL = 2_000_000
"""Cells below which one thread boosts: more of them wait for each other on a busy machine."""


class MonotoneScorecard(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A credit scorecard: one table of steps per feature, never against a declared direction.

    Parameters
    ----------
    directions : mapping of feature name to -1, 0 or +1, or a sequence of them, or None
        +1: a higher value may only raise the probability of the second class (default).
    max_steps : int
        Steps a feature may have on the printed page; None keeps every step that boosting found.
    max_bins : int
        Quantile bins a number is cut into before boosting.
    n_folds : int
        Cross-fitted folds; their step functions are averaged.
    learning_rate, max_iter, max_leaf_nodes, min_samples_leaf, l2_regularization
        As in HistGradientBoostingClassifier.
    random_state : int, RandomState or None
        Draws the folds.

    Attributes
    ----------
    columns_ : list of Steps
        One step function per feature, in log-odds, centred on the training rows.
    intercept_ : float
        Log-odds of the second class for the average training row.
    classes_ : ndarray of shape (2,)
    n_iter_ : int
        Boosting rounds of the longest fold.
    """

    def __init__(
        self,
        *,
        directions: Mapping[str, int] | Sequence[int] | None = None,
        max_steps: int | None = 12,
        max_bins: int = 64,
        n_folds: int = 5,
        learning_rate: float = 0.1,
        max_iter: int = 500,
        max_leaf_nodes: int = 4,
        min_samples_leaf: int = 20,
        l2_regularization: float = 1.0,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.directions = directions
        self.max_steps = max_steps
        self.max_bins = max_bins
        self.n_folds = n_folds
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.random_state = random_state

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MonotoneScorecard:
        """Learn the table from rows X of shape (n_rows, n_features) and outcomes y (n_rows,).

        X may be an array of numbers or a DataFrame; text and categorical columns become categories.
        NaN, None and infinite values are allowed in X. Raises ValueError unless y has two classes.
        """
        frame = self._as_frame(X, y=y, reset=True)
        outcomes = np.asarray(y).reshape(-1)
        check_classification_targets(outcomes)
        self.classes_, positions = np.unique(outcomes, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"Only binary classification is supported: y has {len(self.classes_)} class(es) "
                f"{self.classes_[:5]}, expected 2"
            )
        weights = np.asarray(_check_sample_weight(sample_weight, np.zeros((len(frame), 1))))
        hits: Floats = positions.astype(np.float64)
        signs = self._signs([str(name) for name in frame.columns])
        columns = [
            Steps.empty(str(name), frame.iloc[:, j], signs[j], self.max_bins)
            for j, name in enumerate(frame.columns)
        ]
        codes = np.column_stack([encode(c, frame.iloc[:, j]) for j, c in enumerate(columns)])
        boosted, held_out, self.n_iter_ = self._boost(columns, codes, hits, weights)
        slope = _slope(held_out, hits, weights)
        self.columns_ = [
            column.learned(codes[:, j], weights, slope * boosted[j], self.max_steps, _merge)
            for j, column in enumerate(columns)
        ]
        self.intercept_ = _intercept(self.contributions(X).sum(axis=1), hits, weights)
        return self

    def contributions(self, X: Any) -> Floats:
        """Log-odds that each feature adds, shape (n_rows, n_features)."""
        check_is_fitted(self, "columns_")
        frame = self._as_frame(X, reset=False)
        return np.column_stack([c.lookup(frame.iloc[:, j]) for j, c in enumerate(self.columns_)])

    def decision_function(self, X: Any) -> Floats:
        """Log-odds of the second class, shape (n_rows,)."""
        return cast(Floats, self.contributions(X).sum(axis=1) + self.intercept_)

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities of both classes, shape (n_rows, 2)."""
        second = expit(self.decision_function(X))
        return np.column_stack([1.0 - second, second])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class of each row, shape (n_rows,)."""
        check_is_fitted(self, "columns_")
        return cast(NDArray[Any], self.classes_[(self.decision_function(X) > 0).astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _as_frame(self, X: Any, *, y: Any = None, reset: bool) -> pd.DataFrame:
        """Check X against what was fitted and see it as a DataFrame."""
        if isinstance(X, pd.DataFrame) and X.dtypes.map(_is_category).any():
            validate_data(self, X, y="no_validation", reset=reset, skip_check_array=True)
            if reset and (len(X) == 0 or y is None):
                raise ValueError(f"got {len(X)} rows and y={y!r}, expected rows and outcomes")
            return X.reset_index(drop=True)
        if reset:
            checked, _ = validate_data(
                self, X, y, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2
            )
        else:
            checked = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, reset=False)
        names = getattr(self, "feature_names_in_", None)
        return pd.DataFrame(
            checked, columns=names if names is not None else range(checked.shape[1])
        )

    def _signs(self, names: Sequence[str]) -> list[int]:
        given = self.directions
        if given is None:
            return [0] * len(names)
        if isinstance(given, Mapping):
            unknown = sorted(set(given) - set(names))
            if unknown:
                raise ValueError(f"directions: {unknown} are not columns of X; expected {names}")
            signs = [int(given.get(name, 0)) for name in names]
        else:
            signs = [int(sign) for sign in given]
            if len(signs) != len(names):
                raise ValueError(f"directions: got {len(signs)} signs, expected {len(names)}")
        if not set(signs) <= {-1, 0, 1}:
            raise ValueError(f"directions: got {signs}, expected -1, 0 or +1")
        return signs

    def _boost(
        self, columns: Sequence[Steps], codes: Floats, hits: Floats, weights: Floats
    ) -> tuple[list[Floats], Floats, int]:
        """Average steps per column (missing last), log-odds on rows held out, most rounds."""
        if (codes < 0).any():  # categories too rare for a step of their own
            codes = np.where(codes < 0, np.nan, codes)
        random = check_random_state(self.random_state)
        folds = min(self.n_folds, int(np.bincount(hits.astype(int)).min()))
        rows, widths = _probe(columns)
        total = np.zeros(len(rows))
        held_out = np.zeros(len(hits))
        rounds = 1
        splits: list[tuple[Any, Any]] = (
            list(
                StratifiedKFold(folds, shuffle=True, random_state=random.randint(2**31 - 1)).split(
                    codes, hits
                )
            )
            if folds >= 2
            else [(np.arange(len(hits)), np.arange(len(hits)))]
        )
        for train, test in splits:
            trees = self._trees(columns, stopping=folds >= 2)
            stop_on = (
                {"X_val": codes[test], "y_val": hits[test], "sample_weight_val": weights[test]}
                if folds >= 2
                else {}
            )
            with threadpool_limits(1 if codes.size < SMALL else None, user_api="openmp"):
                trees.fit(codes[train], hits[train], sample_weight=weights[train], **stop_on)
            held_out[test] = trees.decision_function(codes[test])
            total += trees.decision_function(rows)
            rounds = max(rounds, trees.n_iter_)
        total /= len(splits)
        ends = np.cumsum(widths)
        steps = [
            total[end - width : end] - total[end - width]
            for end, width in zip(ends, widths, strict=True)
        ]
        return steps, held_out, rounds

    def _trees(self, columns: Sequence[Steps], *, stopping: bool) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.max_iter if stopping else min(50, self.max_iter),
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            interaction_cst="no_interactions",
            monotonic_cst=[0 if c.kind == "nominal" else c.direction for c in columns],
            categorical_features=[c.kind == "nominal" for c in columns],
            early_stopping=stopping,
            n_iter_no_change=20,
            random_state=0,
        )


def _is_category(dtype: Any) -> bool:
    return not pd.api.types.is_numeric_dtype(dtype)


def _probe(columns: Sequence[Steps]) -> tuple[Floats, list[int]]:
    """Rows that vary one column's code (missing last) while all others stay at code 0."""
    widths = [column.width + 1 for column in columns]
    rows = np.zeros((sum(widths), len(columns)))
    at = 0
    for j, width in enumerate(widths):
        rows[at : at + width - 1, j] = np.arange(width - 1)
        rows[at + width - 1, j] = np.nan
        at += width
    return rows, widths


def _slope(held_out: Floats, hits: Floats, weights: Floats) -> float:
    """How much to stretch the boosted log-odds so that held-out rows are calibrated."""
    if np.ptp(held_out) == 0 or hits.min() == hits.max():
        return 1.0
    fitted = LogisticRegression(C=np.inf).fit(held_out[:, None], hits, sample_weight=weights)
    slope = float(fitted.coef_[0, 0])
    return min(slope, 2.0) if slope > 0 else 1.0


def _intercept(raw: Floats, hits: Floats, weights: Floats) -> float:
    """The constant that makes the mean probability equal the observed rate."""
    rate = float(np.clip(np.average(hits, weights=weights), 1e-6, 1 - 1e-6))

    def excess(constant: float) -> float:
        return float(np.average(expit(raw + constant), weights=weights)) - rate

    span = float(np.abs(raw).max()) + 20.0
    return float(brentq(excess, -span, span, xtol=1e-12))


def _merge(values: Floats, counts: Floats, max_steps: int) -> Floats:
    """The same step function with at most `max_steps` levels, least squares by rows held."""
    seen = counts > 0
    if seen.sum() <= max_steps:
        return values
    codes = np.arange(len(values), dtype=np.float64)[:, None]
    tree = DecisionTreeRegressor(max_leaf_nodes=max_steps, random_state=0)
    tree.fit(codes[seen], values[seen], sample_weight=counts[seen])
    return cast(Floats, tree.predict(codes))
