from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.credit_file import CreditFile, Invoices
from model.invoice_sections import Rows, repeats, sections
from model.invoice_values import day_number


def rows(*given: dict[str, Any]) -> Rows:
    """Rows with what is not given filled in: firm E1 sold to buyer 1 for 100 yuan."""
    whole: dict[str, Any] = {
        "firm": "E1", "out": True, "void": False, "key": 0, "partner": 1, "day": date(2020, 1, 15),
        "fen": 10_000,
    }  # fmt: skip
    filled = [whole | one for one in given]
    column = {name: [one[name] for one in filled] for name in whole}
    return {
        "firm": np.array(column["firm"], dtype=object),
        "out": np.array(column["out"], dtype=bool),
        "void": np.array(column["void"], dtype=bool),
        "key": np.array(column["key"], dtype=np.uint64),
        "partner": np.array(column["partner"], dtype=np.uint64),
        "day": np.array([day_number(day) for day in column["day"]], dtype=np.int32),
        "fen": np.array(column["fen"], dtype=np.int64),
    }


def section(*given: dict[str, Any], as_of: date = date(2020, 1, 31)) -> Invoices:
    (made,) = sections(rows(*given), as_of)
    assert made.fault == ""
    found = msgspec.json.decode(made.credit_file, type=CreditFile).invoices
    assert found is not None
    return found


def test_what_counts_where() -> None:
    found = section(
        {},
        {"fen": -2_000},
        {"void": True, "fen": 5_000},
        {"partner": 2, "fen": 7_000},
        {"out": False, "fen": 30_000, "partner": 9},
        {"out": False, "void": True, "fen": 1_000_000, "partner": 8},
        {"out": False, "fen": -1_000, "partner": 9},
    )
    assert found.sales_yuan == [150.0]  # 100 - 20 + 70
    assert found.sales_count == [4]
    assert found.void_count == [1]
    assert found.red_yuan == [20.0]
    assert found.purchases_yuan == [290.0]
    assert (found.buyers, found.suppliers) == ([2], [1])
    assert found.top_buyer_share_12m == pytest.approx(80 / 150, abs=1e-6)
    assert found.top_supplier_share_12m == 1.0


def test_months_run_from_the_firms_first_to_as_of() -> None:
    found = section(
        {"day": date(2019, 11, 30)}, {"day": date(2020, 2, 29)}, {"day": date(2020, 3, 1)},
        as_of=date(2020, 2, 29),
    )  # fmt: skip
    assert found.months == ["2019-11", "2019-12", "2020-01", "2020-02"]
    assert found.sales_yuan == [100.0, 0.0, 0.0, 100.0]
    assert found.as_of == date(2020, 2, 29)


def test_a_firm_that_begins_after_as_of_has_no_file() -> None:
    assert [*sections(rows({"day": date(2020, 2, 1)}), date(2020, 1, 31))] == []


def test_the_first_invoice_is_issued_if_any_was() -> None:
    bought = {"out": False, "day": date(2018, 5, 6)}
    voided = {"void": True, "day": date(2019, 1, 2)}
    assert section(bought, voided, {}).first_invoice == date(2019, 1, 2)
    assert section(bought).first_invoice == date(2018, 5, 6)


def test_only_the_latest_240_months_are_told() -> None:
    found = section({"day": date(1995, 1, 1)}, {})
    assert len(found.months) == 240
    assert (found.months[0], found.months[-1]) == ("2000-02", "2020-01")
    assert found.first_invoice == date(1995, 1, 1)


def test_top_shares_look_at_twelve_complete_months() -> None:
    old = {"partner": 2, "day": date(2019, 1, 31), "fen": 90_000}
    assert section(old, {}).top_buyer_share_12m == 1.0
    in_time = old | {"day": date(2019, 2, 1)}
    assert section(in_time, {}).top_buyer_share_12m == 0.9
    running = section(old, {"day": date(2019, 12, 31)}, as_of=date(2020, 1, 30))
    assert running.top_buyer_share_12m == 0.9  # January is not complete: the year ends in December


def test_an_unnamed_counterparty_is_one_of_the_month_and_never_the_top() -> None:
    found = section({"partner": 0}, {"partner": 0}, {"partner": 3, "fen": 5_000})
    assert found.buyers == [2]
    assert found.top_buyer_share_12m == 0.2
    assert section({"partner": 0}).top_buyer_share_12m is None
    assert section({"fen": -1}).top_buyer_share_12m is None


def test_lines_of_one_invoice_are_one_invoice() -> None:
    line = {"key": 5}
    found = section(line, line | {"fen": 20_000}, line | {"day": date(2020, 1, 16)}, {}, {})
    assert found.sales_count == [4]  # two lines together, another day, two without a number
    assert found.sales_yuan == [600.0]


@pytest.mark.parametrize(
    ("one", "other", "left"),
    [
        ({}, {}, [0]),
        ({}, {"void": True}, [1]),
        ({"void": True}, {}, [0]),
        ({}, {"void": True, "fen": 0}, [1]),
        ({"fen": -10_000}, {"void": True, "fen": 0}, [0, 1]),
        ({}, {"fen": 10_001}, [0, 1]),
        ({}, {"day": date(2020, 1, 16)}, [0, 1]),
        ({}, {"partner": 2}, [0, 1]),
        ({}, {"out": False}, [0, 1]),
        ({}, {"firm": "E2"}, [0, 1]),
        ({}, {"key": 6}, [0, 1]),
        ({"key": 0}, {"key": 0}, [0, 1]),
    ],
)
def test_what_repeats_an_invoice(
    one: dict[str, Any], other: dict[str, Any], left: list[int]
) -> None:
    found = repeats(rows({"key": 5} | one, {"key": 5} | other))
    assert sorted({0, 1} - set(found.rows.tolist())) == left
    assert found.of.tolist() == (left if len(left) == 1 else [])


def test_a_month_too_large_for_the_contract_is_a_fault_not_a_file() -> None:
    (made,) = sections(rows(*[{"fen": 10**15}] * 2), date(2020, 1, 31))
    assert "sales_yuan" in made.fault


ROW = st.fixed_dictionaries(
    {
        "firm": st.sampled_from(["E1", "E2"]),
        "out": st.booleans(),
        "void": st.booleans(),
        "key": st.integers(0, 4),
        "partner": st.integers(0, 2),
        "day": st.dates(date(2018, 12, 1), date(2020, 2, 10)),
        "fen": st.integers(-300, 300),
    }
)


@given(st.lists(ROW, min_size=1, max_size=40), st.dates(date(2019, 1, 1), date(2020, 2, 20)))
def test_every_list_gives_files_the_contract_accepts(
    listed: list[dict[str, Any]], as_of: date
) -> None:
    whole = rows(*listed)
    again = repeats(whole)
    assert not set(again.of.tolist()) & set(again.rows.tolist())
    kept = np.ones(len(listed), bool)
    kept[again.rows] = False
    left = {name: column[kept] for name, column in whole.items()}
    assert len(repeats(left).rows) == 0
    valid = sum(
        int(fen) / 100
        for fen, out, void, day in zip(
            left["fen"], left["out"], left["void"], left["day"], strict=True
        )
        if out and not void and day <= day_number(as_of)
    )
    total = 0.0
    for made in sections(left, as_of):
        assert made.fault == ""
        found = msgspec.json.decode(made.credit_file, type=CreditFile).invoices
        assert found is not None
        total += sum(found.sales_yuan)
    assert total == pytest.approx(valid)
