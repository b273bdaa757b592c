"""Slices written by the user: the filter language over columns of examples."""

from typing import Any

import numpy as np
import pytest

from headway.compare.expressions import chosen, contains, read_expression
from headway.store.filters import FilterError

COLUMNS: dict[str, list[Any]] = {
    "id": ["a", "b", "c", "d"],
    "text": ["It is NOT good", "a film", "50 % off", None],
    "length": [4, 2, 3, 0],
    "meta.domain": ["news", "web", None, "news"],
    "meta.year": ["2001", "1999", "unknown", "2010"],
    "meta.old": [True, False, True, None],
    "label": [["x", "y"], ["y"], [], ["z"]],
    "a.confidence": [0.5, 0.9, float("nan"), 0.1],
}


def of(text: str) -> list[int]:
    return np.flatnonzero(chosen(read_expression(text), COLUMNS, 4)).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2, 3]),
        ("length > 2", [0, 2]),
        ("length >= 2 and length <= 3", [1, 2]),
        ('text ~ "not"', [0]),
        ('text !~ "not"', [1, 2, 3]),
        ("text ~ is*good", [0]),
        ("text ~ good*is", []),
        ("film", [1]),
        ("domain = news", [0, 3]),
        ("meta.domain != news", [1, 2]),
        ("domain in (web, news)", [0, 1, 3]),
        ("domain not in (web, news)", [2]),
        ("exists(domain)", [0, 1, 3]),
        ("domain = null", [2]),
        ("year > 2000", [0, 3]),
        ("year >= 1999", [0, 1, 3]),
        ('year = "1999"', [1]),
        ("old = true", [0, 2]),
        ("label = y", [0, 1]),
        ("label = null", [2]),
        ("not label = y and not domain = null", [3]),
        ("length = 4 or (label = z and id = d)", [0, 3]),
        ("a.confidence < 0.6", [0, 3]),
        ("exists(a.confidence)", [0, 1, 3]),
    ],
)
def test_what_it_holds_for(text: str, rows: list[int]) -> None:
    assert of(text) == rows


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("lenght > 2", "slice lenght > 2: examples have no lenght; did you mean length?", 0),
        ("length > 2 and domian = x", "did you mean meta.domain?", 15),
        ("config.lr > 2", "there are id, text, length", 0),
        ("length > two", "length is compared with a number", 9),
        ("length ~ 2", "length is compared with a number", 9),
        ("old = 1", "old is compared with true or false", 6),
        ("label > x", "label holds several values each", 8),
        ("text < null", "null can only be compared", 7),
        ("length > 2 and", "expected a comparison", 14),
        ("long=length > > 2", "expected a value", 14),
        ("text = ( x", "expected a value", 7),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str, position: int) -> None:
    with pytest.raises(FilterError, match=f"^slice .*{message.split('; ')[-1].replace('?', '.')}") as error:
        of(text)
    assert message.rpartition(": ")[2] in error.value.message
    assert error.value.position == position


def test_a_slice_may_have_a_name() -> None:
    named = read_expression("long = length > 3")
    assert (named.name, named.text) == ("long", "length > 3")
    plain = read_expression(" label=y ")
    assert (plain.name, plain.text) == ("label=y", "label=y")


def test_a_pattern_of_many_wildcards_is_found_in_linear_time() -> None:
    assert not contains("a" * 100_000, "*a" * 1000 + "*b")
