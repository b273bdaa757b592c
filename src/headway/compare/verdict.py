"""Is one group of runs better than another on a metric? A verdict in words, with what it assumes, or why there is none.

The analysis follows from what there is. Two seeds or more of each, and predictions of the same examples: the
hierarchical test, of other seeds and other examples. Seeds without such predictions: Welch's test, of other seeds. One
run each with such predictions: paired bootstrap and permutation, of other examples only. S and T seeds, N examples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import isfinite, sqrt
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from headway.compare import words
from headway.compare.corrections import Floats, benjamini_hochberg, holm
from headway.compare.effects import hedges_g
from headway.compare.equivalence import Equivalence, same_on_examples, same_over_seeds
from headway.compare.measures import Measure
from headway.compare.paired import McNemar, mcnemar, paired_bootstrap, paired_permutation
from headway.compare.power import POWER, examples_needed, least_difference_over_examples, paired_deviation, seeds_needed
from headway.compare.resampling import Interval
from headway.compare.seeds import TTest, almost_stochastic_order, hierarchical, permuted_means, welch

Outcome = Literal["better", "worse", "tied", "too little data", "refused"]
RESAMPLES = 2_000  # of the hierarchical test, which takes only a variance from them: known to 3 %
FEW, UNEQUAL = 3, 2  # so few seeds against so many times as many: see _cautious
CORRECTIONS = {"holm": holm, "bh": benjamini_hochberg}


@dataclass(frozen=True)
class Question:
    """level: of the tests, two-sided; 1 - level is that of the intervals. margin: in the metric's units, within which
    two groups count as the same. of_recipes: refuse to speak of single runs.
    """

    metric: str
    higher_is_better: bool = True
    level: float = 0.05
    margin: float | None = None
    correction: Literal["holm", "bh"] = "holm"
    of_recipes: bool = False

    def __post_init__(self) -> None:
        """ValueError: a level outside 0 to 0.5, a margin that is not above 0, an unknown correction."""
        if not 0 < self.level < 0.5:
            raise ValueError(f"a level of {self.level}: give one between 0 and 0.5, such as 0.05")
        if self.margin is not None and not 0 < self.margin < np.inf:
            raise ValueError(f"a margin of {self.margin} leaves no room to be the same in; give one above 0")
        if self.correction not in CORRECTIONS:
            raise ValueError(f"correction {self.correction}: there are {', '.join(CORRECTIONS)}")


@dataclass(frozen=True, eq=False)
class Side:
    """A group with its metric, [S] finite values. measures: none, or one for each run, all of the same examples.

    data, examples: for each run, the fingerprint of its data and a digest of its test examples and their gold answers;
    None where it is not known. notes: what to say with every verdict on it.
    """

    name: str
    values: Sequence[float]
    measures: Sequence[Measure] = ()
    data: Sequence[str | None] = ()
    examples: Sequence[str | None] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Effect:
    """kind: "Hedges' g", of the standard deviation between seeds, or "right alone": examples only one run has right."""

    kind: str
    first: float
    second: float | None = None


@dataclass(frozen=True)
class Finding:
    """One test. difference: first less second. least: the smallest difference that it would see with probability 0.8.
    needed: seeds of each (or examples) that would show the margin, or a difference as large as observed; None: no
    number would, or there is no difference. also: what other tests of the same question say, by their names; none of
    these decides.
    """

    method: Literal["hierarchical", "Welch", "paired"]
    difference: float
    interval: Interval
    p_value: float
    seeds: tuple[int, int]
    examples: int | None
    least: float
    needed: int | None
    same: Equivalence | None = None
    effect: Effect | None = None
    identical: bool = False
    also: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What is said of the first against the second; adjusted, same: p-values after the correction over all pairs."""

    first: str
    second: str
    outcome: Outcome
    sentence: str
    assumptions: list[str]
    notes: list[str]
    finding: Finding | None = None
    adjusted: float | None = None
    same: float | None = None


def verdicts(
    sides: Sequence[Side], question: Question, pairs: Sequence[tuple[int, int]] | None = None
) -> list[Verdict]:
    """One for each pair (default: all), corrected for their number."""
    pairs = list(combinations(range(len(sides)), 2)) if pairs is None else pairs
    found = [analyse(sides[one], sides[other], question, len(pairs)) for one, other in pairs]
    tested = [one for one in found if isinstance(one, Finding)]
    adjusted = CORRECTIONS[question.correction]([one.p_value for one in tested])
    same = CORRECTIONS[question.correction]([one.same.p_value if one.same else 1.0 for one in tested])
    numbers = {id(one): (float(p), float(q)) for one, p, q in zip(tested, adjusted, same, strict=True)}
    return [
        judge(sides[one], sides[other], result, question, *numbers.get(id(result), (1.0, 1.0)), len(tested))
        for (one, other), result in zip(pairs, found, strict=True)
    ]


