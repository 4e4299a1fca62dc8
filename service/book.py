"""The book: the loans a scorecard was fitted on and measured with, read again for a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model import artifact, columns, flat, schema, training, validation
from model.table import OWN_TABLE
from service.console.words import PROVINCES, SECTORS

AGES_MONTHS = {24.0: "< 2 年 years", 60.0: "2–5 年 years", 120.0: "5–10 年 years"}
PERSONS = {10.0: "< 10 人 persons", 50.0: "10–49", 300.0: "50–299"}
MOST_VINTAGES = 16
"""Times shown one by one; more are joined."""
FEWEST_KINDS, MOST_KINDS = 2, 12
MOST_SORTS = 6
"""Columns of a lender's own table by which firms are told apart, at most."""


@dataclass(frozen=True)
class Book:
    """Loans with features, 0/1 outcomes and which are held out; the rest where it is known.

    `periods` are when each was asked for, in readable steps of time. `truth` are the true
    probabilities. `sorts` tell the firms apart: title -> a label for each loan.
    """

    card: artifact.Card
    features: pd.DataFrame
    hits: NDArray[np.float64]
    late: NDArray[np.bool_]
    periods: pd.Series[Any] | None
    truth: NDArray[np.float64] | None
    sorts: Mapping[str, pd.Series[Any]]


def of_world(folder: Path, world: Path) -> Book:
    """The loans of a world's folder; raises ValueError unless the scorecard was fitted on them."""
    card = artifact.load_card(folder)
    loans = training.read_loans(world)
    _same(card, training.fingerprint(world), world)
    sorts = {
        "规模 size (insured persons)": _ranges(loans.features["insured_persons"], PERSONS, "300 +"),
        "地区 region": _named(loans.beside["region"], PROVINCES),
        "行业 sector": _named(loans.features["sector"], SECTORS),
        "年龄 age": _ranges(loans.features["firm_age_months"], AGES_MONTHS, "10 + 年 years"),
    }
    if training.FIRST_TIME in loans.beside:
        told = {True: "首贷 first loan", False: "非首贷 not the first"}
        sorts["首贷 first-time borrower"] = loans.beside[training.FIRST_TIME].map(told)
    return Book(
        card=card,
        features=loans.features,
        hits=loans.defaulted.to_numpy(np.float64),
        late=(loans.vintages >= card.loans["held_out_from"]).to_numpy(),
        periods=_periods(pd.to_datetime(loans.vintages)),
        truth=validation.truth(world, loans.application_ids),
        sorts=sorts,
    )


def of_table(folder: Path, table: Path) -> Book:
    """The loans of a lender's own table; raises ValueError unless it is the one fitted on."""
    card = artifact.load_card(folder)
    told = card.loans
    _same(card, artifact.sha256(table.read_bytes()), table)
    given = schema.read(folder / flat.SCHEMA)
    past = flat.read_past(
        table, told["target"], told["positive"], told["time"], given, told.get("seed", 0)
    )
    used = {name: c for name, c in given.columns.items() if c.chosen}
    features = pd.DataFrame(
        {name: columns.feature(name, past.table[name], c) for name, c in used.items()}
    )
    sorts = {
        name: features[name]
        for name, column in used.items()
        if column.type != "number" and FEWEST_KINDS <= features[name].nunique() <= MOST_KINDS
    }
    return Book(
        card=card,
        features=features,
        hits=past.hits,
        late=past.late,
        periods=None if past.when is None else _periods(past.when),
        truth=None,
        sorts=dict(list(sorts.items())[:MOST_SORTS]),
    )


def is_own(folder: Path) -> bool:
    """Whether a scorecard is of a lender's own table, and not for credit files."""
    return artifact.load(folder)[0].columns[0].source == OWN_TABLE


def _same(card: artifact.Card, found: str, where: Path) -> None:
    if found != (expected := card.loans["fingerprint"]):
        raise ValueError(
            f"{where}: fingerprint {found[:16]}, but scorecard {card.name!r} was fitted on loans "
            f"with {expected[:16]}; expected those loans, unchanged"
        )


def _named(codes: pd.Series[Any], names: Mapping[str, tuple[str, str]]) -> pd.Series[Any]:
    """Codes by their names, zh and en; a code without a name stays."""
    return codes.astype(object).map(
        lambda code: " ".join(names.get(code, (code,))), na_action="ignore"
    )


def _ranges(values: pd.Series[Any], ends: Mapping[float, str], beyond: str) -> pd.Series[Any]:
    """Numbers as ordered ranges; a missing number stays missing."""
    edges = [-np.inf, *ends, np.inf]
    return pd.cut(values, edges, right=False, labels=[*ends.values(), beyond])


def _periods(when: pd.Series[Any]) -> pd.Series[Any]:
    """Times as at most MOST_VINTAGES ordered names; dates by month, quarter or year."""
    if pd.api.types.is_datetime64_any_dtype(when):
        steps = [when.dt.to_period(unit) for unit in ("M", "Q", "Y")]
        named = next((one for one in steps if one.nunique() <= MOST_VINTAGES), steps[-1])
    elif when.nunique() <= MOST_VINTAGES:
        named = when
    else:
        named = pd.qcut(when, MOST_VINTAGES, duplicates="drop")
    order = [_said(one) for one in sorted(named.dropna().unique())]
    return pd.Series(pd.Categorical([_said(one) for one in named], order, ordered=True))


def _said(time: Any) -> str:
    return f"{time:g}" if isinstance(time, float) else str(time)
