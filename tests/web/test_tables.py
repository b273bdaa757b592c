import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.errors import RunError
from headway.store.predictions import write_predictions
from headway.web import tables
from headway.web.choice import Choice, page
from headway.web.errors import ApiError
from headway.web.tables import open_predictions

IDS = ["a", "b", "c"]
KINDS: dict[str, tuple[dict[str, Any], list[bool] | None]] = {
    "labelled": (
        {"text": ["x"] * 3, "gold": ["p", "n", "p"], "prediction": ["p", "p", "p"], "confidence": [0.5, 0.6, 0.7]},
        [False, True, False],
    ),
    "multi_labelled": (
        {"text": ["x"] * 3, "gold": [["p", "q"], [], ["q"]], "prediction": [["q", "p"], [], []], "scores": [[0.1]] * 3},
        [False, False, True],
    ),
    "scored": ({"text": ["x"] * 3, "gold": [1.0, 2.0, 5.0], "prediction": [1.5, 2.0, 3.0]}, None),
    "tagged": (
        {
            "tokens": [["u", "v"], ["w"], []],
            "gold": [["O", "B"], ["O"], []],
            "prediction": [["B", "O"], ["O"], []],
            "confidence": [[0.9, 0.2], [0.8], []],
        },
        [True, False, False],
    ),
    "question": (
        {
            "question": ["?"] * 3,
            "context": ["c"] * 3,
            "gold": [["The cat", "dog"], [], ["x"]],
            "prediction": ["cat.", "", "y"],
            "margin": [0.0] * 3,
        },
        [False, False, True],
    ),
    "generated": ({"text": ["x"] * 3, "gold": ["g"] * 3, "prediction": ["h"] * 3, "tokens": [1, 2, 3]}, None),
    "text": ({"text": ["x"] * 3, "tokens": [1, 2, 3], "bytes": [4, 5, 6]}, None),
    "masked": ({"text": ["x"] * 3, "masked": [2, 2, 2], "correct": [1, 0, 2]}, None),
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def make(columns: dict[str, Any], name: str = "p.parquet") -> Path:
        count = len(next(iter(columns.values())))
        path = tmp_path / name
        write_predictions(path, {"id": IDS[:count], "loss": [0.3, 0.1, 0.2][:count]} | columns)
        return path

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_kind_and_mistakes_are_told_from_the_columns(write: Any, kind: str) -> None:
    columns, wrong = KINDS[kind]
    table = open_predictions(write(columns))
    assert table.kind == kind
    assert (None if table.wrong is None else table.wrong.tolist()) == wrong
    [row] = page(table, Choice(), "loss", 0, 1)["rows"]
    assert row["id"] == "b"
    assert row["wrong"] == (None if wrong is None else wrong[1])


def test_the_same_tags_in_another_order_are_wrong(write: Any) -> None:
    columns = {"tokens": [["u", "v"]], "gold": [["O", "B"]], "prediction": [["B", "O"]]}
    assert open_predictions(write(columns)).wrong.tolist() == [True]


def test_labels_come_in_the_run_s_own_order_and_a_missing_one_counts_as_none(write: Any) -> None:
    columns = {"gold": ["b", None, "a"], "prediction": ["b", "a", "z"], "scores": [[1.0]] * 3}
    table = open_predictions(write(columns), ["b", "a", "never"])
    assert table.labels == ["b", "a", "z"]
    assert table.wrong.tolist() == [False, True, True]


def ids(table: Any, choice: Choice, sort: str = "") -> list[str]:
    return [row["id"] for row in page(table, choice, sort, 0, 100)["rows"]]


def test_filters(write: Any) -> None:
    table = open_predictions(write(KINDS["labelled"][0]))
    assert ids(table, Choice(only="wrong")) == ["b"]
    assert ids(table, Choice(only="right")) == ["a", "c"]
    assert ids(table, Choice(gold="n")) == ["b"]
    assert ids(table, Choice(prediction="n")) == []
    assert ids(table, Choice(gold="unheard of")) == []
    assert ids(table, Choice(min_confidence=0.55, max_confidence=0.65)) == ["b"]
    tagged = open_predictions(write(KINDS["tagged"][0], "t.parquet"))
    assert ids(tagged, Choice(gold="B")) == ["a"]
    assert ids(tagged, Choice(max_confidence=0.5)) == ["a"]  # as sure as its least sure token; one without is neither


def test_search_reads_texts_lists_and_messages_whatever_their_case(write: Any) -> None:
    tagged = open_predictions(
        write(
            {
                "tokens": [["New", "York"], ["Ä"], []],
                "gold": [["O", "O"], ["O"], []],
                "prediction": [["O", "O"], ["O"], []],
            }
        )
    )
    assert ids(tagged, Choice(query="new york")) == ["a"]
    assert ids(tagged, Choice(query="ä")) == ["b"]
    messages = [[{"role": "user", "content": "Hello there"}]] * 3
    chat = open_predictions(
        write({"messages": messages, "gold": ["x", "y", "z"], "prediction": ["h"] * 3}, "m.parquet")
    )
    assert ids(chat, Choice(query="HELLO")) == IDS
    assert ids(chat, Choice(query="y")) == ["b"]
    assert ids(chat, Choice(query="0.3")) == []


def test_orders(write: Any) -> None:
    table = open_predictions(write(KINDS["scored"][0] | {"loss": [0.3, float("nan"), 0.2]}))
    assert ids(table, Choice()) == IDS
    assert ids(table, Choice(), "-error") == ["c", "a", "b"]
    assert ids(table, Choice(), "loss") == ["c", "a", "b"]
    assert ids(table, Choice(), "-loss") == ["a", "c", "b"]
    assert ids(table, Choice(), "-id") == ["c", "b", "a"]


def test_pages_cover_every_row_once_over_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tables, "BLOCK", 7)
    loss = np.random.default_rng(0).permutation(50) / 50
    write_predictions(
        tmp_path / "big.parquet", {"id": [f"{at:02}" for at in range(50)], "text": ["t"] * 50, "loss": loss}
    )
    table = open_predictions(tmp_path / "big.parquet")
    found = [row for offset in range(0, 50, 12) for row in page(table, Choice(), "-loss", offset, 12)["rows"]]
    assert [row["loss"] for row in found] == sorted(loss, reverse=True)
    assert len({row["id"] for row in found}) == 50


def test_what_cannot_be_asked_is_said(write: Any) -> None:
    table = open_predictions(write(KINDS["generated"][0]))
    for choice, sort in [
        (Choice(only="wrong"), ""),
        (Choice(gold="g"), ""),
        (Choice(min_confidence=0.1), ""),
        (Choice(), "text"),
    ]:
        with pytest.raises(ApiError) as caught:
            page(table, choice, sort, 0, 10)
        assert caught.value.status == 400


def test_a_file_written_anew_is_read_anew_and_few_are_kept(write: Any) -> None:
    path = write(KINDS["labelled"][0])
    first = open_predictions(path)
    assert open_predictions(path) is first
    write(KINDS["generated"][0])
    os.utime(path, ns=(1, 1))
    assert open_predictions(path).kind == "generated"
    for number in range(tables.KEPT + 2):
        open_predictions(write(KINDS["text"][0], f"{number}.parquet"))
    assert len(tables._kept) == tables.KEPT


def test_what_is_no_table_of_predictions_is_refused_by_name(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 not")
    with pytest.raises(RunError, match=r"broken\.parquet: cannot be read as Parquet"):
        open_predictions(path)
    with pytest.raises(RunError, match=r"other\.parquet: is of no known task"):
        open_predictions(write({"weight": [1, 2, 3]}, "other.parquet"))
