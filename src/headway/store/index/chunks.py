"""Columns as bytes, and the pyramid: what a chart needs of a long series without reading it. Pure numpy.

A chunk is up to 8,192 points of one series: steps as first and stride, or as deltas; values as float32 where that loses
nothing, else float64; bytes shuffled and compressed where that pays.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

CHUNK = 8192  # points
BUCKETS = 2048  # of a pyramid, at most
COARSE = 500  # of its coarse level, at most: what one overlaid curve shows

Steps = NDArray[np.int64]
Values = NDArray[np.float64]

_CHUNK_HEADER = struct.Struct("<IBBBBqqII")  # points, value bytes, shuffled, step bytes, 0, first, stride, two sizes
_BUCKETS_HEADER = struct.Struct("<qqq")  # width, first, buckets
_PAYS = 0.95  # of the plain size; a random mantissa is not worth the time that it takes to read back


def encode(steps: Steps, values: Values) -> bytes:
    """n points as one chunk; `steps` are increasing."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    exact = np.array_equal(single, values, equal_nan=True)
    size, shuffled, packed = _pack(single if exact else values)
    gaps = np.diff(steps)
    stride = int(gaps[0]) if len(gaps) else 1
    if (gaps == stride).all():
        header = (0, 0, int(steps[0]), stride, 0)
        return _CHUNK_HEADER.pack(len(steps), size, shuffled, *header, len(packed)) + packed
    kind = np.min_scalar_type(int(gaps.max()))
    gap_size, gap_shuffled, gaps_packed = _pack(gaps.astype(kind))
    header = (gap_size, gap_shuffled, int(steps[0]), 0, len(gaps_packed))
    return _CHUNK_HEADER.pack(len(steps), size, shuffled, *header, len(packed)) + gaps_packed + packed


def decode(data: bytes) -> tuple[Steps, Values]:
    """(steps int64[n], values float64[n]) of a chunk."""
    n, size, shuffled, gap_size, gap_shuffled, first, stride, gap_bytes, _ = _CHUNK_HEADER.unpack_from(data)
    body = memoryview(data)[_CHUNK_HEADER.size :]
    values = _unpack(body[gap_bytes:], n, f"<f{size}", shuffled).astype(np.float64)
    if not gap_bytes:
        return np.arange(n, dtype=np.int64) * stride + first, values
    steps = np.empty(n, np.int64)
    steps[0] = first
    np.cumsum(_unpack(body[:gap_bytes], n - 1, f"<u{gap_size}", gap_shuffled), out=steps[1:])
    steps[1:] += first
    return steps, values


