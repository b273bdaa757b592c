"""Curves of many runs: a few hundred buckets each from the pyramid, or the points themselves where there are few."""

import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headway.store.index.chunks import Buckets, bucket_width, decode, single
from headway.store.index.series import Points, merged

X = Literal["step", "epoch", "tokens", "time"]
X_SERIES = {"epoch": "epoch", "tokens": "train/tokens", "time": "time"}
_OF_RUNS = """FROM series WHERE key = (SELECT id FROM names WHERE name = ?)
    AND run IN (SELECT value FROM json_each(?))"""


@dataclass(frozen=True)
class Curve:
    """One series as n points to draw. Raw: each point was logged; else the mean and extremes of the steps around it.

    NaN is a gap: nothing finite was logged there.
    """

    run: str
    n: int
    raw: bool
    x: NDArray[np.float64]  # [n] steps, epochs, tokens, or seconds since the run's first row
    mean: NDArray[np.float32]  # [n]
    minimum: NDArray[np.float32]  # [n]
    maximum: NDArray[np.float32]  # [n]


def curves(
    connection: sqlite3.Connection,
    run_ids: Sequence[str],
    metric: str,
    x: X = "step",
    points: int = 500,
    start: float | None = None,
    stop: float | None = None,
) -> list[Curve]:
    """`metric` of each run, in the order given, in at most about `points` points, from `start` to `stop` in units of x.

    A run without the metric, or without what x asks for, has n = 0. What lies in the range is within the extremes
    that are returned; a bucket that reaches over an end of the range is returned whole.
    """
    keys, points = _keys(connection, run_ids), max(points, 2)
    low, high = -math.inf if start is None else start, math.inf if stop is None else stop
    ranges = dict.fromkeys(keys.values(), (low, high))
    places: dict[int, _Shape] = {}
    if x != "step":
        places = _shapes(connection, X_SERIES[x], dict.fromkeys(ranges, (-math.inf, math.inf)), points)
        if (low, high) != (-math.inf, math.inf):
            around = {run: _steps_between(place, low, high) for run, place in places.items()}
            places = _shapes(connection, X_SERIES[x], around, points)
        ranges = {run: _steps_between(place, low, high) for run, place in places.items()}
    shapes = _shapes(connection, metric, ranges, points)
    return [_curve(run, shapes.get(keys.get(run, 0)), places.get(keys.get(run, 0))) for run in run_ids]


