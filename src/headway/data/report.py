"""What is in prepared data: counts, repeated texts within and across splits, and one fingerprint of all of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

EXAMPLES = 5
Keys = npt.NDArray[np.uint64]


def content_keys(table: pa.Table) -> tuple[Keys, Keys]:
    """Two 64-bit BLAKE2b hashes of text and pair, [N] each: exact, and after folding case and white space."""
    exact, folded = bytearray(), bytearray()
    columns = [name for name in ("text", "pair") if name in table.column_names]
    for batch in table.select(columns).to_batches(max_chunksize=4096):
        texts = batch.column(0).to_pylist()
        seconds = batch.column(1).to_pylist() if len(columns) == 2 else [""] * len(texts)
        for text, second in zip(texts, seconds, strict=True):
            exact += _digest(f"{text}\0{second}")
            folded += _digest(f"{' '.join(text.casefold().split())}\0{' '.join(second.casefold().split())}")
    return np.frombuffer(exact, ">u8").astype(np.uint64), np.frombuffer(folded, ">u8").astype(np.uint64)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def example_ids(keys: Keys) -> pa.ChunkedArray:
    """16 hex digits of the content; its k-th repeat in this order has "-k" behind them."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], np.arange(len(keys)), 0))
    repeats = np.empty(len(keys), np.int64)
    repeats[order] = np.arange(len(keys)) - starts
    chunks = []
    for start in range(0, len(keys), 65536):
        pairs = zip(keys[start : start + 65536].tolist(), repeats[start : start + 65536].tolist(), strict=True)
        chunks.append(pa.array([f"{key:016x}-{k}" if k else f"{key:016x}" for key, k in pairs], pa.large_string()))
    return pa.chunked_array(chunks, pa.large_string())


def fingerprint(splits: Mapping[str, pa.Table], labels: Sequence[str]) -> str:
    """SHA-256 over label names and every split's ids and labels in order; what files they came in plays no part."""
    digest = hashlib.sha256(json.dumps([list(labels), {name: len(table) for name, table in splits.items()}]).encode())
    for table in splits.values():
        for chunk in table["id"].chunks:
            digest.update("".join(f"{name}\n" for name in chunk.to_pylist()).encode())
        digest.update(table["label"].to_numpy().astype("<i4").tobytes())
    return digest.hexdigest()


def describe(splits: Mapping[str, pa.Table], folded: Mapping[str, Keys], labels: Sequence[str]) -> dict[str, Any]:
    """Plain JSON: per split its rows, repeats and label counts; then repeats across splits.

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
        counts = np.bincount(table["label"].to_numpy() + 1, minlength=len(labels) + 1)[1:]
        report["splits"][name] = {
            "rows": len(table),
            "dropped_empty": 0,
            "dropped_label": 0,
            "duplicates": len(repeats),
            "duplicate_examples": _pairs(table, earlier[repeats], table, repeats),
            "label_counts": dict(zip(labels, counts.tolist(), strict=True)),
        }
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            uniques, first = np.unique(folded[one], return_index=True)
            at = np.minimum(np.searchsorted(uniques, folded[other]), len(uniques) - 1)
            shared = np.flatnonzero(uniques[at] == folded[other])
            examples = _pairs(splits[one], first[at[shared]], splits[other], shared)
            report["duplicates_across"].append({"splits": [one, other], "count": len(shared), "examples": examples})
    return report


def _pairs(one: pa.Table, rows: npt.NDArray[Any], other: pa.Table, others: npt.NDArray[Any]) -> list[list[str]]:
    origins = (pc.take(table["origin"], pa.array(at[:EXAMPLES])) for table, at in ((one, rows), (other, others)))
    return [list(pair) for pair in zip(*(column.to_pylist() for column in origins), strict=True)]
