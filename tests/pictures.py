"""Pictures of every page: `uv run python -m tests.pictures` starts a server and fills pictures/.

1440, 1280 and 390 pixels wide, light and dark, Chinese and English. `--readme` makes those
that the README shows instead.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from rich.progress import track

from service.process import running
from service.settings import Settings
from tests.browser import chromium, context
from tests.conftest import serve_command

PAGES = {
    "apply": "", "decision": "decision", "portrait": "portrait", "what-if": "what-if",
    "concept": "concept", "speed": "speed", "desk": "desk", "models": "models",
}  # fmt: skip
WIDTHS, THEMES, LANGS = (1440, 1280, 390), ("light", "dark"), ("zh", "en")
README = (("apply", "en", "light"), ("portrait", "en", "light"), ("concept", "en", "dark"))
JSON = {"content-type": "application/json"}


def fill(url: str) -> None:
    """Decide the stories, the first firms of the world, and last the mask maker."""
    with httpx.Client(base_url=url) as client:
        codes = [story["code"] for story in client.get("/v1/stories").raise_for_status().json()]
        codes += [firm["uscc"] for firm in client.get("/v1/firms").json()]
        for code in (*codes, "mask-maker"):
            request = client.get(f"/v1/firms/{code}").content
            client.post("/v1/decisions", content=request, headers=JSON).raise_for_status()


def take(window: Any, url: str, name: str, lang: str, out: Path, whole: bool = True) -> None:
    """One page, after its charts are drawn; the form is sent, a case opened."""
    page = window.new_page()
    page.goto(f"{url}/{lang}/{PAGES[name]}")
    for chart in page.locator(".chart").all():
        chart.locator(".main-svg").first.wait_for()
    if name == "apply":
        page.locator("[data-code=mask-maker]").click()
        page.locator("#send").click()
        page.locator("#verdict.approve").wait_for()
    if name == "desk":
        page.locator("#queue button").first.click()
        page.locator("#case-body .reasons").wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=out, full_page=whole)
    page.close()


def main() -> None:
    """Take them all, or the README's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    parser.add_argument("--readme", action="store_true")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    settings, wanted = Settings(), []
    for width in (1280,) if given.readme else WIDTHS:
        for name, lang, theme in (
            README
            if given.readme
            else [(name, lang, theme) for name in PAGES for lang in LANGS for theme in THEMES]
        ):
            wanted.append((name, lang, theme, width))
    with tempfile.TemporaryDirectory() as folder:
        serve = serve_command(settings.artifact, f"sqlite:///{folder}/ledger.db")
        command = lambda port: [*serve(port), "--showcase", str(settings.showcase)]  # noqa: E731
        with running(command) as server, chromium() as browser:
            fill(server.url)
            for name, lang, theme, width in track(wanted, "taking pictures"):
                with context(browser, theme, width) as window:
                    file = f"{name}.png" if given.readme else f"{name}-{lang}-{theme}-{width}.png"
                    whole = not given.readme
                    take(window, server.url, name, lang, given.out / file, whole)
            if given.readme:
                ladder(settings.artifact, given.out, browser)


def ladder(artifact: Path, out: Path, browser: Any) -> None:
    """What each source is worth, from the report."""
    page = out / "report.html"
    subprocess.run(
        [sys.executable, "-m", "service.cli", "report", artifact, "--out", page], check=True
    )
    with context(browser, "light", 1000) as window:
        shown = window.new_page()
        shown.goto(page.resolve().as_uri())
        shown.locator("#ladder .main-svg").first.wait_for()
        shown.locator("#sources").screenshot(path=out / "ladder.png")
    for made in (page, page.with_suffix(".md")):
        made.unlink()


if __name__ == "__main__":
    main()
