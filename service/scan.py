"""A scan of a world's credit files: what one column says alone, and what should not be known yet.

Read in chunks by as many processes as there are cores: every file is searched for days and months
after its date; those of the loans granted are portrayed as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from model.credit_file import CreditFile, Fault, check
from model.features import FEATURES
from model.portrait import portrait
from service.backtest import BacktestError, world_chunks

APART = 0.08
"""How far below the ceiling the best single column of the portrait must stay."""
PORTRAYED = 60_000
"""Applications beyond which only every second, third, ... chunk is portrayed: enough for an AUC."""
_DATED = re.compile(rb'"(\w+)":"(\d{4}-\d\d-\d\d)"|"(\d{4}-\d\d)"')
_AHEAD = re.compile(rb"until|expir|due|matur")
"""Names of days that may lie ahead: a licence runs until one."""
_decode = msgspec.json.Decoder(CreditFile).decode


class Leak(Struct, frozen=True, kw_only=True):
    """Something in a credit file that could not be known on its date."""

    application_id: str
    says: str


class Scan(NamedTuple):
    """What was found: files read, those that know too much, portraits of loans and outcomes."""

    files: int
    leaks: list[Leak]
    values: dict[str, NDArray[np.float64]]
    defaulted: NDArray[np.bool_]


def scan(world: Path, workers: int = 2) -> Iterator[Scan]:
    """Read the credit files of a world; yields what each chunk of them shows."""
    chunks = world_chunks(world)
    every = -(-sum(one.applications for one in chunks) // PORTRAYED)
    parallel = joblib.Parallel(n_jobs=min(workers, len(chunks)), return_as="generator")
    yield from parallel(
        joblib.delayed(scan_chunk)(world, one.row_group, at % every == 0)
        for at, one in enumerate(chunks)
    )


def scan_chunk(world: Path, row_group: int, portrayed: bool = True) -> Scan:
    """One row group of a world's applications with their credit files and outcomes."""
    from pyarrow.parquet import ParquetFile

    rows = [
        ParquetFile(world / f"{name}.parquet").read_row_group(row_group).to_pydict()
        for name in ("applications", "credit_files", "outcomes")
    ]
    asked, files, became = rows
    if asked["application_id"] != files["application_id"]:
        raise BacktestError(
            f"{world}: row group {row_group}: applications.parquet and credit_files.parquet "
            "differ; expected the same applications in the same order"
        )
    outcomes = dict(zip(became["application_id"], became["defaulted_12m"], strict=True))
    leaks: list[Leak] = []
    portraits, defaulted = [], []
    for name, as_of, stored in zip(
        asked["application_id"], asked["as_of"], files["credit_file"], strict=True
    ):
        leaks += [Leak(application_id=name, says=says) for says in too_early(stored, as_of)]
        if portrayed and name in outcomes:
            credit_file = _decode(stored)
            try:
                check(credit_file)
            except Fault as fault:
                leaks.append(Leak(application_id=name, says=str(fault)))
            portraits.append(portrait(credit_file))
            defaulted.append(bool(outcomes[name]))
    return Scan(len(files["application_id"]), leaks, numbers(portraits), np.array(defaulted, bool))


def too_early(stored: bytes, as_of: date) -> list[str]:
    """Days and months in a stored credit file that were not over on the day it was asked for."""
    ended = (as_of + timedelta(days=1)).day == 1
    day = as_of.isoformat()
    months = day[:7] if ended else (as_of.replace(day=1) - timedelta(days=1)).isoformat()[:7]
    found = []
    last_day, last_month = day.encode(), months.encode()
    for name, on, month in _DATED.findall(stored):
        if month and month > last_month:
            found.append(f"month {month.decode()}, not over on {day}")
        elif on > last_day and not _AHEAD.search(name):
            found.append(f"{name.decode()} {on.decode()}, after {day}")
    return found


def numbers(portraits: Sequence[Sequence[Any]]) -> dict[str, NDArray[np.float64]]:
    """Portraits as one array of numbers per feature (n_firms,), categories by their order.

    Those without an order (sector, region) are left out: alone they have no direction.
    """
    found = {}
    for at, feature in enumerate(FEATURES):
        column = [values[at] for values in portraits]
        if feature.kind == "number":
            found[feature.name] = np.array(column, dtype=np.float64)
        elif feature.kind == "ordered":
            place = {name: float(i) for i, name in enumerate(feature.categories)}
            coded = [place.get(str(one), np.nan) for one in column]
            found[feature.name] = np.array(coded, dtype=np.float64)
    return found


def joined(scans: Sequence[Scan]) -> Scan:
    """The scans of all chunks as one."""
    names = scans[0].values
    return Scan(
        sum(one.files for one in scans),
        [leak for one in scans for leak in one.leaks],
        {name: np.concatenate([one.values[name] for one in scans]) for name in names},
        np.concatenate([one.defaulted for one in scans]),
    )
