"""Encoded splits on disk: ragged token arrays in flat files, memory-mapped, found again by a fingerprint.

An *item* is what a batch is made of: an example, or one window or block of a long one. Shapes: N items, S the sum of
their lengths. A *sequence* is one value per token (flat [S] plus offsets [N+1]), a *column* one per item ([N]); the
column `example` says which row of the prepared split an item comes from, where that is not its own number.
"""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from headway.data.cache import made_once

FORMAT = 4  # bump when the bytes on disk change their meaning: old caches are then simply not found
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Ragged:
    """A sequence of each of n items, one behind the other: values [S], sizes [n]."""

    values: Array
    sizes: Array


@dataclass(frozen=True)
class Chunk:
    """Some items, encoded: `sequences[name]` holds integers of each item, as lists or flat; `columns[name]` is [n].

    facts: numbers that hold for the whole split, such as the mask token's id; the same in every chunk.
    """

    sequences: Mapping[str, list[list[int]] | Ragged]
    columns: Mapping[str, Array]
    facts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Encoded:
    """One split: flat token arrays (memory-mapped) and what is needed to cut items out of them."""

    folder: Path
    sequences: Mapping[str, Array]  # name -> flat [S]
    offsets: Mapping[str, Array]  # name -> [N+1] int64; sequences of the same lengths share one array
    columns: Mapping[str, Array]  # name -> [N]
    facts: Mapping[str, int]

    def __len__(self) -> int:
        return len(next(iter(self.offsets.values()))) - 1

    def __reduce__(self) -> tuple[Callable[[Path], "Encoded"], tuple[Path]]:
        return (_open, (self.folder,))  # another process maps the same pages instead of receiving a copy

    @property
    def lengths(self) -> Array:
        """Tokens of each item, [N] int64: of every sequence called *_ids, those of like lengths counted once."""
        distinct = {id(offsets): offsets for name, offsets in self.offsets.items() if name.endswith("_ids")}
        return np.sum([np.diff(offsets) for offsets in distinct.values()], axis=0)

    @property
    def examples(self) -> Array:
        """The row of the split that each item comes from, [N]."""
        return self.columns["example"] if "example" in self.columns else np.arange(len(self))

    def sizes(self, name: str, items: Array) -> Array:
        """Tokens of the sequence `name` of each of these items."""
        return self.offsets[name][items + 1] - self.offsets[name][items]

    def cut(self, name: str, item: int) -> Array:
        """One sequence of one item, [T]."""
        start, stop = self.offsets[name][item : item + 2]
        return self.sequences[name][start:stop]

    def padded(self, name: str, items: Array, fill: int) -> tuple[Array, Array]:
        """These items as one [B, max T] int64 array filled with `fill` on the right, and its 0/1 mask."""
        starts, lengths = self.offsets[name][items], self.sizes(name, items)
        places = np.arange(lengths.max(initial=0))
        mask = places < lengths[:, None]
        out = np.full(mask.shape, fill, dtype=np.int64)
        out[mask] = self.sequences[name][(starts[:, None] + places)[mask]]  # one gather: no copy of each item
        return out, mask.astype(np.int64)


def cache_key(*parts: object) -> str:
    """A short name for everything an encoding depends on; `parts` are plain JSON values."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def cached(folder: Path, chunks: Callable[[], Iterator[Chunk]], dtype: npt.DTypeLike) -> Encoded:
    """The encoded split in `folder`, made from `chunks` first if it is not there.

    `dtype` is the integer type of sequences called *_ids (uint16 serves vocabularies below 65,536); that of all others,
    which may be places in a text or negative, is int32.
    """
    return _open(made_once(folder, lambda temp: _write(temp, chunks(), np.dtype(dtype))))


def _write(folder: Path, chunks: Iterator[Chunk], dtype: np.dtype[Any]) -> None:
    lengths: dict[str, list[Array]] = {}
    columns: dict[str, list[Array]] = {}
    files: dict[str, IO[bytes]] = {}
    facts: dict[str, int] = {}
    with ExitStack() as stack:
        for chunk in chunks:
            for name, rows in chunk.sequences.items():
                if name not in files:
                    files[name] = stack.enter_context((folder / f"{name}.bin").open("wb"))
                one = rows if isinstance(rows, Ragged) else ragged(rows)
                _fitting(one.values, _type_of(name, dtype)).tofile(files[name])
                lengths.setdefault(name, []).append(one.sizes)
            facts.update(chunk.facts)
            for name, column in chunk.columns.items():
                columns.setdefault(name, []).append(column)
    offsets: dict[str, Array] = {}
    shared: dict[str, str] = {}  # sequence -> the first one that has the same lengths
    for name, parts in lengths.items():
        own = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(parts))])
        shared[name] = next((other for other, known in offsets.items() if np.array_equal(own, known)), name)
        if shared[name] == name:
            offsets[name] = own
            np.save(folder / f"offsets-{name}.npy", own)
    for name, parts in columns.items():
        np.save(folder / f"column-{name}.npy", np.concatenate(parts))
    meta = {"dtype": dtype.name, "sequences": shared, "columns": sorted(columns), "facts": facts}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _open(folder: Path) -> Encoded:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    shared = meta["sequences"]
    offsets = {name: np.load(folder / f"offsets-{name}.npy") for name in set(shared.values())}
    return Encoded(
        folder=folder,
        sequences={name: _mapped(folder / f"{name}.bin", _type_of(name, np.dtype(meta["dtype"]))) for name in shared},
        offsets={name: offsets[other] for name, other in shared.items()},
        columns={name: np.load(folder / f"column-{name}.npy") for name in meta["columns"]},
        facts=meta["facts"],
    )


def ragged(rows: Iterable[list[int]], kind: str = "q") -> Ragged:
    """Lists of integers as one array, by way of `array`, a third of the time of numpy's own. kind: its type code."""
    values, sizes = array(kind), list[int]()
    for row in rows:
        values.fromlist(row)
        sizes.append(len(row))
    return Ragged(np.frombuffer(values, kind), np.asarray(sizes, np.int64))


def _fitting(values: Array, kind: np.dtype[Any]) -> Array:
    """As integers of this kind. Raises: OverflowError."""
    if len(values) and not (np.iinfo(kind).min <= values.min() and values.max() <= np.iinfo(kind).max):
        raise OverflowError(f"a number is out of bounds for {kind}")
    return values.astype(kind, copy=False)


def _type_of(name: str, tokens: np.dtype[Any]) -> np.dtype[Any]:
    return tokens if name.endswith("_ids") else np.dtype(np.int32)


def _mapped(path: Path, dtype: np.dtype[Any]) -> Array:
    """A plain view of the mapped file, as slicing a memmap makes another each time; nothing cannot be mapped."""
    return np.asarray(np.memmap(path, dtype, mode="r")) if path.stat().st_size else np.zeros(0, dtype)
