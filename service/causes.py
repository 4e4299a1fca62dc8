"""Causes: how often the reasons given for a firm that defaulted contain why it did.

Only a world whose truth is known can say, and it says it only for what CAUSES names. Our four
reasons stand beside those of SHAP on an unconstrained challenger, beside the reasons of firms that
defaulted of another cause (what is true of all that default says nothing of why this one did), and
beside groups drawn at random. Some causes cannot be known before they strike: how far a cause's own
features tell its firms from others that defaulted is measured first, without any reasons.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from math import comb, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import NDArray
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from model import training, validation
from model.features import FEATURES
from model.portrait import Portrait, portrait
from model.reasons import MOST
from model.scorer import Scorer
from service.backtest import cases, world_chunks

CAUSES: Mapping[str, tuple[str, ...]] = {
    # invoices without trade: they outrun electricity, staff, machines and money, are matched by
    # bought ones, bear no tax, and more of them are voided
    "fraud": ("consistency", "margin", "tax_burden", "void"),
    # what is owed and paid each month is too much for the sales
    "over_leverage": ("debt", "debt_service", "lenders"),
    # one large buyer pays late or never: less money comes in than is invoiced
    "late_payer": ("concentration", "consistency", "bank_flow", "bank_growth"),
    # an accident: nothing foretells it, but a thin cushion makes it fatal
    "sudden_loss": ("liquidity", "line"),
    # sales fall: its own, or those of its trade; what follows true sales falls, costs fall slower
    "demand_shock": (
        "sales_growth", "sales", "continuity", "recency", "volatility", "zero_filings",
        "tax_growth", "headcount_growth", "electricity_growth", "bank_growth", "sector",
        "water_growth", "exports_growth", "hiring", "online_sales", "machines", "margin",
    ),
    # the firm it answers for fails
    "guarantee": ("guarantees",),
    # it could pay and does not: owners who are careless about filing
    "wilful": ("filings", "tax_rating"),
}  # fmt: skip
"""Why a loan defaulted, as the simulator names it -> the groups of features (model/features.py)
that its mechanism moves before (synthetic_data/cashflow.py, traces.py, signals.py).

