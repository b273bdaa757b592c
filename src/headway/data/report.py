"""What is in prepared data: counts, repeated texts within and across splits, and one fingerprint of all of it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headway.data.columns import as_text
from headway.data.portions import PORTION, blocks, bytes_of, portions, spilled

EXAMPLES = 5
Keys = npt.NDArray[np.uint64]


def content_keys(table: pa.Table, columns: Sequence[str]) -> tuple[Keys, Keys]:
    """Two 64-bit BLAKE2b hashes of these columns, [N] each: exact, and after folding case and white space."""
    exact, folded = bytearray(), bytearray()
    texts = pa.table({name: as_text(table[name]) for name in columns})
    for batch in portions(texts, "identifying", 4096):
        if len(batch) == 1 and batch.nbytes > PORTION:
            large = [bytes_of(column, 0) for column in batch.columns]
            exact += _digest_of(large, lambda text: map(str.encode, blocks(text)))
            folded += _digest_of(large, _folded)
            continue
        for row in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
            parts = row if len(row) > 1 else (*row, "")
            exact += _digest("\0".join(parts))
            folded += _digest("\0".join(" ".join(part.casefold().split()) for part in parts))
    return np.frombuffer(exact, ">u8").astype(np.uint64), np.frombuffer(folded, ">u8").astype(np.uint64)


def _digest_of(texts: Sequence[pa.Buffer], parts: Callable[[pa.Buffer], Iterable[bytes]]) -> bytes:
    """The same as of short texts, of which no more than a block is in memory."""
    digest = hashlib.blake2b(digest_size=8)
    for number, text in enumerate(texts):
        digest.update(b"\0" if number else b"")
        for part in parts(text):
            digest.update(part)
    digest.update(b"\0" if len(texts) == 1 else b"")
    return digest.digest()


def _folded(text: pa.Buffer) -> Iterator[bytes]:
    before = " "  # the last character, or a blank where nothing was before
    begun = False
    for block in blocks(text):
        words = block.casefold().split()
        if words:
            apart = begun and (before.isspace() or block[0].isspace())
            yield f"{' ' * apart}{' '.join(words)}".encode()
            begun = True
        before = block[-1]


def group_keys(column: pa.ChunkedArray) -> Keys:
    """A 64-bit hash of each value, [N]."""
    digests = bytearray().join(_digest(repr(value)) for value in column.to_pylist())
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def example_ids(keys: Keys) -> pa.ChunkedArray:
    """16 hex digits of the content; its k-th repeat in this order has "-k" behind them."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], np.arange(len(keys)), 0))
    repeats = np.empty(len(keys), np.int64)
    repeats[order] = np.arange(len(keys)) - starts

    def tables() -> Iterator[pa.Table]:
        for start in range(0, len(keys), 65536):
            pairs = zip(keys[start : start + 65536].tolist(), repeats[start : start + 65536].tolist(), strict=True)
            ids = pa.array([f"{key:016x}-{k}" if k else f"{key:016x}" for key, k in pairs], pa.large_string())
            yield pa.table({"id": ids})

    chunks = [chunk for table in spilled(tables()) for chunk in table["id"].chunks]
    return pa.chunked_array(chunks, pa.large_string())


def fingerprint(splits: Mapping[str, pa.Table], labels: Sequence[str], gold: str | None = "label") -> str:
    """SHA-256 over label names and every split's ids and gold in order; what files they came in plays no part."""
    digest = hashlib.sha256(json.dumps([list(labels), {name: len(table) for name, table in splits.items()}]).encode())
    for table in splits.values():
        for chunk in table["id"].chunks:
            digest.update("".join(f"{name}\n" for name in chunk.to_pylist()).encode())
        if gold and pa.types.is_integer(table[gold].type):
            digest.update(table[gold].to_numpy().astype("<i4").tobytes())
        elif gold:
            for batch in table.select([gold]).to_batches(max_chunksize=4096):
                digest.update(json.dumps(batch.column(0).to_pylist(), ensure_ascii=False).encode())
    return digest.hexdigest()


def describe(
    splits: Mapping[str, pa.Table], folded: Mapping[str, Keys], labels: Sequence[str], classes: str | None = "label"
) -> dict[str, Any]:
    """Plain JSON: per split its rows, repeats and, of the column `classes`, label counts; then repeats across splits.

    A repeat is a row whose text and pair, with case and white space folded, stand earlier in the same split, or at all
    in the other one (`count` is of rows of the second split named).
    """
    report: dict[str, Any] = {"splits": {}, "duplicates_across": []}
    names = list(splits)
    for name in names:
        table, keys = splits[name], folded[name]
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        earlier = first[inverse]
        repeats = np.flatnonzero(earlier != np.arange(len(keys)))
        counts = _label_counts(table[classes], len(labels)) if classes and labels else []
        report["splits"][name] = {
            "rows": len(table),
            "dropped_empty": 0,
            "dropped_label": 0,
            "duplicates": len(repeats),
            "duplicate_examples": _pairs(table, earlier[repeats], table, repeats),
            "label_counts": dict(zip(labels, counts, strict=True)) if counts else {},
        }
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            uniques, first = np.unique(folded[one], return_index=True)
            at = np.minimum(np.searchsorted(uniques, folded[other]), len(uniques) - 1)
            shared = np.flatnonzero(uniques[at] == folded[other])
            examples = _pairs(splits[one], first[at[shared]], splits[other], shared)
            report["duplicates_across"].append({"splits": [one, other], "count": len(shared), "examples": examples})
    return report


def _label_counts(column: pa.ChunkedArray, classes: int) -> list[int]:
    numbers = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    return np.bincount(numbers.to_numpy() + 1, minlength=classes + 1)[1:].tolist()


def _pairs(one: pa.Table, rows: npt.NDArray[Any], other: pa.Table, others: npt.NDArray[Any]) -> list[list[str]]:
    origins = (pc.take(table["origin"], pa.array(at[:EXAMPLES])) for table, at in ((one, rows), (other, others)))
    return [list(pair) for pair in zip(*(column.to_pylist() for column in origins), strict=True)]
