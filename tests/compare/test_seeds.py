"""Against scipy, deepsig and the known variance of simulated groups."""

from typing import Any

import numpy as np
import pytest
from deepsig import aso
from deepsig.aso import compute_violation_ratio
from scipy import stats

from headway.compare.measures import Measure, average
from headway.compare.paired import paired_bootstrap
from headway.compare.resampling import bootstrap
from headway.compare.seeds import almost_stochastic_order, hierarchical, permuted_means, seed_interval, welch


def groups(seed: int, size: int = 5, other: int = 4, shift: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    return draws.normal(shift, 1, size), draws.normal(0, 2, other)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_welch_is_scipy_s(seed: int, level: float) -> None:
    first, second = groups(seed)
    theirs = stats.ttest_ind(first, second, equal_var=False)
    ours = welch(first, second, level)
    ends = theirs.confidence_interval(level)
    assert (ours.difference / ours.error, ours.freedom, ours.p_value) == pytest.approx(
        (theirs.statistic, theirs.df, theirs.pvalue), rel=1e-12
    )
    assert (ours.interval.low, ours.interval.high) == pytest.approx((ends.low, ends.high), abs=1e-9)


def test_values_that_do_not_vary_have_no_test() -> None:
    assert np.isnan(welch([0.1] * 3, [0.8] * 3).p_value)  # whose variance is 3e-34 as computed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sizes", [(5, 5), (4, 6), (2, 3)])
def test_permuted_means_are_scipy_s_exactly(seed: int, sizes: tuple[int, int]) -> None:
    first, second = groups(seed, *sizes)
    theirs = stats.permutation_test(
        (first, second), lambda x, y: abs(x.mean() - y.mean()), alternative="greater", n_resamples=np.inf
    )
    ours = permuted_means(first, second)
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=1e-12)
    assert ours.p_value >= ours.least
    assert permuted_means(np.arange(sizes[0]) + 100, np.arange(sizes[1])).p_value == pytest.approx(
        ours.least, abs=1e-12
    )


def test_permuted_means_of_many_seeds_are_drawn() -> None:
    first, second = groups(3, 12, 12, 0.9)
    theirs = stats.ttest_ind(
        first, second, method=stats.PermutationMethod(n_resamples=20_000, rng=np.random.default_rng(0))
    )
    # 10,000 draws against 20,000: five standard errors
    margin = 5 * np.sqrt(theirs.pvalue * 1.5 / 10_000)
    assert permuted_means(first, second).p_value == pytest.approx(theirs.pvalue, abs=margin)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", [(5, 5), (3, 7), (20, 20)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_almost_stochastic_order_is_deepsig_s(seed: int, sizes: tuple[int, int]) -> None:
    first, second = groups(seed, *sizes)
    ours = almost_stochastic_order(first, second, resamples=2000)
    # deepsig sums over a grid of 1/1000 that starts at 2/1000, ours integrates: some thousandths of the range
    assert ours.violation == pytest.approx(compute_violation_ratio(first, second), abs=0.01)
    theirs = aso(first, second, num_bootstrap_iterations=300, dt=0.01, seed=seed, show_progress=False)
    # the spread of 300 resamples is known to 4 %, and the bound lies 1.64 spreads of up to 0.4 away
    assert ours.least_epsilon == pytest.approx(theirs, abs=0.1)
    mirrored = almost_stochastic_order(-second, -first, resamples=2000)
    assert mirrored.violation == pytest.approx(ours.violation, abs=1e-9)
    assert almost_stochastic_order(-first, -second, higher_is_better=False, resamples=2000).violation == ours.violation


def test_almost_stochastic_order_of_clear_cases() -> None:
    better, worse = np.arange(5) + 10.0, np.arange(5) + 0.0
    assert almost_stochastic_order(better, worse).least_epsilon == 0.0
    assert almost_stochastic_order(worse, better).least_epsilon == 1.0
    assert almost_stochastic_order(better, better).violation == 0.5
    # the quantiles of [0, 3] and [1, 1]: against by 1, for by 2, over halves
    assert almost_stochastic_order([0.0, 3.0], [1.0, 1.0]).violation == pytest.approx(1 / 5)


