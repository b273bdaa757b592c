"""Tables that do not fit in memory are the same tables, and long texts in pieces the same texts."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headway.data import portions as module
from headway.data import report
from headway.data.columns import blank
from headway.data.portions import blocks, cut, filtered, pieces, portions, spilled, taken
from headway.data.progress import watched
from headway.data.sources import documents, files
from headway.errors import DataError

WORDS = ["one", "naïve", "漢字", "😀", "word", "and", "more", ""]


def text(words: int) -> str:
    return " ".join(WORDS[i % 7] + str(i) for i in range(words))


def table(rows: int, start: int = 0) -> pa.Table:
    texts = [text(i % 13) for i in range(start, start + rows)]
    return pa.table({"text": pa.array(texts, pa.large_string()), "row": np.arange(start, start + rows)})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large otherwise begins at some hundred bytes."""
    for name, size in {"IN_MEMORY": 1000, "PORTION": 400, "PIECE": 60, "NEAR": 40}.items():
        monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(report, "PORTION", 400)


@pytest.mark.usefixtures("small")
def test_spilled_tables_come_back_in_order_and_leave_memory() -> None:
    parts = [table(200, start) for start in range(0, 1000, 200)]
    whole = pa.concat_tables(parts)
    before = pa.total_allocated_bytes()
    back = spilled(iter(parts))
    assert pa.total_allocated_bytes() == before  # nothing was copied to where Arrow keeps tables
    assert pa.concat_tables(back).equals(whole)
    assert spilled(iter([])) == []


@pytest.mark.usefixtures("small")
def test_a_read_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(text(30) for _ in range(20_000)), encoding="utf-8")
    before = pa.total_allocated_bytes()
    found = files.read(str(path))["all"]
    assert len(found) == 20_000
    assert found["text"][19_999].as_py() == text(30)
    assert pa.total_allocated_bytes() - before < path.stat().st_size / 10


def test_the_text_of_a_whole_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(text(30) for _ in range(5_000)), encoding="utf-8")
    before = pa.total_allocated_bytes()
    found = documents.read(str(path), held_out={"val": 0.1})
    assert pa.total_allocated_bytes() - before < path.stat().st_size / 10
    assert found["train"]["text"][0].as_py() + found["val"]["text"][0].as_py() == path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("keep", [np.zeros(500, bool), np.ones(500, bool), np.arange(500) % 3 == 0])
def test_filtered_rows_are_those_of_arrow(keep: np.ndarray) -> None:
    whole = pa.concat_tables([table(300), table(200, 300)])
    assert filtered(whole, keep).equals(whole.filter(pa.array(keep)))


@pytest.mark.parametrize("rows", [[], [0], [299, 300], [0, 5, 5, 499], list(range(500))])
def test_taken_rows_are_those_of_arrow(rows: list[int]) -> None:
    column = pa.concat_tables([table(300), table(0), table(200, 300)])["text"]
    assert taken(column, np.asarray(rows, np.int64)).to_pylist() == [column[row].as_py() for row in rows]


@pytest.mark.usefixtures("small")
def test_portions_are_small_and_say_how_far_they_are() -> None:
    told: list[tuple[str, int, int]] = []
    whole = table(300)
    with watched(lambda *fields: told.append(fields)):
        parts = list(portions(whole, "encoding train", 50))
    assert pa.Table.from_batches(parts).equals(whole)
    assert all(len(part) <= 50 and (part.nbytes <= 400 or len(part) == 1) for part in parts)
    assert {what for what, _, _ in told} == {"encoding train"}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[0][1] == 0
    assert told[-1][1] == told[-1][2] == whole.nbytes


def test_nobody_needs_to_watch() -> None:
    assert len(list(portions(table(10), "encoding train", 50))) == 1


@pytest.mark.usefixtures("small")
def test_pieces_of_long_texts_are_the_texts() -> None:
    texts = ["short", text(500), "", text(3), text(300)]
    column = pa.table({"text": pa.array(texts, pa.large_string())})
    found = list(pieces(column, "text", "reading", 100, lambda _, two: two.startswith(" ")))
    rows = np.concatenate([some.rows for some in found]).tolist()
    parts = [part for some in found for part in some.texts]
    assert ["".join(part for part, row in zip(parts, rows, strict=True) if row == at) for at in range(5)] == texts
    assert max(map(len, parts)) < 200
    for flags, place in (([some.first for some in found], 0), ([some.last for some in found], -1)):
        marked = np.flatnonzero(np.concatenate(flags))
        assert [rows[at] for at in marked] == [0, 1, 2, 3, 4]
        assert all(marked[row] == np.flatnonzero(np.asarray(rows) == row)[place] for row in range(5))
    assert max(sum(map(len, some.texts)) for some in found) < 1000


@pytest.mark.usefixtures("small")
def test_a_long_text_that_cannot_be_cut_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNCUT", 200)
    with pytest.raises(DataError, match=r"^a\.txt:1: a text of [\d,]+ bytes that cannot .* data\.unit=paragraph"):
        list(cut(pa.py_buffer(text(500).encode()), lambda _one, _two: False, "a.txt:1"))


@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_blocks_end_between_characters(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", size)
    whole = "aé漢😀b漢字😀😀"
    assert "".join(blocks(pa.py_buffer(whole.encode()))) == whole


@pytest.mark.parametrize(
    "whole", [" a  B\n\nc ", "Straße  İx " * 50, " " * 500, "x" * 500, "a" * 59 + " b" + " c" * 99]
)
def test_a_long_text_has_the_keys_it_has_in_memory(whole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = pa.table({"text": pa.array([whole], pa.large_string())})
    pair = examples.append_column("pair", examples["text"])
    known = [report.content_keys(examples, ["text"]), report.content_keys(pair, ["text", "pair"])]
    monkeypatch.setattr(report, "PORTION", 1)
    monkeypatch.setattr(module, "PIECE", 7)
    found = [report.content_keys(examples, ["text"]), report.content_keys(pair, ["text", "pair"])]
    assert np.array_equal(known, found)


def test_blank_texts_are_found_behind_much_white_space() -> None:
    texts = [None, "", " ", "\u3000" * 100, " " * 100 + "a", "a"]
    found = blank(pa.chunked_array([pa.array(texts, pa.large_string())]))
    assert found.to_pylist() == [True, True, True, True, False, False]
