"""SQuAD's JSON: questions, answers at their places, and whatever is wrong named by its question."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headway.data.sources.squad import ANSWERS, read
from headway.errors import DataError

CONTEXT = "Die Normannen 🏰 kamen im 10. Jahrhundert."


def article() -> dict[str, Any]:
    answers = [{"text": "10. Jahrhundert", "answer_start": 25}, {"text": "im 10. Jahrhundert", "answer_start": 22}]
    asked = [
        {"id": "q1", "question": "Wann?", "answers": answers, "is_impossible": False},
        {"id": "q2", "question": "Wo?", "answers": [], "is_impossible": True, "plausible_answers": answers},
    ]
    return {"title": "Normans", "paragraphs": [{"context": CONTEXT, "qas": asked}]}


def write(path: Path, articles: list[Any]) -> Path:
    path.write_text(json.dumps({"version": "v2.0", "data": articles}))
    return path


def test_questions_and_answers(tmp_path: Path) -> None:
    file = write(tmp_path / "dev-v2.0.json", [article()])
    table = read(file)["all"]
    assert (
        table.schema.field("answers").type
        == ANSWERS
        == pa.list_(pa.struct([("text", pa.string()), ("answer_start", pa.int64())]))
    )
    assert table.to_pylist() == [
        {
            **{"question_id": "q1", "title": "Normans", "group": "Normans", "question": "Wann?", "context": CONTEXT},
            "answers": article()["paragraphs"][0]["qas"][0]["answers"],
            "origin": f"{file}#q1",
        },
        {
            **{"question_id": "q2", "title": "Normans", "group": "Normans", "question": "Wo?", "context": CONTEXT},
            "answers": [],
            "origin": f"{file}#q2",
        },
    ]


def test_first_version_and_questions_to_be_answered(tmp_path: Path) -> None:
    plain = article()
    for item in plain["paragraphs"][0]["qas"]:
        del item["is_impossible"]
    del plain["paragraphs"][0]["qas"][1]["answers"]
    del plain["title"]
    table = read(write(tmp_path / "a.json", [article(), plain]))["all"]
    assert [None if given is None else len(given) for given in table["answers"].to_pylist()] == [2, 0, 2, None]
    assert table["group"].to_pylist() == ["Normans"] * 2 + ["article 1"] * 2


def test_official_names_are_splits(tmp_path: Path) -> None:
    write(tmp_path / "train-v2.0.json", [article()])
    write(tmp_path / "dev-v2.0.json", [article()])
    assert {split: len(table) for split, table in read(tmp_path).items()} == {"train": 2, "dev": 2}
    write(tmp_path / "dev-v1.1.json", [article()])
    with pytest.raises(DataError, match=r"dev-v1\.1\.json, .*dev-v2\.0\.json: which one is dev\?"):
        read(tmp_path)


def change(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Of the first question; of its first answer where the key is one of an answer's."""

    def edit(found: dict[str, Any]) -> None:
        item = found["paragraphs"][0]["qas"][0]
        for key, value in changes.items():
            (item["answers"][0] if key in ("text", "answer_start") else item)[key] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            change(answer_start=24),
            "#q1: answer '10. Jahrhundert' does not stand at character 24 of its context, "
            "where ' 10. Jahrhunder' does; it stands at 25",
        ),
        (change(text="11. Jahrhundert"), "where '10. Jahrhundert' does; it stands nowhere in it"),
        (change(answer_start=-1), "does not stand at character -1 of its context, where '' does; it stands at 25"),
        (change(answer_start=10_000), "where '' does; it stands at 25"),
        (change(text=""), "#q1: an answer is empty"),
        (change(text="  "), "#q1: an answer is empty"),
        (change(answer_start="25"), "#q1: answers[0]: 'answer_start' is str, not int"),
        (change(answers={}), "#q1: 'answers' is dict, not list"),
        (change(answers=["x"]), "#q1: answers[0]: a JSON str, where SQuAD has an object with 'text'"),
        (change(answers=[]), "#q1: has no answer, yet is_impossible is false"),
        (change(is_impossible=True), "#q1: is_impossible is true, yet it has answers"),
        (change(question=None), "#q1: 'question' is NoneType, not str"),
        (lambda found: found["paragraphs"][0]["qas"][0].pop("id"), ": data[0].paragraphs[0].qas[0]: no 'id'"),
        (lambda found: found["paragraphs"][0].pop("context"), ": data[0].paragraphs[0]: no 'context'"),
        (lambda found: found.pop("paragraphs"), ": data[0]: no 'paragraphs'; is this SQuAD's JSON? It has title"),
        (lambda found: found["paragraphs"].clear(), ": holds no question"),
        (change(question="\ud83c"), ": a \\u escape is half of a surrogate pair"),
    ],
)
def test_mistakes_name_their_question(tmp_path: Path, edit: Callable[[dict[str, Any]], Any], message: str) -> None:
    found = article()
    edit(found)
    file = write(tmp_path / "a.json", [found])
    with pytest.raises(DataError) as raised:
        read(file)
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(file))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [\n{"title": "a",}]}', r"a\.json:2: not JSON at column \d+"),
        (b"", r"a\.json:1: not JSON at column 1"),
        (b"[]", r"a\.json: a JSON list, where SQuAD has an object with 'data'"),
        (b'{"rows": []}', r"a\.json: no 'data'; is this SQuAD's JSON\? It has rows"),
        (b'{"data":\n"\xff"}', r"a\.json:2: byte 0xff at byte 10 is not utf-8"),
        (b"[" * 100_000, r"a\.json: not usable JSON"),
    ],
)
def test_other_json(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.json")


def test_file_over_the_cap(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json: a file of more than 100 bytes; raise data\.max_bytes"):
        read(write(tmp_path / "a.json", [article()]), max_bytes=100)
