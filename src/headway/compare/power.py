"""What could be seen: how many seeds or examples a difference needs, and the least difference that those at hand show.

All two-sided at significance `alpha`, seen with probability `power`, and in the metric's units. Approximations for
planning: the deviations put in are estimates themselves, and after few seeds they may well be wrong by half.
"""

from math import ceil, isfinite, sqrt

import numpy as np
from scipy.special import ndtri, stdtrit

from headway.compare.measures import Measure
from headway.compare.resampling import jackknife

ALPHA = 0.05
POWER = 0.8


def least_difference_over_seeds(
    first_deviation: float,
    first_seeds: int,
    second_deviation: float,
    second_seeds: int,
    alpha: float = ALPHA,
    power: float = POWER,
) -> float:
    """What Welch's test sees, from the standard deviations between seeds: the normal approximation (Cohen 1988, section
    2.4) with quantiles of t at Welch's degrees of freedom in place of z, without which few seeds promise too much.
    ValueError: fewer than two seeds.
    """
    if min(first_seeds, second_seeds) < 2:
        raise ValueError(f"{min(first_seeds, second_seeds)} seeds have no standard deviation; it takes two")
    first, second = first_deviation**2 / first_seeds, second_deviation**2 / second_seeds
    if first + second == 0:
        return 0.0
    freedom = (first + second) ** 2 / (first**2 / (first_seeds - 1) + second**2 / (second_seeds - 1))
    return float(stdtrit(freedom, 1 - alpha / 2) + stdtrit(freedom, power)) * sqrt(first + second)


def seeds_needed(
    first_deviation: float, second_deviation: float, difference: float, alpha: float = ALPHA, power: float = POWER
) -> int:
    """How many seeds of each recipe show a difference. ValueError: a difference of 0, which no number shows."""
    _check(difference)
    variance = first_deviation**2 + second_deviation**2
    seeds = max(2, ceil(_reach(alpha, power) ** 2 * variance / difference**2))
    while least_difference_over_seeds(first_deviation, seeds, second_deviation, seeds, alpha, power) > abs(difference):
        seeds += 1
    return seeds


def paired_deviation(first: Measure, second: Measure) -> float:
    """The standard deviation, per example, of what makes up the difference of two runs; of any metric.

    That of the N differences for a mean; else of the jackknife's pseudo-values (Efron and Tibshirani 1993, equation
    11.5): the standard error times the root of N. ValueError: unequal numbers of examples.
    """
    if len(first.stats) != len(second.stats):
        raise ValueError(f"the runs have {len(first.stats)} and {len(second.stats)} examples: they cannot be paired")
    left_out = jackknife(first) - jackknife(second)
    return float(np.sqrt((len(left_out) - 1) * ((left_out - left_out.mean()) ** 2).sum()))


def least_difference_over_examples(
    deviation: float, examples: int, alpha: float = ALPHA, power: float = POWER
) -> float:
    """What a paired test sees of two runs on so many examples, from their paired_deviation."""
    return _reach(alpha, power) * deviation / sqrt(examples)


def examples_needed(deviation: float, difference: float, alpha: float = ALPHA, power: float = POWER) -> int:
    """How many examples show a difference between two runs of that paired_deviation. ValueError: as seeds_needed."""
    _check(difference)
    return max(2, ceil((_reach(alpha, power) * deviation / difference) ** 2))


def examples_needed_for_accuracy(
    discordance: float, difference: float, alpha: float = ALPHA, power: float = POWER
) -> int:
    """How many examples McNemar's test needs, from the share on which just one of the runs is right (Connor 1987).

    Both are shares, 0 to 1. ValueError: as seeds_needed, or a difference larger than the discordance allows.
    """
    _check(difference)
    if not abs(difference) <= discordance <= 1:
        raise ValueError(f"runs that differ on a share of {discordance} cannot differ by {difference} in accuracy")
    null, other = ndtri(1 - alpha / 2) * sqrt(discordance), ndtri(power) * sqrt(discordance - difference**2)
    return ceil(((null + other) / difference) ** 2)


def _reach(alpha: float, power: float) -> float:
    """How many standard errors away a difference is seen with that power (Cohen 1988, equation 2.4.1)."""
    return float(ndtri(1 - alpha / 2) + ndtri(power))


def _check(difference: float) -> None:
    if not (isfinite(difference) and difference):
        raise ValueError(f"a difference of {difference} has no number of seeds or examples that shows it")
