"""Encoded splits on disk: ragged token arrays in flat files, memory-mapped, found again by a fingerprint.

Shapes: N examples, S the sum of their lengths. A *sequence* is one value per token (flat [S] plus offsets [N+1]),
a *column* is one value per example ([N]).
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

FORMAT = 1  # bump when the bytes on disk change their meaning: old caches are then simply not found
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Chunk:
    """Some examples, encoded: `sequences[name]` holds one list of integers per example, `columns[name]` is [n]."""

    sequences: Mapping[str, list[list[int]]]
    columns: Mapping[str, Array]


@dataclass(frozen=True)
class Encoded:
    """One split: flat token arrays (memory-mapped) and what is needed to cut examples out of them."""

    folder: Path
    sequences: Mapping[str, Array]  # name -> flat [S]
    offsets: Array  # [N+1] int64, shared by all sequences
    columns: Mapping[str, Array]  # name -> [N]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __reduce__(self) -> tuple[Callable[[Path], "Encoded"], tuple[Path]]:
        return (_open, (self.folder,))  # another process maps the same pages instead of receiving a copy

    @property
    def lengths(self) -> Array:
        """Tokens of each example, [N] int64."""
        return np.diff(self.offsets)

    def padded(self, name: str, indices: Array, fill: int) -> tuple[Array, Array]:
        """The examples `indices` as one [B, max T] int64 array filled with `fill` on the right, and its 0/1 mask."""
        starts = self.offsets[indices]
        lengths = self.offsets[indices + 1] - starts
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        out = np.full(mask.shape, fill, dtype=np.int64)
        flat = self.sequences[name]
        out[mask] = np.concatenate([flat[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)])
        return out, mask.astype(np.int64)


def cache_key(*parts: object) -> str:
    """A short name for everything an encoding depends on; `parts` are plain JSON values."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def cached(folder: Path, chunks: Callable[[], Iterator[Chunk]], dtype: npt.DTypeLike) -> Encoded:
    """Return the encoded split in `folder`, made from `chunks` first if it is not there.

    The folder appears whole (written under another name, then renamed), so processes may race: the first wins.
    `dtype` is the integer type of the sequences (uint16 serves vocabularies below 65,536).
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temp = folder.with_name(f".tmp-{folder.name}-{uuid.uuid4().hex[:8]}")
        temp.mkdir()
        try:
            _write(temp, chunks(), np.dtype(dtype))
            temp.rename(folder)
        except OSError:
            if not (folder / "meta.json").exists():  # lost a race only if the winner's folder stands
                raise
        finally:
            shutil.rmtree(temp, ignore_errors=True)
    return _open(folder)


def _write(folder: Path, chunks: Iterator[Chunk], dtype: np.dtype[Any]) -> None:
    lengths: list[Array] = []
    columns: dict[str, list[Array]] = {}
    files: dict[str, IO[bytes]] = {}
    with ExitStack() as stack:
        for chunk in chunks:
            sizes: Array = np.zeros(0, np.int64)
            for name, rows in chunk.sequences.items():
                if name not in files:
                    files[name] = stack.enter_context((folder / f"{name}.bin").open("wb"))
                sizes = np.fromiter(map(len, rows), np.int64, len(rows))
                flat = np.fromiter((value for row in rows for value in row), dtype, int(sizes.sum()))
                flat.tofile(files[name])
            lengths.append(sizes)
            for name, column in chunk.columns.items():
                columns.setdefault(name, []).append(column)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))])
    np.save(folder / "offsets.npy", offsets)
    for name, parts in columns.items():
        np.save(folder / f"column-{name}.npy", np.concatenate(parts))
    meta = {"dtype": dtype.name, "sequences": sorted(files), "columns": sorted(columns)}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _open(folder: Path) -> Encoded:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return Encoded(
        folder=folder,
        sequences={name: _mapped(folder / f"{name}.bin", np.dtype(meta["dtype"])) for name in meta["sequences"]},
        offsets=np.load(folder / "offsets.npy"),
        columns={name: np.load(folder / f"column-{name}.npy") for name in meta["columns"]},
    )


def _mapped(path: Path, dtype: np.dtype[Any]) -> Array:
    return np.memmap(path, dtype, mode="r") if path.stat().st_size else np.zeros(0, dtype)  # nothing cannot be mapped
