from datetime import date
from pathlib import Path

import pytest

from model.invoice_header import Mapping, found_in, understand
from model.invoice_rows import Read, Reading, look, read
from model.invoice_tables import tables
from model.invoice_values import firm_of

HEADER = "企业代号,发票号码,开票日期,购方单位代号,金额,税额,价税合计,发票状态"
BELOW = {"amount": "-100", "tax": "-13", "total": "-113"}
TODAY = date(2020, 6, 30)


def looked(path: Path, text: str, mapping: Mapping | None = None) -> Reading:
    stated = mapping or Mapping()
    path.write_text(text, encoding="utf-8")
    (table,), _ = tables(path, lambda cells: found_in(cells, stated))
    columns = understand(table.header, stated, path, "", "out")
    return look(table, columns, stated)


def done(path: Path, text: str, mapping: Mapping | None = None) -> Read:
    reading = looked(path, text, mapping)
    positions = [reading.columns.positions[one] for one in reading.order]
    found, *rest = (read(batch, reading, TODAY, 4) for batch in reading.table.batches(positions))
    for one in rest:  # rows torn behind the last whole one
        found.rejected.extend(one.rejected)
        found.counts.update(one.counts)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def row(**cells: str) -> str:
    whole = {
        "firm": "E1", "number": "1", "date": "2020-01-31", "buyer": "B", "amount": "100",
        "tax": "13", "total": "113", "status": "有效发票",
    }  # fmt: skip
    return f"{HEADER}\n{','.join((whole | cells).values())}\n"


@pytest.mark.parametrize(
    ("cells", "fen", "void", "counted"),
    [
        ({}, 10_000, False, ""),
        (BELOW, -10_000, False, "red"),
        ({"status": "红字发票"}, -10_000, False, "turned"),
        ({"status": "红字发票"} | BELOW, -10_000, False, "red"),
        ({"status": "红冲"} | BELOW, -10_000, False, "red"),
        ({"status": "已红冲-部分"}, 10_000, False, "reversed"),
        ({"status": "作废发票"}, 10_000, True, "void"),
        ({"status": "作废", "amount": "", "tax": "", "total": ""}, 0, True, "void without amount"),
        ({"amount": ""}, 10_000, False, "computed"),
        ({"tax": ""}, 10_000, False, ""),
        ({"total": "114"}, 10_000, False, "apart"),
        ({"total": "113.05"}, 10_000, False, ""),
        ({"amount": "0", "tax": "0", "total": "0"}, 0, False, ""),
        ({"number": ""}, 10_000, False, "no number"),
        ({"buyer": ""}, 10_000, False, "no counterparty"),
    ],
)  # fmt: skip
def test_a_row_that_is_used(
    cells: dict[str, str], fen: int, void: bool, counted: str, path: Path
) -> None:
    found = done(path, row(**cells))
    assert found.rejected == []
    assert found.rows["fen"].tolist() == [fen]
    assert found.rows["void"].tolist() == [void]
    rules = ("red", "turned", "reversed", "void without amount", "computed", "apart", "no number",
             "no counterparty")  # fmt: skip
    expected = {counted, "red"} if counted == "turned" else {counted}
    assert {rule for rule in rules if found.counts[rule]} == expected - {"", "void"}


@pytest.mark.parametrize(
    ("cells", "field", "expected"),
    [
        ({"firm": ""}, "firm", "a code"),
        ({"firm": "9.13701E+17"}, "firm", "stored as text"),
        ({"date": ""}, "date", "from 1990-01-01 to 2020-06-30"),
        ({"date": "2020-07-01"}, "date", "to 2020-06-30"),
        ({"date": "1989-12-31"}, "date", "from 1990-01-01"),
        ({"amount": "", "total": ""}, "amount", "total and tax"),
        ({"amount": "", "tax": "x"}, "amount", "total and tax"),
        ({"amount": "$100"}, "amount", "in yuan"),
        ({"status": "失控"}, "status", "[status]"),
        ({"status": ""}, "status", "有效发票"),
        ({"status": "红冲"}, "status", "below 0"),
    ],
)
def test_a_row_that_is_not(cells: dict[str, str], field: str, expected: str, path: Path) -> None:
    found = done(path, row(**cells))
    ((at, named, _, why),) = found.rejected
    assert (at, named) == (2, field)
    assert expected in why
    assert len(found.rows["fen"]) == 0


@pytest.mark.parametrize("day", ["1990-01-01", "2020-06-30"])
def test_the_first_and_the_last_day(day: str, path: Path) -> None:
    assert done(path, row(date=day)).rejected == []


