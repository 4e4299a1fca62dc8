"""Training on a lender's own table, on one page: recognise, look for leaks, fit, measure, save.

Any flat table of past loans will do: one row per loan, one column saying how it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import log
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from model import artifact, columns, leakage, parity, validation
from model import schema as schemas
from model.features import Feature, Unit
from model.schema import ColumnSchema, Schema, SchemaError
from model.scorecard import MonotoneScorecard
from model.table import OWN_TABLE
from model.training import HELD_OUT_SHARE, SCALE, tabulate

SCHEMA = "schema.toml"
FEWEST = 20
"""Loans of either outcome that each part has to hold."""
MOVED_POINTS = 10.0
"""Points, a quarter of what doubles the odds, from which on a feature's shift in time is told."""


@dataclass(frozen=True)
class Seen:
    """One column as recognised: what it is, how much of it there is, what is odd about it."""

    name: str
    column: ColumnSchema
    distinct: int
    missing_share: float
    auc_alone: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Past:
    """Past loans: the table's rows, 0/1 outcomes, which are held out, and how they were chosen."""

    table: pd.DataFrame
    hits: NDArray[np.float64]
    late: NDArray[np.bool_]
    when: pd.Series[Any] | None
    described: dict[str, Any]


def train(
    path: Path,
    target: str,
    out: Path,
    *,
    positive: str | None = None,
    time: str | None = None,
    schema: Path | None = None,
    seed: int = 7,
    suggested: bool = True,
    step: Callable[[str], None] = lambda _: None,
    show: Callable[[list[Seen]], None] = lambda _: None,
) -> artifact.Card:
    """Fit a scorecard on a CSV or Parquet file of past loans and save it with its schema.toml.

    `positive` is the value of `target` that means default; `time` names the column whose latest
    third is held out (a third drawn by `seed` when it is None); `suggested` uses the directions
    that the loans clearly show where the schema states none. `show` is given the columns as
    recognised before fitting. Raises ValueError that says what was expected where.
    """
    step("reading the table")
    given = schemas.read(schema) if schema else Schema(columns={})
    past = read_past(path, target, positive, time, given, seed)
    _make(out)
    step("looking at its columns")
    seen = look(past, given, {target: "outcome", **({time: "date"} if time else {})})
    show(seen)
    used = {one.name: one.column for one in seen if one.column.leave_out is None}
    if not used:
        raise ValueError(
            f"{path}: no column is left to score with; state the type of one in a schema"
        )
    directions = {
        name: int(column.sign if suggested else column.direction or 0)
        for name, column in used.items()
    }
    features = pd.DataFrame(
        {name: columns.feature(name, past.table[name], column) for name, column in used.items()}
    )
    step(f"fitting on {int((~past.late).sum()):,} loans")
    estimator = MonotoneScorecard(directions=directions)
    estimator.fit(features[~past.late], past.hits[~past.late])
    step("measuring")
    metrics = {
        name: validation.measure(past.hits[part], estimator.predict_proba(features[part])[:, 1])
        for name, part in (("train", ~past.late), ("held_out", past.late))
    }
    step("saving")
    written = schemas.write(out / SCHEMA, Schema(columns={one.name: one.column for one in seen}))
    card = artifact.Card(
        format=artifact.CARD_FORMAT,
        name=path.stem,
        hashes={},
        loans={
            "fingerprint": artifact.sha256(path.read_bytes()),
            **past.described,
            "moved_points": moved(estimator, features, past.late) if time else {},
            "schema": artifact.sha256(written),
            "suggested_directions_used": suggested,
        },
        metrics=msgspec.to_builtins(metrics),
        versions={name: version(name) for name in ("yidaitong", "scikit-learn", "numpy", "pandas")},
    )
    described = {name: _feature(name, used[name], sign) for name, sign in directions.items()}
    stored = tabulate(estimator, features[~past.late], described, path.stem)
    checked = parity.sample(estimator, features, stored)
    return artifact.save(out, stored, estimator, card, checked)


