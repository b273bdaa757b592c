"""What became of each example: right or wrong, graded, and how much each adds to the metric."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from headway.compare.examples import Scores, answers, changes, influence, listed, scores
from headway.compare.measures import measures_of

SIZE = 60
Run = dict[str, list[Any]]


def labelled(seed: int) -> Run:
    draws = np.random.default_rng(seed)
    gold = np.random.default_rng(99).choice(["a", "b", "c"], SIZE)
    said = np.where(draws.random(SIZE) < 0.7, gold, "a")
    return {
        "gold": gold.tolist(),
        "prediction": said.tolist(),
        "confidence": [0.9] * SIZE,
        "loss": draws.exponential(size=SIZE).tolist(),
    }


TAGGED: Run = {
    "tokens": [["A", "B"], ["C"], ["D"]],
    "gold": [["B-x", "I-x"], ["O"], ["B-y"]],
    "prediction": [["B-x", "O"], ["O"], ["B-y"]],
    "loss": [0.1, 0.2, 0.3],
}
MANY: Run = {
    "gold": [["a", "b"], [], ["c"]],
    "prediction": [["b", "a"], ["c"], ["c"]],
    "scores": [[0.9, 0.9, 0.1]] * 3,
    "loss": [1.0, 2.0, 3.0],
}
ASKED: Run = {
    "question": ["q"] * 4,
    "gold": [["the red fox"], [], ["two"], ["three"]],
    "prediction": ["red fox", "", "", "three dogs"],
    "loss": [0.5] * 4,
}
SCORED: Run = {"gold": [1.0, 2.0, 3.0, 4.0], "prediction": [1.5, 2.0, 2.0, 4.5], "loss": [0.1] * 4}
GENERATED: Run = {
    "gold": ["the cat sat on the mat", "a dog"],
    "prediction": ["the cat sat on the mat", "cats"],
    "loss": [1.0, 2.0],
    "tokens": [6, 2],
}


def of(run: Run, metric: str) -> Scores:
    return scores([run], [measures_of([run])[0][metric]])


@pytest.mark.parametrize(
    ("run", "metric", "kind", "values"),
    [
        (TAGGED, "f1", "right", [0, 1, 1]),
        (TAGGED, "accuracy", "right", [0, 1, 1]),
        (TAGGED, "loss", "graded", [0.1, 0.2, 0.3]),
        (MANY, "f1_micro", "right", [1, 0, 1]),
        (MANY, "loss", "graded", [1, 2, 3]),
        (ASKED, "exact_match", "right", [1, 1, 0, 0]),
        (ASKED, "f1", "graded", [1, 1, 0, 2 / 3]),
        (SCORED, "pearson", "graded", [0.5, 0, 1, 0.5]),
        (SCORED, "mse", "graded", [0.25, 0, 1, 0.25]),
        (GENERATED, "loss", "graded", [1, 2]),
        (GENERATED, "perplexity", "graded", [np.e, np.e**2]),
    ],
)
def test_the_score_of_an_example(run: Run, metric: str, kind: str, values: list[float]) -> None:
    found = of(run, metric)
    assert found.kind == kind
    assert found.values[0] == pytest.approx(values)
    lower = metric in ("loss", "mse", "pearson", "perplexity")
    assert found.sign == (-1 if lower and kind == "graded" else 1)
    assert found.counted.all()


def test_texts_have_their_chrf() -> None:
    from sacrebleu import sentence_chrf

    pairs = zip(GENERATED["prediction"], GENERATED["gold"], strict=True)
    expected = [sentence_chrf(text, [gold]).score for text, gold in pairs]
    for metric in ("bleu", "chrf"):
        assert of(GENERATED, metric).values[0] == pytest.approx(expected)


def test_examples_that_do_not_count_are_known() -> None:
    found = of(ASKED, "has_answer_f1")
    assert found.counted.tolist() == [True, False, True, True]


@pytest.mark.parametrize("metric", ["f1_macro", "mcc", "accuracy", "loss"])
def test_credit_is_what_leaving_an_example_out_takes(metric: str) -> None:
    run = labelled(0)
    [measure] = [one[metric] for one in measures_of([run])]
    kept = [measure.take([at for at in range(SIZE) if at != out]).estimate for out in range(SIZE)]
    expected = SIZE * (measure.estimate - np.array(kept))
    found = influence(measure)
    if metric in ("accuracy", "loss"):  # its own value: the same up to a shift and N / (N - 1)
        found = (found - found.mean()) * SIZE / (SIZE - 1)
    assert found == pytest.approx(expected, abs=1e-9)
    sign = -1 if metric == "loss" else 1
    assert scores([run], [measure]).credit[0] == pytest.approx(sign * influence(measure))


def test_credits_add_up_to_the_metric_of_a_part() -> None:
    """To first order: twice the weight of some examples moves the metric by the mean of their credits."""
    [measure] = [one["f1_macro"] for one in measures_of([labelled(1)])]
    credit = influence(measure)
    heavier = np.ones(SIZE)
    heavier[:5] += 0.01
    moved = measure.value(heavier @ measure.stats) - measure.estimate
    assert moved == pytest.approx(0.01 * credit[:5].sum() / SIZE, rel=0.1)


def group(rows: list[list[float]], kind: Any = "right", sign: int = 1) -> Scores:
    values = np.array(rows, np.float64)
    return Scores(kind, "", sign, values, values, np.ones(values.shape[1], bool))


def test_fixed_broken_and_split() -> None:
    first = group([[0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 0]])
    second = group([[1, 0, 0, 1, 0, 1], [1, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 1]])
    found = changes(first, second)
    names = list(found.counts)
    assert [names[at] for at in found.outcome] == ["fixed", "broken", "split", "both_right", "both_wrong", "split"]
    assert found.counts == {"fixed": 1, "broken": 1, "both_wrong": 1, "both_right": 1, "split": 2}
    assert found.difference == pytest.approx([2 / 3, -1, 2 / 3 - 0.5, 0, 1 / 3, 0.5])


def test_how_sure_a_change_is_agrees_with_the_u_statistic() -> None:
    draws = np.random.default_rng(0)
    first, second = draws.integers(0, 4, (4, 30)), draws.integers(0, 4, (3, 30))
    found = changes(group(first.tolist(), "graded"), group(second.tolist(), "graded"))
    u = stats.mannwhitneyu(second, first).statistic
    assert found.sure == pytest.approx(2 * u / 12 - 1)
    down = changes(group(first.tolist(), "graded", -1), group(second.tolist(), "graded", -1))
    assert down.sure == pytest.approx(-found.sure)


def test_graded_scores_are_the_same_within_a_tolerance() -> None:
    first, second = group([[1.0, 1.0, 1.0, 1.0]], "graded", -1), group([[0.5, 1.05, 1.5, 1.0 + 1e-12]], "graded", -1)
    assert changes(first, second).counts == {"improved": 1, "worsened": 2, "same": 1}
    assert changes(first, second, 0.1).counts == {"improved": 1, "worsened": 1, "same": 2}


def test_in_which_order_they_are_listed() -> None:
    first = group([[0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0]])
    second = group([[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0]])
    found = changes(first, second)
    losses = np.array([[3.0, 3, 1, 1, 2, 5], [1.0, 1, 2, 9, 2, 5]])
    assert listed(found, "differ", losses=losses).tolist() == [3, 0, 1, 2]
    assert listed(found, "fixed").tolist() == [0, 1]
    assert listed(found, "broken").tolist() == [3, 2]
    assert listed(found, "both_wrong", losses=losses).tolist() == [4, 5]
    assert listed(found, None, "length", lengths=[6, 5, 4, 3, 2, 1]).tolist() == [5, 4, 3, 2, 1, 0]
    assert listed(found, None, "id", ids=list("fedcba")).tolist() == [5, 4, 3, 2, 1, 0]
    assert listed(found, "differ", "difference").tolist() == [0, 3, 1, 2]
    with pytest.raises(ValueError, match="no outcome improved of this metric; there are fixed, broken"):
        listed(found, "improved")
    with pytest.raises(ValueError, match="sort size: there are sure"):
        listed(found, None, "size")


def test_answers_of_several_runs() -> None:
    assert answers(["b", "a", "a"]) == [("a", 2), ("b", 1)]
    assert answers([["x"], ["y"], ["x"]]) == [(["x"], 2), (["y"], 1)]
