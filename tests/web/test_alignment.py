from pathlib import Path
from typing import Any

import pytest

from headway.store.predictions import write_predictions
from headway.web.alignment import align
from headway.web.errors import ApiError
from headway.web.tables import open_predictions

GOLD = {"e1": "p", "e2": "n", "e3": "p", "e4": "n", "e5": "p"}


@pytest.fixture
def side(tmp_path: Path) -> Any:
    """Predictions of labels: side("e1=p", ...), with the number as loss."""

    def make(name: str, *answers: str, **columns: Any) -> Any:
        ids, given = zip(*(answer.split("=") for answer in answers), strict=True)
        path = tmp_path / f"{name}.parquet"
        plain = {"id": ids, "text": [f"text of {each}" for each in ids], "gold": [GOLD[each] for each in ids]}
        losses = [float(at) for at in range(len(ids))]
        write_predictions(path, plain | {"prediction": given, "confidence": losses, "loss": losses} | columns)
        return open_predictions(path)

    return make


def compared(a: Any, b: Any, **changes: Any) -> dict[str, Any]:
    asked = {"same_data": True, "only": "", "query": "", "sort": "", "offset": 0, "limit": 10}
    return align(a, b, **(asked | changes))


def ids(a: Any, b: Any, **changes: Any) -> list[str]:
    return [row["id"] for row in compared(a, b, **changes)["rows"]]


def test_counts_and_cases_in_whatever_order_the_files_are(side: Any) -> None:
    a = side("a", "e1=p", "e2=p", "e3=n", "e4=n")  # right, wrong, wrong, right
    b = side("b", "e4=p", "e3=n", "e2=n", "e1=p", "e5=p")
    found = compared(a, b)
    assert found["counts"] == {"fixed": 1, "broken": 1, "both_wrong": 1, "both_right": 1}
    assert (found["shared"], found["only_a"], found["only_b"], found["matched"]) == (4, 0, 1, 4)
    assert found["reason"] is None
    assert ids(a, b) == ["e1", "e2", "e3", "e4"]
    assert ids(a, b, only="fixed") == ["e2"]
    assert ids(a, b, only="broken") == ["e4"]
    assert ids(a, b, only="both_wrong") == ["e3"]
    assert ids(a, b, only="both_right") == ["e1"]
    assert ids(a, b, only="differ") == ["e2", "e4"]
    assert ids(a, b, query="of e3") == ["e3"]


def test_a_row_holds_the_input_once_and_both_answers(side: Any) -> None:
    [row] = compared(side("a", "e1=p"), side("b", "e1=n"))["rows"]
    assert row["input"] == {"text": "text of e1"}
    assert (row["gold"], row["a"]["prediction"], row["b"]["prediction"]) == ("p", "p", "n")
    assert (row["a"]["wrong"], row["b"]["wrong"]) == (False, True)


def test_orders(side: Any) -> None:
    a, b = side("a", "e3=p", "e1=p", "e2=n"), side("b", "e1=p", "e2=n", "e3=p")
    assert ids(a, b, sort="-loss") == ["e3", "e1", "e2"]  # losses of e3, e1, e2: 0, 1, 2 and 2, 0, 1
    assert ids(a, b, sort="-a.loss") == ["e2", "e1", "e3"]
    assert ids(a, b, sort="id") == ["e1", "e2", "e3"]
    assert ids(a, b, sort="id", offset=1, limit=1) == ["e2"]
    with pytest.raises(ApiError):
        compared(a, b, sort="text")


@pytest.mark.parametrize(
    ("b", "same", "reason"),
    [
        (["e1=p"], False, "data of the two runs differ"),
        (["e5=p"], True, "no example in common"),
        (["e1=p", "e1=n"], True, "more than once"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(side: Any, b: list[str], same: bool, reason: str) -> None:
    found = compared(side("a", "e1=p", "e2=p"), side("b", *b), same_data=same)
    assert reason in found["reason"]
    assert found["rows"] == []
    assert found["counts"] is None


def test_other_tasks_are_refused_and_texts_have_no_right_or_wrong(side: Any, tmp_path: Path) -> None:
    write_predictions(
        tmp_path / "t.parquet", {"id": ["e1"], "text": ["x"], "gold": ["g"], "prediction": ["h"], "loss": [0.5]}
    )
    text = open_predictions(tmp_path / "t.parquet")
    assert "different tasks" in compared(side("a", "e1=p"), text)["reason"]
    assert compared(text, text)["counts"] is None
    with pytest.raises(ApiError, match="neither right nor wrong"):
        compared(text, text, only="fixed")
    assert ids(text, text, only="differ") == []
