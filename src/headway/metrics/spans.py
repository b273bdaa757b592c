"""Answers from start and end scores. W windows, T tokens, L longest answer in tokens, K spans kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
CELLS = 4_000_000  # spans scored at once: 32 MB of float64


@dataclass(frozen=True)
class Spans:
    """The K best spans of each window, best first, tokens start..end inclusive; -1 and -inf where there are fewer."""

    starts: Array  # [W, K] int64
    ends: Array  # [W, K] int64
    scores: Array  # [W, K] float64: start score + end score
    null: Array  # [W] float64: that of no answer, both at the window's first special token


@dataclass(frozen=True)
class Answer:
    """Characters start..end (exclusive) of a question's context."""

    score: float
    start: int
    end: int


@dataclass(frozen=True)
class Candidates:
    """A question's answers, best first, each place once, and the score of there being none."""

    answers: list[Answer]
    null: float

    @property
    def margin(self) -> float:
        """Score of no answer minus that of the best; infinite when no window held an answer."""
        return self.null - self.answers[0].score if self.answers else float("inf")


def best_spans(
    start: Array, end: Array, allowed: Array, *, max_answer_tokens: int = 30, top: int = 20, null_at: int = 0
) -> Spans:
    """Score every span of allowed tokens that is not too long: start [W, T] + end [W, T], allowed [W, T] bool.

    Devlin et al. 2019, section 4.3. All spans are scored, where BERT's own script pairs only the `top` best starts
    with the `top` best ends and so may miss some. Equal scores: earlier start first, then shorter. null_at: the place
    of [CLS].
    """
    windows, tokens = start.shape
    longest = min(max_answer_tokens, tokens)
    begin = np.where(allowed, start, -np.inf).astype(np.float64)
    finish = np.full((windows, tokens + longest - 1), -np.inf)
    finish[:, :tokens] = np.where(allowed, end, -np.inf)
    spans = Spans(
        starts=np.full((windows, top), -1, np.int64),
        ends=np.full((windows, top), -1, np.int64),
        scores=np.full((windows, top), -np.inf),
        null=start[:, null_at].astype(np.float64) + end[:, null_at],
    )
    step = max(1, CELLS // (tokens * longest))
    for first in range(0, windows, step):
        part = slice(first, first + step)
        # [w, T, L]: the span of length l + 1 from token t ends at t + l
        ends = np.lib.stride_tricks.sliding_window_view(finish[part], longest, axis=1)
        scores = (begin[part, :, None] + ends).reshape(-1, tokens * longest)
        least = np.partition(scores, -top, axis=1)[:, -top] if scores.shape[1] > top else np.full(len(scores), -np.inf)
        for row, cells in enumerate(scores):
            best = np.flatnonzero((cells >= least[row]) & (cells > -np.inf))
            best = best[np.argsort(-cells[best], kind="stable")[:top]]
            kept = (first + row, slice(len(best)))
            spans.starts[kept] = best // longest
            spans.ends[kept] = best // longest + best % longest
            spans.scores[kept] = cells[best]
    return spans


def merge_windows(
    spans: Spans, questions: Sequence[int], offsets: Sequence[Sequence[tuple[int, int]] | Array], top: int = 20
) -> dict[int, Candidates]:
    """Per question the best over its windows; the score of no answer is the least of its windows', as in BERT's script.

    questions: of each window, [W]. offsets: of each window, the context's characters (start, end) of each token.
    """
    places: dict[int, dict[tuple[int, int], float]] = {}
    null: dict[int, float] = {}
    for window, question in enumerate(questions):
        seen = places.setdefault(question, {})
        null[question] = min(null.get(question, float("inf")), float(spans.null[window]))
        for first, last, score in zip(
            spans.starts[window].tolist(), spans.ends[window].tolist(), spans.scores[window].tolist(), strict=True
        ):
            if first >= 0:
                place = (int(offsets[window][first][0]), int(offsets[window][last][1]))
                seen[place] = max(seen.get(place, -np.inf), score)
    return {
        question: Candidates(
            [Answer(score, *place) for place, score in sorted(seen.items(), key=lambda item: (-item[1], item[0]))][
                :top
            ],
            null[question],
        )
        for question, seen in places.items()
    }
