"""One firm of a world: what it lived through month by month, and what happened to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from pyarrow.parquet import ParquetFile

from synthetic_data.census import records
from synthetic_data.panel import panels

SERIES = {
    "sales_yuan": ("开票销售额（元）", "sales invoiced, yuan"),
    "tax_paid_yuan": ("缴税（元）", "tax paid, yuan"),
    "kwh": ("用电（千瓦时）", "electricity, kWh"),
    "employees": ("员工数", "employees"),
    "true_cash_yuan": ("现金（元，真值）", "cash, yuan (truth)"),
    "bank_balance_yuan": ("账户余额（元）", "bank balance, yuan"),
}
"""Columns of the months a story tells; of cash the truth, else what the bank shows."""
_STOCKS = ("employees", "true_cash_yuan", "bank_balance_yuan")
KINDS = {
    "loan": ("放款", "loan granted"),
    "default": ("违约", "default"),
    "suit": ("被诉", "sued"),
    "enforcement": ("被执行", "enforcement"),
    "dishonest": ("失信", "dishonest debtor"),
    "abnormal": ("经营异常", "listed abnormal"),
    "closed": ("注销", "closed"),
}
"""Kinds of events a story marks."""
MASKS = ("1781", "2770")


class Happened(Struct, frozen=True, kw_only=True):
    """One event: the month, its kind, and words about it."""

    month: str
    kind: str
    says: str = ""


class Year(Struct, frozen=True, kw_only=True):
    """A calendar year: flows summed, stocks at its end."""

    year: str
    months: int
    values: dict[str, float]


class Story(Struct, frozen=True, kw_only=True):
    """A firm's story: who it is, its months as columns, its years, its events in order."""

    uscc: str
    name: str
    facts: dict[str, str]
    months: list[str]
    series: dict[str, list[float]]
    years: list[Year]
    events: list[Happened]


def story(world: Path, uscc: str) -> Story:
    """The story of one firm; raises KeyError naming a firm that the world does not have."""
    group, firm = _firm(world, uscc)
    names = set(ParquetFile(world / "months.parquet").schema_arrow.names)
    told = [name for name in SERIES if name in names]
    if "true_cash_yuan" in told:
        told.remove("bank_balance_yuan")
    rows = _rows(world / "months.parquet", uscc, group, ["month", *told]).sort_values("month")
    events = sorted(_events(world, uscc, group, firm), key=lambda one: (one.month, one.kind))
    return Story(
        uscc=uscc,
        name=str(firm["name"]),
        facts=_facts(firm),
        months=rows["month"].tolist(),
        series={name: rows[name].astype(float).tolist() for name in told},
        years=list(_years(rows, told)),
        events=events,
    )


def _firm(world: Path, uscc: str) -> tuple[int, dict[str, Any]]:
    """The row group a firm is in, and its row."""
    file = ParquetFile(world / "firms.parquet")
    for group in range(file.num_row_groups):
        codes = file.read_row_group(group, columns=["uscc"]).column("uscc").to_pylist()
        if uscc in codes:
            row = file.read_row_group(group).slice(codes.index(uscc), 1).to_pylist()[0]
            return group, row
    raise KeyError(f"{uscc}: no firm of {world}; expected a USCC of its firms.parquet")


def _rows(path: Path, uscc: str, group: int, columns: Sequence[str]) -> pd.DataFrame:
    """A firm's rows of a table: in the row group of its block, else wherever they are."""
    file = ParquetFile(path)
    groups = [group, *(at for at in range(file.num_row_groups) if at != group)]
    for at in groups:
        if at < file.num_row_groups:
            rows = file.read_row_group(at, columns=["uscc", *columns]).to_pandas()
            mine: pd.DataFrame = rows.loc[rows["uscc"] == uscc, list(columns)]
            if len(mine):
                return mine.reset_index(drop=True)
    return pd.DataFrame(columns=list(columns))


def _facts(firm: dict[str, Any]) -> dict[str, str]:
    told = {
        "成立 established": str(firm["established"]),
        "行业 sector": f"{firm['sector']} {firm['industry_code']}",
        "地区 region": str(firm["region"]),
        "注册资本 registered capital, yuan": f"{firm['registered_capital_yuan']:,.0f}",
    }
    if firm.get("closed"):
        told["注销 closed"] = str(firm["closed"])
    if firm.get("true_mill"):
        told["真相 truth"] = "开票而无交易 issues invoices without trade"
    return told


def _events(world: Path, uscc: str, group: int, firm: dict[str, Any]) -> Iterator[Happened]:
    """Loans and defaults from the tables; the rest from events, else the latest credit file."""
    asked = _rows(
        world / "applications.parquet", uscc, group,
        ["application_id", "vintage", "as_of", "amount_yuan", "granted"],
    )  # fmt: skip
    ids = asked["application_id"].tolist()
    became = _by_id(world / "outcomes.parquet", ids, group, ["default_month"])
    for one in asked.to_dict("records"):
        if not one["granted"]:
            continue
        yield Happened(month=one["vintage"], kind="loan", says=f"{one['amount_yuan']:,.0f}")
        if ended := became[one["application_id"]]["default_month"]:
            yield Happened(month=ended, kind="default", says=f"loan of {one['vintage']}")
    if firm.get("closed"):
        yield Happened(month=str(firm["closed"]), kind="closed")
    if (world / "events.parquet").is_file():
        found = _rows(world / "events.parquet", uscc, group, ["kind", "month"])
        for one in found.to_dict("records"):
            if one["kind"] in KINDS:
                yield Happened(month=str(one["month"])[:7], kind=one["kind"])
    elif ids:
        latest = asked.sort_values("as_of")["application_id"].iloc[-1]
        files = _by_id(world / "credit_files.parquet", [latest], group, ["credit_file"])
        yield from _recorded(json.loads(files[latest]["credit_file"]))


