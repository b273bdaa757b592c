"""How two groups of runs differ on parts of a test set, and on which the difference concentrates.

N examples, S and T runs, K slices, R permutations. A difference is the second group less the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import numpy.typing as npt

from headway.compare.expressions import Mask
from headway.compare.measures import Measure
from headway.compare.paired import paired_bootstrap, paired_permutation
from headway.compare.resampling import Interval
from headway.compare.seeds import welch
from headway.compare.slices import LEAST, Slice
from headway.compare.verdict import CORRECTIONS, Finding, Question, Side, analyse
from headway.store.filters import quoted

Floats = npt.NDArray[np.float64]
Classes = Mapping[str, tuple[Sequence[Measure], Sequence[Measure]]]
RESAMPLES = 2_000  # p-values down to 1 / 2001: enough for a level of 0.05 shared by a hundred slices
CELLS = 2_000_000  # permuted differences at once: 8 MB
SHOWN, NEAREST = 10, 3  # slices that are named, and where none stands out


@dataclass(frozen=True)
class Row:
    """A line of a table: the metric of either group in a slice of n examples (means over runs), NaN where it is not
    defined. interval, p_value: of the difference; adjusted: p corrected for all slices in all tables. None where
    examples or runs are too few.
    """

    name: str
    expression: str
    n: int
    first: float
    second: float
    difference: float
    interval: Interval | None = None
    p_value: float | None = None
    adjusted: float | None = None


@dataclass(frozen=True)
class Breakdown:
    """by: what the slices are values of. metric: of the lines, where they are classes F1 of each."""

    by: str
    metric: str
    rows: list[Row]


@dataclass(frozen=True)
class Standout:
    """A slice in which the second group differs from the first by more, or less, than elsewhere.

    statistic: standardised, positive where the second gains more in the slice. adjusted: for all that were looked at.
    over_seeds: p-value of Welch's test that other seeds would show it too, where there are several; not corrected.
    """

    name: str
    expression: str
    n: int
    first: float
    second: float
    difference: float
    elsewhere: float
    statistic: float
    adjusted: float
    over_seeds: float | None


@dataclass(frozen=True)
class Concentration:
    """found: those that stand out at the level, the clearest first; `nearest`: the clearest where none does."""

    looked_at: int
    permutations: int
    level: float
    found: list[Standout]
    nearest: list[Standout]


# --- how the groups differ on each -----------------------------------------------------------------------------------


def broken_down(
    parts: Sequence[Sequence[Slice]],
    first: Sequence[Measure],
    second: Sequence[Measure],
    question: Question,
    classes: Classes | None = None,
) -> list[Breakdown]:
    """A table for each list of slices. The test in a slice is that of the whole: over seeds and examples where there
    are several runs of each (verdict.analyse), paired over examples where there is one.

    classes: of a metric that is made of counts of classes, F1 of each by its name, for both groups; these are then the
    lines of the table of labels.
    """
    found = []
    for slices in parts:
        family, metric = slices[0].family, first[0].name
        if family == "label" and classes:
            metric = "f1"
            rows = [_row(_of_class(name, one[0]), one, other, question) for name, (one, other) in classes.items()]
        else:
            ours, theirs = ([[run.take(one.mask) for run in group] for one in slices] for group in (first, second))
            rows = [_row(*each, question) for each in zip(slices, ours, theirs, strict=True)]
        found.append(Breakdown(family, metric, rows))
    tested = {id(row): row.p_value for table in found for row in table.rows if row.p_value is not None}
    numbers = dict(zip(tested, CORRECTIONS[question.correction](list(tested.values())).tolist(), strict=True))
    return [replace(table, rows=[replace(row, adjusted=numbers.get(id(row))) for row in table.rows]) for table in found]


def _of_class(name: str, measure: Measure) -> Slice:
    """The examples that have a class, whose measure counts what is right, predicted and given."""
    return Slice("label", f"label {name}", f"label = {quoted(name)}", measure.stats[:, 2] > 0)


def _row(one: Slice, first: Sequence[Measure], second: Sequence[Measure], question: Question) -> Row:
    n = int(one.mask.sum())
    if not n:
        return Row(one.name, one.expression, n, np.nan, np.nan, np.nan)
    values = [np.array([measure.estimate for measure in group]) for group in (first, second)]
    means = [float(each.mean()) for each in values]
    row = Row(one.name, one.expression, n, means[0], means[1], means[1] - means[0])
    if n < LEAST or not isfinite(row.difference):
        return row
    if max(map(len, values)) > 1:
        sides = [Side("", each.tolist(), group) for each, group in zip(values, (first, second), strict=True)]
        test = analyse(sides[1], sides[0], question)
        return replace(row, interval=test.interval, p_value=test.p_value) if isinstance(test, Finding) else row
    if first[0].name == "spearman":  # has no sound test on resamples, as verdict.refusal says
        return row
    pairs = [(second[0], first[0])]
    [drawn], [swapped] = paired_bootstrap(pairs, RESAMPLES, 1 - question.level), paired_permutation(pairs, RESAMPLES)
    return replace(row, interval=drawn.interval, p_value=max(drawn.p_value, swapped.p_value))


# --- where the difference concentrates -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MaxT:
    """Of each slice its statistic [K] and its corrected p-value [K]; of each permutation the largest statistic [R]."""

    statistics: Floats
    adjusted: Floats
    largest: Floats

    def critical(self, level: float) -> float:
        """What a statistic must reach to be significant before any other is."""
        return float(np.quantile(self.largest, 1 - level, method="higher"))


def max_t(masks: npt.ArrayLike, differences: npt.ArrayLike, permutations: int, seed: int = 0) -> MaxT:
    """masks: [K, N], each with examples inside and outside. differences: [N].

    The statistic is the mean difference inside less that outside, over its standard deviation when differences are
    dealt out to the examples at random. p-values by the step-down maxT procedure (Westfall and Young 1993; Dudoit,
    Shaffer and Boldrick 2003, box 2), two-sided, the observed order counted as one permutation: they are corrected for
    the number of slices and for their overlap, so that the chance of one false rejection or more stays below the level.
    All permutations together are one matrix product.
    """
    chosen, values = np.asarray(masks, np.float32), np.asarray(differences, np.float64)
    size, spread = len(values), values.std(ddof=1)
    if not spread > 1e-12 * np.abs(values).max():  # all are the same
        return MaxT(np.zeros(len(chosen)), np.ones(len(chosen)), np.zeros(permutations))
    inside = chosen.sum(1, dtype=np.float64)
    scale = np.sqrt(size / (inside * (size - inside)))
    centred = ((values - values.mean()) / spread).astype(np.float32)
    observed = chosen @ centred * scale
    order = np.argsort(-np.abs(observed), kind="stable")
    ordered, scales = chosen[order], scale[order].astype(np.float32)[:, None]
    wanted = np.abs(observed[order])[:, None] - 1e-3  # in single precision equal sums may differ by some 1e-4
    draws = np.random.default_rng(seed)
    exceeded, largest = np.zeros(len(chosen)), np.empty(permutations)
    block = max(1, CELLS // size)
    for start in range(0, permutations, block):
        rows = np.tile(centred, (min(block, permutations - start), 1))
        drawn = np.abs(ordered @ draws.permuted(rows, axis=1, out=rows).T) * scales
        most = np.maximum.accumulate(drawn[::-1], axis=0)[::-1]  # of a slice and all whose statistic is smaller
        exceeded += (most >= wanted).sum(1)
        largest[start : start + len(rows)] = most[0]
    adjusted = np.empty(len(chosen))
    adjusted[order] = np.maximum.accumulate((1 + exceeded) / (1 + permutations))
    return MaxT(observed, adjusted, largest)


def concentration(
    searched: Sequence[Slice],
    first: Sequence[Measure],
    second: Sequence[Measure],
    credits: tuple[Floats, Floats],
    permutations: int = RESAMPLES,
    level: float = 0.05,
    seed: int = 0,
) -> Concentration:
    """Where the second group gains or loses more than elsewhere. credits: [S, N] and [T, N], see examples.Scores.

    It speaks of these runs on other examples; `over_seeds` says whether the runs agree. Of slices that say the same one
    is named: a conjunction if it is clearer than both its parts and stands out within those that do themselves; any
    slice if it still stands out in what the ones before it leave, by least squares, of the differences.
    """
    if not searched:
        return Concentration(0, permutations, level, [], [])
    differences = credits[1].mean(0) - credits[0].mean(0)
    test = max_t([one.mask for one in searched], differences, permutations, seed)
    critical, places = test.critical(level), {id(one): place for place, one in enumerate(searched)}
    sizes, left = np.abs(test.statistics), differences
    named: list[int] = []
    for at in np.lexsort([-sizes, test.adjusted]).tolist():
        one = searched[at]
        parents = [places[id(parent)] for parent in one.parents]
        within = [parent for parent in parents if test.adjusted[parent] <= level]
        needed = critical if test.adjusted[at] <= level else sizes[at] / 2
        if (
            all(sizes[at] > sizes[parent] for parent in parents)
            and all(_statistic(one.mask, differences, searched[parent].mask) >= critical for parent in within)
            and _statistic(one.mask, left) >= needed
        ):
            named.append(at)
            left = _residuals(differences, [searched[each].mask for each in named])
        if len(named) == SHOWN:
            break
    rows = [
        _standout(searched[at], first, second, credits, float(test.statistics[at]), float(test.adjusted[at]))
        for at in named
    ]
    found = [row for row in rows if row.adjusted <= level]
    return Concentration(len(searched), permutations, level, found, [] if found else rows[:NEAREST])


def _statistic(mask: Mask, values: Floats, among: Mask | None = None) -> float:
    """The size of the statistic of a slice, among the examples of a larger one only where that is given."""
    if among is not None:
        mask, values = mask[among], values[among]
    inside, outside = values[mask], values[~mask]
    spread = values.std(ddof=1)
    if not (len(inside) and len(outside) and spread > 0):
        return 0.0
    return float(abs(inside.mean() - outside.mean()) / (spread * np.sqrt(1 / len(inside) + 1 / len(outside))))


def _residuals(values: Floats, masks: Sequence[Mask]) -> Floats:
    """What a sum of effects of these slices does not explain: [N]."""
    design = np.column_stack([np.ones(len(values)), *masks])
    return values - design @ np.linalg.lstsq(design, values)[0]


def _standout(
    one: Slice,
    first: Sequence[Measure],
    second: Sequence[Measure],
    credits: tuple[Floats, Floats],
    statistic: float,
    adjusted: float,
) -> Standout:
    means = [
        [float(np.mean([measure.take(mask).estimate for measure in group])) for group in (first, second)]
        for mask in (one.mask, ~one.mask)
    ]
    over_seeds = None
    if min(map(len, credits)) > 1:
        sides = [group[:, one.mask].mean(1) - group[:, ~one.mask].mean(1) for group in credits]
        test = welch(sides[1], sides[0])
        over_seeds = test.p_value if isfinite(test.p_value) else None
    inside, outside = means
    return Standout(
        *(one.name, one.expression, int(one.mask.sum()), inside[0], inside[1], inside[1] - inside[0]),
        *(outside[1] - outside[0], statistic, adjusted, over_seeds),
    )
