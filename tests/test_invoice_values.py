import doctest
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as stdnum_uscc

from model import invoice_values as values
from model.credit_file import check_uscc
from model.invoice_values import NO_DAY, Dates, firm_of, yuan_of

PLAIN = Dates()
DAYS = st.dates(date(1990, 1, 1), date(2099, 12, 31))


def test_the_examples_run() -> None:
    found = doctest.testmod(values)
    assert (found.attempted, found.failed) == (1, 0)


def read_days(*texts: str | None, dates: Dates = PLAIN) -> list[date | None]:
    found = values.days(pa.array(texts, pa.string()), dates)
    return [None if day == NO_DAY else values.date_of(day) for day in found]


@pytest.mark.parametrize(
    "text",
    ["2017-07-18", "2017/7/18", "2017.7.18", "20170718", "2017年7月18日", "2017年07月18日 09时30分",
     "18.07.2017", "18.7.2017 10:00", "18-Jul-2017", "42934", "42934.75", "2017-07-18 10:30:59",
     "2017-07-18T10:30:59.123", "2017/7/18 9:05", "20170718103059", " 2017-07-18 ", "'2017-07-18",
     "２０１７－０７－１８"],
)  # fmt: skip
def test_a_date_however_it_is_written(text: str) -> None:
    assert read_days(text) == [date(2017, 7, 18)]


@pytest.mark.parametrize(
    "text",
    ["", None, "17-07-18", "7/18/17", "2017-13-01", "2017-02-30", "1500307200", "201707", "昨天",
     "18/07/2017", "0000-00-00", "3.5", "2017-07", "-", "1/2/3/2017"],
)  # fmt: skip
def test_what_is_no_date_or_could_be_two_is_not_guessed(text: str | None) -> None:
    assert read_days(text) == [None]


def test_day_and_month_are_told_apart_by_the_list() -> None:
    assert values.day_first(["03/04/2017", "18/04/2017"]) is True
    assert values.day_first(["03/04/2017", "04/18/2017"]) is False
    assert values.day_first(["03/04/2017", "2017-04-18"]) is None
    assert values.day_first(["18/04/2017", "04/18/2017"]) is None  # it cannot be either
    assert read_days("03/04/2017", "18/04/2017", dates=Dates(None, True)) == [
        date(2017, 4, 3), date(2017, 4, 18),
    ]  # fmt: skip
    assert read_days("03/04/2017", "18/04/2017", dates=Dates(None, False)) == [
        date(2017, 3, 4), None,
    ]  # fmt: skip


def test_a_stated_format_goes_before_and_a_workbooks_dates_still_read() -> None:
    found = read_days("18/07/17", "2017-07-18 00:00:00", "42934", dates=Dates("%d/%m/%y"))
    assert found == [date(2017, 7, 18), date(2017, 7, 18), None]


@given(DAYS, st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%Y年%m月%d日"]))
def test_every_day_is_read_as_written(day: date, form: str) -> None:
    assert read_days(day.strftime(form)) == [day]


def test_typed_dates_are_the_day_in_china() -> None:
    late = datetime(2020, 1, 31, 23, 30)  # noqa: DTZ001
    for kind, expected in [
        (pa.timestamp("ns"), date(2020, 1, 31)),
        (pa.timestamp("s", "UTC"), date(2020, 2, 1)),  # 7:30 the next morning in Shanghai
        (pa.date32(), date(2020, 1, 31)),
    ]:
        moments = pa.array([late, None], pa.timestamp("s")).cast(kind, safe=False)
        found = values.days(moments, Dates())
        assert [values.date_of(found[0]), found[1]] == [expected, NO_DAY]


@pytest.mark.parametrize(
    ("text", "yuan"),
    [("1234.5", 1234.5), ("1,234.50", 1234.5), ("1,234,567", 1234567.0), ("¥1,234.5", 1234.5),
     ("￥ 12", 12.0), ("-¥12", -12.0), ("¥-12.00", -12.0), ("12元", 12.0), ("RMB 1,000.00", 1000.0),
     ("(943.40)", -943.4), ("943.40-", -943.4), ("−943.4", -943.4), ("- 943.4", -943.4),
     ("1 234 567.8", 1234567.8), ("1.2E+06", 1.2e6), ("１２．５", 12.5), ("+5", 5.0), (".5", 0.5),
     ("1'234.5", 1234.5)],
)  # fmt: skip
def test_an_amount_however_it_is_written(text: str, yuan: float) -> None:
    assert yuan_of(text, ".") == yuan
    found, blank, bad = values.fen(pa.array([text, None, "7"]), ".", 1.0)
    assert (found.tolist(), blank.tolist(), bad.tolist()) == (
        [round(yuan * 100), 0, 700], [False, True, False], [False] * 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["$5", "€5", "1.234,56", "12,34", "1,23,456", "abc", "1e999", "nan", "inf", "12.3.4", "--5",
     "5万", "1e14", "合计", "1,2345", "٣", "0x10"],
)  # fmt: skip
def test_what_is_no_amount_in_yuan_is_not_guessed(text: str) -> None:
    found, blank, bad = values.fen(pa.array([text]), ".", 1.0)
    assert found.tolist() == [0]
    assert blank.tolist() == [text == "nan"]
    assert bad.tolist() == [text != "nan"]


def test_a_comma_before_the_cents_must_be_stated() -> None:
    assert values.comma_decimals(["12.00", "1.234,56"]) == "1.234,56"
    assert values.comma_decimals(["1,234", "1,234.56", "12"]) is None
    for text, yuan in [("1.234,56", 1234.56), ("1 234,5", 1234.5), ("7", 7.0), ("-0,5", -0.5)]:
        found, _, bad = values.fen(pa.array([text]), ",", 1.0)
        assert (found.tolist(), bad.tolist()) == ([round(yuan * 100)], [False])
    assert values.fen(pa.array(["1,234.56"]), ",", 1.0)[2].tolist() == [True]


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20))
def test_fen_are_exact_in_every_notation(amounts: list[int]) -> None:
    for form in ("{:.2f}", "{:,.2f}", "¥{:,.2f}"):
        texts = pa.array([form.format(fen / 100) for fen in amounts])
        assert values.fen(texts, ".", 1.0)[0].tolist() == amounts
    assert values.fen(pa.array([fen / 1e6 for fen in amounts]), ".", 1e4)[0].tolist() == amounts


