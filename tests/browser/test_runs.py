"""The table of runs: found, sorted, grouped, selected, changed, exported."""

import csv
import re
from urllib.parse import parse_qs, urlsplit

from browsing import line
from examples import Lab, curve
from playwright.sync_api import Locator, Page, expect


def lines(page: Page) -> Locator:
    return page.get_by_role("grid", name="Runs").locator("[role=row][data-index]")


def names(page: Page) -> list[str]:
    return lines(page).get_by_role("link").all_inner_texts()


def write_filter(page: Page, text: str) -> None:
    page.keyboard.press("/")
    page.get_by_label("Filter runs").fill(text)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")  # out of the box


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_filter_narrows_the_table_and_a_wrong_one_says_where(open_page) -> None:
    page = open_page("/", refused=True)
    expect(line(page, "tagger")).to_be_visible()
    write_filter(page, "tag = sweep and config.optimizer.lr < 2e-4")
    expect(lines(page)).to_have_count(4)
    assert parameters(page)["f"] == ["tag = sweep and config.optimizer.lr < 2e-4"]
    page.get_by_label("Filter runs").fill("config.optimizer.lrr < ")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(lines(page)).to_have_count(4)


def test_a_click_on_a_column_sorts_and_another_turns_it_around(open_page) -> None:
    page = open_page("/?f=tag = sweep&cols=config.optimizer.lr,val/accuracy")
    expect(lines(page)).to_have_count(12)
    head = page.get_by_role("columnheader", name=re.compile("accuracy")).locator("button.title")
    head.click()
    expect(lines(page).first).to_have_accessible_name("sweep-0.0003-0, finished")
    head.click()
    expect(lines(page).first).not_to_have_accessible_name("sweep-0.0003-0, finished")
    again = open_page(page.url)
    expect(lines(again)).to_have_count(12)
    assert names(again) == names(page)


def test_runs_that_differ_in_the_seed_become_one_line_with_mean_and_deviation(open_page) -> None:
    page = open_page("/?f=tag = sweep&cols=val/accuracy")
    expect(lines(page)).to_have_count(12)
    page.keyboard.press("s")
    expect(lines(page)).to_have_count(3)
    expect(lines(page).first).to_contain_text("n 4")
    expect(lines(page).first).to_contain_text("±")
    page.get_by_role("button", name="Open the group").first.click()
    expect(lines(page)).to_have_count(7)


def test_select_and_compare_by_keyboard(open_page, lab: Lab) -> None:
    page = open_page("/?f=tag = sweep&sort=name")
    expect(lines(page)).to_have_count(12)
    for at in range(2):
        page.keyboard.press("j")
        expect(page.get_by_role("grid", name="Runs")).to_have_attribute("aria-activedescendant", f"line-{at}")
        page.keyboard.press("x")
        expect(page.get_by_role("toolbar", name="Selected runs")).to_contain_text(f"{at + 1} selected")
    page.keyboard.press("c")
    page.wait_for_url(re.compile("/compare"))
    chosen = parameters(page)["runs"][0].split(",")
    assert chosen == [lab.names["sweep-0.0001-0"], lab.names["sweep-0.0001-1"]]
    expect(page.get_by_text("sweep-0.0001-1").filter(visible=True).first).to_be_visible()


def test_rename_tag_and_notes(open_page, lab: Lab) -> None:
    path = lab.run("to be changed", curve(0.5))
    page = open_page("/?f=project = lab&sort=-created")
    expect(line(page, "to be changed")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("grid", name="Runs")).to_have_attribute("aria-activedescendant", "line-0")
    page.keyboard.press("n")
    page.get_by_label(f"Name of {path.name}").fill("changed")
    page.keyboard.press("Enter")
    expect(line(page, "changed")).to_be_visible()
    line(page, "changed").get_by_role("checkbox").click()
    page.keyboard.press("t")
    page.get_by_label("A new tag").fill("kept")
    page.get_by_role("button", name="Save").click()
    expect(line(page, "changed").get_by_role("button", name="kept")).to_be_visible()
    page.keyboard.press("e")
    page.get_by_label("Notes", exact=True).fill("why it matters")
    page.get_by_role("button", name="Save").click()
    expect(line(page, "changed").get_by_label("has notes")).to_be_visible()
    marks = (path / "marks.json").read_text()
    assert all(text in marks for text in ("changed", "kept", "why it matters"))
    assert "to be changed" in (path / "run.json").read_text()


def test_archive_hides_and_shows_again(open_page, lab: Lab) -> None:
    path = lab.run("to be archived", curve(0.5))
    page = open_page("/?sort=-created")
    line(page, "to be archived").get_by_role("checkbox").click()
    page.get_by_role("button", name="Archive").click()
    expect(line(page, "to be archived")).to_have_count(0)
    assert path.exists()
    page.get_by_label("archived").check()
    expect(line(page, "to be archived")).to_be_visible()


def test_delete_asks_first(open_page, lab: Lab) -> None:
    path = lab.run("to be deleted", curve(0.5))
    page = open_page("/?sort=-created")
    line(page, "to be deleted").get_by_role("checkbox").click()
    page.keyboard.press("#")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("to be deleted")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert path.exists()
    page.keyboard.press("#")
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 run").click()
    expect(line(page, "to be deleted")).to_have_count(0)
    assert not path.exists()


def test_a_link_reproduces_the_view(open_page) -> None:
    page = open_page("/")
    write_filter(page, "tag = sweep")
    expect(lines(page)).to_have_count(12)
    page.keyboard.press("s")
    expect(lines(page)).to_have_count(3)
    page.get_by_role("row").get_by_role("checkbox").nth(1).click()
    expect(page.get_by_role("toolbar", name="Selected runs")).to_contain_text("4 selected")
    again = open_page(page.url)
    expect(lines(again)).to_have_count(3)
    expect(again.get_by_label("Filter runs")).to_have_value("tag = sweep")
    expect(again.get_by_role("toolbar", name="Selected runs")).to_contain_text("4 selected")


def test_export_is_the_table_that_is_shown_with_formulas_escaped(open_page) -> None:
    page = open_page("/?sort=-created&cols=val/accuracy,config.optimizer.name")
    expect(page.get_by_role("row", name="=hostile")).to_be_visible()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as started:
        page.get_by_text("CSV: all rows").click()
    with started.value.path().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"val/accuracy", "config.optimizer.name"} <= set(rows[0])
    assert len(rows) >= 17
    cells = [cell for row in rows for cell in row.values()]
    assert any(cell.startswith("'=hostile") for cell in cells)
    assert not [cell for cell in cells if re.match(r"[=+@\t\r]", cell)]
