import re
import tomllib
from pathlib import Path

import pytest

from synthetic_data.parameters import PATH as PARAMETERS
from synthetic_data.parameters import ParameterError, load, parse, standard
from synthetic_data.scenario import DIRECTIONS, EFFECTS, FOLDER, names, read
from synthetic_data.scenario import parse as parse_scenario

OWN = """
title_en = "A slow year"
title_zh = "慢的一年"

[economy.recession_depth]
value = 0.1
unit = "share of demand"
source = "assumed"
moves = [{ effect = "sales", direction = "down", first = "2019-01", last = "2019-12" }]
"""


def test_the_scenarios_asked_for_are_there() -> None:
    assert set(names()) == {
        "published", "no-epidemic", "no-deferral", "no-masks", "mask-boom", "recession",
        "regional-shock", "source-outage", "tax-rule-change", "invoice-mills",
    }  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_every_knob_says_unit_source_and_what_it_moves(name: str) -> None:
    for knob in read(name).knobs:
        assert knob.entry["unit"]
        assert not re.search(r"\.(md|toml|py)\b", knob.entry["source"])
        assert knob.moves
        assert all(move.direction in DIRECTIONS and move.beside in names() for move in knob.moves)


def test_the_world_as_published_is_the_standard_one() -> None:
    assert standard() == load(scenarios=["published"])
    assert standard().scenarios == ("published",)
    assert standard().economy.epidemic_times == 1.0


def test_later_scenarios_go_before_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "slow-year.toml").write_text(OWN)
    own = str(tmp_path / "slow-year.toml")
    one, other = load(scenarios=["recession", own]), load(scenarios=[own, "recession"])
    assert (one.economy.recession_depth, other.economy.recession_depth) == (0.1, 0.25)
    assert one.economy.recession_months == other.economy.recession_months == 12
    assert one.scenarios == ("published", "recession", "slow-year")
    assert len({one.scenarios_sha256, other.scenarios_sha256, standard().scenarios_sha256}) == 3
    assert one.sha256 == standard().sha256


def test_a_knob_may_multiply_what_stood_there() -> None:
    twice = load(scenarios=["invoice-mills", "invoice-mills"]).firms.mill_share
    assert twice == pytest.approx(25 * standard().firms.mill_share)


def test_every_published_number_is_used_somewhere() -> None:
    package = "".join(path.read_text() for path in PARAMETERS.parent.glob("*.py"))
    written = tomllib.loads((FOLDER / "published.toml").read_text())
    told = [name for entries in written.values() if isinstance(entries, dict) for name in entries]
    assert len(told) > 15
    assert [
        name for name in told if not re.search(rf"p\.{name}\b|economy\.{name}\b", package)
    ] == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("recession_depth", "recesion_depth", "economy: recesion_depth: got 'an unknown key'"),
        ("[economy.", "[economics.", "scenario own: economics: got 'an unknown key'"),
        ("value = 0.1", "value = 1.5", "recession_depth.value: got 1.5, expected a share from 0"),
        ("value = 0.1", 'value = "much"', "depth.value: got 'much', expected a finite number"),
        ("value = 0.1\n", "", "recession_depth: got ['moves', 'source', 'unit'], expected either"),
        ("value = 0.1", "times = -1.0", "recession_depth.times: got -1.0, expected a number of at"),
        ('source = "assumed"', 'source = ""', "recession_depth.source: got ''"),
        ('unit = "share of demand"\n', "", "recession_depth.unit: got None"),
        ('"down"', '"sideways"', "moves[0].direction: got 'sideways', expected one of up, down"),
        ('"sales"', '"happiness"', "moves[0].effect: got 'happiness', expected one of sales"),
        ('"2019-12"', '"2019-13"', "moves[0].last: got '2019-13', expected a month as YYYY-MM"),
        ('"2019-12"', '"2018-12"', "moves[0].last: got '2018-12', expected a month not before"),
        (
            'last = "2019-12"',
            'last = "2019-12", whose = 1',
            "moves[0]: whose: got 'an unknown key'",
        ),
        ('last = "2019-12"', 'last = "2019-12", of = { size = ["1"] }', "of: size: got 'an unkn"),
        ('last = "2019-12"', 'last = "2019-12", of = { sector = "C" }', "of.sector: got 'C', expe"),
        ('last = "2019-12"', 'last = "2019-12", section = "tax"', "moves[0].section: got 'tax'"),
        ("[{", "[[", "expected a TOML file"),
        ('title_zh = "慢的一年"', "", "scenario own: title_zh: got ''"),
        (OWN[OWN.index("[economy") :], "", "scenario own: got 'no knob'"),
    ],
)
def test_a_wrong_file_is_refused_with_key_value_and_what_was_expected(
    old: str, new: str, message: str
) -> None:
    assert OWN.count(old) >= 1, old
    with pytest.raises(ParameterError, match=re.escape(message)):
        parse(PARAMETERS.read_bytes(), [parse_scenario("own", OWN.replace(old, new).encode())])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("economy.regional_province", '"99"', "economy.regional_province.value: 99: got 'an unkn"),
        ("economy.recession_first_month", '"soon"', "first_month.value: got 'soon', expected a mo"),
        ("lender.silent_source", '"oracle"', "lender.silent_source.value: oracle: got 'an unkno"),
        ("economy.vat_class_by_sector", "{ B = 'low' }", "vat_class_by_sector.value: C: got 'not"),
    ],
)
def test_a_value_that_fits_nothing_is_refused(key: str, value: str, message: str) -> None:
    own = OWN.replace("economy.recession_depth", key).replace("0.1", value)
    with pytest.raises(ParameterError, match=re.escape(message)):
        parse(PARAMETERS.read_bytes(), [parse_scenario("own", own.encode())])


def test_an_unknown_scenario_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"got 'boom', expected a \.toml file or one of invoi"):
        read("boom")


def test_the_page_tells_every_scenario_knob_and_effect() -> None:
    page = (PARAMETERS.parent.parent / "docs" / "scenarios.md").read_text()
    assert [name for name in names() if f"| `{name}` |" not in page] == []
    assert [name for name in EFFECTS if f"| `{name}` |" not in page] == []
    told = [f"| {name} | {knob.key} |" for name in names() for knob in read(name).knobs]
    assert [row for row in told if row not in page] == []
