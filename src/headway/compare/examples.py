"""What became of each example between two groups of runs: fixed, broken, better, worse. S and T runs, N examples.

An example is right or wrong where the metric counts whole answers, and has a score of its own otherwise. Beside that it
has a credit, how much it adds to the metric of its run, also where that is no mean over examples (BLEU, entity F1, a
correlation): the empirical influence function N (estimate - estimate without it), as the jackknife gives it (Efron and
Tibshirani 1993, sections 11.5 and 21.3).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headway.compare import formulas
from headway.compare.measures import Measure
from headway.compare.resampling import jackknife

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Kind = Literal["right", "graded"]
OUTCOMES: dict[Kind, tuple[str, ...]] = {
    "right": ("fixed", "broken", "both_wrong", "both_right", "split"),
    "graded": ("improved", "worsened", "same"),
}
DIFFER = ("fixed", "broken", "improved", "worsened")
SORTS = ("sure", "difference", "length", "id")
ROUNDING = 1e-9  # scores nearer to each other are equal


@dataclass(frozen=True, eq=False)
class Scores:
    """Of the runs of one group. values: [S, N], better when higher times `sign`. credit: [S, N], better when higher.

    what: the score in words. counted: [N], false for examples that play no part in the metric.
    """

    kind: Kind
    what: str
    sign: int
    values: Floats
    credit: Floats
    counted: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Changes:
    """[N] each. outcome: numbers of OUTCOMES[kind]. difference: the second group's mean score less the first's. sure:
    Cliff's delta (1993) over all pairs of a run of either group: 1 where each of the second does better than each of
    the first, -1 where each does worse.
    """

    kind: Kind
    outcome: Numbers
    difference: Floats
    sure: Floats

    @property
    def counts(self) -> dict[str, int]:
        names = OUTCOMES[self.kind]
        return dict(zip(names, np.bincount(self.outcome, minlength=len(names)).tolist(), strict=True))


def scores(runs: Sequence[Mapping[str, Any]], measures: Sequence[Measure]) -> Scores:
    """runs: the columns of each run's predictions, as lists; measures: the metric of each, of the same examples."""
    name, first = measures[0].name, runs[0]
    sign = 1 if measures[0].higher_is_better else -1
    credit = np.stack([sign * influence(measure) for measure in measures])
    counted = np.ones(len(measures[0].stats), bool)
    if measures[0].value in (formulas.ratio, formulas.exp_ratio):
        counted = np.all([measure.stats[:, 1] > 0 for measure in measures], axis=0)
    kind: Kind = "graded"
    if _is_of_answers(name, first):
        kind, what, sign = "right", "right", 1
        values = [_right(run, measure) for run, measure in zip(runs, measures, strict=True)]
    elif name in ("pearson", "spearman"):
        what, sign = "absolute error", -1
        values = [np.abs(np.subtract(run["prediction"], run["gold"])) for run in runs]
    elif name in ("bleu", "chrf"):
        what = "chrF of the example"
        values = [chrf(run) for run in runs]
    else:
        what = f"{name} of the example"
        values = [measure.value(measure.stats) for measure in measures]
    return Scores(kind, what, sign, np.array(values, np.float64), credit, counted)


def influence(measure: Measure) -> Floats:
    """[N]: what each example adds to the metric; of a plain mean its own value."""
    if _is_mean(measure):
        return measure.stats[:, 0]
    with np.errstate(all="ignore"):
        return np.nan_to_num(len(measure.stats) * (measure.estimate - jackknife(measure)), posinf=0.0, neginf=0.0)


def chrf(run: Mapping[str, Any]) -> Floats:
    """[N]: sacreBLEU's chrF2 (Popović 2015) of each generated text."""
    from sacrebleu.metrics.chrf import CHRF

    scorer = CHRF()
    golds = [[gold] if isinstance(gold, str) else list(gold) for gold in run["gold"]]
    texts = zip(run["prediction"], golds, strict=True)
    return np.array([scorer.sentence_score(text, gold).score for text, gold in texts])


