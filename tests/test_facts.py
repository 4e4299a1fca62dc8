"""Published facts: complete records, fair verdicts, and the command on a world with its page."""

import doctest
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from service import factsheet, worlds
from service.factsheet import Line, Sheet
from synthetic_data import checks, facts
from synthetic_data.census import census
from synthetic_data.facts import Fact, FactError, Held, hold, published
from tests.browser import Heard, chromium, context
from tests.test_identities import spoil

DRAWN = "[...document.querySelectorAll('.chart')].every(c => c.querySelector('.main-svg'))"
EMPTY = """[...document.querySelectorAll('.chart')].filter(
  c => !c.querySelector('.trace path, .trace .point')).map(c => c.id)"""
FACT = Fact(
    code="a-b", group="firms", zh="甲", label="a", en="A.", measure="approval",
    published=(0.4, 0.5), unit="share", source="s", why="w", tolerance=0.1,
)  # fmt: skip


def test_there_are_facts_enough_each_with_source_tolerance_and_reason() -> None:
    told, sources = published()
    assert len(told) >= 40
    assert {one.group for one in told} == set(factsheet.GROUPS)
    for one in told:
        low, high = one.bounds
        least, most = one.published_range
        assert low <= least <= most <= high, one.code
        assert len(one.why) > 10, one.code
        assert len(sources[one.source]) > 20, one.code
    assert set(sources) == {one.source for one in told}  # none left over


@pytest.mark.parametrize(
    ("value", "error", "inside"),
    [
        (0.45, 0.01, True),
        (0.31, 0.001, True),  # within the tolerance
        (0.29, 0.001, False),
        (0.29, 0.01, True),  # its own sampling error reaches the range
        (0.45, 0.2, None),  # too few firms to be sure
        (1.2, 0.2, False),  # outside in spite of them
        (None, 0.0, None),
    ],
)
def test_the_verdict_allows_for_the_worlds_own_error(
    value: float | None, error: float, inside: bool | None
) -> None:
    assert Held(fact=FACT, source="s", value=value, error=error, n=99).inside is inside


def test_a_fact_of_another_population_is_told_and_not_judged() -> None:
    apart = msgspec.structs.replace(FACT, judged=False)
    one = msgspec.convert(Held(fact=apart, source="s", value=0.9, n=99).told(), Line)
    assert one.inside is None
    assert one.verdict == factsheet.NOT_JUDGED
    sheet = Sheet(about={}, lines=[line(), one], checks=[], tenths=[])
    assert sheet.met == (1, 1)
    assert "1 of another population are told, not judged" in factsheet.summary(sheet)
    assert "too small" not in factsheet.summary(sheet)


def test_a_factor_is_a_tolerance_either_way() -> None:
    fact = msgspec.structs.replace(FACT, published=100.0, tolerance=None, times=2.0)
    assert fact.bounds == (50.0, 200.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measure": "guess"}, r"a-b\.measure: got 'guess', expected one of abnormal"),
        ({"source": "hearsay"}, r"a-b\.source: got 'hearsay'"),
        ({"times": 2.0}, "either a tolerance or times"),
        ({"tolerance": None}, "either a tolerance or times"),
        ({"published": [0.5, 0.4]}, "a range in order"),
        ({"why": " "}, "`why`"),
    ],
)
def test_an_incomplete_fact_is_refused_by_name(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    import tomli_w

    one = {k: v for k, v in (msgspec.to_builtins(FACT) | change).items() if v is not None}
    (tmp_path / "p.toml").write_text(tomli_w.dumps({"sources": {"s": "text"}, "fact": [one]}))
    with pytest.raises(FactError, match=said):
        published(tmp_path / "p.toml")


def test_a_code_stands_once(tmp_path: Path) -> None:
    import tomli_w

    one = {k: v for k, v in msgspec.to_builtins(FACT).items() if v is not None}
    (tmp_path / "p.toml").write_text(tomli_w.dumps({"sources": {"s": "t"}, "fact": [one, one]}))
    with pytest.raises(FactError, match="a-b stands twice"):
        published(tmp_path / "p.toml")


def test_direct_quotes_hold_on_a_small_world_and_a_spoiled_one_is_told(
    world: Path, tmp_path: Path
) -> None:
    held = {one.fact.code: one for one in hold(census(world))}
    for code in ("sector-F", "region-east", "capital-50", "rate-2019", "void-median"):
        assert held[code].inside, code
    doubled = spoil(
        world, tmp_path / "w", "months",
        lambda rows: rows.assign(
            void_count=lambda x: 2 * x["void_count"],
            sales_count=lambda x: x["sales_count"] + x["void_count"] // 2,
        ),
    )  # fmt: skip
    spoiled = {one.fact.code: one for one in hold(census(doubled))}
    assert spoiled["void-median"].inside is False
    assert spoiled["sector-F"] == held["sector-F"]


@pytest.fixture(scope="module")
def told(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """What the command wrote of the small world, and its exit code."""
    folder = tmp_path_factory.mktemp("facts")
    try:
        worlds.facts(world, folder / "facts.md", folder / "facts.html")
    except typer.Exit as done:
        return folder, done.exit_code
    return folder, 0


def test_the_command_tells_every_fact_and_exits_by_the_share_inside(
    told: tuple[Path, int],
) -> None:
    folder, code = told
    text = (folder / "facts.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    facts_told = [row for row in rows if len(row) == 6 and row[0] != "| fact"]
    assert len(facts_told) == len(published()[0])
    inside = sum(row[5] == "inside |" for row in facts_told)
    outside = sum(row[5] == "**outside** |" for row in facts_told)
    broken = sum(row[-1] == "**broken** |" for row in rows)
    assert f"{inside} of {inside + outside} published facts inside" in text
    enough = inside >= facts.ENOUGH * (inside + outside)
    assert code == (0 if enough and not broken else 1)
    for said in ("true_pd_12m", "Nothing in a credit file is dated after", "## Sources"):
        assert said in text


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_drawn_fits_and_fetches_nothing(told: tuple[Path, int], width: int) -> None:
    path = told[0] / "facts.html"
    with chromium() as browser, context(browser, "light", width) as window:
        page = window.new_page()
        heard = Heard(page, "")
        page.goto(path.as_uri())
        page.wait_for_function(DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(EMPTY) == []
        assert heard.wrong == []


def line(**more: Any) -> Line:
    plain = Held(fact=FACT, source="s", value=0.45, error=0.01, n=99).told()
    return msgspec.convert(plain | more, Line)


def test_facts_of_one_kind_share_a_chart_and_others_go_by_unit() -> None:
    lines = [line(code=f"x-{i}") for i in range(3)]
    lines += [line(code="y-1"), line(code="y-2", unit="times"), line(code="z", unit="times")]
    found = factsheet.families(lines)
    assert {name: len(members) for name, members in found.items()} == {
        "x-share": 3, "other-share": 1, "other-times": 2,
    }  # fmt: skip
    chart = factsheet.beside(found["x-share"])
    assert chart["data"][2]["x"] == [0.45] * 3


def test_a_world_that_cannot_say_is_not_counted() -> None:
    silent = line(value=None, inside=None, own=0.0)
    sheet = Sheet(about={}, lines=[line(), line(inside=False), silent], checks=[], tenths=[])
    assert sheet.met == (1, 2)
    assert factsheet.summary(sheet).startswith("1 of 2 published facts inside (50%); 1 more")
    assert factsheet.world_figure(silent) == "–"


def test_docstring_examples_run() -> None:
    found = doctest.testmod(factsheet)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_ceiling_is_told_with_its_range() -> None:
    assert checks.CEILING == (0.80, 0.90)
