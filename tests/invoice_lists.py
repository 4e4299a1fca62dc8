"""Invoice lists made for tests, and the sums they should come to, by pandas alone."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from model.credit_file import CreditFile, check
from synthetic_data.identity import uscc

FIRMS = [uscc("11", number) for number in range(6)]
COLUMNS = {
    "firm": "企业代号", "direction": "进销项", "number": "发票号码", "date": "开票日期",
    "partner": "对方单位代号", "amount": "金额", "tax": "税额", "total": "价税合计",
    "status": "发票状态",
}  # fmt: skip


def invoices(count: int = 3_000, seed: int = 7) -> pd.DataFrame:
    """Invoices of six firms over 2018 and 2019, issued and received, some void or red-letter."""
    random = np.random.default_rng(seed)
    amount = np.round(np.exp(random.normal(8, 1.5, count)), 2)
    amount = np.where(random.random(count) < 0.05, -amount, amount)
    tax = np.round(amount * 0.13, 2)
    day = pd.Timestamp("2018-01-01") + pd.to_timedelta(random.integers(0, 730, count), "D")
    day = np.where(np.arange(count) == 0, pd.Timestamp("2019-12-31"), day)
    return pd.DataFrame(
        {
            "firm": random.choice(FIRMS, count),
            "direction": random.choice(["销项", "进项"], count),
            "number": np.arange(10_000_000, 10_000_000 + count).astype(str),
            "date": pd.to_datetime(day),
            "partner": np.char.add("B", random.integers(0, 30, count).astype(str)),
            "amount": amount,
            "tax": tax,
            "total": np.round(amount + tax, 2),
            "status": np.where(random.random(count) < 0.08, "作废发票", "有效发票"),
        }
    )


def chinese(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the column names of a Chinese list."""
    return table.rename(columns=COLUMNS)


def credit_files(folder: Path) -> dict[str, CreditFile]:
    """Every credit file written, read and checked as the service does; by USCC."""
    decode = msgspec.json.Decoder(CreditFile).decode
    if (lines := folder / "credit_files.jsonl").exists():
        written: list[Any] = lines.read_bytes().splitlines()
    else:
        written = pd.read_parquet(folder / "credit_files.parquet")["credit_file"].tolist()
    found = [decode(one) for one in written]
    for one in found:
        check(one)
    return {one.uscc: one for one in found}


def expected(table: pd.DataFrame, firm: str, last: str) -> pd.DataFrame:
    """One firm's months as a groupby says, from its first to `last`."""
    own = table[table["firm"] == firm].assign(month=table["date"].dt.strftime("%Y-%m"))
    out, valid = own["direction"] == "销项", own["status"] == "有效发票"
    met, below = own["amount"] > 0, own["amount"] < 0
    by_month = {
        "sales_yuan": own[out & valid].groupby("month")["amount"].sum(),
        "sales_count": own[out].groupby("month").size(),
        "void_count": own[out & ~valid].groupby("month").size(),
        "red_yuan": -own[out & valid & below].groupby("month")["amount"].sum(),
        "purchases_yuan": own[~out & valid].groupby("month")["amount"].sum(),
        "buyers": own[out & valid & met].groupby("month")["partner"].nunique(),
        "suppliers": own[~out & valid & met].groupby("month")["partner"].nunique(),
    }
    months = pd.period_range(own["month"].min(), last, freq="M").strftime("%Y-%m")
    return pd.DataFrame(by_month).reindex(months).fillna(0.0)
