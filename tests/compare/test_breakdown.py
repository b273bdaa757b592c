"""How groups differ on slices, and where that concentrates: against literal procedures, and where there is nothing."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from headway.compare.breakdown import broken_down, max_t
from headway.compare.corrections import holm
from headway.compare.expressions import chosen, read_expression
from headway.compare.measures import Measure, measures_of
from headway.compare.paired import paired_bootstrap, paired_permutation
from headway.compare.slices import Slice
from headway.compare.verdict import Question, Side, analyse

LEVEL = 0.05
SIZE = 300
WORDS = 6


def literal_max_t(masks: np.ndarray, differences: np.ndarray, orders: list[tuple[int, ...]]) -> list[float]:
    """Box 2 of Dudoit, Shaffer and Boldrick 2003, word by word; orders: all permutations, the observed included."""

    def statistic(mask: np.ndarray, values: np.ndarray) -> float:
        inside, outside = values[mask], values[~mask]
        return (inside.mean() - outside.mean()) / (values.std(ddof=1) * np.sqrt(1 / len(inside) + 1 / len(outside)))

    observed = [abs(statistic(mask, differences)) for mask in masks]
    order = sorted(range(len(masks)), key=lambda one: -observed[one])
    counts = [0] * len(masks)
    for permutation in orders:
        drawn = [abs(statistic(masks[one], differences[list(permutation)])) for one in order]
        for place in range(len(order)):
            counts[place] += max(drawn[place:]) >= observed[order[place]] - 1e-9
    adjusted, largest = [0.0] * len(masks), 0.0
    for place, one in enumerate(order):
        largest = max(largest, counts[place] / len(orders))
        adjusted[one] = largest
    return adjusted


def test_max_t_is_the_published_procedure() -> None:
    draws = np.random.default_rng(4)
    differences = np.array([3.0, 2.5, 0.5, -1.0, 0.1, -0.7, 1.2])
    masks = np.array([[1, 1, 0, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0, 1], [1, 1, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1, 0]], bool)
    exact = literal_max_t(masks, differences, list(permutations(range(7))))
    found = max_t(masks, differences, 40_000, seed=int(draws.integers(99)))
    assert found.adjusted == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 40_000))
    assert len({round(one, 3) for one in exact}) == 4, "the steps differ"
    pairs = [(differences[mask], differences[~mask]) for mask in masks]
    of_two = [
        stats.permutation_test(pair, lambda a, b: abs(a.mean() - b.mean()), alternative="greater") for pair in pairs
    ]
    alone = [max_t([mask], differences, 40_000).adjusted[0] for mask in masks]
    assert alone == pytest.approx([one.pvalue for one in of_two], abs=0.015)


def test_one_statistic_is_students() -> None:
    draws = np.random.default_rng(0)
    values, mask = draws.normal(size=50), draws.random(50) < 0.4
    [statistic] = max_t([mask], values, 10).statistics
    spread = values.std(ddof=1) * np.sqrt(1 / mask.sum() + 1 / (~mask).sum())
    assert statistic == pytest.approx((values[mask].mean() - values[~mask].mean()) / spread, rel=1e-4)
    assert max_t([mask], -values, 10).statistics[0] == pytest.approx(-statistic)
    assert max_t([mask], np.ones(50), 10).adjusted[0] == 1, "nothing differs"


def labelled(right: float, seed: int) -> dict[str, list[object]]:
    gold = np.random.default_rng(0).choice(["a", "b", "c"], SIZE)
    draws = np.random.default_rng(seed)
    predicted = np.where(draws.random(SIZE) < right, gold, draws.choice(["a", "b", "c"], SIZE))
    return {"gold": gold.tolist(), "prediction": predicted.tolist(), "confidence": [1.0] * SIZE, "loss": [0.1] * SIZE}


def by_length(size: int = SIZE) -> list[Slice]:
    columns = {"length": list(range(size))}
    named = {"short": "length < 100", "long": "length >= 100", "tiny": "length < 5"}
    return [Slice("length", name, text, chosen(read_expression(text), columns, size)) for name, text in named.items()]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "loss"])
def test_a_table_has_the_test_of_the_whole_on_each_slice(seeds: int, name: str) -> None:
    every = measures_of([labelled(right, seed) for right in (0.5, 0.7) for seed in range(seeds)])
    measures = [one[name] for one in every]
    first, second = measures[:seeds], measures[seeds:]
    question = Question(f"test/{name}", measures[0].higher_is_better)
    [table] = broken_down([by_length()], first, second, question)
    assert (table.by, table.metric, [row.n for row in table.rows]) == ("length", name, [100, 200, 5])
    short, long, tiny = table.rows
    assert (tiny.interval, tiny.p_value, tiny.adjusted) == (None, None, None)
    own = [[one.take(np.arange(100)) for one in group] for group in (first, second)]
    assert short.first == pytest.approx(np.mean([one.estimate for one in own[0]]))
    assert short.difference == pytest.approx(np.mean([one.estimate for one in own[1]]) - short.first)
    if name == "loss":  # the same in both
        return
    if seeds == 1:
        [drawn], [swapped] = (test([(own[1][0], own[0][0])], 2000) for test in (paired_bootstrap, paired_permutation))
        assert short.p_value == max(drawn.p_value, swapped.p_value)
        assert short.interval == drawn.interval
    else:
        sides = [Side("", [one.estimate for one in group], group) for group in own]
        test = analyse(sides[1], sides[0], question)
        assert not isinstance(test, str)
        assert (short.p_value, short.interval) == (test.p_value, test.interval)
    assert [short.adjusted, long.adjusted] == pytest.approx(holm([short.p_value, long.p_value]).tolist())


def test_classes_are_lines_of_their_own_f1() -> None:
    runs = [labelled(right, 1) for right in (0.5, 0.8)]
    first, second = (one["f1_macro"] for one in measures_of(runs))
    counts = [one.stats.reshape(SIZE, 3, 3)[:, :, 1] for one in (first, second)]
    of_b = [[Measure("f1", one, lambda sums: 2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]))] for one in counts]
    labels = [Slice("label", "label b", 'label = "b"', np.array([gold == "b" for gold in runs[0]["gold"]]))]
    [table] = broken_down([labels], [first], [second], Question("test/f1_macro"), {"b": (of_b[0], of_b[1])})
    [row] = table.rows
    right = sum(gold == said == "b" for gold, said in zip(runs[0]["gold"], runs[0]["prediction"], strict=True))
    given, said = runs[0]["gold"].count("b"), runs[0]["prediction"].count("b")
    assert (table.metric, row.name, row.n) == ("f1", "label b", given)
    assert row.first == pytest.approx(2 * right / (given + said))