def judge(
    first: Side, second: Side, found: Finding | str, question: Question, adjusted: float, same: float, pairs: int
) -> Verdict:
    """From a test, or a refusal's reason, and its p-values after correction over so many pairs."""
    notes = list(dict.fromkeys([*first.notes, *second.notes]))
    if isinstance(found, str):
        sentence = f"No verdict on {first.name} and {second.name}: {found}"
        return Verdict(first.name, second.name, "refused", sentence, [], notes)
    outcome: Outcome = "too little data"
    if found.identical or (question.margin is not None and same <= question.level):
        outcome = "tied"
    elif adjusted <= question.level:
        outcome = "better" if (found.difference > 0) == question.higher_is_better else "worse"
    if found.method != "paired" and _uneven(*found.seeds):
        notes.append(f"with {min(found.seeds)} seeds against {max(found.seeds)} the test is a cautious one")
    sentence = words.sentence(
        *(first.name, second.name, question.metric, outcome, found, adjusted, same),
        level=question.level,
        margin=question.margin,
        correction=question.correction,
        pairs=pairs,
    )
    tests = None if question.margin is None else same
    return Verdict(
        first.name, second.name, outcome, sentence, words.ASSUMPTIONS[found.method], notes, found, adjusted, tests
    )


def analyse(first: Side, second: Side, question: Question, pairs: int = 1) -> Finding | str:
    """The test that fits, or in words why there is none; what it could see, at the level divided by so many pairs."""
    if reason := refusal(first, second, question):
        return reason
    paired = _measured(first) and _measured(second)
    if min(len(first.values), len(second.values)) > 1:
        return _over_seeds(first, second, question, paired and first.measures[0].name != "spearman", pairs)
    if not paired:
        return (
            f"there is one run of each, and {question.metric} cannot be computed again from predictions of the same "
            "examples; train two seeds or more of each"
        )
    return _over_examples(first.measures[0], second.measures[0], question, pairs)


def refusal(first: Side, second: Side, question: Question) -> str | None:
    """What is asked and cannot be answered, whatever the test."""
    for side in (first, second):
        if not len(side.values):
            return f"no run of {side.name} has a finite value of {question.metric}"
    if reason := _other_test_set(first, second):
        return reason
    few, many = sorted((first, second), key=lambda side: len(side.values))
    if len(few.values) > 1:
        return None
    if len(many.values) > 1:
        return (
            f"{few.name} has one run and {many.name} {len(many.values)}; what differs between seeds takes two or more "
            "of each: train more, or compare single runs by their ids"
        )
    if question.of_recipes:
        return "there is one seed of each, which says nothing of other seeds; train two or more, better five, of each"
    if few.measures and few.measures[0].name == "spearman":
        return "rank correlations have no sound test on resampled examples; compare by pearson, or over several seeds"
    return None


def _other_test_set(first: Side, second: Side) -> str | None:
    digests, prints = {*first.examples, *second.examples}, {*first.data, *second.data}
    if digests and None not in digests:  # known for every run, and more to the point than all the data
        return None if len(digests) == 1 else "their test examples, or the gold answers to these, are not the same"
    prints.discard(None)
    if len(prints) < 2:
        return None
    shown = " and ".join(str(one)[:12] for one in sorted(map(str, prints))[:2])
    return f"they were measured on different data (fingerprints {shown})"


def _measured(side: Side) -> bool:
    return len(side.measures) == len(side.values)


def _over_seeds(first: Side, second: Side, question: Question, with_examples: bool, pairs: int) -> Finding | str:
    level, alpha = 1 - question.level, question.level / pairs
    test = over_seeds = welch(first.values, second.values, level)
    if with_examples:
        test = hierarchical(first.measures, second.measures, RESAMPLES, level)
    test = _cautious(test, (len(first.values), len(second.values)), level)
    if not test.error > 0:
        return "every seed gave the same value, so that nothing tells what another seed would give"
    reach = float(stdtrit(test.freedom, 1 - alpha / 2) + stdtrit(test.freedom, POWER))
    g = hedges_g(first.values, second.values)
    return Finding(
        "hierarchical" if with_examples else "Welch",
        test.difference,
        test.interval,
        test.p_value,
        (len(first.values), len(second.values)),
        len(first.measures[0].stats) if with_examples else None,
        reach * test.error,
        _seeds_needed(first, second, test.difference, max(test.error**2 - over_seeds.error**2, 0.0), question, alpha),
        None if question.margin is None else same_over_seeds(test, question.margin, level),
        Effect("Hedges' g", g) if isfinite(g) else None,
        also=_other_tests(first, second, over_seeds, question),
    )


