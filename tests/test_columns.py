from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model.columns import feature, named_as_code, read_table, recognise, times
from model.schema import ColumnSchema

MANY = 300


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("income", np.linspace(0, 1, MANY), "number"),
        ("count", [1, 2, 3] * 100, "number"),
        ("amount", [Decimal("1.5"), Decimal(2), None] * 100, "number"),
        ("secured", [True, False, True] * 100, "number"),
        ("loan_id", range(MANY), "identifier"),
        ("LoanNr", np.random.default_rng(0).permutation(MANY) + 10_000, "identifier"),
        ("salary", np.random.default_rng(0).permutation(MANY) + 10_000, "number"),
        ("name", [f"firm {i}" for i in range(MANY)], "identifier"),
        ("street", [f"street {i % 250}" for i in range(MANY)] * 2, "text"),
        ("sector", ["a", "b", None] * 100, "category"),
        ("code", ["1", "2", "3"] * 100, "category"),
        ("day", pd.date_range("2020-01-01", periods=MANY), "date"),
        ("day", pd.date_range("2020-01-01", periods=MANY, tz="Asia/Shanghai"), "date"),
        ("day", ["2020-01-31", "2020-02-01", None] * 100, "date"),
        ("day", ["31-Jan-97", "01-Feb-98", "15-Mar-99"] * 100, "date"),
        ("day", ["2020年1月31日", "2020年2月1日", "2020年3月1日"] * 100, "date"),
        ("ApprovalFY", [1997, 1998, 2001] * 100, "date"),
        ("vintage", [202001, 202002, 202003] * 100, "date"),
        ("seats", [1997, 1998, 2001] * 100, "number"),
        ("country", ["CN"] * MANY, "constant"),
        ("nothing", [None] * MANY, "constant"),
        ("flag", ["x", None, None] * 100, "category"),
        ("items", [[1, 2], [3], []] * 100, "other"),
        ("span", pd.to_timedelta(range(MANY), unit="D"), "other"),
    ],
)
def test_columns_are_recognised(name: str, values: Any, kind: str) -> None:
    found = recognise(name, pd.Series(values))
    assert found.type == kind
    assert (found.leave_out is None) == (kind in ("number", "category"))


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        ([f"${i:,}.00" for i in range(500, 1_100)], 500.0),
        ([f"¥{i}" for i in range(500, 1_100)], 500.0),
        ([f"(1,{i}.25) " for i in range(100, 700)], -1100.25),
        ([f"-$2,{i}" for i in range(100, 700)], -2100.0),
    ],
)
def test_amounts_written_as_text_are_numbers(texts: list[str], first: float) -> None:
    values = pd.Series([*texts, None])
    found = recognise("GrAppv", values)
    assert (found.type, found.leave_out) == ("number", None)
    read = feature("GrAppv", values, found)
    assert read.iloc[0] == first
    assert np.isnan(read.iloc[-1])


def test_amounts_that_could_be_decimals_or_are_mixed_with_words_are_told() -> None:
    for texts in ([f"1,{i}" for i in range(100, 700)], [*(f"${i}" for i in range(900)), "n/a"]):
        found = recognise("GrAppv", pd.Series(texts * 2))
        assert "if they are amounts" in str(found.leave_out)
        assert "write plain numbers" in str(found.leave_out)
    with pytest.raises(ValueError, match=r"row 3: got '1\.234,5', expected a number"):
        feature("x", pd.Series(["$1", "2", "1.234,5"]), ColumnSchema(type="number"))


def test_numbers_written_as_text_can_be_either() -> None:
    found = recognise("NAICS", pd.Series([str(i) for i in range(451_120, 451_520)] * 2))
    assert str(found.leave_out).endswith('commonest, type = "number" the numbers they read as')


@pytest.mark.parametrize("name", ["FranchiseCode", "naics", "sic_2", "Zip", "产品代码"])
def test_a_name_says_that_numbers_are_codes(name: str) -> None:
    assert named_as_code(name)


@pytest.mark.parametrize("name", ["income", "decoded_rate", "basic", "keyboards"])
def test_other_names_do_not(name: str) -> None:
    assert not named_as_code(name)


def test_a_category_of_a_csv_file_stays_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("code,amount,ok\n01,0.1,True\n02,1e3,\n,,False\n", encoding="utf-8-sig")
    table = read_table(path, ["code"])
    assert table["code"].tolist()[:2] == ["01", "02"]
    assert table["amount"].tolist()[:2] == [0.1, 1000.0]
    assert read_table(path, None)["amount"].tolist()[:2] == ["0.1", "1e3"]
    assert recognise("ok", table["ok"]).unit == "yes/no"
    codes = feature("code", table["code"], ColumnSchema(type="category"))
    assert list(codes.cat.categories) == ["01", "02"]


def test_a_csv_file_of_a_chinese_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "贷款.csv"
    path.write_bytes("行业,违约\n批发,0\n餐饮,1\n".encode("gb18030"))
    assert read_table(path)["行业"].tolist() == ["批发", "餐饮"]


def test_numbers_as_categories_lose_their_point() -> None:
    found = feature("code", pd.Series([1.0, 2.5, np.nan, 3.0]), ColumnSchema(type="category"))
    assert list(found.cat.categories) == ["1", "2.5", "3"]
    assert found.isna().tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "No columns to parse"),
        ("a.csv", b"a,b\n", "no rows; expected a header"),
        ("a.csv", b"a,a\n1,2\n", "columns .'a'. appear twice"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 fields|Length of header"),
        ("a.csv", b"a,b\n\xff\xff,1\n", "neither UTF-8 nor GB 18030"),
        ("a.parquet", b"not parquet", "expected a Parquet file"),
        ("a.xlsx", b"", "expected a name that ends in .csv or .parquet"),
        ("none.csv", None, "No such file"),
        ("none.parquet", None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as found:
        read_table(tmp_path / name)
    assert name in str(found.value)


def test_times_keep_their_order() -> None:
    assert times("year", pd.Series([1999, 2001])).tolist() == [1999.0, 2001.0]
    read = times("day", pd.Series(["31-Jan-99", None, "01-Feb-98"]))
    assert read.iloc[2] < read.iloc[0]
    assert pd.isna(read.iloc[1])
