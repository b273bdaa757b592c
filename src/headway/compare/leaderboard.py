"""Groups in order of a metric, where those that the test does not tell apart share a rank. G groups, S seeds each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from headway.compare import resampling
from headway.compare.resampling import Interval
from headway.compare.seeds import t_test
from headway.compare.verdict import CORRECTIONS, FEW, UNEQUAL, Question, Side, Verdict, analyse, judge, verdicts

MOST_PAIRED = 10  # groups of which every pair gets a verdict of its own; of more, every one against the leader
RULE = "rank: one more than the number of groups that are shown to be better; groups of equal rank are tied"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """A line of the table. interval: of the mean over seeds, by t; of a single run with predictions over examples, by
    BCa bootstrap; else None. rank: None where no test of the group was possible.
    """

    rank: int | None
    name: str
    n: int
    mean: float
    sd: float | None
    interval: Interval | None
    best: float
    worst: float


@dataclass(frozen=True)
class Comparison:
    """places: the best first. verdicts: of all pairs, or of each against the leader where there are too many."""

    question: Question
    places: list[Place]
    verdicts: list[Verdict]
    rule: str = RULE

    @property
    def refused(self) -> str | None:
        """Why, where there is no verdict on any pair."""
        if any(one.outcome != "refused" for one in self.verdicts):
            return None
        more = f" (and {len(self.verdicts) - 1} more pairs)" if len(self.verdicts) > 1 else ""
        return self.verdicts[0].sentence + more if self.verdicts else "there is nothing to compare"


def compare(sides: Sequence[Side], question: Question) -> Comparison:
    """The table and its verdicts; of two groups the first against the second, of more the better against the worse.

    p-values are corrected over all pairs even where only those with the leader are shown: which group leads was seen in
    the same data. Of more than MOST_PAIRED groups all tests are Welch's, over seeds.
    """
    ordered = [side for side in _by_mean(sides, question.higher_is_better) if len(side.values)]
    empty = [side for side in sides if not len(side.values)] if ordered else []
    if len(ordered) > MOST_PAIRED:
        found, better = _of_many(ordered, question)
    else:
        pairs = list(combinations(range(len(ordered)), 2))
        found = verdicts(sides if len(sides) == len(ordered) == 2 else ordered, question, pairs)
        better = _shown(ordered, found)
    ranks = _ranks(better, found, ordered)
    places = [_place(side, rank, question) for side, rank in zip(ordered, ranks, strict=True)]
    refused = [judge(ordered[0], side, analyse(ordered[0], side, question), question, 1, 1, 0) for side in empty]
    return Comparison(question, places, [*found, *refused])


def leaderboard(sides: Sequence[Side], question: Question) -> list[Place]:
    """The table alone."""
    return compare(sides, question).places


def _by_mean(sides: Sequence[Side], higher_is_better: bool) -> list[Side]:
    sign = -1 if higher_is_better else 1
    return sorted(sides, key=lambda side: sign * float(np.mean(side.values)) if len(side.values) else np.inf)


def _shown(ordered: Sequence[Side], found: Sequence[Verdict]) -> npt.NDArray[np.bool_]:
    """[G, G]: whether the one of the row is shown to be better than the one of the column."""
    at = {side.name: place for place, side in enumerate(ordered)}
    better = np.zeros((len(ordered), len(ordered)), bool)
    for one in found:
        if one.outcome in ("better", "worse"):
            pair = (at[one.first], at[one.second])
            better[pair if one.outcome == "better" else pair[::-1]] = True
    return better


def _ranks(better: npt.NDArray[np.bool_], found: Sequence[Verdict], ordered: Sequence[Side]) -> list[int | None]:
    answered = {name for one in found if one.outcome != "refused" for name in (one.first, one.second)}
    return [
        int(beaten) + 1 if side.name in answered else None for side, beaten in zip(ordered, better.sum(0), strict=True)
    ]


def _place(side: Side, rank: int | None, question: Question) -> Place:
    values, level = np.asarray(side.values, np.float64), 1 - question.level
    interval, sd = None, None
    if len(values) > 1:
        sd = float(values.std(ddof=1))
        interval = t_test(float(values.mean()), [(sd**2 / len(values), len(values) - 1)], level).interval
    elif side.measures:
        interval = resampling.interval(side.measures[0], level=level)
    ends = (values.max(), values.min()) if question.higher_is_better else (values.min(), values.max())
    return Place(rank, side.name, len(values), float(values.mean()), sd, interval, float(ends[0]), float(ends[1]))


def _of_many(ordered: Sequence[Side], question: Question) -> tuple[list[Verdict], npt.NDArray[np.bool_]]:
    """Verdicts of the leader against each of the others, and who is shown to be better than whom."""
    p_values = welch_of_all(ordered)
    p_values[_of_other_data(ordered)] = np.nan
    upper = np.triu_indices(len(ordered), 1)
    tested = np.isfinite(p_values[upper])
    adjusted = np.ones(len(tested))
    adjusted[tested] = CORRECTIONS[question.correction](p_values[upper][tested])
    table = np.ones_like(p_values)
    table[upper] = adjusted
    found = []
    for place, side in enumerate(ordered[1:], 1):
        result = analyse(ordered[0], side, question, int(tested.sum()) or 1)
        same = 1.0 if isinstance(result, str) or result.same is None else min(1.0, result.same.p_value * tested.sum())
        found.append(judge(ordered[0], side, result, question, float(table[0, place]), same, int(tested.sum())))
    better = np.triu(table <= question.level, 1)
    better[0, 1:] = [one.outcome == "better" for one in found]  # not where it is tied within a margin
    return found, better


def _of_other_data(sides: Sequence[Side]) -> npt.NDArray[np.bool_]:
    """[G, G]: pairs whose data are known to differ."""
    prints = [frozenset(side.data) - {None} for side in sides]
    numbers = {one: number for number, one in enumerate(dict.fromkeys(prints))}
    codes, known = np.array([numbers[one] for one in prints]), np.array([len(one) for one in prints])
    apart: npt.NDArray[np.bool_] = (codes[:, None] != codes) & (known[:, None] > 0) & (known > 0)
    return apart | (known > 1) | (known[:, None] > 1)


def welch_of_all(sides: Sequence[Side]) -> Floats:
    """[G, G]: the p-value of each pair as verdict.analyse has it from seeds.welch, NaN where there is none."""
    sizes = np.array([len(side.values) for side in sides], np.float64)
    means = np.array([np.mean(side.values) for side in sides])
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.array([np.var(side.values, ddof=1) if np.ptp(side.values) else 0.0 for side in sides]) / sizes
        own[sizes < 2] = np.nan
        variance = own[:, None] + own
        freedom = variance**2 / (own[:, None] ** 2 / (sizes[:, None] - 1) + own**2 / (sizes - 1))
        few, many = np.minimum(sizes[:, None], sizes), np.maximum(sizes[:, None], sizes)
        freedom = np.where((few <= FEW) & (many >= UNEQUAL * few), np.minimum(freedom, few - 1), freedom)
        distance = np.abs(means[:, None] - means) / np.sqrt(variance)
        return np.where(variance > 0, 2 * stdtr(freedom, -distance), np.nan)
