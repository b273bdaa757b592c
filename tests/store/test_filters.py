"""Text to syntax tree. What the tree means for runs: index/test_conditions.py."""

import pickle
import random

import pytest

from headway.store.filters import (
    MAX_DEPTH,
    MAX_TERMS,
    All,
    AnyOf,
    Compare,
    Exists,
    FilterError,
    Key,
    Not,
    Order,
    Search,
    Value,
    keys_of,
    parse,
    parse_key,
    parse_sort,
    unknown_key,
)


def field(name: str, at: int = 0) -> Key:
    return Key("field", name, at)


def test_the_example_of_the_docs() -> None:
    assert parse('config.optimizer.lr < 1e-4 and tag = "final" and status = finished') == All(
        (
            Compare(Key("config", "optimizer.lr", 0), "<", Value("1e-4", 22)),
            Compare(field("tag", 31), "=", Value("final", 37, quoted=True)),
            Compare(field("status", 49), "=", Value("finished", 58)),
        )
    )


def test_the_empty_filter_holds_for_all() -> None:
    assert parse(" ") == parse("") == All(())


def test_or_binds_less_than_and_than_not() -> None:
    one, two, three = (Search(Value(text, at)) for text, at in (("a", 0), ("b", 5), ("c", 15)))
    assert parse("a or b and not c") == AnyOf((one, All((two, Not(three)))))
    assert parse("(a or b) and c") == All(
        (AnyOf((Search(Value("a", 1)), Search(Value("b", 6)))), Search(Value("c", 13)))
    )


def test_texts_side_by_side_are_all_looked_for() -> None:
    assert parse('bert "large model"') == All((Search(Value("bert", 0)), Search(Value("large model", 5, quoted=True))))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("val/accuracy", Key("metric", "val/accuracy")),
        ("loss", Key("metric", "loss")),
        ("tags", field("tag")),
        ("config.a.b", Key("config", "a.b")),
        ('config."a b, (c)"', Key("config", "a b, (c)")),
        (r'metric."a \"b\" \\"', Key("metric", 'a "b" \\')),
        ('metric."odd.last".min', Key("metric", "odd.last", aggregate="min")),
        ('metric."odd.last"', Key("metric", "odd.last")),
        ("metric.val/loss.last", Key("metric", "val/loss", aggregate="last")),
        ("metric.seed", Key("metric", "seed")),
        ("last(val/loss)", Key("metric", "val/loss", aggregate="last")),
        ('last("a b")', Key("metric", "a b", aggregate="last")),
        ('MAX( metric."a b" )', Key("metric", "a b", aggregate="max")),
    ],
)
def test_keys(text: str, key: Key) -> None:
    assert parse_key(text) == key
    assert parse(f"{text} >= 2") == Compare(key, ">=", Value("2", len(text) + 4))


def test_negations_are_negations() -> None:
    assert parse("name != a") == Not(Compare(field("name"), "=", Value("a", 8)))
    assert parse("name !~ a") == Not(Compare(field("name"), "~", Value("a", 8)))
    assert parse("seed not in (1, 2)") == Not(
        AnyOf((Compare(field("seed"), "=", Value("1", 13)), Compare(field("seed"), "=", Value("2", 16))))
    )
    assert parse("not exists(config.a)") == Not(Exists(Key("config", "a", 11)))
    assert parse("seed==1") == parse("seed= 1")


def test_words_of_the_language_are_words_where_they_mean_nothing() -> None:
    assert parse("in") == Search(Value("in", 0))
    assert parse("min = 3") == Compare(Key("metric", "min"), "=", Value("3", 6))
    assert parse('name = "and"') == Compare(field("name"), "=", Value("and", 7, quoted=True))


