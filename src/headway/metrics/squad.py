"""Answers to questions, scored as the official SQuAD 2.0 script does (Rajpurkar et al. 2018); all as shares, 0 to 1.

The answer to an unanswerable question is the empty string. N questions.
"""

import re
import string
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

ARTICLES = re.compile(r"\b(?:a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII only, as officially


def normalise_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, then without English articles, words apart by one space."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact(predicted: str, gold: str) -> float:
    """1 when the normalised answers are equal, else 0."""
    return float(normalise_answer(predicted) == normalise_answer(gold))


def f1(predicted: str, gold: str) -> float:
    """Harmonic mean of the precision and recall of normalised words. With no words on a side: 1 iff on both."""
    ours, theirs = normalise_answer(predicted).split(), normalise_answer(gold).split()
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (Counter(ours) & Counter(theirs)).total() / (len(ours) + len(theirs))


def squad(predicted: list[str], golds: list[list[str]]) -> tuple[dict[str, float], dict[str, Any]]:
    """Mean of the best score against any gold answer; no gold answers: unanswerable, "" is right.

    exact_match and f1 over all questions (one or more); has_answer_* and no_answer_* over the answerable and the
    unanswerable, present where there are such.
    """
    exacts, f1s = _best(predicted, golds)
    answerable = np.array([bool(gold) for gold in golds])
    values = {"exact_match": exacts.mean(), "f1": f1s.mean()}
    for name, chosen in {"has_answer": answerable, "no_answer": ~answerable}.items():
        if chosen.any():
            values |= {f"{name}_exact": exacts[chosen].mean(), f"{name}_f1": f1s[chosen].mean()}
    details = {"questions": len(golds), "answerable": int(answerable.sum())}
    return {name: float(value) for name, value in values.items()}, details


def best_thresholds(answers: list[str], golds: list[list[str]], margins: npt.ArrayLike) -> dict[str, float]:
    """The best values that any threshold on `margins` [N] gives, and those thresholds.

    answers: the best answer of each question were it answerable. margins: score of no answer minus that of the answer;
    a question counts as unanswerable when its margin is above the threshold.
    """
    exacts, f1s = _best(answers, golds)
    answerable = np.array([bool(gold) for gold in golds])
    # to an unanswerable question any answer is wrong here, also one, like "the", of which normalisation leaves nothing
    wrong = ~answerable & np.array([bool(answer) for answer in answers])
    exacts[wrong] = f1s[wrong] = 0
    empty = np.where(answerable, 0.0, 1.0)  # what a question scores that is called unanswerable
    best_exact, exact_threshold = best_threshold(margins, exacts, empty)
    best_f1, f1_threshold = best_threshold(margins, f1s, empty)
    return {
        "best_exact": best_exact,
        "best_exact_threshold": exact_threshold,
        "best_f1": best_f1,
        "best_f1_threshold": f1_threshold,
    }


def best_threshold(margins: npt.ArrayLike, answered: npt.ArrayLike, empty: npt.ArrayLike) -> tuple[float, float]:
    """(best mean score, its threshold), where a question scores `answered` up to the threshold and `empty` above it.

    All [N]. Where several do, the lowest threshold. It is one of the margins, or just below all of them. Unlike the
    official script, which reads its sorted list one question at a time, it never parts questions of equal margin.
    """
    margins, answered, empty = (np.asarray(values, np.float64) for values in (margins, answered, empty))
    cuts, place = np.unique(margins, return_inverse=True)
    gains = np.bincount(place, answered - empty, len(cuts))
    totals = empty.sum() + np.concatenate([[0.0], np.cumsum(gains)])
    best = int(totals.argmax())
    threshold = cuts[best - 1] if best else np.nextafter(cuts[0], -np.inf)
    return float(totals[best] / len(margins)), float(threshold)


def _best(predicted: list[str], golds: list[list[str]]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Exact and F1 [N] each, the best over the gold answers that normalisation leaves anything of."""
    exacts, f1s = [], []
    for ours, theirs in zip(predicted, golds, strict=True):
        kept = [answer for answer in theirs if normalise_answer(answer)] or [""]
        exacts.append(max(exact(ours, answer) for answer in kept))
        f1s.append(max(f1(ours, answer) for answer in kept))
    return np.array(exacts), np.array(f1s)
