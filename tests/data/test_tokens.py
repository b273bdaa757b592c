"""Texts encoded by the backend itself are those of the tokenizer around it; ahead is only sooner."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.data.ahead import ahead
from headway.data.tokens import encoder, flat, separable
from headway.models.locate import load_tokenizer

TEXTS = ["the film is good", "", "a very great story but the acting was poor", "ok"]


@pytest.mark.parametrize(
    "options", [{}, {"truncation": True, "max_length": 5}, {"add_special_tokens": False}, {"truncation": False}]
)
@pytest.mark.parametrize("pairs", [False, True])
def test_the_same_ids(tiny_bert: Path, options: dict[str, object], pairs: bool) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    tokenizer(["x"], padding="max_length", truncation=True, max_length=3)  # what was set before does not matter
    other = TEXTS[::-1] if pairs else None
    known = tokenizer(TEXTS, other, return_token_type_ids=True, **options)
    tokenizer(["x"], padding="max_length", truncation=True, max_length=3)
    found = encoder(tokenizer, **options)(list(zip(TEXTS, other, strict=True)) if other else TEXTS)
    for name, key in (("ids", "input_ids"), ("type_ids", "token_type_ids")):
        rows = flat(found, name)
        assert rows.sizes.tolist() == [len(row) for row in known[key]]
        assert rows.values.tolist() == [value for row in known[key] for value in row]


def test_texts_are_cut_where_their_tokens_stay(tiny_gpt: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_gpt))
    apart = separable(encoder(tokenizer, offsets=True, add_special_tokens=False))
    assert apart("the film", " is good")
    assert not apart("the fi", "lm is good")
    assert not apart("", " is good")


def test_work_is_in_order_and_not_far_ahead() -> None:
    given: list[int] = []
    threads: set[int] = set()

    def numbers() -> Iterator[int]:
        for number in range(20):
            given.append(number)
            yield number

    def work(number: int) -> int:
        threads.add(threading.get_ident())
        return number * number

    for number, made in ahead(work, numbers()):
        assert made == number * number
        assert len(given) <= number + 3
    assert len(given) == 20
    assert threading.get_ident() not in threads


def test_what_work_raises_is_raised_at_its_place() -> None:
    found = ahead(lambda number: 1 // number, [1, 0, 1])
    assert next(found) == (1, 1)
    with pytest.raises(ZeroDivisionError):
        next(found)