def test_numbers_are_finite_and_quotes_make_texts() -> None:
    assert [Value(text).number for text in ("1e-4", "-2", "inf", "nan", "1_0", "x", "7d")] == [1e-4, -2, *[None] * 5]
    assert Value("16", quoted=True).number is None
    assert (Value("null").is_null, Value("null", quoted=True).is_null) == (True, False)


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("seed", 4, "expected an operator (= != < <= > >= ~ !~ in), found the end"),
        ("status finished", 7, "expected an operator"),
        ("seed = ", 7, "expected a value"),
        ("seed = and", 7, "expected a value"),
        ("(a or b", 7, "expected ) to close the bracket, found the end"),
        ("a)", 1, "expected `and`, `or` or the end, found )"),
        ("a and or b", 6, "expected a comparison or a text to look for, found or"),
        ("not", 3, "found the end"),
        ('name = "a', 7, "this quote is not closed"),
        ("seed ! 1", 5, "! is no operator"),
        ("last(seed) = 1", 5, "last() is of a metric; seed is none"),
        ("last(val/loss)", 14, "expected an operator"),
        ("exists(a", 8, "expected ) after the key"),
        ("seed in (1 2)", 11, "expected ) after the values, found 2"),
        ("seed in ()", 9, "expected a value"),
        ("config. = 1", 0, "config. needs a name after it, such as config.optimizer.lr"),
        ('a = "\ud800"', 5, "a lone surrogate"),
        ("(" * (MAX_DEPTH + 1), MAX_DEPTH, "more than 100 brackets"),
        ("not " * (MAX_DEPTH + 1) + "a", 400, "more than 100 brackets"),
        ("a " * (MAX_TERMS + 1), 1000, "more than 500 comparisons"),
        ("a" * 10_001, 10_000, "10001 characters; at most 10000"),
        ("last(" * 2000, 9, "expected"),
        ("x" * 500 + "=", 501, "expected a value"),
    ],
)
def test_errors_say_where(text: str, position: int, says: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse(text)
    assert says in raised.value.message
    assert raised.value.position == position
    assert str(raised.value) == f"{raised.value.message} (at character {position + 1})"
    assert "\n" not in str(raised.value)


def test_an_error_crosses_process_borders() -> None:
    copy = pickle.loads(pickle.dumps(FilterError("wrong", 3)))
    assert (copy.message, copy.position, str(copy)) == ("wrong", 3, "wrong (at character 4)")


def test_any_text_is_a_filter_or_a_filter_error() -> None:
    draw = random.Random(0)
    pieces = ["a", "seed", "config.", "metric.", '"', "'", "\\", "(", ")", ",", "=", "!", "<", "~", "in", "not", "and"]
    pieces += ["or", "exists", "last", " ", ".", "*", "7d", "\n", "\0", "é", "null", "-"]
    parsed = 0
    for _ in range(3000):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 12)))
        for take in (parse, parse_sort, parse_key):
            try:
                take(text)
                parsed += 1
            except FilterError as error:
                assert 0 <= error.position <= len(text)  # noqa: PT017
    assert parsed > 100


def test_sort_orders() -> None:
    assert parse_sort('-val/accuracy, created,-last(val/loss), -metric."a, b".min') == [
        Order(Key("metric", "val/accuracy", 1), True),
        Order(field("created", 15), False),
        Order(Key("metric", "val/loss", 24, "last"), True),
        Order(Key("metric", "a, b", 41, "min"), True),
    ]
    assert parse_sort("") == []
    assert parse_sort("-") == [Order(Key("metric", "-"), False)]
    for text, says in (("a b", "expected , between"), ("a,", "expected a field"), ("a," * 21, "more than 20")):
        with pytest.raises(FilterError, match=says):
            parse_sort(text)


def test_keys_of_a_tree() -> None:
    tree = parse("seed = 1 and (not val/loss < 2 or exists(config.a)) and word and name in (a, b)")
    assert [key.name for key in keys_of(tree)] == ["seed", "val/loss", "a", "name", "name"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("val/los", "no run has val/los; did you mean val/loss?"),
        ("lr", "no run has lr; did you mean config.optimizer.lr?"),
        ("config.lr", "no run has config.lr; did you mean config.optimizer.lr?"),
        ("sed", "no run has sed; did you mean seed?"),
        ("zzzz", "no run has zzzz"),
        ("x" * 9000, "no run has " + "x" * 59 + "…"),
    ],
)
def test_a_key_that_no_run_has(text: str, says: str) -> None:
    assert unknown_key(parse_key(text), ["optimizer.lr", "seed"], ["val/loss", "y" * 9000]).message == says
