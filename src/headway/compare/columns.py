"""A column of a paper's table: groups of runs on one metric, and which of them is the best as the tests say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Literal

from headway.compare.evidence import Evidence
from headway.compare.groups import confounds, several
from headway.compare.leaderboard import MOST_PAIRED, Comparison, Place, compare
from headway.compare.resampling import Interval
from headway.compare.study import optimism, side
from headway.compare.verdict import Question, Verdict

Mark = Literal["", "best", "tied", "untested"]


@dataclass(frozen=True)
class Cell:
    """A group in a column; runs, seeds and values go together. interval, rank: as leaderboard.Place.

    mark: "best", shown to be better than every other group of the column; "tied", not shown to be worse than the best,
    and not alone in that; "untested", without a verdict against the best, for the `reason`.
    """

    mean: float
    interval: Interval | None
    sd: float | None
    best: float
    worst: float
    rank: int | None
    runs: list[str]
    seeds: list[int | None]
    values: list[float]
    mark: Mark
    reason: str


@dataclass(frozen=True)
class Column:
    """cells: by the name of the row, best first; none where nothing has the metric. value: of the key that columns are
    split by. examples: how many, where predictions were compared. data: fingerprints. notes: what to bear in mind.
    """

    metric: str
    value: str
    higher_is_better: bool
    cells: dict[str, Cell]
    verdicts: list[Verdict]
    examples: int | None
    data: list[str]
    notes: list[str]

    @property
    def label(self) -> str:
        return f"{self.value} {self.metric}".strip()


def column(
    evidence: Evidence, value: str, question: Question, rows: Mapping[str, str], by: Sequence[str] = ()
) -> Column:
    """rows: a run's id to the name of its row; where it has none, the group's own name is that of the row."""
    groups = [
        replace(group, name=next((rows[run] for run in (*group.ids, *group.missing) if run in rows), group.name))
        for group in evidence.groups
    ]
    question = replace(question, metric=evidence.metric, higher_is_better=evidence.higher_is_better)
    sides = [side(group, evidence) for group in groups]
    comparison = compare(sides, question)
    marks = _marks(comparison)
    by_name = {group.name: group for group in groups}
    cells = {}
    for place in comparison.places:
        group = by_name[place.name]
        values = [evidence.measured[run].value for run in group.ids]
        cells[place.name] = _cell(place, group.ids, group.seeds, values, *marks[place.name])
    present = [by_name[name] for name in cells]
    notes = [*evidence.notes, *(confounds(present, by) if by else several(present))]
    notes += [note for one in sides for note in one.notes]
    notes += optimism(evidence)
    notes += [f"every seed of {name} gave the same value, so that it has no interval" for name in _even(cells)]
    if len(cells) > MOST_PAIRED:
        pairs = comb(len(cells), 2)
        notes.append(f"{pairs:,} pairs share the level {question.level:g}: more seeds, or fewer groups, show more")
    if len(cells) == 1:
        notes.append("there is one group, and nothing to compare it with")
    sizes = {len(evidence.measures[run].stats) for group in present for run in group.ids if run in evidence.measures}
    return Column(
        evidence.metric,
        value,
        evidence.higher_is_better,
        cells,
        comparison.verdicts,
        sizes.pop() if len(sizes) == 1 else None,
        sorted({str(one) for group in present for one in group.data if one is not None}),
        list(dict.fromkeys(notes)),
    )


def _cell(place: Place, runs: list[str], seeds: list[int | None], values: list[float], mark: Mark, reason: str) -> Cell:
    interval = None if place.sd == 0 else place.interval  # else one of no width, as if nothing could differ
    return Cell(
        *(place.mean, interval, place.sd, place.best, place.worst, place.rank),
        *(runs, seeds, values, mark, reason),
    )


def _even(cells: Mapping[str, Cell]) -> list[str]:
    return [name for name, cell in cells.items() if cell.sd == 0]


def _marks(comparison: Comparison) -> dict[str, tuple[Mark, str]]:
    """Each group's, against the best of those that could be tested; with the reason where there is no verdict."""
    names = [place.name for place in comparison.places]
    marks: dict[str, tuple[Mark, str]] = dict.fromkeys(names, ("", ""))
    leader = next((place.name for place in comparison.places if place.rank is not None), names[0])
    level = [leader]
    for one in comparison.verdicts:
        other = {one.first: one.second, one.second: one.first}.get(leader)
        if other not in marks:
            continue
        if one.outcome == "refused":
            marks[other] = ("untested", one.sentence.removeprefix(f"No verdict on {one.first} and {one.second}: "))
        elif one.outcome != ("better" if one.first == leader else "worse"):
            level.append(other)
    untested = any(mark == "untested" for mark, _ in marks.values())
    if len(level) > 1:
        marks |= dict.fromkeys(level, ("tied", ""))
    elif len(names) > 1 and not untested:
        marks[leader] = ("best", "")
    return marks
