"""Texts of an evaluation split that stand in training almost as they are: MinHash, then exact Jaccard.

A text is the set of its 5-grams: of tokens where texts are long, of characters where they are short, since an edit in
ten words would touch most of their six 5-grams. Two texts are near where the Jaccard similarity of their sets is at
least 0.8; two rows, where every column is. (Broder 1997; Leskovec, Rajaraman and Ullman 2020, chapter 3.)

Three sieves, each cheaper than the next; only the second may lose a near text, and hardly ever does:
1. A near training text has at least 0.8 of its 5-grams among those of the evaluation split; most have not.
2. MinHash signatures of 100 values in 20 bands of 5: two texts of similarity s share a band with probability
   1 - (1 - s**5)**20, which is 0.9996 at 0.8 (Leskovec et al., figure 3.8).
3. The exact similarity, of at most MOST_CANDIDATES training texts an evaluation text, those that share most bands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headway.data.draws import mixed
from headway.data.portions import taken
from headway.data.texts import (
    LONGEST,
    ROWS,
    VALUE_BITS,
    Array,
    Hashes,
    Sets,
    bounds,
    evenly,
    folded,
    grams,
    keyed,
    lengths,
    runs,
    sets,
    spread,
)

THRESHOLD = 0.8
GRAM = 5
LONG = 50  # tokens: where half of the texts have as many, 5-grams are of tokens
BANDS, BAND_ROWS = 20, 5
MOST_TEXTS, MOST_CHARACTERS = 200_000, 35_000_000  # of the training split: at most about 12 s of one core
MOST_EVALUATED, MOST_EVALUATED_CHARACTERS = 20_000, 20_000_000  # of each other split
MOST_CANDIDATES = 10
IN_BAND = 8  # training texts of one bucket that are candidates
SLICE = 500_000  # characters in memory at once
_BLOCK = 1 << 16  # hashes that fit a processor's cache
_TABLE_BITS = 24
_SEED = 20_240  # of the hash functions: fixed, so that a check says the same each time


@dataclass(frozen=True)
class Near:
    """rows: of the evaluation split, those with a near text in training, the most similar first. train: that text.
    jaccard: how similar, of the least similar column. checked: texts of training and of the split that were looked at.
    """

    rows: Array
    train: Array
    jaccard: Array
    checked: tuple[int, int]


@dataclass(frozen=True)
class _Rows:
    """numbers: of the rows in their split, [N]. columns: the sets of each column, N texts each."""

    numbers: Array
    columns: list[Sets]

    def take(self, rows: Array) -> "_Rows":
        return _Rows(self.numbers[rows], [column.take(rows) for column in self.columns])


def near_duplicates(
    train: Sequence[pa.ChunkedArray],
    others: Mapping[str, Sequence[pa.ChunkedArray]],
    exact: Mapping[str, npt.NDArray[np.bool_]] | None = None,
) -> dict[str, Near]:
    """For each of the other splits, its texts that are near one of training.

    train, others: a split's columns of text, N strings each, the same columns in all.
    exact: rows that stand in training as they are, which are not looked at: they are known.
    """
    grain = [_grain(column) for column in train]
    kept: dict[str, list[_Rows]] = {name: [] for name in others}
    asked, tables, checked = {}, {}, {}
    for name, columns in others.items():
        looked = evenly(lengths(columns), MOST_EVALUATED, MOST_EVALUATED_CHARACTERS)
        checked[name] = len(looked)
        looked = looked[~exact[name][looked]] if exact is not None else looked
        asked[name] = _joined(list(_read(columns, grain, looked)), len(columns))
        tables[name] = _table(asked[name])
    chosen = evenly(lengths(train), MOST_TEXTS, MOST_CHARACTERS)
    for part in _read(train, grain, chosen) if any(len(rows.numbers) for rows in asked.values()) else ():
        for name, table in tables.items():
            kept[name].append(part.take(_inside(part, table)))
    found = {}
    for name, rows in asked.items():
        near = _joined(kept.pop(name), len(train))
        found[name] = _matched(near, rows.take(_inside(rows, _table(near))), (len(chosen), checked[name]))
    return found


def _grain(column: pa.ChunkedArray) -> bool:
    """Whether 5-grams of this column are of tokens."""
    some = _beginnings(column, evenly(lengths([column]), 1000, SLICE))
    tokens = np.diff(folded(some).tokens[2])
    return bool(len(tokens) and np.median(tokens) >= LONG)


def _read(columns: Sequence[pa.ChunkedArray], grain: Sequence[bool], rows: Array) -> Iterator[_Rows]:
    """The sets of these rows, in slices that bound the memory."""
    for block in _blocks(lengths(columns)[rows], SLICE):
        made = [
            _sets(_beginnings(column, rows[block]), tokens, salt)
            for salt, (column, tokens) in enumerate(zip(columns, grain, strict=True))
        ]
        yield _Rows(rows[block], made)


def _beginnings(column: pa.ChunkedArray, rows: Array) -> list[str | None]:
    """Of these rows, which ascend, as much as is looked at."""
    if column.nbytes > LONGEST * len(column):  # long texts, of which even one is not to be copied
        column = pc.utf8_slice_codeunits(column, 0, LONGEST)
    found: list[str | None] = pc.utf8_slice_codeunits(taken(column, rows), 0, LONGEST).to_pylist()
    return found


def _sets(texts: Sequence[str | None], tokens: bool, salt: int) -> Sets:
    read = folded(texts)
    units, offsets = (read.hashes, read.tokens[2]) if tokens else (read.points, read.offsets)
    starts, ends, first = grams(offsets, GRAM)
    return sets(runs(units, starts, ends, salt), first)


def _joined(parts: Sequence[_Rows], columns: int) -> _Rows:
    def column(at: int) -> Sets:
        own = [part.columns[at] for part in parts]
        values = np.concatenate([np.zeros(0, np.uint64), *(one.values for one in own)])
        return Sets(values, bounds(np.concatenate([np.zeros(0, np.int64), *(one.sizes for one in own)])))

    numbers = np.concatenate([np.zeros(0, np.int64), *(part.numbers for part in parts)])
    return _Rows(numbers, [column(at) for at in range(columns)])


def _table(rows: _Rows) -> npt.NDArray[np.bool_]:
    """Which hashes occur, by their first bits: says yes of some that do not, and never no of one that does."""
    table = np.zeros(1 << _TABLE_BITS, np.bool_)
    for column in rows.columns:
        table[_places(column.values)] = True
    return table


def _places(values: Hashes) -> Array:
    return (values >> np.uint64(VALUE_BITS - _TABLE_BITS)).astype(np.int64)


def _inside(rows: _Rows, table: npt.NDArray[np.bool_]) -> Array:
    """Rows with enough of their hashes in the table: |A n B| >= 0.8 |A u B| >= 0.8 |A|."""
    there, sizes = np.zeros(len(rows.numbers)), np.zeros(len(rows.numbers))
    for column in rows.columns:
        there += np.diff(bounds(table[_places(column.values)])[column.offsets])
        sizes += column.sizes
    return np.flatnonzero((there >= THRESHOLD * sizes - 1e-9) & (sizes > 0))


def _matched(train: _Rows, other: _Rows, checked: tuple[int, int]) -> Near:
    pairs = _candidates(_signatures(train), _signatures(other))
    similar = _jaccard(train, other, *pairs)
    order = np.lexsort((pairs[0], -similar))
    order = order[similar[order] >= THRESHOLD - 1e-12]
    _, first = np.unique(pairs[1][order], return_index=True)
    order = order[np.sort(first)]  # the most similar text for each row, rows by that
    return Near(other.numbers[pairs[1][order]], train.numbers[pairs[0][order]], similar[order], checked)


def _signatures(rows: _Rows) -> npt.NDArray[np.uint32]:
    """MinHash of the union of the columns' sets, [BANDS * BAND_ROWS, N]: for each of as many hash functions, the
    least hash of the set. The functions are multiply-shift (Dietzfelbinger et al. 1997)."""
    draws = mixed(np.arange(2 * BANDS * BAND_ROWS) + _SEED).reshape(2, -1)
    signatures = np.full((BANDS * BAND_ROWS, len(rows.numbers)), np.iinfo(np.uint32).max, np.uint32)
    for column in rows.columns:
        full = np.flatnonzero(column.sizes)
        for block in _blocks(column.sizes[full], _BLOCK):
            some = full[block]
            start, end = column.offsets[some[0]], column.offsets[some[-1] + 1]
            values, places = column.values[start:end], column.offsets[some] - start
            for k, (factor, term) in enumerate(zip(draws[0] | np.uint64(1), draws[1], strict=True)):
                hashed = ((values * factor + term) >> np.uint64(32)).astype(np.uint32)
                signatures[k, some] = np.minimum(signatures[k, some], np.minimum.reduceat(hashed, places))
    return signatures


def _candidates(train: npt.NDArray[np.uint32], other: npt.NDArray[np.uint32]) -> tuple[Array, Array]:
    """Columns of both that share a band: for each of `other`, those of `train` that share most."""
    found = [np.zeros(0, np.int64)]
    width = train.shape[1]
    for band in range(BANDS):
        keys, wanted = (_band(signatures, band) for signatures in (train, other))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        low = np.searchsorted(keys, wanted)
        sizes = np.minimum(np.searchsorted(keys, wanted, "right") - low, IN_BAND)
        found.append(np.repeat(np.arange(len(wanted)), sizes) * width + order[spread(low, sizes)])
    pairs, shared = np.unique(np.concatenate(found), return_counts=True)
    rows = pairs // max(width, 1)
    order = np.lexsort((-shared, rows))
    rank = np.arange(len(order)) - np.searchsorted(rows, rows)  # rows ascend, so a place in `order` has its row
    order = order[rank < MOST_CANDIDATES]
    return pairs[order] % max(width, 1), rows[order]


def _band(signatures: npt.NDArray[np.uint32], band: int) -> Hashes:
    key = np.zeros(signatures.shape[1], np.uint64)
    for row in signatures[band * BAND_ROWS : (band + 1) * BAND_ROWS]:
        key = mixed(key ^ row)
    return key


def _jaccard(train: _Rows, other: _Rows, one: Array, two: Array) -> npt.NDArray[np.float64]:
    """|A n B| / |A u B| of each pair, of the column where it is least."""
    similar = np.ones(len(one))
    for left, right in zip(train.columns, other.columns, strict=True):
        total = left.sizes[one] + right.sizes[two]
        for block in _blocks(total, SLICE):
            sizes = total[block]
            shared = _shared(left.take(one[block]), right.take(two[block]))
            own = np.divide(shared, sizes - shared, out=np.ones(len(sizes)), where=sizes > 0)
            similar[block] = np.minimum(similar[block], own)
    return similar


def _blocks(sizes: Array, most: int) -> Iterator[slice]:
    """Items in turn, as many at once as have `most` together, or a single larger one."""
    until = np.cumsum(sizes)
    at = 0
    while at < len(sizes):
        before = int(until[at - 1]) if at else 0
        end = min(max(at + 1, int(np.searchsorted(until, before + most, "right"))), at + ROWS - 1)
        yield slice(at, end)
        at = end


def _shared(left: Sets, right: Sets) -> Array:
    """|A n B| of each pair: in the sorted values of both, those that stand twice."""
    keys = np.sort(np.concatenate([keyed(one.rows(), one.values) for one in (left, right)]))
    twice = keys[1:][keys[1:] == keys[:-1]]
    return np.bincount((twice >> np.uint64(VALUE_BITS)).astype(np.int64), minlength=len(left))