def series(
    connection: sqlite3.Connection,
    run: str,
    metrics: Sequence[str],
    start: int | None = None,
    stop: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Every point of `metrics` (also "time", in unix seconds, and "epoch") from step `start` to `stop`, both included.

    "step" int64[n] and each metric float64[n], NaN where it was not logged at a step.
    """
    low, high = -math.inf if start is None else start, math.inf if stop is None else stop
    found: dict[str, Points] = {}
    for key, began in connection.execute("SELECT key, history_start FROM runs WHERE id = ?", [run]):
        for metric in metrics:
            steps, values = _points(connection, key, metric, low, high)
            found[metric] = steps, values + (began or 0.0) if metric == "time" else values
    every = np.unique(np.concatenate([np.empty(0, np.int64), *(steps for steps, _ in found.values())]))
    columns: dict[str, NDArray[Any]] = {"step": every}
    for metric in metrics:
        columns[metric] = np.full(len(every), np.nan)
        if metric in found:
            columns[metric][np.searchsorted(every, found[metric][0])] = found[metric][1]
    return columns


@dataclass(frozen=True)
class _Shape:
    """A series over steps, before x is known; m points or buckets."""

    raw: bool
    steps: NDArray[np.float64]  # [m]
    mean: NDArray[np.float64]  # [m]
    minimum: NDArray[np.float32]  # [m]
    maximum: NDArray[np.float32]  # [m]


def _curve(run: str, shape: _Shape | None, place: _Shape | None) -> Curve:
    if shape is None:
        none = np.empty(0, np.float32)
        return Curve(run, 0, True, np.empty(0), none, none, none)
    x = shape.steps
    if place is not None:
        known = np.isfinite(place.mean)
        x = np.interp(x, place.steps[known], place.mean[known]) if known.any() else np.full(len(x), np.nan)
    mean = shape.minimum if shape.raw else single(shape.mean)
    return Curve(run, len(x), shape.raw, x, mean, shape.minimum, shape.maximum)


def _shapes(
    connection: sqlite3.Connection, name: str, ranges: dict[int, tuple[float, float]], points: int
) -> dict[int, _Shape]:
    """`name` of each run (runs.key) within its range of steps; without the runs that have nothing there."""
    shapes: dict[int, _Shape] = {}
    fine: dict[int, tuple[int, int]] = {}  # too few coarse buckets in the range
    read: dict[int, tuple[int, int]] = {}  # few enough points in the range
    whole: dict[bytes, list[tuple[int, int, int, bytes]]] = {}  # series of like extent, shown from end to end
    rows = connection.execute(f"SELECT run, points, first_step, last_step, coarse {_OF_RUNS}", [name, _json(ranges)])
    for run, n, first, last, coarse in rows:
        low, high = ranges[run]
        if low > last or high < first or low > high:
            continue
        if coarse is not None and n > points and low <= first and high >= last:
            whole.setdefault(Buckets.header_of(coarse), []).append((run, first, last, coarse))
            continue
        extent = math.ceil(max(low, first)), math.floor(min(high, last))
        if coarse is None or n <= points:
            read[run] = extent
        elif 2 * len(buckets := Buckets.from_bytes(coarse).between(extent[0], extent[1] + 1)) >= points:
            shapes[run] = _summed(buckets.within(points), first, last)
        else:
            fine[run] = extent
    for alike in whole.values():
        stack = Buckets.stacked([coarse for *_, coarse in alike])
        if 2 * len(stack) < points:
            fine |= {run: (first, last) for run, first, last, _ in alike}
            continue
        for (run, first, last, _), buckets in zip(alike, stack.within(points).unstacked(), strict=True):
            shapes[run] = _summed(buckets, first, last)
    rows = connection.execute(f"SELECT run, first_step, last_step, pyramid {_OF_RUNS}", [name, _json(fine)])
    for run, first, last, pyramid in rows if fine else ():
        buckets = Buckets.from_bytes(pyramid).between(fine[run][0], fine[run][1] + 1)
        if 4 * len(buckets) >= points:
            shapes[run] = _summed(buckets.within(points), first, last)
        else:
            read[run] = fine[run]
    for run, (low, high) in read.items():
        steps, values = _points(connection, run, name, low, high)
        if len(steps) > points:
            shapes[run] = _summed(Buckets.of(steps, values, bucket_width(low, high, points)), low, high)
        elif len(steps):
            plain = np.where(np.isfinite(values), values, np.nan)
            shapes[run] = _Shape(True, steps.astype(np.float64), plain, *[single(plain)] * 2)
    return shapes


def _summed(buckets: Buckets, first: int, last: int) -> _Shape:
    """Buckets that hold anything, each in the middle of its steps; `first` and `last` are the ends of the series."""
    there = np.flatnonzero(buckets.count + buckets.nonfinite)
    count = buckets.count[there]
    middle = (there + (buckets.first + 0.5)) * buckets.width - 0.5
    gap = np.where(count, 1.0, np.nan)
    return _Shape(
        raw=False,
        steps=np.clip(middle, first, last),
        mean=buckets.total[there] / np.maximum(count, 1) * gap,
        minimum=np.where(count, buckets.minimum[there], np.float32(np.nan)),
        maximum=np.where(count, buckets.maximum[there], np.float32(np.nan)),
    )


def _points(connection: sqlite3.Connection, run: int, name: str, low: float, high: float) -> Points:
    """Every point of one series with low <= step <= high."""
    rows = connection.execute(
        "SELECT data FROM chunks WHERE run = ? AND key = (SELECT id FROM names WHERE name = ?) "
        "AND last_step >= ? AND first_step <= ? ORDER BY part",
        [run, name, low, high],
    )
    steps, values = merged([decode(data) for (data,) in rows])
    within = slice(*np.searchsorted(steps, [low, high + 0.5]))
    return steps[within], values[within]


def _steps_between(place: _Shape, low: float, high: float) -> tuple[float, float]:
    """The steps at which x is from `low` to `high`, and one point or bucket more at either end."""
    known = np.isfinite(place.mean)
    x, steps = np.maximum.accumulate(place.mean[known]), place.steps[known]
    before, after = np.searchsorted(x, low, "left") - 1, np.searchsorted(x, high, "right")
    return (float(steps[before]) if before >= 0 else -math.inf, float(steps[after]) if after < len(x) else math.inf)


def _keys(connection: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, int]:
    """runs.key of each id that is in the index."""
    return dict(
        connection.execute(
            "SELECT id, key FROM runs WHERE id IN (SELECT value FROM json_each(?))", [json.dumps(list(run_ids))]
        )
    )


def _json(runs: Iterable[int]) -> str:
    return json.dumps(list(runs))
