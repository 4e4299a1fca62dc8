"""The scorer beside other ways to score: one loan with its reasons, and a million at once.

One loan: all learn the same made-up table (service/naive.py: 40 features, 10 of them categories)
and score the same row, in turns. Theirs is the probability alone, from a one-row DataFrame where
they take one; ours is probability, score, grade and the four strongest reasons. Many loans: 40
numbers a row. One OpenMP thread: several wait for each other when the machine is busy. Peers that
are not installed are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from rich.console import Group
from rich.table import Table
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from model.batch import Batch
from model.features import Feature
from model.onnx_graph import graph
from model.points import points
from model.scorecard import MonotoneScorecard
from model.scorer import Scorer
from model.table import OWN_TABLE, ScorecardFile
from model.training import FOLDS, MOST_TABLES, tabulate
from service import naive
from service.bench import time_calls
from service.machine import Machine, seen, versions

PACKAGES = {
    "scikit-learn", "numpy", "pandas", "onnxruntime", "interpret-core", "optbinning", "lightgbm",
}  # fmt: skip
ROUNDS = 3
LEARNED, PORTFOLIO = 4_000, 1_000_000
Once = Callable[[], object]


class Row(Struct, frozen=True):
    """One loan: median of the rounds' p50 in microseconds, AUC on rows nobody learned from."""

    name: str
    p50_us: float
    times_ours: float
    auc: float


class Bulk(Struct, frozen=True):
    """A portfolio: rows of 40 features a second, best of the rounds, and AUC."""

    name: str
    rows_a_second: float
    auc: float


class Rivals(Struct, frozen=True):
    """Ours first, in both; where and with what it was measured."""

    machine: Machine
    versions: dict[str, str]
    rows: list[Row]
    bulk: list[Bulk]


def measure(seconds: float) -> Rivals:
    """Fit everything that is installed on the same table, then time it in turns."""
    with threadpool_limits(1, user_api="openmp"):
        return Rivals(seen(), versions(PACKAGES), _rows(seconds), _bulk())


def _rows(seconds: float) -> list[Row]:
    frame, target = naive.table()
    frame = frame.astype(dict.fromkeys(naive.LETTERS, "category"))
    learned, held = frame[:LEARNED], frame[LEARNED:]
    fitted, card = _scorecard(learned, target[:LEARNED])
    rated = fitted.predict_proba(held)[:, 1]
    flat: dict[str, Any] = {
        str(name): value if isinstance(value, str) else float(value)
        for name, value in held.iloc[0].items()
    }  # fmt: skip
    made: dict[str, tuple[Once, Any]] = {"ours, with four reasons": (_ours(card, flat), rated)}
    if find_spec("onnx") and find_spec("onnxruntime"):
        made["our ONNX export in onnxruntime, from a dict"] = (_onnx(card, flat), rated)
    for name, (package, fit) in PEERS.items():
        if find_spec(package):
            made[name] = fit(learned, target[:LEARNED], held)
    spans: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(ROUNDS):
        for name, (once, _) in made.items():
            spans[name].append(time_calls(once, seconds / ROUNDS).latency.p50_us)
    ours = median(next(iter(spans.values())))
    return [
        Row(
            name,
            median(spans[name]),
            median(spans[name]) / ours,
            float(roc_auc_score(target[LEARNED:], rated)),
        )
        for name, (_, rated) in made.items()
    ]


def _scorecard(learned: pd.DataFrame, target: Any) -> tuple[MonotoneScorecard, ScorecardFile]:
    """Ours, learned as for the platform's own scorecard (model/training.py)."""
    described = {
        str(name): Feature(
            name=str(name), source=OWN_TABLE, unit="count", direction=0, dimension=OWN_TABLE,
            group=str(name), label_zh=str(name), label_en=str(name),
            kind="number" if pd.api.types.is_numeric_dtype(learned[name]) else "nominal",
        )
        for name in learned
    }  # fmt: skip
    fitted = MonotoneScorecard(max_pairs=MOST_TABLES, n_folds=FOLDS).fit(learned, target)
    return fitted, tabulate(fitted, learned, described)


def _ours(card: ScorecardFile, flat: Mapping[str, Any]) -> Once:
    scorer = Scorer(card, {column.name: at for at, column in enumerate(card.columns)})
    row = [flat[column.name] for column in card.columns]

    def once() -> object:
        gained = scorer.points(row)
        return scorer.rated(gained), scorer.teller.strongest(row, gained, {})

    return once


def _onnx(card: ScorecardFile, flat: Mapping[str, Any]) -> Once:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = graph(points(card, "bench"))
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])

    def once() -> object:
        given = {
            name: np.array([[value]], dtype=object if isinstance(value, str) else np.float64)
            for name, value in flat.items()
        }
        return session.run(["pd_12m"], given)

    return once


def _classifier(make: Callable[[], Any]) -> Callable[..., tuple[Once, Any]]:
    """A way to score by any classifier with predict_proba."""

    def fit(learned: pd.DataFrame, target: Any, held: pd.DataFrame) -> tuple[Once, Any]:
        fitted, row = make().fit(learned, target), held.iloc[:1]
        return lambda: fitted.predict_proba(row), fitted.predict_proba(held)[:, 1]

    return fit


