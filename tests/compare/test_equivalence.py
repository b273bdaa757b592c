import numpy as np
import pytest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from headway.compare.equivalence import same_on_examples, same_over_seeds
from headway.compare.measures import average
from headway.compare.seeds import welch


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.3, 1.0, 3.0])
def test_over_seeds_it_is_statsmodels(seed: int, margin: float) -> None:
    draws = np.random.default_rng(seed)
    first, second = draws.normal(0.1, 1, 6), draws.normal(0, 1.5, 9)
    found = same_over_seeds(welch(first, second), margin)
    compared = CompareMeans(DescrStatsW(first), DescrStatsW(second))
    assert found.p_value == pytest.approx(compared.ttost_ind(-margin, margin, usevar="unequal")[0], rel=1e-9)
    ends = compared.tconfint_diff(0.1, usevar="unequal")
    assert (found.interval.low, found.interval.high) == pytest.approx(ends, abs=1e-9)
    assert found.interval.level == pytest.approx(0.9)


@pytest.mark.parametrize("margin", [0.02, 0.08, 0.12, 0.3])
def test_over_examples_it_is_statsmodels_for_a_mean(margin: float) -> None:
    draws = np.random.default_rng(1)
    first = draws.normal(0, 1, 800)
    second = first + draws.normal(0.03, 1, 800)
    found = same_on_examples(average("loss", first), average("loss", second), margin)
    theirs = ttost_paired(first, second, -margin, margin)[0]
    # 10,000 resamples: five standard errors of a share, and 0.005 for t against the bootstrap
    assert found.p_value == pytest.approx(theirs, abs=5 * np.sqrt(max(theirs, 1e-3) / 10_000) + 0.005)
    assert (found.p_value <= 0.05) == (-margin < found.interval.low and found.interval.high < margin)


def test_what_does_not_vary_is_not_tested_over_seeds() -> None:
    assert np.isnan(same_over_seeds(welch([0.5, 0.5], [0.5, 0.5]), 0.1).p_value)


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_is_above_nought(margin: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        same_over_seeds(welch([1.0, 2.0], [1.0, 3.0]), margin)
    with pytest.raises(ValueError, match="above 0"):
        same_on_examples(average("loss", [1.0, 2.0]), average("loss", [1.0, 3.0]), margin)