Stated from the mechanism; but restated once after hit rates had been seen. What every shortage of
money leaves behind (unpaid bills, taxes and staff funds, lenders' queries, a thin balance) shows
that a firm is in trouble and not why, so it stands for no cause but the accident, which has no
other trace."""
KNOWABLE, ALL = "knowable", "all"
FEWEST = 15
"""Firms of a cause below which it is not asked whether the cause can be known."""
Groups = frozenset[str]


class Apart(Struct, frozen=True):
    """How well a cause's own features tell its firms from others that defaulted.

    `auc` is cross-validated, 0.5 where they do not; `error` is its standard error.
    """

    auc: float
    error: float

    @property
    def known(self) -> bool:
        """Whether the cause can be known at all, as far as two standard errors say."""
        return self.auc - 2.0 * self.error > 0.5


class Found(Struct, frozen=True, kw_only=True):
    """The firms that defaulted of one cause, and the share of them whose reasons contain it.

    `of_others` is the share of the firms that defaulted of other causes whose reasons contain this
    one, too; `by_chance` what as many groups drawn at random would reach. `shap` and
    `shap_of_others` are null where shap is not installed, `apart` where there are too few firms.
    `error` is the standard error of the lift, `shap_error` of SHAP's.
    """

    cause: str
    firms: int
    ours: float
    shap: float | None
    of_others: float
    by_chance: float
    error: float = 0.0
    shap_of_others: float | None = None
    shap_error: float = 0.0
    apart: Apart | None = None

    @property
    def lift(self) -> float:
        """How much oftener our reasons name the cause where it is the cause than where not."""
        return self.ours - self.of_others

    @property
    def shap_lift(self) -> float | None:
        """The same of SHAP's reasons."""
        if self.shap is None or self.shap_of_others is None:
            return None
        return self.shap - self.shap_of_others


def causes(
    world: Path, scorer: Scorer, step: Callable[[str], None] = lambda _: None
) -> list[Found]:
    """Measure on all applications of the later vintages, granted or not, that would default.

    One row for each cause of CAUSES that is met, then the mean of those that can be known, each
    counted once, then all firms together; empty where the world does not know its truth. Causes
    that CAUSES does not name are left out.
    """
    earlier, _, since = training.by_vintage(training.read_loans(world))
    step("reading who defaulted")
    ids, vintages, portraits = _defaulted(world)
    why = validation.causes(world, pd.Series(ids, dtype="str"))
    if why is None:
        return []
    step("asking which causes can be known")
    apart = _apart(portraits, why)
    late = [i for i, cause in enumerate(why) if cause in CAUSES and vintages[i] >= since]
    portraits, why = [portraits[i] for i in late], [why[i] for i in late]
    ours = [_told(scorer, one) for one in portraits]
    step("explaining the challenger")
    theirs = _explained(earlier, portraits) if find_spec("shap") and portraits else None
    groups = frozenset(column.group for column in scorer.columns)
    rows = [
        _found(cause, why, ours, theirs, groups, apart.get(cause))
        for cause in CAUSES
        if cause in why
    ]
    return [*rows, *_knowable(rows), *_everybody(rows)]


def _defaulted(world: Path) -> tuple[list[str], list[str], list[Portrait]]:
    """Applications that would default, their vintages and portraits."""
    columns = ["application_id", "vintage"]
    rows = pd.read_parquet(world / "applications.parquet", columns=columns)
    told = rows.itertuples(index=False, name=None)
    ids, vintages, portraits = [], [], []
    for chunk in world_chunks(world):
        for case in cases(chunk):
            application_id, vintage = next(told)
            if case.defaulted:
                ids.append(str(application_id))
                vintages.append(str(vintage))
                portraits.append(portrait(case.credit_file))
    return ids, vintages, portraits


def _apart(portraits: Sequence[Portrait], why: Sequence[str]) -> dict[str, Apart]:
    """Of each cause with enough firms: how its features, held to their directions, tell it."""
    counts = Counter(why)
    asked = [cause for cause in CAUSES if FEWEST <= counts[cause] <= len(why) - FEWEST]
    frame = _numbered(training.frame(portraits)) if asked else pd.DataFrame()
    frame = frame.loc[:, frame.notna().sum() >= FEWEST]  # no fold may be without any value
    out = {}
    for cause in asked:
        shown_by = [
            feature
            for feature in FEATURES
            if feature.name in frame and feature.group in CAUSES[cause]
        ]
        if not shown_by:
            continue
        box = HistGradientBoostingClassifier(
            monotonic_cst=[one.direction * (one.kind != "nominal") for one in shown_by],
            max_iter=50, max_leaf_nodes=6, min_samples_leaf=10, random_state=0,
        )  # fmt: skip
        hits = np.array([one == cause for one in why])
        told = cross_val_predict(
            box,
            frame[[one.name for one in shown_by]].to_numpy(),
            hits,
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
            method="predict_proba",
        )[:, 1]
        out[cause] = _area(hits, told)
    return out


def _area(hits: NDArray[np.bool_], told: NDArray[np.float64]) -> Apart:
    """The area under the curve with the standard error of Hanley and McNeil (1982)."""
    auc = float(roc_auc_score(hits, told))
    ours, others = int(hits.sum()), int((~hits).sum())
    spread = auc * (1.0 - auc)
    spread += (ours - 1) * (auc / (2.0 - auc) - auc**2)
    spread += (others - 1) * (2.0 * auc**2 / (1.0 + auc) - auc**2)
    return Apart(auc, sqrt(spread / (ours * others)))


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
    why: Sequence[str],
    ours: Sequence[Groups],
    theirs: Sequence[Groups] | None,
    groups: Groups,
    apart: Apart | None = None,
) -> Found:
    """One cause: firms defaulted because of `why`, and were told `ours` and `theirs`."""
    wanted = groups & set(CAUSES[cause])
    mine = [told for told, one in zip(ours, why, strict=True) if one == cause]
    share, of_others, error = _named(cause, why, ours)
    shap = (None, None, 0.0) if theirs is None else _named(cause, why, theirs)
    drawn = Counter(map(len, mine))
    chance = sum(by_chance(count, len(wanted), len(groups)) * n for count, n in drawn.items())
    return Found(
        cause=cause, firms=len(mine), ours=share, of_others=of_others, error=error,
        shap=shap[0], shap_of_others=shap[1], shap_error=shap[2],
        by_chance=chance / len(mine), apart=apart,
    )  # fmt: skip


