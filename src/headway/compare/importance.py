"""How much of a metric's spread each configuration key explains on its own. N runs, G groups of equal values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST_RUNS = 4
PERMUTATIONS = 200
METHOD = (
    "Share of the variance of the metric's ranks that one key explains on its own: squared Spearman correlation "
    "(numbers), Kruskal-Wallis epsilon squared (texts, and numbers if it is higher), less the mean of "
    f"{PERMUTATIONS} random permutations of the metric. Keys that vary together share their importance."
)

Floats = npt.NDArray[np.float64]


def importance(values: Sequence[Any], metric: Sequence[float], seed: int = 0) -> float | None:
    """The share, 0 to 1, of the rank variance of `metric` [N] that `values` [N] explain, corrected for chance.

    Numbers are related by rank and by group, everything else by group. Runs without a value (None) or with a metric
    that is not finite are left out. None where fewer than LEAST_RUNS are left, or nothing varies.
    """
    scores = np.asarray(metric, np.float64)
    used = np.isfinite(scores) & np.array([value is not None for value in values], bool)
    kept = [value for value, use in zip(values, used, strict=True) if use]
    ranked = ranks(scores[used])
    codes = _codes(kept)
    if len(kept) < LEAST_RUNS or len(np.unique(codes)) < 2 or np.ptp(ranked) == 0:
        return None
    draws = np.random.default_rng(seed)
    permuted = np.stack([ranked, *(draws.permutation(ranked) for _ in range(PERMUTATIONS))])
    shares = _by_group(codes, permuted)
    if len(np.unique(codes)) > 2 and all(type(value) in (int, float) for value in kept):
        shares = np.maximum(shares, _by_rank(ranks(np.asarray(kept, np.float64)), permuted))
    return float(np.clip(shares[0] - shares[1:].mean(), 0.0, 1.0))


def squared_spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Square of Spearman's rank correlation, ties at their mean rank."""
    return float(_by_rank(ranks(np.asarray(x, np.float64)), ranks(np.asarray(y, np.float64))[None])[0])


def epsilon_squared(values: Sequence[Any], metric: Sequence[float]) -> float:
    """H / (N - 1) of the Kruskal-Wallis statistic H, corrected for ties (Tomczak and Tomczak 2014), 0 to 1."""
    return float(_by_group(_codes(values), ranks(np.asarray(metric, np.float64))[None])[0])


def ranks(values: Floats) -> Floats:
    """[N] ranks from 1, ties at their mean."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    found: Floats = (ends - (counts - 1) / 2)[at]
    return found


def _codes(values: Sequence[Any]) -> npt.NDArray[np.int64]:
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault((type(value) is bool, value), len(numbers)) for value in values], np.int64)


def _by_rank(x: Floats, y: Floats) -> Floats:
    """Squared correlation of x [N] with each row of y [P, N]."""
    x, y = x - x.mean(), y - y.mean(-1, keepdims=True)
    shares: Floats = (y @ x) ** 2 / ((x @ x) * (y * y).sum(-1))
    return shares


def _by_group(codes: npt.NDArray[np.int64], ranked: Floats) -> Floats:
    """Between-group share of the sum of squares of each row of ranks [P, N]: equals H / (N - 1) with ties corrected."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    centred = ranked - ranked.mean(-1, keepdims=True)
    sums = np.add.reduceat(centred[:, order], np.cumsum(counts) - counts, axis=1)  # [P, G]
    shares: Floats = (sums**2 / counts).sum(-1) / (centred**2).sum(-1)
    return shares
