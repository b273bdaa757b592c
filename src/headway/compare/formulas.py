"""Metrics as functions of sums over examples, [..., k] to [...], many resamples at once. C classes."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def by_class(sums: Floats) -> Floats:
    """[..., 3C] to [..., C, 3]: right, predicted and given of each class."""
    return np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, -1)


def pooled(counts: Floats) -> Floats:
    """[N, 3C] to [N, 3]: right, predicted and given of all classes together."""
    return by_class(counts).sum(-2)


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def precision(sums: Floats) -> Floats:
    return share(sums[..., 0], sums[..., 1])


def recall(sums: Floats) -> Floats:
    return share(sums[..., 0], sums[..., 2])


def f1(sums: Floats) -> Floats:
    return share(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


SCORES = {"precision": precision, "recall": recall, "f1": f1}


def macro(score: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """The mean of a score over the classes that occur or are predicted."""

    def value(sums: Floats) -> Floats:
        classes = by_class(sums)
        return share(score(classes).sum(-1), (classes.sum(-1) > 0).sum(-1).astype(np.float64))

    return value


def mcc(sums: Floats) -> Floats:
    """Gorodkin 2004, equation 8, as in headway.metrics; 0 where a side is constant."""
    right, predicted, given = np.moveaxis(by_class(sums), -1, 0)
    total = given.sum(-1)
    spread = (total**2 - (predicted**2).sum(-1)) * (total**2 - (given**2).sum(-1))
    return share(right.sum(-1) * total - (predicted * given).sum(-1), np.sqrt(spread.clip(0)))


def correlation(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    x_spread, y_spread = xx - x * x / n, yy - y * y / n
    constant = (x_spread <= 1e-13 * xx) | (y_spread <= 1e-13 * yy)  # what rounding leaves of 0
    spread = np.sqrt(np.where(constant, np.nan, x_spread * y_spread))
    return (xy - x * y / n) / spread


def exp_ratio(sums: Floats) -> Floats:
    """Perplexity of summed loss and tokens, infinite where that overflows."""
    with np.errstate(over="ignore"):
        return np.exp(ratio(sums))


def ratio(sums: Floats) -> Floats:
    return np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)


def bleu(sums: Floats) -> Floats:
    """sacreBLEU's BLEU (Post 2018) of its counts [..., 10], smoothed as in Chen and Cherry 2014, method 3."""
    ours, theirs, right, total = sums[..., 0], sums[..., 1], sums[..., 2:6], sums[..., 6:10]
    halvings = np.cumsum(right == 0, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(right > 0, right, 0.5**halvings) / total
        brevity = np.where(ours < theirs, np.exp(1 - theirs / ours), 1.0)
        score = 100 * brevity * np.exp(np.log(found).mean(-1))
    return np.where(right.any(-1) & (total > 0).all(-1), score, 0.0)


def chrf(sums: Floats) -> Floats:
    """sacreBLEU's chrF2 of its counts [..., 18]: Popović 2015, averages over the orders that both sides have."""
    ours, theirs, right = np.moveaxis(sums.reshape(*sums.shape[:-1], 6, 3), -1, 0)
    both = (ours > 0) & (theirs > 0)
    exact, whole = (share((share(right, one) * both).sum(-1), both.sum(-1) * 1.0) for one in (ours, theirs))
    return 100 * share(5 * exact * whole, 4 * exact + whole)
