"""Training dynamics against values by hand and against the papers' formulas, written out."""

import math

import numpy as np
import pytest

from headway.compare.dynamics import Dynamics, averaged, dynamics, order, regions

# five examples at four looks: easy, learned late, forgotten twice, never right, in between
PROBABILITY = np.array(
    [
        [0.9, 0.1, 0.8, 0.1, 0.5],
        [0.9, 0.2, 0.4, 0.1, 0.6],
        [0.9, 0.7, 0.8, 0.1, 0.5],
        [0.9, 0.8, 0.4, 0.1, 0.6],
    ]
)
RIGHT = PROBABILITY > 0.5


def test_values_by_hand() -> None:
    found = dynamics(PROBABILITY, RIGHT)
    np.testing.assert_allclose(found.confidence, [0.9, 0.45, 0.6, 0.1, 0.55])
    np.testing.assert_allclose(found.variability, [0, math.sqrt(0.0925), 0.2, 0, 0.05], atol=1e-12)
    np.testing.assert_array_equal(found.correctness, [1, 0.5, 0.5, 0, 0.5])
    np.testing.assert_array_equal(found.forgotten, [0, 0, 2, math.inf, 1])
    np.testing.assert_array_equal(found.learned, [1, 3, 1, math.inf, 2])


def cartography(p: list[list[float]], i: int) -> tuple[float, float]:
    """Equations 1 and 2 of Swayamdipta et al. 2020, term by term: mu_i and sigma_i."""
    epochs = len(p)
    mu = 1 / epochs * sum(p[e][i] for e in range(epochs))
    return mu, math.sqrt(sum((p[e][i] - mu) ** 2 for e in range(epochs)) / epochs)


def forgetting(acc: list[list[int]], i: int) -> tuple[float, float]:
    """Section 3 of Toneva et al. 2019: forgetting events where acc_i^t > acc_i^{t+1}; when learned for the first time.

    An example that is never learned is taken to be forgotten infinitely often.
    """
    times = range(len(acc))
    if not any(acc[t][i] for t in times):
        return math.inf, math.inf
    return sum(acc[t][i] > acc[t + 1][i] for t in times[:-1]), next(t for t in times if acc[t][i]) + 1


def test_the_formulas_of_the_papers() -> None:
    draw = np.random.default_rng(0)
    probability = draw.random((7, 200))
    right = draw.random((7, 200)) < draw.random(200)
    found = dynamics(probability, right)
    for i in range(200):
        assert (found.confidence[i], found.variability[i]) == pytest.approx(cartography(probability.tolist(), i))
        assert (found.forgotten[i], found.learned[i]) == forgetting(right.astype(int).tolist(), i)
    assert np.isinf(found.forgotten).any()


def test_what_is_neither_right_nor_wrong_has_a_place_on_the_map() -> None:
    found = dynamics(PROBABILITY, None)
    assert np.isfinite(found.confidence).all()
    assert np.isnan([found.correctness, found.forgotten, found.learned]).all()


def test_one_look_is_no_course() -> None:
    with pytest.raises(ValueError, match="two steps or more"):
        dynamics(PROBABILITY[:1], RIGHT[:1])


def test_the_mean_over_seeds_is_of_each_seeds_own_course() -> None:
    """Two seeds that are each constant have no variability, however far apart they are."""
    low, high = (dynamics(np.full((3, 2), p), np.full((3, 2), p > 0.5)) for p in (0.2, 0.8))
    found = averaged([low, high])
    np.testing.assert_allclose(found.confidence, 0.5)
    np.testing.assert_allclose(found.variability, 0, atol=1e-12)
    np.testing.assert_array_equal(found.correctness, 0.5)
    np.testing.assert_array_equal(found.forgotten, 0, err_msg="of the seed that learned them")
    np.testing.assert_array_equal(found.learned, 1)
    never = averaged([low, low])
    assert np.isinf(never.forgotten).all()
    one = averaged([low])
    assert all(np.array_equal(getattr(one, name), getattr(low, name)) for name in vars(low))
    assert np.isnan(averaged([dynamics(PROBABILITY, None)] * 2).forgotten).all()


def test_regions_are_thirds() -> None:
    draw = np.random.default_rng(1)
    found = dynamics(draw.random((5, 300)), None)
    names = regions(found)
    assert {name: int((names == name).sum()) for name in np.unique(names)} == {
        "easy": 100,
        "ambiguous": 100,
        "hard": 100,
    }
    assert found.variability[names == "ambiguous"].min() >= found.variability[names != "ambiguous"].max()
    assert found.confidence[names == "hard"].max() <= found.confidence[names == "easy"].min()
    assert regions(dynamics(PROBABILITY, RIGHT)).tolist() == ["easy", "ambiguous", "ambiguous", "hard", "easy"]


def test_orders() -> None:
    found = dynamics(PROBABILITY, RIGHT)
    assert order(found, "hard").tolist() == [3, 1, 4, 2, 0]
    assert order(found, "easy").tolist() == [0, 2, 4, 1, 3]
    assert order(found, "ambiguous").tolist() == [1, 2, 4, 3, 0]
    assert order(found, "forgotten").tolist() == [3, 2, 4, 1, 0], "never learned first, then the less confident"


def test_wrong_labels_are_hard() -> None:
    """A logistic regression that descends on two clouds, with 5% of its labels flipped."""
    draw = np.random.default_rng(2)
    true = draw.integers(0, 2, 1000)
    inputs = draw.normal(0, 1, (1000, 5)) + 2 * (2 * true - 1)[:, None] / math.sqrt(5)
    flipped = draw.random(1000) < 0.05
    signs = np.where(true ^ flipped, 1, -1)
    weights, looks = np.zeros(5), []
    for _ in range(10):
        looks.append(1 / (1 + np.exp(-signs * (inputs @ weights))))
        weights += 0.5 * ((1 - looks[-1]) * signs) @ inputs / 1000
    found: Dynamics = dynamics(looks, np.array(looks) > 0.5)
    hardest = order(found, "hard")[: flipped.sum()]
    assert flipped[hardest].mean() > 0.6
    assert np.isinf(found.forgotten[flipped]).mean() > 0.8
