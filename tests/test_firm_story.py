"""One firm's story: the table adds up, the events are those of its tables, the picture is drawn."""

import doctest
from pathlib import Path

import pandas as pd
import pytest

from service import firm_plots, worlds
from service.firm_plots import draw, han_font, label
from synthetic_data import firm_story
from synthetic_data.firm_story import KINDS, SERIES, Happened, Story, story, worth_a_look

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def defaulted(world: Path) -> Story:
    return story(world, worth_a_look(world)[0][0])


def test_firms_worth_a_look_are_what_is_said_of_them(world: Path) -> None:
    found = {en: code for code, _, en in worth_a_look(world)}
    assert len(found) == 5
    firms = pd.read_parquet(world / "firms.parquet").set_index("uscc")
    assert firms["true_mill"][found["an invoice mill with a loan"]]
    assert firms["industry_code"][found["a mask maker's 2020"]] in firm_story.MASKS
    for en in ("the largest default", "a star: grew most, year by year"):
        assert not firms["true_mill"][found[en]]


def test_years_sum_the_months_and_end_with_their_stocks(world: Path, defaulted: Story) -> None:
    months = pd.read_parquet(world / "months.parquet")
    mine = months[months["uscc"] == defaulted.uscc]
    assert defaulted.months == mine["month"].tolist()
    first = defaulted.years[0]
    of_year = mine[mine["month"].str.startswith(first.year)]
    assert first.months == len(of_year)
    assert first.values["sales_yuan"] == pytest.approx(of_year["sales_yuan"].sum())
    assert first.values["true_cash_yuan"] == of_year["true_cash_yuan"].iloc[-1]
    assert sum(year.months for year in defaulted.years) == len(mine)
    assert "bank_balance_yuan" not in defaulted.series  # the truth is known


def test_loans_and_defaults_are_told_in_order(defaulted: Story) -> None:
    kinds = [one.kind for one in defaulted.events]
    assert "loan" in kinds
    assert "default" in kinds
    assert [one.month for one in defaulted.events] == sorted(one.month for one in defaulted.events)
    assert set(kinds) <= set(KINDS)


def test_public_events_come_from_the_latest_credit_file() -> None:
    file = {
        "courts": {
            "suits": [
                {"filed": "2019-03-02", "role": "defendant", "cause": "sale", "amount_yuan": 5000},
                {"filed": "2019-04-02", "role": "plaintiff", "cause": "sale", "amount_yuan": 1},
            ],
            "enforcements": [{"filed": "2019-05-02", "amount_yuan": 4000}],
            "dishonest_listings": [{"listed": "2019-06-02"}],
        },
        "registry": {"abnormal_listings": [{"listed": "2018-07-02"}]},
    }
    found = list(firm_story._recorded(file))
    assert [(one.month, one.kind) for one in found] == [
        ("2019-03", "suit"), ("2019-05", "enforcement"), ("2019-06", "dishonest"),
        ("2018-07", "abnormal"),
    ]  # fmt: skip


def test_a_table_of_events_goes_before_credit_files(world: Path, tmp_path: Path) -> None:
    for path in world.iterdir():
        (tmp_path / path.name).symlink_to(path)
    code = worth_a_look(world)[1][0]
    events = {"uscc": [code, "other"], "kind": ["suit", "suit"], "month": ["2019-02", "2019-03"]}
    pd.DataFrame(events).to_parquet(tmp_path / "events.parquet")
    public = [one for one in story(tmp_path, code).events if one.kind in ("suit", "enforcement")]
    assert public == [Happened(month="2019-02", kind="suit")]


def test_an_unknown_firm_is_refused_by_its_code(world: Path) -> None:
    with pytest.raises(KeyError, match=r"X: no firm of .*expected a USCC of its firms\.parquet"):
        story(world, "X")


def test_the_command_prints_the_table_and_saves_a_picture(
    world: Path, defaulted: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worlds.firm(world, defaulted.uscc, tmp_path)
    told = capsys.readouterr().out
    assert defaulted.years[0].year in told
    assert (tmp_path / f"{defaulted.uscc}.png").read_bytes().startswith(PNG)
    worlds.firm(world, None, tmp_path)
    assert defaulted.uscc in capsys.readouterr().out


@pytest.mark.parametrize("font", ["", None])
def test_the_picture_is_drawn_with_and_without_chinese(
    defaulted: Story, tmp_path: Path, font: str | None
) -> None:
    """A missing character would be a warning, which fails the test."""
    chosen = han_font() if font == "" else None
    draw(defaulted, SERIES, KINDS, tmp_path / "firm.png", chosen)
    assert (tmp_path / "firm.png").read_bytes().startswith(PNG)
    assert label(("员工数", "employees"), None) == "employees"


def test_without_the_library_the_table_is_told_and_the_extra_named(
    world: Path, defaulted: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import typer

    monkeypatch.setattr(firm_plots, "drawing_is_installed", lambda: False)
    with pytest.raises(typer.Exit):
        worlds.firm(world, defaulted.uscc, tmp_path)
    seen = capsys.readouterr()
    assert defaulted.uscc in seen.out
    assert "uv sync --extra plots" in seen.err


def test_docstring_examples_run() -> None:
    found = doctest.testmod(firm_plots)
    assert found.attempted > 0
    assert found.failed == 0
