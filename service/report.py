"""The report: one page that says how good a scorecard is, where, for whom, and why.

Everything on it is measured here, on the loans the scorecard was fitted on and those held out. The
champion is read from scorecard.json alone; the challenger, boosting free to do as it likes, is
fitted on the same earlier loans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_curve

from model import artifact, validation
from model.batch import Batch
from model.drift import Drift, counts, drift, tenths
from model.fairness import FEWEST, Kind, kinds
from model.features import SOURCE_LABELS
from model.points import YES_NO, FeaturePoints, Points, number_text, points, step_texts
from model.scorecard import MonotoneScorecard
from model.scorer import Scorer
from model.table import OWN_TABLE, Axis, Column
from model.training import FOLDS, MOST_TABLES
from service import charts
from service.book import Book
from service.causes import Found, cells
from service.charts import OTHER, OURS, RED, Chart
from service.rendering import rendered
from service.study import Study

APPROVED = 0.7
"""Share of the held-out loans that the cut-off of the comparisons approves."""
MOST_DRIFTS, MOST_RANKED = 15, 20
MOST_CATEGORIES = 200
"""Distinct texts beyond which a column is kept from the challenger."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rated:
    """One model's probabilities for every loan, and its figures on those held out."""

    name: str
    pd_12m: Floats
    held_out: validation.Metrics


class Price(msgspec.Struct, frozen=True):
    """What being readable costs: one way to fit, and how good it is on the held-out loans."""

    name: str
    auc: float
    brier: float


class Row(msgspec.Struct, frozen=True):
    """One step of a feature: in words, points, share of earlier and later loans, what defaulted."""

    zh: str
    en: str
    points: float
    early: float
    late: float
    defaulted: float | None


class Shape(msgspec.Struct, frozen=True):
    """One feature: how it moves the score, and how much."""

    feature: FeaturePoints
    rows: list[Row]
    weight: float
    drift: Drift


@dataclass(frozen=True)
class Report:
    """All that the page tells."""

    points: Points
    book: Book
    champion: Rated
    challenger: Rated
    prices: list[Price]
    shapes: list[Shape]
    cut_off: float
    fairness: dict[str, list[Kind]]
    study: Study | None
    causes: Sequence[Found]

    @property
    def speaking(self) -> list[Shape]:
        """The features that move a score by themselves."""
        return [shape for shape in self.shapes if len(set(shape.feature.all)) > 1]

    @property
    def silent(self) -> list[Shape]:
        """The features that do not."""
        return [shape for shape in self.shapes if len(set(shape.feature.all)) == 1]


def report(
    folder: Path,
    book: Book,
    study: Study | None = None,
    causes: Sequence[Found] = (),
    step: Callable[[str], None] = lambda _: None,
) -> Report:
    """Measure a scorecard on its book; `study` and `causes` hold what only a world knows."""
    step("rating")
    found = points(*artifact.load(folder))
    scorer = Scorer(found.card, {f.column.name: at for at, f in enumerate(found.features)})
    pd_12m = Batch(scorer).rate(_columns(book, found)).pd_12m
    champion = _rated("scorecard", pd_12m, book)
    step("fitting the challenger")
    challenger = _challenger(book)
    prices = _prices(found, book, champion, challenger, step)
    step("looking at features and groups")
    held = pd_12m[book.late]
    cut_off = float(np.quantile(held, APPROVED))
    return Report(
        points=found,
        book=book,
        champion=champion,
        challenger=challenger,
        prices=prices,
        shapes=_shapes(found, scorer, book),
        cut_off=cut_off,
        fairness={
            title: kinds(labels[book.late], book.hits[book.late], held, held <= cut_off)
            for title, labels in book.sorts.items()
        },
        study=study,
        causes=causes,
    )


def _columns(book: Book, found: Points) -> dict[str, Any]:
    """The features as the batch scorer takes them."""
    taken = {}
    for one in found.features:
        values = book.features[one.column.name]
        if one.column.kind != "number":
            values = values.astype(object).where(values.notna(), None)
        taken[one.column.name] = values.to_numpy()
    return taken


def _rated(name: str, pd_12m: Floats, book: Book) -> Rated:
    truth = None if book.truth is None else book.truth[book.late]
    measured = validation.measure(book.hits[book.late], pd_12m[book.late], truth)
    return Rated(name, pd_12m, measured)


def _challenger(book: Book) -> Rated:
    """Boosting without directions, tables or steps: what a black box makes of the same loans."""
    fits = [
        name
        for name in book.features
        if book.features[name].dtype.kind == "f" or book.features[name].nunique() <= MOST_CATEGORIES
    ]
    box = HistGradientBoostingClassifier(
        categorical_features="from_dtype", early_stopping=True, random_state=0
    )
    seen = book.features[fits]
    box.fit(seen[~book.late], book.hits[~book.late])
    return _rated("gradient boosting", box.predict_proba(seen)[:, 1], book)


