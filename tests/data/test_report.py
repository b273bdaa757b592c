"""Ids, fingerprints and repeats."""

import hashlib

import pyarrow as pa

from headway.data.report import content_keys, describe, example_ids, fingerprint


def split(texts: list[str], labels: list[int], name: str = "f") -> pa.Table:
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    return (
        table.add_column(0, "id", example_ids(content_keys(table, ["text"])[0]))
        .append_column("label", pa.array(labels, pa.int32()))
        .append_column("origin", pa.array([f"{name}:{i}" for i in range(len(texts))]))
    )


def test_ids_are_blake2b_of_text_and_pair_and_repeats_are_counted() -> None:
    table = pa.table({"text": ["a", "b", "a", "a", "a"], "pair": ["x", "", "x", "y", "x"]})
    ids = example_ids(content_keys(table, ["text", "pair"])[0]).to_pylist()
    first = hashlib.blake2b(b"a\0x", digest_size=8).hexdigest()
    assert ids[0] == first
    assert ids[1] == hashlib.blake2b(b"b\0", digest_size=8).hexdigest()
    assert ids[2] == f"{first}-1"
    assert ids[4] == f"{first}-2"
    assert len(set(ids)) == 5
    single = pa.table({"text": ["b"]})
    assert example_ids(content_keys(single, ["text"])[0]).to_pylist() == [ids[1]]


def test_folding_takes_case_and_white_space_only() -> None:
    table = pa.table({"text": ["One  two\n", "one TWO", "onetwo", "ßa", "SSa"]})
    exact, folded = content_keys(table, ["text"])
    assert len(set(exact.tolist())) == 5
    assert folded[0] == folded[1] != folded[2]
    assert folded[3] == folded[4]


def test_fingerprint_knows_content_order_labels_and_splits_but_not_origins_or_chunks() -> None:
    one = split(["a", "b", "c"], [0, 1, 0])
    same = pa.concat_tables([split(["a"], [0], "other"), split(["b", "c"], [1, 0], "other")])
    base = fingerprint({"train": one}, ["x", "y"])
    assert fingerprint({"train": same}, ["x", "y"]) == base
    changed = [
        fingerprint({"train": split(["b", "a", "c"], [1, 0, 0])}, ["x", "y"]),
        fingerprint({"train": split(["a", "b", "c"], [0, 1, 1])}, ["x", "y"]),
        fingerprint({"train": split(["a", "b", "C"], [0, 1, 0])}, ["x", "y"]),
        fingerprint({"train": one}, ["y", "x"]),
        fingerprint({"val": one}, ["x", "y"]),
        fingerprint({"train": one.slice(0, 2), "val": one.slice(2)}, ["x", "y"]),
    ]
    assert len({base, *changed}) == 7


def test_repeats_within_and_across_splits() -> None:
    train = split(["A film", "other", "a  film", "A FILM"], [0, 1, 0, 0], "train")
    test = split(["third", "a film", "other"], [1, 0, 1], "test")
    splits = {"train": train, "test": test}
    report = describe(
        splits,
        {name: content_keys(table, ["text"])[1] for name, table in splits.items()},
        ["n", "p"],
    )
    assert report["splits"]["train"]["duplicates"] == 2
    assert report["splits"]["train"]["duplicate_examples"] == [["train:0", "train:2"], ["train:0", "train:3"]]
    assert report["splits"]["train"]["label_counts"] == {"n": 3, "p": 1}
    assert report["splits"]["test"]["duplicates"] == 0
    assert report["duplicates_across"] == [
        {"splits": ["train", "test"], "count": 2, "examples": [["train:0", "test:1"], ["train:1", "test:2"]]}
    ]
