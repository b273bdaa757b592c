"""Two runs side by side, and many over their hyperparameters."""

import csv
import re

from examples import RATES, SEEDS, Lab
from playwright.sync_api import expect

A, B = "sweep-0.0001-0", "sweep-0.0003-0"


def test_what_differs_is_shown_and_what_is_the_same_is_not(open_page, lab: Lab) -> None:
    page = open_page(f"/compare?runs={lab.names[A]},{lab.names[B]}")
    config = page.get_by_role("region", name="Config")
    expect(config).to_contain_text("optimizer.lr")
    expect(config).not_to_contain_text("batch.size")
    config.get_by_label("all").check()
    expect(config).to_contain_text("batch.size")
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("0.8693")


def test_examples_that_only_one_of_them_gets_right(open_page, lab: Lab) -> None:
    page = open_page(f"/compare?runs={lab.names[A]},{lab.names[B]}")
    cases = page.get_by_role("table", name="Examples by who gets them right")
    counts = [int(found) for found in re.findall(r"(\d+) (?:both|broken|fixed)", cases.inner_text().replace("\n", " "))]
    assert len(counts) == 4
    assert sum(counts) == 60
    cases.get_by_role("button", name=re.compile("fixed")).click()
    expect(page).to_have_url(re.compile("only=fixed"))
    examples = page.get_by_role("region", name="Predictions")
    shown = examples.get_by_role("listitem")
    expect(shown).to_have_count(counts[2])
    again = open_page(page.url)
    expect(again.get_by_role("region", name="Predictions").get_by_role("listitem")).to_have_count(counts[2])


def test_the_order_of_runs_is_part_of_the_link(open_page, lab: Lab) -> None:
    page = open_page(f"/compare?runs={lab.names[A]},{lab.names[B]}")
    page.get_by_role("button", name="make base").click()
    expect(page).to_have_url(re.compile(f"runs={lab.names[B]},{lab.names[A]}"))


def test_a_comparison_is_saved_as_csv(open_page, lab: Lab) -> None:
    page = open_page(f"/compare?runs={lab.names[A]},{lab.names[B]}")
    with page.expect_download() as started:
        page.get_by_role("region", name="Metrics").get_by_role("button", name="CSV").click()
    with started.value.path().open(newline="") as file:
        rows = list(csv.reader(file))
    assert {"train/loss", "val/accuracy"} <= {row[0].partition(" ")[0] for row in rows}


def test_all_runs_over_their_hyperparameters(open_page) -> None:
    page = open_page("/params?f=tag = sweep&metric=val/accuracy")
    runs = len(RATES) * len(SEEDS)
    expect(page.get_by_role("img", name=re.compile(rf"^{runs} runs over \d axes"))).to_be_visible()
    expect(page.get_by_role("region", name="Importance")).to_contain_text("optimizer.lr")
    expect(page.get_by_role("region", name="Scatter")).to_be_visible()
