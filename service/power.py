"""What can be known of a world: the truth's ceiling, what sources reach, what 2020 cost, mills.

Everything is out of time: scorecards learn from the granted loans of earlier vintages and are
measured on all applications of later ones, granted or not, with what became or would have become
of them. The same world without the epidemic, lived by the same firms with the same luck, says what
the epidemic cost: over all futures of an application, not the one that happened, paired by firm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct
from rich.table import Table
from sklearn.metrics import roc_auc_score

from model import training, validation
from model.credit_file import SOURCES, CreditFile
from model.features import FEATURES
from model.portrait import portrait

RUNGS: tuple[tuple[str, tuple[str, ...], float, float], ...] = (
    ("registry and courts", ("registry", "courts"), 0.62, 0.70),
    ("with tax and invoices", ("registry", "courts", "tax", "invoices"), 0.72, 0.80),
    ("with bank and bureau", ("registry", "courts", "tax", "invoices", "bank", "credit_bureau"),
     0.76, 0.84),
    ("all sources", SOURCES, 0.76, 0.90),
)  # fmt: skip
"""What a scorecard knows, and the AUC expected of it: from what was published of registries alone
(0.69) to tax and invoices (0.70 to 0.79) and to banks' own data (0.87 to 0.90)."""
CEILING = (0.80, 0.90)
COST_OF_2020 = (0.02, 0.08)
"""AUC lost on applications of the first half of 2020 by a scorecard of 2018's loans."""
RESAMPLED = 200
"""Times the firms are drawn again for a standard error."""
BEFORE_2019, HALF_2020 = "2019-01", ("2020-01", "2020-07")
INVOICES_ALONE = ("invoices",)
WITH_MACHINES = ("invoices", "electricity", "social_security", "industrial_internet")


class Line(Struct, frozen=True, kw_only=True):
    """One measured figure and where it is expected to lie; `error` is its standard error."""

    says: str
    value: float
    error: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def inside(self) -> bool | None:
        """Whether it lies where expected; None where nothing is."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.value <= self.high


class Asked(NamedTuple):
    """All applications of a world: portraits, what is known beside them, and the truth."""

    features: pd.DataFrame
    firms: pd.Series[Any]
    vintages: pd.Series[Any]
    granted: pd.Series[Any]
    truth: pd.DataFrame

    def part(self, chosen: Any) -> Asked:
        """The applications for which `chosen` is true."""
        return Asked(*(column[chosen] for column in self))


def read(world: Path) -> Asked:
    """All applications of a world, portrayed; raises ValueError where the truth is not known."""
    applications = pd.read_parquet(world / "applications.parquet")
    truth = validation.happened(world)
    if truth is None:
        raise ValueError(f"{world / 'truth.parquet'}: not there; expected a simulated world")
    decode = msgspec.json.Decoder(CreditFile).decode
    files = pd.read_parquet(world / "credit_files.parquet")["credit_file"]
    features = training.frame([portrait(decode(one)) for one in files])
    return Asked(
        features, applications["uscc"], applications["vintage"], applications["granted"], truth
    )


def measure(world: Path, quiet: Path, step: Callable[[str], None] = lambda _: None) -> list[Line]:
    """All lines of a world, beside the same world without the epidemic."""
    step("reading applications")
    asked = read(world)
    lines = [_auc("ceiling: the truth on outcomes", asked.truth.defaulted, asked.truth.pd_12m,
                  *CEILING)]  # fmt: skip
    vintages = sorted(asked.vintages.unique())
    split = vintages[round(len(vintages) * (1 - training.HELD_OUT_SHARE))]
    early = asked.part((asked.vintages < split) & asked.granted)
    later = asked.part(asked.vintages >= split)
    lines.append(_auc(f"the truth, applications from {split}", later.truth.defaulted,
                      later.truth.pd_12m))  # fmt: skip
    for name, sources, low, high in RUNGS:
        step(f"fitting: {name}")
        rated = _rated(early, later, early.truth.defaulted, sources)
        lines.append(_auc(name, later.truth.defaulted, rated, low, high))
    step("the first half of 2020")
    lines += _of_2020(asked, read(quiet))
    step("invoice mills")
    return lines + _of_mills(asked.part(asked.vintages < split), later)


def _of_2020(asked: Asked, quiet: Asked) -> list[Line]:
    """A scorecard of 2018's loans on the first half of 2020, as it was and without the epidemic."""
    learned = asked.part((asked.vintages < BEFORE_2019) & asked.granted)
    halves = [
        one.part((one.vintages >= HALF_2020[0]) & (one.vintages < HALF_2020[1]))
        for one in (quiet, asked)
    ]
    both = pd.concat([half.features for half in halves])
    rated = _rated(learned, learned._replace(features=both), learned.truth.defaulted, SOURCES)
    parts = np.split(rated, [len(halves[0].features)])
    without, with_it, cost = paired(
        [(half.firms.to_numpy(), one, half.truth.pd_12m.to_numpy())
         for half, one in zip(halves, parts, strict=True)]
    )  # fmt: skip
    said = "scorecard of 2018 on the first half of 2020, over all futures, {}".format
    low, high = COST_OF_2020
    return [
        Line(says=said("without the epidemic"), value=without[0], error=without[1]),
        Line(says=said("as it was"), value=with_it[0], error=with_it[1]),
        Line(says="what the first half of 2020 cost", value=cost[0], error=cost[1],
             low=low, high=high),
    ]  # fmt: skip


