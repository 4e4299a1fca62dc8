"""The tables of a block as Arrow, and the Parquet files they are appended to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthetic_data import events as public
from synthetic_data.calendar import day_of, month_text
from synthetic_data.draws import Bools, Ints
from synthetic_data.events import Events
from synthetic_data.firms import Firms
from synthetic_data.history import History
from synthetic_data.lender_view import Bureaus
from synthetic_data.loans import PURPOSES, Applications
from synthetic_data.network import KINDS, Links
from synthetic_data.outcomes import OUTCOMES, Cause, Truth
from synthetic_data.parameters import Parameters
from synthetic_data.signals import Signals
from synthetic_data.traces import FILINGS

Tables = dict[str, Any]
"""Name of a file -> the rows of one block, a pyarrow.Table."""

NAMES = (
    "firms", "links", "events", "months", "applications", "outcomes", "truth", "credit_files",
)  # fmt: skip

_SEEN = {
    "sales": "sales_yuan", "sales_count": "sales_count", "void_count": "void_count",
    "red": "red_yuan", "purchases": "purchases_yuan", "buyers": "buyers",
    "suppliers": "suppliers", "top_buyer_share": "top_buyer_share",
    "top_supplier_share": "top_supplier_share",
    "declared_sales": "declared_sales_yuan", "tax_paid": "tax_paid_yuan",
    "tax_arrears": "tax_arrears_yuan", "staff": "employees", "insured": "insured_persons",
    "social_paid": "social_security_paid_yuan",
    "social_arrears_months": "social_security_arrears_months", "kwh": "kwh",
    "electricity_overdue": "electricity_overdue_yuan", "bank_inflow": "bank_inflow_yuan",
    "bank_outflow": "bank_outflow_yuan", "bank_balance": "bank_balance_yuan",
    "debt": "debt_yuan", "debt_overdue": "debt_overdue_yuan",
    "overdue_months": "debt_overdue_months", "queries": "credit_queries",
}  # fmt: skip
_TRUE = {
    "true_cash": "true_cash_yuan", "true_line_drawn": "true_credit_line_drawn_yuan",
    "true_sales": "true_sales_yuan", "true_collected": "true_collected_yuan",
    "true_loan_received": "true_loan_received_yuan", "true_loan_sunk": "true_loan_sunk_yuan",
    "true_operating_paid": "true_operating_paid_yuan",
    "true_service_due": "true_debt_service_due_yuan",
    "true_service_paid": "true_debt_service_paid_yuan", "true_tax_paid": "true_tax_paid_yuan",
    "true_social_paid": "true_social_security_paid_yuan",
    "true_owner_drawn": "true_owner_drawn_yuan",
    "true_owner_added": "true_owner_added_yuan", "true_loan": "true_loan_owed_yuan",
    "true_missed": "true_missed_payments", "true_called": "true_guarantees_called_yuan",
    "true_health": "true_health",
    "true_chain": "true_buyers_health",
    "true_strain": "true_strain",
}  # fmt: skip
_SIGNALS = {
    "fund_persons": "housing_fund_persons", "fund_paid": "housing_fund_paid_yuan",
    "fund_arrears_months": "housing_fund_arrears_months", "water": "water_cubic_metres",
    "water_overdue": "water_overdue_yuan", "exports": "exports_yuan", "imports": "imports_yuan",
    "posts_zlzp": "posts_zlzp", "posts_qcwy": "posts_qcwy", "posts_zhyc": "posts_zhyc",
    "online_sales": "online_sales_yuan", "negative_news": "negative_news",
    "positive_news": "positive_news", "machine_hours": "machine_hours", "orders": "machine_orders",
}  # fmt: skip
_COUNTS = {"sales_count", "void_count", "buyers", "suppliers", "staff", "insured",
           "social_arrears_months", "true_missed", "overdue_months", "queries",
           "fund_persons", "fund_arrears_months", "posts_zlzp", "posts_qcwy", "posts_zhyc",
           "negative_news", "positive_news", "orders"}  # fmt: skip


def firms_table(firms: Firms, closed: Ints, end: int) -> Any:
    """One row per firm; `closed` is the month of closing, unset where it is not before `end`."""
    papers, traits = firms.papers, firms.traits
    return pa.table(
        {
            "uscc": papers.uscc,
            "name": papers.name,
            "established": [
                day_of(int(month), int(day))
                for month, day in zip(traits.founded, papers.founded_day, strict=True)
            ],
            "sector": papers.sector,
            "industry_code": papers.industry_code,
            "region": papers.province,
            "registered_capital_yuan": papers.capital_registered_yuan,
            "paid_in_capital_yuan": papers.paid_in_yuan,
            "legal_representative_share": papers.representative_share,
            "closed": _texts(month_text(int(m)) if m < end else None for m in closed),
            "true_capital_yuan": papers.capital_yuan,
            "true_level_yuan": np.round(traits.level_yuan, 2),
            "true_margin": traits.margin,
            "true_mill": traits.mill,
            "true_wilfulness": np.round(traits.wilfulness, 4),
        }
    )


def links_table(firms: Firms, links: Links, keep: int) -> Any:
    """One row per link between two of the first `keep` firms."""
    mine = links.take((links.first < keep) & (links.second < keep))
    codes = pa.array(firms.papers.uscc)
    return pa.table(
        {
            "kind": pa.array(KINDS).take(pa.array(mine.kind)),
            "from_uscc": codes.take(pa.array(mine.first)),
            "to_uscc": codes.take(pa.array(mine.second)),
            "share": pa.array(np.round(mine.share, 4), from_pandas=True),
        }
    )


def events_table(
    firms: Firms, happened: Events, parameters: Parameters, end: int, keep: int
) -> Any:
    """One row per public event of the first `keep` firms that happened before month `end`."""
    mine = happened.take((happened.firm < keep) & (happened.month < end))
    suit, change = mine.kind == public.SUIT, mine.kind == public.CHANGE
    causes, items = parameters.events.suit_cause_weights, parameters.events.change_weights
    on = zip(mine.month.tolist(), mine.day.tolist(), strict=True)
    until = zip(mine.closed_month.tolist(), mine.day.tolist(), strict=True)
    return pa.table(
        {
            "uscc": pa.array(firms.papers.uscc).take(pa.array(mine.firm)),
            "kind": pa.array(public.KINDS).take(pa.array(mine.kind)),
            "on": pa.array([day_of(*one) for one in on], pa.date32()),
            "ended": pa.array(
                [day_of(*one) if one[0] < end else None for one in until], pa.date32()
            ),
            "role": _named(public.ROLES, mine.role, suit),
            "cause": _named(list(causes), mine.cause, suit),
            "item": _named(list(items), mine.cause, change),
            "amount_yuan": mine.amount_yuan,
        }
    )


def _named(names: Sequence[str], positions: Ints, told: Bools) -> Any:
    """Names by position; null where there is nothing to tell."""
    return pa.array(names).take(pa.array(np.where(told, positions, 0), mask=~told))


def months_table(firms: Firms, history: History, signals: Signals, burn_in: int, keep: int) -> Any:
    """One row per firm (the first `keep`) and month lived after the burn-in."""
    alive = history["alive"][burn_in:].T > 0
    alive[keep:] = False
    who, when = np.nonzero(alive)
    texts = pa.array([month_text(history.first + t) for t in range(burn_in, history.months)])
    columns: dict[str, Any] = {
        "uscc": pa.array(firms.papers.uscc).take(pa.array(who)),
        "month": texts.take(pa.array(when)),
    }
    lived_at = when * len(firms) + who
    filings = history["filing"][burn_in:].reshape(-1)[lived_at].astype(np.int64)
    lived = [(name, title, history[name]) for name, title in (_SEEN | _TRUE).items()]
    lived += [(name, title, signals.monthly[name]) for name, title in _SIGNALS.items()]
    for name, title, column in lived:
        values = column[burn_in:].reshape(-1)[lived_at]
        columns[title] = values.astype(np.int64) if name in _COUNTS else _rounded(name, values)
        if name == "tax_paid":
            columns["filing"] = pa.array(FILINGS).take(pa.array(filings))
    return pa.table(columns)


def loan_tables(
    firms: Firms, asked: Applications, truth: Truth, bureaus: Bureaus, parameters: Parameters
) -> Tables:
    """Applications, outcomes of the granted, truth, and credit files; one row per application."""
    numbers = firms.first + asked.firm
    ids = _texts(
        f"{month_text(month)}-{number:07d}"
        for month, number in zip(asked.month.tolist(), numbers.tolist(), strict=True)
    )
    encode = msgspec.json.Encoder().encode
    rows = list(zip(asked.firm.tolist(), asked.month.tolist(), asked.day.tolist(), strict=True))
    files = [encode(bureaus.credit_file(*row)) for row in rows]
    applications = pa.table(
        {
            "application_id": ids,
            "uscc": _texts(firms.papers.uscc[firm] for firm, _, _ in rows),
            "as_of": pa.array([day_of(month, day) for _, month, day in rows], pa.date32()),
            "vintage": _texts(month_text(month) for _, month, _ in rows),
            "amount_yuan": asked.amount_yuan,
            "tenor_months": np.full(len(ids), parameters.loans.tenor_months),
            "purpose": pa.array(PURPOSES).take(pa.array(asked.purpose)),
            "first_time_borrower": asked.first_time_borrower,
            "rate_annual": asked.rate_annual,
            "approved": asked.approved,
            "granted": asked.granted,
        }
    )
    became = np.where(truth.defaulted_12m, 2, np.where(truth.late, 1, 0))
    defaulted_on = _texts(month_text(int(m)) if m else None for m in truth.default_month)
    outcomes = pa.table(
        {
            "application_id": ids,
            "outcome": pa.array(OUTCOMES).take(pa.array(became)),
            "defaulted_12m": truth.defaulted_12m.astype(np.int64),
            "default_month": defaulted_on,
        }
    ).filter(pa.array(asked.granted))
    truths = pa.table(
        {
            "application_id": ids,
            "true_pd_12m": truth.pd_12m,
            "true_defaulted_12m": truth.defaulted_12m.astype(np.int64),
            "true_default_month": defaulted_on,
            "true_cause": pa.array([cause.name.lower() for cause in Cause]).take(
                pa.array(truth.cause)
            ),
            "true_health": np.round(truth.health, 4),
            "true_mill": truth.mill,
        }
    )
    return {
        "applications": applications,
        "outcomes": outcomes,
        "truth": truths,
        "credit_files": pa.table(
            {"application_id": ids, "credit_file": pa.array(files, pa.binary())}
        ),
    }


def _texts(told: Iterable[str | None]) -> Any:
    """A column of texts, though there be none."""
    return pa.array(list(told), pa.string())


def _rounded(name: str, values: Any) -> Any:
    share = name in (
        "top_buyer_share", "top_supplier_share", "true_health", "true_strain", "true_chain",
    )  # fmt: skip
    return np.round(values, 4 if share else 2)


def save(folder: Path, tables: Mapping[str, Any]) -> None:
    """Write the tables of a block into a new folder as they are in memory."""
    folder.mkdir()
    for name, table in tables.items():
        with pa.ipc.new_file(folder / name, table.schema) as file:
            file.write_table(table)


def load(folder: Path) -> Tables:
    """The tables of a block that was saved; read from the files only where they are looked at."""
    return {name: pa.ipc.open_file(pa.memory_map(str(folder / name))).read_all() for name in NAMES}


class Writer:
    """Appends the tables of blocks, one row group a block, to Parquet files of a folder.

    The bytes depend on the rows alone: no timestamps, one order, one codec.
    """

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._out = out
        self._files: dict[str, Any] = {}

    def __enter__(self) -> Writer:
        return self

    def append(self, tables: Mapping[str, Any]) -> None:
        """Write one block's rows."""
        for name in NAMES:
            table = tables[name]
            if name not in self._files:
                self._files[name] = pq.ParquetWriter(
                    self._out / f"{name}.parquet", table.schema,
                    compression="zstd", compression_level=1,
                    use_dictionary=[
                        field.name for field in table.schema if field.type == pa.string()
                    ],
                )  # fmt: skip
            self._files[name].write_table(table, row_group_size=max(len(table), 1))

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
