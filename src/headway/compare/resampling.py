"""Bootstrap and permutation over the examples of a test set. N examples, R resamples, M measures, P pairs of them.

Draws come in blocks whose size and random stream depend on N and the seed alone: one seed gives the same resamples of N
examples to whatever is measured, so that two calls are paired too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from headway.compare.measures import Measure

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Floats]  # (random, rows, N) -> weights [rows, N]
CELLS = 2_000_000  # weights drawn at once: 16 MB
RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """From low to high with confidence `level`, between 0 and 1."""

    low: float
    high: float
    level: float


def bootstrap(measures: Sequence[Measure], resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """[M, R]: each measure on the same R resamples with replacement (Efron and Tibshirani 1993, chapter 6).

    Measures of other metrics and other runs go together. ValueError: of unequal numbers of examples, or of less than 2.
    """
    values = np.empty((len(measures), resamples))
    for start, sums in _weighted([measure.stats for measure in measures], _with_replacement, resamples, seed):
        for row, (measure, one) in enumerate(zip(measures, sums, strict=True)):
            values[row, start : start + len(one)] = measure.value(one)
    return values


def permute(pairs: Sequence[tuple[Measure, Measure]], resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """[P, R]: the difference, first less second, of each pair after a coin decides for each example whether to swap it.

    The two of a pair are one metric of two runs; all pairs share the coins. ValueError: as bootstrap, or a pair whose
    statistics do not count the same things.
    """
    for first, second in pairs:
        if (first.name, first.keys, first.stats.shape) != (second.name, second.keys, second.stats.shape):
            raise ValueError(f"{first.name} and {second.name} count different things: build them in one measures_of")
    differences = np.empty((len(pairs), resamples))
    moved = [first.stats - second.stats for first, second in pairs]
    totals = [(first.stats.sum(0), second.stats.sum(0)) for first, second in pairs]
    for start, sums in _weighted(moved, _coins, resamples, seed):
        for row, ((measure, _), (ours, theirs), one) in enumerate(zip(pairs, totals, sums, strict=True)):
            differences[row, start : start + len(one)] = measure.value(ours - one) - measure.value(theirs + one)
    return differences


def jackknife(measure: Measure) -> Floats:
    """[N]: the measure without each example in turn (Efron and Tibshirani 1993, chapter 11)."""
    return measure.value(measure.stats.sum(0) - measure.stats)


def percentile(values: Floats, level: float = LEVEL) -> Interval:
    """The middle of bootstrap values [R], NaN left out (Efron and Tibshirani 1993, section 13.3)."""
    return _between(values[~np.isnan(values)], (1 - level) / 2, (1 + level) / 2, level)


def bca(estimate: float, values: Floats, left_out: Floats, level: float = LEVEL) -> Interval:
    """The bias-corrected and accelerated interval (Efron and Tibshirani 1993, equations 14.9, 14.10, 14.14 and 14.15).

    values: [R] of the bootstrap. left_out: [N] of the jackknife. Undefined ones (NaN) are left out. The percentiles
    where the correction is infinite: no value, or every one, is below the estimate.
    """
    values, left_out = values[~np.isnan(values)], left_out[~np.isnan(left_out)]
    below = ((values < estimate).mean() + (values <= estimate).mean()) / 2 if len(values) else 0.0
    if not 0 < below < 1:
        return percentile(values, level)
    bias = ndtri(below)
    away = left_out.mean() - left_out
    spread = (away**2).sum()
    skew = (away**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    corrected = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = ndtr(bias + corrected / (1 - skew * corrected))
    return _between(values, low, high, level)


def interval(measure: Measure, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0) -> Interval:
    """The BCa bootstrap interval of one run's metric: how far another test set of the same kind might move it."""
    return bca(measure.estimate, bootstrap([measure], resamples, seed)[0], jackknife(measure), level)


def _between(values: Floats, low: float, high: float, level: float) -> Interval:
    ends = np.quantile(values, [low, high]) if len(values) else (np.nan, np.nan)
    return Interval(float(ends[0]), float(ends[1]), level)


def _with_replacement(draws: np.random.Generator, rows: int, size: int) -> Floats:
    """How often each example is drawn: multinomial counts."""
    drawn = draws.integers(0, size, (rows, size), dtype=np.uint16 if size <= 2**16 else np.int64)
    return np.stack([np.bincount(row, minlength=size) for row in drawn]).astype(np.float64)


def _coins(draws: np.random.Generator, rows: int, size: int) -> Floats:
    thrown = np.frombuffer(draws.bytes(rows * -(-size // 8)), np.uint8).reshape(rows, -1)
    return np.unpackbits(thrown, axis=1, count=size).astype(np.float64)


def _weighted(stats: Sequence[Floats], draw: Draw, resamples: int, seed: int) -> Iterator[tuple[int, list[Floats]]]:
    """Block by block, the number of its first resample and the sums of each of `stats`, [rows, k]."""
    size = len(stats[0])
    if {len(one) for one in stats} != {size} or size < 2:
        counts = ", ".join(str(len(one)) for one in stats)
        raise ValueError(f"resampling takes the same two examples or more of all; there are {counts}")
    places = {id(one): place for place, one in enumerate(stats)}  # several metrics of a run share their statistics
    unique = [stats[place] for place in places.values()]
    joined, ends = np.concatenate(unique, 1), np.cumsum([one.shape[1] for one in unique])
    rows = max(1, CELLS // size)
    for block, start in enumerate(range(0, resamples, rows)):
        weights = draw(np.random.default_rng([seed, block]), min(rows, resamples - start), size)
        sums = dict(zip(places, np.split(weights @ joined, ends[:-1], 1), strict=True))
        yield start, [sums[id(one)] for one in stats]