def _prices(
    found: Points, book: Book, champion: Rated, challenger: Rated, step: Callable[[str], None]
) -> list[Price]:
    """The scorecard as it is, then with one thing that makes it readable given up at a time."""
    directions = {one.column.name: one.column.direction for one in found.features}
    own = found.card.columns[0].source == OWN_TABLE
    options: dict[str, Any] = {"directions": directions}
    options |= {} if own else {"max_pairs": MOST_TABLES, "n_folds": FOLDS}
    changes: dict[str, dict[str, Any]] = {
        "步数不限 every step that boosting found": {"max_steps": None, "max_bands": 32},
        "不限方向 free of directions": {"directions": None},
        "无双因素表 no two-way tables": {"max_pairs": 0},
    }
    names = [one.column.name for one in found.features]
    seen, prices = book.features[names], [_price("评分卡 scorecard", champion.held_out)]
    for name, change in changes.items():
        step(f"fitting: {name.split(' ', 1)[1]}")
        fitted = MonotoneScorecard(**{**options, **change})
        fitted.fit(seen[~book.late], book.hits[~book.late])
        rated = _rated(name, fitted.predict_proba(seen)[:, 1], book)
        prices.append(_price(name, rated.held_out))
    return [*prices, _price("挑战者 challenger: gradient boosting", challenger.held_out)]


def _price(name: str, measured: validation.Metrics) -> Price:
    return Price(name, measured.auc, measured.brier)


def _shapes(found: Points, scorer: Scorer, book: Book) -> list[Shape]:
    """Every feature, those first that move the score of the held-out loans most."""
    shapes = []
    columns = _columns(book, found)
    for feature in found.features:
        at = _steps(feature.column, columns[feature.column.name])
        many = len(feature.all)
        early, late = (np.bincount(at[part], minlength=many) for part in (~book.late, book.late))
        bad = np.bincount(at[book.late], book.hits[book.late], many)
        gained = np.asarray(feature.all)
        rows = [
            Row(
                zh, en, feature.all[i], float(early[i] / early.sum()), float(late[i] / late.sum()),
                float(bad[i] / late[i]) if late[i] else None,
            )
            for i, (zh, en) in enumerate(step_texts(feature.column))
        ]  # fmt: skip
        weight = float(np.abs(gained[at[book.late]]).mean())
        shapes.append(Shape(feature, rows, weight, drift(early, late)))
    return sorted(shapes, key=lambda shape: -shape.weight)


def _steps(column: Column, values: Any) -> NDArray[np.int64]:
    """Each loan's step in the order of FeaturePoints.all."""
    if column.kind == "number":
        at = np.searchsorted(np.asarray(column.cuts), values, side="left")
        return np.where(np.isnan(values), len(column.cuts) + 1, at)
    known = {category: i for i, category in enumerate(column.categories)}
    many = len(column.categories)
    return np.array([many + 1 if one is None else known.get(one, many) for one in values])


def by_period(told: Report) -> list[dict[str, Any]]:
    """Discrimination, calibration and drift of the score, time by time."""
    book, pd_12m = told.book, told.champion.pd_12m
    if book.periods is None:
        return []
    edges = tenths(pd_12m[~book.late])
    base = counts(pd_12m[~book.late], edges)
    found = []
    for name in book.periods.cat.categories:
        at = (book.periods == name).to_numpy()
        if not at.any():
            continue
        bad, loans = int(book.hits[at].sum()), int(at.sum())
        enough = min(bad, loans - bad) >= FEWEST
        found.append(
            {
                "name": str(name),
                "loans": loans,
                "held_out": bool(book.late[at].any()),
                "observed": validation.share(bad, loans),
                "expected": float(pd_12m[at].mean()),
                "auc": validation.discrimination(book.hits[at], pd_12m[at])[0] if enough else None,
                "drift": drift(base, counts(pd_12m[at], edges)),
            }
        )
    return found


