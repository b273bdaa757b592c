"""The figure: text as text, the same bytes each time, the marks that the table has."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from headway.compare.report import Report
from headway.views.figure import FORMATS, SOFT, Format, draw

SVG = "{http://www.w3.org/2000/svg}"


def texts(data: bytes) -> dict[str, str]:
    """Of an SVG, with its style."""
    return {str(one.text): one.get("style", "") for one in ET.fromstring(data).iter(f"{SVG}text")}


@pytest.mark.parametrize(("format", "start"), [*zip(FORMATS, (b"<?xml", b"%PDF", b"\x89PNG"), strict=True)])
def test_the_same_bytes_each_time(made: Report, format: Format, start: bytes) -> None:
    data = draw(made, format)
    assert data.startswith(start)
    assert data == draw(made, format)


def test_names_are_text_and_marked_as_in_the_table(made: Report) -> None:
    short = dict(zip(made.rows, ("<b> & $a_b$", "plain", "untested"), strict=True))
    columns = [replace(one, cells={short[name]: cell for name, cell in one.cells.items()}) for one in made.columns]
    shown = texts(draw(replace(made, columns=columns[:1]), "svg"))
    assert "700" in shown["<b> & $a_b$"], "the best is bold, and its name no mathematics"
    assert "700" not in shown["plain"]
    assert "test/accuracy, higher is better" in shown
    assert "a_b & <i>c</i>" in shown
    shown = texts(draw(replace(made, columns=columns[1:]), "svg"))
    assert SOFT in shown["untested"]
    assert "test/loss, lower is better" in shown
    assert "test/accuracy in percent, higher is better" in texts(draw(replace(made, columns=columns), "svg", True))


def test_a_bracket_joins_ties(made: Report) -> None:
    column = made.columns[0]
    tied = {name: replace(cell, mark="tied") for name, cell in column.cells.items()}
    plain = {name: replace(cell, mark="") for name, cell in column.cells.items()}
    drawn = [
        draw(replace(made, columns=[replace(column, cells=cells)]), "svg").count(SOFT.encode())
        for cells in (plain, tied)
    ]
    assert drawn[1] == drawn[0] + 4, "a line, and a tick for each of three"


def test_columns_without_a_value_have_no_panel(made: Report) -> None:
    empty = replace(made.columns[0], value="nothing here", cells={})
    assert "nothing here" not in texts(draw(replace(made, columns=[empty, *made.columns]), "svg"))
    many = texts(draw(replace(made, columns=made.columns * 3), "svg"))
    assert "mrpc" in many


def test_a_name_that_the_font_does_not_have(made: Report) -> None:
    column = replace(made.columns[0], cells={"\u4e2d\u6587": made.columns[0].cells[made.rows[0]]})
    assert "\u4e2d\u6587" in texts(draw(replace(made, columns=[column]), "svg"))
    assert draw(replace(made, columns=[column]), "png")
