import gzip
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from model import invoice_tables
from model.invoice_header import Mapping, found_in
from model.invoice_tables import Table, tables

HEADER = "企业代号,发票号码,开票日期,金额"


def score(cells: Any) -> int:
    return found_in(cells, Mapping())


def read(table: Table, *positions: int) -> tuple[list[list[str | None]], list[int], list[int]]:
    """Rows, their numbers, and the numbers of those torn."""
    rows, numbers, torn = [], [], []
    for batch in table.batches(positions or range(4)):
        rows += [list(row) for row in zip(*(one.to_pylist() for one in batch.columns), strict=True)]
        numbers += batch.rows.tolist()
        torn += [number for number, _ in batch.torn]
    return rows, numbers, torn


def only(path: Path) -> Table:
    (found,), without = tables(path, score)
    assert without == []
    return found


TEXT = f"某公司清单\n\n{HEADER}\nE1,1,2020-01-01,5\n\nE2,2,2020-01-02,6,\nE3,3\n"
TEXT += 'E4,4,2020-01-03,"7\n8"\nE5,5,2020-01-04,9\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_text_file_in_any_usual_encoding(encoding: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    content = TEXT.encode(encoding)
    path.write_bytes(gzip.compress(content) if packed else content)
    table = only(path)
    rows, numbers, torn = read(table)
    assert table.header == HEADER.split(",")
    assert table.header_row == 3
    assert [row[0] for row in rows if row[0]] == ["E1", "E4", "E5"]
    assert [n for n, row in zip(numbers, rows, strict=True) if row[0]] == [4, 8, 9]
    assert torn == [6, 7]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_a_delimiter_is_found(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{HEADER}\nE1,1,2020-01-01,5\n".replace(",", delimiter), encoding="utf-8")
    assert read(only(path))[0] == [["E1", "1", "2020-01-01", "5"]]


def test_a_delimiter_behind_each_row_is_no_cell(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{HEADER}\nE1,1,2020-01-01,5,\nE2,2,2020-01-01,6,\n", encoding="utf-8")
    assert [row[0] for row in read(only(path))[0]] == ["E1", "E2"]


def test_rows_keep_their_numbers_over_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoice_tables, "BLOCK_BYTES", 400)
    path = tmp_path / "list.csv"
    lines = [f"甲乙丙丁{i},{i},2020-01-01,5" + (",x" if i % 7 == 0 else "") for i in range(2, 500)]
    path.write_bytes("\n".join([HEADER, *lines]).encode("gbk"))
    rows, numbers, torn = read(only(path))
    assert [row[1] for row in rows] == [str(number) for number in numbers]
    assert torn == [i for i in range(2, 500) if i % 7 == 0]
    assert len(rows) + len(torn) == 498


def test_a_damaged_utf8_file_stays_utf8(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    text = HEADER + "\n" + "企业甲,1,2020-01-01,5\n" * 100
    path.write_bytes(text.encode() + b"\xff\xfe,2,2020-01-01,5\n")
    table = only(path)
    assert table.how.startswith("UTF-8, some characters cannot be read")
    rows, *_ = read(table)
    assert (rows[0][0], rows[-1][0]) == ("企业甲", "\ufffd\ufffd")


def test_only_the_columns_asked_for_are_read_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{HEADER}\nE1,1,2020-01-01,5\n", encoding="utf-8")
    assert read(only(path), 3, 0)[0] == [["5", "E1"]]


def test_a_file_of_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(HEADER + "\n", encoding="utf-8")
    assert read(only(path)) == ([], [], [])


def test_a_quotation_mark_never_closed_leaves_fewer_rows_than_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f'{HEADER}\n"E1,1,2020-01-01,5\n' + "E2,1,2020-01-01,5\n" * 50)
    table = only(path)
    assert table.expected_rows == 51
    rows, _, torn = read(table)
    assert len(rows) + len(torn) <= 1


def test_each_sheet_of_a_workbook_is_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoice_tables, "SHEET_ROWS", 2)
    book = openpyxl.Workbook()
    about: Any = book.active
    about.title = "企业信息"
    about.append(["企业代号", "信誉评级"])
    for name, gap in (("进项发票信息", 0), ("销项发票信息", 2)):
        sheet: Any = book.create_sheet(name)
        for _ in range(gap):
            sheet.append(["清单"])
        sheet.append(HEADER.split(","))
        sheet.append(["E1", 12345678, None, 5.5])
        sheet.append([None] * 4)
        sheet.append(["E2", 20_000_000_000_000_000_001, 43000.5, "x6"])
    book.save(tmp_path / "a.xlsx")
    found, without = tables(tmp_path / "a.xlsx", score)
    assert without == ["企业信息"]
    assert [(one.sheet, one.header_row) for one in found] == [
        ("进项发票信息", 1), ("销项发票信息", 3),
    ]  # fmt: skip
    rows, numbers, _ = read(found[1])
    assert rows == [
        ["E1", 12345678.0, None, 5.5], [None] * 4, ["E2", 2e19, 43000.5, "x6"],
    ]  # fmt: skip
    monkeypatch.setattr(invoice_tables, "SHEET_ROWS", 20_000)
    assert read(found[1])[0] == [
        ["E1", 12345678.0, None, "5.5"], [None] * 4, ["E2", 2e19, 43000.5, "x6"],
    ]  # fmt: skip
    assert numbers == [4, 5, 6]
    assert read(found[1])[1] == numbers  # it can be read again
    found[0].close()


def test_a_parquet_files_columns_become_simple(tmp_path: Path) -> None:
    table = pa.table(
        {
            "firm": pa.array(["E1", "E2"]).dictionary_encode(),
            "date": pa.array([1, 2], pa.date32()),
            "amount": pa.array(["1.50", None]).cast(pa.decimal128(10, 2)),
            "number": pa.array(["1", "2"], pa.large_string()),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    rows, numbers, _ = read(only(tmp_path / "a.parquet"), 0, 2, 3)
    assert rows == [["E1", 1.5, "1"], ["E2", None, "2"]]
    assert numbers == [1, 2]


def test_a_workbook_without_its_package_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ValueError, match=r"openpyxl, which is not installed: uv sync --extra"):
        tables(tmp_path / "a.xlsx", score)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "none of the first 30 rows names a date and an amount"),
        ("a.csv", b"a,b\n1,2\n", r"--column date=NAME; the first is \['a', 'b'\]"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", "old .xls workbook; expected it saved as .xlsx"),
        ("a.xls", b"<html><table>", "a web page"),
        ("a.xlsx", b"PK\x03\x04rubbish", "expected an Excel workbook"),
        ("a.parquet", b"PAR1rubbish", "expected a Parquet file"),
        ("a.csv.gz", b"\x1f\x8brubbish", "expected a CSV, Parquet or Excel"),
    ],
)
def test_a_file_that_is_none_of_these_says_what_was_expected(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        tables(tmp_path / name, score)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.csv: No such file"):
        tables(tmp_path / "none.csv", score)
    with pytest.raises(ValueError, match="directory"):
        tables(tmp_path, score)
