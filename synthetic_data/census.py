"""A world added up: a row per firm, a row per application, what public records say.

Reads the tables a block at a time and only the columns that facts are measured on, so that a
world of a hundred thousand firms fits in little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct
from pyarrow.parquet import ParquetFile

from synthetic_data.draws import Bools, Floats, Ints
from synthetic_data.panel import Panel, Span, panels, span_of
from synthetic_data.sizes import SIZES, classify

COLUMNS = (
    "sales_yuan", "sales_count", "void_count", "red_yuan", "purchases_yuan", "top_buyer_share",
    "tax_paid_yuan", "employees", "debt_yuan", "true_sales_yuan", "true_cash_yuan",
    "true_operating_paid_yuan",
)  # fmt: skip
BEFORE = "2019-12"
"""The last month of what is compared with figures of ordinary times."""
_ASKED = ("application_id", "uscc", "as_of", "vintage", "amount_yuan", "rate_annual",
          "first_time_borrower", "approved", "granted")  # fmt: skip
_BECAME = ("application_id", "defaulted_12m", "default_month")
_TRUE = ("application_id", "true_pd_12m", "true_defaulted_12m")
YEARS = range(2018, 2024)


@dataclass(frozen=True)
class Census:
    """What a world holds, added up.

    `firms` has a row per firm, `seasons` (n_steady_firms, 12) sales by calendar month of those
    that lived through all whole years before the epidemic, `applications` a row per application
    with what became of it, `records` a row per firm that ever applied: its latest credit file.
    """

    span: Span
    firms: pd.DataFrame
    seasons: Floats
    applications: pd.DataFrame
    records: pd.DataFrame


def census(
    world: Path, on_panel: Callable[[Panel], None] = lambda _: None, more: Sequence[str] = ()
) -> Census:
    """Add up a world; `on_panel` sees every block of months as it passes, with `more` columns."""
    span = span_of(world)
    found, seasons = [], []
    for block in panels(world, [*dict.fromkeys((*COLUMNS, *more))]):
        on_panel(block)
        found.append(lived(block))
        seasons.append(season_sums(block))
    firms = pd.read_parquet(world / "firms.parquet")
    firms["founded"] = _month_of(pd.to_datetime(firms["established"]))
    closed = pd.PeriodIndex(firms["closed"], freq="M")
    firms["closed_at"] = np.where(closed.isna(), np.inf, closed.year * 12 + closed.month - 1.0)
    firms = firms.merge(pd.concat(found, ignore_index=True), on="uscc", how="left")
    firms["size"] = _size(firms, span)
    return Census(
        span=span,
        firms=firms,
        seasons=np.concatenate(seasons),
        applications=applications(world, firms),
        records=records(world),
    )


def _month_of(days: Any) -> Any:
    return days.dt.year * 12 + days.dt.month - 1


def _size(firms: pd.DataFrame, span: Span) -> Any:
    """The size class by the latest whole year before the epidemic that the world has."""
    for year in (2019, 2018):
        if span.holds(f"{year}-01", f"{year}-12"):
            break
    else:
        return np.full(len(firms), "", dtype=object)
    at = classify(
        firms["sector"].tolist(), firms["industry_code"].tolist(),
        firms[f"staff_{year}"], firms[f"sales_{year}"],
    )  # fmt: skip
    known = firms[f"sales_{year}"].notna().to_numpy()
    return np.where(known, np.array([*SIZES, ""], dtype=object)[at], "")


def lived(block: Panel) -> pd.DataFrame:
    """What a block of firms did: a row per firm."""
    span = block.span
    out: dict[str, Any] = {"uscc": block.uscc}
    until = min(max(span.at(BEFORE) + 1, 0), span.months)
    window = slice(max(0, until - 38), until)
    out |= habits({name: block[name][:, window] for name in block.columns})
    sales = block["sales_yuan"]
    for year in YEARS:
        if span.holds(f"{year}-01", f"{year}-12"):
            of_year = slice(span.at(f"{year}-01"), span.at(f"{year}-12") + 1)
            out[f"sales_{year}"] = sales[:, of_year].sum(axis=1)
            out[f"staff_{year}"] = block["employees"][:, of_year][:, -1]
    if "true_sales_yuan" in block:
        out |= quarters(block["true_sales_yuan"], span)
    out["owing"] = np.where(block.alive[:, 0], (block["debt_yuan"][:, 0] > 0.0) * 1.0, np.nan)
    if block.has("true_cash_yuan", "true_operating_paid_yuan") and span.holds("2019-01", BEFORE):
        spent = slice(span.at("2019-01"), span.at(BEFORE) + 1)
        costs = block["true_operating_paid_yuan"][:, spent].mean(axis=1)
        cash = block["true_cash_yuan"][:, span.at(BEFORE)]
        out["cash_months"] = np.where(costs > 0.0, cash / np.maximum(costs, 1.0), np.nan)
    return pd.DataFrame(out)


def habits(columns: dict[str, Floats]) -> dict[str, Any]:
    """How firms invoiced over some months (n_firms, n_months); NaN with fewer than 12 of them."""
    sales, issued = columns["sales_yuan"], columns["sales_count"]
    months = np.isfinite(issued).sum(axis=1)
    enough = (months >= 12) & (np.nansum(issued, axis=1) > 0)
    total = np.where(enough, np.nansum(sales, axis=1), np.nan)
    red = np.nansum(columns["red_yuan"], axis=1)
    mean = total / np.maximum(months, 1)
    squares = np.nansum((sales - mean[:, None]) ** 2, axis=1) / np.maximum(months, 1)
    present = {
        name: np.nansum(columns[name], axis=1) for name in ("purchases_yuan", "tax_paid_yuan")
    }
    count, top = np.nansum(issued, axis=1), columns["top_buyer_share"]
    return {
        "habit_months": months,
        "active_share": np.where(enough, (issued > 0).sum(axis=1) / np.maximum(months, 1), np.nan),
        "longest_gap": np.where(enough, longest_gap(issued), np.nan),
        "sales_cv": np.sqrt(squares) / np.where(mean > 0, mean, np.nan),
        "issued": np.where(enough, count, np.nan),
        "voided": np.where(enough, np.nansum(columns["void_count"], axis=1), np.nan),
        "red_share": red / np.where(total + red > 0, total + red, np.nan),
        "top_buyer": np.where(enough, _mean(top), np.nan),
        "purchase_ratio": present["purchases_yuan"] / np.where(total > 0, total, np.nan),
        "tax_ratio": present["tax_paid_yuan"] / np.where(total > 0, total, np.nan),
    }


def longest_gap(issued: Floats) -> Ints:
    """The longest run of months without an invoice, of the months lived, (n_firms,)."""
    run: Ints = np.zeros(len(issued), dtype=np.int64)
    longest = run.copy()
    for month in issued.T:
        run = np.where(month == 0.0, run + 1, 0)
        longest = np.maximum(longest, run)
    return longest


def quarters(sales: Floats, span: Span) -> dict[str, Any]:
    """Sales of the quarters and years that the epidemic is measured on; NaN unless all lived."""
    out: dict[str, Any] = {}
    for name, since, until in (
        ("q1_2019", "2019-01", "2019-03"), ("q1_2020", "2020-01", "2020-03"),
        ("q4_2019", "2019-10", "2019-12"), ("q4_2020", "2020-10", "2020-12"),
        ("y_2019", "2019-01", "2019-12"), ("y_2020", "2020-01", "2020-12"),
    ):  # fmt: skip
        if span.holds(since, until):
            out[name] = sales[:, span.at(since) : span.at(until) + 1].sum(axis=1)
    return out


def season_sums(block: Panel) -> Floats:
    """Sales by calendar month of the firms that lived through every whole year before 2020."""
    span, sales = block.span, block["sales_yuan"]
    whole = [year for year in (2018, 2019) if span.holds(f"{year}-01", f"{year}-12")]
    if not whole:
        return np.zeros((0, 12))
    since = span.at(f"{whole[0]}-01")
    years = sales[:, since : since + 12 * len(whole)]
    steady = np.isfinite(years).all(axis=1)
    out: Floats = years[steady].reshape(int(steady.sum()), len(whole), 12).sum(axis=1)
    return out


def applications(world: Path, firms: pd.DataFrame) -> pd.DataFrame:
    """A row per application with what became of it (NaN for those not granted) and the truth."""
    asked = pd.read_parquet(world / "applications.parquet", columns=list(_ASKED))
    became = pd.read_parquet(world / "outcomes.parquet", columns=list(_BECAME))
    asked = asked.merge(became, on="application_id", how="left")
    if (world / "truth.parquet").exists():
        true = pd.read_parquet(world / "truth.parquet", columns=list(_TRUE))
        asked = asked.merge(true, on="application_id", how="left")
    asked["year"] = asked["vintage"].str[:4].astype(int)
    known = ["uscc", "sector", "size", "founded", "closed_at"]
    return asked.merge(firms[known], on="uscc", how="left")


class _Suit(Struct):
    cause: str
    role: str


class _Enforcement(Struct):
    amount_yuan: float


class _Registry(Struct):
    registered_capital_yuan: float
    abnormal_listings: list[Any] = []


class _Courts(Struct):
    suits: list[_Suit] = []
    enforcements: list[_Enforcement] = []
    dishonest_listings: list[Any] = []


class _Tax(Struct):
    rating: str | None = None


class _File(Struct):
    """The part of a credit file that base rates are measured on; the rest is skipped."""

    as_of: str
    registry: _Registry | None = None
    courts: _Courts | None = None
    tax: _Tax | None = None


def records(world: Path) -> pd.DataFrame:
    """What public records said of every firm that ever applied, in its latest credit file."""
    asked = ParquetFile(world / "applications.parquet")
    files = ParquetFile(world / "credit_files.parquet")
    decode = msgspec.json.Decoder(_File).decode
    rows = []
    for group in range(files.num_row_groups):
        who = asked.read_row_group(group, columns=["uscc", "as_of"]).to_pandas()
        latest = who.sort_values("as_of").groupby("uscc").tail(1)
        stored = files.read_row_group(group, columns=["credit_file"]).column("credit_file")
        for at, uscc in zip(latest.index, latest["uscc"], strict=True):
            rows.append(_recorded(uscc, decode(stored[int(at)].as_py())))
    return pd.DataFrame(rows, columns=list(_recorded("", _File(""))))


def _recorded(uscc: str, file: _File) -> dict[str, Any]:
    courts, registry = file.courts or _Courts(), file.registry
    causes = [suit.cause for suit in courts.suits]
    return {
        "uscc": uscc,
        "year": file.as_of[:4],
        "rating": file.tax.rating if file.tax else None,
        "abnormal": bool(registry and registry.abnormal_listings),
        "dishonest": bool(courts.dishonest_listings),
        "causes": causes,
        "enforced_yuan": [one.amount_yuan for one in courts.enforcements],
    }


def alive_at(firms: pd.DataFrame, month: int) -> Bools:
    """Firms founded by a month and not closed in it, (n_firms,)."""
    there: Bools = ((firms["founded"] <= month) & (firms["closed_at"] > month)).to_numpy()
    return there


def _mean(values: Floats) -> Floats:
    there = np.isfinite(values).sum(axis=1)
    out: Floats = np.nansum(values, axis=1) / np.maximum(there, 1)
    return out
