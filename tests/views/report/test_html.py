"""HTML: one file, without scripts, in which names are text."""

from html.parser import HTMLParser

from headway.compare.report import Report
from headway.views.report import html
from headway.views.report.sheet import Look


class Page(HTMLParser):
    """Tags, and the text of each cell, note and code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: dict[str, list[str]] = {"th": [], "td": [], "li": [], "pre": [], "text": []}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [f"{name}={value}" for name, value in attrs if name in ("href", "src") or name.startswith("on")]
        if tag in self.texts:
            self.open.append(tag)
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.texts:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.texts[tag][-1] += data


def test_names_are_text_and_nothing_runs(made: Report) -> None:
    page = Page(html.write(made, Look()))
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    assert page.links == []
    assert page.texts["th"][0] == "a_b & <i>c</i>"
    assert [text for text in page.texts["th"] if text in made.rows] == made.rows
    assert page.texts["td"][2:4] == ["0.912 ±0.012 (n = 3)", "0.5000 ±0.0040 (n = 3)†"]
    assert "a <b>why</b> & 5%." in page.texts["li"]
    assert page.texts["pre"][0] == "headway report 'a b' <x>"
    assert page.texts["pre"][1].count(made.sources[0].command) == 3


def test_the_figure_is_within_and_follows_the_theme(made: Report) -> None:
    text = html.write(made, Look())
    assert text.count("<svg") == 1
    assert "<?xml" not in text
    assert "var(--ink)" in text[text.index("<svg") :]
    assert "prefers-color-scheme: dark" in text
    assert "default-src 'none'" in text
