"""Numbers as a paper writes them."""

from dataclasses import replace

import pytest

from headway.compare.report import Report
from headway.compare.resampling import Interval
from headway.views.report.sheet import Head, decimals, scale, sheet


def test_cells_of_seeds_of_one_run_and_of_no_interval(made: Report) -> None:
    page = sheet(made)
    first = [cells[0] for _, cells in page.rows]
    assert [(one.number, one.spread, one.count, one.bold) for one in first if one] == [
        ("0.912", "±0.012", "n = 3", True),
        ("0.800", "[0.780, 0.810]", "n = 1", False),
        ("0.700", "", "n = 3", False),
    ]
    assert [cells[1] and cells[1].sign for _, cells in page.rows] == ["†", None, "a"]
    assert page.heads == [Head("a_b & <i>c</i>", "test/accuracy", "↑"), Head("mrpc", "test/loss", "↓")]
    assert page.spans == [("a_b & <i>c</i>", 1), ("mrpc", 1)]
    assert page.title == "test/accuracy and test/loss per project"


def test_counts_are_shown_only_where_they_differ(made: Report) -> None:
    alike = replace(made, columns=made.columns[1:])
    assert {one.count for _, cells in sheet(alike).rows for one in cells if one} == {""}


def test_percent_is_of_shares_of_which_higher_is_better(made: Report) -> None:
    page = sheet(made, percent=True)
    shown = page.rows[0][1]
    assert [(one.number, one.spread) for one in shown if one] == [("91.2", "±1.2"), ("0.5000", "±0.0040")]
    assert page.footnotes[-1].text == "test/accuracy is in percent."
    accuracy = made.columns[0]
    large = {name: replace(cell, values=[1.5]) for name, cell in accuracy.cells.items()}
    assert scale(replace(accuracy, cells=large), percent=True) == 1


@pytest.mark.parametrize(
    ("halves", "digits"),
    [
        ([0.0123], 3),
        ([0.4, 0.5, 0.6], 2),
        ([12.0], 0),
        ([99.6], 0),
        ([0.0996], 2),
        ([0.00996], 3),
        ([5.0, 5.0, 0.02], 2),
        ([0.0, 0.03], 3),
    ],
)
def test_two_digits_of_uncertainty(made: Report, halves: list[float], digits: int) -> None:
    """Of the middle interval; the narrowest has one at least, and one of no width has no say."""
    model = made.columns[0].cells[made.rows[0]]
    cells = {str(at): replace(model, interval=Interval(-half, half, 0.95)) for at, half in enumerate(halves)}
    assert decimals(replace(made.columns[0], cells=cells)) == digits


def test_decimals_without_an_interval(made: Report) -> None:
    model = replace(made.columns[0].cells[made.rows[0]], interval=None)
    for mean, digits in ((0.9123, 4), (91.23, 2), (12345.6, 0), (0.0, 3)):
        assert decimals(replace(made.columns[0], cells={"a": replace(model, mean=mean)})) == digits


def test_commands_are_grouped_with_their_run_and_code(made: Report) -> None:
    page = sheet(made)
    assert len(page.made) == 5
    command, note = page.made[0].commands[0]
    assert command == made.sources[0].command, "its line break is kept"
    assert note == "run run0-0.9123, commit 0123456 with uncommitted changes"
    assert page.versions == ["Versions: torch 2.13.0."]
    other = [replace(made.sources[0], versions={"torch": "2.14"}, commit=None), *made.sources[1:]]
    page = sheet(replace(made, sources=other))
    assert page.versions[0] == "Versions of run0-0.9123: torch 2.14."
    assert page.made[0].commands[0][1].endswith("commit not recorded")


def test_what_could_steer_a_terminal_is_escaped(made: Report) -> None:
    wild = replace(made, rows=["\x1b[2J"], sources=[replace(made.sources[0], command="a\x1bb\nc")])
    page = sheet(wild)
    assert page.rows[0][0] == "\\u001b[2J"
    assert page.made[0].commands[0][0] == "a\\u001bb\nc"
