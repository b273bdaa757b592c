"""Answers against torchmetrics where it answers, and by hand where it does not: unanswerable questions, thresholds."""

import itertools
import random

import pytest
from torchmetrics.functional.text.squad import squad as published

from headway.metrics.squad import best_threshold, best_thresholds, exact, f1, normalise_answer, squad

WORDS = ["the", "a", "An", "Paris", "paris,", "in", "1999", "north-west", "Theatre", "U.S.", "…", "“Ha!”", "é", "a-b"]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Theatre, a\tplay.", "theatre play"),
        ("U.S.", "us"),
        ("north-west", "northwest"),
        ("a", ""),
        ("A.N.", ""),  # punctuation goes before articles
        ("“the end”", "“ end”"),  # only ASCII punctuation goes
    ],
)
def test_normalise_answer(text: str, normal: str) -> None:
    assert normalise_answer(text) == normal


def test_answerable_questions_are_scored_as_torchmetrics_does() -> None:
    draw = random.Random(0)
    predicted = [" ".join(draw.choices(WORDS, k=draw.randint(0, 5))) for _ in range(300)]
    golds = [["Rome " + " ".join(draw.choices(WORDS, k=draw.randint(0, 5))) for _ in range(2)] for _ in range(300)]
    golds[0] = [predicted[0] + " Rome"]
    predicted[1] = golds[1][0]
    values, details = squad(predicted, golds)
    theirs = published(
        [{"prediction_text": text, "id": str(place)} for place, text in enumerate(predicted)],
        [{"answers": {"answer_start": [0, 0], "text": gold}, "id": str(place)} for place, gold in enumerate(golds)],
    )
    expected = {name: float(value) / 100 for name, value in theirs.items()}
    expected |= {"has_answer_exact": expected["exact_match"], "has_answer_f1": expected["f1"]}
    assert values == pytest.approx(expected, abs=1e-6)
    assert details == {"questions": 300, "answerable": 300}


def test_unanswerable_questions() -> None:
    values, details = squad(["", "Paris", "", "in Paris"], [[], [], ["Paris"], ["Paris", "the Paris of the north"]])
    assert values == pytest.approx(
        {
            "exact_match": 1 / 4,
            "f1": (1 + 0 + 0 + 2 / 3) / 4,  # precision 1/2, recall 1
            "has_answer_exact": 0,
            "has_answer_f1": 1 / 3,
            "no_answer_exact": 1 / 2,
            "no_answer_f1": 1 / 2,
        }
    )
    assert details == {"questions": 4, "answerable": 2}


def test_words_are_counted() -> None:
    assert f1("new new york", "new york york") == pytest.approx(2 / 3)
    assert f1("", "the") == f1("", "") == exact("a", "") == 1
    assert f1("", "x") == f1("x", "") == f1("x", "y") == 0


def test_a_gold_answer_of_which_nothing_is_left_does_not_count() -> None:
    assert squad(["the"], [["a"]])[0]["has_answer_exact"] == 1  # as officially: then the empty string is right
    assert squad(["the"], [["a", "x"]])[0]["has_answer_exact"] == 0


def test_the_best_threshold_is_the_best_of_all() -> None:
    draw = random.Random(1)
    for _ in range(200):
        count = draw.randint(1, 7)
        margins = [float(draw.randint(-2, 2)) for _ in range(count)]  # many are equal
        answered = [draw.choice([0.0, 0.5, 1.0]) for _ in range(count)]
        empty = [draw.choice([0.0, 1.0]) for _ in range(count)]

        def score(threshold: float, rows: list[tuple[float, ...]]) -> float:
            return sum(a if margin <= threshold else e for margin, a, e in rows) / len(rows)

        rows = list(zip(margins, answered, empty, strict=True))
        best, threshold = best_threshold(margins, answered, empty)
        tried = [score(cut, rows) for cut in (-9.0, *margins)]
        assert best == pytest.approx(max(tried))
        assert score(threshold, rows) == pytest.approx(best)


def test_thresholds_over_answers() -> None:
    """Margins 1, 2 answerable and right; 3 unanswerable; 4 answerable, half right; exact and F1 part there."""
    answers, golds = ["Paris", "Rome", "x", "big Berlin"], [["Paris"], ["Rome"], [], ["Berlin"]]
    for order in itertools.permutations(range(4)):
        values = best_thresholds(
            [answers[at] for at in order], [golds[at] for at in order], [[1.0, 2.0, 3.0, 4.0][at] for at in order]
        )
        assert values == pytest.approx(
            {"best_exact": 3 / 4, "best_exact_threshold": 2, "best_f1": 3 / 4, "best_f1_threshold": 2}
        )
    values = best_thresholds(answers, golds, [1.0, 2.0, 3.0, 2.5])
    assert (values["best_f1"], values["best_f1_threshold"]) == (pytest.approx((3 + 2 / 3) / 4), 2.5)


def test_any_answer_to_an_unanswerable_question_is_wrong_below_the_threshold() -> None:
    assert best_thresholds(["the", "x"], [[], ["x"]], [1.0, 2.0])["best_f1"] == 0.5
    assert best_thresholds(["", "x"], [[], ["x"]], [1.0, 2.0])["best_f1"] == 1


def test_where_no_answer_is_best_everywhere() -> None:
    best, threshold = best_threshold([3.0, 1.0], [0.0, 0.0], [1.0, 1.0])
    assert best == 1
    assert threshold < 1
