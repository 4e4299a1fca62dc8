from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model import invoice_import, invoice_tables
from model.invoice_header import Mapping
from model.invoice_import import Report, plan, run
from tests.invoice_lists import chinese, credit_files, expected, invoices

TODAY = date(2020, 6, 30)
LAST = "2019-12"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return invoices()


def imported(files: list[Path], to: Path, **stated: Any) -> Report:
    mapping = stated.pop("mapping", Mapping())
    planned = plan(files, mapping, stated.pop("direction", None))
    return run(planned, to, today=TODAY, **stated)


def rejected(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "rejected.csv", dtype=str, keep_default_na=False)


def written(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".xlsx":
        table.to_excel(path, index=False, sheet_name="Sheet1")
    else:
        table.to_csv(path, index=False, encoding="gb18030" if "gbk" in path.name else "utf-8-sig")
    return path


def same(table: pd.DataFrame, folder: Path) -> None:
    found = credit_files(folder)
    assert set(found) == set(table["firm"])
    for firm, one in found.items():
        section, sums = one.invoices, expected(table, firm, LAST)
        assert section is not None
        assert section.months == sums.index.tolist()
        for name in sums:
            assert getattr(section, name) == pytest.approx(sums[name].tolist()), (firm, name)
        own = table[(table["firm"] == firm) & (table["direction"] == "销项")]
        assert section.first_invoice == own["date"].min().date()
        year = own[(own["date"] >= "2019-01-01") & (own["status"] == "有效发票")]
        sold = year.groupby("partner")["amount"].sum().clip(lower=0)
        assert section.top_buyer_share_12m == pytest.approx(sold.max() / sold.sum(), abs=1e-6)


@pytest.mark.parametrize("name", ["a.csv", "gbk.csv", "a.csv.gz", "a.parquet", "a.xlsx"])
def test_the_months_are_what_a_groupby_says(
    name: str, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoice_import, "SHELF_ROWS", 700)
    monkeypatch.setattr(invoice_tables, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(invoice_tables, "BATCH_ROWS", 500)
    monkeypatch.setattr(invoice_tables, "SHEET_ROWS", 500)
    report = imported([written(chinese(table), tmp_path / name)], tmp_path / "out")
    same(table, tmp_path / "out")
    assert report.as_of == date(2019, 12, 31)
    assert report.counts["rows"] == report.counts["added"] == len(table)
    assert len(rejected(tmp_path / "out")) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "credit_files.jsonl", "firms.csv", "rejected.csv",
    ]  # fmt: skip


def test_two_sheets_of_the_competition_and_a_third_without_invoices(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    whole = chinese(table).drop(columns="进销项")
    with pd.ExcelWriter(tmp_path / "附件1.xlsx") as book:
        pd.DataFrame({"企业代号": ["E1"], "信誉评级": ["A"]}).to_excel(book, sheet_name="企业信息")
        for name, party in (("进项", "销方单位代号"), ("销项", "购方单位代号")):
            part = whole[table["direction"] == name]
            part = part.rename(columns={"对方单位代号": party})
            part.to_excel(book, sheet_name=f"{name}发票信息", index=False)
    planned = plan([tmp_path / "附件1.xlsx"], Mapping(), None)
    assert [one.rsplit(" ", 1)[1] for one in planned.skipped] == ["企业信息"]
    run(planned, tmp_path / "out", today=TODAY)
    same(table, tmp_path / "out")


def test_several_files_of_either_direction_come_together(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    whole = chinese(table).drop(columns="进销项")
    out = written(whole[table["direction"] == "销项"], tmp_path / "a.csv")
    into = written(whole[table["direction"] == "进项"], tmp_path / "进项.parquet")
    imported([out, into], tmp_path / "out", direction="out", form="parquet")
    same(table, tmp_path / "out")
    stored = pd.read_parquet(tmp_path / "out" / "credit_files.parquet")
    assert stored["uscc"].tolist() == [*credit_files(tmp_path / "out")]
    assert set(stored["as_of"]) == {date(2019, 12, 31)}


def test_a_list_given_twice_counts_once(table: pd.DataFrame, tmp_path: Path) -> None:
    one = written(chinese(table), tmp_path / "a.csv")
    other = written(chinese(table), tmp_path / "b.parquet")
    report = imported([one, other], tmp_path / "out")
    same(table, tmp_path / "out")
    assert report.counts["repeats"] == len(table)
    first = rejected(tmp_path / "out").sort_values("row", key=lambda rows: rows.astype(int)).iloc[0]
    assert first["expected"] == f"a new invoice: repeats row 2 of {one}"
    assert (first["file"], first["row"]) == (str(other), "1")


def test_the_same_bytes_however_the_rows_are_shelved(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lines = written(chinese(table), tmp_path / "a.csv"), []
    for rows in (100_000, 300):
        monkeypatch.setattr(invoice_import, "SHELF_ROWS", rows)
        imported([path], tmp_path / "out")
        lines.append(sorted((tmp_path / "out" / "credit_files.jsonl").read_bytes().splitlines()))
    assert lines[0] == lines[1]


def days(*listed: str) -> pd.DataFrame:
    rows = [("E1", str(i), day, "B", 5) for i, day in enumerate(listed)]
    return pd.DataFrame(rows, columns=["firm", "invoice_no", "date", "buyer", "amount"])


@pytest.mark.parametrize(
    ("listed", "as_of", "why"),
    [
        (["2020-01-31", "2020-02-29"], date(2020, 2, 29), "the last month is complete"),
        (["2020-01-05", "2020-02-28"], date(2020, 1, 31), "the next ends on 2020-02-28"),
        (["2020-02-05"], date(2020, 2, 5), "no month is complete"),
        (["2019-12-31"] * 200 + ["2020-05-31"], date(2019, 12, 31), "1 rows bear later dates"),
        (["2019-12-30"] * 200 + ["2020-05-31"], date(2019, 12, 30), "1 rows bear later"),
    ],
)
def test_as_of_is_the_end_of_the_last_complete_month(
    listed: list[str], as_of: date, why: str, tmp_path: Path
) -> None:
    report = imported([written(days(*listed), tmp_path / "a.csv")], tmp_path / "out")
    assert report.as_of == as_of
    assert why in report.why
    (found,) = credit_files(tmp_path / "out").values()
    assert found.as_of == as_of
    assert found.invoices is not None
    assert found.invoices.as_of == as_of


def test_rows_after_as_of_do_not_count(tmp_path: Path) -> None:
    path = written(days("2020-01-31", "2020-02-10", "2020-02-11"), tmp_path / "a.csv")
    report = imported([path], tmp_path / "out", as_of=date(2020, 2, 10))
    (found,) = credit_files(tmp_path / "out").values()
    assert found.invoices is not None
    assert found.invoices.sales_yuan == [5.0, 5.0]
    assert (report.counts["late"], report.counts["added"]) == (1, 2)


def test_numbers_of_a_workbook_do_not_depend_on_how_a_lender_writes_cents(tmp_path: Path) -> None:
    table = days("2020-01-30", "2020-01-31").assign(amount=[123.456, 1000.5])
    path = written(table.assign(date=[43860, 43861]), tmp_path / "a.xlsx")
    imported([path], tmp_path / "out", mapping=Mapping(decimal=","))
    (found,) = credit_files(tmp_path / "out").values()
    assert found.invoices is not None
    assert found.invoices.sales_yuan == [1123.96]
    assert found.as_of == date(2020, 1, 31)


def test_a_stand_in_is_written_down(tmp_path: Path) -> None:
    imported([written(days("2020-01-31"), tmp_path / "a.csv")], tmp_path / "out")
    firms = pd.read_csv(tmp_path / "out" / "firms.csv", dtype=str)
    assert firms.to_dict("records") == [
        {
            "firm": "E1", "uscc": "990000000000000E1C", "stand_in": "not a USCC",
            "first_invoice": "2020-01-31", "months": "1", "issued": "1", "received": "0",
        }
    ]  # fmt: skip
    assert [*credit_files(tmp_path / "out")] == ["990000000000000E1C"]


def test_a_file_that_cannot_be_read_is_told_and_the_others_are(tmp_path: Path) -> None:
    good = written(days("2020-01-31"), tmp_path / "a.csv")
    planned = plan([tmp_path / "none.csv", good], Mapping(), None)
    assert [path.name for path, _ in planned.unread] == ["none.csv"]
    report = run(planned, tmp_path / "out", today=TODAY)
    assert report.counts["firms"] == 1
    assert rejected(tmp_path / "out")["file"].tolist() == [str(tmp_path / "none.csv")]


def test_a_file_that_breaks_off_is_told_and_what_came_before_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoice_tables, "BLOCK_BYTES", 2_000)
    path = written(days(*["2020-01-31"] * 300), tmp_path / "a.csv")
    path.write_text(path.read_text() + '"E1,1,2020-01-01,B,5\n' + "E1,1,2020-01-01,B,5\n" * 300)
    report = imported([path], tmp_path / "out")
    (said,) = report.broken
    assert said.startswith(str(path))
    assert 0 < report.counts["used"] <= 300


def test_a_quotation_mark_never_closed_is_told(tmp_path: Path) -> None:
    path = written(days(*["2020-01-31"] * 30), tmp_path / "a.csv")
    path.write_text(path.read_text() + '"E1,1,2020-01-01,B,5\n' + "E1,1,2020-01-01,B,5\n" * 30)
    (said,) = imported([path], tmp_path / "out").broken
    assert "31 lines stand inside quoted texts" in said or "30 lines" in said


def test_nothing_read_writes_no_credit_files(tmp_path: Path) -> None:
    report = imported([written(days("soon", "later"), tmp_path / "a.csv")], tmp_path / "out")
    assert report.counts["firms"] == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rejected.csv"]
    assert rejected(tmp_path / "out")["value"].tolist() == ["soon", "later"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = written(days("2020-01-31"), tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"--out .*a.csv/b: .*expected a folder"):
        imported([path], path / "b")


CELL = st.one_of(
    st.sampled_from(
        ["E1", "91110000600037341L", "2019-12-31", "2019/1/5", "43000", "5", "-1,000.00", "(3)",
         "有效发票", "作废", "红冲", "红字", "销项", "in", "", " ", "合计", '"', "B"]
    ),
    st.text(max_size=6),
)  # fmt: skip
LINE = st.lists(CELL, min_size=8, max_size=8).map(",".join) | st.text(max_size=30)
USUAL = "E1,{},2019-12-{:02d},B,{},,,有效发票"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, max_size=8), encoding=st.sampled_from(["utf-8", "gb18030"]))
def test_every_row_is_used_passed_over_or_told(
    lines: list[str], encoding: str, tmp_path: Path
) -> None:
    usual = [USUAL.format(i, i + 1, i) for i in range(3)]
    header = "企业代号,发票号码,开票日期,购方单位代号,金额,税额,价税合计,发票状态"
    path, to = tmp_path / "a.csv", tmp_path / "out"
    text = "\n".join([header, *usual, *lines]).encode(encoding, "replace")
    path.write_bytes(text)
    planned = plan([path], Mapping(), None)
    if planned.unread:  # an amount with a comma before its cents, a date that may be two
        assert "expected --" in planned.unread[0][1]
        run(planned, to, today=TODAY)
        return
    report = run(planned, to, today=TODAY)
    counts = report.counts
    told = rejected(to)
    repeated = told["expected"].str.startswith("a new invoice").sum()
    assert counts["used"] >= 3 or report.broken
    assert counts["rows"] == counts["used"] + counts["empty"] + len(told) - repeated - sum(
        told["field"].isin(["file"])
    )
    assert counts["used"] == counts["added"] + counts["late"] + counts["repeats"]
    assert repeated == counts["repeats"]
    credit_files(to)
