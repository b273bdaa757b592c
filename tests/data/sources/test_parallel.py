"""Line-aligned files: read side by side, and refused when they do not match."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from headway.data.sources.parallel import read
from headway.errors import DataError

DE_EN: dict[str, Any] = {"source_language": "de", "target_language": "en"}


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_folder_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test_2016_flickr"):
        write(tmp_path / f"{split}.de.gz", gzip.compress(f"eins {split}\r\n\nzwei\u2028drei".encode()))
        write(tmp_path / f"{split}.en", f"one {split}\n\ntwo three\n")
        write(tmp_path / f"{split}.fr", "un\n")
    write(tmp_path / "README.md", "not data")
    tables = read(tmp_path, **DE_EN)
    assert list(tables) == ["test_2016_flickr", "train", "val"]
    assert tables["train"].to_pylist() == [
        {"text": "eins train", "target": "one train", "origin": f"{tmp_path}/train.de.gz:1"},
        {"text": "", "target": "", "origin": f"{tmp_path}/train.de.gz:2"},
        {"text": "zwei\u2028drei", "target": "two three", "origin": f"{tmp_path}/train.de.gz:3"},
    ]
    turned = read(tmp_path, source_language="en", target_language="de")["val"]
    assert turned["text"].to_pylist() == ["one val", "", "two three"]


def test_common_start_and_mapping(tmp_path: Path) -> None:
    write(tmp_path / "europarl-v7.de-en.de", "a\n")
    write(tmp_path / "europarl-v7.de-en.en", "b\n")
    start = tmp_path / "europarl-v7.de-en"
    for path in (start, str(start), tmp_path):
        assert read(path, **DE_EN)["all"].to_pylist() == [{"text": "a", "target": "b", "origin": f"{start}.de:1"}]
    other = [str(write(tmp_path / "x" / "left", "c\n")), str(write(tmp_path / "x" / "right", "d\n"))]
    tables = read({"train": str(start), "val": other}, **DE_EN)
    assert {split: (t["text"].to_pylist(), t["target"].to_pylist()) for split, t in tables.items()} == {
        "train": (["a"], ["b"]),
        "val": (["c"], ["d"]),
    }


def test_many_lines_cross_chunks_in_order(tmp_path: Path) -> None:
    write(tmp_path / "a.de", "".join(f"de {i}\n" for i in range(20_001)))
    write(tmp_path / "a.en", "".join(f"en {i}\n" for i in range(20_001)))
    table = read(tmp_path / "a", **DE_EN)["all"]
    assert table["text"].to_pylist() == [f"de {i}" for i in range(20_001)]
    assert table["target"].to_pylist() == [f"en {i}" for i in range(20_001)]
    assert table["origin"][20_000].as_py() == f"{tmp_path}/a.de:20001"


@pytest.mark.parametrize(("left", "right"), [(3, 5), (5, 3), (0, 1), (1, 0)])
def test_unequal_numbers_of_lines(tmp_path: Path, left: int, right: int) -> None:
    write(tmp_path / "a.de", "x\n" * left)
    write(tmp_path / "a.en", "x\n" * right)
    with pytest.raises(DataError, match=rf"a\.de has {left} lines, .*a\.en {right}; line N of one must be line N"):
        read(tmp_path / "a", **DE_EN)


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({"train.de": "a"}, "", r"train\.en: no such file, nor \.gz or \.xz"),
        ({"train.de": "a", "train.en": "b"}, "trian", r"trian\.de: no such file, .*; did you mean train\.de\?"),
        ({"a.de": "a", "a.de.gz": "", "a.en": "b"}, "a", r"a\.de, .*a\.de\.gz: which one\?"),
        ({"a.txt": "a"}, "", r"needs files such as train\.de and train\.en; found a\.txt"),
        ({"a.de": "", "a.en": ""}, "a", r"a\.de, .*a\.en: the files are empty"),
        ({"a.de": b"x\n\xff\n", "a.en": "x\ny\n"}, "a", r"a\.de:2: byte 0xff at byte 2 is not utf-8"),
        ({"a.de": "x\ny\n", "a.en": b"x\n\xff\n"}, "a", r"a\.en:2: byte 0xff at byte 2 is not utf-8"),
        ({"a.de": "x\n", "a.en.gz": b"no gzip"}, "a", r"a\.en\.gz: the compressed file is broken"),
    ],
)
def test_mistakes_name_their_file(tmp_path: Path, files: dict[str, str | bytes], path: str, message: str) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / path, **DE_EN)


@pytest.mark.parametrize("names", [["a.de"], ["a.de", "a.en", "a.en"], ["folder", "a.en"]])
def test_a_pair_is_two_files(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path / "a.de", "x\n")
    write(tmp_path / "a.en", "x\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"data\.path\.train: must be the common start of two files, or \[source file"):
        read({"train": [str(tmp_path / name) for name in names]}, **DE_EN)


def test_languages_differ(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.target_language=de: must be two different endings"):
        read(tmp_path, source_language="de", target_language="de")