def _boosting() -> Any:
    return HistGradientBoostingClassifier(
        max_iter=naive.TREES, early_stopping=False, categorical_features="from_dtype",
        random_state=0,
    )  # fmt: skip


def _ebm() -> Any:
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(random_state=0, n_jobs=1)


def _optbinning() -> Any:
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    names = [*naive.NUMBERS, *naive.LETTERS]
    process = BinningProcess(names, categorical_variables=naive.LETTERS)
    return Scorecard(process, LogisticRegression(max_iter=1_000))


def _plain(fit: Callable[..., tuple[Once, Any]]) -> Callable[..., tuple[Once, Any]]:
    """For a library that takes categories as texts only."""

    def of(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.astype(dict.fromkeys(naive.LETTERS, object))

    return lambda learned, target, held: fit(of(learned), target, of(held))


PEERS: Mapping[str, tuple[str, Callable[..., tuple[Once, Any]]]] = {
    "HistGradientBoosting, 200 trees": ("sklearn", _classifier(_boosting)),
    "ExplainableBoostingClassifier": ("interpret", _classifier(_ebm)),
    "optbinning Scorecard": ("optbinning", _plain(_classifier(_optbinning))),
}


def _bulk() -> list[Bulk]:
    frame, target = _loans(24_000)
    learned, hits, held, known = frame[4_000:], target[4_000:], frame[:4_000], target[:4_000]
    many, _ = _loans(PORTFOLIO)
    fitted, card = _scorecard(learned, hits)
    batch = Batch(Scorer(card, {column.name: at for at, column in enumerate(card.columns)}))
    columns = {str(name): many[name].to_numpy() for name in many}
    made: dict[str, tuple[Once, Any]] = {
        "ours": (lambda: batch.rate(columns), fitted.predict_proba(held)[:, 1])
    }
    if find_spec("lightgbm"):
        name, predict = _lightgbm(learned, hits, held, known, roc_auc_score(known, made["ours"][1]))
        made[name] = (lambda: predict(many), predict(held)[:, 1])
    found = dict.fromkeys(made, 0.0)
    for _ in range(ROUNDS):
        for name, (once, _) in made.items():
            begun = perf_counter()
            once()
            found[name] = max(found[name], len(many) / (perf_counter() - begun))
    return [
        Bulk(name, found[name], float(roc_auc_score(known, rated)))
        for name, (_, rated) in made.items()
    ]


def _loans(rows: int) -> tuple[pd.DataFrame, Any]:
    """Made-up loans, 40 numbers: most of the risk is each number's own, some is of two pairs."""
    draw = np.random.default_rng(naive.SEED)
    values, weights = draw.normal(size=(rows, 40)), 0.6 * np.linspace(0.0, 1.0, 40) ** 2
    pairs = np.tanh(values[:, 0] * values[:, 1]) + np.tanh(values[:, 2] * values[:, 3])
    logit = np.tanh(2.0 * values) @ weights + 0.5 * pairs - 3.2
    frame = pd.DataFrame(values, columns=[f"number_{i}" for i in range(40)])
    return frame, (draw.random(rows) < expit(logit)).astype(int)


def _lightgbm(
    learned: pd.DataFrame, hits: Any, held: pd.DataFrame, known: Any, wanted: float
) -> tuple[str, Callable[[pd.DataFrame], Any]]:
    """LightGBM with as few trees as rate held-out rows as well as ours; its name and predict.

    When no number of trees does, its default of 100.
    """
    from lightgbm import LGBMClassifier

    fitted = LGBMClassifier(n_estimators=500, verbose=-1, random_state=0).fit(learned, hits)

    def reached(trees: int) -> bool:
        rated = np.asarray(fitted.predict_proba(held, num_iteration=trees))[:, 1]
        return bool(roc_auc_score(known, rated) >= wanted)

    trees = next((trees for trees in range(5, 500, 5) if reached(trees)), 100)

    def predict(frame: pd.DataFrame) -> Any:
        return fitted.predict_proba(frame, num_iteration=trees)

    return f"LightGBM, {trees} trees", predict


def table(found: Rivals) -> Group:
    """Both for people."""
    rows = Table(title="Scoring one loan of 40 features, in process", title_justify="left")
    bulk = Table(title=f"Scoring {PORTFOLIO:,} loans of 40 numbers", title_justify="left")
    for shown, columns in ((rows, ("p50, us", "times ours")), (bulk, ("rows a second",))):
        shown.add_column("what", no_wrap=True)
        for column in (*columns, "AUC"):
            shown.add_column(column, justify="right")
    for one in found.rows:
        times = f"{one.times_ours:,.1f} x"
        rows.add_row(one.name, f"{one.p50_us:,.1f}", times, f"{one.auc:.3f}")
    for many in found.bulk:
        bulk.add_row(many.name, f"{many.rows_a_second:,.0f}", f"{many.auc:.3f}")
    method = (
        f"{found.machine.said()}. Medians of {ROUNDS} rounds in turn, best of them for many loans; "
        "one OpenMP thread. AUC on rows nobody learned from. Others give a probability alone. "
        + ", ".join(f"{name} {number}" for name, number in sorted(found.versions.items()))
    )
    return Group(rows, bulk, method)
