"""Two runs on the same examples: is the difference more than this test set's luck? N examples, R resamples.

These tests take both trained models as given: they speak of other examples, not of other seeds (see seeds.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, gammaln

from headway.compare.measures import Measure
from headway.compare.resampling import LEVEL, RESAMPLES, Interval, bca, bootstrap, jackknife, permute

Floats = npt.NDArray[np.float64]
Pairs = Sequence[tuple[Measure, Measure]]


@dataclass(frozen=True)
class Bootstrapped:
    """difference: first less second, with its BCa interval. wins: share of resamples in which the first is better."""

    difference: float
    interval: Interval
    p_value: float
    wins: float


@dataclass(frozen=True)
class Permuted:
    difference: float
    p_value: float


@dataclass(frozen=True)
class McNemar:
    """How many examples only the first and only the second run has right, and two-sided p-values."""

    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def paired_bootstrap(
    pairs: Pairs, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> list[Bootstrapped]:
    """Each pair's difference on the same resamples of the examples (Koehn 2004; wins is his count).

    p-value: two-sided, how often a resample's difference is as far from the observed one as that is from 0 (Efron and
    Tibshirani 1993, section 16.4), the observed one counted in. ValueError: as resampling.bootstrap.
    """
    measures = {id(measure): measure for pair in pairs for measure in pair}
    values = dict(zip(measures, bootstrap(list(measures.values()), resamples, seed), strict=True))
    left_out = {key: jackknife(measure) for key, measure in measures.items()}
    found = []
    for first, second in pairs:
        difference = first.estimate - second.estimate
        drawn = values[id(first)] - values[id(second)]
        sign = 1 if first.higher_is_better else -1
        ends = bca(difference, drawn, left_out[id(first)] - left_out[id(second)], level)
        p_value = share_as_far(drawn - difference, difference)
        found.append(Bootstrapped(difference, ends, p_value, float((sign * drawn > 0).mean())))
    return found


def paired_permutation(pairs: Pairs, resamples: int = RESAMPLES, seed: int = 0) -> list[Permuted]:
    """Approximate randomisation (Noreen 1989, chapter 2): two-sided, of any metric; each pair under the same swaps.

    The p-value is never 0, as the observed order counts as one of them (Phipson and Smyth 2010).
    ValueError: as resampling.permute.
    """
    differences = [first.estimate - second.estimate for first, second in pairs]
    swapped = permute(pairs, resamples, seed)
    return [Permuted(one, share_as_far(drawn, one)) for one, drawn in zip(differences, swapped, strict=True)]


def mcnemar(first: npt.ArrayLike, second: npt.ArrayLike) -> McNemar:
    """McNemar's test of which examples two runs have right, [N] booleans each.

    p_exact: two-sided binomial. p_mid: with half the probability of what was observed, which keeps the level better and
    has more power (Fagerland, Lydersen and Laake 2013). ValueError: unequal lengths.
    """
    ours, theirs = np.asarray(first, bool), np.asarray(second, bool)
    if ours.shape != theirs.shape:
        raise ValueError(f"the runs have {len(ours)} and {len(theirs)} examples: they cannot be paired")
    only_first, only_second = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    total, fewer = only_first + only_second, min(only_first, only_second)
    tail = 2 * float(bdtr(fewer, total, 0.5))
    at = float(np.exp(gammaln(total + 1) - gammaln(fewer + 1) - gammaln(total - fewer + 1) + total * np.log(0.5)))
    return McNemar(only_first, only_second, min(tail, 1.0), min(tail - at, 1.0))


def share_as_far(drawn: Floats, observed: float) -> float:
    """The share of R null differences at least as far from 0 as the observed one, which is counted in.

    Equal up to rounding is equal; a resample on which the metric is undefined counts as far.
    """
    nearer = np.abs(drawn) < abs(observed) * (1 - 1e-9) - 1e-14
    return float((1 + (~nearer).sum()) / (1 + len(drawn)))