def moved(
    estimator: MonotoneScorecard, features: pd.DataFrame, late: NDArray[np.bool_]
) -> dict[str, float]:
    """Features that give the later loans other points on average than the earlier, largest first.

    A column that came to mean something else, or to be filled in otherwise, shows up here.
    """
    added = estimator.contributions(features)
    points = (added[~late].mean(axis=0) - added[late].mean(axis=0)) * SCALE.doubling_points / log(2)
    found = {str(name): float(by) for name, by in zip(features, points, strict=True)}
    large = [name for name, by in found.items() if abs(by) >= MOVED_POINTS]
    return {name: found[name] for name in sorted(large, key=lambda name: -abs(found[name]))}


def read_past(
    path: Path, target: str, positive: str | None, time: str | None, given: Schema, seed: int
) -> Past:
    """The loans whose end and time are known, with the part that is held out."""
    as_text = [n for n, c in given.columns.items() if c.type in ("category", "ordered")]
    table = columns.read_table(path, [*as_text, target])
    _there(path, table, "--target", target)
    if time:
        _there(path, table, "--time", time)
    absent = [n for n, c in given.columns.items() if c.leave_out is None and n not in table]
    if absent:
        raise SchemaError(f"schema: {path} has no column {absent[0]!r}; expected {_close(table)}")
    ended = outcomes(target, table[target], positive)
    known = ended.notna()
    when = columns.times(time, table[time]) if time else None
    if when is not None:
        known &= when.notna()
    table, hits = table[known].reset_index(drop=True), ended[known].to_numpy(np.float64)
    described: dict[str, Any] = {
        "target": target,
        "positive": positive,
        "time": time,
        "outcome_or_time_missing": int((~known).sum()),
    }
    if when is not None and time:
        when = when[known].reset_index(drop=True)
        late, split_at = by_time(time, when)
        described |= {"split": f"the latest by {time}", "held_out_from": _when(split_at)}
    else:
        _enough("the table", hits)
        rows = np.arange(len(hits))
        _, test = train_test_split(rows, test_size=HELD_OUT_SHARE, stratify=hits, random_state=seed)
        late = np.isin(rows, test)
        described |= {"split": "at random, by outcome", "seed": seed}
    _enough("the part fitted on", hits[~late])
    _enough("the held-out part", hits[late])
    described |= {"train": int((~late).sum()), "held_out": int(late.sum())}
    return Past(table, hits, late, when, described)


def outcomes(target: str, values: pd.Series[Any], positive: str | None) -> pd.Series[Any]:
    """1.0 for default, 0.0 for none, NaN where not known; raises ValueError when unclear."""
    texts = columns.feature(target, values, ColumnSchema(type="category")).astype(object)
    found = [str(text) for text in texts.dropna().value_counts().index]
    if positive is None:
        zero_one = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
        lower = texts.str.lower()
        if not {text.lower() for text in found} <= set(zero_one):
            raise ValueError(
                f"--target {target}: holds {found[:5]}, expected 0 and 1; say with --positive "
                "which value means default"
            )
        return lower.map(zero_one).astype(np.float64)
    if positive not in found:
        raise ValueError(f"--positive: got {positive!r}, expected one of {found[:5]} of {target}")
    return (texts == positive).astype(np.float64).where(texts.notna())


def by_time(name: str, when: pd.Series[Any]) -> tuple[NDArray[np.bool_], Any]:
    """Which loans are the latest, about a third, and the first time that is held out."""
    counts = when.value_counts().sort_index()
    if len(counts) < 2:
        raise ValueError(f"--time {name}: all loans have the same time, expected two or more")
    later = counts[::-1].cumsum()[::-1].iloc[1:] / len(when)
    split_at = (later - HELD_OUT_SHARE).abs().idxmin()
    return (when >= split_at).to_numpy(), split_at


