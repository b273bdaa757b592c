"""Every shape of local data, read back value by value."""

import gzip
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headway.data.sources.files import read
from headway.errors import DataError

ROWS = [{"text": "good film", "label": "1"}, {"text": "bad, dull film", "label": "0"}]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.drop_columns("origin").to_pylist())


def in_format(kind: str) -> bytes:
    match kind:
        case "csv":
            return b'text,label\ngood film,1\n"bad, dull film",0\n'
        case "tsv":
            return b"text\tlabel\ngood film\t1\nbad, dull film\t0\n"
        case "jsonl":
            return "".join(json.dumps(row) + "\n" for row in ROWS).encode()
        case _:
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(ROWS), sink)
            return bytes(sink.getvalue())


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("packing", ["", ".gz", ".xz", ".zip"])
def test_formats_agree(tmp_path: Path, kind: str, packing: str) -> None:
    file = tmp_path / f"data.{kind}{packing}"
    if packing == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"inner.{kind}", in_format(kind))
            archive.writestr(f"__MACOSX/inner.{kind}", b"left by the packer")
    else:
        pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packing]
        write(file, pack(in_format(kind)))
    tables = read(file)
    assert list(tables) == ["all"]
    assert rows(tables["all"]) == ROWS
    inner = f"{file}/inner.{kind}" if packing == ".zip" else str(file)
    first = f"{inner}#0" if kind == "parquet" else f"{inner}:{1 if kind == 'jsonl' else 2}"
    assert tables["all"]["origin"][0].as_py() == first


