"""What all formats show of a report, as text that is not escaped yet: heads, cells, notes, and commands."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor, isfinite, log10
from statistics import median
from typing import TYPE_CHECKING

from headway.compare.footnotes import TIED, Footnote
from headway.formats import safe

if TYPE_CHECKING:
    from headway.compare.columns import Cell, Column
    from headway.compare.report import Report, Source

UNKNOWN = 4  # significant digits where no interval says how many there are
MOST_DECIMALS = 8
COMMIT = 7  # characters
AGAIN = "`headway reproduce RUN` runs one of them again, and compares what comes of it."


@dataclass(frozen=True)
class Look:
    """percent: shares times 100. figure: a file of it to link to, relative to the report."""

    percent: bool = False
    figure: str = ""


@dataclass(frozen=True)
class Shown:
    """A cell: "92.3", "±0.4" or "[91.8, 92.9]" or "", "n = 3" where cells differ in that, "†" or a letter or ""."""

    number: str
    spread: str
    count: str
    sign: str
    bold: bool


@dataclass(frozen=True)
class Head:
    """arrow: up where higher is better."""

    value: str
    metric: str
    arrow: str


@dataclass(frozen=True)
class Made:
    """A group of a part, and the command of each of its runs, with the run's id and its code as a comment."""

    title: str
    commands: list[tuple[str, str]]


@dataclass(frozen=True)
class Sheet:
    """rows: name and cells, None where a group has no value. All texts are safe to print, none is escaped."""

    title: str
    heads: list[Head]
    rows: list[tuple[str, list[Shown | None]]]
    footnotes: list[Footnote]
    command: str
    made: list[Made]
    versions: list[str]

    @property
    def spans(self) -> list[tuple[str, int]]:
        """Values of the key that columns are split by, and how many columns each has; empty without such a key."""
        spans = [(value, len(list(heads))) for value, heads in groupby(self.heads, lambda head: head.value)]
        return spans if any(value for value, _ in spans) else []


def sheet(report: "Report", percent: bool = False) -> Sheet:
    counts = {len(cell.runs) for column in report.columns for cell in column.cells.values()}
    shown = [_shown(report, column, percent, len(counts) > 1) for column in report.columns]
    footnotes = [Footnote(one.mark, safe(one.text)) for one in report.footnotes]
    scaled = list(dict.fromkeys(column.metric for column in report.columns if scale(column, percent) != 1))
    if scaled:
        verb, but = "is" if len(scaled) == 1 else "are", "" if report.question.margin is None else ", the margin is not"
        footnotes.append(Footnote("", f"{safe(_listed(scaled))} {verb} in percent{but}."))
    metrics = _listed(list(dict.fromkeys(column.metric for column in report.columns)))
    return Sheet(
        safe(f"{metrics} per {report.per}" if report.per else metrics),
        [Head(safe(one.value), safe(one.metric), "↑" if one.higher_is_better else "↓") for one in report.columns],
        [(safe(row), [cells.get(row) for cells in shown]) for row in report.rows],
        footnotes,
        printable(report.command),
        _made(report.sources),
        _versions(report.sources),
    )


def scale(column: "Column", percent: bool) -> float:
    """100 for shares and correlations, of which higher is better, if percent are wanted; else 1."""
    values = [value for cell in column.cells.values() for value in cell.values]
    share = column.higher_is_better and values and all(-1 <= value <= 1 for value in values)
    return 100.0 if percent and share else 1.0


def decimals(column: "Column", by: float = 1.0) -> int:
    """That give two digits to half the middle one of the intervals, and one to the narrowest, after scaling."""
    intervals = [cell.interval for cell in column.cells.values() if cell.interval]
    halves = [by * (one.high - one.low) / 2 for one in intervals if isfinite(one.high - one.low) and one.high > one.low]
    if halves:
        wanted = max(1 - _exponent(median(halves)), -_exponent(min(halves)))
    else:
        means = [abs(by * cell.mean) for cell in column.cells.values() if cell.mean]
        wanted = UNKNOWN - 1 - _exponent(max(means, default=1.0))
    return min(max(wanted, 0), MOST_DECIMALS)


def sign_of(report: "Report", cell: "Cell") -> str:
    return TIED if cell.mark == "tied" else report.letters.get(cell.reason, "")


def code(source: "Source") -> str:
    if source.commit is None:
        return "commit not recorded"
    return f"commit {safe(source.commit[:COMMIT])}{' with uncommitted changes' if source.dirty else ''}"


def printable(command: str) -> str:
    """Its lines stay lines: an argument may hold several."""
    return "\n".join(safe(line) for line in command.split("\n"))


def _shown(report: "Report", column: "Column", percent: bool, counted: bool) -> dict[str, Shown]:
    by = scale(column, percent)
    digits = decimals(column, by)
    found = {}
    for row, cell in column.cells.items():
        spread = ""
        if cell.interval is not None:
            low, high = by * cell.interval.low, by * cell.interval.high
            even = len(cell.runs) > 1  # by t
            spread = f"±{(high - low) / 2:.{digits}f}" if even else f"[{low:.{digits}f}, {high:.{digits}f}]"
        count = f"n = {len(cell.runs)}" if counted else ""
        found[row] = Shown(f"{by * cell.mean:.{digits}f}", spread, count, sign_of(report, cell), cell.mark == "best")
    return found


def _made(sources: "Sequence[Source]") -> list[Made]:
    """In the order of the sources, those of one row and part together."""
    parts: dict[str, list[tuple[str, str]]] = {}
    for one in sources:
        title = f"{one.row}, {one.value}" if one.value else one.row
        parts.setdefault(safe(title), []).append((printable(one.command), f"run {safe(one.run)}, {code(one)}"))
    return [Made(title, commands) for title, commands in parts.items()]


def _versions(sources: "Sequence[Source]") -> list[str]:
    """One line where all runs agree, else one for each set of versions, with its runs."""
    sets: dict[str, list[str]] = {}
    for one in sources:
        listed = ", ".join(f"{name} {version}" for name, version in one.versions.items()) or "not recorded"
        sets.setdefault(safe(listed), []).append(safe(one.run))
    if len(sets) == 1:
        return [f"Versions: {listed}." for listed in sets]
    return [f"Versions of {', '.join(runs)}: {listed}." for listed, runs in sets.items()]


def _exponent(number: float) -> int:
    """Of ten: 0.036 -> -2. 0.0996 has that of 0.10, as two digits round to it."""
    return floor(log10(float(f"{number:.1e}")))


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
