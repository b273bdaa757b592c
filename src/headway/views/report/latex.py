"""LaTeX: a `table` that needs the package booktabs, with how its numbers were made in comments above it."""

from itertools import accumulate
from typing import TYPE_CHECKING

from headway.views.report.sheet import Look, Sheet, Shown, sheet

if TYPE_CHECKING:
    from headway.compare.report import Report

_ESCAPES = {
    **{char: f"\\{char}" for char in "#$%&_{}"},
    **{char: f"{{{char}}}" for char in "[]*"},  # after \\ an option or a star
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "\u00d7": r"$\times$",
    "†": r"\dag{}",
    "…": r"\dots{}",
    "\u2013": r"\textendash{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def write(report: "Report", look: Look) -> str:
    page = sheet(report, look.percent)
    lines = [*_comments(page), r"\begin{table}", r"\centering", rf"\caption{{{escape(page.title)}.}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(page.heads)}}}", r"\toprule", *_heads(page), r"\midrule"]
    lines += [" & ".join([escape(name), *map(_cell, cells)]) + r" \\" for name, cells in page.rows]
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip", r"\begin{minipage}{\linewidth}", r"\footnotesize"]
    for note in page.footnotes:
        mark = {"": "", "bold": r"\textbf{Bold}: "}.get(note.mark, rf"\textsuperscript{{{escape(note.mark)}}} ")
        lines.append(mark + escape(note.text))
    return "\n".join([*lines, r"\end{minipage}", r"\end{table}"]) + "\n"


def escape(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text).replace("--", "-{-}")  # else a dash


def _heads(page: Sheet) -> list[str]:
    """With `per`, its values over the metrics of each."""
    metrics = " & ".join(["", *(f"{escape(head.metric)} {escape(head.arrow)}" for head in page.heads)]) + r" \\"
    if not page.spans:
        return [metrics]
    starts = accumulate((count for _, count in page.spans), initial=2)  # the first column is of names
    over = " & ".join(["", *(rf"\multicolumn{{{count}}}{{c}}{{{escape(value)}}}" for value, count in page.spans)])
    lines = zip(starts, page.spans, strict=False)
    rules = " ".join(rf"\cmidrule(lr){{{start}-{start + count - 1}}}" for start, (_, count) in lines)
    return [over + r" \\", rules, metrics]


def _cell(shown: Shown | None) -> str:
    if shown is None:
        return "--"
    number = shown.number.replace("-", "$-$")
    spread = shown.spread.replace("-", "$-$").replace("±", r"$\pm$")
    parts = [rf"\textbf{{{number}}}" if shown.bold else number, spread, f"({shown.count})" if shown.count else ""]
    sign = rf"\textsuperscript{{{escape(shown.sign)}}}" if shown.sign else ""
    return "~".join(filter(None, parts)) + sign


def _comments(page: Sheet) -> list[str]:
    lines = [r"\usepackage{booktabs} is needed. How each number was made:"]
    lines += page.command.split("\n") if page.command else []
    for one in page.made:
        lines += [f"{one.title}:", *(line for made, note in one.commands for line in f"{made}  # {note}".split("\n"))]
    return [f"% {line}" for line in [*lines, *page.versions]]
