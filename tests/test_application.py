from datetime import date
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from model.credit_file import SOURCES, CreditFile, Fault
from service.application import _LISTS, parse, refuse_duplicate_keys
from tests.bad_inputs import BAD_INPUTS, Bad

TODAY = date(2026, 1, 1)


@pytest.fixture(scope="module")
def right(stories: dict[str, bytes]) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(stories["young-shop"])
    return decoded


def test_a_right_request_is_read(right: dict[str, Any]) -> None:
    request = parse(msgspec.json.encode(right), TODAY)
    assert request.application.applicant == request.credit_file.uscc


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_bad_input_names_field_value_and_expectation(right: dict[str, Any], bad: Bad) -> None:
    with pytest.raises(Fault) as caught:
        parse(bad.body(right), date.today())  # noqa: DTZ011
    if bad.field:
        assert caught.value.field == bad.field
    assert bad.expects in caught.value.expected


def test_there_are_at_least_forty_kinds() -> None:
    assert len({bad.name for bad in BAD_INPUTS}) == len(BAD_INPUTS) >= 40


def test_the_value_shown_is_short(right: dict[str, Any]) -> None:
    wrong = {**right, "application": {**right["application"], "purpose": "x" * 10_000}}
    with pytest.raises(Fault) as caught:
        parse(msgspec.json.encode(wrong), TODAY)
    assert len(str(caught.value.value)) < 100


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_json_without_duplicates_is_never_called_duplicate(document: Any) -> None:
    refuse_duplicate_keys(msgspec.json.encode(document))


@given(st.text(), st.text())
def test_a_key_named_twice_is_found_whatever_the_text_around_it(key: str, text: str) -> None:
    try:
        name = msgspec.json.encode(key).decode()
        other = msgspec.json.encode(text).decode()
    except UnicodeEncodeError:
        return
    body = f'{{"a":{other},"b":{{{name} :1,"z":{other},{name}: 2}}}}'.encode()
    with pytest.raises(Fault, match="once in its object"):
        refuse_duplicate_keys(body)


def test_lists_of_objects_are_those_of_the_contract() -> None:
    """What is stepped over when keys are counted holds no objects."""
    with_objects = set()
    for source in SOURCES:
        section = get_args(get_type_hints(CreditFile)[source])[0]
        for name, hint in get_type_hints(section).items():
            if any(isinstance(one, type) and issubclass(one, Struct) for one in get_args(hint)):
                with_objects.add(name)
    assert with_objects == _LISTS
