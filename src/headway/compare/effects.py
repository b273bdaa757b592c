"""How large a difference is, free of the metric's units. S and T values of two groups."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaln

from headway.compare.resampling import LEVEL, Interval


@dataclass(frozen=True)
class OddsRatio:
    """How many times likelier the first run alone is right than the second alone; infinite or NaN without any."""

    ratio: float
    interval: Interval


def cohens_d(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """The difference of means in pooled standard deviations (Cohen 1988, section 2.5); of few values it is too large.

    ValueError: fewer than two values on a side.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(len(a), len(b)) < 2:
        raise ValueError(f"there are {len(a)} and {len(b)} values; a standard deviation takes two or more of each")
    variance = (((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / (len(a) + len(b) - 2)
    difference = a.mean() - b.mean()
    if variance == 0:
        return float(np.copysign(np.inf, difference)) if difference else 0.0
    return float(difference / np.sqrt(variance))


def hedges_g(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Cohen's d without its bias, by the exact factor (Hedges 1981, equation 6e). ValueError: as cohens_d."""
    d = cohens_d(first, second)
    freedom = np.size(first) + np.size(second) - 2
    factor = np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2)
    return float(d * factor)


def cliffs_delta(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """The chance that a value of the first is above one of the second, less that it is below: -1 to 1 (Cliff 1993)."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return float(np.sign(a[:, None] - b[None]).mean())


def discordant_odds(only_first: int, only_second: int, level: float = LEVEL) -> OddsRatio:
    """The odds ratio of McNemar's table, with the exact interval of Clopper and Pearson 1934 for the share, as odds."""
    total, tail = only_first + only_second, (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.float64(only_first) / only_second
        low = betaincinv(only_first, only_second + 1, tail) if only_first else 0.0
        high = betaincinv(only_first + 1, only_second, 1 - tail) if only_second else 1.0
        ends = np.array([low, high]) / (1 - np.array([low, high]))
    return OddsRatio(float(ratio) if total else np.nan, Interval(float(ends[0]), float(ends[1]), level))
