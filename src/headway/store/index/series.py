"""Writing the series of one run: rows are gathered in memory and stored together, one pass over each series."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headway.store.index.chunks import (
    CHUNK,
    COARSE,
    Buckets,
    Steps,
    Values,
    bucket_limit,
    bucket_width,
    decode,
    encode,
)
from headway.store.layout import RESERVED_KEYS

Points = tuple[Steps, Values]  # (steps [n], values [n])

SERIES_KEYS = frozenset({"time", "epoch"})  # kept as series like a metric, and no metric


class Names(dict[str, int]):
    """Ids of configuration keys and metrics, given out as they are first asked for, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, name: str) -> int:
        plain = name.encode("utf-8", "backslashreplace").decode()  # a lone surrogate is no text to SQLite
        self._connection.execute("INSERT OR IGNORE INTO names(name) VALUES (?)", [plain])
        [(found,)] = self._connection.execute("SELECT id FROM names WHERE name = ?", [plain])
        self[name] = int(found)
        return self[name]


class SeriesWriter:
    """Gathers rows of one run; `flush` stores them. Everything happens inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, run: int, names: Names, mode: Callable[[str], str]) -> None:
        """`run` is runs.key; `mode` says whether the "min" or the "max" of a metric is best."""
        self._connection, self._run, self._names, self._mode = connection, run, names, mode
        self._rows: dict[str, list[Points]] = {}
        self._cut: int | None = None  # stored points of later steps no longer count

    def add(self, columns: dict[str, Points]) -> None:
        for name, rows in columns.items():
            if name not in RESERVED_KEYS or name in SERIES_KEYS:
                self._rows.setdefault(name, []).append(rows)

    def resume(self, step: int) -> None:
        """Every row so far with a later step is superseded, in memory and in the index."""
        self._cut = step if self._cut is None else min(step, self._cut)
        self._rows = {name: [_until(step, part) for part in parts] for name, parts in self._rows.items()}

    def flush(self) -> None:
        """Store what was gathered."""
        new = {self._names[name]: (name, merged(parts)) for name, parts in self._rows.items()}
        if self._cut is not None:
            touched = self._connection.execute(
                "SELECT key, name FROM series JOIN names ON id = key WHERE run = ? AND last_step > ?",
                [self._run, self._cut],
            )
            new = {key: (name, merged([])) for key, name in touched.fetchall()} | new
        for key, (name, points) in new.items():
            self._store(key, name, points)
        self._rows, self._cut = {}, None

    def _store(self, key: int, name: str, new: Points) -> None:
        """Cut one series, then add `new` to it; a new point replaces the stored one of its step."""
        points, first, last, pyramid = self._stored(key)
        changes = [int(new[0][0])] if len(new[0]) else []
        if self._cut is not None and points and last > self._cut:
            changes.append(self._cut + 1)
        if not changes:
            return
        since = min(changes)  # no stored point before this step changes
        appends = not points or since > last
        if pyramid is None or (not appends and 2 * since < last):  # small, or most of it is rewritten
            part, pyramid = 0, None
        elif appends:
            part = points // CHUNK
        else:
            since = since // pyramid.width * pyramid.width
            pyramid = pyramid.between(first, since)
            part = max(self._part(key, since) - 1, 0)  # with the chunk before it, so that something is left of a cut
        kept = self._load(key, part)
        if self._cut is not None:
            kept = [_until(self._cut, chunk) for chunk in kept]
        tail = merged([*kept, new])
        points = part * CHUNK + len(tail[0])
        self._replace_chunks(key, part, tail)
        if not points:
            self._connection.execute("DELETE FROM series WHERE run = ? AND key = ?", [self._run, key])
            self._connection.execute("DELETE FROM metrics WHERE run = ? AND key = ?", [self._run, key])
            return
        first, last = first if part else int(tail[0][0]), int(tail[0][-1])
        coarse = whole = None
        if points > CHUNK:
            width = max(pyramid.width if pyramid else 1, bucket_width(first, last, bucket_limit(points)))
            added = tail if pyramid is None else new if appends else _since(since, tail)
            buckets = Buckets.of(*added, width)
            if pyramid:
                buckets = pyramid.widened(width) + buckets
            coarse, whole = buckets.within(COARSE).to_bytes(), buckets.to_bytes()
        row = [self._run, key, points, first, last, coarse, whole]
        self._connection.execute("INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if name not in RESERVED_KEYS:
            self._summarise(key, name, new if appends else merged(self._load(key, 0)), appends)

    def _stored(self, key: int) -> tuple[int, int, int, Buckets | None]:
        """(points, first step, last step, pyramid) of a series; no points where there is none."""
        row = self._connection.execute(
            "SELECT points, first_step, last_step, pyramid FROM series WHERE run = ? AND key = ?", [self._run, key]
        ).fetchone()
        if row is None:
            return 0, 0, 0, None
        return row[0], row[1], row[2], None if row[3] is None else Buckets.from_bytes(row[3])

    def _part(self, key: int, since: int) -> int:
        """The first chunk that holds a step of `since` or later."""
        [(part,)] = self._connection.execute(
            "SELECT min(part) FROM chunks WHERE run = ? AND key = ? AND last_step >= ?", [self._run, key, since]
        )
        return int(part)

    def _load(self, key: int, part: int) -> list[Points]:
        """The points of chunk `part` and later ones."""
        rows = self._connection.execute(
            "SELECT data FROM chunks WHERE run = ? AND key = ? AND part >= ? ORDER BY part", [self._run, key, part]
        )
        return [decode(data) for (data,) in rows]

    def _replace_chunks(self, key: int, part: int, tail: Points) -> None:
        """Write `tail` as chunk `part` and later ones. All but the last chunk of a series are full."""
        self._connection.execute("DELETE FROM chunks WHERE run = ? AND key = ? AND part >= ?", [self._run, key, part])
        rows = []
        for at in range(0, len(tail[0]), CHUNK):
            steps, values = tail[0][at : at + CHUNK], tail[1][at : at + CHUNK]
            extent = (part + at // CHUNK, int(steps[0]), int(steps[-1]), len(steps))
            rows.append((self._run, key, *extent, encode(steps, values)))
        self._connection.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _summarise(self, key: int, name: str, points: Points, adds: bool) -> None:
        """Last, smallest and largest of `points`, together with what is stored where they `adds` to it."""
        steps, values = points
        last = [float(values[-1]), int(steps[-1])]  # SQLite stores NaN as NULL
        low: list[Any] = [None, None]
        high: list[Any] = [None, None]
        finite = np.isfinite(values)
        if not finite.all():
            steps, values = steps[finite], values[finite]
        if len(values):
            at, to = int(values.argmin()), int(values.argmax())
            low, high = [float(values[at]), int(steps[at])], [float(values[to]), int(steps[to])]
        if adds:
            row = self._connection.execute(
                "SELECT min, min_step, max, max_step FROM metrics WHERE run = ? AND key = ?", [self._run, key]
            ).fetchone()
            if row and row[0] is not None:
                low = low if low[0] is not None and low[0] < row[0] else list(row[:2])
                high = high if high[0] is not None and high[0] > row[2] else list(row[2:])
        mode = self._mode(name)
        metric = [self._run, key, *last, *low, *high, low[0] if mode == "min" else high[0], mode]
        self._connection.execute("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", metric)


def merged(parts: Sequence[Points]) -> Points:
    """One series of increasing steps; of the points of one step the last given counts."""
    if not parts:
        return np.empty(0, np.int64), np.empty(0)
    steps, values = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    if (np.diff(steps) > 0).all():
        return steps, values
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    latest = np.append(steps[1:] != steps[:-1], True)
    return steps[latest], values[latest]


def _until(step: int, points: Points) -> Points:
    keep = points[0] <= step
    return points[0][keep], points[1][keep]


def _since(step: int, points: Points) -> Points:
    start = np.searchsorted(points[0], step)
    return points[0][start:], points[1][start:]
