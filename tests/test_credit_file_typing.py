"""Badly typed requests: what is read as meant, and what is not."""

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from model.credit_file import Fault
from model.credit_file_typing import tidied, tidy_code, tidy_name
from service.application import Request, parse

TODAY = date(2026, 1, 1)
Posted = dict[str, Any]
Edit = Callable[[Posted], object]


@pytest.fixture(scope="module")
def right(stories: dict[str, bytes]) -> Posted:
    decoded: Posted = msgspec.json.decode(stories["exporter"])
    return decoded


def read(right: Posted, edit: Edit) -> Request:
    posted = copy.deepcopy(right)
    edit(posted)
    return parse(msgspec.json.encode(posted), TODAY)


def put(path: str, becomes: Callable[[Any], Any]) -> Edit:
    """An edit of the value at a dotted path."""

    def edit(posted: Posted) -> None:
        *parents, last = path.split(".")
        node: Any = posted
        for key in parents:
            node = node[key]
        node[last] = becomes(node[last])

    return edit


def wide(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) if one.isascii() else one for one in text)


def repeat(source: str, at: int) -> Edit:
    """One month of a section told twice."""

    def edit(posted: Posted) -> None:
        for column in posted["credit_file"][source].values():
            if isinstance(column, list):
                column.insert(at, column[at])

    return edit


HARMLESS: dict[str, Edit] = {
    "a space after the applicant's code": put("application.applicant", lambda code: code + " "),
    "full-width spaces around the code": put("credit_file.uscc", lambda code: f"　{code}　"),
    "a code in full-width characters": put("credit_file.uscc", wide),
    "a code in small letters": put("credit_file.uscc", str.lower),
    "a mark nobody sees": put("application.applicant", lambda code: "\ufeff" + code),
    "a space after the name": put("credit_file.registry.name", lambda name: name + " "),
    "a full-width space after the name": put("credit_file.registry.name", lambda name: name + "　"),
    "an industry code with a space": put("credit_file.registry.industry_code", lambda c: f" {c}"),
    "a province in full-width digits": put("credit_file.registry.region", wide),
    "a source's code in small letters": put("credit_file.water.uscc", str.lower),
    "a month of water told twice": repeat("water", 5),
    "a month of tax told twice": repeat("tax", 11),
    "the last month of invoices told twice": repeat("invoices", 35),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_harms_nobody_is_read_as_meant(right: Posted, name: str) -> None:
    assert read(right, HARMLESS[name]) == parse(msgspec.json.encode(right), TODAY)


def test_several_faults_at_once_are_read_as_meant(right: Posted) -> None:
    def edit(posted: Posted) -> None:
        for one in HARMLESS.values():
            one(posted)

    assert read(right, edit) == parse(msgspec.json.encode(right), TODAY)


def test_full_width_letters_in_a_name_become_half_width_and_punctuation_stays(
    right: Posted,
) -> None:
    put_name = put("credit_file.registry.name", lambda _: "ＡＢＣ１２（浙江）配件有限公司")
    registry = read(right, put_name).credit_file.registry
    assert registry is not None
    assert registry.name == "ABC12（浙江）配件有限公司"


def test_a_source_may_hold_a_code_that_fails_its_check(right: Posted) -> None:
    code = right["credit_file"]["uscc"]
    other = "A" if code[17] != "A" else "B"
    request = read(right, put("credit_file.customs.uscc", lambda code: code[:17] + other))
    assert request.credit_file.customs is not None
    assert request.credit_file.customs.uscc == code[:17] + other


def test_a_missing_month_is_no_fault(right: Posted) -> None:
    def edit(posted: Posted) -> None:
        water = posted["credit_file"]["water"]
        for name in ("months", "cubic_metres"):
            del water[name][7]

    water = read(right, edit).credit_file.water
    assert water is not None
    assert len(water.months) == 35


REFUSED: dict[str, tuple[Edit, str, str]] = {
    "a count typed as text": (
        put("credit_file.intellectual_property.trademarks", lambda _: "3"),
        "credit_file.intellectual_property.trademarks", "Expected `int`",
    ),
    "persons typed as text": (
        put("credit_file.housing_fund.paying_persons", lambda persons: ["8", *persons[1:]]),
        "credit_file.housing_fund.paying_persons[0]", "Expected `int`",
    ),
    "a month twice with two values": (
        lambda posted: (
            repeat("water", 5)(posted),
            posted["credit_file"]["water"]["cubic_metres"].__setitem__(6, 9e6),
        ),
        "credit_file.water.months[6]", "a month after",
    ),
    "another firm's section": (
        put("credit_file.customs.uscc", lambda _: "91350100M000100Y43"),
        "credit_file.customs.uscc", "the firm's own code",
    ),
    "a firm's own code that fails its check": (
        lambda posted: [
            put(path, lambda code: code[:17] + ("A" if code[17] != "A" else "B"))(posted)
            for path in ("application.applicant", "credit_file.uscc")
        ],
        "credit_file.uscc", "check digit",
    ),
    "a patent of tomorrow": (
        put("credit_file.intellectual_property.patents_granted", lambda _: ["2019-10-18"]),
        "credit_file.intellectual_property.patents_granted[0]", "a date not after",
    ),
    "a title that ends before it begins": (
        put("credit_file.intellectual_property.qualifications",
            lambda _: [{"kind": "high_tech", "granted": "2018-11-20",
                        "valid_until": "2017-01-01"}]),
        "credit_file.intellectual_property.qualifications[0].valid_until", "a date not before",
    ),
    "an unknown title": (
        put("credit_file.intellectual_property.qualifications",
            lambda _: [{"kind": "best_firm", "granted": "2018-11-20"}]),
        "credit_file.intellectual_property.qualifications[0].kind", "nvalid enum",
    ),
    "a web site of the future": (
        put("credit_file.online.web_site_recorded", lambda _: "2019-10-18"),
        "credit_file.online.web_site_recorded", "a date not after",
    ),
    "customs before they knew the firm": (
        put("credit_file.customs.registered", lambda _: "2019-12-01"),
        "credit_file.customs.registered", "a date not after",
    ),
    "a list too short beside an untidy name": (
        lambda posted: (
            HARMLESS["a space after the name"](posted),
            posted["credit_file"]["hiring"]["posts_qcwy"].pop(),
        ),
        "credit_file.hiring.posts_qcwy", "one per month",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_refused_by_field_value_and_expectation(right: Posted, name: str) -> None:
    edit, field, expected = REFUSED[name]
    with pytest.raises(Fault) as caught:
        read(right, edit)
    assert caught.value.field == field
    assert expected in caught.value.expected


def test_a_tidy_request_is_not_changed(right: Posted) -> None:
    posted = copy.deepcopy(right)
    assert not tidied(posted)
    assert posted == right


@pytest.mark.parametrize("posted", [None, [], "x", {}, {"credit_file": 3},
                                    {"credit_file": {"water": [1], "registry": "x", "uscc": 4}},
                                    {"credit_file": {"water": {"months": "x"}}},
                                    {"credit_file": {"water": {"months": ["a"]}}}])  # fmt: skip
def test_anything_at_all_may_be_posted(posted: Any) -> None:
    assert not tidied(posted)


def test_codes_and_names_are_tidied_once_and_for_all() -> None:
    for rule, typed in ((tidy_code, " ９１ ma\u200b　"), (tidy_name, "　ＭＡ （１） 公司 ")):
        tidy = rule(typed)
        assert rule(tidy) == tidy != typed
    assert tidy_code(" ９１ ma\u200b　") == "91MA"
    assert tidy_name("　ＭＡ （１） 公司 ") == "MA （1） 公司"
