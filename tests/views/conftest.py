"""A report made by hand, whose names are markup in every format."""

import pytest

from headway.compare.columns import Cell, Column, Mark
from headway.compare.footnotes import Footnote
from headway.compare.report import Report, Source
from headway.compare.resampling import Interval
from headway.compare.verdict import Question

SCRIPT, FORMULA, TEX = "<script>alert(1)</script> a|b_c", "=cmd|' /C calc'!A0", r"[*] $x$ 100% {#~^&} \textbf`` --no"


def cell(mean: float, half: float | None, mark: Mark = "", reason: str = "", seeds: int = 3) -> Cell:
    """Of several seeds the interval is even, of one it is not."""
    ends = None if half is None else Interval(mean - half, mean + half if seeds > 1 else mean + half / 2, 0.95)
    runs = [f"run{seed}-{mean}" for seed in range(seeds)]
    values = [mean + (seed - 1) * 0.001 for seed in range(seeds)] if seeds > 1 else [mean]
    return Cell(mean, ends, 0.001, max(values), min(values), 1, runs, list(range(seeds)), values, mark, reason)


def source(run: str, row: str, value: str) -> Source:
    command = "headway train 'notes=a\n```\nb' seed=0"
    return Source(run, row, value, 0, "finished", command, "0123456789abcdef", True, {"torch": "2.13.0"})


@pytest.fixture
def made() -> Report:
    """Three rows and two values of a key; the second row is missing in the second, where the third is untested."""
    first = {
        SCRIPT: cell(0.9123, 0.0123, "best"),
        FORMULA: cell(0.8, 0.02, seeds=1),
        TEX: cell(0.7, None),
    }
    second = {SCRIPT: cell(0.5, 0.004, "tied"), TEX: cell(0.25, 0.002, "untested", "<b>why</b> & 5%")}
    columns = [
        Column("test/accuracy", "a_b & <i>c</i>", True, first, [], 872, ["f" * 64], []),
        Column("test/loss", "mrpc", False, second, [], None, [], []),
    ]
    notes = [
        Footnote("bold", "Best."),
        Footnote("\u2020", "Tied."),
        Footnote("a", "<b>why</b> & 5%."),
        Footnote("", "# All."),
    ]
    sources = [source(run, row, one.value) for one in columns for row, cell in one.cells.items() for run in cell.runs]
    rows = [SCRIPT, FORMULA, TEX]
    reasons = {"<b>why</b> & 5%": "a"}
    return Report(
        Question("test/accuracy"), "project", columns, rows, reasons, notes, sources, "headway report 'a b' <x>"
    )
