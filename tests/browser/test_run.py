"""One run: predictions narrowed down, tokens and spans marked, files, commands."""

import csv
import re

import pytest
from examples import Lab
from playwright.sync_api import expect

SWEPT = "sweep-0.001-0"


def test_wrong_predictions_are_one_key_away_and_part_of_the_link(open_page, lab: Lab) -> None:
    page = open_page(f"/run/{lab.names[SWEPT]}?tab=predictions")
    count = page.get_by_role("main").get_by_role("status")
    expect(count.filter(has_text="examples").first).to_contain_text("60 examples")
    page.keyboard.press("w")
    page.wait_for_url(re.compile("only=wrong"))
    expect(count.filter(has_text="examples").first).to_contain_text("of 60")
    shown = page.locator("main").get_by_role("listitem").count()
    again = open_page(page.url)
    expect(again.locator("main").get_by_role("listitem")).to_have_count(shown)


@pytest.mark.parametrize(("kind", "begins"), [("PNG", b"\x89PNG"), ("SVG", b"<svg")])
def test_a_confusion_matrix_is_saved_as_a_picture(open_page, lab: Lab, kind: str, begins: bytes) -> None:
    page = open_page(f"/run/{lab.names[SWEPT]}?tab=predictions")
    with page.expect_download() as started:
        page.get_by_role("button", name=kind, exact=True).click()
    assert started.value.suggested_filename.endswith(f"confusion.{kind.lower()}")
    content = started.value.path().read_bytes()
    assert content.startswith(begins)
    assert len(content) > 500


def test_predictions_are_saved_as_csv(open_page, lab: Lab) -> None:
    page = open_page(f"/run/{lab.names[SWEPT]}?tab=predictions")
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").first.click()
    with started.value.path().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert {"id", "text", "gold", "prediction"} <= set(rows[0])


def test_entities_and_answers_are_marked_in_their_text(open_page, lab: Lab) -> None:
    page = open_page(f"/run/{lab.names['tagger']}?tab=predictions")
    expect(page.get_by_text("Lovelace").first).to_be_visible()
    expect(page.get_by_text("person").filter(visible=True).first).to_be_visible()
    page = open_page(f"/run/{lab.names['reader']}?tab=predictions")
    expect(page.get_by_text("Who won it?").first).to_be_visible()
    expect(page.get_by_text("Marie Curie").filter(visible=True).first).to_be_visible()


def test_tabs_by_keyboard(open_page, lab: Lab) -> None:
    page = open_page(f"/run/{lab.names[SWEPT]}")
    current = page.get_by_role("navigation", name="Parts of the run").locator("[aria-current=page]")
    expect(current).to_have_text("Overview")
    page.keyboard.press("]")
    expect(current).to_have_text("Curves")
    page.keyboard.press("[")
    expect(current).to_have_text("Overview")


def test_the_command_that_repeats_it_is_there(open_page, lab: Lab) -> None:
    page = open_page(f"/run/{lab.names[SWEPT]}")
    expect(page.get_by_text("headway train optimizer.lr=0.001 seed=1").first).to_be_visible()


def test_a_file_is_saved(open_page, lab: Lab) -> None:
    page = open_page(f"/run/{lab.names[SWEPT]}?tab=files")
    with page.expect_download() as started:
        page.get_by_role("link", name="history.jsonl").first.click()
    assert started.value.path().read_bytes().count(b"\n") == 63