def _named(cause: str, why: Sequence[str], told: Sequence[Groups]) -> tuple[float, float, float]:
    """The shares of a cause's firms and of others told of it; the difference's standard error."""
    shown_by = set(CAUSES[cause])
    shares, spread = [], 0.0
    for of_it in (True, False):
        named = [
            bool(shown_by & one)
            for one, of in zip(told, why, strict=True)
            if (of == cause) == of_it
        ]
        share = sum(named) / max(len(named), 1)
        shares.append(share)
        spread += share * (1.0 - share) / max(len(named), 1)
    return shares[0], shares[1], sqrt(spread)


def by_chance(drawn: int, wanted: int, of: int) -> float:
    """How likely some of the groups drawn, of all, are among those wanted.

    >>> by_chance(4, 1, 8)
    0.5
    """
    return 1.0 - comb(of - wanted, drawn) / comb(of, drawn)


def _knowable(rows: Sequence[Found]) -> list[Found]:
    """The mean of the causes that can be known, each counted once."""
    known = [row for row in rows if row.apart is not None and row.apart.known]
    return [_mean(KNOWABLE, known, [1.0 / len(known)] * len(known))] if known else []


def _everybody(rows: Sequence[Found]) -> list[Found]:
    """All causes, each by the firms it has."""
    firms = sum(row.firms for row in rows)
    return [_mean(ALL, rows, [row.firms / firms for row in rows])] if rows else []


def _mean(name: str, rows: Sequence[Found], weights: Sequence[float]) -> Found:
    def mean(shares: Iterable[float | None]) -> float:
        return sum((share or 0.0) * weight for share, weight in zip(shares, weights, strict=True))

    def error(errors: Iterable[float]) -> float:
        return sqrt(sum((one * w) ** 2 for one, w in zip(errors, weights, strict=True)))

    explained = rows[0].shap is not None
    return Found(
        cause=name,
        firms=sum(row.firms for row in rows),
        ours=mean(row.ours for row in rows),
        of_others=mean(row.of_others for row in rows),
        error=error(row.error for row in rows),
        shap=mean(row.shap for row in rows) if explained else None,
        shap_of_others=mean(row.shap_of_others for row in rows) if explained else None,
        shap_error=error(row.shap_error for row in rows),
        by_chance=mean(row.by_chance for row in rows),
    )


def table(found: Sequence[Found]) -> Table:
    """All of it for people."""
    shown = Table(
        title="Firms that defaulted: is the true cause among the four reasons?",
        title_justify="left",
        caption="known: AUC of the cause's own features against other firms that defaulted; "
        "others: of another cause, told of this one; lift: ours less theirs, ± standard error",
        caption_justify="left",
    )
    for column in ("cause", *HEADINGS):
        shown.add_column(column, justify="left" if column == "cause" else "right")
    for row in found:
        shown.add_row(row.cause.replace("_", " "), *cells(row))
    return shown


HEADINGS = ("firms", "known", "ours", "others", "lift", "SHAP", "its lift", "chance")


def cells(row: Found) -> list[str]:
    """What is shown of a row under HEADINGS."""

    def percent(share: float | None) -> str:
        return "-" if share is None else f"{share:.0%}"

    def gained(lift: float | None, error: float) -> str:
        return "-" if lift is None else f"{lift:+.0%} ± {error:.0%}"

    return [
        f"{row.firms:,}",
        "-" if row.apart is None else f"{row.apart.auc:.2f} ± {row.apart.error:.2f}",
        percent(row.ours), percent(row.of_others), gained(row.lift, row.error),
        percent(row.shap), gained(row.shap_lift, row.shap_error), percent(row.by_chance),
    ]  # fmt: skip
