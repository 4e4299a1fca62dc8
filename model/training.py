"""Training, on one page: read loans, split by vintage, fit, measure, save."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec.structs import replace

from model import artifact, parity, validation
from model.credit_file import CreditFile
from model.features import FEATURES, NOT_SCORED, Feature
from model.pairs import Side
from model.portrait import Portrait, portrait
from model.scorecard import MonotoneScorecard
from model.table import FORMAT, Axis, Column, GradeBand, Scale, ScorecardFile, TwoWay

SCALE = Scale(base_score=600.0, base_odds=20.0, doubling_points=40.0)
"""600 points at 20 good loans to one default; 40 points double the odds."""
MOST_TABLES = 10
"""Two-way tables tried: as many as a credit committee would read."""
FOLDS = 6
"""Folds of boosting: with this many features and loans more of them cost time and gain little."""

GRADES = [
    GradeBand(grade="AAA", pd_12m_below=0.005),
    GradeBand(grade="AA", pd_12m_below=0.01),
    GradeBand(grade="A", pd_12m_below=0.02),
    GradeBand(grade="BBB", pd_12m_below=0.04),
    GradeBand(grade="BB", pd_12m_below=0.08),
    GradeBand(grade="B", pd_12m_below=0.15),
    GradeBand(grade="CCC", pd_12m_below=1.0),
]
HELD_OUT_SHARE = 1 / 3
"""The latest vintages, held out for measuring."""

FIRST_TIME = "first_time_borrower"
_FILES = ("applications.parquet", "outcomes.parquet", "credit_files.parquet")
_DESCRIBED = {feature.name: feature for feature in FEATURES}
_UNSCORED = [feature for feature in FEATURES if feature.name in NOT_SCORED]
_SCORED = [feature for feature in FEATURES if feature.name not in NOT_SCORED]


@dataclass(frozen=True)
class Loans:
    """Granted loans with what was known when they were asked for and what became of them."""

    application_ids: pd.Series[Any]
    vintages: pd.Series[Any]
    features: pd.DataFrame
    defaulted: pd.Series[Any]
    beside: pd.DataFrame
    """What is known and not scored: unscored features, and FIRST_TIME where it is stated."""

    def part(self, chosen: pd.Series[Any]) -> Loans:
        """The loans for which `chosen` is true."""
        return Loans(
            self.application_ids[chosen],
            self.vintages[chosen],
            self.features.loc[chosen],
            self.defaulted[chosen],
            self.beside.loc[chosen],
        )


def train(world: Path, out: Path, step: Callable[[str], None] = lambda _: None) -> artifact.Card:
    """Fit a scorecard on the loans of a folder and save it; returns the card with its metrics.

    The folder holds applications, outcomes and credit_files as Parquet; `step` is told what is
    being done. Raises FileNotFoundError or ValueError that say what was expected where.
    """
    step("reading loans")
    loans = read_loans(world)
    earlier, later, split_at = by_vintage(loans)
    step(f"fitting on {len(earlier.defaulted):,} loans")
    estimator = fitted(earlier.features, earlier.defaulted)
    step("measuring")
    metrics = {
        "train": _measure(estimator, earlier, world),
        "held_out": _measure(estimator, later, world),
    }
    stored, idle = without_idle(tabulate(estimator, earlier.features))
    card = artifact.Card(
        format=artifact.CARD_FORMAT,
        name="yidaitong",
        hashes={},
        loans={
            "fingerprint": fingerprint(world),
            "train": len(earlier.defaulted),
            "held_out": len(later.defaulted),
            "first_vintage": str(loans.vintages.min()),
            "held_out_from": split_at,
            "last_vintage": str(loans.vintages.max()),
            "idle_features": idle,
        },
        metrics=msgspec.to_builtins(metrics),
        versions={name: version(name) for name in ("yidaitong", "scikit-learn", "numpy", "pandas")},
    )
    step("saving")
    checked = parity.sample(estimator, earlier.features, stored)
    return artifact.save(out, stored, estimator, card, checked)


def read_loans(world: Path) -> Loans:
    """The granted loans of a folder, portrayed."""
    for name in _FILES:
        if not (world / name).exists():
            raise FileNotFoundError(
                f"{world / name}: not there; expected a folder written by `yidaitong generate`, "
                f"or your own with {', '.join(_FILES)}"
            )
    applications = pd.read_parquet(world / "applications.parquet")
    applications = applications[
        [name for name in ("application_id", "vintage", FIRST_TIME) if name in applications]
    ]
    outcomes = pd.read_parquet(
        world / "outcomes.parquet", columns=["application_id", "defaulted_12m"]
    )
    files = pd.read_parquet(world / "credit_files.parquet")
    granted = outcomes.merge(applications, on="application_id", validate="one_to_one").merge(
        files, on="application_id", validate="one_to_one"
    )
    granted = granted.sort_values(["vintage", "application_id"], ignore_index=True)
    decode = msgspec.json.Decoder(CreditFile).decode
    rows = [portrait(decode(stored)) for stored in granted["credit_file"]]
    return Loans(
        granted["application_id"],
        granted["vintage"],
        frame(rows),
        granted["defaulted_12m"],
        frame(rows, _UNSCORED).join(granted[[FIRST_TIME] if FIRST_TIME in granted else []]),
    )


def frame(rows: Sequence[Portrait], features: Sequence[Feature] | None = None) -> pd.DataFrame:
    """Portraits as a table (n_firms, n_features), categories typed; all that is scored, or some."""
    at = {feature.name: i for i, feature in enumerate(FEATURES)}
    columns: dict[str, Any] = {}
    for feature in _SCORED if features is None else features:
        values = [row[at[feature.name]] for row in rows]
        if feature.kind == "number":
            columns[feature.name] = np.array(values, dtype=np.float64)
        else:
            known = list(feature.categories) or None
            columns[feature.name] = pd.Categorical(
                values, categories=known, ordered=feature.kind == "ordered"
            )
    return pd.DataFrame(columns)


def directions() -> dict[str, int]:
    """Declared direction of every scored feature."""
    return {feature.name: feature.direction for feature in _SCORED}


def by_vintage(loans: Loans) -> tuple[Loans, Loans, str]:
    """Split into earlier and later vintages; returns both and the first later vintage."""
    vintages = sorted(loans.vintages.unique())
    if len(vintages) < 3:
        raise ValueError(
            f"vintages: the loans have {len(vintages)} ({vintages}), expected at least 3 so that "
            "the latest can be held out; simulate more months"
        )
    split_at = vintages[-max(1, round(len(vintages) * HELD_OUT_SHARE))]
    late = loans.vintages >= split_at
    return loans.part(~late), loans.part(late), str(split_at)


def fingerprint(world: Path) -> str:
    """One hash over the files the loans were read from."""
    return artifact.sha256(
        "".join(artifact.sha256((world / name).read_bytes()) for name in _FILES).encode()
    )


def fitted(features: pd.DataFrame, defaulted: pd.Series[Any]) -> MonotoneScorecard:
    """A scorecard of some of the portrait's features, held to the catalogue's directions."""
    named = {name: sign for name, sign in directions().items() if name in features}
    estimator = MonotoneScorecard(directions=named, max_pairs=MOST_TABLES, n_folds=FOLDS)
    return estimator.fit(features, defaulted)


def tabulate(
    estimator: MonotoneScorecard,
    features: pd.DataFrame,
    described: Mapping[str, Feature] = _DESCRIBED,
    name: str = "yidaitong",
) -> ScorecardFile:
    """The fitted estimator as the file serving reads; the reference is the mean of `features`."""
    alone, together = estimator.terms(features)
    references = alone.mean(axis=0)
    columns = []
    for steps, reference in zip(estimator.columns_, references, strict=True):
        feature = described[steps.name]
        columns.append(
            Column(
                name=feature.name,
                source=feature.source,
                unit=feature.unit,
                dimension=feature.dimension,
                group=feature.group,
                label_zh=feature.label_zh,
                label_en=feature.label_en,
                direction=feature.direction,
                kind=steps.kind,
                cuts=steps.cuts.tolist(),
                categories=list(steps.categories),
                contributions=steps.levels.tolist(),
                missing=steps.missing,
                unknown=steps.unknown,
                reference=float(reference),
            )
        )
    two_way = [
        TwoWay(
            first=_axis(table.first),
            second=_axis(table.second),
            contributions=table.levels.tolist(),
            reference=float(reference),
        )
        for table, reference in zip(estimator.two_way_, together.mean(axis=0), strict=True)
    ]
    return ScorecardFile(
        format=FORMAT,
        name=name,
        intercept=estimator.intercept_,
        columns=columns,
        two_way=two_way,
        scale=SCALE,
        grades=GRADES,
    )


def without_idle(card: ScorecardFile) -> tuple[ScorecardFile, list[str]]:
    """The scorecard without the features that change no score, and their names.

    What adds the same to everybody need not be looked up, nor explained, at every decision.
    """
    paired = {axis.feature for table in card.two_way for axis in (table.first, table.second)}
    kept, idle, intercept = [], [], card.intercept
    for column in card.columns:
        levels = {*column.contributions, column.missing, column.unknown}
        if len(levels) > 1 or column.name in paired:
            kept.append(column)
        else:
            idle.append(column.name)
            intercept += column.missing
    if not kept:
        return card, []
    return replace(card, columns=kept, intercept=intercept), idle


def _axis(side: Side) -> Axis:
    if side.column.kind == "number":
        return Axis(feature=side.column.name, cuts=side.cuts.tolist())
    return Axis(feature=side.column.name, groups=side.groups)


def _measure(estimator: MonotoneScorecard, loans: Loans, world: Path) -> validation.Metrics:
    return validation.measure(
        loans.defaulted,
        estimator.predict_proba(loans.features)[:, 1],
        validation.truth(world, loans.application_ids),
    )
