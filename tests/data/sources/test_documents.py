"""Plain text: what one document is, that nothing of it is lost, and the end of it held out."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from headway.data.sources.documents import read
from headway.errors import DataError

# two articles of WikiText's form; the lines between them that start with "=" are formulas and table rows
WIKI = "\n".join(
    [
        *(" ", " = Du Fu = ", " ", " Du Fu was a poet . ", " ", " = = Life = = ", " ", " He was born . "),
        *(" = 1 <unk> / s = ", " then more . ", " ", " = National record ", " ", " = 0 = ", " text again ", " "),
        *(" = Kiss You ( song ) = ", " ", " Words . ", ""),
    ]
)
PLAY = "".join(f"SPEAKER {i}:\nline of number {i}.\n\n" for i in range(100))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(path: Path, **options: Any) -> list[tuple[str, int]]:
    rows = read(path, **options)["all"].to_pylist()
    return [(row["text"], int(row["origin"].removeprefix(f"{path}:"))) for row in rows]


def test_file_is_one_document_to_the_byte(tmp_path: Path) -> None:
    content = "one\r\n\n\ntwo\n\n"
    assert texts(write(tmp_path / "a.txt", content)) == [(content, 1)]
    assert texts(write(tmp_path / "a.txt.gz", gzip.compress(b"\xef\xbb\xbf" + content.encode()))) == [(content, 1)]


def test_articles_start_at_titles_and_lose_nothing(tmp_path: Path) -> None:
    found = texts(write(tmp_path / "a.txt", WIKI), unit="article")
    assert "".join(text for text, _ in found) == WIKI
    assert [line for _, line in found] == [1, 17]
    assert found[1][0].startswith(" = Kiss You ( song ) = \n")
    wordy = "words before\n" + WIKI
    assert [line for _, line in texts(write(tmp_path / "b.txt", wordy), unit="article")] == [1, 3, 18]


def test_paragraphs_and_lines(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "\n one\r\ntwo\r\n \n\nthree\n")
    assert texts(file, unit="paragraph") == [(" one\r\ntwo", 2), ("three", 6)]
    assert texts(file, unit="line") == [("", 1), (" one", 2), ("two", 3), (" ", 4), ("", 5), ("three", 6)]


def test_folder_and_mapping(tmp_path: Path) -> None:
    write(tmp_path / "valid.txt", "b")
    write(tmp_path / "wiki.train.tokens", "a")
    assert list(read(tmp_path)) == ["valid"]
    named = read({"train": str(tmp_path / "wiki.train.tokens"), "val": str(tmp_path / "valid.txt")})
    assert {split: table["text"].to_pylist() for split, table in named.items()} == {"train": ["a"], "val": ["b"]}


def test_the_end_is_held_out_at_a_line(tmp_path: Path) -> None:
    file = write(tmp_path / "input.txt", PLAY)
    tables = read(file, held_out={"val": 0.1, "test": 0.2})
    assert list(tables) == ["train", "test", "val"]
    found = {split: table.to_pylist() for split, table in tables.items()}
    assert [len(rows) for rows in found.values()] == [1, 1, 1]
    joined = "".join(found[split][0]["text"] for split in ("train", "val", "test"))
    assert joined == PLAY
    for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        text = found[split][0]["text"]
        assert text.endswith("\n")
        assert abs(len(text) - share * len(PLAY)) < 25  # characters, of which the longest line has 22
        line = int(found[split][0]["origin"].removeprefix(f"{file}:"))
        assert "".join(PLAY.splitlines(keepends=True)[line - 1 :]).startswith(text)


def test_of_several_documents_whole_ones_are_held_out(tmp_path: Path) -> None:
    file = write(tmp_path / "input.txt", PLAY)
    tables = read(file, unit="paragraph", held_out={"val": 0.1})
    assert {split: len(table) for split, table in tables.items()} == {"train": 90, "val": 10}
    assert tables["val"]["text"][0].as_py() == "SPEAKER 90:\nline of number 90."
    many = [write(tmp_path / f"{i}.txt", PLAY) for i in range(4)]
    tables = read(str(tmp_path / "?.txt"), held_out={"test": 0.3})
    assert [row["origin"] for row in tables["test"].to_pylist()][1:] == [f"{many[3]}:1"]
    assert "".join(tables["train"]["text"].to_pylist() + tables["test"]["text"].to_pylist()) == PLAY * 4


def test_splits_that_there_are_stay(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", PLAY)
    write(tmp_path / "valid.txt", "other\n")
    tables = read(tmp_path, held_out={"val": 0.1, "test": 0.1})
    assert tables["valid"]["text"].to_pylist() == ["other\n"]
    assert tables["train"]["text"][0].as_py() + tables["test"]["text"][0].as_py() == PLAY


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "chapter"}, "data.unit=chapter: unknown; use file, article, paragraph, line"),
        ({"held_out": {"dev": 0.1}}, "data.held_out.dev: unknown; hold out val, test or both"),
        ({"held_out": {"val": 10}}, "data.held_out.val=10: must be between 0 and 1"),
        ({"held_out": {"val": 0.5, "test": 0.5}}, "leaves nothing to train on"),
        ({"encoding": "klingon"}, "data.encoding=klingon"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as raised:
        read(write(tmp_path / "a.txt", PLAY), **options)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, r": the file is empty; it must hold at least one document"),
        (b"\n \n", {"unit": "paragraph"}, r": the file is empty"),
        (b"one\ntwo \xff\n", {}, r":2: byte 0xff at byte 8 is not utf-8"),
        (b"one\ntwo \xff\n", {"unit": "article"}, r":2: byte 0xff at byte 8 is not utf-8"),
        (b"one\ntw\0\n", {}, r":2: NUL byte at byte 6"),
        (b"one line" * 9, {"held_out": {"val": 0.1}}, r":1: data\.held_out\.val=0\.1 .* want of a line's end"),
        (b"one\n" * 9, {"held_out": {"val": 0.1}, "unit": "article"}, r":1: .*\.val=0\.1 .* for want of documents"),
        (b"word\n" * 9, {"max_bytes": 44}, r": a file of more than 44 bytes; raise data\.max_bytes"),
        (b"word\n" * 9, {"max_record_bytes": 44, "unit": "paragraph"}, r":1: a record of more than 44 bytes"),
    ],
)
def test_mistakes_name_their_line(tmp_path: Path, content: bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.txt{message}"):
        read(write(tmp_path / "a.txt", content), **options)


def test_a_whole_file_is_no_record(tmp_path: Path) -> None:
    assert len(texts(write(tmp_path / "a.txt", "word\n" * 9), max_record_bytes=44)) == 1


@pytest.mark.parametrize("block", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("encoding", "raw"), [("utf-8", "é漢\n😀b\n".encode()), ("gb18030", "é漢\n😀b\n".encode("gb18030"))]
)
def test_characters_may_lie_across_the_blocks_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, encoding: str, raw: bytes
) -> None:
    monkeypatch.setattr("headway.data.streams.BLOCK", block)
    monkeypatch.setattr("headway.data.sources.documents.BLOCK", block)
    path = tmp_path / "text.txt"
    path.write_bytes(raw * 5)
    found = read(path, encoding=encoding, held_out={"val": 0.5})
    texts = [found[split]["text"].to_pylist() for split in ("train", "val")]
    assert texts == [["é漢\n😀b\n" * 2 + "é漢\n"], ["😀b\n" + "é漢\n😀b\n" * 2]]
    assert found["val"]["origin"].to_pylist() == [f"{path}:6"]


@pytest.mark.parametrize("block", [3, 2**20])
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"one\ntwo\xe9 x\n", r":2: byte 0xe9 at byte 7 is not utf-8"),
        (b"one\ntwo\n\xe6\xbc", r":3: byte 0xe6 at byte 8 is not utf-8"),
        (b"one\ntwo\nthr\0ee\n", r":3: NUL byte at byte 11"),
        (b"x" * 101, r"a file of more than 100 bytes; raise data\.max_bytes"),
    ],
)
def test_what_is_wrong_with_a_text_is_said_by_line_and_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, raw: bytes, said: str
) -> None:
    monkeypatch.setattr("headway.data.streams.BLOCK", block)
    path = tmp_path / "text.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=said):
        read(path, max_bytes=100)
