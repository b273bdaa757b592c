"""A source's tables become examples: columns, splits, labels, policies, and texts to predict."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from headway.data.examples import TAGGED
from headway.data.prepare import prepare, prepare_tables
from headway.data.typed import read_examples
from headway.errors import DataError


def table(texts: Sequence[str | None], labels: list[Any], name: str = "f.csv", **more: list[Any]) -> pa.Table:
    origins = [f"{name}:{i + 2}" for i in range(len(texts))]
    return pa.table({"text": pa.array(texts, pa.string()), "label": labels, **more, "origin": origins})


def many(count: int, classes: int = 2) -> pa.Table:
    return table([f"text {i}" for i in range(count)], [str(i % classes) for i in range(count)])


def test_columns_and_types() -> None:
    source = table(["a", "b"], [1, 0], title=["x", "y"])
    prepared = prepare_tables({"train": source, "dev": source}, text="title", pair="text")
    train = prepared.splits["train"]
    assert list(prepared.splits) == ["train", "val"]
    assert train.column_names == ["id", "text", "pair", "label", "origin"]
    assert train.schema.field("label").type == pa.int32()
    assert train.drop_columns("id").to_pylist()[0] == {"text": "x", "pair": "a", "label": 1, "origin": "f.csv:2"}
    assert prepared.labels == ["0", "1"]
    json.dumps(prepared.report, allow_nan=False)


def test_cuts_from_all() -> None:
    prepared = prepare_tables({"all": many(100)}, test_fraction=0.2, val_fraction=0.1)
    assert {name: len(split) for name, split in prepared.splits.items()} == {"train": 72, "val": 8, "test": 20}
    assert list(prepared.splits) == ["train", "val", "test"]
    assert prepared.report["splits"]["test"]["label_counts"] == {"0": 10, "1": 10}
    assert prepared.report["cut"] == ["val", "test"]
    ids = [name for split in prepared.splits.values() for name in split["id"].to_pylist()]
    assert len(set(ids)) == 100


def test_cut_takes_val_from_train_where_test_is_given() -> None:
    prepared = prepare_tables({"train": many(50), "test": table(["t"], ["0"])}, test_fraction=0.5)
    assert {name: len(split) for name, split in prepared.splits.items()} == {"train": 45, "val": 5, "test": 1}


def test_no_fraction_no_split() -> None:
    assert list(prepare_tables({"all": many(10)}, val_fraction=0.0).splits) == ["train"]


def test_split_seed_changes_the_cut_and_not_the_ids() -> None:
    def ids(seed: int) -> dict[str, set[str]]:
        splits = prepare_tables({"all": many(60)}, test_fraction=0.5, split_seed=seed).splits
        return {name: set(split["id"].to_pylist()) for name, split in splits.items()}

    one, other = ids(0), ids(1)
    assert one == ids(0)
    assert one["test"] != other["test"]
    assert set.union(*one.values()) == set.union(*other.values())


def test_own_cuts_part_no_repeated_text() -> None:
    texts = [f"Text {i // 2}" if i % 2 else f"text  {i // 2}" for i in range(200)]
    prepared = prepare_tables({"all": table(texts, ["a", "a", "b", "b"] * 50)}, test_fraction=0.3)
    assert [pair["count"] for pair in prepared.report["duplicates_across"]] == [0, 0, 0]
    assert prepared.report["splits"]["test"]["duplicates"] == 30


def test_limit_is_a_seeded_sample_of_each_split() -> None:
    prepared = prepare_tables({"all": many(100, 5)}, test_fraction=0.5, limit=12)
    assert {name: len(split) for name, split in prepared.splits.items()} == {"train": 12, "val": 5, "test": 12}
    assert prepared.labels == ["0", "1", "2", "3", "4"]  # known before anything is left out
    only_train = prepare_tables({"all": many(100)}, limit={"train": 7})
    assert {name: len(split) for name, split in only_train.splits.items()} == {"train": 7, "val": 10}
    rows = [int(origin.split(":")[1]) for origin in only_train.splits["train"]["origin"].to_pylist()]
    assert rows == sorted(rows) != list(range(2, 9))


def test_empty_texts_follow_the_policy() -> None:
    source = {"train": table(["a", " \t ", None, "b"], ["0", "1", "1", "1"]), "test": table(["c", ""], ["0", "1"])}
    dropped = prepare_tables(source, val_fraction=0.0)
    assert dropped.splits["train"]["text"].to_pylist() == ["a", "b"]
    assert {name: split["dropped_empty"] for name, split in dropped.report["splits"].items()} == {"train": 2, "test": 1}
    kept = prepare_tables(source, val_fraction=0.0, empty="keep")
    assert kept.splits["train"]["text"].to_pylist() == ["a", " \t ", "", "b"]
    assert kept.report["splits"]["train"]["dropped_empty"] == 0
    with pytest.raises(DataError, match=r"f\.csv:3: empty text, one of 2 rows"):
        prepare_tables(source, val_fraction=0.0, empty="error")


def test_a_pair_is_empty_when_either_side_is() -> None:
    source = table(["a", "b", "c"], ["0", "1", "1"], second=["x", "", "z"])
    prepared = prepare_tables({"all": source}, pair="second", val_fraction=0.0)
    assert prepared.splits["train"]["pair"].to_pylist() == ["x", "z"]


def test_null_in_a_label_map_leaves_rows_out() -> None:
    labels = {"neg": "bad", "mixed": None, "pos": "good"}
    source = table(["a", "b", "c"], ["pos", "mixed", "neg"])
    prepared = prepare_tables({"all": source}, labels=labels, val_fraction=0.0)
    assert prepared.labels == ["bad", "good"]
    assert prepared.splits["train"]["label"].to_pylist() == [1, 0]
    assert prepared.report["splits"]["train"]["dropped_label"] == 1


@pytest.mark.parametrize("held_back", [table(["t"], [None]), table(["t"], ["x"]).drop_columns("label")])
def test_split_published_without_labels_is_left_out_and_reported(held_back: pa.Table) -> None:
    prepared = prepare_tables({"train": many(20), "test": held_back}, val_fraction=0.0)
    assert list(prepared.splits) == ["train"]
    assert prepared.report["unlabelled_splits"] == ["test"]


def test_text_without_labels() -> None:
    prepared = prepare_tables({"all": many(20).drop_columns("label")}, label=None)
    assert prepared.labels == []
    assert set(prepared.splits["train"]["label"].to_pylist()) == {-1}


def test_missing_column_lists_what_is_there() -> None:
    with pytest.raises(
        DataError, match=r"f\.csv: no column 'txet' \(data\.text\); found text, label; did you mean text\?"
    ):
        prepare_tables({"all": many(4)}, text="txet")
    one = pa.table({"text;label": ["a;1"], "origin": ["f.csv:2"]})
    with pytest.raises(DataError, match=r"is the delimiter ';'\? Set data\.delimiter"):
        prepare_tables({"all": one})


def test_fraction_too_small_to_hold_out_a_row() -> None:
    with pytest.raises(DataError, match=r"data\.val_fraction=0\.01: holds out none of 4 rows"):
        prepare_tables({"all": many(4)}, val_fraction=0.01)


def test_prepare_runs_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(20)))
    data = {"_target_": "headway.data.sources.files.read", "path": str(tmp_path / "a.csv"), "val_fraction": 0.2}
    one = prepare(data)
    assert {name: len(split) for name, split in one.splits.items()} == {"train": 16, "val": 4}
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": f"t{i}", "label": i % 2}) + "\n" for i in range(20)))
    assert prepare({**data, "path": str(tmp_path / "b.jsonl")}).fingerprint == one.fingerprint  # content, not files


def test_read_examples_from_a_file_as_the_training_data_was_read(tmp_path: Path) -> None:
    data = {
        "_target_": "headway.data.sources.files.read",
        "path": "gone.csv",
        "delimiter": ";",
        "text": "sentence",
        "label": "y",
        "labels": {"0": "neg", "1": "pos"},
    }
    file = tmp_path / "new.csv"
    file.write_text("sentence;y\none, two;1\n;\nthree;0\n")
    texts = read_examples(file, data)
    assert texts["text"].to_pylist() == ["one, two", "", "three"]  # one prediction a row: nothing is dropped
    assert texts["label"].to_pylist() == [-1, -1, -1]
    assert read_examples(file, data, labels=["neg", "pos"], gold=True)["label"].to_pylist() == [1, -1, 0]
    assert texts["origin"][2].as_py() == f"{file}:4"
    lines = tmp_path / "lines.txt"
    lines.write_text("first\nsecond\n")
    assert read_examples(lines, data)["text"].to_pylist() == ["first", "second"]


COLUMNS = {"_target_": "headway.data.sources.conll.read", "path": "gone", "tokens": "tokens", "tags": "tags"}


@pytest.mark.parametrize("name", ["new.txt", "new.tsv", "new.conll"])
@pytest.mark.parametrize(
    ("content", "changes", "expected"),
    [
        ("EU NNP B-ORG\nrejects VBZ O\n\nParis NNP _\n", {}, [["EU", "rejects"], ["Paris"]]),
        ("EU\tB-ORG\nrejects\tO\n\nNew York\tO\n", {"delimiter": "\t"}, [["EU", "rejects"], ["New York"]]),
        ("EU\tB-ORG\n", {}, [["EU"]]),
        ("# a remark\n1\tEU\tB-ORG\n\n", {"token_column": 1, "tag_column": 2}, [["EU"]]),
        ("EU\nrejects\n\nParis\n", {}, [["EU", "rejects"], ["Paris"]]),  # tokens alone
        ("EU\nrejects\n\nParis\n", {"delimiter": "\t", "token_column": 1}, [["EU", "rejects"], ["Paris"]]),
        ("EU ORG\nrejects none\n", {"labels": {"ORG": "B-ORG", "none": "O"}}, [["EU", "rejects"]]),
    ],
)
def test_a_file_of_columns_for_a_run_on_columns(
    tmp_path: Path, name: str, content: str, changes: dict[str, Any], expected: list[list[str]]
) -> None:
    file = tmp_path / name
    file.write_text(content)
    found = read_examples(file, COLUMNS | changes, TAGGED, ["O", "B-ORG"])
    assert found["tokens"].to_pylist() == expected
    assert found["tags"].null_count == len(found)


def test_what_is_no_file_of_columns_is_read_as_ever(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("EU rejects\nParis sleeps O\n")  # the same number of words a line, or a tag behind some
    assert read_examples(lines, COLUMNS, TAGGED, ["O", "B-ORG"])["tokens"].to_pylist() == [
        ["EU", "rejects"],
        ["Paris", "sleeps", "O"],
    ]
    table = tmp_path / "table.tsv"
    table.write_text("tokens\ttags\nEU rejects\tB-ORG O\n")
    assert read_examples(table, COLUMNS, TAGGED, ["O", "B-ORG"])["tokens"].to_pylist() == [["EU", "rejects"]]
    table.write_text("EU\tX\nrejects\tY\n")
    with pytest.raises(DataError, match=r"no column 'tokens' .*; or give a token a line, alone or with"):
        read_examples(table, COLUMNS, TAGGED, ["O", "B-ORG"])


def test_columns_with_gold_and_their_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("EU B-ORG\nrejects O\n\nParis\n")
    with pytest.raises(DataError, match=r"new\.txt:4: expected 2 columns"):  # not taken for a sentence a line
        read_examples(file, COLUMNS, TAGGED, ["O", "B-ORG"], gold=True)
    file.write_text("EU B-ORG\nrejects O\n")
    assert read_examples(file, COLUMNS, TAGGED, ["O", "B-ORG"], gold=True)["tags"].to_pylist() == [[1, 0]]
    file.write_text("EU\nrejects\n")
    assert read_examples(file, COLUMNS, TAGGED, ["O", "B-ORG"], gold=True)["tags"].to_pylist() == [None]


def test_read_examples_from_lists() -> None:
    data = {"_target_": "headway.data.sources.packages.bbc_news"}
    single = read_examples([("a", None), ("b", None), ("a", None)], data)
    assert single.column_names == ["id", "text", "label", "origin"]
    assert len(set(single["id"].to_pylist())) == 3
    pairs = read_examples([("a", "x"), ("b", "y")], data)
    assert pairs["pair"].to_pylist() == ["x", "y"]


def test_metadata_comes_along_and_is_no_part_of_the_data() -> None:
    texts, labels = [f"text {i % 30}" if i else None for i in range(40)], [str(i % 2) for i in range(40)]
    days = pa.array([date(2020, 1, 1 + i % 28) for i in range(40)])
    source = table(texts, labels, text_=texts, year=list(range(40)), day=days, tagged=[["a", "b"]] * 39 + [None])
    plain = prepare_tables({"all": source}, test_fraction=0.2, limit={"train": 12})
    names = ["text_", "year", "day", "tagged", "year", "label"]
    found = prepare_tables({"all": source}, test_fraction=0.2, limit={"train": 12}, metadata=names)
    assert found.fingerprint == plain.fingerprint
    assert found.report == plain.report
    for split, rows in found.splits.items():
        along = [f"meta.{name}" for name in dict.fromkeys(names)]
        assert rows.drop_columns(along).equals(plain.splits[split])
        assert rows["meta.text_"].to_pylist() == rows["text"].to_pylist()
        years = rows["meta.year"].to_pylist()
        assert [f"f.csv:{year + 2}" for year in years] == rows["origin"].to_pylist()
        assert rows["meta.day"].to_pylist() == [f"2020-01-{1 + year % 28:02}" for year in years]
        assert {*rows["meta.tagged"].to_pylist()} <= {"['a', 'b']", None}
        assert rows["meta.label"].to_pylist() == [str(year % 2) for year in years]


def test_metadata_that_is_not_there_is_named_with_what_is() -> None:
    with pytest.raises(
        DataError, match=r"no column 'domian' \(data.metadata\); found text, label, domain; did you mean"
    ):
        prepare_tables({"all": table(["a", "b"], ["0", "1"], domain=["x", "y"])}, metadata=["domian"])


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_metadata_of_files(tmp_path: Path, kind: str) -> None:
    rows = pa.table({"text": [f"t{i}" for i in range(6)], "label": ["x", "y"] * 3, "year": range(6)})
    path = tmp_path / f"data.{kind}"
    if kind == "parquet":
        parquet.write_table(rows, path)
    else:
        sign = {"csv": ",", "tsv": "\t"}.get(kind, "")
        lines = [sign.join(map(str, row.values())) if sign else json.dumps(row) for row in rows.to_pylist()]
        path.write_text("\n".join([sign.join(rows.column_names), *lines] if sign else lines))
    data = {
        "_target_": "headway.data.sources.files.read",
        "path": str(path),
        "metadata": ["year"],
        "val_fraction": 0.34,
    }
    prepared = prepare(data)
    years = [str(year) for part in prepared.splits.values() for year in part["meta.year"].to_pylist()]
    texts = [text for part in prepared.splits.values() for text in part["text"].to_pylist()]
    assert texts == [f"t{year}" for year in years]
    read = read_examples(path, data, gold=True, labels=prepared.labels)
    assert [str(year) for year in read["meta.year"].to_pylist()] == list("012345")
    typed = read_examples([("some text", None)], data, labels=prepared.labels)
    assert "meta.year" not in typed.column_names
