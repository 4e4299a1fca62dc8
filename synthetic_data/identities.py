"""What must hold on every row of a world: money adds up, counts fit, dates are in order.

Each identity is a function from some columns to the rows it was checked on and those that break
it. Columns a world does not have leave the identity out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from pyarrow.parquet import ParquetFile

from synthetic_data.calendar import month_text
from synthetic_data.census import Census
from synthetic_data.draws import Bools, Floats
from synthetic_data.panel import Panel
from synthetic_data.parameters import Parameters, standard
from synthetic_data.traces import FILINGS

CENT = 0.01
_MISSING = float(FILINGS.index("missing"))
_FLOWS_IN = ("true_collected_yuan", "true_loan_received_yuan", "true_owner_added_yuan")
_FLOWS_OUT = ("true_loan_sunk_yuan", "true_owner_drawn_yuan")
_STOCKS = ("true_cash_yuan", "true_credit_line_drawn_yuan")
_VAT = ("vat_output_yuan", "vat_input_yuan", "vat_due_yuan")
_COLUMNS = (
    *_STOCKS, *_FLOWS_IN, *_FLOWS_OUT, *_VAT, "sales_yuan", "sales_count", "void_count",
    "red_yuan", "employees", "insured_persons", "social_security_paid_yuan",
    "social_security_arrears_months", "declared_sales_yuan", "tax_paid_yuan", "filing",
    "bank_balance_yuan", "debt_yuan", "debt_overdue_yuan", "true_loan_owed_yuan",
)  # fmt: skip


class Tally(Struct, kw_only=True):
    """One identity over a world: rows checked, rows that break it, the first of these."""

    code: str
    zh: str
    en: str
    rows: int = 0
    broken: int = 0
    first: str = ""

    def add(self, checked: Bools, broken: Bools, named: Callable[[int], str]) -> None:
        """Count some rows; `named` names one by its place among them."""
        wrong = checked & broken
        self.rows += int(checked.sum())
        self.broken += int(wrong.sum())
        if not self.first and wrong.any():
            self.first = named(int(np.flatnonzero(wrong.ravel())[0]))


Found = tuple[Bools, Bools]
"""Rows checked and rows that break the identity, (n_firms, n_months) each."""


def columns_of(world: Path) -> list[str]:
    """The columns of a world's months that identities need; every kind of payment is one."""
    names = ParquetFile(world / "months.parquet").schema_arrow.names
    return [name for name in names if name in _COLUMNS or _payment(name)]


def _payment(name: str) -> bool:
    return name.startswith("true_") and name.endswith("_paid_yuan")


def cash(block: Panel, _: Parameters) -> Found | None:
    """Money at the start, plus what came in, less what went out, is money at the end."""
    if not block.has(*_STOCKS, *_FLOWS_IN, *_FLOWS_OUT):
        return None
    paid = [name for name in block.columns if _payment(name)]
    net = block["true_cash_yuan"] - block["true_credit_line_drawn_yuan"]
    moved = _sum(block, _FLOWS_IN) - _sum(block, (*_FLOWS_OUT, *paid))
    off = np.abs(_before(net) + moved - net)
    items = len(_FLOWS_IN) + len(_FLOWS_OUT) + len(paid) + 2 * len(_STOCKS)
    return np.isfinite(off), off > items * CENT / 2.0 + 1e-9 * np.abs(net)


def voided(block: Panel, _: Parameters) -> Found | None:
    """No more invoices are voided than were issued."""
    return _compare(block, "void_count", "sales_count", 0.0)


def insured(block: Panel, _: Parameters) -> Found | None:
    """No more people are insured than employed."""
    return _compare(block, "insured_persons", "employees", 0.0)


def balance(block: Panel, _: Parameters) -> Found | None:
    """The accounts a lender may look into hold no more than all cash."""
    return _compare(block, "bank_balance_yuan", "true_cash_yuan", CENT)


def debts(block: Panel, _: Parameters) -> Found | None:
    """The loan here and the line drawn are part of all debt."""
    if not block.has("debt_yuan", "true_loan_owed_yuan", "true_credit_line_drawn_yuan"):
        return None
    part = block["true_loan_owed_yuan"] + block["true_credit_line_drawn_yuan"]
    return block.alive, part > block["debt_yuan"] + 2 * CENT


def positive(block: Panel, _: Parameters) -> Found | None:
    """Amounts and counts are not negative."""
    names = ("sales_count", "void_count", "red_yuan", "declared_sales_yuan", "tax_paid_yuan",
             "social_security_paid_yuan", "debt_overdue_yuan", "true_cash_yuan")  # fmt: skip
    present = [block[name] for name in names if name in block]
    lowest: Floats = np.minimum.reduce(present)
    return block.alive, lowest < 0.0


