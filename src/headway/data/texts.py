"""Many texts as arrays: code points, tokens, and runs of either as 64-bit hashes, without a loop over characters.

N texts of C characters in all, T tokens. A token is a run of letters and digits (and marks on them), or any other sign
that is not white space; an ideograph or kana is a token of its own, since its language writes no blanks between words.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headway.data.columns import MESSAGES, TEXTS
from headway.data.draws import mixed

Array = npt.NDArray[Any]
Hashes = npt.NDArray[np.uint64]

LONGEST = 10_000  # characters of a text that are looked at
VALUE_BITS = 44  # of a hash in a set; the others hold the row it is of
ROWS = 1 << (64 - VALUE_BITS)  # most rows of one set of sets
BLANK, WORD, SIGN = 0, 1, 2
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
_IDEOGRAPHS = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


@dataclass(frozen=True)
class Texts:
    """text: all of them, folded, one behind the other. offsets: [N+1], where each begins in it."""

    text: str
    offsets: Array

    @cached_property
    def points(self) -> Array:
        """Code points, [C]."""
        return np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), "<u4")

    @cached_property
    def tokens(self) -> tuple[Array, Array, Array]:
        """Where each token begins and ends in `text`, [T] each, and the first token of each text, [N+1]."""
        points = self.points
        if not len(points):
            return points.astype(np.int64), points.astype(np.int64), np.zeros_like(self.offsets)
        present = np.flatnonzero(np.bincount(points))
        table = np.zeros(int(present[-1]) + 1, np.uint8)
        table[present] = [_kind(point) for point in present.tolist()]
        kinds = table[points]
        begins = np.zeros(len(points) + 1, np.bool_)
        begins[self.offsets] = True
        word = kinds == WORD
        joined = word[1:] & word[:-1] & ~begins[1:-1]  # a word goes on from one character to the next
        inside = kinds != BLANK
        starts, ends = inside.copy(), inside.copy()
        starts[1:] &= ~joined
        ends[:-1] &= ~joined
        first = np.flatnonzero(starts)
        return first, np.flatnonzero(ends) + 1, np.searchsorted(first, self.offsets)

    @cached_property
    def hashes(self) -> Hashes:
        """Of each token, [T]; equal tokens have equal ones."""
        starts, ends, _ = self.tokens
        return runs(self.points, starts, ends)

    def token(self, number: int) -> str:
        starts, ends, _ = self.tokens
        return self.text[int(starts[number]) : int(ends[number])]


@dataclass(frozen=True)
class Sets:
    """A set of hashes for each text. values: [S], ascending within a text, below 2**VALUE_BITS. offsets: [N+1]."""

    values: Hashes
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Array:
        return np.diff(self.offsets)

    def take(self, rows: Array) -> "Sets":
        sizes = self.sizes[rows]
        return Sets(self.values[spread(self.offsets[rows], sizes)], bounds(sizes))

    def rows(self) -> Array:
        """The text that each value is of, [S]."""
        return np.repeat(np.arange(len(self)), self.sizes)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of an example as text, [N]: words with blanks, messages with line breaks between them."""
    if column.type == TEXTS:
        return pc.binary_join(column, " ").cast(pa.large_string())
    if column.type == MESSAGES:
        rows = ["\n".join(turn["content"] or "" for turn in turns or []) for turns in column.to_pylist()]
        return pa.chunked_array([pa.array(rows, pa.large_string())])
    return column.cast(pa.large_string())


def folded(texts: Sequence[str | None]) -> Texts:
    """Case folded and white space made one blank, as repeats are counted; the first LONGEST characters of each."""
    parts = [" ".join((text or "")[:LONGEST].casefold().split()) for text in texts]
    return Texts("".join(parts), bounds(np.fromiter(map(len, parts), np.int64, len(parts))))


def grams(offsets: Array, size: int) -> tuple[Array, Array, Array]:
    """Every run of `size` units: where it begins and ends, and the first run of each text [N+1].

    A text with fewer units is one run as a whole, one without any has none.
    """
    units = np.diff(offsets)
    counts = np.where(units >= size, units - size + 1, units > 0)
    starts = spread(offsets[:-1], counts)
    return starts, starts + np.repeat(np.minimum(units, size), counts), bounds(counts)


def runs(values: Array, starts: Array, ends: Array, salt: int = 0) -> Hashes:
    """A hash of values[start:end] for each start and end.

    Differences of prefix sums of a polynomial modulo 2**64 (Karp and Rabin 1987), which need no time for the length of
    a run, then mixed, because the low bits of such a sum say little.
    """
    base = np.full(len(values) + 1, _BASE, np.uint64)
    base[0] = 1
    prefix = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(mixed(values) * np.cumprod(base[:-1]), out=prefix[1:])
    base[1:] = pow(_BASE, -1, 1 << 64)
    return mixed((prefix[ends] - prefix[starts]) * np.cumprod(base)[starts] + np.uint64(salt))


def sets(hashes: Hashes, offsets: Array) -> Sets:
    """The different hashes of each text, fewer than ROWS of them. One sort of whole numbers does all texts."""
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    keys = np.sort(keyed(rows, hashes >> np.uint64(64 - VALUE_BITS)))
    keys = keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys
    sizes = np.bincount((keys >> np.uint64(VALUE_BITS)).astype(np.int64), minlength=len(offsets) - 1)
    return Sets(keys & np.uint64((1 << VALUE_BITS) - 1), bounds(sizes))


def keyed(rows: Array, values: Hashes) -> Hashes:
    """One number for a row and a value in it."""
    found: Hashes = (rows.astype(np.uint64) << np.uint64(VALUE_BITS)) | values
    return found


def bounds(sizes: Array) -> Array:
    """[N] sizes to [N+1] offsets."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def spread(starts: Array, sizes: Array) -> Array:
    """start, start + 1, ... of each, `size` of them, one behind the other."""
    return np.arange(int(sizes.sum())) + np.repeat(starts - bounds(sizes)[:-1], sizes)


def lengths(columns: Sequence[pa.ChunkedArray]) -> Array:
    """Characters of each row that are looked at, in all columns together: [N]."""
    own = [pc.min_element_wise(pc.fill_null(pc.utf8_length(column), 0), LONGEST).to_numpy() for column in columns]
    found: Array = np.asarray(np.sum(own, axis=0, dtype=np.int64))
    return found


def evenly(characters: Array, most: int, most_characters: int) -> Array:
    """Rows at even distances, ascending: all, or as many as keep to these numbers of texts and of characters."""
    rows, read = len(characters), int(characters.sum())
    count = min(rows, most, max(1, rows * most_characters // max(read, 1)))
    return np.arange(count) * rows // max(count, 1)


@lru_cache(maxsize=65_536)
def _kind(point: int) -> int:
    sign = chr(point)
    if sign.isspace():
        return BLANK
    ideograph = any(low <= point <= high for low, high in _IDEOGRAPHS)
    return WORD if unicodedata.category(sign)[0] in "LNM" and not ideograph else SIGN
