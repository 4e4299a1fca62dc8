"""The page a committee signs: every point on it, nothing run, nothing fetched, nothing too wide."""

from html import unescape
from pathlib import Path
from re import DOTALL, findall, sub

import pytest

from model import artifact as artifacts
from model.page import html, signed
from model.points import Points, points
from tests.awkward_card import CARD
from tests.browser import Heard, chromium, context


@pytest.fixture(params=["by hand", "demo"])
def found(request: pytest.FixtureRequest, artifact: Path) -> Points:
    if request.param == "by hand":
        return points(CARD, "0123456789abcdef")
    return points(*artifacts.load(artifact))


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def text(piece: str) -> str:
    return " ".join(unescape(sub(r"<[^>]+>", " ", piece)).split())


def test_every_step_is_on_the_page_with_its_points(found: Points) -> None:
    page = html(found)
    blocks = findall(r'<div class="feature.*?</table>', page, DOTALL)
    silent = findall(r"<li>.*?</li>", page, DOTALL)
    assert len(blocks) + len(silent) == len(found.features)
    named = {text(findall(r"<code>(.*?)</code>", one, DOTALL)[0]): one for one in blocks}
    quiet = {text(findall(r"<code>(.*?)</code>", one, DOTALL)[0]) for one in silent}
    for feature in found.features:
        name = " ".join(feature.column.name.split())
        if name in quiet:
            assert max(map(abs, feature.all)) < 0.005
            continue
        shown = findall(r'<tr.*?<th scope="row">(.*?)</th><td class="number">(.*?)</td>',
                        named[name], DOTALL)  # fmt: skip
        assert [number(one) for _, one in shown] == pytest.approx(feature.all, abs=0.05 + 1e-9)
        for category, (label, _) in zip(feature.column.categories, shown, strict=False):
            assert text(label) == category
        assert feature.column.label_zh in text(named[name])
    grids = findall(r'<div class="scroll".*?</table>', page, DOTALL)
    for pair, grid in zip(found.pairs, grids, strict=True):
        cells = [number(one) for one in findall(r'<td class="number[^>]*>(.*?)</td>', grid)]
        assert cells == pytest.approx([c for row in pair.cells for c in row], abs=0.05 + 1e-9)


def test_the_page_says_what_is_signed(found: Points) -> None:
    said = text(html(found))
    scale = found.card.scale
    for words in (
        " ".join(found.card.name.split()), found.version, f"{scale.base_score:.0f}",
        f"{scale.base_odds:.0f} : 1", f"{found.reference_score:.1f}", "编制 Prepared by",
        f"{found.card.intercept:.6f}".replace("-", "−"), "Approved by", "无数据 missing",
    ):  # fmt: skip
        assert words in said
    for band in found.card.grades:
        assert f"{100 * band.pd_12m_below:.6g} %" in said


def test_names_of_a_lenders_file_stay_text(found: Points) -> None:
    page = html(found)
    assert "<card>" not in page
    assert "<b>bold" not in page
    assert "<script" not in page
    assert "http" not in page
    assert set(findall(r"<(\w+)", page)) <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "span", "bdi",
        "p", "code", "dl", "div", "dt", "dd", "section", "table", "thead", "tbody", "tr", "th",
        "td", "i", "ul", "li", "small", "footer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("points", "shown"), [(12.34, "+12.3"), (-4.0, "−4.0"), (0.04, "0"), (-0.04, "0")]
)
def test_points_have_a_sign(points: float, shown: str) -> None:
    assert signed(points) == shown


def test_nothing_is_wider_than_a_telephone(found: Points, tmp_path: Path) -> None:
    file = tmp_path / "scorecard.html"
    file.write_text(html(found), "utf-8")
    with chromium() as browser:
        for width in (1280, 390):
            with context(browser, "light", width) as window:
                page = window.new_page()
                heard = Heard(page, "")
                page.goto(file.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") == width
                assert heard.wrong == []
        with browser.new_context(viewport={"width": 680, "height": 980}) as paper:  # A4, in CSS px
            page = paper.new_page()
            page.emulate_media(media="print")
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") == 680
            assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
