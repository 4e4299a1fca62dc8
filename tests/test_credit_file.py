from datetime import date

import msgspec
import pytest

from model.credit_file import (
    MONTH_INDEX,
    Courts,
    CreditFile,
    Electricity,
    Fault,
    Suit,
    check,
    check_uscc,
)
from model.credit_file_typing import tidied

AS_OF = date(2020, 3, 31)
VALID = "91350100M000100Y43"


def file_with(**sections: object) -> CreditFile:
    return CreditFile(uscc=VALID, as_of=AS_OF, **sections)  # type: ignore[arg-type]


def power(months: list[str], kwh: list[float], as_of: date = AS_OF) -> Electricity:
    return Electricity(as_of=as_of, months=months, kwh=kwh)


@pytest.mark.parametrize("code", [VALID, "91310110666007217T", "91310115591693856A"])
def test_published_codes_pass_the_check_digit(code: str) -> None:
    check_uscc(code, "uscc")


@pytest.mark.parametrize("code", ["91350100M000100Y4Z", "91350211M00013FA1N"])
def test_a_wrong_check_digit_is_named(code: str) -> None:
    with pytest.raises(Fault, match="check digit '3' at position 18"):
        check_uscc(code, "uscc")


def test_a_code_with_a_letter_that_is_never_used_is_refused() -> None:
    with pytest.raises(Fault, match="without I O S V Z"):
        check_uscc("9135010OM000100Y43", "uscc")


def test_months_must_ascend() -> None:
    with pytest.raises(Fault, match=r"electricity\.months\[1\]: got '2020-01'"):
        check(file_with(electricity=power(["2020-02", "2020-01"], [1, 1])))


def test_a_month_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Fault, match=r'a month like "2019-07"'):
        check(file_with(electricity=power(["2020-13"], [1])))


def test_lists_must_be_as_long_as_their_months() -> None:
    with pytest.raises(Fault, match="2 values, one per month"):
        check(file_with(electricity=power(["2020-01", "2020-02"], [1])))


def test_a_month_after_the_sections_date_is_refused() -> None:
    with pytest.raises(Fault, match="a month not after"):
        check(file_with(electricity=power(["2020-02"], [1], as_of=date(2020, 1, 31))))


def test_a_section_cannot_be_newer_than_the_file() -> None:
    with pytest.raises(Fault, match=r"credit_file\.electricity\.as_of"):
        check(file_with(electricity=power([], [], as_of=date(2020, 4, 1))))


def test_a_suit_cannot_be_closed_before_it_was_filed() -> None:
    suit = Suit(filed=date(2020, 2, 1), role="defendant", cause="loan", closed=date(2020, 1, 1))
    with pytest.raises(Fault, match=r"suits\[0\]\.closed"):
        check(file_with(courts=Courts(as_of=AS_OF, suits=[suit])))


def test_unknown_fields_are_refused_not_dropped() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.json.decode(
            b'{"uscc":"91350100M000100Y43","as_of":"2020-01-01","colour":1}', type=CreditFile
        )


def test_every_file_of_the_world_is_consistent(credit_files: list[CreditFile]) -> None:
    for credit_file in credit_files:
        again = msgspec.json.decode(msgspec.json.encode(credit_file), type=CreditFile)
        assert again == credit_file
        posted = {"credit_file": msgspec.to_builtins(credit_file)}
        tidied(posted)
        check(msgspec.convert(posted["credit_file"], CreditFile))


def test_month_index_counts_months() -> None:
    assert MONTH_INDEX["2020-01"] - MONTH_INDEX["2019-12"] == 1
