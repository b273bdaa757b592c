"""The curves: hover, zoom, hide, save."""

import json
import re
import xml.etree.ElementTree as ElementTree
from urllib.parse import parse_qs, urlsplit

import pytest
from examples import SPIKE_AT, Lab
from playwright.sync_api import FloatRect, Locator, Page, Response, expect


def plot(page: Page, metric: str) -> Locator:
    return page.get_by_role("img", name=f"{metric} by ")


def drawn(page: Page, metric: str) -> FloatRect:
    """The box of the inner part of a chart that has been drawn."""
    over = plot(page, metric).locator(".u-over")
    expect(over).to_be_visible()
    found = over.bounding_box()
    assert found is not None
    return found


def series(response: Response) -> list[dict[str, object]]:
    body = response.body()
    header = json.loads(body[4 : 4 + int.from_bytes(body[:4], "little")])
    return list(header["series"])


def test_hovering_names_the_run_and_its_value(open_page, lab: Lab) -> None:
    page = open_page(f"/curves?runs={lab.names['sweep-0.001-0']}&m=train/loss")
    box = drawn(page, "train/loss")
    tip = page.locator(".tip")
    for part in range(5, 95, 5):  # along the middle until the pointer is near the line
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * part / 100)
        if tip.count():
            break
    expect(tip).to_contain_text("sweep-0.001-0")
    expect(tip).to_contain_text(re.compile(r"step (29|30|31)"))


def test_a_spike_is_seen_from_afar_and_zoom_fetches_detail(open_page, lab: Lab) -> None:
    page = open_page(f"/curves?runs={lab.names['long']}&m=train/loss")
    box = drawn(page, "train/loss")
    middle = box["y"] + box["height"] / 2
    at = box["x"] + box["width"] * SPIKE_AT / 20_000
    half = box["width"] / 80  # 500 of 20,000 steps: fewer than the chart has pixels
    with page.expect_response(lambda one: "/api/curves" in one.url and "from=" in one.url) as zoomed:
        page.mouse.move(at - half, middle)
        page.mouse.down()
        page.mouse.move(at + half, middle, steps=4)
        page.mouse.up()
    asked = parse_qs(urlsplit(zoomed.value.url).query)
    assert float(asked["from"][0]) < SPIKE_AT < float(asked["to"][0])
    [found] = series(zoomed.value)
    assert found["raw"] is True
    assert parse_qs(urlsplit(page.url).query)["from"]
    page = open_page(page.url)
    box = drawn(page, "train/loss")
    tip = page.locator(".tip")
    share = (SPIKE_AT - float(asked["from"][0])) / (float(asked["to"][0]) - float(asked["from"][0]))
    for pixel in range(-4, 5):  # the spike is one step wide, the pointer one pixel
        page.mouse.move(box["x"] + box["width"] * share + pixel, box["y"] + 14)
        if tip.get_by_text(f"step {SPIKE_AT:,}").count():
            break
    expect(tip).to_contain_text(f"step {SPIKE_AT:,}")
    expect(tip).to_contain_text("50")
    page.keyboard.press("z")
    expect(page).not_to_have_url(re.compile("from="))


def test_hidden_runs_and_smoothing_are_part_of_the_link(open_page) -> None:
    page = open_page("/curves?f=tag = sweep&m=train/loss")
    drawn(page, "train/loss")
    page.get_by_role("button", name="hide sweep-0.001-0").click()
    expect(page.get_by_role("button", name="show sweep-0.001-0")).to_be_visible()
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile("smooth="))
    again = open_page(page.url)
    expect(again.get_by_role("button", name="show sweep-0.001-0")).to_be_visible()
    expect(plot(again, "train/loss")).to_have_accessible_name(re.compile("11 lines"))


def test_groups_are_one_line_each(open_page) -> None:
    page = open_page("/curves?f=tag = sweep&m=train/loss&group=recipe")
    expect(plot(page, "train/loss")).to_have_accessible_name(re.compile("3 lines"))


@pytest.mark.parametrize("axis", ["epoch", "tokens", "time"])
def test_other_axes(open_page, axis: str) -> None:
    page = open_page("/curves?f=tag = sweep&m=train/loss")
    drawn(page, "train/loss")
    page.get_by_role("group", name="x axis").get_by_role("button", name=axis).click()
    expect(plot(page, "train/loss")).to_have_accessible_name(re.compile(f"by {axis}, 12 lines"))


@pytest.mark.parametrize("kind", ["PNG", "SVG", "CSV"])
def test_a_chart_is_saved(open_page, kind: str) -> None:
    page = open_page("/curves?f=tag = sweep&m=train/loss")
    drawn(page, "train/loss")
    page.get_by_title("Save, size, place").first.click()
    with page.expect_download() as started:
        page.get_by_role("button", name=re.compile(f"as {kind}$")).click()
    content = started.value.path().read_bytes()
    assert started.value.suggested_filename.endswith(f".{kind.lower()}")
    if kind == "PNG":
        assert content.startswith(b"\x89PNG")
        assert len(content) > 5000
    elif kind == "SVG":
        root = ElementTree.fromstring(content)
        assert root.tag.endswith("svg")
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) >= 12
    else:
        assert len(content.splitlines()) > 60
