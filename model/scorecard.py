"""The scorecard as a scikit-learn estimator: additive, monotone, calibrated, printable.

Boosted trees that each see one feature add up to one step function per feature; those that see a
pair, to a two-way table. Fitting boosts on binned values in cross-fitted folds (each stops on its
held-out fold), averages what they found, keeps two-way tables where held-out rows say they pay,
merges steps to a readable number and calibrates on the held-out log-odds. What is learned is
tables (`columns_`, `two_way_`); predicting reads them and nothing else, so what is printed is the
estimator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from model.boosting import Booster, Rows
from model.pairs import banded, purified, raised
from model.steps import Steps, encode, placed

Floats = NDArray[np.float64]
MOST_PAIRS = 60
"""Two-way tables tried at most, unless told otherwise."""
LEAST = 0.01**2
"""Mean square of a two-way table's log-odds below which it is not worth a reader's time."""
FEW_ROWS = 2_000
"""Rows below which trees are kept smaller."""
ROWS_IN_BAGS = 160_000
"""Rows in all bags, about: many bags of few rows, few (but three) of many."""
MANY_ROWS = 200_000
"""Rows above which one bag, which holds a tenth of them out, boosts in longer strides."""
ROWS_A_SMOOTHING = 2_000
"""Rows for which l2_regularization is meant as it is: it grows with them, as steps hold more."""
STEPS_ON_A_PAGE = 480
"""Steps of all features together that a reader is asked to look at, if left to the rows."""


class MonotoneScorecard(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A credit scorecard: one table of steps per feature, never against a declared direction.

    Parameters
    ----------
    directions : mapping of feature name to -1, 0 or +1, or a sequence of them, or None
        +1: a higher value may only raise the probability of the second class (default).
    max_steps : int, "auto" or None
        Steps a feature may have on the printed page; None keeps every step that boosting found.
        "auto" allows one for 500 rows, but no more than make 480 for all features together, and
        12 to 40 in any case.
    max_pairs : int or None
        Two-way tables tried at most; None tries three for each feature, 60 at most. They are kept
        when held-out rows say that they pay.
    max_bands : int or "auto"
        Bands on each side of a two-way table; "auto": three for five steps, 8 at least.
    max_bins : int or "auto"
        Quantile bins a number is cut into before boosting; "auto": five a step, 64 at least.
    n_folds : int
        Cross-fitted folds; their step functions are averaged. More than 5,000 rows have fewer, and
        more than 200,000 one, which holds a tenth out and boosts at most 200 rounds.
    max_leaf_nodes : int or None
        Leaves of a tree; None: 6, and 3 below 2,000 rows.
    learning_rate, max_iter, min_samples_leaf, l2_regularization
        As in HistGradientBoostingClassifier; l2_regularization is for 2,000 rows and grows with
        them, learning_rate is three times as large above 200,000.
    random_state : int, RandomState or None
        Draws the folds.

    Attributes
    ----------
    columns_ : list of Steps
        One step function per feature, in log-odds, centred on the training rows.
    two_way_ : list of TwoWayTable
        What pairs of features say only together, in log-odds; empty when it did not pay.
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
        max_steps: int | Literal["auto"] | None = "auto",
        max_pairs: int | None = None,
        max_bands: int | Literal["auto"] = "auto",
        max_bins: int | Literal["auto"] = "auto",
        n_folds: int = 32,
        learning_rate: float = 0.1,
        max_iter: int = 1_000,
        max_leaf_nodes: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 1.0,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.directions = directions
        self.max_steps = max_steps
        self.max_pairs = max_pairs
        self.max_bands = max_bands
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
        max_steps, max_bands, max_bins = self._budget(*frame.shape)
        columns = [
            Steps.empty(str(name), frame.iloc[:, j], signs[j], max_bins)
            for j, name in enumerate(frame.columns)
        ]
        rows, rare = _rows(columns, frame, hits, weights)
        most = min(MOST_PAIRS, 3 * len(columns)) if self.max_pairs is None else self.max_pairs
        boosted = self._booster(columns, len(hits)).learn(rows, most)
        self.n_iter_ = boosted.rounds
        slope = _slope(boosted.held_out, hits, weights)
        held = [
            np.bincount(at, weights, column.width + 1).astype(np.float64)
            for column, at in zip(columns, rows.codes, strict=True)
        ]
        levels = [slope * level for level in boosted.levels]
        raw = np.zeros(len(hits))
        self.two_way_ = []
        for pair, grid in boosted.grids.items():
            rest, first, second = purified(slope * grid, held[pair[0]], held[pair[1]])
            levels[pair[0]] += first
            levels[pair[1]] += second
            table = banded(columns, pair, rest, held, max_bands)
            cells = table.cells(rows.codes)
            if np.average(table.levels.ravel()[cells] ** 2, weights=weights) > LEAST:
                self.two_way_.append(raised(table, levels))
                raw += self.two_way_[-1].levels.ravel()[cells]
        self.columns_ = [
            column.learned(held[j], rare[j], levels[j], max_steps, _merge)
            for j, column in enumerate(columns)
        ]
        for column, learned, at in zip(columns, self.columns_, rows.codes, strict=True):
            raw += learned.levels_of(column)[at]
        self.intercept_ = _intercept(raw, hits, weights)
        return self

    def contributions(self, X: Any) -> Floats:
        """Log-odds that each feature adds, shape (n_rows, n_features).

        What a two-way table adds is shared equally by its features.
        """
        alone, together = self.terms(X)
        for j, table in enumerate(self.two_way_):
            for side in (table.first, table.second):
                alone[:, side.feature] += together[:, j] / 2.0
        return alone

    def terms(self, X: Any) -> tuple[Floats, Floats]:
        """Log-odds that each feature adds alone, and each two-way table adds, both by row."""
        check_is_fitted(self, "columns_")
        frame = self._as_frame(X, reset=False)
        alone = [column.lookup(frame.iloc[:, j]) for j, column in enumerate(self.columns_)]
        codes = {
            side.feature: placed(
                encode(side.column, frame.iloc[:, side.feature]), side.column.width
            )
            for side in {s.feature: s for t in self.two_way_ for s in (t.first, t.second)}.values()
        }
        together = [table.lookup(codes) for table in self.two_way_]
        return np.column_stack(alone), np.column_stack(together or [np.zeros((len(frame), 0))])

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
            checked, columns=names if names is not None else range(checked.shape[1]), copy=False
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

    def _booster(self, columns: Sequence[Steps], rows: int) -> Booster:
        many = rows > MANY_ROWS
        options = {
            "learning_rate": self.learning_rate * (3 if many else 1),
            "min_samples_leaf": self.min_samples_leaf,
            "l2_regularization": self.l2_regularization * max(1.0, rows / ROWS_A_SMOOTHING),
            "max_leaf_nodes": self.max_leaf_nodes or (3 if rows < FEW_ROWS else 6),
        }
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if many:
            return Booster(columns, options, 10, seed, 1, min(self.max_iter, 200))
        bags = min(self.n_folds, max(3, ROWS_IN_BAGS // rows))
        return Booster(columns, options, bags, seed, None, self.max_iter)

    def _budget(self, rows: int, columns: int) -> tuple[int | None, int, int]:
        """Steps, bands and bins: as given, or by the number of rows and columns."""
        steps = int(np.clip(min(rows // 500, STEPS_ON_A_PAGE // max(columns, 1)), 12, 40))
        return (
            steps if self.max_steps == "auto" else self.max_steps,
            max(8, steps * 3 // 5) if self.max_bands == "auto" else self.max_bands,
            max(64, steps * 5) if self.max_bins == "auto" else self.max_bins,
        )


def _is_category(dtype: Any) -> bool:
    return not pd.api.types.is_numeric_dtype(dtype)


def _rows(
    columns: Sequence[Steps], frame: pd.DataFrame, hits: Floats, weights: Floats
) -> tuple[Rows, list[float]]:
    """Rows as step numbers; by column, the weight of those whose category is too rare for one."""
    codes: list[Any] = []
    rare = []
    for j, column in enumerate(columns):
        found = encode(column, frame.iloc[:, j])
        rare.append(float(weights[found < 0].sum()))
        codes.append(placed(found, column.width))
    return Rows(np.stack(codes), hits, weights), rare


def _slope(held_out: Floats, hits: Floats, weights: Floats) -> float:
    """How much to stretch the boosted log-odds so that held-out rows are calibrated."""
    known = ~np.isnan(held_out)
    held_out, hits, weights = held_out[known], hits[known], weights[known]
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