def _by_id(
    path: Path, ids: Sequence[str], group: int, columns: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Rows of some applications by their id."""
    file, wanted = ParquetFile(path), set(ids)
    found: dict[str, dict[str, Any]] = {}
    for at in [group, *(at for at in range(file.num_row_groups) if at != group)]:
        if at >= file.num_row_groups or len(found) == len(wanted):
            continue
        keys = file.read_row_group(at, columns=["application_id"]).column(0).to_pylist()
        places = [i for i, key in enumerate(keys) if key in wanted]
        if places:
            rows = file.read_row_group(at, columns=list(columns)).take(places).to_pylist()
            found |= {keys[i]: row for i, row in zip(places, rows, strict=True)}
        elif at == group:
            break
    return found


def _recorded(file: dict[str, Any]) -> Iterator[Happened]:
    """Public events that a credit file tells of."""
    courts, registry = file.get("courts") or {}, file.get("registry") or {}
    for suit in courts.get("suits", []):
        if suit["role"] == "defendant":
            says = f"{suit['cause']}, {suit['amount_yuan']:,.0f}"
            yield Happened(month=suit["filed"][:7], kind="suit", says=says)
    for case in courts.get("enforcements", []):
        says = f"{case['amount_yuan']:,.0f}"
        yield Happened(month=case["filed"][:7], kind="enforcement", says=says)
    for kind, listings in (
        ("dishonest", courts.get("dishonest_listings", [])),
        ("abnormal", registry.get("abnormal_listings", [])),
    ):
        for one in listings:
            yield Happened(month=one["listed"][:7], kind=kind)


def _years(rows: pd.DataFrame, told: Sequence[str]) -> Iterator[Year]:
    for year, months in rows.groupby(rows["month"].str[:4]):
        yield Year(
            year=str(year),
            months=len(months),
            values={
                name: float(months[name].iloc[-1] if name in _STOCKS else months[name].sum())
                for name in told
            },
        )


def worth_a_look(world: Path) -> list[tuple[str, str, str]]:
    """Firms with a story to tell: USCC and what it is about in zh and en."""
    firms = pd.read_parquet(world / "firms.parquet").set_index("uscc")
    ids = ["application_id"]
    became = pd.read_parquet(world / "outcomes.parquet", columns=[*ids, "defaulted_12m"])
    asked = pd.read_parquet(world / "applications.parquet", columns=[*ids, "uscc", "amount_yuan"])
    loans = asked.merge(became, on=ids).set_index("uscc").sort_values("amount_yuan")
    mill = firms["true_mill"].to_numpy(bool) if "true_mill" in firms else np.zeros(len(firms), bool)
    mills = firms.index[mill]
    growth = _growth(world)
    growth = growth[~growth.index.isin(mills)]
    of_masks = growth.index.isin(firms.index[firms["industry_code"].isin(MASKS)])
    bad = loans.index[((loans["defaulted_12m"] == 1) & ~loans.index.isin(mills)).to_numpy()]
    mill_loans = loans.index[loans.index.isin(mills)]
    judged = records(world).set_index("uscc")["enforced_yuan"].map(len)
    judged = judged[judged > 0].sort_values(kind="stable")
    top: list[tuple[list[Any], str, str]] = [
        ([*bad[-1:]], "最大的违约", "the largest default"),
        ([*judged.index[-1:]], "被执行最多", "most often enforced against"),
        ([*mill_loans[-1:]], "获得贷款的虚开企业", "an invoice mill with a loan"),
        (_largest(growth["epidemic"][of_masks]), "2020年增长最快的口罩企业", "a mask maker's 2020"),
        (_largest(growth["steady"]), "明星企业：逐年增长", "a star: grew most, year by year"),
    ]
    return [(str(code), zh, en) for codes, zh, en in top for code in codes]


def _largest(values: pd.Series[Any]) -> list[Any]:
    """The name of the largest value, where there is one."""
    return [values.idxmax()] if values.notna().any() else []


def _growth(world: Path) -> pd.DataFrame:
    """By firm: sales of February to July 2020 on a year before; the least yearly growth."""
    parts = []
    for block in panels(world, ["sales_yuan"]):
        sales, span = block["sales_yuan"], block.span
        epidemic = np.full(len(sales), np.nan)
        if span.holds("2019-02", "2020-07"):
            half = [
                sales[:, span.at(since) : span.at(since) + 6].sum(axis=1)
                for since in ("2019-02", "2020-02")
            ]
            epidemic = np.where(half[0] > 100_000.0, half[1] / np.maximum(half[0], 1.0), np.nan)
        whole = span.months // 12
        steady = np.full(len(sales), np.nan)
        if whole >= 2:
            years = sales[:, : 12 * whole].reshape(len(sales), whole, 12).sum(axis=2)
            ratios = years[:, 1:] / np.maximum(years[:, :-1], 1.0)
            steady = np.where(years[:, 0] > 1e6, ratios.min(axis=1), np.nan)
        parts.append(
            pd.DataFrame({"epidemic": epidemic, "steady": steady}, index=pd.Index(block.uscc))
        )
    return pd.concat(parts)