def payroll(block: Panel, p: Parameters) -> Found | None:
    """Contributions paid on time are those of the insured at the wage, to a person."""
    paid, behind = "social_security_paid_yuan", "social_security_arrears_months"
    if not block.has(paid, behind, "insured_persons"):
        return None
    each = p.firms.wage_monthly_yuan * p.cashflow.social_base_share * p.cashflow.social_rate
    on_time = (block[paid] > 0.0) & (block[behind] == 0.0) & (_before(block[behind]) == 0.0)
    return on_time, np.abs(block[paid] / each - block["insured_persons"]) > 1.0


def social_arrears(block: Panel, _: Parameters) -> Found | None:
    """Months behind with social security grow by one or end."""
    if "social_security_arrears_months" not in block:
        return None
    now = block["social_security_arrears_months"]
    before = _before(now)
    return np.isfinite(before) & np.isfinite(now), (now != 0.0) & (now != before + 1.0)


def declared(block: Panel, _: Parameters) -> Found | None:
    """What a return declares is the invoices since the last one filed; nothing without a return."""
    return _carried(block, "sales_yuan", "declared_sales_yuan")


def tax(block: Panel, _: Parameters) -> Found | None:
    """The tax bureau books what was paid since the last return; nothing without a return."""
    return _carried(block, "true_tax_paid_yuan", "tax_paid_yuan")


def vat(block: Panel, _: Parameters) -> Found | None:
    """VAT on sales less VAT on purchases is VAT due, or is carried forward."""
    if not block.has(*_VAT):
        return None
    output, paid_in, due = (block[name] for name in _VAT)
    credit = np.zeros(len(output))
    broken = np.zeros(output.shape, dtype=bool)
    for at in range(output.shape[1]):
        net = output[:, at] - paid_in[:, at] - credit
        credit = np.where(np.isfinite(net), np.maximum(-net, 0.0), 0.0)
        broken[:, at] = np.abs(np.maximum(net, 0.0) - due[:, at]) > 2 * CENT
    return block.alive, broken


_MONTHLY: dict[str, tuple[Callable[[Panel, Parameters], Found | None], str]] = {
    "cash": (cash, "期初净现金加流入减流出等于期末"),
    "void": (voided, "作废发票不多于开具发票"),
    "vat": (vat, "销项税额减进项税额等于应纳税额或留抵"),
    "declared": (declared, "申报销售额等于上次申报以来的开票额"),
    "tax": (tax, "入库税款等于上次申报以来缴纳的税款"),
    "insured": (insured, "参保人数不多于员工人数"),
    "payroll": (payroll, "按时缴纳的社保费与参保人数和工资一致"),
    "social-arrears": (social_arrears, "社保欠缴月数逐月加一或归零"),
    "balance": (balance, "可查账户余额不超过全部现金"),
    "debts": (debts, "本贷款与已用额度包含在总负债中"),
    "positive": (positive, "金额与数量不为负"),
}