def changes(first: Scores, second: Scores, tolerance: float = 0.0) -> Changes:
    """From the first group to the second.

    A group has an example right if more than half of its runs have, wrong if less; where half of an even number of runs
    have it, the example is "split", so that two runs are not held to more than three. Graded scores are the same where
    their means differ by no more than `tolerance`.
    """
    ours, theirs = first.values, second.values
    margin = max(tolerance, ROUNDING)
    difference = theirs.mean(0) - ours.mean(0)
    sure = np.mean([np.sign(_rounded(first.sign * (one - ours))).mean(0) for one in theirs], axis=0)
    if first.kind == "right":
        before, after = (np.sign(2 * each.sum(0) - len(each)) for each in (ours, theirs))
        cases = [(before < 0) & (after > 0), (before > 0) & (after < 0), (before < 0) & (after < 0)]
        outcome = np.select([*cases, (before > 0) & (after > 0)], [0, 1, 2, 3], 4)
    else:
        gain = first.sign * difference
        outcome = np.select([gain > margin, gain < -margin], [0, 1], 2)
    return Changes(first.kind, outcome, difference, sure)


def listed(
    found: Changes,
    only: str | None = None,
    sort: str = "sure",
    *,
    lengths: Sequence[float] = (),
    ids: Sequence[str] = (),
    losses: Floats | None = None,
) -> Numbers:
    """Numbers of the examples of one outcome, of "differ", or all (None).

    sort: "sure" first those that changed in all pairs of runs, then by the size of the difference and, where losses
    [2, N] (the groups' means) are given, by how far these moved; what both have wrong by how high these are.
    ValueError: an outcome that this kind of score has not, or an unknown order.
    """
    names = OUTCOMES[found.kind]
    wanted = [
        place for place, name in enumerate(names) if only in (None, name) or (only == "differ" and name in DIFFER)
    ]
    if not wanted:
        raise ValueError(f"no outcome {str(only)[:60]} of this metric; there are {', '.join(names)}, differ")
    if sort not in SORTS:
        raise ValueError(f"sort {sort[:60]}: there are {', '.join(SORTS)}")
    rows = np.flatnonzero(np.isin(found.outcome, wanted))
    moved = np.zeros(len(found.sure)) if losses is None else np.abs(losses[1] - losses[0])
    if losses is not None and only == "both_wrong":
        moved = losses.sum(0)
    keys: dict[str, list[Any]] = {
        "sure": [-np.abs(found.sure), -np.abs(found.difference), -moved],
        "difference": [-np.abs(found.difference), -moved],
        "length": [np.asarray(lengths, np.float64)] if len(lengths) else [],
        "id": [],
    }
    order = [*keys[sort], np.asarray(ids) if len(ids) else np.arange(len(found.sure))]
    return np.asarray(rows[np.lexsort([key[rows] for key in reversed(order)])], np.int64)


def answers(cells: Sequence[Any]) -> list[tuple[Any, int]]:
    """What the runs of a group say of one example and how many say it, the most frequent first."""
    counted = Counter(tuple(cell) if isinstance(cell, list) else cell for cell in cells)
    return [(list(cell) if isinstance(cell, tuple) else cell, count) for cell, count in counted.most_common()]


def _is_of_answers(name: str, run: Mapping[str, Any]) -> bool:
    """Whether an example is right or wrong by this metric, be it counted in F1 or in accuracy."""
    if "question" in run:
        return "exact" in name
    if "masked" in run or name == "loss" or not {"gold", "prediction"} <= run.keys():
        return False
    return not isinstance(run["prediction"][0], float) and (
        not isinstance(run["prediction"][0], str) or "confidence" in run
    )


def _right(run: Mapping[str, Any], measure: Measure) -> Floats:
    if "question" in run:
        return (measure.stats[:, 0] > 0).astype(np.float64)
    ordered = "tokens" in run or isinstance(run["prediction"][0], str)
    pairs = zip(run["gold"], run["prediction"], strict=True)
    return np.array([gold == said if ordered else {*gold} == {*said} for gold, said in pairs], np.float64)


def _is_mean(measure: Measure) -> bool:
    return measure.value is formulas.ratio and bool((measure.stats[:, 1] == 1).all())


def _rounded(values: Floats) -> Floats:
    return np.where(np.abs(values) <= ROUNDING, 0.0, values)
