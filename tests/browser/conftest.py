"""A real chromium against a live server of ours; what its console says is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page, ViewportSize, sync_playwright

from tests import builders

DESKTOP: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the machine's chromium, else Playwright's own."""
    # Playwright's loop runs in this thread; Django would take it for an asynchronous view's.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
        except Error:
            pytest.skip("there is no chromium here: install it, or run `playwright install`")
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Console(list[str]):
    """Every error that the browser told of, blocked scripts and styles among them."""

    def listen(self, page: Page) -> None:
        """Keep what a page's console and its scripts complain of."""
        page.on("console", lambda said: self.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.append(str(error)))


@pytest.fixture
def console() -> Console:
    """Give the list that the tab's errors go to."""
    return Console()


@pytest.fixture
def tab(chromium: Browser, console: Console) -> Iterator[Page]:
    """Give a fresh tab of a fresh profile."""
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    console.listen(page)
    yield page
    context.close()


def log_in(page: Page, url: str, name: str) -> None:
    """Log in through the form."""
    page.goto(f"{url}/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", builders.PASSWORD)
    page.click("input[type=submit]")
