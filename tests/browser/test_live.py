"""What changes on the disk comes to the page by itself."""

import re

from browsing import line
from examples import Lab, curve, start_run
from playwright.sync_api import expect

from headway.store.history import HistoryWriter

SOON = (
    2000  # milliseconds until a row that was written must be on screen; the rest of the deadline is for busy machines
)


def test_rows_arrive_without_reloading(open_page, lab: Lab) -> None:
    path = lab.run("growing", [(1, {"train/loss": 0.9})], status="running")
    page = open_page("/?f=name = growing&cols=last(train/loss),step")
    expect(line(page, "growing")).to_contain_text("0.9000")
    page.evaluate("window.here = true")
    with HistoryWriter(path / "history.jsonl") as history:
        history.log(2, {"train/loss": 0.4})
        expect(line(page, "growing")).to_contain_text("0.4000", timeout=5 * SOON)
        history.log(3, {"train/loss": 0.3})
        expect(line(page, "growing")).to_contain_text("0.3000", timeout=5 * SOON)
    assert page.evaluate("window.here")


def test_a_new_run_and_a_deleted_one(open_page, lab: Lab) -> None:
    page = open_page("/?f=tag = fresh")
    expect(page.get_by_text("No run matches the filter.")).to_be_visible()
    path = lab.run("new", curve(0.5), tags=["fresh"])
    expect(line(page, "new")).to_be_visible()
    path.rename(lab.root.parent / "taken-away")
    expect(line(page, "new")).to_have_count(0)


def test_a_curve_grows(open_page, lab: Lab) -> None:
    path = lab.run("drawn", [(1, {"train/loss": 0.9}), (2, {"train/loss": 0.8})], status="running")
    page = open_page(f"/curves?runs={path.name}&m=train/loss")
    expect(page.get_by_role("img", name="train/loss by step")).to_be_visible()
    with HistoryWriter(path / "history.jsonl") as history, page.expect_response(re.compile("/api/curves")) as again:
        history.log(3, {"train/loss": 0.4})
    assert again.value.ok


def test_a_run_whose_process_died_is_shown_as_crashed(open_page, lab: Lab) -> None:
    path = lab.run("doomed", status="created")
    process = start_run(path)
    page = open_page("/?f=name = doomed")
    expect(page.get_by_role("row", name="doomed, running")).to_be_visible()
    process.kill()
    process.wait()
    expect(page.get_by_role("row", name="doomed, crashed")).to_be_visible(timeout=60_000)


def test_the_console_grows(open_page, lab: Lab) -> None:
    path = lab.run("talking", status="running")
    (path / "output.log").write_text("first line\n")
    page = open_page(f"/run/{path.name}?tab=output", refused=True)  # the server may not know the run yet: it comes
    expect(page.get_by_text("first line")).to_be_visible()
    with (path / "output.log").open("a") as file, HistoryWriter(path / "history.jsonl") as history:
        file.write("second line\n")
        history.log(1, {"train/loss": 0.9})
    expect(page.get_by_text("second line")).to_be_visible()
