import numpy as np
import pytest
from scipy import stats

from headway.compare.importance import epsilon_squared, importance, ranks, squared_spearman


@pytest.mark.parametrize("seed", range(5))
def test_raw_statistics_equal_scipy_s_with_ties(seed: int) -> None:
    draws = np.random.default_rng(seed)
    x = draws.integers(0, 5, 40)
    y = (draws.normal(size=40) + 0.5 * x).round(1)
    assert squared_spearman(x.tolist(), y.tolist()) == pytest.approx(stats.spearmanr(x, y).statistic ** 2, abs=1e-12)
    h = stats.kruskal(*(y[x == value] for value in np.unique(x))).statistic
    assert epsilon_squared(x.tolist(), y.tolist()) == pytest.approx(h / (len(x) - 1), abs=1e-12)
    np.testing.assert_array_equal(ranks(y), stats.rankdata(y))


def test_a_key_that_decides_all_has_nearly_all_the_importance() -> None:
    values = [0.1, 0.2, 0.3, 0.4] * 10
    assert importance(values, [10 * value for value in values]) == pytest.approx(1.0, abs=0.1)
    assert importance([str(value) for value in values], values) == pytest.approx(1.0, abs=0.1)


def test_an_effect_that_rises_and_falls_is_found_by_groups() -> None:
    values = [1, 2, 3] * 10
    metric = [{1: 0.0, 2: 1.0, 3: 0.0}[value] for value in values]
    assert squared_spearman(values, metric) == pytest.approx(0.0, abs=1e-9)
    assert importance(values, metric) > 0.8


def test_chance_is_taken_off() -> None:
    draws = np.random.default_rng(1)
    metric = draws.normal(size=30).tolist()
    every_run_another = [f"path-{number}" for number in range(30)]  # its raw share is 1
    assert epsilon_squared(every_run_another, metric) == pytest.approx(1.0)
    assert importance(every_run_another, metric) == pytest.approx(0.0, abs=1e-9)
    found = [importance(draws.integers(0, 6, 30).tolist(), metric) for _ in range(50)]
    assert np.mean(found) < 0.08


def test_the_same_question_has_the_same_answer() -> None:
    draws = np.random.default_rng(2)
    x, y = draws.normal(size=20).tolist(), draws.normal(size=20).tolist()
    assert importance(x, y) == importance(x, y)


@pytest.mark.parametrize(
    ("values", "metric"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, 1, 1, 1], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [1, 1, 1, 1]),
        ([], []),
        ([1, 2, 3, 4, 5], [1, 2, 3, float("nan"), float("inf")]),
        ([1, 2, 3, None, None], [1, 2, 3, 4, 5]),
    ],
)
def test_too_little_to_say(values: list[float | None], metric: list[float]) -> None:
    assert importance(values, metric) is None


def test_true_is_no_number_and_mixed_values_are_groups() -> None:
    assert importance([True, False] * 8, [1.0, 0.0] * 8) > 0.8
    assert importance([1, True, "x", 2.5] * 6, [1.0, 2.0, 3.0, 4.0] * 6) > 0.8
