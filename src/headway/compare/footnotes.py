"""What a table of a paper says beneath itself: marks, tests, seeds, test sets, and what to bear in mind."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

from headway.compare.words import NAMES

if TYPE_CHECKING:
    from headway.compare.columns import Column
    from headway.compare.verdict import Question

TIED = "†"
TESTS = {
    "hierarchical": "a hierarchical bootstrap over seeds and test examples together, referred to Student's t",
    "Welch": "Welch's t test over seeds",
    "paired": "paired bootstrap and permutation over test examples, and speak of these single runs, not of other seeds",
}
PRINT = 12  # characters of a fingerprint


@dataclass(frozen=True)
class Footnote:
    """mark: what it explains in the table, "bold", a dagger or a letter; "" where it speaks of all."""

    mark: str
    text: str


def letters(columns: Sequence["Column"]) -> dict[str, str]:
    """The letter, a to z, then aa, of each reason why a cell is untested."""
    reasons = dict.fromkeys(cell.reason for one in columns for cell in one.cells.values() if cell.reason)
    return {reason: _letter(number) for number, reason in enumerate(reasons)}


def footnotes(
    columns: Sequence["Column"], rows: Sequence[str], question: "Question", letters: Mapping[str, str]
) -> list[Footnote]:
    """In sentences: first the marks, then what was measured and tested, then what to bear in mind."""
    marks = {cell.mark for one in columns for cell in one.cells.values()}
    found = []
    if "best" in marks:
        found.append(
            Footnote("bold", f"Shown to be better than all others of its column, at level {question.level:g}.")
        )
    if "tied" in marks:
        within = "" if question.margin is None else f", or shown to be the same within {question.margin:g}"
        text = f"The best of its column, or not shown to be worse than it at level {question.level:g}{within}."
        found.append(Footnote(TIED, text))
    found += [Footnote(mark, f"No verdict against the best: {reason}.") for reason, mark in letters.items()]
    told = [
        *_told(columns, lambda one: _means(one, question)),
        *_told(columns, lambda one: _tests(one, question)),
        _seeds(columns, rows),
        *_told(columns, _test_set),
        *_told(columns, lambda one: [_sentence(note, one) for note in one.notes]),
    ]
    return [*found, *(Footnote("", text) for text in told if text)]


def _told(columns: Sequence["Column"], say: Callable[["Column"], Iterable[str]]) -> list[str]:
    """What is said of columns, each sentence once, with the columns that it is said of where these are not all."""
    said: dict[str, list[Column]] = {}
    for one in columns:
        for sentence in say(one):
            said.setdefault(sentence, []).append(one)
    return [f"{_named(those, columns)}{sentence}" for sentence, those in said.items()]


def _named(those: Sequence["Column"], columns: Sequence["Column"]) -> str:
    """ "mrpc: " of all columns of that value, "mrpc test/f1: " of one of them, nothing of all there are."""
    if len(those) == len([one for one in columns if one.cells]) and all(one.cells for one in those):
        return ""
    values = dict.fromkeys(one.value for one in those)
    whole = [
        value for value in values if value and {one.label for one in columns if one.value == value} <= _labels(those)
    ]
    labels = [*whole, *(one.label for one in those if one.value not in whole)]
    return f"{', '.join(labels)}: "


def _labels(columns: Iterable["Column"]) -> set[str]:
    return {one.label for one in columns}


def _means(one: "Column", question: "Question") -> list[str]:
    sizes = {len(cell.runs) for cell in one.cells.values()}
    share = f"{100 * (1 - question.level):g}%"
    texts = []
    if sizes - {1}:
        texts.append(f"Means over seeds, ± half of the {share} interval of the mean over seeds (Student's t).")
    if 1 in sizes:
        single = "Each value is of a single run" if sizes == {1} else "Where n = 1 the value is of a single run"
        bounded = any(cell.interval for cell in one.cells.values() if len(cell.runs) == 1)
        which = f"its {share} interval is over test examples (BCa bootstrap)" if bounded else "it has no interval"
        texts.append(f"{single}; {which}.")
    return texts


def _tests(one: "Column", question: "Question") -> list[str]:
    tested = [verdict.finding for verdict in one.verdicts if verdict.finding is not None]
    if not tested:
        return ["Nothing was tested, so nothing is bold."] if one.cells else []
    methods = dict.fromkeys(TESTS[finding.method] for finding in tested)
    from headway.compare.leaderboard import MOST_PAIRED  # brings numpy, which who only prints footnotes can do without

    pairs = len(tested) if len(one.cells) <= MOST_PAIRED else comb(len(one.cells), 2)
    corrected = "" if pairs == 1 else f"; p-values are corrected by {NAMES[question.correction]} over {pairs:,} pairs"
    return [f"Differences are tested by {'; or by '.join(methods)}{corrected}."]


def _test_set(one: "Column") -> list[str]:
    if not one.cells:
        return []
    parts = [] if one.examples is None else [f"{one.examples:,} test examples"]
    if one.data:
        parts.append(f"data fingerprint {', '.join(data[:PRINT] for data in one.data)}")
    return [_sentence(", ".join(parts), one)] if parts else []


def _seeds(columns: Sequence["Column"], rows: Sequence[str]) -> str:
    """Of each row, or of all where they are the same everywhere."""
    of_rows = {row: _seeds_of(row, columns) for row in rows}
    if len({*of_rows.values()}) == 1 and "(" not in of_rows[rows[0]]:
        return f"Seeds of every group: {of_rows[rows[0]]}."
    return f"Seeds: {'; '.join(f'{row} {seeds}' for row, seeds in of_rows.items())}."


def _seeds_of(row: str, columns: Sequence["Column"]) -> str:
    """ "0 to 4", or "0 to 4 (sst2), 0 and 1 (mrpc)"."""
    found: dict[str, list[Column]] = {}
    for one in columns:
        if row in one.cells:
            found.setdefault(_listed(one.cells[row].seeds), []).append(one)
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{seeds} ({_named(those, columns).removesuffix(': ')})" for seeds, those in found.items())


def _listed(seeds: Sequence[int | None]) -> str:
    """ "0 to 4" where they follow each other."""
    times = Counter(seed for seed in seeds if seed is not None)
    known = sorted(times)
    if sum(times.values()) < len(seeds):
        return f"{_listed([*times.elements()])} and some not recorded" if known else "not recorded"
    text = " and ".join(filter(None, [", ".join(map(str, known[:-1])), str(known[-1])]))
    if len(known) > 2 and known == list(range(known[0], known[-1] + 1)):
        text = f"{known[0]} to {known[-1]}"
    if len({*times.values()}) > 1:
        return f"{text}, some in several runs"
    return f"{text}, {times[known[0]]} runs of each" if times[known[0]] > 1 else text


def _sentence(text: str, one: "Column") -> str:
    """A name at its beginning stays as it is."""
    named = text.startswith(tuple(f"{name} " for name in one.cells))
    return f"{text if named else text[:1].upper() + text[1:]}."


def _letter(number: int) -> str:
    """a to z, then aa, ab, ..."""
    ahead, last = divmod(number, 26)
    return (_letter(ahead - 1) if ahead else "") + chr(ord("a") + last)
