"""Raw values to class numbers."""

import pyarrow as pa
import pytest

from headway.data.labels import as_strings, numbered, order, require
from headway.errors import DataError


def column(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def labelled(values: list[str | None]) -> pa.Table:
    return pa.table({"label": pa.array(values, pa.string()), "origin": [f"f:{i}" for i in range(len(values))]})


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ([0, 1, None], pa.int8(), ["0", "1", None]),
        ([0.0, 1.0, None], pa.float64(), ["0", "1", None]),
        ([0.5, 1.0], pa.float64(), ["0.5", "1"]),
        ([float("inf"), 1e300], pa.float64(), ["inf", "1e+300"]),
        ([True, False], pa.bool_(), ["true", "false"]),
        ([" pos ", "", "  ", None], pa.string(), ["pos", None, None, None]),
    ],
)
def test_as_strings(values: list[object], kind: pa.DataType, text: list[str | None]) -> None:
    assert as_strings(column(values, kind), "label").to_pylist() == text
    assert as_strings(column(values, kind).dictionary_encode(), "label").to_pylist() == text


def test_lists_are_no_labels() -> None:
    with pytest.raises(DataError, match=r"data\.label=tags: holds list"):
        as_strings(column([["a"]]), "data.label=tags")


@pytest.mark.parametrize(
    ("raw", "labels", "names", "index"),
    [
        (["b", "a", "b"], None, ["a", "b"], {"a": 0, "b": 1}),
        (["10", "9", "-1"], None, ["-1", "9", "10"], {"-1": 0, "9": 1, "10": 2}),
        (["b", "a"], ["b", "a", "c"], ["b", "a", "c"], {"b": 0, "a": 1, "c": 2}),
        (["0", "1"], {1: "pos", 0: "neg"}, ["pos", "neg"], {"1": 0, "0": 1}),
        (["1"], {1: "neg", 2: "neg", 3: None, 5: "pos"}, ["neg", "pos"], {"1": 0, "2": 0, "3": -1, "5": 1}),
        (["true"], [True, False], ["true", "false"], {"true": 0, "false": 1}),
    ],
)
def test_order(raw: list[str], labels: object, names: list[str], index: dict[str, int]) -> None:
    assert order(column(list(raw)), labels) == (names, index)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "labels", "message"),
    [
        (["a", "a"], None, "found only 'a' to tell apart"),
        (["a", "b"], {"a": "x", "b": "x"}, "found only 'x'"),
        (["a", "b"], ["a", "b", "a"], "names a label twice"),
    ],
)
def test_order_refuses(raw: list[str], labels: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        order(column(list(raw)), labels)  # type: ignore[arg-type]


def test_unknown_label_is_named_with_its_origin() -> None:
    table = labelled(["neg", None, "postive", "pos"])
    known = r"the training labels \(neg, positive\); did you mean positive\?"
    with pytest.raises(DataError, match=rf"f:2: label 'postive' of val is not among {known}"):
        numbered(table, "label", {"neg": 0, "positive": 1}, "val", given=False)
    assert numbered(labelled(["neg", None]), "label", {"neg": 0, "pos": 1}, "val", given=False).to_pylist() == [0, None]


def test_missing_label_is_named_with_its_origin() -> None:
    with pytest.raises(DataError, match=r"f:1: no label in column 'y', as in 2 of 3 rows of train"):
        require(labelled(["a", None, None]), "label", "train", "y")
