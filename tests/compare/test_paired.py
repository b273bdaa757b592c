"""Against sacrebleu's paired tests, statsmodels' McNemar and scipy's permutation test.

Where both sides draw 10,000 resamples their p-values differ by chance: five standard errors of that are allowed.
"""

from itertools import product
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as published

from headway.compare.measures import Measure, average, measures_of
from headway.compare.paired import mcnemar, paired_bootstrap, paired_permutation, share_as_far
from headway.compare.resampling import bootstrap

RESAMPLES = 10_000
WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "runs", "fast", "in", "green", "park"]


def chance(p_value: float, resamples: int = RESAMPLES) -> float:
    """Five standard errors of the difference between two estimates of a p-value."""
    return 5 * float(np.sqrt(2 * max(p_value, 1e-3) / resamples))


def translations(size: int = 120) -> tuple[list[str], list[str], list[str]]:
    """References, those with a third of the words changed, and with slightly more."""
    draws = np.random.default_rng(3)

    def changed(text: str, share: float) -> str:
        return " ".join(str(draws.choice(WORDS)) if draws.random() < share else word for word in text.split())

    gold = [" ".join(draws.choice(WORDS, draws.integers(6, 14))) for _ in range(size)]
    return gold, [changed(text, 0.33) for text in gold], [changed(text, 0.37) for text in gold]


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[dict[str, Measure]]]:
    gold, first, second = translations()
    columns: list[dict[str, Any]] = [
        {"gold": gold, "prediction": ours, "loss": [1.0] * len(gold), "tokens": [1] * len(gold)}
        for ours in (first, second)
    ]
    return gold, measures_of(columns)


@pytest.mark.parametrize("kind", ["ar", "bs"])
def test_bleu_and_chrf_agree_with_sacrebleu(texts: Any, kind: str) -> None:
    gold, (first, second) = texts
    _, ours, theirs = translations()
    libraries = {"BLEU": BLEU(force=True), "chrF2": CHRF()}
    resamples = 3000  # sacrebleu takes a second for a thousand
    test = PairedTest([("a", ours), ("b", theirs)], libraries, [gold], test_type=kind, n_samples=resamples)
    _, found = test()
    for library, name in {"BLEU": "bleu", "chrF2": "chrf"}.items():
        pair = first[name], second[name]
        assert [measure.estimate for measure in pair] == pytest.approx([one.score for one in found[library]], abs=1e-9)
        published = found[library][1].p_value
        assert 0.002 < published < 0.9  # else it says little
        if kind == "ar":
            p_value = paired_permutation([pair], RESAMPLES)[0].p_value
        else:  # its p-value centres sizes of differences (as Moses' script does), ours differences: compare by its own
            drawn = np.abs(np.subtract(*bootstrap(pair, RESAMPLES)))
            difference = abs(pair[0].estimate - pair[1].estimate)
            p_value = (1 + (drawn - drawn.mean() > difference).sum()) / (1 + RESAMPLES)
            low, high = np.quantile(bootstrap([pair[1]], RESAMPLES)[0], [0.025, 0.975])
            # half the width of its interval: of 3,000 draws an end is known to 0.05 deviations
            assert found[library][1].ci == pytest.approx((high - low) / 2, rel=0.08)
        assert p_value == pytest.approx(published, abs=chance(published, resamples))


@pytest.mark.parametrize("seed", range(6))
def test_mcnemar_is_statsmodels(seed: int) -> None:
    draws = np.random.default_rng(seed)
    first, second = draws.random(60) < 0.8, draws.random(60) < 0.6
    found = mcnemar(first, second)
    table = [[(first & second).sum(), found.only_first], [found.only_second, (~first & ~second).sum()]]
    assert found.p_exact == pytest.approx(published(table, exact=True).pvalue, abs=1e-12)
    total, fewer = found.only_first + found.only_second, min(found.only_first, found.only_second)
    assert found.p_mid == pytest.approx(min(1, found.p_exact - stats.binom.pmf(fewer, total, 0.5)), abs=1e-12)