@given(st.text(max_size=20))
def test_nothing_a_cell_may_hold_raises(text: str) -> None:
    cells = pa.array([text], pa.string())
    values.days(cells, Dates())
    values.fen(cells, ".", 1.0)
    values.fen(cells, ",", 1.0)
    values.words(cells, values.STATUSES)
    values.keys([cells])
    values.hashes(cells)
    firm = firm_of(text)
    assert firm is None or stdnum_uscc.is_valid(firm.uscc)


@pytest.mark.parametrize(
    ("text", "code"),
    [("有效发票", values.VALID), (" 正常 ", values.VALID), ("Valid", values.VALID),
     ("作废发票 ", values.VOID), ("已作废", values.VOID), ("CANCELLED", values.VOID),
     ("红字发票", values.RED), ("credit note", values.RED), ("已红冲-全额", values.REVERSED),
     ("红冲", values.UNSURE), ("失控", values.UNREAD), ("2", values.UNREAD), ("", values.BLANK),
     (None, values.BLANK)],
)  # fmt: skip
def test_statuses(text: str | None, code: int) -> None:
    assert values.words(pa.array([text], pa.string()), values.STATUSES).tolist() == [code]


def test_a_valid_uscc_is_kept_and_others_get_a_stand_in_of_their_own() -> None:
    code = "91110000600037341L"
    assert firm_of(f" {code[:8]} {code[8:].lower()}") == (code, code, "")
    for given_code, begin, why in [
        ("E1", "99000000", "not a USCC"),
        ("某某公司", "98000000", "not a USCC"),
        ("e1", "98000000", "not a USCC"),
        ("1E5", "99000000", "not a USCC"),
        ("91110000600037341A", "98000000", "18 characters, but its check digit is wrong"),
        ("370100123456789", "98000000", "not a USCC"),
    ]:
        firm = firm_of(given_code)
        assert firm is not None
        check_uscc(firm.uscc, "uscc")
        assert (firm.given, firm.uscc[:8], firm.stand_in) == (given_code, begin, why)
    assert firm_of("9.13701E+17") is None
    assert firm_of(" ") is None


@given(st.sets(st.text("0123456789EeABO企 ", min_size=1, max_size=12), max_size=50))
def test_different_codes_have_different_stand_ins(codes: set[str]) -> None:
    firms = {firm for code in codes if (firm := firm_of(code)) is not None}
    assert len({firm.uscc for firm in firms}) == len(firms)


def test_numbers_are_the_same_with_zeros_lost_and_points_won() -> None:
    texts = ["00123456", "123456", "123456.0", "'00123456", "1234560", "1.2E+07", "", None]
    same, plain, pointed, marked, other, *lost = values.keys([pa.array(texts)]).tolist()
    assert same == plain == pointed == marked != other
    assert lost == [0, 0, 0]
    codes = [pa.array(["11", "12", None]), pa.array(["5", "5", None])]
    one, two, none = values.keys(codes)
    assert one != two
    assert none == 0


def test_numbers_of_a_typed_column_are_texts_without_a_point() -> None:
    column = pa.array([12345678.0, 0.5, None])
    assert values.texts_of(column).to_pylist() == ["12345678", "0.5", None]
    assert values.texts_of(pa.array([7, None])).to_pylist() == ["7", None]
    assert values.texts_of(pa.array([" a ", "NULL", "  ", "-"])).to_pylist() == [
        "a", None, None, None,
    ]  # fmt: skip


def test_days_count_from_1970() -> None:
    assert values.day_number(date(1970, 1, 1) + timedelta(days=5)) == 5
    assert values.date_of(np.int64(5)) == date(1970, 1, 6)
