"""The study: what data-driven lending does on a world whose truth is known, for the console.

Everything is measured on applications of the held-out vintages, granted or not, with what became
of them in the truth. Each rung of the ladder is a scorecard of its own, fitted on the earlier
loans with the sources of that rung alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score

from model import artifact, training, validation
from model.drift import counts, drift, tenths
from model.features import FEATURES, INDEX
from service import showcase
from service.application import Request
from service.backtest import Applicant, Judged, Parts, cases, world_chunks
from service.decide import Engine
from service.settings import HOME, Settings

RUNGS: tuple[tuple[str, ...], ...] = (
    ("registry", "courts"), ("tax",), ("invoices",),
    ("social_security", "electricity", "housing_fund", "water"),
    ("customs", "intellectual_property", "hiring", "online", "industrial_internet"),
    ("bank",), ("credit_bureau",),
)  # fmt: skip
"""What each rung of the ladder adds: from what is public to what banks tell each other."""
POINTS = 120
"""Cut-offs of the frontier kept."""


class Lent(Struct, frozen=True, kw_only=True):
    """What one way to decide lends: approvals, what defaults of them, first loans, yuan asked."""

    approved: int
    approved_share: float
    default_rate: float
    first_time: int
    yuan: float


class Rung(Struct, frozen=True, kw_only=True):
    """One more source: how well the firms are told apart, and what is lent at equal risk."""

    added: tuple[str, ...]
    auc: float
    ks: float
    at_equal_risk: Lent


class Cut(Struct, frozen=True, kw_only=True):
    """One cut-off: approve below this pd_12m."""

    pd_12m: float
    lent: Lent


class Vintage(Struct, frozen=True, kw_only=True):
    """One month: how the scores moved (PSI, and what chance alone would reach), what was decided.

    `psi_by_chance` is the 95 % quantile of the index when nothing changed (model/drift.py).
    """

    vintage: str
    applications: int
    psi: float
    psi_by_chance: float
    mean_score: float
    approved_share: float
    default_rate: float | None


class Rival(Struct, frozen=True, kw_only=True):
    """Champion or challenger on the held-out loans."""

    name: str
    auc: float
    brier: float


class Study(Struct, frozen=True, kw_only=True):
    """All of it, with where it was measured.

    `legacy` is the world's crude policy, `ours` the whole decision (verdict approve). The other two
    let the score alone decide, with the legacy policy's default rate or number of approvals. The
    ladder's rungs approve as many as keep the default rate of `ours`. `ceiling_auc` is the truth's
    own AUC, where the world knows it: no scorecard can do better but by luck.
    """

    scorecard: str

    applications: int
    since: str
    until: str
    default_rate: float
    ladder: list[Rung]
    legacy: Lent
    ours: Lent
    at_equal_risk: Lent
    at_equal_approval: Lent
    ceiling_auc: float | None
    frontier: list[Cut]
    medians: dict[str, dict[str, float]]
    vintages: list[Vintage]
    rivals: list[Rival]


class Seen(NamedTuple):
    """One application: firm, request, what was known, what was decided, what became of it."""

    application_id: str
    request: Request
    vintage: str
    values: Sequence[Any]
    judged: Judged
    first_time: bool
    legacy: bool
    defaulted: bool


def applications(world: Path, engine: Engine) -> Iterator[Seen]:
    """Every application of a world with a known outcome, decided by an engine."""
    columns = ["application_id", "vintage", "approved"]
    rows = pd.read_parquet(world / "applications.parquet", columns=columns)
    told = rows.itertuples(index=False, name=None)
    for chunk in world_chunks(world):
        for application, credit_file, first_time, defaulted in cases(chunk):
            application_id, vintage, approved = next(told)
            if defaulted is None:
                continue
            applicant = Applicant(application, credit_file)
            yield Seen(
                str(application_id),
                Request(application=application, credit_file=credit_file),
                str(vintage),
                applicant.values,
                applicant.judged(engine),
                bool(first_time),
                bool(approved),
                bool(defaulted),
            )


def study(
    world: Path, parts: Parts, seen: Sequence[Seen], step: Callable[[str], None] = lambda _: None
) -> Study:
    """Measure everything on a world; `seen` are all its applications, decided."""
    engine = parts.load()
    earlier, later, split_at = training.by_vintage(training.read_loans(world))
    held_out = [one for one in seen if one.vintage >= split_at]
    book = _Book(held_out)
    legacy = book.lent(np.array([one.legacy for one in held_out]))
    ours = book.lent(np.array([one.judged.verdict == "approve" for one in held_out]))
    portraits = training.frame([list(one.values) for one in held_out])
    ladder = []
    for at, added in enumerate(RUNGS):
        step(f"what {' and '.join(added)} adds")
        sources = {source for rung in RUNGS[: at + 1] for source in rung}
        pd_12m = _fitted(earlier, portraits, sources)
        within = book.at_equal_risk(pd_12m, ours.default_rate)
        auc, ks = validation.discrimination(book.defaulted, pd_12m)
        ladder.append(Rung(added=added, auc=auc, ks=ks, at_equal_risk=within))
    step("comparing")
    known = validation.truth(world, pd.Series([one.application_id for one in held_out]))
    return Study(
        scorecard=engine.versions.scorecard,
        applications=len(held_out),
        since=split_at,
        until=max(one.vintage for one in held_out),
        default_rate=float(book.defaulted.mean()),
        ladder=ladder,
        legacy=legacy,
        ours=ours,
        at_equal_risk=book.at_equal_risk(book.pd_12m, legacy.default_rate),
        at_equal_approval=book.safest(legacy.approved),
        ceiling_auc=None if known is None else float(roc_auc_score(book.defaulted, known)),
        frontier=book.frontier(),
        medians=_medians(engine, held_out),
        vintages=_vintages(engine, seen, split_at),
        rivals=_rivals(parts, earlier, later),
    )


def of_world(
    world: Path, settings: Settings, step: Callable[[str], None] = lambda _: None
) -> Study:
    """The study of a world by a scorecard: the showcase's when it is of both, else made anew."""
    parts = Parts(settings.artifact, settings.policy_file, settings.catalogue_file)
    engine = parts.load()
    kept = showcase.read(settings.showcase)
    if kept and world == HOME / "world":
        found = msgspec.json.decode(kept.study, type=Study)
        if found.scorecard == engine.versions.scorecard:
            return found
    step("deciding all applications")
    return study(world, parts, list(applications(world, engine)), step)


