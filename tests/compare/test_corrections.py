import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from headway.compare.corrections import benjamini_hochberg, holm


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 2, 50])
def test_adjusted_p_values_are_statsmodels(seed: int, size: int) -> None:
    p_values = (np.random.default_rng(seed).random(size) ** 3).round(2)  # with ties and zeros
    for ours, name in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        np.testing.assert_allclose(ours(p_values), multipletests(p_values, method=name)[1], rtol=0, atol=1e-12)


def test_benjamini_and_hochberg_s_example() -> None:
    """1995, section 3.2: of fifteen comparisons Bonferroni's kind of control rejects three, theirs four, at 0.05."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert (holm(p_values) <= 0.05).sum() == 3
    assert (benjamini_hochberg(p_values) <= 0.05).sum() == 4


def test_no_tests_and_no_p_values() -> None:
    assert len(holm([])) == len(benjamini_hochberg([])) == 0
    for correct in (holm, benjamini_hochberg):
        for wrong in (1.1, float("nan")):
            with pytest.raises(ValueError, match="between 0 and 1"):
                correct([0.1, wrong])
