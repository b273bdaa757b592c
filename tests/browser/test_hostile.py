"""Scripts in every text that a run can hold, and files that would run them: none runs, none tries the policy.

`open_page` looks for the marks that the scripts would leave, and for violations of the policy, on every page.
"""

import http.client
from urllib.parse import urlsplit

import pytest
from browsing import MARKER, WATCH
from examples import EVIL, Lab
from playwright.sync_api import expect

VIEWS = [
    "/",
    "/?group=tag&cols=config.optimizer.name,notes,tag",
    "/curves?f=hostile",
    "/compare?runs={hostile},{tagger}",
    "/params",
    "/run/{hostile}",
    *(f"/run/{{hostile}}?tab={tab}" for tab in ("curves", "config", "output", "predictions", "files", "environment")),
]


def filled(path: str, lab: Lab) -> str:
    return path.replace("{hostile}", lab.names["hostile"]).replace("{tagger}", lab.names["tagger"])


@pytest.mark.parametrize("path", VIEWS)
def test_no_script_runs(open_page, lab: Lab, path: str) -> None:
    page = open_page(filled(path, lab))
    shown = "optimizer.lr" if path == "/params" else "stolen"
    expect(page.get_by_text(shown).filter(visible=True).first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("main script").count() == 0


@pytest.mark.parametrize("tab", ["", "?tab=predictions", "?tab=output"])
def test_the_text_is_shown_as_it_is(open_page, lab: Lab, tab: str) -> None:
    page = open_page(f"/run/{lab.names['hostile']}{tab}")
    expect(page.get_by_text(EVIL).filter(visible=True).first).to_be_visible()


@pytest.mark.parametrize("name", ["page.html", "figure.svg"])
def test_an_artifact_is_saved_and_never_opened(open_page, site: str, lab: Lab, name: str) -> None:
    page = open_page(f"/run/{lab.names['hostile']}?tab=files")
    with page.expect_download() as started:
        page.evaluate(
            "(url) => Object.assign(document.createElement('a'), {href: url, target: '_blank'}).click()",
            f"/api/runs/{lab.names['hostile']}/file?path=artifacts/{name}",
        )
    assert started.value.suggested_filename == name
    assert b"<script>" in started.value.path().read_bytes()
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=20)
    connection.request("GET", f"/api/runs/{lab.names['hostile']}/file?path=artifacts/{name}")
    headers = connection.getresponse().headers
    connection.close()
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_the_watch_would_notice(browser, site: str) -> None:
    """A page that does what the hostile texts try leaves the mark and the violation that `open_page` looks for."""
    context = browser.new_context(base_url=site)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto("/")
    page.evaluate(
        """(text) => new Promise((seen) => {
          document.addEventListener("securitypolicyviolation", seen, {once: true});
          document.body.innerHTML = text;
        }).then(() => null)""",
        EVIL,
    )
    assert "policy" in page.evaluate("window.complaints[0]")
    assert page.evaluate(f"{MARKER} === undefined")
    context.close()
