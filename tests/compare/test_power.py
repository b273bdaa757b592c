"""Against statsmodels' power solvers, and simulated tests that are as powerful as promised."""

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower, TTestIndPower, TTestPower

from headway.compare.measures import average, measures_of
from headway.compare.paired import mcnemar
from headway.compare.power import (
    examples_needed,
    examples_needed_for_accuracy,
    least_difference_over_examples,
    least_difference_over_seeds,
    paired_deviation,
    seeds_needed,
)
from headway.compare.resampling import bootstrap
from headway.compare.seeds import welch


@pytest.mark.parametrize("effect", [0.3, 0.8, 1.5])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_seeds_are_statsmodels_to_within_one(effect: float, power: float) -> None:
    needed = TTestIndPower().solve_power(effect, alpha=0.05, power=power)
    # quantiles of the central t stand for the non-central one; the normal approximation alone is short by one or two
    assert abs(seeds_needed(2.0, 2.0, 2.0 * effect, power=power) - np.ceil(needed)) <= 1
    assert NormalIndPower().solve_power(effect, alpha=0.05, power=power) <= seeds_needed(1.0, 1.0, effect, power=power)


@pytest.mark.parametrize("seeds", [3, 5, 50])
def test_the_least_difference_is_statsmodels(seeds: int) -> None:
    theirs = TTestIndPower().solve_power(nobs1=seeds, alpha=0.05, power=0.8)
    # 2.5 % off with three seeds of each, where t's quantiles stand for the non-central t's
    assert least_difference_over_seeds(1.0, seeds, 1.0, seeds) == pytest.approx(theirs, rel=0.03)


@pytest.mark.parametrize(("first", "second"), [(5, 5), (5, 20), (20, 5)])
def test_welch_sees_the_least_difference_as_often_as_promised(first: int, second: int) -> None:
    draws = np.random.default_rng(0)
    least = least_difference_over_seeds(1.0, first, 2.0, second)
    values = [(draws.normal(least, 1, first), draws.normal(0, 2, second)) for _ in range(2000)]
    seen = np.mean([welch(*pair).p_value <= 0.05 for pair in values])
    # five standard errors of 2,000 studies, and 0.02 for the approximation
    assert seen == pytest.approx(0.8, abs=5 * np.sqrt(0.16 / 2000) + 0.02)


@pytest.mark.parametrize("difference", [0.01, 0.1])
def test_examples_are_statsmodels(difference: float) -> None:
    needed = TTestPower().solve_power(difference / 0.7, alpha=0.05, power=0.9)
    assert examples_needed(0.7, difference, power=0.9) == pytest.approx(needed, abs=3)  # z against t: z^2 / 2 examples
    enough = examples_needed(0.7, difference)
    assert least_difference_over_examples(0.7, enough) <= difference < least_difference_over_examples(0.7, enough - 1)


def test_a_paired_deviation_is_that_of_the_differences_and_the_bootstrap_s() -> None:
    draws = np.random.default_rng(0)
    first, second = draws.random(400) < 0.8, draws.random(400) < 0.7
    deviation = paired_deviation(average("accuracy", first), average("accuracy", second))
    assert deviation == pytest.approx(np.std(first * 1.0 - second, ddof=1), rel=1e-9)
    columns = [
        {"gold": list("abcd" * 100), "prediction": list(draws.choice(list("abcd"), 400)), "confidence": [1.0] * 400}
        | {"loss": [0.0] * 400}
        for _ in range(2)
    ]
    pair = [measures["f1_macro"] for measures in measures_of(columns)]
    drawn = np.subtract(*bootstrap(pair))
    # the jackknife's and the bootstrap's standard errors agree to terms of 1 / N, the bootstrap's is known to 0.7 %
    assert paired_deviation(*pair) / np.sqrt(400) == pytest.approx(drawn.std(), rel=0.04)


def test_the_examples_that_mcnemar_needs_give_it_its_power() -> None:
    discordance, difference = 0.1, 0.03
    size = examples_needed_for_accuracy(discordance, difference)
    draws = np.random.default_rng(0)
    seen = 0
    for _ in range(1000):
        place = draws.random(size)
        first = place >= (discordance - difference) / 2  # what lies below is right in the second alone
        second = (place < (discordance - difference) / 2) | (place >= discordance)
        seen += mcnemar(first, second).p_mid <= 0.05
    assert seen / 1000 == pytest.approx(0.8, abs=5 * np.sqrt(0.16 / 1000))


def test_what_cannot_be_planned() -> None:
    assert least_difference_over_seeds(0.0, 3, 0.0, 3) == 0.0
    with pytest.raises(ValueError, match="no number"):
        seeds_needed(1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="no number"):
        examples_needed(1.0, float("nan"))
    with pytest.raises(ValueError, match="cannot differ by"):
        examples_needed_for_accuracy(0.01, 0.05)
    with pytest.raises(ValueError, match="takes two"):
        least_difference_over_seeds(1.0, 1, 1.0, 5)
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_deviation(average("loss", [1.0, 2.0]), average("loss", [1.0, 2.0, 3.0]))