def test_empty_rows_are_passed_over_and_short_ones_told(path: Path) -> None:
    found = done(path, row() + "\n,,,,,,,\n ,\t,,,,,, \n合计,,,100\n,,,,\n")
    assert found.counts["empty"] == 4
    assert [(one.row, one.field) for one in found.rejected] == [(6, "row")]
    assert found.counts["rows"] == 6


def test_what_a_mapping_states_goes_before(path: Path) -> None:
    mapping = Mapping(
        status={"": "valid", "红冲": "reversed", "7": "void"}, units_yuan={"amount": 1e4}
    )
    text = row(status="", tax="", total="") + row(status="红冲").splitlines()[1]
    found = done(path, f"{text}\n{row(status='7').splitlines()[1]}\n", mapping)
    assert found.rejected == []
    assert found.rows["fen"].tolist() == [100_000_000] * 3
    assert found.rows["void"].tolist() == [False, False, True]


def test_the_firm_is_the_seller_of_what_it_issued_and_the_buyer_otherwise(path: Path) -> None:
    text = "方向,销方识别号,购方识别号,购方名称,开票日期,金额\n"
    text += "销项,E1,E2,x,2020-01-01,5\n进项,E1,E2,x,2020-01-01,5\n往来,E1,E2,x,2020-01-01,5\n"
    text += "销项,E1,,个人,2020-01-01,5\n进项,E1,,个人,2020-01-01,5\n"
    found = done(path, text)
    assert found.rows["firm"].to_pylist() == ["E1", "E2", "E1"]
    assert found.rows["out"].tolist() == [True, False, True]
    assert [(one.row, one.field, one.value) for one in found.rejected] == [
        (4, "direction", "往来"), (6, "seller", "E1"),
    ]  # fmt: skip
    partners = found.rows["partner"].tolist()
    assert len(set(partners)) == 3  # E2, E1, and by name 个人
    assert found.counts["no counterparty"] == 0


def test_one_firm_may_be_stated_for_all_rows(path: Path) -> None:
    text = (
        "购方名称,开票日期,金额,是否作废\nx,2020-01-01,5,否\nx,2020-01-01,5,是\nx,2020-01-02,5,?\n"
    )
    found = done(path, text, Mapping(firm="E7"))
    assert found.rows["firm"].to_pylist() == ["E7", "E7"]
    assert found.rows["void"].tolist() == [False, True]
    assert [(one.field, one.value) for one in found.rejected] == [("void", "?")]


def test_a_stated_firm_goes_before_a_column(path: Path) -> None:
    assert done(path, row(), Mapping(firm="E7")).rows["firm"].to_pylist() == ["E7"]
    mapping = Mapping(firm="E7", columns={"firm": "企业代号"})
    assert done(path, row(), mapping).rows["firm"].to_pylist() == ["E1"]


def test_a_firms_rows_go_to_one_shelf(path: Path) -> None:
    rows = "".join(row(firm=f"E{i % 5}", number=str(i)).splitlines()[1] + "\n" for i in range(50))
    found = done(path, f"{HEADER}\n{rows}")
    by_firm: dict[str, set[int]] = {}
    for firm, shelf in zip(found.rows["firm"].to_pylist(), found.shelves.tolist(), strict=True):
        assert firm_of(firm) is not None
        by_firm.setdefault(firm, set()).add(shelf)
    assert all(len(shelves) == 1 for shelves in by_firm.values())
    assert len(by_firm) == 5


def test_what_is_inferred_is_there_to_be_shown(path: Path) -> None:
    text = row(date="18/07/2019") + row(date="42934", status="作废").splitlines()[1] + "\n"
    reading = looked(path, text)
    assert reading.date_forms == ("D/M/YYYY", "Excel serial number")
    assert reading.statuses == {"有效发票": "valid", "作废": "void"}
    assert reading.columns.direction == "out"


def test_what_is_ambiguous_is_asked_for(path: Path) -> None:
    with pytest.raises(ValueError, match=r"'03/04/2019' in column 开票日期 .*--date-format %d/%m"):
        looked(path, row(date="03/04/2019"))
    found = done(path, row(date="03/04/2019"), Mapping(date_format="%d/%m/%Y"))
    assert str(found.rows["day"].astype("datetime64[D]")[0]) == "2019-04-03"
    with pytest.raises(ValueError, match=r"'1\.234,56' in column 金额 .*--decimal ,"):
        looked(path, row(amount='"1.234,56"'))
    found = done(path, row(amount='"1.234,56"'), Mapping(decimal=","))
    assert found.rows["fen"].tolist() == [123_456]
