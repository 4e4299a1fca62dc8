"""Causes: how often the reasons given for a firm that defaulted contain why it did.

Only a world whose truth is known can say, and it says it only for what CAUSES names. Our four
reasons stand beside those of SHAP on an unconstrained challenger, beside the reasons of other firms
that defaulted (what is true of everybody tells nothing of this one), and beside groups drawn at
random.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

from model import training, validation
from model.features import FEATURES
from model.portrait import Portrait, portrait
from model.reasons import MOST
from model.scorer import Scorer
from service.backtest import cases, world_chunks

CAUSES: Mapping[str, tuple[str, ...]] = {
    # invoices without trade: they outrun electricity, staff and money; no purchases behind them
    "fraud": ("consistency", "margin", "tax_burden", "void", "red", "changes", "control"),
    # what is owed and paid each month is too much for the sales
    "over_leverage": ("debt", "debt_service", "lenders", "line", "queries", "guarantees"),
    # one buyer pays late or never, and the money to bridge it is not there
    "late_payer": ("concentration", "liquidity", "bank_flow", "bank_growth", "consistency"),
    # an accident: nothing foretells it, but a thin cushion makes it fatal
    "sudden_loss": ("liquidity", "line"),
    # sales fall: its own, or those of its trade
    "demand_shock": (
        "sales_growth", "sales", "continuity", "recency", "volatility", "zero_filings",
        "tax_growth", "headcount_growth", "electricity_growth", "bank_growth", "sector",
    ),
    # the firm it answers for fails
    "guarantee": ("guarantees", "liquidity", "line"),
    # it could pay and does not: owners who are careless with what they owe
    "wilful": ("filings", "tax_rating", "overdue", "social_arrears", "enforcement", "dishonest"),
}  # fmt: skip
"""Why a loan defaulted, as the simulator names it -> the groups of features (model/features.py)
that would show it before. Stated from what the causes mean, not from what the reasons hit."""
ALL = "all"
Groups = frozenset[str]


class Found(Struct, frozen=True, kw_only=True):
    """The firms that defaulted of one cause, and the share of them whose reasons contain it.

    `of_others` is the share were each given the reasons of another firm that defaulted; `by_chance`
    were as many groups drawn at random; `shap` is null where shap is not installed.
    """

    cause: str
    firms: int
    ours: float
    shap: float | None
    of_others: float
    by_chance: float


def causes(
    world: Path, scorer: Scorer, step: Callable[[str], None] = lambda _: None
) -> list[Found]:
    """Measure on all applications of the later vintages, granted or not, that would default.

    One row for each cause of CAUSES that is met, then all of them together; empty where the world
    does not know its truth. Causes that CAUSES does not name are left out.
    """
    earlier, _, since = training.by_vintage(training.read_loans(world))
    step("reading who defaulted")
    ids, portraits = _defaulted(world, since)
    why = validation.causes(world, pd.Series(ids, dtype="str"))
    if why is None:
        return []
    named = [at for at, cause in enumerate(why) if cause in CAUSES]
    portraits, why = [portraits[at] for at in named], [why[at] for at in named]
    ours = [_told(scorer, one) for one in portraits]
    step("explaining the challenger")
    theirs = _explained(earlier, portraits) if find_spec("shap") and portraits else None
    groups = frozenset(column.group for column in scorer.columns)
    rows = [
        _found(cause, [at for at, one in enumerate(why) if one == cause], ours, theirs, groups)
        for cause in CAUSES
        if cause in why
    ]
    return [*rows, _together(rows)] if rows else []


def _defaulted(world: Path, since: str) -> tuple[list[str], list[Portrait]]:
    """Applications from a vintage on that would default, and their portraits."""
    columns = ["application_id", "vintage"]
    rows = pd.read_parquet(world / "applications.parquet", columns=columns)
    told, ids, portraits = rows.itertuples(index=False, name=None), [], []
    for chunk in world_chunks(world):
        for case in cases(chunk):
            application_id, vintage = next(told)
            if case.defaulted and vintage >= since:
                ids.append(str(application_id))
                portraits.append(portrait(case.credit_file))
    return ids, portraits


def _told(scorer: Scorer, values: Portrait) -> Groups:
    """The groups of the reasons that lower a firm's score."""
    group = {column.name: column.group for column in scorer.columns}
    reasons = scorer.teller.lowering(values, scorer.points(values), {})
    return frozenset(group[reason.feature] for reason in reasons if reason.feature)