def look(past: Past, given: Schema, reserved: dict[str, str]) -> list[Seen]:
    """Every column: what it is, whether it leaks, which direction it suggests.

    `reserved` columns (outcome, time) are never features.
    """
    seen = []
    for name in past.table.columns:
        values = past.table[name]
        if name in reserved:
            why = "says how the loan ended" if reserved[name] == "outcome" else "splits the loans"
            column = ColumnSchema(type=cast(Any, reserved[name]), leave_out=why)
            seen.append(_seen(name, values, column, None, ()))
            continue
        stated = given.columns.get(name)
        column = merged(name, columns.recognise(name, values), stated)
        auc, warnings = None, []
        if column.type not in ("identifier", "constant", "other"):
            tried = values if column.leave_out else columns.feature(name, values, column)
            auc = leakage.auc_alone(tried, past.hits, past.late)
        if auc is not None and auc > leakage.MOST_AUC_ALONE:
            why = f"a leak: alone it gives AUC {auc:.3f} on held-out loans"
            if stated is None or not stated.chosen:
                column = msgspec.structs.replace(column, leave_out=why)
            else:
                warnings.append(f"{why}; used because the schema says so")
        if column.leave_out is None:
            warnings += _doubts(name, column)
        plain_number = column.type == "number" and not columns.named_as_code(name)
        if column.leave_out is None and plain_number and not (stated and stated.type):
            early = ~past.late
            numbers = columns.feature(name, values, column).to_numpy(np.float64)
            sign = leakage.suggested_direction(numbers[early], past.hits[early])
            column = msgspec.structs.replace(column, suggested_direction=sign)
        seen.append(_seen(name, values, column, auc, tuple(warnings)))
    return _stands_out(seen)


def _stands_out(seen: list[Seen]) -> list[Seen]:
    """A warning for a column that says far more than every other that is used."""
    name = leakage.far_above(
        {one.name: one.auc_alone or 0.5 for one in seen if one.column.leave_out is None}
    )
    said = (
        "alone it says far more than any other column: is it known when the loan is asked for, "
        "and not changed by how the loan went?"
    )
    return [
        replace(one, warnings=(*one.warnings, said)) if one.name == name else one for one in seen
    ]


def merged(name: str, found: ColumnSchema, stated: ColumnSchema | None) -> ColumnSchema:
    """What was recognised, with all that the schema states instead."""
    if stated is None:
        return found
    said = {field: getattr(stated, field) for field in stated.__struct_fields__}
    said = {field: value for field, value in said.items() if value is not None}
    if stated.chosen:
        said["leave_out"] = None
    column = msgspec.structs.replace(found, **said)
    if column.type == "category" and column.sign and column.leave_out is None:
        raise SchemaError(
            f"schema: columns.{name}.direction: got {column.sign:+d}, but the column holds texts; "
            'expected type = "ordered" with its categories in their order'
        )
    return column


def _doubts(name: str, column: ColumnSchema) -> list[str]:
    """What a person should look at though the column is used."""
    doubts = []
    if word := leakage.known_after(name):
        doubts.append(f"{word!r} in the name sounds as if known only after the loan")
    if column.type == "number" and columns.named_as_code(name):
        doubts.append("the name says it is a code: a category rather than a number?")
    return doubts


def _seen(
    name: str,
    values: pd.Series[Any],
    column: ColumnSchema,
    auc: float | None,
    warnings: tuple[str, ...],
) -> Seen:
    try:
        distinct = values.nunique()
    except TypeError:
        distinct = 0
    return Seen(name, column, distinct, float(values.isna().mean()), auc, warnings)


def _feature(name: str, column: ColumnSchema, sign: int) -> Feature:
    """A column as a feature of the catalogue."""
    kinds = {"number": "number", "category": "nominal", "ordered": "ordered"}
    return Feature(
        name=name,
        source=OWN_TABLE,
        unit=cast(Unit, column.unit or ""),
        direction=cast(Any, sign),
        dimension=OWN_TABLE,
        group=column.group or name,
        label_zh=column.label_zh or name,
        label_en=column.label_en or name,
        kind=cast(Any, kinds[str(column.type)]),
    )


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"--out: {out}: {error.strerror}; expected a folder to write into"
        ) from None


def _there(path: Path, table: pd.DataFrame, option: str, name: str) -> None:
    if name not in table:
        raise ValueError(f"{option}: {path} has no column {name!r}; expected {_close(table)}")


def _close(table: pd.DataFrame) -> str:
    names = list(table.columns)
    return "one of " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _enough(part: str, hits: NDArray[np.float64]) -> None:
    bad = int(hits.sum())
    if min(bad, len(hits) - bad) < FEWEST:
        raise ValueError(
            f"{part} holds {len(hits)} loans of which {bad} defaulted; expected at least {FEWEST} "
            "of either outcome"
        )


def _when(split_at: Any) -> str:
    if isinstance(split_at, pd.Timestamp):
        return split_at.date().isoformat()
    return f"{split_at:g}" if float(split_at) < 1e6 else str(int(split_at))
