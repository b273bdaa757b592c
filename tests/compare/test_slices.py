"""Which slices there are: by label, length and metadata, words and conjunctions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from headway.compare.expressions import chosen, read_expression
from headway.compare.slices import Slice, candidates, described, tables

SIZE = 120


def labelled() -> dict[str, list[Any]]:
    draws = np.random.default_rng(0)
    texts = [
        " ".join(draws.choice(["the", "film", "is", "not", "good", "!"], length))
        for length in draws.integers(1, 9, SIZE)
    ]
    return {
        "id": [f"e{at:03}" for at in range(SIZE)],
        "text": texts,
        "gold": draws.choice(["pos", "neg"], SIZE).tolist(),
        "meta.domain": draws.choice(["news", 'a "web"', None], SIZE).tolist(),
        "meta.year": [str(year) for year in draws.integers(1990, 2020, SIZE)],
        "meta.source": [f"document {at}" for at in range(SIZE)],
        "prediction": ["pos"] * SIZE,
        "confidence": [0.5] * SIZE,
    }


def test_what_examples_are_described_by() -> None:
    columns = described({"text": ["It's new . ", "", "你好"], "pair": ["No!", "a b", ""], "gold": ["x"] * 3})
    assert columns["length"] == [7, 2, 2]
    assert columns["characters"] == [14, 3, 2]
    assert columns["word"][0] == ["!", "'", ".", "it", "new", "no", "s"]
    assert "label" not in columns, "a text to generate is no label"
    assert "prediction" not in described(labelled())


def test_labels_by_task() -> None:
    tagged = {"tokens": [["A", "B"], ["C"]], "gold": [["B-per", "I-per"], ["O"]], "prediction": [["O", "O"], ["O"]]}
    assert described(tagged)["label"] == [["per"], []]
    assert described(tagged)["text"] == ["A B", "C"]
    asked = {"question": ["Who ?"], "context": ["A did ."], "gold": [[]], "prediction": [""], "confidence": [1.0]}
    columns = described(asked)
    assert (columns["label"], columns["word"], columns["length"]) == (["no answer"], [["?", "who"]], [5])
    many = {"text": ["t"], "gold": [["a", "b"]], "prediction": [["a"]], "scores": [[0.1, 0.2]]}
    assert described(many)["label"] == [["a", "b"]]
    talk = {"messages": [[{"role": "user", "content": "Hello there"}]], "loss": [1.0], "tokens": [3]}
    assert described(talk)["length"] == [2]


def test_tables_part_the_examples() -> None:
    columns = described(labelled())
    found = {parts[0].family: parts for parts in tables(columns)}
    assert list(found) == ["label", "length", "meta.domain", "meta.year"], "meta.source tells every example apart"
    for parts in found.values():
        assert (np.sum([one.mask for one in parts], axis=0) == 1).all()
    assert [one.name for one in found["label"]] == ["label neg", "label pos"]
    assert [one.name for one in found["meta.domain"]] == ['domain a "web"', "domain news", "no domain"]
    assert len(found["meta.year"]) == len(found["length"]) == 4
    sizes = [one.mask.sum() for one in found["meta.year"]]
    assert max(sizes) < SIZE / 3


def test_few_numbers_are_values_and_equal_ones_share_a_bin() -> None:
    columns = {"length": [1] * 30 + [5], "meta.stars": [1, 2, 3] * 10 + [None]}
    lengths, stars = tables(columns)
    assert [one.name for one in lengths] == ["length 1", "length 5"]
    assert [one.name for one in stars] == ["stars 1", "stars 2", "stars 3", "no stars"]


def test_every_slice_is_what_its_expression_says() -> None:
    columns = described(labelled())
    own = [
        Slice(
            "slice",
            "long",
            "(length > 3 or domain = news)",
            chosen(read_expression("length > 3 or domain = news"), columns, SIZE),
        )
    ]
    found = candidates(columns, [one for parts in tables(columns, own) for one in parts])
    assert {one.family for one in found} == {"label", "length", "meta.domain", "meta.year", "slice", "word", "both"}
    for one in found:
        again = chosen(read_expression(one.expression), columns, SIZE)
        assert (again == one.mask).all(), one.expression
        assert 20 <= one.mask.sum() <= SIZE - 20


def test_no_slice_is_searched_twice_and_the_largest_are_kept() -> None:
    columns = described(labelled())
    atoms = [one for parts in tables(columns) for one in parts]
    found = candidates(columns, atoms)
    sides = {min(one.mask.tobytes(), (~one.mask).tobytes()) for one in found}
    assert len(sides) == len(found)
    assert sum(one.family == "label" for one in found) == 1, "of two labels one is all but the other"
    pairs = [one for one in found if one.parents]
    assert sizes(pairs) == sorted(sizes(pairs), reverse=True)
    assert {parent.family for one in pairs for parent in one.parents} >= {"length", "word"}
    assert all(one.parents[0].family != one.parents[1].family for one in pairs)
    fewer = candidates(columns, atoms, most=30)
    assert [one.name for one in fewer] == [one.name for one in found[:30]]


def sizes(found: Sequence[Slice]) -> list[int]:
    return [int(one.mask.sum()) for one in found]
