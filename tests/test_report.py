"""The report: measured from the artefact and its loans, every chart drawn, nothing fetched."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from re import findall

import msgspec
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from model import artifact as artifacts
from model.scorecard import MonotoneScorecard
from model.table import Axis, Column
from service import book, charts, modelcard, report
from service.causes import Found
from service.report import Report, ticks
from service.study import Study
from tests.browser import Heard, chromium, context

DRAWN = "[...document.querySelectorAll('.chart')].every(c => c.querySelector('.main-svg'))"
EMPTY = """[...document.querySelectorAll('.chart')].filter(
  c => !c.querySelector('.trace path, .bars path, .heatmaplayer image')).map(c => c.id)"""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """What being readable costs is fitted in few rounds: here only that it is told counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "MonotoneScorecard", partial(MonotoneScorecard, max_iter=15))
        yield


@pytest.fixture(scope="module")
def told(artifact: Path, world: Path, showcase: Path) -> Report:
    study = msgspec.json.decode((showcase / "study.json").read_bytes(), type=Study)
    row = Found(cause="late_payer", firms=135, ours=0.99, shap=None, of_others=0.95, by_chance=0.4,
                error=0.03)  # fmt: skip
    return report.report(artifact, book.of_world(artifact, world), study, [row])


@pytest.fixture(scope="module")
def own(own_artifact: Path, own_loans: Path) -> Report:
    return report.report(own_artifact, book.of_table(own_artifact, own_loans))


@pytest.mark.parametrize("which", ["told", "own"])
def test_figures_are_those_measured_when_it_was_trained(
    which: str, request: pytest.FixtureRequest
) -> None:
    found: Report = request.getfixturevalue(which)
    trained = found.book.card.metrics["held_out"]
    for name in ("loans", "auc", "ks", "brier", "mean_pd_12m"):
        assert getattr(found.champion.held_out, name) == pytest.approx(trained[name], rel=1e-9)
    assert len(found.prices) == 5
    assert found.prices[0].auc == found.champion.held_out.auc
    late = found.book.late
    again = roc_auc_score(found.book.hits[late], found.challenger.pd_12m[late])
    assert found.prices[-1].auc == pytest.approx(again)


def test_what_only_a_world_knows_is_told_where_it_is_known(told: Report, own: Report) -> None:
    page = report.html(told)
    assert 'href="#causes"' in page
    cells = page[page.index('<section id="causes">') :].split("<tr>")[2].split("<td>")[1:]
    assert [cell.split("</td>")[0] for cell in cells] == [
        "late payer", "135", "-", "99%", "95%", "+4% ± 3%", "-", "-", "40%",
    ]  # fmt: skip
    assert 'id="causes"' not in report.html(own)


def test_every_loan_is_on_one_step_of_every_feature(told: Report) -> None:
    for shape in told.shapes:
        assert sum(row.early for row in shape.rows) == pytest.approx(1.0)
        assert sum(row.late for row in shape.rows) == pytest.approx(1.0)
    weights = [shape.weight for shape in told.shapes]
    assert weights == sorted(weights, reverse=True)


def test_every_kind_of_firm_is_compared(told: Report) -> None:
    assert len(told.fairness) == 5
    for group in told.fairness.values():
        assert sum(kind.loans for kind in group) == told.book.late.sum()
    approved = sum(kind.approved[0] * kind.loans for kind in told.fairness["年龄 age"])
    assert approved / told.book.late.sum() == pytest.approx(report.APPROVED, abs=0.01)


def test_times_are_in_order_and_hold_every_loan(told: Report, own: Report) -> None:
    for found in (told, own):
        times = report.by_period(found)
        assert [one["name"] for one in times] == sorted(one["name"] for one in times)
        assert sum(one["loans"] for one in times) == len(found.book.hits)
        assert times[-1]["held_out"]


def test_other_loans_than_those_fitted_on_are_refused(
    artifact: Path, own_artifact: Path, own_loans: Path, world: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "loans.parquet"
    changed.write_bytes(own_loans.read_bytes() + b" ")
    with pytest.raises(ValueError, match="was fitted on loans with"):
        book.of_table(own_artifact, changed)
    folder = tmp_path / "another"
    card = artifacts.load_card(artifact)
    loans = card.loans | {"fingerprint": "0" * 64}
    folder.mkdir()
    (folder / artifacts.CARD).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(card, loans=loans))
    )
    with pytest.raises(ValueError, match="unchanged"):
        book.of_world(folder, world)


def test_the_page_has_a_place_for_every_chart_and_a_chart_for_every_place(
    told: Report, own: Report
) -> None:
    for found in (told, own):
        places = findall(r'<div id="([^"]+)" class="chart', report.html(found))
        assert sorted(places) == sorted(report.drawn(found))
    assert {"ladder", "periods", "drifts", "kinds-4"} <= set(report.drawn(told))
    assert "ladder" not in report.drawn(own)


@pytest.mark.parametrize("which", ["told", "own"])
def test_a_browser_draws_every_chart_without_a_network(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    found: Report = request.getfixturevalue(which)
    page.write_text(report.html(found), "utf-8")
    with chromium() as browser:
        for width in (1280, 390):
            with context(browser, "light", width) as window:
                shown = window.new_page()
                heard = Heard(shown, "")
                shown.goto(page.as_uri())
                shown.wait_for_function(DRAWN)
                empty = shown.evaluate(EMPTY)
                assert empty == []
                assert shown.evaluate("document.documentElement.scrollWidth") <= width
                assert heard.wrong == []


def test_the_model_card_says_the_same_figures(told: Report, own: Report) -> None:
    for found, words in ((told, "simulated economy"), (own, "own table of past loans")):
        card = modelcard.markdown(found)
        assert words in card
        assert f"{found.champion.held_out.auc:.3f}" in card
        assert found.points.version in card
        assert "None" not in card
        assert "{" not in card


def test_ticks_are_short_and_each_its_own() -> None:
    def column(cuts: list[float]) -> Column:
        return Column(
            name="x", source="tax", unit="yuan", dimension="capacity", group="x", label_zh="x",
            label_en="x", direction=0, kind="number", cuts=cuts, missing=0.0, unknown=0.0,
            contributions=[0.0] * (len(cuts) + 1), reference=0.0,
        )  # fmt: skip

    assert ticks(column([12_345.6, 0.98765e6])) == ["≤ 12,300", "≤ 988,000", "> 988,000", "missing"]
    assert len(set(ticks(column([1.0001, 1.0002])))) == 4
    assert ticks(Axis(feature="x", groups=[["a", "b"], ["c"]])) == ["a, b", "c", "other, missing"]


def test_scores_apart_are_marked_where_the_gap_is_widest() -> None:
    good, bad = np.array([5.0, 6.0, 7.0, 8.0]), np.array([1.0, 2.0, 6.0, 9.0])
    *_, gap = charts.apart(good, bad)["data"]
    assert gap["x"] == [2.0, 2.0]
    assert gap["y"] == [0.0, 0.5]
