"""Are two runs, or two recipes, the same within a margin? Two one-sided tests (Schuirmann 1987).

That no difference was found is no evidence for its absence; here the burden of proof is on being the same. R resamples.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from headway.compare.measures import Measure
from headway.compare.resampling import LEVEL, RESAMPLES, Interval, bootstrap, percentile
from headway.compare.seeds import TTest


@dataclass(frozen=True)
class Equivalence:
    """p_value: of the difference being as large as the margin, in the metric's units, or larger. interval: of the
    difference, at the level at which it lies within the margin exactly when the test rejects (0.90 for a test at 0.05).
    """

    difference: float
    margin: float
    p_value: float
    interval: Interval


def same_on_examples(
    first: Measure,
    second: Measure,
    margin: float,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Equivalence:
    """Two runs on other examples, by the paired bootstrap: the larger share of resamples beyond either margin.

    ValueError: a margin that is not above 0, or as resampling.bootstrap.
    """
    _check(margin)
    drawn = np.subtract(*bootstrap([first, second], resamples, seed))
    below, above = (~(drawn > -margin)).sum(), (~(drawn < margin)).sum()
    p_value = float((1 + max(below, above)) / (1 + resamples))
    return Equivalence(first.estimate - second.estimate, margin, p_value, percentile(drawn, 2 * level - 1))


def same_over_seeds(test: TTest, margin: float, level: float = LEVEL) -> Equivalence:
    """Two recipes, from the t of seeds.welch (other seeds) or seeds.hierarchical (other seeds and examples).

    ValueError: a margin that is not above 0.
    """
    _check(margin)
    if not test.error > 0:
        ends = Interval(test.difference, test.difference, 2 * level - 1)
        return Equivalence(test.difference, margin, np.nan, ends)
    p_value = float(stdtr(test.freedom, (abs(test.difference) - margin) / test.error))
    reach = float(stdtrit(test.freedom, level)) * test.error
    ends = Interval(test.difference - reach, test.difference + reach, 2 * level - 1)
    return Equivalence(test.difference, margin, p_value, ends)


def _check(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"a margin of {margin} leaves no room to be the same in; give one above 0")
