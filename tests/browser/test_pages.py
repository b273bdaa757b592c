"""Every page: there, in both colours and widths, from its own address, and by keyboard."""

import re

import pytest
from examples import Lab
from playwright.sync_api import Page, expect

PATHS = {
    "runs": "/",
    "groups": "/?group=recipe",
    "curves": "/curves?m=train/loss,val/accuracy",
    "compare": "/compare?runs={sweep-0.0001-0},{sweep-0.001-0}",
    "run": "/run/{sweep-0.001-0}",
    "run's curves": "/run/{sweep-0.001-0}?tab=curves",
    "config": "/run/{sweep-0.001-0}?tab=config",
    "console": "/run/{sweep-0.001-0}?tab=output",
    "predictions": "/run/{sweep-0.001-0}?tab=predictions",
    "tagged": "/run/{tagger}?tab=predictions",
    "answers": "/run/{reader}?tab=predictions",
    "generated": "/run/{translator}?tab=predictions",
    "files": "/run/{sweep-0.001-0}?tab=files",
    "system": "/run/{sweep-0.001-0}?tab=system",
    "environment": "/run/{sweep-0.001-0}?tab=environment",
    "params": "/params?metric=val/accuracy",
}
SHOWN = {
    "runs": "sweep-0.001-3",
    "groups": "n 4",
    "curves": "val/accuracy",
    "compare": "optimizer.lr",
    "run": "22,713,216",
    "run's curves": "train/loss",
    "config": "lr",
    "console": "step 199 loss 0.0050",
    "predictions": "review number",
    "tagged": "Lovelace",
    "answers": "Marie Curie",
    "generated": "Ein Mann mit Hut.",
    "files": "history.jsonl",
    "system": "headway",
    "environment": "playwright",
    "params": "optimizer.lr",
}


def address(lab: Lab, name: str) -> str:
    return re.sub(r"\{(.*?)\}", lambda found: lab.names[found[1]], PATHS[name])


def shows(page: Page, name: str) -> None:
    expect(page.get_by_text(SHOWN[name]).filter(visible=True).first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("name", PATHS)
def test_a_page_opens_at_its_address(open_page, lab: Lab, name: str) -> None:
    shows(open_page(address(lab, name)), name)


@pytest.mark.parametrize("name", ["runs", "curves", "compare", "run", "predictions", "params"])
def test_a_page_fits_a_phone_in_the_dark(open_page, lab: Lab, name: str) -> None:
    page = open_page(address(lab, name), width=390, height=844, dark=True)
    shows(page, name)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"{wide} px wide"


def test_dark_or_light_follows_the_system_and_then_the_key(open_page) -> None:
    def brightness(page: Page) -> int:
        expect(page.get_by_role("grid", name="Runs")).to_be_visible()
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    light, dark = open_page("/"), open_page("/", dark=True)
    assert brightness(light) > 600
    assert brightness(dark) < 200
    light.keyboard.press("d")
    expect(light.locator("html")).to_have_attribute("data-theme", "dark")
    assert brightness(light) < 200
    light.reload()
    expect(light.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_keys_go_from_page_to_page_and_are_listed(open_page) -> None:
    page = open_page("/")
    for key, name in (("2", "Curves"), ("3", "Compare"), ("4", "Parameters"), ("1", "Runs")):
        page.keyboard.press(key)
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("write a filter")


def test_an_address_that_is_no_page_says_so(open_page) -> None:
    page = open_page("/run/20200101-000000-aaaaaa", refused=True)
    expect(page.get_by_text("There is no run 20200101-000000-aaaaaa here.")).to_be_visible()
