"""Every kind of example: read from a source's columns, refused by the origin of the row that does not fit."""

from typing import Any

import pyarrow as pa
import pytest

from headway.data.columns import ANSWERS
from headway.data.examples import (
    DIALOGUES,
    LABELLED,
    MULTI_LABELLED,
    PARALLEL,
    QUESTIONS,
    SCORED,
    TAGGED,
    TEXTS,
    Examples,
)
from headway.data.prepare import Prepared, prepare_tables
from headway.data.typed import read_examples
from headway.errors import DataError

CONTEXT = "The film was made by Ada in Rome."
ROWS: dict[str, tuple[Examples, dict[str, list[Any]]]] = {
    "labelled": (LABELLED, {"text": ["a", "b"], "label": ["x", "y"]}),
    "several labels": (MULTI_LABELLED, {"text": ["a", "b"], "label": [["x"], ["x", "y"]]}),
    "scored": (SCORED, {"text": ["a", "b"], "label": [1.5, 2]}),
    "tagged": (TAGGED, {"tokens": [["Ada", "ran"], ["Rome"]], "tags": [["B-per", "O"], ["B-loc"]]}),
    "questions": (
        QUESTIONS,
        {
            "question": ["who?", "when?"],
            "context": [CONTEXT, CONTEXT],
            "answers": [[{"text": "Ada", "answer_start": 21}], []],
        },
    ),
    "texts": (TEXTS, {"text": ["one", "two"]}),
    "dialogues": (
        DIALOGUES,
        {"messages": [[{"role": "user", "content": "hi"}, {"role": "assistant", "content": w}] for w in "ab"]},
    ),
    "parallel": (PARALLEL, {"text": ["ja", "nein"], "target": ["yes", "no"]}),
}


