"""Encoded splits: what the cache's key depends on, races, sharing by path, and padding."""

import multiprocessing
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.data.encode import Chunk, Encoded, cache_key, cached

ROWS = [[5, 6, 7], [8], [9, 10], [65_535], [1, 2, 3, 4]]


def chunks() -> Iterator[Chunk]:
    for part in (slice(0, 2), slice(2, 5)):
        rows = ROWS[part]
        yield Chunk({"input_ids": rows, "segments": [[1] * len(row) for row in rows]}, {"label": np.arange(5)[part]})


def none_left() -> Iterator[Chunk]:
    raise AssertionError("the cache was not used")


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    encoded = cached(tmp_path / "a", chunks, "uint16")
    assert len(encoded) == 5
    assert encoded.lengths.tolist() == [3, 1, 2, 1, 4]
    assert encoded.columns["label"].tolist() == [0, 1, 2, 3, 4]
    starts = encoded.offsets["input_ids"]
    assert [encoded.sequences["input_ids"][starts[i] : starts[i + 1]].tolist() for i in range(5)] == ROWS
    again = cached(tmp_path / "a", none_left, "uint16")
    assert again.sequences["input_ids"].tolist() == encoded.sequences["input_ids"].tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_padding_is_on_the_right_and_masked(tmp_path: Path) -> None:
    encoded = cached(tmp_path / "a", chunks, "int32")
    ids, mask = encoded.padded("input_ids", np.array([2, 0, 1, 2]), fill=99)
    assert ids.tolist() == [[9, 10, 99], [5, 6, 7], [8, 99, 99], [9, 10, 99]]
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert ids.dtype == mask.dtype == np.int64
    segments, _ = encoded.padded("segments", np.array([1, 2]), fill=0)
    assert segments.tolist() == [[1, 0], [1, 1]]


def test_a_number_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        cached(tmp_path / "a", lambda: iter([Chunk({"input_ids": [[65_536]]}, {})]), "uint16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "other",
    [
        ("other data", "train", "tokenizer", {"max_length": 8}),
        ("data", "val", "tokenizer", {"max_length": 8}),
        ("data", "train", "other tokenizer", {"max_length": 8}),
        ("data", "train", "tokenizer", {"max_length": 9}),
        ("data", "train", "tokenizer", {"max_length": 8, "task": "tagging"}),
        ("datatrain", "", "tokenizer", {"max_length": 8}),
    ],
)
def test_the_key_changes_with_each_part(other: tuple[Any, ...]) -> None:
    key = cache_key("data", "train", "tokenizer", {"max_length": 8})
    assert cache_key(*other) != key


def test_the_key_is_stable_and_a_plain_name(monkeypatch: pytest.MonkeyPatch) -> None:
    key = cache_key("data", {"b": 1, "a": "\ud800"})
    assert key == cache_key("data", {"a": "\ud800", "b": 1})
    assert key.isalnum()
    monkeypatch.setattr("headway.data.encode.FORMAT", 2)
    assert key != cache_key("data", {"b": 1, "a": "\ud800"})


def race(folder: Path, barrier: Any, answers: Any) -> None:
    def slow() -> Iterator[Chunk]:
        yield from chunks()
        barrier.wait()  # all have written their files and none has given them the final name

    encoded = cached(folder, slow, "int32")
    answers.put([encoded.sequences["input_ids"].tolist(), encoded.columns["label"].tolist()])


def test_racing_writers_agree(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    barrier, answers = fork.Barrier(4), fork.Queue()
    racers = [fork.Process(target=race, args=(tmp_path / "a", barrier, answers)) for _ in range(4)]
    for racer in racers:
        racer.start()
    got = [answers.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * 4
    assert got == [[[5, 6, 7, 8, 9, 10, 65_535, 1, 2, 3, 4], [0, 1, 2, 3, 4]]] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_lost_race_is_not_confused_with_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headway.data.encode.np.save", fails)
    with pytest.raises(OSError, match="No space left"):
        cached(tmp_path / "a", chunks, "int32")
    assert list(tmp_path.iterdir()) == []


def test_another_process_receives_the_path_and_not_the_numbers(tmp_path: Path) -> None:
    many = [list(range(100))] * 1000
    encoded = cached(tmp_path / "a", lambda: iter([Chunk({"input_ids": many}, {"label": np.zeros(1000)})]), "int32")
    text = pickle.dumps(encoded)
    assert len(text) < 500
    copy: Encoded = pickle.loads(text)
    assert isinstance(copy.sequences["input_ids"].base, np.memmap)
    assert (copy.sequences["input_ids"] == encoded.sequences["input_ids"]).all()


def test_examples_without_a_single_token_can_be_stored(tmp_path: Path) -> None:
    encoded = cached(tmp_path / "a", lambda: iter([Chunk({"input_ids": [[], []]}, {"label": np.zeros(2)})]), "int32")
    ids, mask = encoded.padded("input_ids", np.array([0, 1]), fill=0)
    assert ids.shape == mask.shape == (2, 0)
