"""Slices on which a difference concentrates: a planted one is found, and where there is none, none is, as often as the
level says. The long form takes a minute: `pytest tests/faults/test_false_slices.py -m slow -s`.
"""

import numpy as np
import pytest
from scipy import stats

from headway.compare.breakdown import Concentration, concentration, max_t
from headway.compare.measures import average
from headway.compare.slices import Slice, candidates

LEVEL = 0.05
SIZE = 300
WORDS = 6
RESAMPLES = 199  # 10 of 200 orders are the level exactly


def simulated(draws: np.random.Generator) -> tuple[list[Slice], np.ndarray, np.ndarray]:
    """Slices that overlap, and which of 300 examples two runs have right; their difference depends on no slice."""
    words = draws.random((WORDS, SIZE)) < np.linspace(0.1, 0.6, WORDS)[:, None]
    rows = [[f"w{word}" for word in range(WORDS) if words[word, at]] for at in range(SIZE)]
    label = draws.choice(["x", "y", "z"], SIZE)
    atoms = [Slice("label", one, f"label = {one}", label == one) for one in "xyz"]
    slices = candidates({"word": rows}, atoms)
    hard = draws.beta(1, 4, SIZE)
    first, second = (draws.random(SIZE) > hard * factor for factor in (1, 0.6))
    return slices, first.astype(float), second.astype(float)


def rejected(attempts: int) -> int:
    draws = np.random.default_rng(2)
    count = 0
    for _ in range(attempts):
        slices, first, second = simulated(draws)
        masks = [one.mask for one in slices]
        count += bool(max_t(masks, second - first, RESAMPLES, int(draws.integers(2**31))).adjusted.min() <= LEVEL)
    print(f"maxT, one false slice or more among {len(slices)}: {count} of {attempts} = {count / attempts:.4f}")
    return count


@pytest.mark.parametrize("attempts", [200, pytest.param(4000, marks=pytest.mark.slow)])
def test_where_nothing_concentrates_it_says_so(attempts: int) -> None:
    low, high = stats.binom.interval(0.999, attempts, LEVEL)
    assert low <= rejected(attempts) <= high


@pytest.mark.parametrize("attempts", [200, pytest.param(4000, marks=pytest.mark.slow)])
def test_one_true_slice_makes_no_others(attempts: int) -> None:
    """The second is far better on label x; words have nothing to do with it."""
    draws = np.random.default_rng(3)
    false = 0
    for _ in range(attempts):
        slices, first, second = simulated(draws)
        label = next(one.mask for one in slices if one.name == "x")
        second, first = np.where(label, 1.0, second), np.where(label & (draws.random(SIZE) < 0.6), 0.0, first)
        found = max_t([one.mask for one in slices], second - first, RESAMPLES, int(draws.integers(2**31)))
        assert found.adjusted[[one.name for one in slices].index("x")] <= LEVEL
        false += found.adjusted[[one.family == "word" for one in slices]].min() <= LEVEL
    print(f"maxT, a false word beside a true label: {false} of {attempts} = {false / attempts:.4f}")
    assert false <= stats.binom.ppf(0.9995, attempts, LEVEL)


def of(slices: list[Slice], first: np.ndarray, second: np.ndarray) -> Concentration:
    measures = [[average("accuracy", row) for row in group] for group in (first, second)]
    return concentration(slices, measures[0], measures[1], (first, second), permutations=999)


def test_a_planted_slice_is_found_and_its_parts_are_not_repeated() -> None:
    """The second is better on label x, and much worse where x meets a word."""
    draws = np.random.default_rng(5)
    slices, first, _ = simulated(draws)
    label = next(one.mask for one in slices if one.name == "x")
    word = next(one.mask for one in slices if one.name == "word w4")
    runs = np.stack([first] * 3)
    better = np.where(label & (draws.random(SIZE) < 0.8), 1.0, runs)
    found = of(slices, runs, better)
    assert [one.name for one in found.found] == ["x"], "not the conjunctions of x with each word"
    assert found.found[0].adjusted <= 0.002
    assert found.found[0].difference > 0.1 > found.found[0].elsewhere == 0
    assert found.nearest == []
    worse = np.where(label & word & (draws.random((3, SIZE)) < 0.9), 0.0, runs)
    found = of(slices, runs, worse)
    assert found.found[0].name == "x and word w4"
    assert found.found[0].difference < -0.6
    assert found.found[0].statistic < 0
    assert found.found[0].over_seeds is not None
    assert found.found[0].over_seeds < 0.001
    assert "x" not in [one.name for one in found.found]


def test_without_a_difference_the_nearest_are_named() -> None:
    slices, first, second = simulated(np.random.default_rng(7))
    found = of(slices, first[None], second[None])
    assert found.found == []
    assert len(found.nearest) == 3
    assert found.looked_at == len(slices)
    assert found.nearest[0].over_seeds is None
    assert concentration([], [], [], (first[None], second[None])).nearest == []
