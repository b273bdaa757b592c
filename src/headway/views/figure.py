"""The figure of a report: a panel for each column, in it a line for each group, the best on top.

Of one report the bytes are always the same. Names are text, in the drawing too: never markup or mathematics.
"""

import io
import warnings
from typing import TYPE_CHECKING, Any, Literal

from headway.formats import safe
from headway.views.report.sheet import scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from headway.compare.columns import Cell, Column
    from headway.compare.report import Report

Format = Literal["svg", "pdf", "png"]
FORMATS: tuple[Format, ...] = ("svg", "pdf", "png")
INK, SOFT, BLUE = "#1b1b1b", "#7a7f87", "#0072b2"  # the last of Okabe and Ito's palette: told apart by all, and in grey
COLUMN, LINE, FRAME = 3.35, 0.27, 0.68  # inches: a column of a paper; a group; a panel's title and axis
DOTS = 0.32  # lines beneath the mean
STACKED = 3  # panels, in one column; more take two
MOST_NAME = 28  # characters
_STYLE: Any = {  # matplotlib's type of its keys is not in all versions
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that every machine measures texts alike
    "font.size": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "svg.fonttype": "none",  # text, not outlines
    "svg.hashsalt": "headway",
    "pdf.fonttype": 42,
}


def draw(report: "Report", format: Format, percent: bool = False) -> bytes:
    """A file of that format. Columns without a value have no panel."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = [column for column in report.columns if column.cells]
    wide = 1 if len(columns) <= STACKED else 2
    heights = [
        FRAME + LINE * max(len(column.cells) for column in columns[start : start + wide])
        for start in range(0, len(columns), wide)
    ]
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # of a name, that the font does not have
        figure = Figure(figsize=(COLUMN * wide, sum(heights)), layout="constrained")
        panels = figure.subplots(len(heights), wide, squeeze=False, gridspec_kw={"height_ratios": heights}).flat
        for column, axes in zip(columns, panels, strict=False):
            _panel(axes, column, scale(column, percent))
        for axes in list(panels)[len(columns) :]:
            axes.remove()
        file = io.BytesIO()
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
        figure.savefig(file, format=format, metadata=dates[format], dpi=300, transparent=format != "png")
    return file.getvalue()


def _panel(axes: "Axes", column: "Column", by: float) -> None:
    """Groups from top to bottom; the unit of y is a line."""
    cells = list(column.cells.items())
    first = cells[0][1]
    if first.interval is not None and first.mark != "untested":
        axes.axvspan(by * first.interval.low, by * first.interval.high, color=BLUE, alpha=0.1, linewidth=0)
    for line, (_, cell) in enumerate(cells):
        _line(axes, line, cell, by)
    for spine in ("top", "right", "left"):
        axes.spines[spine].set_visible(False)
    axes.set_yticks(range(len(cells)), [safe(name, MOST_NAME) for name, _ in cells], parse_math=False)
    for text, (_, cell) in zip(axes.get_yticklabels(), cells, strict=True):
        text.set(color=_color(cell), fontweight="bold" if cell.mark == "best" else "normal")
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.04)
    direction = "higher" if column.higher_is_better else "lower"
    unit = " in percent" if by != 1 else ""
    axes.set_xlabel(f"{safe(column.metric, MOST_NAME)}{unit}, {direction} is better", parse_math=False)
    if column.value:
        axes.set_title(safe(column.value, MOST_NAME), loc="left", fontsize=8, fontweight="bold", parse_math=False)
    _bracket(axes, [line for line, (_, cell) in enumerate(cells) if cell.mark == "tied"])


def _line(axes: "Axes", line: int, cell: "Cell", by: float) -> None:
    """The interval with caps, the mean as a tick upon it, and the runs as dots beneath."""
    color = _color(cell)
    if cell.interval is not None:
        ends = [by * cell.interval.low, by * cell.interval.high]
        axes.plot(ends, [line, line], color=color, linewidth=1, marker="|", markersize=4, markeredgewidth=0.8)
    axes.plot(by * cell.mean, line, color=color, marker="|", markersize=7.5, markeredgewidth=1.8)
    values, below = [by * value for value in cell.values], [line + DOTS] * len(cell.values)
    axes.plot(values, below, color=BLUE, linestyle="none", marker="o", markersize=3.2, markeredgewidth=0, alpha=0.65)


def _color(cell: "Cell") -> str:
    return SOFT if cell.mark == "untested" else INK


def _bracket(axes: "Axes", lines: list[int]) -> None:
    """At the right, from the first tied group to the last, with a tick at each."""
    if len(lines) < 2:
        return
    style: Any = {"transform": axes.get_yaxis_transform(), "color": SOFT, "linewidth": 0.8, "clip_on": False}
    axes.plot([1.03, 1.03], [lines[0], lines[-1]], **style)
    for line in lines:
        axes.plot([1.01, 1.03], [line, line], **style)