class _Book:
    """Held-out applications as columns."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self.defaulted = np.array([one.defaulted for one in seen])
        self.first_time = np.array([one.first_time for one in seen])
        self.yuan = np.array([one.request.application.amount_yuan for one in seen])
        self.pd_12m = np.array([one.judged.pd_12m for one in seen])

    def lent(self, approved: Any) -> Lent:
        """What is lent to those chosen."""
        count = int(approved.sum())
        return Lent(
            approved=count,
            approved_share=count / len(self.yuan),
            default_rate=float(self.defaulted[approved].mean()) if count else 0.0,
            first_time=int(self.first_time[approved].sum()),
            yuan=float(self.yuan[approved].sum()),
        )

    def at_equal_risk(self, pd_12m: Any, default_rate: float) -> Lent:
        """The most approvals of which no larger share defaults."""
        order = np.argsort(pd_12m, kind="stable")
        rates = np.cumsum(self.defaulted[order]) / np.arange(1, len(order) + 1)
        within = np.flatnonzero(rates <= default_rate)
        return self._first(order, int(within[-1]) + 1 if len(within) else 0)

    def safest(self, count: int) -> Lent:
        """What is lent to the safest so many."""
        return self._first(np.argsort(self.pd_12m, kind="stable"), count)

    def _first(self, order: Any, count: int) -> Lent:
        approved = np.zeros(len(order), bool)
        approved[order[:count]] = True
        return self.lent(approved)

    def frontier(self) -> list[Cut]:
        """What is lent at cut-offs spread evenly over the applications."""
        cuts = np.quantile(self.pd_12m, np.linspace(0.02, 1.0, POINTS))
        return [
            Cut(pd_12m=float(cut), lent=self.lent(self.pd_12m <= cut)) for cut in np.unique(cuts)
        ]


def _fitted(earlier: training.Loans, portraits: pd.DataFrame, sources: set[str]) -> Any:
    """pd_12m by a scorecard fitted with some sources alone."""
    named = [one.name for one in FEATURES if one.source in sources]
    columns = [name for name in earlier.features.columns if name in named]
    estimator = training.fitted(earlier.features[columns], earlier.defaulted)
    return estimator.predict_proba(portraits[columns])[:, 1]


def _medians(engine: Engine, seen: Sequence[Seen]) -> dict[str, dict[str, float]]:
    """The median points of each dimension, by sector and of all."""
    found: dict[str, dict[str, list[float]]] = {}
    for one in seen:
        dimensions = engine.scorer.assess(one.values).dimensions
        for sector in ("all", str(one.values[INDEX["sector"]])):
            for name, points in dimensions.items():
                found.setdefault(sector, {}).setdefault(name, []).append(points)
    return {
        sector: {name: median(points) for name, points in dimensions.items()}
        for sector, dimensions in found.items()
    }


def _vintages(engine: Engine, seen: Sequence[Seen], split_at: str) -> list[Vintage]:
    """Month by month, the scores against those of the vintages the scorecard was fitted on."""
    scores: dict[str, list[int]] = {}
    by_vintage: dict[str, list[Seen]] = {}
    for one in seen:
        scores.setdefault(one.vintage, []).append(engine.scorer.rate(one.values)[0])
        by_vintage.setdefault(one.vintage, []).append(one)
    base = np.concatenate([scores[vintage] for vintage in scores if vintage < split_at])
    edges = tenths(base)
    expected = counts(base, edges)
    found = []
    for vintage in sorted(scores):
        mine, of_month = np.array(scores[vintage]), by_vintage[vintage]
        approved = [one for one in of_month if one.judged.verdict == "approve"]
        moved = drift(expected, counts(mine, edges))
        found.append(
            Vintage(
                vintage=vintage,
                applications=len(mine),
                psi=moved.psi,
                psi_by_chance=moved.by_chance,
                mean_score=float(mine.mean()),
                approved_share=len(approved) / len(of_month),
                default_rate=(
                    sum(one.defaulted for one in approved) / len(approved) if approved else None
                ),
            )
        )
    return found


def _rivals(parts: Parts, earlier: training.Loans, later: training.Loans) -> list[Rival]:
    """The scorecard as its card measured it, and a black box fitted on the same loans."""
    stored = (parts.artifact / artifact.CARD).read_bytes()
    card = msgspec.json.decode(stored, type=artifact.Card).metrics["held_out"]
    box = HistGradientBoostingClassifier(
        categorical_features="from_dtype", early_stopping=True, random_state=0
    )
    box.fit(earlier.features, earlier.defaulted)
    pd_12m = box.predict_proba(later.features)[:, 1]
    return [
        Rival(name="scorecard", auc=card["auc"], brier=card["brier"]),
        Rival(
            name="boosting",
            auc=float(roc_auc_score(later.defaulted, pd_12m)),
            brier=float(brier_score_loss(later.defaulted, pd_12m)),
        ),
    ]
