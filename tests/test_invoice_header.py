import doctest
from pathlib import Path

import pytest

from model import invoice_header
from model.invoice_header import Direction, Mapping, found_in, plain, read, recognise, understand

CUMCM = ["企业代号", "发票号码", "开票日期", "购方单位代号", "金额", "税额", "价税合计", "发票状态"]
RECEIVED = [*CUMCM[:3], "销方单位代号", *CUMCM[4:]]
BUREAU = ["序号", "发票代码", "发票号码", "数电发票号码", "销方识别号", "销方名称", "购方识别号",
          "购买方名称", "开票日期", "金额", "税额", "价税合计", "发票状态", "备注"]  # fmt: skip
HERE = Path("list.csv")


def test_the_examples_run() -> None:
    found = doctest.testmod(invoice_header)
    assert (found.attempted, found.failed) == (2, 0)


def test_the_columns_of_the_competition_are_known() -> None:
    assert [*recognise(CUMCM, Mapping())] == [
        "firm", "number", "date", "buyer", "amount", "tax", "total", "status",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["Invoice Date", "invoice_date", "InvoiceDate", " INVOICE-DATE "])
def test_a_name_is_known_however_it_is_written(name: str) -> None:
    assert recognise(["firm", name, "amount"], Mapping())["date"] == 1


@pytest.mark.parametrize(
    ("name", "unit"),
    [("金额(万元)", 1e4), ("金额（元）", 1.0), ("金额（单位：万元）", 1e4), ("金额千元", 1e3),
     ("金额[亿元]", 1e8), ("金额(分)", 0.01), ("金额", 1.0)],
)  # fmt: skip
def test_a_unit_in_the_name_counts(name: str, unit: float) -> None:
    assert plain(name) == ("金额", unit)


def test_a_foreign_currency_is_no_amount() -> None:
    assert "amount" not in recognise(["firm", "date", "金额(美元)", "amount_usd"], Mapping())


def test_the_better_name_wins_and_a_statement_wins_over_it() -> None:
    header = ["企业名称", "企业代号", "日期", "开票日期", "金额"]
    found = recognise(header, Mapping())
    assert (found["firm"], found["date"]) == (1, 3)
    assert recognise(header, Mapping(columns={"date": "日期"}))["date"] == 2


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two columns are named '金额 '; expected one for amount"):
        recognise(["firm", "date", "金额", "金额 "], Mapping())


def test_a_title_or_a_row_of_values_is_no_header() -> None:
    assert found_in(["某公司2019年销项发票清单"], Mapping()) == 0
    assert found_in(["E1", "3390939", "2017/7/18", "A1", "-943.4"], Mapping()) == 0
    assert found_in(["企业代号", "企业名称", "信誉评级", "是否违约"], Mapping()) == 0
    assert found_in(CUMCM, Mapping()) == 8


@pytest.mark.parametrize(
    ("header", "file", "sheet", "given", "direction", "source"),
    [
        (CUMCM, "a.csv", "", None, "out", "the column of buyers"),
        (CUMCM, "a.csv", "", "in", "out", "the column of buyers"),  # the list knows better
        (RECEIVED, "a.csv", "", None, "in", "the column of sellers"),
        (BUREAU, "进项发票.csv", "", None, "in", "the file's name"),
        (BUREAU, "a.xlsx", "销项发票信息", None, "out", "the sheet's name '销项发票信息'"),
        (BUREAU, "a.csv", "", "out", "out", "--direction"),
        ([*BUREAU, "方向"], "进项.csv", "", None, None, "its own column"),
    ],
)  # fmt: skip
def test_whose_list_it_is(
    header: list[str], file: str, sheet: str, given: Direction | None,
    direction: Direction | None, source: str,
) -> None:  # fmt: skip
    found = understand(header, Mapping(), Path(file), sheet, given)
    assert (found.direction, found.direction_from) == (direction, source)


@pytest.mark.parametrize(
    ("header", "sheet", "said"),
    [
        (["企业代号", "金额"], "", "no column is the date.*--column date=NAME; there are 企业代号"),
        (["企业代号", "开票日期", "价税合计"], "", "no column is the amount without tax"),
        (["开票日期", "金额"], "销项", "no column is the firm.*or --firm CODE"),
        (["企业代号", "开票日期", "金额"], "", "expected --direction out"),
        (["企业代号", "开票日期", "金额"], "进销项", "expected --direction out"),
        (CUMCM, "进项发票信息", "means in but the column of buyers means out"),
        (["销方识别号", "开票日期", "金额"], "进项", "no column is the firm"),
    ],
)
def test_what_is_missing_is_named_with_the_option(header: list[str], sheet: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        understand(header, Mapping(), HERE, sheet, None)


def test_a_column_stated_but_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"columns.date: no column is named 'Tag'; there are 企业"):
        understand(CUMCM, Mapping(columns={"date": "Tag"}), HERE, "", None)


def test_a_mapping_is_read_and_a_wrong_one_named(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text('firm = "E1"\n[columns]\ndate = "Tag"\n[status]\n"" = "valid"\n')
    assert read(path).columns == {"date": "Tag"}
    for text, said in [
        ('[columns]\ndatum = "Tag"\n', "Invalid enum value 'datum'"),
        ('[status]\nA = "fine"\n', "Invalid enum value 'fine'"),
        ("colums = 1\n", "unknown field `colums`"),
        ("a b\n", "mapping.toml"),
    ]:
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            read(path)
    with pytest.raises(ValueError, match="No such file"):
        read(tmp_path / "none.toml")
