"""One server over a folder of runs, one Chromium, and pages that fail the test when the browser complains."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import MARKER, WATCH, dashboard, find_chromium, launch, wait_for_index
from examples import Lab
from playwright import sync_api

# of the first paint of a page on a busy machine; what comes sooner is not waited for
sync_api.expect.set_options(timeout=10_000)

REFUSALS = tuple(
    f"Failed to load resource: the server responded with a status of {status}"
    for status in ("400 (Bad Request)", "404 (Not Found)", "409 (Conflict)")
)
Open = Callable[..., sync_api.Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """Not for the session: while Playwright is open its event loop runs, and tests elsewhere need one of their own."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one with HEADWAY_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        opened = launch(playwright, executable)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The runs that all tests read; tests that change runs make their own with `lab.run(...)`."""
    folder = tmp_path_factory.mktemp("dashboard")
    made = Lab(folder / "runs")
    made.fill()
    return made


@pytest.fixture(scope="session")
def site(lab: Lab, pages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server on the lab's runs."""
    assert (pages / "index.html").is_file()
    with dashboard(lab.root, cache=tmp_path_factory.mktemp("cache")) as (address, _):
        wait_for_index(address)
        yield address


@pytest.fixture
def open_page(browser: sync_api.Browser, site: str) -> Iterator[Open]:
    """Opens pages by path: open_page("/curves?m=train/loss", width=390, dark=True); each in a fresh profile.

    The test fails at its end when a page logged an error or a warning, threw, broke the policy or ran a hostile script.
    `refused`: the server may refuse what this page asks, which the browser logs.
    """
    contexts: list[sync_api.BrowserContext] = []
    complaints: list[str] = []

    def open_one(
        path: str = "/", *, width: int = 1280, height: int = 800, dark: bool = False, refused: bool = False
    ) -> sync_api.Page:
        context = browser.new_context(
            base_url=site, viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )  # fmt: skip
        contexts.append(context)
        meant = REFUSALS if refused else ()
        context.add_init_script(WATCH)
        page = context.new_page()
        page.on(
            "console",
            lambda said: said.type in ("error", "warning") and said.text not in meant and complaints.append(said.text),
        )
        page.on("pageerror", lambda error: complaints.append(f"thrown: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}") or dialog.dismiss())
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        for page in context.pages:
            complaints += page.evaluate("window.complaints ?? []")
            if page.evaluate(f"{MARKER} !== undefined"):
                complaints.append(f"a hostile script ran on {page.url}")
        context.close()
    assert complaints == []
