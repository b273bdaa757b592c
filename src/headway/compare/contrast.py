"""From the runs of a store to the examples on which two groups of them differ. S runs of a group, N examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from headway.compare.breakdown import RESAMPLES, Breakdown, Classes, Concentration, broken_down, concentration
from headway.compare.evidence import Evidence, asked_of, gather
from headway.compare.examples import Changes, Scores, answers, changes, listed, scores
from headway.compare.expressions import Cells, Expression, chosen, read_expression
from headway.compare.formulas import SCORES, by_class
from headway.compare.groups import Group
from headway.compare.measures import Measure, measures_of
from headway.compare.paired import McNemar, mcnemar
from headway.compare.slices import Slice, candidates, described, tables
from headway.compare.study import side
from headway.compare.verdict import Question, Verdict, verdicts
from headway.errors import RunError
from headway.store import layout
from headway.store.filters import keys_of
from headway.store.index.store import Store
from headway.store.predictions import read_predictions

Floats = npt.NDArray[np.float64]
OUTPUTS = ("prediction", "confidence", "loss")  # of runs: in expressions a.prediction, b.loss, ...
BIASED = "slice {} is chosen by the runs' answers: what it shows is no evidence of a difference on other examples"


@dataclass(frozen=True, eq=False)
class Party:
    """A group as it took part. Lists go by run, oldest first. mean: of the metric. scores: [S, N], as examples.Scores;
    outputs: each run's prediction, confidence and loss of each example, where its task has them.
    """

    name: str
    ids: list[str]
    seeds: list[int | None]
    steps: list[int]
    mean: float
    scores: Floats
    outputs: list[Mapping[str, Cells]]


@dataclass(frozen=True, eq=False)
class Contrast:
    """B (second) against A (first) on the examples that count for the metric, in the order of their ids.

    kind, score: whether an example is right or wrong, or else what its score is, better if higher times `sign`.
    columns: what examples are described by, [N] each. mcnemar: of one run each that is right or wrong.
    """

    metric: str
    split: str
    question: Question
    kind: Literal["right", "graded"]
    score: str
    sign: int
    first: Party
    second: Party
    columns: Mapping[str, Cells]
    changes: Changes
    mcnemar: McNemar | None
    verdict: Verdict
    tables: list[Breakdown]
    concentration: Concentration
    notes: list[str]

    def listed(self, only: str | None = None, sort: str = "sure") -> npt.NDArray[np.int64]:
        """Numbers of examples, see examples.listed. ValueError: an unknown outcome or order."""
        lengths, ids = self.columns.get("length", ()), self.columns["id"]
        return listed(self.changes, only, sort, lengths=lengths, ids=ids, losses=self._losses())

    def _losses(self) -> Floats | None:
        parties = (self.first, self.second)
        if not all("loss" in run for party in parties for run in party.outputs):
            return None
        return np.array([np.mean([run["loss"] for run in party.outputs], axis=0) for party in parties])


def examples_study(
    store: Store,
    a: Sequence[str],
    b: Sequence[str],
    metric: str,
    filter: str = "",
    *,
    by: Sequence[str] = (),
    over: Sequence[str] = (),
    slices: Sequence[str] = (),
    tolerance: float = 0.0,
    level: float = 0.05,
    correction: Literal["holm", "bh"] = "holm",
    permutations: int = RESAMPLES,
    seed: int = 0,
) -> Contrast:
    """Which examples `b` fixes and breaks: both lists of references (ids, or names that several runs share), of which
    `filter` leaves some; without any, the filter and `by` make the two groups.

    metric, by, over: as study.study. slices: EXPRESSION or NAME=EXPRESSION, see expressions.py. tolerance: graded
    scores as near as this are the same. RunError: not two groups, or no predictions of the same examples. FilterError:
    a filter, metric or slice that is none. ValueError: as verdict.Question.
    """
    Question(metric, level=level, correction=correction)  # its faults before anything is read
    asked_for = [read_expression(text) for text in slices]
    asked = [_resolved(store, references, filter) for references in (a, b)] if a or b else None
    runs = [*asked[0], *asked[1]] if asked else []
    evidence = gather(store, metric, runs, "" if runs else filter, by=by, over=over)
    groups = _two(evidence, asked)
    question = Question(metric, evidence.higher_is_better, level, correction=correction)
    [verdict] = verdicts([side(group, evidence) for group in reversed(groups)], question)
    first, second = (_group(store, group, evidence) for group in groups)
    if len({evidence.digests[run] for run in (*first.ids, *second.ids)}) > 1:
        raise RunError(verdict.sentence)
    size = len(first.found.counted)
    notes = [*evidence.notes, *verdict.notes]
    counted = np.flatnonzero(first.found.counted & second.found.counted)
    if len(counted) < size:
        first, second = first.take(counted), second.take(counted)
        notes.append(f"{len(counted):,} of {size:,} examples count for {metric}")
    columns = described(first.read[0])
    own, biased = _own(asked_for, {**columns, **_outputs("a", first.read), **_outputs("b", second.read)}, len(counted))
    parts = tables(columns, own)
    fair = [one for some in parts for one in some if one not in biased]
    moved = changes(first.found, second.found, tolerance)
    return Contrast(
        metric,
        evidence.split,
        question,
        *(first.found.kind, first.found.what, first.found.sign),
        *(first.party(evidence), second.party(evidence)),
        columns,
        moved,
        _mcnemar(first.found, second.found),
        verdict,
        broken_down(parts, first.measures, second.measures, question, _classes(first, second)),
        concentration(
            candidates(columns, fair),
            *(first.measures, second.measures, (first.found.credit, second.found.credit)),
            permutations=permutations,
            level=level,
            seed=seed,
        ),
        list(dict.fromkeys([*notes, *(BIASED.format(one.name) for one in biased)])),
    )


# --- which runs ------------------------------------------------------------------------------------------------------


def _resolved(store: Store, references: Sequence[str], filter: str) -> list[str]:
    """The ids of runs: all of a name but its reproductions, as long as the filter lets them through."""
    found: dict[str, None] = {}
    for reference in references:
        asked, archived, runs = asked_of(store, [reference])
        terms = [asked, *([f"tag != {layout.REPRODUCTION}"] if len(runs) > 1 else []), *([filter] if filter else [])]
        found |= dict.fromkeys(store.ids(" and ".join(f"({term})" for term in terms), archived=archived))
    if not found:
        raise RunError(f"no run of {', '.join(references)[:100] or 'one of the two groups'} matches {filter}")
    return list(found)


def _two(evidence: Evidence, asked: Sequence[Sequence[str]] | None) -> list[Group]:
    """A and B, with runs that have the metric. RunError: there are not two groups, or one of more than one recipe."""
    groups = evidence.groups
    if asked is None:
        if len(groups) != 2:
            raise RunError(f"the runs make {_groups(groups)}; name A and B, or narrow with --filter to two groups")
        return groups
    if both := {*asked[0]} & {*asked[1]}:
        raise RunError(f"run {min(both)} is in both A and B; name groups without common runs")
    found = []
    for letter, wanted in zip("AB", asked, strict=True):
        mine = [group for group in groups if {*group.ids} & {*wanted}]
        if len(mine) != 1:
            what = _groups(mine) if mine else f"no run with a finite value of {evidence.metric}"
            narrow = "; narrow with --filter, give ids, or take groups together with --over" if mine else ""
            raise RunError(f"{letter} names {what}{narrow}")
        found.append(_part(mine[0], wanted))
    if found[0].name == found[1].name:  # they differ in nothing but the seed
        found = [
            replace(group, name=f"{letter} (seed {', '.join(map(str, group.seeds))})")
            for letter, group in zip("AB", found, strict=True)
        ]
    return found


def _part(group: Group, wanted: Sequence[str]) -> Group:
    """The group with those of its runs that are wanted."""
    kept = [place for place, run in enumerate(group.ids) if run in wanted]
    return replace(
        group,
        ids=[group.ids[place] for place in kept],
        seeds=[group.seeds[place] for place in kept],
        data=[group.data[place] for place in kept],
    )


def _groups(groups: Sequence[Group]) -> str:
    shown = "; ".join(group.name[:40] for group in groups[:4]) + ("; ..." if len(groups) > 4 else "")
    return f"{len(groups)} groups of runs ({shown})" if len(groups) != 1 else f"one group of runs ({shown})"


# --- what they answered ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Answered:
    """A group while it is read. ids: of the runs whose predictions are known. read: their columns."""

    group: Group
    ids: list[str]
    read: list[dict[str, Cells]]
    measures: list[Measure]
    found: Scores

    def take(self, rows: npt.NDArray[np.int64]) -> "_Answered":
        """Some of the examples only."""
        found = self.found
        values, credit, counted = found.values[:, rows], found.credit[:, rows], found.counted[rows]
        return replace(
            self,
            read=[{name: [cells[row] for row in rows.tolist()] for name, cells in one.items()} for one in self.read],
            measures=[one.take(rows) for one in self.measures],
            found=replace(found, values=values, credit=credit, counted=counted),
        )

    def party(self, evidence: Evidence) -> Party:
        seeds = dict(zip(self.group.ids, self.group.seeds, strict=True))
        return Party(
            self.group.name,
            self.ids,
            [seeds[run] for run in self.ids],
            [evidence.steps[run] for run in self.ids],
            float(np.mean([evidence.measured[run].value for run in self.ids])),
            self.found.values,
            [{name: run[name] for name in OUTPUTS if name in run} for run in self.read],
        )


def _group(store: Store, group: Group, evidence: Evidence) -> _Answered:
    """RunError: the metric cannot be computed again from the predictions of any of its runs."""
    runs = [run for run in group.ids if run in evidence.measures]
    if not runs:
        why = evidence.notes[0] if evidence.notes else "no predictions were kept"
        raise RunError(f"the examples of {group.name} are not known: {why}")
    read: list[dict[str, Cells]] = [
        read_predictions(store.run(run), evidence.split, evidence.steps[run]).sort_by("id").to_pydict() for run in runs
    ]
    measures = [evidence.measures[run] for run in runs]
    return _Answered(group, runs, read, measures, scores(read, measures))


def _own(expressions: Sequence[Expression], columns: Mapping[str, Cells], size: int) -> tuple[list[Slice], list[Slice]]:
    """The user's slices, and those of them that are chosen by what became of the examples."""
    found = [Slice("slice", one.name, f"({one.text})", chosen(one, columns, size)) for one in expressions]
    outcomes = [any(key.name.startswith(("a.", "b.")) for key in keys_of(one.tree)) for one in expressions]
    return found, [one for one, is_biased in zip(found, outcomes, strict=True) if is_biased]


