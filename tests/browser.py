"""A real Chromium for tests of pages: it is not the project's, so a test that needs it says so and skips without it."""

import contextlib
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.helpers import lacking


# Nothing that a browser does on its own account, at its start or while it idles, goes to the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def path() -> str | None:
    """The Chromium on this machine; None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def needed() -> str:
    """The Chromium on this machine; skips the test that asks where there is none, but not where CI says so."""
    found = path()
    if found is None:
        lacking("needs Chromium (Debian: apt-get install chromium)")
    return found


@contextlib.contextmanager
def chromium(executable: str) -> Iterator:
    """A headless Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """A page of a browser, with all that it asked for, and all that went wrong in it."""

    def __init__(self, browser, address: str, theme: str = "light", size: tuple[int, int] = (1400, 900)):
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="reduce"
        )
        self.page = self.context.new_page()
        self.address = address
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None
        )

    def open(self, path: str) -> None:
        """Go to a page of the dashboard and wait until it has its data."""
        self.page.goto(self.address + path)
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def draw_all(self) -> int:
        """Scroll through the page until all charts that are not folded away are drawn; how many there are in all."""
        self.page.evaluate(
            """async () => {
                const charts = [...document.querySelectorAll(".chart")];
                const left = () => charts.find((one) => !one.dataset.drawn && one.checkVisibility());
                while (left()) {
                    left().scrollIntoView();
                    await new Promise((done) => setTimeout(done, 20));
                }
            }"""
        )
        self.page.evaluate("scrollTo(0, 0)")
        return self.page.locator(".chart").count()

    def left_the_machine(self) -> list[str]:
        """The addresses among its requests that are not of the page's own server."""
        own = urlsplit(self.address).netloc
        return [
            url for url in self.requests if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != own
        ]

    def close(self) -> None:
        """Leave the page."""
        self.context.close()
