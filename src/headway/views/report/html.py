"""HTML: one file with its style and its figure within, and no scripts."""

from html import escape
from typing import TYPE_CHECKING

from headway.views.figure import BLUE, INK, SOFT, draw
from headway.views.report.sheet import AGAIN, Look, Sheet, Shown, sheet

if TYPE_CHECKING:
    from headway.compare.report import Report

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1a1c1f; --soft: #5c6370; --line: #d5d9e0; --wash: #f4f6f9; --paper: #fff;
  --dot: #0072b2; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e8eb; --soft: #9aa3b0; --line: #3a404a; --wash: #1e2227; --paper: #14171a;
    --dot: #56b4e9; }}
}}
body {{ max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.35rem; line-height: 1.3; margin: 0 0 1.25rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; border-top: 2px solid var(--ink); border-bottom: 2px solid var(--ink);
  font-variant-numeric: tabular-nums; }}
thead tr:last-child th {{ border-bottom: 1px solid var(--ink); }}
th, td {{ padding: .35rem .9rem; text-align: right; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; padding-left: .3rem; white-space: normal;
  overflow-wrap: anywhere; }}
th {{ font-weight: 600; }}
tbody th {{ font-weight: 400; min-width: 8rem; }}
th.over {{ text-align: center; border-bottom: 1px solid var(--line); }}
.spread, .count, .arrow {{ color: var(--soft); font-size: .86em; }}
sup {{ display: inline-block; width: .6em; text-align: left; line-height: 0; }}
.notes {{ color: var(--soft); font-size: .86rem; padding: 0; list-style: none; max-width: 46rem; }}
.notes li {{ margin: .25rem 0; overflow-wrap: anywhere; }}
figure {{ margin: 2rem 0; }}
figure svg {{ max-width: 100%; height: auto; }}
figcaption {{ color: var(--soft); font-size: .86rem; max-width: 46rem; }}
summary {{ cursor: pointer; font-weight: 600; }}
h2 {{ font-size: .95rem; margin: 1.25rem 0 .3rem; }}
pre {{ background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; margin: 0;
  font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }}
pre i {{ color: var(--soft); }}
</style>
</head>
<body>
<h1>{title}</h1>
<div class="wide"><table>
<thead>
{heads}
</thead>
<tbody>
{rows}
</tbody>
</table></div>
<ul class="notes">
{notes}
</ul>
<figure>
{figure}
<figcaption>{caption}</figcaption>
</figure>
<details>
<summary>How each number was made</summary>
{made}
</details>
</body>
</html>
"""
CAPTION = (
    "Dots are runs, the tick is their mean, the line its interval; the band is the interval of the best. "
    "A bracket joins those that are not shown to be worse than the best; what is grey is untested."
)


def write(report: "Report", look: Look) -> str:
    page = sheet(report, look.percent)
    svg = draw(report, "svg", look.percent).decode()
    return _PAGE.format(
        title=escape(page.title),
        heads=_heads(page),
        rows="\n".join(
            f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_cell, cells))}</tr>' for name, cells in page.rows
        ),
        notes="\n".join(f"<li>{_mark(note.mark)}{escape(note.text)}</li>" for note in page.footnotes),
        figure=_themed(svg[svg.index("<svg") :]),
        caption=CAPTION,
        made=_made(page),
    )


def _themed(svg: str) -> str:
    """With the page's colours, which change in the dark."""
    for color, name in ((INK, "ink"), (SOFT, "soft"), (BLUE, "dot")):
        svg = svg.replace(color, f"var(--{name})")
    return svg


def _heads(page: Sheet) -> str:
    metrics = "".join(
        f'<th scope="col">{escape(head.metric)} <span class="arrow">{head.arrow}</span></th>' for head in page.heads
    )
    lines = [f"<tr><td></td>{metrics}</tr>"]
    if page.spans:
        over = "".join(f'<th class="over" colspan="{count}">{escape(value)}</th>' for value, count in page.spans)
        lines.insert(0, f"<tr><td></td>{over}</tr>")
    return "\n".join(lines)


def _cell(shown: Shown | None) -> str:
    if shown is None:
        return "<td>&ndash;<sup></sup></td>"
    number = f"<b>{shown.number}</b>" if shown.bold else shown.number
    parts = [number, *(f' <span class="{name}">{text}</span>' for name, text in _small(shown) if text)]
    return f"<td>{''.join(parts)}<sup>{shown.sign}</sup></td>"


def _small(shown: Shown) -> list[tuple[str, str]]:
    return [("spread", shown.spread), ("count", f"({shown.count})" if shown.count else "")]


def _mark(mark: str) -> str:
    return {"": "", "bold": "<b>Bold</b>: "}.get(mark, f"<sup>{mark}</sup> ")


def _made(page: Sheet) -> str:
    parts = [f"<h2>The table</h2>\n<pre>{escape(page.command)}</pre>"] if page.command else []
    for one in page.made:
        lines = "\n".join(f"{escape(command)}  <i># {escape(note)}</i>" for command, note in one.commands)
        parts.append(f"<h2>{escape(one.title)}</h2>\n<pre>{lines}</pre>")
    notes = "".join(f"<li>{escape(line)}</li>" for line in [*page.versions, AGAIN.replace("`", "")])
    return "\n".join([*parts, f'<ul class="notes">{notes}</ul>'])