def test_folder_of_splits(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.tsv", f"sentence\tlabel\n{name} text\t1\n")
    write(tmp_path / "README.txt", "not data")
    tables = read(tmp_path)
    assert {name: rows(table) for name, table in tables.items()} == {
        name: [{"sentence": f"{name} text", "label": "1"}] for name in ("train", "dev", "test")
    }


def test_shards_of_a_split_are_joined_in_order(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"train-{i:05}-of-00003.jsonl", json.dumps({"text": f"part {i}"}) + "\n")
    assert read(tmp_path)["train"]["text"].to_pylist() == ["part 0", "part 1", "part 2"]


def test_two_files_for_one_split_are_not_guessed_between(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "text\na\n")
    write(tmp_path / "train.jsonl", '{"text": "b"}\n')
    with pytest.raises(DataError, match=r"train\.csv.*train\.jsonl: which one is train"):
        read(tmp_path)


def test_zip_of_splits(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "SST-2.zip", "w") as archive:
        archive.writestr("SST-2/train.tsv", "sentence\tlabel\na\t1\n")
        archive.writestr("SST-2/dev.tsv", "sentence\tlabel\nb\t0\n")
        archive.writestr("SST-2/notes.md", "not data")
    tables = read(tmp_path / "SST-2.zip")
    assert tables["train"]["sentence"].to_pylist() == ["a"]
    assert tables["dev"]["origin"].to_pylist() == [f"{tmp_path}/SST-2.zip/SST-2/dev.tsv:2"]


def test_folder_per_class(tmp_path: Path) -> None:
    write(tmp_path / "neg" / "1.txt", "dull\n\nand long")
    write(tmp_path / "pos" / "1.txt", "fine")
    table = read(tmp_path)["all"]
    assert rows(table) == [{"text": "dull\n\nand long", "label": "neg"}, {"text": "fine", "label": "pos"}]
    assert table["origin"][1].as_py() == f"{tmp_path}/pos/1.txt:1"


def test_folder_per_class_inside_folder_per_split(tmp_path: Path) -> None:  # the layout of aclImdb
    for split in ("train", "test"):
        for label in ("neg", "pos"):
            write(tmp_path / split / label / "0_1.txt", f"{split} {label}")
    tables = read(tmp_path)
    assert {name: table["label"].to_pylist() for name, table in tables.items()} == {
        "train": ["neg", "pos"],
        "test": ["neg", "pos"],
    }


def test_glob_and_mapping(tmp_path: Path) -> None:
    for name in ("2020", "2021"):
        write(tmp_path / f"{name}.csv", f"text\n{name}\n")
    assert read(str(tmp_path / "20*.csv"))["all"]["text"].to_pylist() == ["2020", "2021"]
    tables = read({"train": str(tmp_path / "2020.csv"), "dev_old": str(tmp_path / "2021.csv")})
    assert {name: table["text"].to_pylist() for name, table in tables.items()} == {
        "train": ["2020"],
        "dev_old": ["2021"],
    }


def test_text_file_has_one_text_a_line_and_keeps_empty_ones(tmp_path: Path) -> None:
    file = write(tmp_path / "lines.txt", "first\r\n\r\n third \nlast without end")
    table = read(file)["all"]
    assert table["text"].to_pylist() == ["first", "", " third ", "last without end"]
    assert table["origin"][3].as_py() == f"{file}:4"


def test_tsv_takes_a_lone_quote_as_text(tmp_path: Path) -> None:
    file = write(tmp_path / "train.tsv", 'a\tb\n" one\ttwo\n"three"\tfour\n')
    assert rows(read(file)["all"]) == [{"a": '" one', "b": "two"}, {"a": '"three"', "b": "four"}]
    quoted = write(tmp_path / "quoted.tsv", 'a\tb\n"one\ttab"\ttwo\n')
    assert rows(read(quoted, quoting="standard")["all"]) == [{"a": "one\ttab", "b": "two"}]
    with pytest.raises(DataError, match=r"quoted\.tsv:2: expected 2 fields .* found 3; .*quoting=standard"):
        read(quoted)


def test_csv_without_header_and_with_another_delimiter(tmp_path: Path) -> None:
    file = write(tmp_path / "ag.csv", '3;"one; two"\n1;three\n')
    table = read(file, delimiter=";", columns=["label", "text"])["all"]
    assert rows(table) == [{"label": "3", "text": "one; two"}, {"label": "1", "text": "three"}]
    assert table["origin"][0].as_py() == f"{file}:1"


def test_quoted_newline_keeps_the_line_numbers_right(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", b'text,label\r\n"one\r\ntwo ""quoted""",1\r\nthree,0\r\n')
    table = read(file)["all"]
    assert table["text"].to_pylist() == ['one\r\ntwo "quoted"', "three"]
    assert table["origin"].to_pylist() == [f"{file}:2", f"{file}:4"]


def test_jsonl_keeps_types_and_fills_absent_keys(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"text": "a", "label": 1}\n\n{"text": "b", "more": [1, 2]}\n')
    table = read(file)["all"]
    assert rows(table) == [{"text": "a", "label": 1, "more": None}, {"text": "b", "label": None, "more": [1, 2]}]
    assert table["origin"].to_pylist() == [f"{file}:1", f"{file}:3"]


def test_jsonl_of_messages_with_keys_that_come_and_go(tmp_path: Path) -> None:
    plain = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    named = [{"role": "system", "content": "c", "name": "n", "tool_calls": None}, {"content": None, "role": "user"}]
    called = [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]
    count = 9000  # more than one chunk
    lines = [{"messages": plain}] * count + [{"messages": messages, "id": 1} for messages in (named, [], called)]
    file = write(tmp_path / "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    column = read(file)["all"]["messages"]
    assert pa.types.is_list(column.type)
    turns = column.slice(count - 1).to_pylist()
    assert [[(turn["role"], turn["content"]) for turn in dialogue] for dialogue in turns] == [
        [("user", "a"), ("assistant", "b")],
        [("system", "c"), ("user", None)],
        [],
        [("assistant", None)],
    ]


def test_jsonl_of_empty_objects_has_rows_and_no_columns(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.jsonl", "{}\n{}\n"))["all"].column_names == ["origin"]


def test_jsonl_column_of_mixed_kinds_becomes_text_within_and_across_chunks(tmp_path: Path) -> None:
    within = write(tmp_path / "within.jsonl", '{"label": 1}\n{"label": "one"}\n{"label": null}\n')
    assert read(within)["all"]["label"].to_pylist() == ["1", "one", None]
    count = 9000  # more than one chunk
    across = write(tmp_path / "across.jsonl", '{"label": 1}\n' * count + '{"label": "one"}\n{"label": true}\n')
    assert read(across)["all"]["label"].to_pylist() == ["1"] * count + ["one", "true"]


def test_many_rows_cross_chunks_in_order(tmp_path: Path) -> None:
    count = 20_001
    file = write(tmp_path / "a.csv", "text\n" + "".join(f"row {i}\n" for i in range(count)))
    table = read(file)["all"]
    assert table["text"].to_pylist() == [f"row {i}" for i in range(count)]
    assert table["origin"][count - 1].as_py() == f"{file}:{count + 1}"


def test_a_column_called_origin_is_kept_under_another_name(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text,origin\na,Paris\n")
    assert read(file)["all"].to_pylist() == [{"text": "a", "origin_": "Paris", "origin": f"{file}:2"}]


def test_other_encoding(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text\ncafé\n".encode("latin-1"))
    assert read(file, encoding="latin-1")["all"]["text"].to_pylist() == ["café"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "utf-16"}, "cannot be read line by line"),
        ({"encoding": "klingon"}, "no such text encoding"),
        ({"delimiter": ", "}, "must be one character"),
        ({"quoting": "some"}, "use standard or none"),
        ({"format": "xlsx"}, "use csv, tsv, jsonl, parquet, txt"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "a.csv", "text\na\n")
    with pytest.raises(DataError, match=message):
        read(file, **options)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("trian.csv", r"trian\.csv: no such file or folder; did you mean train\.csv\?"),
        ("*.jsonl", r"\*\.jsonl: no file matches"),
        ("train.xyz", r"train\.xyz: its name ends in no known format"),
        ("folder", "needs files called train, dev or test .*; found notes.md"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path: Path, path: str, message: str) -> None:
    write(tmp_path / "train.csv", "text\na\n")
    write(tmp_path / "train.xyz", "text\na\n")
    write(tmp_path / "folder" / "notes.md", "")
    with pytest.raises(DataError, match=message):
        read(tmp_path / path)


def test_files_read_together_must_have_the_same_columns(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "text,label\na,1\n")
    write(tmp_path / "2.csv", "sentence,label\nb,0\n")
    with pytest.raises(DataError, match=r"2\.csv: its columns differ from those of .*1\.csv in sentence, text"):
        read(str(tmp_path / "*.csv"))


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "broken.parquet", b"PAR1 but nothing else")
    with pytest.raises(DataError, match=r"broken\.parquet: not a readable Parquet file"):
        read(file)
