"""From the runs of a store to verdicts on their differences."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headway.compare.evidence import Evidence, gather
from headway.compare.groups import Group, confounds, pooled, several
from headway.compare.leaderboard import MOST_PAIRED, Comparison, compare
from headway.compare.verdict import Question, Side
from headway.errors import RunError
from headway.store.index.store import Store


@dataclass(frozen=True)
class Study:
    """notes: what holds for all of it."""

    groups: list[Group]
    comparison: Comparison
    notes: list[str]


def study(
    store: Store,
    metric: str,
    runs: Sequence[str] = (),
    filter: str = "",
    *,
    by: Sequence[str] = (),
    over: Sequence[str] = (),
    margin: float | None = None,
    level: float = 0.05,
    correction: Literal["holm", "bh"] = "holm",
    of_recipes: bool = False,
) -> Study:
    """Compare groups of `runs` (references, or names that several runs share) or of all that match `filter`.

    metric: "test/accuracy" is each run's best value by its own mode, "last(test/accuracy)" the last. The other
    arguments: as groups.groups_of and verdict.Question. RunError: no such runs, keys or metric, fewer than two groups.
    FilterError: a filter or metric that is none. ValueError: as verdict.Question.
    """
    Question(metric, level=level, margin=margin, correction=correction)  # its faults before anything is read
    evidence = gather(store, metric, runs, filter, by=by, over=over)
    groups = evidence.groups
    if len(groups) < 2:
        seeds = ", ".join(sorted({str(seed) for group in groups for seed in group.seeds}))
        raise RunError(
            f"{len(evidence.measured)} runs make one group (seeds {seeds}); comparing takes two groups, which differ "
            "in more than the seed, or in the keys of --by"
        )
    question = Question(metric, evidence.higher_is_better, level, margin, correction, of_recipes)
    comparison = compare([side(group, evidence) for group in groups], question)
    by_name = {group.name: group for group in groups}
    told = [
        replace(one, notes=[*_between([by_name[one.first], by_name[one.second]], by), *one.notes])
        for one in comparison.verdicts
    ]
    notes = [*evidence.notes, *optimism(evidence)]
    if len(groups) > MOST_PAIRED:
        pairs = len(groups) * (len(groups) - 1) // 2
        notes.append(f"{pairs:,} pairs share the level {level:g}: more seeds, or fewer groups chosen before, show more")
    return Study(groups, replace(comparison, verdicts=told), notes)


def optimism(evidence: Evidence) -> list[str]:
    """In words, of a split that others have chosen by."""
    chose = "the validation split chose checkpoints, perhaps settings too: its values are optimistic"
    return [chose] if evidence.split == "val" else []


def side(group: Group, evidence: Evidence) -> Side:
    """What verdicts ask of a group."""
    measured, measures, statuses = evidence.measured, evidence.measures, evidence.statuses
    notes = pooled(group)
    if group.missing:
        ended = ", ".join(sorted({statuses[run] for run in group.missing}))
        notes.append(f"{len(group.missing)} more runs of {group.name} have no value ({ended}): they are left out")
    if group.repeats:
        notes.append(f"{len(group.repeats)} runs of {group.name} repeat a seed: the latest of each counts")
    if unfinished := [run for run in group.ids if statuses[run] != "finished"]:
        ended = ", ".join(sorted({statuses[run] for run in unfinished}))
        notes.append(f"{len(unfinished)} runs of {group.name} have not finished ({ended}): it is of what they came to")
    own = [measures[run] for run in group.ids if run in measures]
    return Side(
        group.name,
        [measured[run].value for run in group.ids],
        own if len(own) == len(group.ids) else [],
        group.data,
        [evidence.digests.get(run) for run in group.ids],
        notes,
    )


def _between(pair: Sequence[Group], by: Sequence[str]) -> list[str]:
    return confounds(pair, by) if by else several(pair)
