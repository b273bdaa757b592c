"""Simulated groups whose difference is known, and every question that is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from headway.compare.corrections import holm
from headway.compare.leaderboard import MOST_PAIRED, compare, leaderboard, welch_of_all
from headway.compare.measures import Measure, average, measures_of
from headway.compare.paired import mcnemar
from headway.compare.seeds import almost_stochastic_order, hierarchical, welch
from headway.compare.verdict import Question, Side, Verdict, analyse, verdicts

ACCURACY = Question("test/accuracy")


def side(name: str, values: Any, **more: Any) -> Side:
    return Side(name, list(values), **{"data": ["d"] * len(values), **more})


def seeds(mean: float, size: int = 5, name: str = "A", number: int = 0, sd: float = 0.01) -> Side:
    return side(name, np.random.default_rng(number).normal(mean, sd, size))


def measured(name: str, shift: float, runs: int, number: int, examples: int = 400) -> Side:
    """Runs of which each is right on the same hard and easy examples, and by `shift` more often."""
    hard = np.random.default_rng(99).beta(4, 1, examples)
    draws = np.random.default_rng(number)
    measures = [average("accuracy", draws.random(examples) < np.clip(hard + shift, 0, 1)) for _ in range(runs)]
    return side(name, [one.estimate for one in measures], measures=measures, examples=["e"] * runs)


def only(first: Side, second: Side, question: Question = ACCURACY) -> Verdict:
    [verdict] = verdicts([first, second], question)
    return verdict


# --- known answers ---------------------------------------------------------------------------------------------------


def test_a_real_difference_over_seeds() -> None:
    first, second = seeds(0.9), seeds(0.8, name="B", number=1)
    verdict = only(first, second)
    assert verdict.outcome == "better"
    assert verdict.sentence.startswith("A is better than B in test/accuracy by 0.0982 (95%")
    assert verdict.finding is not None
    assert verdict.adjusted == verdict.finding.p_value == welch(first.values, second.values).p_value
    assert only(second, first).outcome == "worse"
    assert only(first, second, Question("test/loss", higher_is_better=False)).outcome == "worse"


def test_a_real_difference_over_seeds_and_examples() -> None:
    first, second = measured("A", 0.05, 4, 0), measured("B", -0.1, 4, 1)
    verdict = only(first, second)
    assert (verdict.outcome, verdict.finding and verdict.finding.method) == ("better", "hierarchical")
    assert "over 4 and 4 seeds and 400 examples" in verdict.sentence
    theirs = hierarchical(first.measures, second.measures, 2000)
    assert verdict.finding is not None
    assert verdict.finding.p_value == theirs.p_value
    assert verdict.finding.interval == theirs.interval


def test_two_single_runs_speak_of_themselves_only() -> None:
    verdict = only(measured("A", 0.05, 1, 0), measured("B", -0.1, 1, 1))
    assert (verdict.outcome, verdict.finding and verdict.finding.method) == ("better", "paired")
    assert "not of their recipes" in verdict.assumptions[0]
    assert verdict.finding is not None
    assert verdict.finding.effect is not None
    assert verdict.finding.effect.kind == "right alone"
    gap = (verdict.finding.effect.first - (verdict.finding.effect.second or 0)) / 400
    assert gap == pytest.approx(verdict.finding.difference)


@pytest.mark.parametrize("higher", [True, False])
def test_the_other_tests_of_a_pair_are_told(higher: bool) -> None:
    question = Question("test/accuracy", higher_is_better=higher)
    first, second = seeds(0.9, 4), seeds(0.8, 4, name="B", number=1)
    found = only(first, second, question).finding
    assert found is not None
    better, worse = (first, second) if higher else (second, first)
    assert found.also == {
        "Welch p": pytest.approx(stats.ttest_ind(first.values, second.values, equal_var=False).pvalue),
        "permutation of seeds p": pytest.approx(2 / 70),  # of 70 splits only this one and its mirror lie as far apart
        "least p of so many seeds": pytest.approx(2 / 70),
        "almost stochastic order epsilon": almost_stochastic_order(better.values, worse.values, higher).least_epsilon,
    }
    assert found.also["almost stochastic order epsilon"] < 0.01
    one, other = measured("A", 0.05, 1, 0), measured("B", -0.1, 1, 1)
    paired = only(one, other).finding
    assert paired is not None
    assert paired.p_value == max(paired.also["paired bootstrap p"], paired.also["paired permutation p"])
    right = [run.measures[0].stats[:, 0] == 1 for run in (one, other)]
    assert paired.also["McNemar p"] == mcnemar(*right).p_mid


@pytest.mark.parametrize("runs", [1, 3])
def test_equal_groups_take_more_data_or_a_margin(runs: int) -> None:
    first, second = measured("A", 0, runs, 2), measured("B", 0, runs, 3)
    verdict = only(first, second)
    assert verdict.outcome == "too little data"
    assert "would be seen four times in five" in verdict.sentence
    tied = only(first, second, Question("test/accuracy", margin=0.15))
    assert tied.outcome == "tied"
    assert "the same within 0.1500" in tied.sentence
    assert only(first, second, Question("test/accuracy", margin=0.001)).outcome == "too little data"


def test_a_real_difference_smaller_than_the_margin_is_a_tie() -> None:
    first, second = seeds(0.81, 20, sd=0.001), seeds(0.80, 20, "B", 1, sd=0.001)
    assert only(first, second).outcome == "better"
    tied = only(first, second, Question("test/accuracy", margin=0.05))
    assert tied.outcome == "tied"
    assert "They differ, by 0.0" in tied.sentence


def test_runs_alike_on_every_example_are_tied() -> None:
    first = measured("A", 0, 1, 2)
    assert only(first, replace(first, name="B")).outcome == "tied"


def test_seeds_that_would_show_it() -> None:
    """Of the seeds that it names, Welch's test finds the observed difference four times in five, or a little less."""
    first, second = side("A", [0.80, 0.82, 0.84]), side("B", [0.78, 0.80, 0.82])
    finding = analyse(first, second, ACCURACY)
    assert not isinstance(finding, str)
    assert finding.needed is not None
    draws = np.random.default_rng(0)
    drawn = [draws.normal(mean, 0.02, (4000, finding.needed)) for mean in (0.82, 0.80)]
    seen = (stats.ttest_ind(*drawn, axis=1, equal_var=False).pvalue <= 0.05).mean()
    assert 0.78 < seen < 0.86


