"""Markdown, as GitHub renders it."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from headway.views.report.sheet import AGAIN, Look, Shown, sheet

if TYPE_CHECKING:
    from headway.compare.report import Report

_MARKUP = re.compile(r"[\\`*_{}\[\]|~#$!]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "://": "&#58;//", "www.": "www&#46;"}
_LIST = re.compile(r"^(\d*)([-+.)])(?=\s)")


def write(report: "Report", look: Look) -> str:
    page = sheet(report, look.percent)
    heads = [f"{escape(f'{head.value} {head.metric}'.strip())} {head.arrow}" for head in page.heads]
    lines = [_row(["", *heads]), _row([":---", *(["---:"] * len(heads))])]
    lines += [_row([escape(name), *map(_cell, cells)]) for name, cells in page.rows]
    lines.append("")
    for note in page.footnotes:
        mark = {"": "", "bold": "**Bold**: "}.get(note.mark, f"<sup>{note.mark}</sup> ")
        lines.append(f"- {mark}{escape(note.text)}")
    if look.figure:
        lines += ["", f"![{escape(page.title)}]({quote(look.figure)})"]
    lines += ["", "### How each number was made", ""]
    if page.command:
        lines += ["The table:", "", *_code([page.command]), ""]
    for one in page.made:
        lines += [f"{escape(one.title)}:", "", *_code([f"{command}  # {note}" for command, note in one.commands]), ""]
    return "\n".join([*lines, *map(escape, page.versions), AGAIN]) + "\n"


def escape(text: str) -> str:
    """No character of it is markup, a link or a list."""
    for plain, entity in _ENTITIES.items():
        text = text.replace(plain, entity)
    text = re.sub(r"(?<!&)#", r"\\#", _MARKUP.sub(lambda found: found[0] if found[0] == "#" else f"\\{found[0]}", text))
    return _LIST.sub(r"\1\\\2", text)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(shown: Shown | None) -> str:
    if shown is None:
        return "\u2013"
    number = f"**{shown.number}**" if shown.bold else shown.number
    sign = f"<sup>{shown.sign}</sup>" if shown.sign else ""
    count = f"({shown.count})" if shown.count else ""
    return " ".join(filter(None, [number, shown.spread + sign if shown.spread else sign, count]))


def _code(lines: list[str]) -> list[str]:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *lines, fence]
