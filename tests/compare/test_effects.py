import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.proportion import proportion_confint

from headway.compare.effects import cliffs_delta, cohens_d, discordant_odds, hedges_g


def groups(seed: int) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    return draws.normal(1, 1, 6).round(1), draws.normal(0, 2, 9).round(1)


@pytest.mark.parametrize("seed", range(5))
def test_standardised_differences(seed: int) -> None:
    first, second = groups(seed)
    d = stats.ttest_ind(first, second).statistic * np.sqrt(1 / 6 + 1 / 9)  # t with the pooled deviation
    assert cohens_d(first, second) == pytest.approx(d, rel=1e-12)
    theirs, _ = effectsize_smd(first.mean(), first.std(ddof=1), 6, second.mean(), second.std(ddof=1), 9)
    # statsmodels takes Hedges' approximation of the factor, 1 - 3 / (4 m - 1), which is within 0.0007 from m = 10
    assert hedges_g(first, second) == pytest.approx(theirs, rel=7e-4)


@pytest.mark.parametrize(("freedom", "factor"), [(2, 0.5642), (3, 0.7236), (10, 0.9228), (20, 0.9619), (50, 0.9849)])
def test_hedges_factors(freedom: int, factor: float) -> None:
    """c(m) of Hedges 1981, table 1, to its four digits."""
    first, second = np.arange(freedom - freedom // 2 + 1) + 1.0, np.arange(freedom // 2 + 1) * 1.0 - 7
    assert hedges_g(first, second) / cohens_d(first, second) == pytest.approx(factor, abs=6e-5)


@pytest.mark.parametrize("seed", range(5))
def test_cliffs_delta_is_mann_and_whitney_s_u(seed: int) -> None:
    first, second = groups(seed)
    u = stats.mannwhitneyu(first, second).statistic
    assert cliffs_delta(first, second) == pytest.approx(2 * u / (6 * 9) - 1, abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [(7, 1), (30, 40), (0, 5), (5, 0)])
def test_odds_of_discordant_pairs(first: int, second: int) -> None:
    found = discordant_odds(first, second, 0.9)
    assert found.ratio == (first / second if second else np.inf)
    low, high = proportion_confint(first, first + second, 0.1, "beta")
    assert found.interval.low == pytest.approx(low / (1 - low), rel=1e-9)
    assert found.interval.high == (pytest.approx(high / (1 - high), rel=1e-9) if second else np.inf)


def test_nothing_to_compare() -> None:
    assert np.isnan(discordant_odds(0, 0).ratio)
    assert cohens_d([1.0, 1.0], [1.0, 1.0]) == 0.0
    assert cohens_d([1.0, 1.0], [2.0, 2.0]) == -np.inf
    with pytest.raises(ValueError, match="1 and 2 values"):
        cohens_d([1.0], [1.0, 2.0])