class Identities:
    """All identities of a world: fed block by block, then with the tables of firms and loans."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self._parameters = parameters or standard()
        self._tallies = {
            code: Tally(code=code, zh=zh, en=(one.__doc__ or "").strip())
            for code, (one, zh) in _MONTHLY.items()
        }

    def see(self, block: Panel) -> None:
        """Check a block of months."""
        first, months = block.span.first, block.span.months

        def named(at: int) -> str:
            return f"{block.uscc[at // months]} {month_text(first + at % months)}"

        for code, (one, _) in _MONTHLY.items():
            if (found := one(block, self._parameters)) is not None:
                self._tallies[code].add(*found, named)

    def tallies(self, census: Census, lived: pd.DataFrame) -> list[Tally]:
        """Those of the months that this world has, and those of its firms and applications.

        `lived` tells the first and last month each firm has a row for: uscc, since, until.
        """
        of_months = [one for one in self._tallies.values() if one.rows]
        return [*of_months, *_of_firms(census, lived), *_of_loans(census)]


def lived(block: Panel) -> pd.DataFrame:
    """First and last month, and how many, each firm of a block has a row for."""
    there = block.alive
    return pd.DataFrame(
        {
            "uscc": block.uscc,
            "since": block.span.first + there.argmax(axis=1),
            "until": block.span.end - 1 - there[:, ::-1].argmax(axis=1),
            "rows": there.sum(axis=1),
        }
    )


def _of_firms(census: Census, lived: pd.DataFrame) -> Iterable[Tally]:
    """A firm has a row for every month from its founding, or the first, to its last."""
    firms = census.firms[["uscc", "founded", "closed_at"]].merge(lived, on="uscc", how="left")
    since = np.maximum(firms["founded"], census.span.first)
    until = np.minimum(firms["closed_at"], census.span.end) - 1
    there = np.asarray(until >= since)
    whole = (
        (firms["since"] == since) & (firms["until"] == until)
        & (firms["rows"] == until - since + 1)
    )  # fmt: skip
    broken: Bools = np.where(there, ~whole, firms["rows"].notna())
    tally = Tally(code="lived", zh="企业自成立至注销每月一行", en=(_of_firms.__doc__ or "").strip())
    tally.add(np.ones(len(firms), dtype=bool), broken, partial(_named, firms["uscc"]))
    yield tally


_LOANS: dict[str, tuple[str, str]] = {
    "asked": ("申请在其批次当月、企业存续期间提出",
              "A firm applies in the month of its vintage, founded by then and not yet closed."),
    "granted": ("放款者均已获批，且有结果",
                "Every loan granted was approved and has an outcome; no other application has."),
    "same-outcome": ("结果与真值一致", "The outcome of a loan is the one the truth tells."),
    "default-month": ("违约月份在放款后12个月内，仅违约者有",
                      "Loans that defaulted, and no others, have a month of default, within 12."),
}  # fmt: skip


def _of_loans(census: Census) -> Iterable[Tally]:
    """Dates and flags of applications in order."""
    asked = census.applications
    month = _months(asked["vintage"])
    days = pd.to_datetime(asked["as_of"])
    ends = asked["default_month"]
    after = _months(ends) - month
    known, granted = asked["defaulted_12m"].notna(), asked["granted"]
    bad = asked["defaulted_12m"] == 1
    broken = {
        "asked": (days.dt.year * 12 + days.dt.month - 1 != month)
        | (month < asked["founded"]) | (month >= asked["closed_at"]),
        "granted": (granted & ~asked["approved"]) | (granted != known),
        "default-month": (bad != ends.notna()) | (bad & ~after.between(0, 12)),
    }  # fmt: skip
    if "true_defaulted_12m" in asked:
        broken["same-outcome"] = known & (asked["defaulted_12m"] != asked["true_defaulted_12m"])
    for code, wrong in broken.items():
        tally = Tally(code=code, zh=_LOANS[code][0], en=_LOANS[code][1])
        ids = asked["application_id"]
        checked = np.ones(len(asked), dtype=bool)
        tally.add(checked, wrong.to_numpy(bool), partial(_named, ids))
        yield tally


def _named(names: pd.Series[Any], at: int) -> str:
    return str(names.iloc[at])


def _months(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Months since year 0 of texts "YYYY-MM"; NaN where there is none."""
    year, month = (pd.to_numeric(texts.str[part]) for part in (slice(0, 4), slice(5, 7)))
    return year * 12 + month - 1


def _compare(block: Panel, smaller: str, larger: str, slack: float) -> Found | None:
    if not block.has(smaller, larger):
        return None
    return block.alive, block[smaller] > block[larger] + slack


def _carried(block: Panel, happened: str, booked: str) -> Found | None:
    """What is booked is what happened since the last month that was filed.

    Checked from the first month on that follows a filed one.
    """
    if not block.has(happened, booked, "filing"):
        return None
    missing = block["filing"] == _MISSING
    waiting, since = np.zeros(len(missing)), np.full(len(missing), False)
    checked, broken = np.zeros(missing.shape, dtype=bool), np.zeros(missing.shape, dtype=bool)
    for at in range(missing.shape[1]):
        there = np.isfinite(block[booked][:, at])
        waiting = np.where(there, waiting + block[happened][:, at], 0.0)
        expected = np.where(missing[:, at], 0.0, waiting)
        checked[:, at] = there & since
        broken[:, at] = np.abs(block[booked][:, at] - expected) > CENT * (at + 1)
        waiting = np.where(missing[:, at], waiting, 0.0)
        since = there & (since | ~missing[:, at])
    return checked, broken


def _sum(block: Panel, names: Sequence[str]) -> Floats:
    out: Floats = np.sum([block[name] for name in names], axis=0)
    return out


def _before(values: Floats) -> Floats:
    """The month before (n_firms, n_months); NaN for the first."""
    return np.concatenate([np.full((len(values), 1), np.nan), values[:, :-1]], axis=1)
