"""Which difference is real, and on which examples, as the page for comparing says it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import dashboard, wait_for_index
from examples import EVIL, LABELS, RATES, Lab
from playwright.sync_api import Page, expect

SIZE = 60
METRIC = "test/accuracy"
RIGHT = {"steady": (50, 51, 50), "level": (50, 50, 51), "weak": (30, 31, 29), EVIL: (10, 12, 11)}  # of SIZE, by seed


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Ids of three seeds of each of RIGHT, and of "elsewhere", which was tested on other examples; and a sweep."""
    lab = Lab(tmp_path_factory.mktemp("verdicts") / "runs")
    found: dict[str, list[str]] = {"root": [str(lab.root)]}
    for rate in RATES:
        for seed in range(3):
            lab.sweep_run(rate, seed)
    for name, right in {**RIGHT, "elsewhere": (40, 41, 42)}.items():
        for seed, count in enumerate(right):
            lab.run(
                f"{name[:9]} {seed}", [(10, {METRIC: count / SIZE, "val/accuracy": count / SIZE})],
                predictions(count, name if name == "elsewhere" else ""), seed=seed, tags=["verdicts"],
                config={"model": {"path": name}},
            )  # fmt: skip
            found.setdefault(name, []).append(lab.names[f"{name[:9]} {seed}"])
    return found