def _outputs(letter: str, runs: Sequence[Mapping[str, Cells]]) -> dict[str, Cells]:
    """a.prediction, ...: of several runs the mean, or what most of them say."""
    found: dict[str, Cells] = {}
    for name in OUTPUTS:
        if all(name in run for run in runs):
            rows = list(zip(*(run[name] for run in runs), strict=True))
            is_number = isinstance(rows[0][0], float)
            found[f"{letter}.{name}"] = [sum(row) / len(row) if is_number else answers(row)[0][0] for row in rows]
    return found


def _classes(first: _Answered, second: _Answered) -> Classes | None:
    """F1 of each class or type of entity, where the metric is made of their counts."""
    measures = [first.measures, second.measures]
    one = measures[0][0]
    if "tokens" in first.read[0] and one.name in SCORES:
        every = [found["f1_macro"] for found in measures_of([*first.read, *second.read])]
        measures = [every[: len(first.ids)], every[len(first.ids) :]]
    elif not one.keys or one.stats.shape[1] != 3 * len(one.keys):
        return None
    found = {}
    for place, key in enumerate(measures[0][0].keys):
        ours, theirs = (
            [Measure("f1", by_class(run.stats)[:, place], SCORES["f1"]) for run in runs] for runs in measures
        )
        found[key] = (ours, theirs)
    return found


def _mcnemar(first: Scores, second: Scores) -> McNemar | None:
    if first.kind != "right" or len(first.values) > 1 or len(second.values) > 1:
        return None
    return mcnemar(first.values[0] == 1, second.values[0] == 1)