@pytest.mark.parametrize("seed", range(3))
def test_seed_interval_is_scipy_s(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=12)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, rng=np.random.default_rng(0)).confidence_interval
    ours = seed_interval(values)
    # an end of 10,000 draws is known to 0.03 standard errors; both sides draw
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.15 * values.std() / np.sqrt(12))


def simulated(draws: np.random.Generator, seeds: int, common: np.ndarray, own: float, run: float) -> list[Measure]:
    """Runs whose examples are worth what they share, plus a deviation of each example in each run, and of each run."""
    size = len(common)
    return [average("x", common + draws.normal(0, own, size) + draws.normal(0, run)) for _ in range(seeds)]


def test_hierarchical_is_welch_where_examples_are_alike() -> None:
    first, second = groups(1)
    measures: Any = [[average("x", np.full(50, value)) for value in group] for group in (first, second)]
    ours, theirs = hierarchical(*measures, resamples=200), welch(first, second)
    assert (ours.error, ours.freedom, ours.p_value) == pytest.approx(
        (theirs.error, theirs.freedom, theirs.p_value), rel=1e-9
    )


def test_hierarchical_is_the_paired_bootstrap_where_seeds_are_alike() -> None:
    draws = np.random.default_rng(4)
    first, second = draws.normal(0.2, 1, 400), draws.normal(0, 1, 400)
    ours = hierarchical([average("x", first)] * 3, [average("x", second)] * 3)
    theirs = paired_bootstrap([(average("x", first), average("x", second))])[0]
    assert ours.error == pytest.approx(stats.sem(first - second), rel=0.03)  # of 10,000 resamples: 0.7 %
    assert ours.p_value == pytest.approx(theirs.p_value, abs=0.01)


@pytest.mark.parametrize(("common", "own", "run"), [(1.0, 0.5, 0.05), (0.0, 1.0, 0.0), (0.3, 1.0, 0.1)])
def test_hierarchical_s_variance_is_the_true_one(common: float, own: float, run: float) -> None:
    """Over simulated studies the mean of the estimated variance is the variance of the difference, which is known.

    A naive resampling of both levels is above it wherever runs differ example by example: by 2.6 times in the second.
    """
    size, seeds, found, naive = 200, 4, [], []
    for study in range(150):
        draws = np.random.default_rng(study)
        apart = draws.normal(0, common, size)
        both = simulated(draws, seeds, apart, own, run), simulated(draws, seeds, np.zeros(size), own, run)
        found.append(hierarchical(*both, resamples=300, seed=study).error ** 2)
        values = bootstrap([*both[0], *both[1]], 300, study)
        chosen = draws.integers(0, seeds, (2, 300, seeds))
        drawn = [
            group[pick, np.arange(300)[:, None]].mean(1)
            for group, pick in zip(np.split(values, 2), chosen, strict=True)
        ]
        naive.append(np.subtract(*drawn).var())
    truth = common**2 / size + 2 * (own**2 / size + run**2) / seeds
    margin = 4 * np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(truth, abs=margin)
    assert margin < 0.25 * truth
    assert np.mean(naive) > 0.95 * truth
    if (common, run) == (0.0, 0.0):
        assert np.mean(naive) == pytest.approx(2.6 * truth, rel=0.15)


@pytest.mark.parametrize("test", [welch, permuted_means, almost_stochastic_order])
def test_one_seed_is_too_few(test: Any) -> None:
    with pytest.raises(ValueError, match="1 and 3 seeds"):
        test([0.5], [0.1, 0.2, 0.3])


def test_hierarchical_takes_two_seeds() -> None:
    run = average("x", [0.0, 1.0])
    with pytest.raises(ValueError, match="2 and 1 seeds"):
        hierarchical([run, run], [run])
