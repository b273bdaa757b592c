"""Column files: each dialect read back token by token, each mistake named by its line."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headway.data.sources.conll import read
from headway.errors import DataError

CONLL2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

# NNP B-NP O
1 CD I-NP O
"""
CONLLU = """# newdoc id = a
# sent_id = 1
# text = Im Haus
1-2\tIm\t_\t_\t_\t_\t_\t_\t_\t_
1\tIn\tin\tADP\tAPPR\t_\t3\tcase\t_\t_
2\tdem\tder\tDET\tART\t_\t3\tdet\t_\t_
3\tHaus\tHaus\tNOUN\tNN\t_\t0\troot\t_\t_
3.1\tist\tsein\tAUX\t_\t_\t_\t_\t_\t_

# a remark without a key
1\t#\t#\tSYM\tSYM\t_\t0\troot\t_\t_
"""


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path: Path, **options: Any) -> list[tuple[list[str], list[str], str]]:
    table = read(path, **options)["all"]
    return [(row["tokens"], row["tags"], row["origin"].removeprefix(f"{path}:")) for row in table.to_pylist()]


def test_conll2003(tmp_path: Path) -> None:
    file = write(tmp_path / "eng.testa", CONLL2003)
    assert rows(file, delimiter=" ") == [
        (["EU", "rejects"], ["B-ORG", "O"], "3"),
        (["#", "1"], ["O", "O"], "6"),
    ]
    assert rows(file, delimiter=" ", tag_column=1)[0][1] == ["NNP", "VBZ"]
    kind = pa.list_(pa.string())
    assert read(file)["all"].schema == pa.schema([("tokens", kind), ("tags", kind), ("origin", pa.large_string())])


def test_conllu_skips_comments_and_what_is_no_word(tmp_path: Path) -> None:
    file = write(tmp_path / "de-ud-dev.conllu", CONLLU)
    assert rows(file, token_column=1, tag_column=3) == [
        (["In", "dem", "Haus"], ["ADP", "DET", "NOUN"], "4"),
        (["#"], ["SYM"], "11"),
    ]


def test_tabs_let_tokens_hold_anything_and_blank_lines_hold_tabs(tmp_path: Path) -> None:
    file = write(tmp_path / "a.conll", '#tag\tO\nNew York\tB-location\n"\u00a0\tO\n\t\n\u2028x\tO\r\n\r\n \t\n☺\tO')
    assert rows(file) == [
        (["#tag", "New York", '"\u00a0'], ["O", "B-location", "O"], "1"),
        (["\u2028x"], ["O"], "5"),
        (["☺"], ["O"], "8"),
    ]


def test_runs_of_spaces_part_columns(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "a.bio", "EU   B-ORG  \nis   O\n"))[0][:2] == (["EU", "is"], ["B-ORG", "O"])


def test_tokens_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "plain.txt", "-DOCSTART-\n\nEU\nrejects\n\n\nParis\n")
    table = read(file, tag_column=None)["all"]
    assert table["tokens"].to_pylist() == [["EU", "rejects"], ["Paris"]]
    assert table["tags"].null_count == 2
    assert table["origin"].to_pylist() == [f"{file}:3", f"{file}:7"]


def test_folder_mapping_and_gz(tmp_path: Path) -> None:
    write(tmp_path / "train.conll.gz", gzip.compress(b"a\tO\n"))
    write(tmp_path / "dev.conll", "b\tO\n")
    write(tmp_path / "notes.md", "not data")
    assert {split: table["tokens"].to_pylist() for split, table in read(tmp_path).items()} == {
        "train": [["a"]],
        "dev": [["b"]],
    }
    named = read({"train": [str(tmp_path / "dev.conll"), str(tmp_path / "train.conll.gz")]})
    assert named["train"]["origin"].to_pylist() == [f"{tmp_path}/dev.conll:1", f"{tmp_path}/train.conll.gz:1"]


def test_many_sentences_cross_chunks_in_order(tmp_path: Path) -> None:
    found = rows(write(tmp_path / "a.conll", "".join(f"w{i}\tO\n\n" for i in range(20_001))))
    assert [tokens for tokens, _, _ in found] == [[f"w{i}"] for i in range(20_001)]
    assert found[-1][2] == "40001"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a\tO\nb\n", {}, r":2: expected 2 columns separated by '\\t' as in line 1, found 1: b$"),
        ("EU NNP B-ORG\nis VBZ\n", {}, r":2: expected 3 columns separated by ' ' as in line 1, found 2: is VBZ$"),
        ("a\tO\nb\t\n", {}, r":2: the token 'b' has no tag in column -1"),
        ("a\tO\n\n\tO\n", {}, r":3: the tag 'O' has no token in column 0"),
        ("a\n", {}, r":1: expected at least 2 columns separated by ' ', found 1: a$"),
        ("a\tO\n", {"tag_column": 3}, r":1: expected at least 4 columns separated by '\\t', found 2"),
        ("a O\n", {"delimiter": "\t"}, r":1: expected at least 2 columns separated by '\\t', found 1"),
        ("", {}, r": the file is empty; it must hold at least one sentence"),
        ("# only = a comment\n\n", {}, r": the file is empty"),
        (b"a\tO\n\xff\tO\n", {}, r":2: byte 0xff at byte 4 is not utf-8"),
        ("a\tO\n" * 20, {"max_record_bytes": 40}, r":1: a record of more than 40 bytes"),
    ],
)
def test_mistakes_name_their_line(tmp_path: Path, content: str | bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.conll{message}"):
        read(write(tmp_path / "a.conll", content), **options)


def test_cap_is_for_one_sentence(tmp_path: Path) -> None:
    assert len(rows(write(tmp_path / "a.conll", "word\tO\n\n" * 20), max_record_bytes=40)) == 20


@pytest.mark.parametrize("options", [{"delimiter": ""}, {"encoding": "klingon"}])
def test_bad_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"^data\.(delimiter|encoding)="):
        read(write(tmp_path / "a.conll", "a\tO\n"), **options)
