"""Span decoding against a double loop over starts and ends."""

import numpy as np
import pytest

from headway.metrics import spans as module
from headway.metrics.spans import Answer, Spans, best_spans, merge_windows


def looped(
    start: np.ndarray, end: np.ndarray, allowed: np.ndarray, longest: int, top: int
) -> list[tuple[int, int, float]]:
    found = []
    for i in range(len(start)):
        for j in range(i, min(i + longest, len(start))):
            if allowed[i] and allowed[j]:
                found.append((i, j, float(start[i]) + float(end[j])))
    return sorted(found, key=lambda span: -span[2])[:top]  # a stable sort: earlier start, then shorter


@pytest.mark.parametrize("integers", [False, True])  # integers: many equal scores
@pytest.mark.parametrize(("tokens", "longest", "top"), [(1, 30, 20), (12, 1, 3), (40, 7, 20), (25, 30, 5), (9, 4, 99)])
def test_spans_are_those_of_the_double_loop(
    tokens: int, longest: int, top: int, integers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CELLS", 2 * tokens * longest)  # two windows at once
    draw = np.random.default_rng(tokens)
    start, end = draw.normal(size=(2, 7, tokens)).astype(np.float32) * 2
    if integers:
        start, end = start.round(), end.round()
    allowed = draw.random((7, tokens)) < 0.7
    allowed[3] = False
    spans = best_spans(start, end, allowed, max_answer_tokens=longest, top=top)
    assert spans.null.tolist() == pytest.approx((start[:, 0] + end[:, 0]).tolist())
    for window in range(7):
        expected = looped(start[window], end[window], allowed[window], longest, top)
        padded = expected + [(-1, -1, -np.inf)] * (top - len(expected))
        rows = zip(
            spans.starts[window].tolist(), spans.ends[window].tolist(), spans.scores[window].tolist(), strict=True
        )
        assert list(rows) == padded


def test_no_answer_is_scored_where_the_class_token_is() -> None:
    start, end = np.array([[1.0, 2.0, 4.0]]), np.array([[8.0, 16.0, 32.0]])
    assert best_spans(start, end, np.ones((1, 3), bool), null_at=2).null.tolist() == [36.0]


def test_windows_are_merged_by_question() -> None:
    """Question 7 has two windows that share a place in the context; question 3 has no allowed token."""
    spans = Spans(
        starts=np.array([[1, 2], [-1, -1], [1, 1]]),
        ends=np.array([[2, 2], [-1, -1], [1, 2]]),
        scores=np.array([[5.0, 2.0], [-np.inf, -np.inf], [6.0, 3.0]]),
        null=np.array([4.0, 1.0, -2.0]),
    )
    none = (-1, -1)
    offsets = [[none, (0, 4), (5, 9)], [none] * 3, [none, (5, 9), (10, 12)]]
    merged = merge_windows(spans, [7, 3, 7], offsets)
    assert merged[7].answers == [Answer(6.0, 5, 9), Answer(5.0, 0, 9), Answer(3.0, 5, 12)]
    assert merged[7].null == -2
    assert merged[7].margin == -8
    assert merged[3].answers == []
    assert merged[3].margin == np.inf
    assert merge_windows(spans, [7, 3, 7], offsets, top=1)[7].answers == [Answer(6.0, 5, 9)]