def test_mcnemar_of_the_paper_s_example() -> None:
    """Airway hyper-responsiveness before and after transplantation, Fagerland et al. 2013: 1 against 7."""
    before, after = [True] * 1 + [False] * 7, [False] * 1 + [True] * 7
    found = mcnemar(before, after)
    assert (found.only_first, found.only_second) == (1, 7)
    assert (found.p_exact, found.p_mid) == pytest.approx((0.0703, 0.0391), abs=5e-5)


def test_mcnemar_without_a_difference() -> None:
    assert mcnemar([True, False], [True, False]).p_exact == 1.0
    assert mcnemar([True, False], [False, True]).p_mid == 1.0
    with pytest.raises(ValueError, match="1 and 2 examples"):
        mcnemar([True], [True, False])


@pytest.mark.parametrize("seed", range(3))
def test_permutation_is_scipy_s(seed: int) -> None:
    draws = np.random.default_rng(seed)
    first, second = draws.normal(0.4, 1, 12), draws.normal(0, 1, 12)
    exact = stats.permutation_test(
        (first, second), lambda x, y: abs(x.mean() - y.mean()), permutation_type="samples", alternative="greater"
    )
    assert exact.null_distribution.shape == (4096,)
    found = paired_permutation([(average("loss", first), average("loss", second))], RESAMPLES)[0]
    assert found.difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert found.p_value == pytest.approx(exact.pvalue, abs=chance(exact.pvalue))


def test_permuted_accuracy_is_mcnemar_exactly_in_the_long_run() -> None:
    """Swapping outcomes moves only the discordant examples, by fair coins: the exact test's null distribution."""
    draws = np.random.default_rng(8)
    first, second = draws.random(400) < 0.85, draws.random(400) < 0.80
    found = paired_permutation([(average("accuracy", first), average("accuracy", second))], 40_000)[0]
    exact = mcnemar(first, second).p_exact
    assert found.p_value == pytest.approx(exact, abs=chance(exact, 40_000))


def test_bootstrap_s_p_value_and_interval_are_those_of_a_mean() -> None:
    draws = np.random.default_rng(2)
    first, second = draws.normal(0.1, 1, 500), draws.normal(0, 1, 500)
    found = paired_bootstrap([(average("accuracy", first), average("accuracy", second))], RESAMPLES)[0]
    theory = stats.ttest_rel(first, second)
    assert found.p_value == pytest.approx(
        theory.pvalue, abs=chance(theory.pvalue) + 0.003
    )  # 499 against no end of freedom
    ends = theory.confidence_interval(0.95)
    width = ends.high - ends.low
    assert (found.interval.low, found.interval.high) == pytest.approx((ends.low, ends.high), abs=0.04 * width)
    assert found.wins == pytest.approx(stats.norm.cdf(theory.statistic), abs=0.02)


def test_wins_know_what_is_better() -> None:
    low, high = np.full(30, 0.1) + np.arange(30) / 1000, np.full(30, 0.9)
    [loss, accuracy] = paired_bootstrap(
        [(average("loss", low), average("loss", high)), (average("accuracy", low), average("accuracy", high))], 200
    )
    assert (loss.wins, accuracy.wins) == (1.0, 0.0)


def test_a_run_against_itself() -> None:
    run = average("accuracy", [1.0, 0.0, 1.0])
    assert paired_bootstrap([(run, run)], 100)[0].p_value == 1.0
    assert paired_permutation([(run, run)], 100)[0].p_value == 1.0


def test_a_p_value_is_never_nought() -> None:
    run, other = average("loss", np.zeros(50)), average("loss", np.ones(50))
    assert paired_permutation([(run, other)], 99)[0].p_value == 0.01
    assert share_as_far(np.array([np.nan, 0.0, 0.1, 0.2]), 0.2) == 3 / 5


def test_pairs_do_not_change_each_other() -> None:
    runs = [average("accuracy", row) for row in np.random.default_rng(1).random((3, 40)) < 0.7]
    pairs = [(one, other) for one, other in product(runs, runs) if one is not other]
    assert paired_bootstrap(pairs, 300)[-1] == paired_bootstrap(pairs[-1:], 300)[0]
    assert paired_permutation(pairs, 300)[-1] == paired_permutation(pairs[-1:], 300)[0]