def drawn(told: Report) -> dict[str, Chart]:
    """Every chart of the page by the name of its place."""
    book, scores = told.book, -np.log(told.champion.pd_12m / (1.0 - told.champion.pd_12m))
    exact = told.points.even_score + told.points.points_per_logit * scores
    late = book.late
    found = {
        "roc": charts.roc(_curves(told)),
        "apart": charts.apart(exact[late & (book.hits == 0)], exact[late & (book.hits == 1)]),
        "calibration": charts.calibration(
            [
                ("scorecard 评分卡", told.champion.held_out.calibration, OURS),
                ("challenger 挑战者", told.challenger.held_out.calibration, OTHER),
            ]
        ),
        "weights": charts.ranking(
            [label(shape.feature.column) for shape in told.shapes[:MOST_RANKED]],
            [shape.weight for shape in told.shapes[:MOST_RANKED]],
            "mean points, either way 平均影响分值",
        ),
    }
    for at, shape in enumerate(told.speaking):
        early, held = [row.early for row in shape.rows], [row.late for row in shape.rows]
        names = ticks(shape.feature.column)
        found[f"shape-{at}"] = charts.shape(shape.feature, names, early, held)
    for at, pair in enumerate(told.points.pairs):
        found[f"pair-{at}"] = charts.heat(pair, ticks(pair.table.first), ticks(pair.table.second))
    if times := by_period(told):
        names = [one["name"] for one in times]
        observed, expected = [one["observed"] for one in times], [one["expected"] for one in times]
        found["periods"] = charts.over_time(names, observed, expected)
        if any(one["auc"] for one in times):
            found["aucs"] = charts.auc_over_time(names, [one["auc"] for one in times])
        found["score-drift"] = charts.drifts(names, [one["drift"] for one in times])
    moved = sorted(told.shapes, key=lambda shape: shape.drift.by_chance - shape.drift.psi)
    found["drifts"] = charts.drifts(
        [label(shape.feature.column) for shape in moved[:MOST_DRIFTS]],
        [shape.drift for shape in moved[:MOST_DRIFTS]],
    )
    for at, group in enumerate(told.fairness.values()):
        found[f"kinds-{at}"] = charts.kinds(group)
    if told.study:
        found["ladder"] = charts.ladder(rungs(told.study), told.study.ceiling_auc)
    return found


def _curves(told: Report) -> list[tuple[str, Any, Any, str]]:
    book = told.book
    sides = [("scorecard 评分卡", told.champion.pd_12m, OURS)]
    sides += [("challenger 挑战者", told.challenger.pd_12m, OTHER)]
    if book.truth is not None:
        sides.append(("truth 真值上限", book.truth, RED))
    found = []
    for name, pd_12m, color in sides:
        wrong, right, _ = roc_curve(book.hits[book.late], pd_12m[book.late])
        found.append((name, wrong, right, color))
    return found


def _brief(added: Sequence[str], sign: str) -> str:
    """The first two sources of a rung, and how many more there are: what fits under a bar."""
    named = [sign + SOURCE_LABELS[one][1] for one in added[:2]]
    more = [f"{len(added) - 2} more 另{len(added) - 2}项"] if len(added) > 2 else []
    return "<br>".join([*named, *more])


def rungs(study: Study) -> list[tuple[str, float, float, float]]:
    """What each rung adds, AUC, KS and the share approved at equal risk."""
    return [
        (
            _brief(rung.added, "+ " if at else ""),
            rung.auc,
            rung.ks,
            rung.at_equal_risk.approved_share,
        )
        for at, rung in enumerate(study.ladder)
    ]


def label(column: Column) -> str:
    """A feature in one or two languages, short enough for an axis."""
    english = shorten(column.label_en, 26, placeholder="…")
    return english if column.label_zh == column.label_en else f"{column.label_zh} {english}"


def ticks(of: Column | Axis) -> list[str]:
    """The steps of a feature, or the bands of a two-way table's side, as short ticks of an axis."""
    named = of.categories if isinstance(of, Column) else [", ".join(one) for one in of.groups]
    number = of.kind == "number" if isinstance(of, Column) else not of.groups
    if isinstance(of, Column) and of.unit == YES_NO:
        return [en for _, en in step_texts(of)]
    if not number:
        ends = ["other", "missing"] if isinstance(of, Column) else ["other, missing"]
        texts = [shorten(one, 22, placeholder="…") for one in named]
        return [*(texts if len(set(texts)) == len(texts) else named), *ends]
    if not of.cuts:
        return ["any", "missing"]
    texts = [number_text(float(f"{cut:.3g}")) for cut in of.cuts]
    if len(set(texts)) < len(texts):
        texts = [repr(cut) for cut in of.cuts]
    return [*(f"≤ {text}" for text in texts), f"> {texts[-1]}", "missing"]


def html(told: Report) -> str:
    """The report as one file that fetches nothing."""
    from plotly.offline import get_plotlyjs

    drawing = msgspec.json.encode(drawn(told)).decode().replace("</", "<\\/")
    return rendered(
        "report.html",
        told=told,
        card=told.book.card,
        measured=told.champion.held_out,
        charts=drawing,
        plotly=get_plotlyjs(),
        times=by_period(told),
        sources=SOURCE_LABELS,
        cause_cells=cells,
        columns={shape.feature.column.name: shape.feature.column for shape in told.shapes},
    )