def test_a_test_set_that_no_seeds_make_up_for() -> None:
    draws = np.random.default_rng(5)
    recipes = draws.random((2, 100)) < 0.8  # every seed of a recipe has the same examples right, but one or two
    groups = []
    for name, right in zip("AB", recipes, strict=True):
        flipped = [right ^ (draws.random(100) < 0.01) for _ in range(3)]
        measures = [average("accuracy", one) for one in flipped]
        groups.append(side(name, [one.estimate for one in measures], measures=measures, examples=["e"] * 3))
    verdict = only(groups[0], groups[1])
    assert verdict.outcome == "too little data"
    assert "no number of seeds shows" in verdict.sentence


@pytest.mark.parametrize(("size", "other"), [(2, 5), (2, 10), (3, 20)])
def test_uneven_groups_keep_the_level(size: int, other: int) -> None:
    draws = np.random.default_rng(0)
    found = [
        only(side("A", draws.normal(0, 3, size)), side("B", draws.normal(0, 1, other))).outcome for _ in range(600)
    ]
    assert sum(one != "too little data" for one in found) <= stats.binom.ppf(0.9995, 600, 0.05)
    assert "cautious" in only(seeds(0, size), seeds(0, other, "B")).notes[0]


@pytest.mark.parametrize(
    ("correction", "adjust"), [("holm", holm), ("bh", lambda raw: stats.false_discovery_control(raw))]
)
def test_correction_over_the_pairs(correction: Any, adjust: Any) -> None:
    sides = [seeds(0.8, name=f"G{number}", number=number) for number in range(5)]
    plain = [analyse(one, other, ACCURACY) for at, one in enumerate(sides) for other in sides[at + 1 :]]
    raw = [one.p_value for one in plain if not isinstance(one, str)]
    found = [one.adjusted for one in verdicts(sides, Question("test/accuracy", correction=correction))]
    assert found == pytest.approx(list(adjust(raw)))


@pytest.mark.parametrize(("groups", "size"), [(6, 3), (12, 5)])
def test_equal_groups_are_all_of_rank_one(groups: int, size: int) -> None:
    """But for 5 in 100 tables; which group leads is not known before."""
    draws = np.random.default_rng(0)
    tables = [[side(str(at), draws.normal(0, 1, size)) for at in range(groups)] for _ in range(80)]
    ranked = [any(place.rank != 1 for place in leaderboard(table, ACCURACY)) for table in tables]
    assert sum(ranked) <= stats.binom.ppf(0.9995, len(tables), 0.05)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (seeds(0.9), side("B", []), "no run of B has a finite value"),
        (seeds(0.9), side("B", [0.1, 0.2], data=["x", "x"]), r"different data \(fingerprints d and x\)"),
        (
            side("A", [0.1, 0.2], data=["d", "x"]),
            side("B", [0.1, 0.2]),
            "different data",
        ),
        (
            measured("A", 0, 2, 0),
            replace(measured("B", 0, 2, 1), examples=["f"] * 2),
            "test examples, or the gold answers",
        ),
        (seeds(0.9), side("B", [0.8]), "B has one run and A 5"),
        (side("A", [0.9]), side("B", [0.8]), "cannot be computed again from predictions"),
        (side("A", [0.9, 0.9]), side("B", [0.8, 0.8]), "every seed gave the same value"),
    ],
)
def test_refused(first: Side, second: Side, reason: str) -> None:
    verdict = only(first, second)
    assert (verdict.outcome, verdict.finding, verdict.adjusted) == ("refused", None, None)
    assert verdict.sentence.startswith("No verdict on A and B: ")
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(verdict.sentence)


