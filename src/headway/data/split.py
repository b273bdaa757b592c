"""Which rows train, validate and test: the data's own splits where it has them, seeded cuts where it has not.

Draws come from numpy's Philox bits (Salmon et al. 2011), whose stream is fixed for all numpy versions, and go to
texts in the order of their content hash: a cut depends on `split_seed` and on the texts, not on the order of the rows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headway.data.names import SPLITS, listed, suggest
from headway.errors import DataError

STREAMS = {"test": 1, "val": 2, "limit": 3}  # independent draws from one seed
Keys = npt.NDArray[np.uint64]


def choose(tables: Mapping[str, pa.Table], splits: Mapping[str, str | None] | None) -> tuple[dict[str, str], list[str]]:
    """Which of the source's tables is train, val and test, and which are not used.

    splits: {"val": "dev_matched", "test": null}: names given by the user; the rest goes by the usual spellings.
    Raises: DataError when a name is not there, or nothing can be trained on.
    """
    found = listed(tables)
    asked = dict(splits or {})
    if unknown := set(asked) - set(SPLITS):
        raise DataError(f"data.splits.{sorted(unknown)[0]}: unknown; use {listed(SPLITS)}")
    for split, name in asked.items():
        if name is not None and name not in tables:
            raise DataError(f"data.splits.{split}={name}: no such split; found {found}{suggest(name, tables)}")
    chosen: dict[str, str] = {}
    for split, spellings in SPLITS.items():
        named = asked.get(split)
        free = [name for name in tables if name.lower() in spellings and name not in asked.values()]
        if split in asked:
            free = [named] if named is not None else []
        elif split == "train" and not free and len(tables) == 1:
            free = list(tables)  # whatever its name: it is all there is
        if len(free) > 1:
            raise DataError(f"{listed(free)} could all be {split}; say which with data.splits.{split}")
        if free:
            chosen[split] = free[0]
    if "train" not in chosen:
        raise DataError(f"no split to train on; found {found}; name one with data.splits.train")
    return chosen, [name for name in tables if name not in chosen.values()]


def cut(groups: Keys, classes: npt.NDArray[Any], fraction: float, seed: int, stream: str) -> npt.NDArray[np.bool_]:
    """Mark `fraction` of the rows, N bools, with each class's share kept (largest remainders).

    groups: N content keys; rows of one key are never parted, or a text of the test set would also be trained on.
    classes: N labels, the same for all to cut without strata. A class always keeps a row that is not marked.
    """
    _, inverse, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    exact = sizes * fraction
    quotas = np.floor(exact).astype(np.int64)
    short = round(len(classes) * fraction) - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[: max(short, 0)]] += 1
    quotas = np.minimum(quotas, sizes - 1)

    _, first, group_of, group_sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    draws = _draws(len(first), seed, stream)
    marked = np.zeros(len(first), dtype=np.bool_)
    left = {i: int(quota) for i, quota in enumerate(quotas)}
    wanted = sum(left.values())
    for group in np.argsort(draws, kind="stable"):
        if not wanted:
            break
        stratum, size = int(inverse[first[group]]), int(group_sizes[group])
        if size <= left[stratum]:
            marked[group] = True
            left[stratum] -= size
            wanted -= size
    return marked[group_of]


def sample(groups: Keys, count: int, seed: int) -> npt.NDArray[np.int64]:
    """`count` row numbers in ascending order. A smaller sample is part of every larger one, as learning curves need."""
    order = np.argsort(groups, kind="stable")
    drawn = order[np.argsort(_draws(len(groups), seed, "limit"), kind="stable")]
    return np.sort(drawn[:count])


def _draws(count: int, seed: int, stream: str) -> Keys:
    raw: Keys = np.random.Philox(key=seed + (STREAMS[stream] << 64)).random_raw(count)
    return raw
