"""Where there is no difference, each test says that there is one as often as its level, and no more.

The long form takes minutes and prints what it measured: `pytest tests/faults/test_false_positives.py -m slow -s`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from headway.compare.corrections import benjamini_hochberg, holm
from headway.compare.equivalence import same_on_examples, same_over_seeds
from headway.compare.measures import Measure, average, measures_of
from headway.compare.paired import mcnemar, paired_bootstrap, paired_permutation
from headway.compare.resampling import interval
from headway.compare.seeds import almost_stochastic_order, hierarchical, permuted_means, seed_interval, welch

Draws = np.random.Generator
LEVEL = 0.05
RESAMPLES = 199  # 10 of 200 orders are the level exactly
SIZE = 300
ATTEMPTS = [300, pytest.param(4000, marks=pytest.mark.slow)]


def losses(draws: Draws) -> tuple[Measure, Measure]:
    """Skewed and correlated, with equal expectations."""
    common = draws.exponential(size=SIZE)
    first, second = (average("loss", common + draws.exponential(size=SIZE)) for _ in range(2))
    return first, second


def labelled(draws: Draws) -> list[dict[str, Measure]]:
    """Two runs, three classes of 60, 30 and 10 %, each 80 % right on the same hard and easy examples."""
    gold = draws.choice(list("aaaaaabbbc"), SIZE)
    hard = draws.beta(2, 0.5, SIZE)
    wrong = draws.choice(list("abc"), (2, SIZE))
    predicted = [np.where(draws.random(SIZE) < hard, gold, row) for row in wrong]
    rest = {"confidence": [1.0] * SIZE, "loss": [0.0] * SIZE}
    return measures_of([{"gold": gold.tolist(), "prediction": row.tolist(), **rest} for row in predicted])


def pair_of(name: str) -> Callable[[Draws], tuple[Measure, Measure]]:
    def pair(draws: Draws) -> tuple[Measure, Measure]:
        first, second = labelled(draws)
        return first[name], second[name]

    return pair


def scores(draws: Draws) -> tuple[Measure, Measure]:
    """Correlations of two runs with one gold score."""
    gold = draws.normal(size=SIZE)
    rest = {"gold": gold.tolist(), "loss": [0.0] * SIZE}
    runs = [{"prediction": (gold + draws.standard_t(5, SIZE)).tolist(), **rest} for _ in range(2)]
    first, second = measures_of(runs)
    return first["pearson"], second["pearson"]


def by_permutation(pair: Callable[[Draws], tuple[Measure, Measure]]) -> Callable[[Draws], float]:
    return lambda draws: paired_permutation([pair(draws)], RESAMPLES, int(draws.integers(2**31)))[0].p_value


def by_bootstrap(pair: Callable[[Draws], tuple[Measure, Measure]]) -> Callable[[Draws], float]:
    return lambda draws: paired_bootstrap([pair(draws)], RESAMPLES, seed=int(draws.integers(2**31)))[0].p_value


def by_mcnemar(kind: str) -> Callable[[Draws], float]:
    def p_value(draws: Draws) -> float:
        first, second = pair_of("accuracy")(draws)
        return float(getattr(mcnemar(first.stats[:, 0], second.stats[:, 0]), kind))

    return p_value


def by_both(common: float, own: float, run: float, seeds: int, shift: float = 0.0) -> Callable[[Draws], Any]:
    """Two groups of runs. What an example adds: by the recipe, by the run; and what a run adds to all examples."""

    def test(draws: Draws) -> Any:
        recipes = draws.normal(0, common, (2, 1, SIZE))
        values = recipes + draws.normal(0, own, (2, seeds, SIZE)) + draws.normal(0, run, (2, seeds, 1))
        values[0] += shift
        groups = [[average("accuracy", row) for row in group] for group in values]
        return hierarchical(groups[0], groups[1], RESAMPLES, seed=int(draws.integers(2**31)))

    return test


def p_of(test: Callable[[Draws], Any]) -> Callable[[Draws], float]:
    return lambda draws: float(test(draws).p_value)


def two_groups(draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    return draws.normal(0, 1, 5), draws.normal(0, 2, 5)


def outside(found: Any, truth: float) -> float:
    """0 if the interval misses the truth, else 1, as p-values are."""
    return float(found.low <= truth <= found.high)


def least_of_many(draws: Draws) -> float:
    """The least of 20 adjusted p-values: below the level, one or more of the true hypotheses would be rejected."""
    return float(holm(2 * stats.norm.sf(abs(draws.normal(size=20)))).min())


# what is simulated -> (p-value of one study, the rate it should have)
HELD = {
    "paired permutation, mean loss": (by_permutation(losses), LEVEL),
    "paired permutation, Pearson": (by_permutation(scores), LEVEL),
    "paired permutation, macro F1": (by_permutation(pair_of("f1_macro")), LEVEL),
    "paired bootstrap, mean loss": (by_bootstrap(losses), LEVEL),
    "Welch, 5 against 5 seeds, deviations 1 and 2": (lambda draws: welch(*two_groups(draws)).p_value, LEVEL),
    "permutation of means, 5 against 5 seeds": (
        lambda draws: permuted_means(draws.exponential(size=5), draws.exponential(size=5)).p_value,
        12 / 252,  # the greatest attainable level
    ),
    "seeds and examples, mostly the examples": (p_of(by_both(1, 0.5, 0.02, 4)), LEVEL),
    "seeds and examples, both": (p_of(by_both(0.5, 1, 0.1, 5)), LEVEL),
    "seeds and examples, both, 3 seeds": (p_of(by_both(0.5, 1, 0.1, 3)), LEVEL),
    "seeds and examples, mostly the runs": (p_of(by_both(0.1, 0.5, 0.2, 5)), LEVEL),
    "equivalence over seeds, at the margin": (
        lambda draws: same_over_seeds(welch(draws.normal(3, 1, 6), draws.normal(0, 1, 6)), 3).p_value,
        LEVEL,
    ),
    "equivalence over seeds and examples, at the margin": (
        lambda draws: same_over_seeds(by_both(0.5, 1, 0.1, 5, 0.5)(draws), 0.5).p_value,
        LEVEL,
    ),
    "Holm, one false rejection or more among 20": (least_of_many, LEVEL),
    "BCa interval of a mean misses it": (
        lambda draws: outside(
            interval(average("loss", draws.normal(1, 1, SIZE)), 999, seed=int(draws.integers(99))), 1.0
        ),
        LEVEL,
    ),
    "bootstrap interval over 5 seeds misses the mean": (
        lambda draws: outside(seed_interval(draws.normal(1, 1, 5), 999, seed=int(draws.integers(99))), 1.0),
        0.15,  # as its docstring warns
    ),
}
# tests of counts and bounds: the rate should be at most the level
BOUNDED = {
    "paired permutation, accuracy": by_permutation(pair_of("accuracy")),
    "paired bootstrap, accuracy": by_bootstrap(pair_of("accuracy")),
    "paired bootstrap, macro F1": by_bootstrap(pair_of("f1_macro")),
    "McNemar, exact": by_mcnemar("p_exact"),
    "McNemar, mid-p": by_mcnemar("p_mid"),
    "seeds and examples, nothing but noise of each": p_of(by_both(0, 1, 0, 5)),
    "equivalence over examples, at the margin": lambda draws: (
        same_on_examples(
            *(average("loss", draws.normal(mean, 1, SIZE)) for mean in (0.3, 0.0)),
            0.3,
            RESAMPLES,
            seed=int(draws.integers(2**31)),
        ).p_value
    ),
    "almost stochastic order below 0.2, 5 against 5 seeds": lambda draws: (
        almost_stochastic_order(draws.normal(size=5), draws.normal(size=5), resamples=RESAMPLES).least_epsilon
        - 0.2
        + LEVEL
    ),
}


def rejections(name: str, p_value: Callable[[Draws], float], attempts: int) -> int:
    draws = np.random.default_rng(1)
    rejected = sum(p_value(draws) <= LEVEL + 1e-12 for _ in range(attempts))
    print(f"{name}: {rejected} of {attempts} = {rejected / attempts:.4f}")
    return rejected


@pytest.mark.parametrize("attempts", ATTEMPTS)
@pytest.mark.parametrize("name", HELD)
def test_the_rate_is_the_level(name: str, attempts: int) -> None:
    p_value, level = HELD[name]
    low, high = stats.binom.interval(0.999, attempts, level)
    assert low <= rejections(name, p_value, attempts) <= high


@pytest.mark.parametrize("attempts", ATTEMPTS)
@pytest.mark.parametrize("name", BOUNDED)
def test_the_rate_is_at_most_the_level(name: str, attempts: int) -> None:
    assert rejections(name, BOUNDED[name], attempts) <= stats.binom.ppf(0.9995, attempts, LEVEL)


@pytest.mark.parametrize("attempts", ATTEMPTS)
def test_the_share_of_false_discoveries_is_at_most_the_level(attempts: int) -> None:
    """Benjamini and Hochberg: of 20 comparisons 10 are of equals; the expected share is then half the level."""
    draws = np.random.default_rng(1)
    shares = []
    for _ in range(attempts):
        values = draws.normal(np.repeat([0, 3], 10))
        rejected = benjamini_hochberg(2 * stats.norm.sf(abs(values))) <= LEVEL
        shares.append(rejected[:10].sum() / max(rejected.sum(), 1))
    print(f"Benjamini and Hochberg, share of false discoveries: {np.mean(shares):.4f} in {attempts} studies")
    assert np.mean(shares) == pytest.approx(LEVEL / 2, abs=4 * np.std(shares) / np.sqrt(attempts))