@pytest.fixture(scope="module")
def site(groups: dict[str, list[str]], pages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Runs of their own, so that no other test sees them."""
    assert (pages / "index.html").is_file()
    with dashboard(Path(groups["root"][0]), cache=tmp_path_factory.mktemp("cache")) as (address, _):
        wait_for_index(address)
        yield address


def predictions(right: int, of: str) -> dict[str, list[object]]:
    """The first `right` of SIZE examples are answered right."""
    gold = [LABELS[number % 3] for number in range(SIZE)]
    return {
        "id": [f"{of}{number:02d}" for number in range(SIZE)], "text": [f"text {number}" for number in range(SIZE)],
        "gold": gold, "prediction": [*gold[:right], *(LABELS[(number + 1) % 3] for number in range(right, SIZE))],
        "confidence": [0.9] * SIZE, "loss": [0.1] * SIZE, "scores": [[0.9, 0.05, 0.05]] * SIZE,
    }  # fmt: skip


def link(groups: dict[str, list[str]], *names: str, **params: str) -> str:
    runs = ",".join(run for name in names for run in groups[name])
    return f"/compare?runs={runs}" + "".join(f"&{key}={value}" for key, value in params.items())


def verdicts(page: Page) -> Callable[[str], None]:
    part = page.get_by_role("region", name="Verdicts")
    expect(part.locator(".headline")).to_be_visible(timeout=60_000)  # the first one imports what tests need
    return lambda text: expect(part).to_contain_text(text)


def test_the_order_the_ties_and_the_verdicts(open_page, groups) -> None:
    page = open_page(link(groups, "steady", "level", "weak", margin="0.1"))
    says = verdicts(page)
    says("2 of 3 groups share the first place: none is shown to be worse.")
    says("path steady and path level are tied in test/accuracy, the same within 0.1000")
    says("path steady is better than path weak in test/accuracy")
    board = page.get_by_role("table").first
    assert [cell.inner_text() for cell in board.locator(".rank").all()] == ["1=", "1=", "3"]
    expect(page.get_by_role("button", name="tied 1")).to_be_visible()
    assert page.get_by_text("seeds and test examples are drawn at random").is_hidden()
    page.get_by_text("What these verdicts assume").click()
    expect(page.get_by_text("seeds and test examples are drawn at random")).to_be_visible()
    says("headway compare ")


def test_what_cannot_be_compared_is_said_to_be_refused(open_page, groups) -> None:
    page = open_page(link(groups, "steady", "elsewhere"))
    says = verdicts(page)
    says("No verdict: nothing here can be compared.")
    says("their test examples, or the gold answers to these, are not the same")
    expect(page.locator(".verdicts .outcome")).to_have_text(re.compile("refused"))


def test_one_group_is_told_what_is_missing(open_page, groups) -> None:
    page = open_page(link(groups, "steady"))
    expect(page.get_by_text("A verdict takes two")).to_be_visible()
    pooled = open_page(link(groups, "steady", "level", group="seed", level="0.9"), refused=True)
    expect(pooled.get_by_role("alert")).to_contain_text("level of 0.9")
    one = open_page(f"/compare?runs={groups['steady'][0]}")
    expect(one.get_by_text("One more run to compare with")).to_be_visible()


def test_every_choice_is_in_the_link(open_page, groups) -> None:
    page = open_page(link(groups, "steady", "level", "weak"))
    says = verdicts(page)
    field = page.get_by_label("tied within")
    field.fill("0.1")
    field.press("Enter")
    expect(page).to_have_url(re.compile("margin=0.1"))
    says("are tied")
    page.get_by_role("button", name="tied 1").click()
    expect(page.locator(".verdicts li")).to_have_count(1)
    page.get_by_label("Metric", exact=True).select_option("val/accuracy")
    expect(page).to_have_url(re.compile("metric=val/accuracy"))
    page.get_by_role("button", name="seeds together").click()
    page.get_by_label("model.path").check()
    says("the validation split chose checkpoints")
    expect(page).to_have_url(re.compile("group=model.path"))
    again = open_page(page.url)
    verdicts(again)("the validation split chose checkpoints")
    expect(again.get_by_label("tied within")).to_have_value("0.1")
    expect(again.get_by_role("button", name="by path")).to_be_visible()


def test_more_runs_than_stand_side_by_side(open_page) -> None:
    page = open_page("/?f=tag = verdicts or tag = sweep")
    expect(page.get_by_text("steady 0")).to_be_visible()
    page.keyboard.press("Control+a")
    expect(page.get_by_role("toolbar", name="Selected runs")).to_contain_text("24 selected")
    page.keyboard.press("c")
    verdicts(page)("24 runs in 8 groups")
    assert page.url.partition("runs=")[2].partition("&")[0].count(",") == 23
    expect(page.get_by_text("side by side for up to 16 runs")).to_be_visible()
    expect(page.get_by_role("region", name="Config")).to_have_count(0)
    filtered = open_page("/compare?f=tag = verdicts")
    verdicts(filtered)("15 runs in 5 groups")
    expect(filtered.get_by_role("region", name="Config")).to_be_visible()


def test_a_hostile_name_is_text(open_page, groups) -> None:
    page = open_page(link(groups, EVIL, "weak"))
    verdicts(page)("is better than")
    expect(page.locator(".forest").get_by_text("<script>").first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_a_phone_and_a_keyboard_will_do(open_page, groups) -> None:
    page = open_page(link(groups, "steady", "level", "weak"), width=390, height=844, dark=True)
    says = verdicts(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".forest").get_by_role("button", name="path steady").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="seed 1", exact=True)).to_be_visible()
    says("0.8500")
    page.locator(".forest circle").nth(1).hover()
    expect(page.locator(".forest .tip")).to_contain_text(re.compile("seed|mean"))
    page.keyboard.press("]")
    page.keyboard.press("]")
    expect(page.get_by_role("region", name="Metrics")).to_be_in_viewport()


def test_the_examples_that_make_the_difference(open_page, groups) -> None:
    page = open_page(link(groups, "weak", "steady"), refused=True)
    verdicts(page)
    part = page.get_by_role("region", name="Which examples")
    part.get_by_role("button", name="Show").click()
    fixed = part.get_by_role("button", name=re.compile(r"\d+ fixed"))
    expect(fixed).to_have_text(re.compile("^20 fixed"), timeout=60_000)
    fixed.click()
    expect(page).to_have_url(re.compile("outcomes=fixed"))
    expect(part.get_by_text("more of 20 examples")).to_be_visible()
    expect(part).to_contain_text("accuracy by label")
    field = part.get_by_label("Slice")
    field.fill("length > 1 and txt = 2")
    field.press("Enter")
    expect(part.get_by_role("alert")).to_contain_text("txt")
    assert field.evaluate("field => field.value.slice(field.selectionStart)").startswith("txt")
    field.fill("late=id >= 30")
    field.press("Enter")
    expect(part.get_by_role("cell", name="late")).to_be_visible(timeout=60_000)
