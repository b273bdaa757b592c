"""Against scipy.stats.bootstrap given the same draws (1e-12), and against enumeration."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from headway.compare.measures import average, measures_for, measures_of
from headway.compare.resampling import bca, bootstrap, interval, jackknife, percentile, permute

PAIR = [
    {"gold": list("ababab"), "prediction": list(predicted), "confidence": [1.0] * 6, "loss": [0.0] * 6}
    for predicted in ("abbaab", "aaabab")
]


def skewed(seed: int, size: int = 80) -> np.ndarray:
    return np.random.default_rng(seed).exponential(size=size) ** 2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_intervals_are_scipy_s_for_the_same_draws(seed: int, level: float) -> None:
    values = skewed(seed)
    measure = average("loss", values)
    drawn = bootstrap([measure], 2000, seed)[0]
    left_out = jackknife(measure)
    for method, ours in {
        "BCa": bca(measure.estimate, drawn, left_out, level),
        "percentile": percentile(drawn, level),
    }.items():
        theirs = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=0,
            bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
            confidence_level=level,
            method=method,
        ).confidence_interval
        assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=1e-12)
        assert ours.level == level
    assert interval(measure, 2000, level, seed) == bca(measure.estimate, drawn, left_out, level)


def test_the_draws_are_scipy_s_in_distribution() -> None:
    values = skewed(5)
    ours = bootstrap([average("loss", values)], 10_000)[0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, rng=np.random.default_rng(0)
    ).bootstrap_distribution
    assert stats.ks_2samp(ours, theirs).pvalue > 0.001
    # the standard error of a mean is known; of 10,000 draws it is known to 0.7 %, so 3 % is four deviations
    assert ours.std() == pytest.approx(values.std() / np.sqrt(len(values)), rel=0.03)


def test_the_same_seed_gives_the_same_draws_to_whatever_is_measured() -> None:
    one, other = average("accuracy", skewed(1)), average("loss", skewed(2))
    together = bootstrap([one, other], 500, 3)
    np.testing.assert_array_equal(together[1], bootstrap([other], 500, 3)[0])
    assert not np.array_equal(together[1], bootstrap([other], 500, 4)[0])
    doubled = bootstrap([average("accuracy", 2 * skewed(1))], 500, 3)[0]
    np.testing.assert_allclose(doubled, 2 * together[0], rtol=1e-12)
    np.testing.assert_array_equal(permute([(one, one)], 500), np.zeros((1, 500)))


def test_blocks_are_drawn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.compare.resampling.CELLS", 800)  # ten resamples of 80 examples
    drawn = bootstrap([average("loss", skewed(1))], 205)[0]
    assert len(np.unique(drawn)) == 205
    assert np.isfinite(drawn).all()


def test_more_examples_than_sixteen_bits_count() -> None:
    values = np.zeros(70_000)
    values[-4000:] = 1
    drawn = bootstrap([average("accuracy", values)], 50)[0]
    assert drawn.mean() == pytest.approx(4 / 70, rel=0.02)


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "mcc"])
def test_permutation_visits_every_swap_equally_often(name: str) -> None:
    first, second = (measures[name] for measures in measures_of(PAIR))
    drawn = permute([(first, second)], 64_000)[0]
    exact = []
    for swap in range(64):
        chosen = np.array([swap >> bit & 1 for bit in range(6)], bool)[:, None]
        ours, theirs = (
            np.where(chosen, x, y).sum(0) for x, y in ((second.stats, first.stats), (first.stats, second.stats))
        )
        exact.append(float(first.value(ours) - first.value(theirs)))
    values, counts = np.unique(np.round(exact, 9), return_counts=True)
    seen = np.array([(np.abs(drawn - value) < 1e-8).sum() for value in values])
    assert seen.sum() == 64_000
    assert stats.chisquare(seen, counts * 1000).pvalue > 0.001


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_spearman_s_fixed_ranks_are_close_to_ranking_anew(noise: float) -> None:
    draws = np.random.default_rng(1)
    gold = draws.integers(0, 11, 200) / 2
    predicted = gold + noise * draws.normal(size=200)
    columns = {"gold": gold.tolist(), "prediction": predicted.tolist(), "loss": [0.0] * 200}
    ours = bootstrap([measures_for(columns)["spearman"]], 1000)[0]
    chosen = draws.integers(0, 200, (1000, 200))
    anew = np.array([stats.spearmanr(predicted[rows], gold[rows]).statistic for rows in chosen])
    # each side is known to 2.2 %; near 1 fixed ranks take a fifth to a quarter off, else a few percent
    assert ours.std() == pytest.approx(anew.std(), rel=0.3 if noise < 1 else 0.12)
    assert np.quantile(ours, [0.025, 0.975]) == pytest.approx(np.quantile(anew, [0.025, 0.975]), abs=anew.std())


def test_undefined_resamples_are_left_out_of_intervals() -> None:
    assert percentile(np.array([1.0, np.nan, 2.0, 3.0]), 0.5).low == 1.5
    assert np.isnan(percentile(np.full(3, np.nan)).low)
    assert np.isnan(bca(1.0, np.full(3, np.nan), np.full(3, np.nan)).low)


def test_a_metric_that_does_not_vary_has_an_interval_of_one_point() -> None:
    found = interval(average("accuracy", np.ones(20)), 200)
    assert (found.low, found.high) == (1.0, 1.0)


def test_what_cannot_be_resampled() -> None:
    with pytest.raises(ValueError, match="there are 80, 79"):
        bootstrap([average("loss", skewed(1)), average("loss", skewed(1, 79))])
    with pytest.raises(ValueError, match="two examples or more"):
        bootstrap([average("loss", [1.0])])
    alone = [measures_of([run])[0]["f1_macro"] for run in ({**PAIR[0], "prediction": list("cccccc")}, PAIR[1])]
    with pytest.raises(ValueError, match="count different things"):
        permute([(alone[0], alone[1])])