def prepared(kind: str, changed: dict[str, list[Any]] | None = None, **options: Any) -> Prepared:
    examples, columns = ROWS[kind]
    columns = columns | (changed or {})
    rows = len(next(iter(columns.values())))
    table = pa.table({**columns, "origin": [f"f.x:{i + 1}" for i in range(rows)]})
    return prepare_tables({"train": table}, examples, **{"val_fraction": 0.0, **options})


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_has_ids_a_fingerprint_and_what_it_needs(kind: str) -> None:
    examples, columns = ROWS[kind]
    found = prepared(kind)
    table = found.splits["train"]
    assert table.column_names == ["id", *columns, "origin"]
    assert len(set(table["id"].to_pylist())) == 2
    assert found.fingerprint == prepared(kind).fingerprint
    if examples.gold and examples.gold in columns:
        other = {examples.gold: columns[examples.gold][::-1]}
        if kind not in ("questions", "tagged"):  # where the other way round fits no row
            assert prepared(kind, other).fingerprint != found.fingerprint
            assert prepared(kind, other).splits["train"]["id"].to_pylist() == table["id"].to_pylist()  # content only


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        ("tagged", {"tags": [["O", "O"], []]}, r"f\.x:2: 1 tokens but 0 tags; each token needs one"),
        ("tagged", {"tags": [["B", "O"], ["B-loc"]]}, r"f\.x:1: tag 'B' has no type"),
        ("tagged", {"tags": [["B-per", "noun"], ["B-loc"]]}, r"f\.x:1: tag 'noun' beside 'B-loc'"),
        ("tagged", {"tags": [["O", None], ["O"]]}, r"f\.x:1: data\.tags=tags must be a list of strings"),
        ("tagged", {"tags": [["O", "O"], None]}, r"f\.x:2: no tags in column 'tags'"),
        (
            "questions",
            {"answers": [[{"text": "Ada", "answer_start": 20}], []]},
            r"f\.x:1: answer 'Ada' does not stand in its context at character 20, where ' Ad' stands",
        ),
        ("questions", {"answers": [[{"text": "", "answer_start": 3}], []]}, r"f\.x:1: answer '' does not stand"),
        ("questions", {"answers": ["Ada", ""]}, r"f\.x:1: data\.answers=answers must be a list of"),
        ("questions", {"answers": [[], None]}, r"f\.x:2: no answers in column 'answers'"),
        (
            "dialogues",
            {"messages": [[{"role": "user", "content": "a"}], [{"role": "bot", "content": "b"}]]},
            r"f\.x:2: message 1 has role 'bot'; use system, user, assistant, tool",
        ),
        (
            "dialogues",
            {"messages": [[{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}]]},
            r"f\.x:1: message 2 \(assistant\) has no content",
        ),
        (
            "dialogues",
            {"messages": [[{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]]},
            r"f\.x:1: message 2 is a second beginning: system stands first",
        ),
        ("dialogues", {"messages": ["hello", "you"]}, r"f\.x:1: data\.messages=messages must be a list of"),
        ("scored", {"label": ["1", "much"]}, r"f\.x:2: data\.label=label must be a number, found 'much'"),
    ],
)
def test_a_row_that_does_not_fit_is_named(kind: str, changed: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepared(kind, changed)


@pytest.mark.parametrize("kind", ROWS)
def test_an_absent_column_is_named_with_what_there_is(kind: str) -> None:
    examples, columns = ROWS[kind]
    name = next(iter(columns))
    table = pa.table({f"{name}x": columns[name], "origin": ["f.x:1", "f.x:2"]})
    with pytest.raises(DataError, match=rf"no column '{name}' \(data\.{name}\); found {name}x; did you mean {name}x\?"):
        prepare_tables({"train": table}, examples)


def test_an_empty_target_is_dropped_and_named_or_an_error() -> None:
    found = prepared("parallel", {"target": ["yes", " "]})
    assert found.splits["train"]["text"].to_pylist() == ["ja"]
    assert found.report["splits"]["train"]["dropped_empty"] == 1
    assert found.report["splits"]["train"]["dropped_empty_examples"] == ["f.x:2"]
    with pytest.raises(DataError, match=r"f\.x:2: empty text or target, one of 1 rows"):
        prepared("parallel", {"target": ["yes", ""]}, empty="error")


def test_tags_of_another_split_must_be_known() -> None:
    train = pa.table({"tokens": [["a"], ["b"]], "tags": [["B-x"], ["O"]], "origin": ["f:1", "f:3"]})
    val = pa.table({"tokens": [["a"], ["b", "c"]], "tags": [["O"], ["O", "B-y"]], "origin": ["g:1", "g:3"]})
    with pytest.raises(DataError, match=r"g:3: tag 'B-y' of val is not among the training labels \(B-x, O\)"):
        prepare_tables({"train": train, "val": val}, TAGGED)


def test_rows_of_one_group_are_never_parted() -> None:
    rows = 60
    table = pa.table(
        {
            "question": [f"what {i}?" for i in range(rows)],
            "context": [CONTEXT] * rows,
            "answers": pa.array([[]] * rows, ANSWERS),
            "title": [f"article {i // 5}" for i in range(rows)],
            "origin": [f"f:{i}" for i in range(rows)],
        }
    )
    found = prepare_tables({"train": table}, QUESTIONS, group="title", val_fraction=0.25)

    def titles(split: str) -> set[int]:
        return {int(origin[2:]) // 5 for origin in found.splits[split]["origin"].to_pylist()}

    assert len(found.splits["val"]) == 15
    assert not titles("train") & titles("val")
    assert "group" not in found.splits["train"].column_names


def test_what_is_typed_becomes_an_example() -> None:
    tagged = read_examples([("Ada, don't run!", None)], {}, TAGGED)
    assert tagged["tokens"].to_pylist() == [["Ada", ",", "don", "'", "t", "run", "!"]]
    assert tagged["tags"].null_count == 1
    asked = read_examples([("who?", CONTEXT)], {}, QUESTIONS)
    assert asked.select(["question", "context"]).to_pylist() == [{"question": "who?", "context": CONTEXT}]
    with pytest.raises(DataError, match="a question needs a text to find the answer in; give it with --pair TEXT"):
        read_examples([("who?", None)], {}, QUESTIONS)
    said = read_examples([("hi", None)], {}, DIALOGUES)["messages"].to_pylist()
    assert said == [[{"role": "user", "content": "hi"}]]