def _other_tests(first: Side, second: Side, over_seeds: TTest, question: Question) -> dict[str, float]:
    """Over the seeds alone. Almost stochastic order is of the one with the better mean over the other."""
    permuted = permuted_means(first.values, second.values)
    ahead = (over_seeds.difference >= 0) == question.higher_is_better
    better, worse = (first, second) if ahead else (second, first)
    order = almost_stochastic_order(better.values, worse.values, question.higher_is_better, 1 - question.level)
    return {
        "Welch p": over_seeds.p_value,
        "permutation of seeds p": permuted.p_value,
        "least p of so many seeds": permuted.least,
        "almost stochastic order epsilon": order.least_epsilon,
    }


def _uneven(seeds: int, others: int) -> bool:
    few, many = sorted((seeds, others))
    return few <= FEW and many >= UNEQUAL * few


def _cautious(test: TTest, seeds: tuple[int, int], level: float) -> TTest:
    """Where seeds are few and uneven, with the smaller group's degrees of freedom, as in textbooks before computers.

    With Welch's, 2 seeds against 5, 10 or 20 (deviations 3 to 1) differ at 0.05 in 11 of 100 equal pairs, 3 against 20
    in 6 to 8; with these in 5 at most.
    """
    if not (_uneven(*seeds) and test.error > 0):
        return test
    freedom = min(test.freedom, min(seeds) - 1)
    reach = float(stdtrit(freedom, (1 + level) / 2)) * test.error
    ends = Interval(test.difference - reach, test.difference + reach, level)
    p_value = 2 * float(stdtr(freedom, -abs(test.difference) / test.error))
    return TTest(test.difference, test.error, freedom, p_value, ends)


def _seeds_needed(
    first: Side, second: Side, difference: float, common: float, question: Question, alpha: float
) -> int | None:
    """common: the variance that no more seeds take away, of the test set itself."""
    wanted = question.margin or abs(difference)
    left = wanted**2 - float(ndtri(1 - alpha / 2) + ndtri(POWER)) ** 2 * common
    if left <= 0:
        return None
    deviations = [float(np.std(side.values, ddof=1)) for side in (first, second)]
    return seeds_needed(deviations[0], deviations[1], sqrt(left), alpha)


def _over_examples(first: Measure, second: Measure, question: Question, pairs: int) -> Finding | str:
    level, alpha = 1 - question.level, question.level / pairs
    [drawn], [swapped] = paired_bootstrap([(first, second)], level=level), paired_permutation([(first, second)])
    if not isfinite(drawn.difference):
        return f"{question.metric} is not defined on these examples"
    deviation, wanted = paired_deviation(first, second), question.margin or abs(drawn.difference)
    counts = _right_alone(first, second)
    return Finding(
        "paired",
        drawn.difference,
        drawn.interval,
        max(drawn.p_value, swapped.p_value),
        (1, 1),
        len(first.stats),
        least_difference_over_examples(deviation, len(first.stats), alpha),
        examples_needed(deviation, wanted, alpha) if wanted and deviation else None,
        None if question.margin is None else same_on_examples(first, second, question.margin, level=level),
        None if counts is None else Effect("right alone", counts.only_first, counts.only_second),
        bool(np.array_equal(first.stats, second.stats)),
        {
            "paired bootstrap p": drawn.p_value,
            "paired permutation p": swapped.p_value,
            **({} if counts is None else {"McNemar p": counts.p_mid}),
        },
    )


def _right_alone(first: Measure, second: Measure) -> McNemar | None:
    """Where the metric is a share of examples that are right."""
    shares: list[Floats] = [one.stats[:, 0] for one in (first, second)]
    if any(one.stats.shape[1] != 2 or not (one.stats[:, 1] == 1).all() for one in (first, second)):
        return None
    if any(not np.isin(share, (0, 1)).all() for share in shares):
        return None
    return mcnemar(shares[0] == 1, shares[1] == 1)
