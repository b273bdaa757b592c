"""Given splits and seeded cuts."""

import numpy as np
import pyarrow as pa
import pytest

from headway.data.split import choose, cut, sample
from headway.errors import DataError

EMPTY = pa.table({"text": pa.array([], pa.string())})


def tables(*names: str) -> dict[str, pa.Table]:
    return dict.fromkeys(names, EMPTY)


@pytest.mark.parametrize(
    ("found", "asked", "chosen", "unused"),
    [
        (("train", "dev", "test"), None, {"train": "train", "val": "dev", "test": "test"}, []),
        (("all",), None, {"train": "all"}, []),
        (("corpus",), None, {"train": "corpus"}, []),
        (("train", "validation", "unsupervised"), None, {"train": "train", "val": "validation"}, ["unsupervised"]),
        (("train", "dev_matched"), {"val": "dev_matched"}, {"train": "train", "val": "dev_matched"}, []),
        (("train", "dev"), {"test": "dev"}, {"train": "train", "test": "dev"}, []),
        (("train", "dev", "test"), {"test": None}, {"train": "train", "val": "dev"}, ["test"]),
    ],
)
def test_choose(
    found: tuple[str, ...], asked: dict[str, str | None] | None, chosen: dict[str, str], unused: list[str]
) -> None:
    assert choose(tables(*found), asked) == (chosen, unused)


@pytest.mark.parametrize(
    ("found", "asked", "message"),
    [
        (("train", "dev", "valid"), None, r"dev, valid could all be val; say which with data\.splits\.val"),
        (
            ("train", "dev"),
            {"val": "devv"},
            r"data\.splits\.val=devv: no such split; found train, dev; did you mean dev\?",
        ),
        (("train",), {"eval": "train"}, r"data\.splits\.eval: unknown; use train, val, test"),
        (("one", "two"), None, r"no split to train on; found one, two"),
    ],
)
def test_choose_refuses(found: tuple[str, ...], asked: dict[str, str | None] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose(tables(*found), asked)


def test_cut_keeps_proportions_and_total() -> None:
    classes = np.repeat([0, 1, 2], [510, 386, 101])
    keys = np.arange(997, dtype=np.uint64)
    held = cut(keys, classes, 0.2, seed=0, stream="test")
    assert held.sum() == round(997 * 0.2)
    assert np.abs(np.bincount(classes[held]) - np.array([510, 386, 101]) * 0.2).max() < 1


def test_cut_depends_on_seed_and_stream_and_not_on_row_order() -> None:
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 2**63, 500, dtype=np.uint64)
    classes = rng.integers(0, 3, 500)
    held = cut(keys, classes, 0.3, seed=7, stream="test")
    order = rng.permutation(500)
    assert set(keys[held]) == set(keys[order][cut(keys[order], classes[order], 0.3, seed=7, stream="test")])
    assert not np.array_equal(held, cut(keys, classes, 0.3, seed=8, stream="test"))
    assert not np.array_equal(held, cut(keys, classes, 0.3, seed=7, stream="val"))


def test_cut_is_the_same_on_every_machine_and_version() -> None:
    """The Philox bit stream is part of numpy's stability promise; a changed cut would change every published number."""
    held = cut(np.arange(20, dtype=np.uint64), np.zeros(20, int), 0.25, seed=0, stream="test")
    assert np.flatnonzero(held).tolist() == [5, 14, 15, 16, 17]


def test_cut_never_parts_equal_texts() -> None:
    keys = np.repeat(np.arange(100, dtype=np.uint64), 3)
    held = cut(keys, np.zeros(300, int), 0.2, seed=0, stream="test")
    assert set(keys[held]).isdisjoint(keys[~held])
    assert held.sum() == 60


@pytest.mark.parametrize("seed", range(5))
def test_cut_takes_no_more_than_asked_though_one_text_is_half_of_the_data(seed: int) -> None:
    keys = np.concatenate([np.zeros(50, np.uint64), np.arange(1, 51, dtype=np.uint64)])
    assert cut(keys, np.zeros(100, int), 0.2, seed=seed, stream="val").sum() == 20


def test_cut_leaves_every_class_in_train() -> None:
    classes = np.array([0, 1, 1, 2, 2, 2])
    held = cut(np.arange(6, dtype=np.uint64), classes, 0.9, seed=0, stream="test")
    assert set(classes[~held]) == {0, 1, 2}


def test_smaller_samples_are_part_of_larger_ones() -> None:
    keys = np.random.default_rng(0).integers(0, 2**63, 200, dtype=np.uint64)
    small, large = sample(keys, 20, seed=1), sample(keys, 100, seed=1)
    assert set(small) < set(large)
    assert len(large) == 100
    assert (np.diff(large) > 0).all()
    assert not np.array_equal(small, sample(keys, 20, seed=2))