def paired(
    worlds: Sequence[tuple[Any, Any, Any]], resampled: int = RESAMPLED
) -> list[tuple[float, float]]:
    """AUC in two worlds of the same firms and first less second, each with its standard error.

    A world is (firms, ratings, true probabilities), one entry per application. An application
    counts as defaulted with its probability and as paid with the rest, which averages over its
    futures. The errors come from drawing firms again, with all they asked for in both worlds.
    """
    codes, known = pd.factorize(np.concatenate([firms for firms, _, _ in worlds]))
    split = np.split(codes, [len(worlds[0][0])])
    rng = np.random.default_rng(0)
    draws: list[Any] = [np.ones(len(known))]
    draws += [np.bincount(rng.integers(len(known), size=len(known)), minlength=len(known))
              for _ in range(resampled)]  # fmt: skip
    found = np.array(
        [[_over_futures(rated, chances, times[firm])
          for (_, rated, chances), firm in zip(worlds, split, strict=True)]
         for times in draws]
    )  # fmt: skip
    columns = np.column_stack([found, found[:, 0] - found[:, 1]])
    return [(float(one[0]), float(one[1:].std(ddof=1))) for one in columns.T]


def _over_futures(rated: Any, chances: Any, times: Any) -> float:
    """AUC over all futures of applications that each count so many times."""
    outcome = np.repeat([1, 0], len(rated))
    weights = np.concatenate([times * chances, times * (1.0 - chances)])
    return float(roc_auc_score(outcome, np.tile(rated, 2), sample_weight=weights))


def _of_mills(early: Asked, later: Asked) -> list[Line]:
    """Mills found among later applications, when as many are named as there are."""
    found = []
    for name, sources in (
        ("invoices alone", INVOICES_ALONE),
        ("with electricity, staff, machines", WITH_MACHINES),
    ):
        rated = _rated(early, later, early.truth.mill.astype(int), sources)
        mills = later.truth.mill.to_numpy(bool)
        named = np.zeros(len(mills), bool)
        named[np.argsort(-rated, kind="stable")[: int(mills.sum())]] = True
        share, low, high = validation.share(int((named & mills).sum()), int(mills.sum()))
        said = f"mills found, {name}: precision = recall"
        found.append(Line(says=said, value=share, error=(high - low) / 3.92))
    return found


def _rated(learned: Asked, of: Asked, outcome: Any, sources: Sequence[str]) -> Any:
    """What a scorecard fitted on some loans with some sources says of applications."""
    known = [feature.name for feature in FEATURES if feature.source in sources]
    columns = [name for name in learned.features if name in known]
    estimator = training.fitted(learned.features[columns], outcome)
    return estimator.predict_proba(of.features[columns])[:, 1]


def _auc(
    says: str, outcome: Any, rated: Any, low: float | None = None, high: float | None = None
) -> Line:
    """AUC with its standard error (Hanley and McNeil 1982)."""
    auc = float(roc_auc_score(outcome, rated))
    bad = int(np.sum(outcome))
    good = len(outcome) - bad
    q1, q2 = auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc)
    square = auc * (1.0 - auc) + (bad - 1) * (q1 - auc * auc) + (good - 1) * (q2 - auc * auc)
    return Line(says=says, value=auc, error=float(np.sqrt(square / (bad * good))),
                low=low, high=high)  # fmt: skip


def table(lines: Sequence[Line]) -> Table:
    """The lines on a terminal."""
    shown = Table(title="What can be known of this world, out of time", title_justify="left")
    for column, left in (("measured", True), ("", False), ("s.e.", False), ("expected", False),
                         ("", True)):  # fmt: skip
        shown.add_column(column, justify="left" if left else "right", overflow="fold")
    for line in lines:
        expected = "" if line.low is None else f"{line.low:g} to {line.high:g}"
        mark = {True: "[green]inside[/green]", False: "[red]outside[/red]", None: ""}[line.inside]
        error = "" if line.error is None else f"{line.error:.3f}"
        shown.add_row(line.says, f"{line.value:.3f}", error, expected, mark)
    return shown
