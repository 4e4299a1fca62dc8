"""Identities: they hold on a real world, and one broken row is counted and named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthetic_data import checks
from synthetic_data.calendar import month_index
from synthetic_data.identities import Identities, Tally
from synthetic_data.panel import Span, panel, span_of

SPAN = Span(month_index("2018-01"), 3)
Rows = dict[str, list[Any]]


@pytest.fixture
def months() -> Rows:
    """Two firms, three and two months, in which every identity holds."""
    return {
        "uscc": ["a", "a", "a", "b", "b"],
        "month": ["2018-01", "2018-02", "2018-03", "2018-01", "2018-02"],
        "true_cash_yuan": [100.0, 130.0, 0.0, 50.0, 50.0],
        "true_credit_line_drawn_yuan": [0.0, 0.0, 20.0, 0.0, 0.0],
        "true_collected_yuan": [0.0, 80.0, 10.0, 0.0, 5.0],
        "true_loan_received_yuan": [0.0, 20.0, 0.0, 0.0, 0.0],
        "true_owner_added_yuan": [0.0, 0.0, 40.0, 0.0, 0.0],
        "true_loan_sunk_yuan": [0.0, 10.0, 0.0, 0.0, 0.0],
        "true_owner_drawn_yuan": [0.0, 0.0, 0.0, 0.0, 2.0],
        "true_operating_paid_yuan": [0.0, 50.0, 190.0, 0.0, 3.0],
        "true_tax_paid_yuan": [4.0, 10.0, 10.0, 1.0, 0.0],
        "sales_yuan": [70.0, 90.0, 30.0, 10.0, 20.0],
        "declared_sales_yuan": [70.0, 0.0, 120.0, 10.0, 20.0],
        "tax_paid_yuan": [4.0, 0.0, 20.0, 1.0, 0.0],
        "filing": ["on_time", "missing", "late", "on_time", "on_time"],
        "sales_count": [3, 4, 2, 1, 1],
        "void_count": [0, 4, 1, 0, 0],
        "employees": [5, 5, 5, 1, 1],
        "insured_persons": [5, 4, 4, 1, 1],
        "social_security_arrears_months": [0, 1, 2, 0, 0],
        "vat_output_yuan": [9.0, 2.0, 9.0, 1.0, 1.0],
        "vat_input_yuan": [5.0, 4.0, 3.0, 0.0, 0.0],
        "vat_due_yuan": [4.0, 0.0, 4.0, 1.0, 1.0],
    }


def tallies(rows: Rows) -> dict[str, Tally]:
    identities = Identities()
    identities.see(panel(pa.table(rows), SPAN))
    return identities._tallies


def test_what_holds_is_counted_on_every_row(months: Rows) -> None:
    found = tallies(months)
    assert {code: one.broken for code, one in found.items() if one.broken} == {}
    assert found["cash"].rows == 3  # a first month has no month before it
    assert found["void"].rows == found["insured"].rows == found["vat"].rows == 5
    assert found["declared"].rows == found["tax"].rows == 3
    assert found["payroll"].rows == 0  # a column it needs is not there


@pytest.mark.parametrize(
    ("column", "at", "value", "code"),
    [
        ("true_cash_yuan", 2, 5.0, "cash"),
        ("true_tax_paid_yuan", 1, 9.0, "cash"),
        ("void_count", 1, 5, "void"),
        ("insured_persons", 1, 6, "insured"),
        ("declared_sales_yuan", 1, 1.0, "declared"),
        ("declared_sales_yuan", 2, 30.0, "declared"),
        ("tax_paid_yuan", 2, 19.0, "tax"),
        ("social_security_arrears_months", 2, 3, "social-arrears"),
        ("vat_due_yuan", 2, 6.0, "vat"),
        ("sales_count", 0, -1, "positive"),
    ],
)
def test_one_broken_row_is_counted_and_named(
    months: Rows, column: str, at: int, value: float, code: str
) -> None:
    months[column][at] = value
    found = tallies(months)[code]
    assert found.broken == 1
    assert found.first == f"{months['uscc'][at]} {months['month'][at]}"


def test_a_panel_has_a_place_for_every_month(months: Rows) -> None:
    block = panel(pa.table(months), SPAN)
    assert block.uscc.tolist() == ["a", "b"]
    assert block["sales_yuan"].shape == (2, 3)
    assert np.isnan(block["sales_yuan"][1, 2])
    assert block["filing"][0].tolist() == [0.0, 3.0, 1.0]
    assert block.alive.tolist() == [[True] * 3, [True, True, False]]


def test_a_month_outside_the_world_is_refused(months: Rows) -> None:
    months["month"][2] = "2019-07"
    with pytest.raises(ValueError, match="2019-07 lies outside the 3 months"):
        panel(pa.table(months), SPAN)


def test_a_folder_that_is_no_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"world\.json: not there; expected what"):
        span_of(tmp_path)


def spoil(world: Path, to: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """A copy of a world with one table changed in its first row group."""
    shutil.copytree(world, to)
    file = pq.ParquetFile(world / f"{name}.parquet")
    with pq.ParquetWriter(to / f"{name}.parquet", file.schema_arrow) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            changed = change(table.to_pandas()) if group == 0 else None
            if changed is not None:
                table = pa.Table.from_pandas(changed, schema=table.schema, preserve_index=False)
            writer.write_table(table, row_group_size=len(table))
    return to


def test_all_hold_on_a_world(world: Path) -> None:
    _, found, _ = checks.look(world)
    by_code = {one.code: one for one in found}
    assert {"cash", "void", "declared", "payroll", "lived", "asked", "same-outcome"} <= set(by_code)
    told = {code for code, one in by_code.items() if one.expected == "all rows"}
    assert {code for code in told if by_code[code].passed is not True} == set()


@pytest.mark.parametrize(
    ("table", "column", "change", "code"),
    [
        ("months", "true_cash_yuan", lambda x: x.where(x.index != 5, x + 100.0), "cash"),
        ("months", "void_count", lambda x: 2 * x + 1, "void"),
        ("firms", "established", lambda x: x.where(x.index != 3, x.max()), "lived"),
        ("applications", "vintage", lambda x: x.where(x.index != 3, "2019-12"), "asked"),
        ("outcomes", "defaulted_12m", lambda x: 1 - x, "same-outcome"),
    ],
)
def test_a_spoiled_world_is_told(
    world: Path, tmp_path: Path, table: str, column: str, change: Any, code: str
) -> None:
    spoiled = spoil(
        world, tmp_path / "w", table, lambda rows: rows.assign(**{column: change(rows[column])})
    )
    _, found, _ = checks.look(spoiled)
    told = next(one for one in found if one.code == code)
    assert told.passed is False
    assert "the first " in told.found