def _explained(earlier: training.Loans, portraits: Sequence[Portrait]) -> list[Groups]:
    """The groups of the features that SHAP says raise the challenger's risk most.

    The challenger is boosting free to do as it likes, fitted on the same earlier loans; categories
    are numbered, because shap reads no categorical splits.
    """
    with warnings.catch_warnings():  # shap loads matplotlib, which says what it will change one day
        warnings.simplefilter("ignore")
        import shap

    box = HistGradientBoostingClassifier(early_stopping=True, random_state=0)
    box.fit(_numbered(earlier.features), earlier.defaulted)
    frame = training.frame(portraits)[list(earlier.features.columns)]
    raised = np.asarray(shap.TreeExplainer(box).shap_values(_numbered(frame)))  # (n_firms, columns)
    of = {feature.name: feature.group for feature in FEATURES}
    return [_foremost(one, [of[str(name)] for name in frame.columns]) for one in raised]


def _foremost(raised: Sequence[float], groups: Sequence[str]) -> Groups:
    """The groups of the features that raise the risk most, at most four, one feature a group."""
    order = sorted(range(len(groups)), key=lambda at: -raised[at])
    return frozenset(list(dict.fromkeys(groups[at] for at in order if raised[at] > 0))[:MOST])


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories as their numbers in the catalogue, missing ones as NaN."""
    plain: dict[str, Any] = {}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy(np.float64)
            plain[str(name)] = np.where(codes < 0, np.nan, codes)
        else:
            plain[str(name)] = column.to_numpy(np.float64)
    return pd.DataFrame(plain)


def _found(
    cause: str,
    mine: Sequence[int],
    ours: Sequence[Groups],
    theirs: Sequence[Groups] | None,
    groups: Groups,
) -> Found:
    """One cause: the firms at `mine` of all that defaulted."""
    wanted = groups & set(CAUSES[cause])

    def share(told: Sequence[Groups]) -> float:
        return sum(bool(wanted & told[at]) for at in mine) / len(mine)

    hits = sum(bool(wanted & told) for told in ours)
    others = max(len(ours) - 1, 1)
    return Found(
        cause=cause,
        firms=len(mine),
        ours=share(ours),
        shap=None if theirs is None else share(theirs),
        of_others=sum(hits - bool(wanted & ours[at]) for at in mine) / (others * len(mine)),
        by_chance=sum(
            by_chance(count, len(wanted), len(groups)) * firms
            for count, firms in Counter(len(ours[at]) for at in mine).items()
        )
        / len(mine),
    )


def by_chance(drawn: int, wanted: int, of: int) -> float:
    """How likely some of the groups drawn, of all, are among those wanted.

    >>> by_chance(4, 1, 8)
    0.5
    """
    return 1.0 - comb(of - wanted, drawn) / comb(of, drawn)


def _together(rows: Sequence[Found]) -> Found:
    """All causes, each by the firms it has."""
    firms = sum(row.firms for row in rows)

    def mean(of: Callable[[Found], float | None]) -> float:
        return sum((of(row) or 0.0) * row.firms for row in rows) / firms

    return Found(
        cause=ALL,
        firms=firms,
        ours=mean(lambda row: row.ours),
        shap=None if rows[0].shap is None else mean(lambda row: row.shap),
        of_others=mean(lambda row: row.of_others),
        by_chance=mean(lambda row: row.by_chance),
    )


def table(found: Sequence[Found]) -> Table:
    """All of it for people."""
    shown = Table(
        title="Firms that defaulted: is the true cause among the four reasons?",
        title_justify="left",
    )
    columns = ("cause", "firms", "our reasons", "SHAP", "another's reasons", "at random")
    for column in columns:
        shown.add_column(column, justify="left" if column == "cause" else "right")
    for row in found:
        shares = (row.ours, row.shap, row.of_others, row.by_chance)
        said = ["-" if share is None else f"{share:.0%}" for share in shares]
        shown.add_row(row.cause.replace("_", " "), f"{row.firms:,}", *said)
    return shown