@dataclass
class Buckets:
    """Points summed up in buckets [i * width, (i + 1) * width) of steps, for i = first, first + 1, ... (n of them).

    `width` is a power of two, so that two buckets merge into one of the next level. Extremes and sums are of the finite
    values; an empty bucket has count 0.
    """

    width: int
    first: int
    minimum: NDArray[np.float32]  # [n], or [series, n] of `stacked`
    maximum: NDArray[np.float32]  # [n]
    total: Values  # [n]
    count: NDArray[np.uint32]  # [n] finite values
    nonfinite: NDArray[np.uint32]  # [n]

    @classmethod
    def of(cls, steps: Steps, values: Values, width: int) -> Self:
        """Sum up increasing `steps` [p] and `values` [p], p > 0."""
        at = steps >> (width.bit_length() - 1)
        starts = np.flatnonzero(np.diff(at, prepend=at[0] - 1))
        sizes = np.diff(starts, append=len(at)).astype(np.uint32)
        finite = np.isfinite(values)
        low = high = plain = values
        nonfinite = np.zeros(len(starts), np.uint32)
        if not finite.all():
            low, high = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
            plain = np.where(finite, values, 0.0)
            nonfinite = np.add.reduceat(~finite, starts, dtype=np.uint32)
        with np.errstate(over="ignore"):  # a sum past 1.8e308 is infinite
            total = np.add.reduceat(plain, starts)
        found = (
            single(np.minimum.reduceat(low, starts)),
            single(np.maximum.reduceat(high, starts)),
            total,
            sizes - nonfinite,
            nonfinite,
        )
        first = int(at[0])
        buckets = cls._empty(width, first, int(at[-1]) - first + 1)
        for whole, part in zip(buckets.columns, found, strict=True):
            whole[at[starts] - first] = part
        return buckets

    @classmethod
    def _empty(cls, width: int, first: int, n: int) -> Self:
        low, high = np.full(n, np.inf, np.float32), np.full(n, -np.inf, np.float32)
        return cls(width, first, low, high, np.zeros(n), np.zeros(n, np.uint32), np.zeros(n, np.uint32))

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        return self.minimum, self.maximum, self.total, self.count, self.nonfinite

    def __len__(self) -> int:
        return self.count.shape[-1]

    def __add__(self, other: Self) -> Self:
        """Both together; of equal width."""
        first = min(self.first, other.first)
        both = self._empty(self.width, first, max(self.first + len(self), other.first + len(other)) - first)
        for part in (self, other):
            at = slice(part.first - first, part.first - first + len(part))
            np.minimum(both.minimum[at], part.minimum, out=both.minimum[at])
            np.maximum(both.maximum[at], part.maximum, out=both.maximum[at])
            both.total[at] += part.total
            both.count[at] += part.count
            both.nonfinite[at] += part.nonfinite
        return both

    def between(self, start: int, stop: int) -> Self:
        """The buckets that hold any of the steps [start, stop)."""
        low = max(start // self.width - self.first, 0)
        high = max(-(-stop // self.width) - self.first, 0)
        return type(self)(self.width, self.first + low, *(column[low:high] for column in self.columns))

    def widened(self, width: int) -> Self:
        """Merged into buckets of `width`, a power of two and at least the present one."""
        if width == self.width or not len(self):
            return type(self)(width, self.first, *self.columns)
        at = np.arange(self.first, self.first + len(self)) // (width // self.width)
        starts = np.flatnonzero(np.diff(at, prepend=at[0] - 1))
        return type(self)(
            width,
            int(at[0]),
            np.minimum.reduceat(self.minimum, starts, axis=-1),
            np.maximum.reduceat(self.maximum, starts, axis=-1),
            np.add.reduceat(self.total, starts, axis=-1),
            np.add.reduceat(self.count, starts, axis=-1, dtype=np.uint32),
            np.add.reduceat(self.nonfinite, starts, axis=-1, dtype=np.uint32),
        )

    def within(self, limit: int) -> Self:
        """Merged until there are at most `limit` buckets."""
        first = self.first * self.width
        return self.widened(max(self.width, bucket_width(first, first + max(len(self), 1) * self.width - 1, limit)))

    def to_bytes(self) -> bytes:
        order = (self.total, *(column for column in self.columns if column is not self.total))  # float64 first: aligned
        header = _BUCKETS_HEADER.pack(self.width, self.first, len(self))
        return header + b"".join(column.tobytes() for column in order)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        width, first, n = _BUCKETS_HEADER.unpack_from(data)
        start = _BUCKETS_HEADER.size
        total = np.frombuffer(data, np.float64, n, start)
        rest = np.frombuffer(data, np.float32, 4 * n, start + 8 * n).reshape(4, n)
        return cls(width, first, rest[0], rest[1], total, rest[2].view(np.uint32), rest[3].view(np.uint32))

    @classmethod
    def stacked(cls, data: Sequence[bytes]) -> Self:
        """Of series with the same `header_of`, as columns [series, n]."""
        width, first, n = _BUCKETS_HEADER.unpack_from(data[0])
        rows = np.frombuffer(b"".join(data), np.uint8).reshape(len(data), -1)[:, _BUCKETS_HEADER.size :]
        total = rows[:, : 8 * n].copy().view(np.float64)
        rest = rows[:, 8 * n :].copy().view(np.float32).reshape(len(data), 4, n)
        count, nonfinite = rest[:, 2:].copy().view(np.uint32).transpose(1, 0, 2)
        return cls(width, first, rest[:, 0], rest[:, 1], total, count, nonfinite)

    def unstacked(self) -> Iterator[Self]:
        for columns in zip(*self.columns, strict=True):
            yield type(self)(self.width, self.first, *columns)

    @staticmethod
    def header_of(data: bytes) -> bytes:
        """What says which steps the buckets stand for."""
        return data[: _BUCKETS_HEADER.size]


def bucket_limit(points: int) -> int:
    """How many buckets a series of `points` is worth: a pyramid must not outweigh what it sums up."""
    return min(BUCKETS, max(COARSE, points // 16))


def bucket_width(first: int, last: int, limit: int) -> int:
    """The smallest power of two that puts the steps `first` to `last` into at most `limit` buckets."""
    width = 1
    while last // width - first // width >= limit:
        width *= 2
    return width


def single(values: Values) -> NDArray[np.float32]:
    """As float32; a finite value past its range becomes the largest there is, not infinite."""
    limit = np.finfo(np.float32).max
    return np.where(np.isfinite(values), np.clip(values, -limit, limit), values).astype(np.float32)


def _pack(column: NDArray[Any]) -> tuple[int, bool, bytes]:
    """(bytes a value, shuffled and compressed, bytes)."""
    plain = column.tobytes()
    size = column.itemsize
    shuffled = np.frombuffer(plain, np.uint8).reshape(-1, size).T.tobytes()
    packed = _codec().compress(shuffled, asbytes=True)
    return (size, True, packed) if len(packed) < _PAYS * len(plain) else (size, False, plain)


def _unpack(data: memoryview, n: int, kind: str, shuffled: int) -> NDArray[Any]:
    if not shuffled:
        return np.frombuffer(data, kind, n)
    size = np.dtype(kind).itemsize
    plain = _codec().decompress(data, decompressed_size=n * size)
    return np.frombuffer(np.frombuffer(plain, np.uint8).reshape(size, n).T.tobytes(), kind)


@cache
def _codec() -> Any:
    import pyarrow

    return pyarrow.Codec("zstd", compression_level=1)