def test_too_few_seeds_for_what_is_claimed() -> None:
    pair = measured("A", 0.05, 1, 0), measured("B", -0.1, 1, 1)
    assert "says nothing of other seeds" in only(*pair, Question("test/accuracy", of_recipes=True)).sentence


def scored(count: int) -> list[dict[str, Measure]]:
    draws = np.random.default_rng(0)
    gold = draws.normal(size=60)
    columns = [
        {"gold": gold.tolist(), "prediction": (gold + draws.normal(size=60)).tolist(), "loss": [0.0] * 60}
        for _ in range(count)
    ]
    return measures_of(columns)


def test_rank_correlations_are_not_resampled() -> None:
    runs = scored(4)
    sides = [
        side(name, [one["spearman"].estimate for one in some], measures=[one["spearman"] for one in some])
        for name, some in (("A", runs[:2]), ("B", runs[2:]), ("C", runs[:1]), ("D", runs[1:2]))
    ]
    found = analyse(sides[0], sides[1], ACCURACY)
    assert not isinstance(found, str)
    assert found.method == "Welch"
    assert "rank correlations" in only(sides[2], sides[3]).sentence


def test_the_same_test_set_counts_even_where_other_data_differ() -> None:
    first, second = measured("A", 0.05, 2, 0), replace(measured("B", -0.1, 2, 1), data=["x", "x"])
    assert only(first, second).outcome != "refused"


@pytest.mark.parametrize("wrong", [{"level": 0.0}, {"level": 0.7}, {"margin": 0.0}, {"correction": "none"}])
def test_wrong_questions(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Question("test/accuracy", **wrong)


# --- the table -------------------------------------------------------------------------------------------------------


def test_ties_share_a_rank() -> None:
    means = {"A": 0.7, "B": 0.9, "C": 0.895, "D": 0.8}
    sides = [seeds(mean, name=name, number=at) for at, (name, mean) in enumerate(means.items())]
    places = leaderboard(sides, ACCURACY)
    assert [(place.rank, place.n) for place in places] == [(1, 5), (1, 5), (3, 5), (4, 5)]
    assert {place.name for place in places[:2]} == {"B", "C"}
    assert [place.name for place in places[2:]] == ["D", "A"]
    for place in places:
        values = next(one.values for one in sides if one.name == place.name)
        theirs = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
        assert (place.interval and (place.interval.low, place.interval.high)) == pytest.approx(theirs)
    lowest = leaderboard(sides, Question("test/loss", higher_is_better=False))
    assert [(place.rank, place.name) for place in lowest[:2]] == [(1, "A"), (2, "D")]
    assert lowest[0].best == min(sides[0].values)


def test_two_groups_are_answered_in_the_order_asked() -> None:
    first, second = seeds(0.8, name="A"), seeds(0.9, name="B", number=1)
    found = compare([first, second], ACCURACY)
    assert [place.name for place in found.places] == ["B", "A"]
    assert [(one.first, one.outcome) for one in found.verdicts] == [("A", "worse")]


def test_what_cannot_be_ranked_has_no_rank() -> None:
    sides = [seeds(0.9), seeds(0.8, name="B", number=1), side("C", [0.99]), side("D", [])]
    found = compare(sides, ACCURACY)
    assert [(place.name, place.rank) for place in found.places] == [("C", None), ("A", 1), ("B", 2)]
    assert found.verdicts[-1].outcome == "refused"
    assert found.refused is None
    assert "and 1 more pairs" in str(compare([sides[2], sides[3], side("E", [])], ACCURACY).refused)


def test_many_groups_are_the_same_tests() -> None:
    sides = [seeds(0.8 + 0.03 * at, 3 + at % 4, f"G{at}", at) for at in range(MOST_PAIRED + 3)]
    sides.append(seeds(0.8, 2, "two", 50))
    sides.append(side("one", [0.9]))
    sides.append(side("other", [0.9, 0.91, 0.92], data=["x"] * 3))
    p_values = welch_of_all(sides)
    for row, first in enumerate(sides):
        for column, second in enumerate(sides[:row]):
            found = analyse(replace(first, data=[]), replace(second, data=[]), ACCURACY)
            expected = np.nan if isinstance(found, str) else found.p_value
            assert p_values[row, column] == pytest.approx(expected, nan_ok=True)
    found_many = compare(sides, ACCURACY)
    assert len(found_many.verdicts) == len(sides) - 1
    assert {one.first for one in found_many.verdicts} == {found_many.places[0].name}
    assert [place.rank for place in found_many.places if place.name in ("one", "other")] == [None, None]
    every = verdicts(sides, ACCURACY)
    better = {(one.first, one.second) for one in every if one.outcome == "better"}
    better |= {(one.second, one.first) for one in every if one.outcome == "worse"}
    for place in found_many.places:
        if place.rank is not None:
            assert place.rank == 1 + sum(loser == place.name for _, loser in better)
