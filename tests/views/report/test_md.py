"""Markdown, read by a parser of it."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from headway.compare.report import Report
from headway.views.report import md
from headway.views.report.sheet import Look


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def words(token: Token) -> str:
    """What a reader sees; HTML and other markup is named."""
    parts = [
        one.content if one.type in ("text", "text_special") else "" if one.type == "softbreak" else f"<{one.type}>"
        for one in token.children or []
    ]
    return "".join(parts)


def test_the_table_as_it_is_read(made: Report) -> None:
    tokens = parsed(md.write(made, Look()))
    kinds = [token.type for token in tokens]
    table = tokens[kinds.index("table_open") : kinds.index("table_close")]
    cells = [words(token) for token in table if token.type == "inline"]
    columns = [cells[start : start + 3] for start in range(0, len(cells), 3)]
    assert columns[0] == ["", "a_b & <i>c</i> test/accuracy ↑", "mrpc test/loss ↓"]
    assert [row[0] for row in columns[1:]] == made.rows, "names are text"
    strong = "<strong_open>0.912<strong_close> ±0.012 (n = 3)"
    sup = "<html_inline>{}<html_inline>"
    assert columns[1][1:] == [strong, f"0.5000 ±0.0040{sup.format('†')} (n = 3)"]
    assert columns[2][1:] == ["0.800 [0.780, 0.810] (n = 1)", "\u2013"]
    assert columns[3][2] == f"0.2500 ±0.0020{sup.format('a')} (n = 3)"


def test_notes_are_text_and_marked(made: Report) -> None:
    shown = [words(token) for token in parsed(md.write(made, Look())) if token.type == "inline"]
    assert "<strong_open>Bold<strong_close>: Best." in shown
    assert "<html_inline>†<html_inline> Tied." in shown
    assert "<html_inline>a<html_inline> <b>why</b> & 5%." in shown
    assert "# All." in shown


def test_commands_are_code_that_does_not_end_early(made: Report) -> None:
    fences = [token for token in parsed(md.write(made, Look())) if token.type == "fence"]
    assert len(fences) == 6
    assert fences[0].content == "headway report 'a b' <x>\n"
    assert fences[1].content.count(made.sources[0].command) == 3
    assert "# run run2-0.9123, commit 0123456 with uncommitted changes" in fences[1].content


def test_the_figure_is_linked_where_there_is_one(made: Report) -> None:
    assert "![" not in md.write(made, Look())
    assert "](a%20b/f.svg)" in md.write(made, Look(figure="a b/f.svg"))


def test_links_and_lists_are_none() -> None:
    for text in ("https://a.example", "www.a.example", "@user", "- a", "1. a", "+ a", "![a](b)", "<b>", "&lt;"):
        [token] = [one for one in parsed(f"- {md.escape(text)}") if one.type == "inline"]
        assert words(token) == text
    assert not re.search(r"https?://|www\.|@", md.escape("https://a www.b @c")), "GitHub links these by itself"
