"""Headless Chromium for the tests of the console: found, started, listened to."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def executable() -> str:
    """Where Chromium is; the test that needs it is skipped without one, and fails in CI."""
    named = os.environ.get("YIDAITONG_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("google-chrome")
    if found:
        return found
    said = "Chromium is not installed; apt-get install chromium, or set YIDAITONG_CHROMIUM"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Heard:
    """What went wrong on a page: script errors, failed or foreign requests, error statuses.

    Pages are expected to be quiet; a test that provokes a refusal takes it out with `forgive`.
    """

    def __init__(self, page: Page, host: str) -> None:
        self.wrong: list[str] = []
        page.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(m.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", lambda one: self._failed(one))
        page.on("request", lambda one: self._asked(one.url, host))

    def _asked(self, url: str, host: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != host:
            self.wrong.append(f"a request to another host: {url}")

    def _failed(self, one: Any) -> None:
        if one.failure != "net::ERR_ABORTED":  # left the page while a clock was being read
            self.wrong.append(f"{one.url}: {one.failure}")

    def forgive(self, status: int) -> None:
        """Take out the browser's own line about a reply refused on purpose."""
        self.wrong = [one for one in self.wrong if f"status of {status}" not in one]


def context(browser: Any, theme: str, width: int = 1280) -> BrowserContext:
    """A browser window of some width that prefers a theme."""
    made = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
    )
    return made  # type: ignore[no-any-return]
