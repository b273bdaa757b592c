"""Checks of data before training: near duplicates against exact similarity, planted shortcuts, balance by hand."""

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headway.data import checks, near, texts
from headway.data.checks import balance, check, warnings
from headway.data.columns import MESSAGES
from headway.data.examples import DIALOGUES, LABELLED, MULTI_LABELLED, QUESTIONS, TAGGED, TEXTS, Examples
from headway.data.near import Near, near_duplicates
from headway.data.prepare import prepare_tables
from headway.data.shortcuts import Part, Shortcut, gold_matrix, shortcuts
from headway.training.display import describe_facts


def column(rows: Sequence[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(rows, pa.large_string())])


def near_of(train: Sequence[str], other: Sequence[str]) -> Near:
    return near_duplicates([column(train)], {"val": [column(other)]})["val"]


def found(train: Sequence[str], other: Sequence[str]) -> dict[int, tuple[int, float]]:
    one = near_of(train, other)
    return {
        row: (at, similar) for row, at, similar in zip(one.rows.tolist(), one.train, one.jaccard.tolist(), strict=True)
    }


def shingles(text: str, size: int = 5, *, tokens: bool = False) -> set[Any]:
    units = text.casefold().split() if tokens else " ".join(text.casefold().split())
    return {tuple(units[i : i + size]) for i in range(max(len(units) - size + 1, 1))} if units else set()


def jaccard(one: set[Any], other: set[Any]) -> float:
    return len(one & other) / len(one | other)


def words(rng: random.Random, count: int, vocabulary: int = 5000) -> str:
    return " ".join(f"w{rng.randrange(vocabulary)}" for _ in range(count))


def edited(rng: random.Random, text: str, similar: float, *, tokens: bool) -> str:
    """The text with words replaced until its exact similarity is just above `similar`."""
    own, best = shingles(text, tokens=tokens), text.split()
    for at in rng.sample(range(len(best)), len(best)):
        tried = [*best]
        tried[at] = f"x{rng.randrange(10**4)}"
        if jaccard(own, shingles(" ".join(tried), tokens=tokens)) >= similar:
            best = tried
    return " ".join(best)


# --- near duplicates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "tokens"), [(40, False), (200, True)])
def test_planted_near_duplicates_are_found(length: int, tokens: bool) -> None:
    rng = random.Random(length)
    train = [words(rng, length) for _ in range(1500)]
    planted = {i: rng.randrange(len(train)) for i in range(150)}
    other = [edited(rng, train[at], 0.9, tokens=tokens) for at in planted.values()]
    other += [words(rng, length) for _ in range(150)]
    got = found(train, other)
    assert len(set(planted) & set(got)) > 0.95 * len(planted)
    assert set(got) <= set(planted)  # none in unrelated text
    assert all(got[i][0] == planted[i] for i in got)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_exact_similarity_of_all_pairs(seed: int) -> None:
    rng = random.Random(seed)
    train = [words(rng, rng.randint(1, 15), 50) for _ in range(120)]
    other = [words(rng, rng.randint(1, 15), 50) for _ in range(30)]
    for _ in range(120):
        text = rng.choice(train)
        at = rng.randrange(len(text))
        other.append(text[:at] + rng.choice(["", "x", "!!", " and"]) + text[at + rng.randint(0, 2) :])
    left, right = [shingles(text) for text in train], [shingles(text) for text in other]
    exact = [max(jaccard(one, mine) for one in left) for mine in right]
    got = found(train, other)
    assert set(got) == {i for i, similar in enumerate(exact) if similar >= near.THRESHOLD}
    assert {i: similar for i, (_, similar) in got.items()} == pytest.approx({i: exact[i] for i in got})
    assert np.all(np.diff(near_of(train, other).jaccard) <= 0)


def test_exact_repeats_are_not_counted_again() -> None:
    train = ["the same text word for word", "a text that has one more sign"]
    other = ["The same  text word for word", "a text that has one more sign."]
    assert sorted(found(train, other)) == [0, 1]
    skipped = near_duplicates([column(train)], {"val": [column(other)]}, {"val": np.array([True, False])})["val"]
    assert skipped.rows.tolist() == [1]
    assert skipped.checked == (2, 2)
    prepared = prepare_tables({"train": table(train, "ab"), "dev": table(other, "ab", "v.csv")})
    assert prepared.report["duplicates_across"][0]["count"] == 1
    assert prepared.report["checks"]["near_duplicates"][0]["count"] == 1


def test_repeated_signs_do_not_hide_a_text() -> None:
    text = "what a night that was, we shall never forget any of it and nor will they"
    assert 0 in found([text], [text + " " + "." * 400])


def test_chinese_has_no_blanks_and_is_compared_all_the_same() -> None:
    rng = random.Random(5)
    signs = [chr(0x4E00 + i) for i in range(2000)]
    train = ["".join(rng.choices(signs, k=120)) for _ in range(200)]
    other = [text[:60] + "好" + text[61:] for text in train[:20]] + ["".join(rng.choices(signs, k=120))]
    assert sorted(found(train, other)) == list(range(20))
    assert np.diff(texts.folded(["我们 like 它。"]).tokens[2]).tolist() == [5]


def test_rows_are_near_where_every_column_is() -> None:
    rng = random.Random(1)
    context = words(rng, 200)
    train = [column([context]), column(["who was the first king of the land"])]
    asked = [column([context + " x", context]), column(["who was the first king of the lands", "when did they meet"])]
    assert near_duplicates(train, {"val": asked})["val"].rows.tolist() == [0]


def test_very_long_texts_are_cut_and_slices_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(2)
    train = [words(rng, n) for n in (40_000, 300, 300, 2, 60)]
    other = [train[0] + " and more", train[1] + " x", words(rng, 300), train[4] + " x"]
    whole = near_of(train, other)
    assert sorted(whole.rows.tolist()) == [0, 1, 3]
    monkeypatch.setattr(near, "SLICE", 500)
    monkeypatch.setattr(near, "_BLOCK", 7)
    sliced = near_of(train, other)
    assert (sliced.rows.tolist(), sliced.train.tolist()) == (whole.rows.tolist(), whole.train.tolist())


@pytest.mark.parametrize(("train", "other"), [([], []), ([], ["a"]), (["a"], []), (["", ""], [""]), ([""], ["a"])])
def test_nothing_is_near_nothing(train: list[str], other: list[str]) -> None:
    assert len(near_of(train, other).rows) == 0


def test_many_alike_are_each_found_once() -> None:
    train = [f"the weather in town number {i} is fine and will stay so for days" for i in range(3000)]
    assert len(found(train, [text + "!" for text in train[:500]])) == 500


def test_a_sample_is_checked_above_the_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MOST_TEXTS", 10)
    rng = random.Random(3)
    train = [words(rng, 8) for _ in range(100)]
    one = near_of(train, [text + "." for text in train])
    assert one.checked == (10, 100)
    assert sorted(one.train.tolist()) == list(range(0, 100, 10))
    made = prepare_tables({"train": table(train, "ab" * 50), "dev": table([t + "." for t in train], "ab" * 50)})
    assert "a sample was checked: 10 texts of train and 100 texts of val" in made.report["checks"]["warnings"][0]


# --- shortcuts -------------------------------------------------------------------------------------------------------


def judged(train: tuple[list[str], list[int]], val: tuple[list[str], list[int]], labels: int = 2) -> list[Shortcut]:
    parts = [
        Part({"text": column(rows)}, gold_matrix(pa.chunked_array([pa.array(gold, pa.int32())]), range(labels)))
        for rows, gold in (train, val)
    ]
    return shortcuts(parts[0], {"val": parts[1]}, exclusive=True)["val"]


def drawn(seed: int, count: int, labels: int = 2) -> tuple[list[str], list[int]]:
    rng = random.Random(seed)
    return [words(rng, rng.randint(5, 20), 300) for _ in range(count)], [rng.randrange(labels) for _ in range(count)]


PLANTED = {
    "the first token of text": lambda text, label: f"{'first' if label else 'other'} {text}",
    "the last token of text": lambda text, label: f"{text} {'last' if label else 'other'}",
    "the length of text": lambda text, label: text + " more" * (30 * label),
    "the token 'leak' in text": lambda text, label: f"{text} leak {text}" if label else f"{text} {text}",
    "whether there are capitals, digits, question marks, non-ASCII in text": lambda text, label: (
        f"a {'É' if label else 'e'}t {text}"
    ),
}


@pytest.mark.parametrize("feature", PLANTED)
def test_planted_shortcuts_are_found(feature: str) -> None:
    train, val = drawn(1, 1000), drawn(2, 300)
    planted = [([PLANTED[feature](t, y) for t, y in zip(*part, strict=True)], part[1]) for part in (train, val)]
    one = {one.feature: one for one in judged(*planted)}[feature]
    assert one.gain > 0.9
    assert one.large
    assert one.accuracy > 0.95
    assert 0.4 < one.majority < 0.6


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("labels", [2, 7])
def test_random_labels_have_no_shortcut(seed: int, labels: int) -> None:
    result = judged(drawn(seed, 1000, labels), drawn(seed + 100, 300, labels), labels)
    assert result
    assert not any(one.large for one in result)
    assert all(abs(one.gain) < 0.2 for one in result)


def test_a_shortcut_that_holds_only_in_training_is_none() -> None:
    train, val = drawn(1, 1000), drawn(2, 300)
    train = ([f"{'first' if y else 'other'} {t}" for t, y in zip(*train, strict=True)], train[1])
    assert not any(one.large for one in judged(train, val))


def test_one_class_or_no_rows_have_no_shortcut() -> None:
    assert not any(one.large for one in judged((["a", "b"], [0, 0]), (["a"], [0])))
    assert judged(([], []), (["a"], [0])) == []
    assert judged((["a"], [0]), ([], [])) == []


def test_words_shared_by_a_pair() -> None:
    rng = random.Random(7)
    rows = []
    for _ in range(1200):
        text, label = words(rng, 12), rng.randrange(2)
        other = " ".join(rng.sample(text.split(), 9)) if label else words(rng, 9)
        rows.append({"text": text, "pair": other, "label": str(label), "origin": f"p.csv:{len(rows)}"})
    pairs = pa.Table.from_pylist(rows)
    result = prepare_tables({"train": pairs[:900], "dev": pairs[900:]}, pair="pair").report["checks"]
    (large,) = [one for one in result["shortcuts"] if one["large"]]
    assert large["feature"] == "the share of pair's tokens that text has"
    assert large["checked"] == {"train": 900, "val": 300}
    assert len(large["examples"]) == 5
    assert set(large["examples"][0]) == {"id", "origin"}
    assert "the share of pair's tokens that text has alone tells the label on 100.0% of val" in result["warnings"][0]


def test_a_token_for_one_of_several_labels() -> None:
    texts_, _ = drawn(3, 800)
    rng = random.Random(8)
    labels = [[name for name in "abc" if rng.random() < 0.4] for _ in texts_]
    given = [f"{text} tag-b" if "b" in own else text for text, own in zip(texts_, labels, strict=True)]
    rows = pa.table({"text": given, "label": labels, "origin": [f"f:{i}" for i in range(800)]})
    result = prepare_tables({"train": rows[:600], "dev": rows[600:]}, MULTI_LABELLED).report["checks"]
    (large,) = [one for one in result["shortcuts"] if one["large"]]
    assert (large["label"], large["accuracy"]) == ("b", 1.0)
    assert "alone tells whether the label is b on 100.0% of val" in " ".join(result["warnings"])


# --- balance ---------------------------------------------------------------------------------------------------------


def test_balance_by_hand() -> None:
    result = balance({"train": {"a": 900, "b": 100, "c": 0}, "val": {"a": 50, "b": 40, "c": 10}})
    assert result["splits"]["train"] == {"majority": "a", "share": 0.9, "absent": ["c"], "absent_count": 1}
    (shift,) = result["shifts"]
    assert shift["total_variation"] == 0.4
    assert (shift["unseen"], shift["unseen_count"]) == (["c"], 1)
    assert warnings({"balance": result}) == [
        "1 label of val is never in train: c",
        "the shares of labels differ between train and val by 40.0% (total variation; chance would give about "
        f"{shift['noise']:.1%})",
        "90.0% of the labels of train are a",
    ]


def test_the_noise_of_balance_is_what_samples_of_one_distribution_show() -> None:
    rng, shares = np.random.default_rng(0), np.array([0.5, 0.3, 0.2])
    drawn_ = [
        balance({s: dict(zip("abc", rng.multinomial(n, shares).tolist(), strict=True)) for s, n in sizes.items()})
        for sizes in [{"train": 500, "val": 100}] * 400
    ]
    shifts = [one["shifts"][0] for one in drawn_]
    assert np.mean([one["total_variation"] for one in shifts]) == pytest.approx(
        np.mean([one["noise"] for one in shifts]), rel=0.1
    )


def test_balance_of_nothing() -> None:
    assert balance({}) == {"exclusive": True, "splits": {}, "shifts": []}
    assert balance({"train": {}, "val": {}})["splits"] == {}
    assert warnings({"balance": balance({"train": {"a": 1}, "val": {"a": 0}})}) == [
        "100.0% of the labels of train are a"
    ]
    assert warnings({}) == []


def test_most_tokens_have_no_name_and_that_is_no_warning() -> None:
    assert warnings({"balance": balance({"train": {"O": 95, "B": 5}}, exclusive=False)}) == []


# --- all together ----------------------------------------------------------------------------------------------------


def table(rows: Sequence[str], labels: Sequence[str], name: str = "t.csv") -> pa.Table:
    origins = [f"{name}:{i + 2}" for i in range(len(rows))]
    return pa.table({"text": rows, "label": list(labels), "origin": origins})


def test_facts_are_plain_json_with_examples_and_sentences() -> None:
    rng = random.Random(9)
    train = [words(rng, 10) for _ in range(200)]
    val = [text + "." for text in train[:8]] + [words(rng, 10) for _ in range(20)]
    prepared = prepare_tables({"train": table(train, "ab" * 100), "dev": table(val, "ab" * 14, "v.csv")})
    result = prepared.report["checks"]
    json.dumps(result, allow_nan=False)
    (one,) = result["near_duplicates"]
    assert (one["splits"], one["count"], one["rows"], one["sampled"]) == (["train", "val"], 8, 28, False)
    assert one["checked"] == {"train": 200, "val": 28}
    assert len(one["examples"]) == 5
    example = one["examples"][0]
    assert example["origins"][0].removeprefix("t.") == example["origins"][1].removeprefix("v.")
    assert example["ids"][0] in prepared.splits["train"]["id"].to_pylist()
    assert result["warnings"] == checks.warnings(result)
    assert result["warnings"][0].startswith("8 texts of val are nearly the same as one of train")
    facts = {"data": {"fingerprint": "f" * 64, "labels": prepared.labels, **prepared.report}}
    assert f" data: {result['warnings'][0]}" in describe_facts(facts)


def test_the_same_examples_at_the_same_places_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    real = checks.near.near_duplicates
    monkeypatch.setattr(checks.near, "near_duplicates", lambda *given: looked.append(1) or real(*given))
    rows = [f"a long text about so many things that only its end tells it from others: {i}" for i in range(40)]

    def facts(labels: str = "ab" * 20, name: str = "once.csv") -> dict[str, Any]:
        found: dict[str, Any] = prepare_tables({"all": table(rows, labels, name)}).report["checks"]
        return found

    first = facts()
    assert (facts(), len(looked)) == (first, 1)
    assert facts(name="moved.csv")["near_duplicates"] != first["near_duplicates"], "it names the places of today"
    facts(labels="aabb" * 10)
    assert len(looked) == 3


def test_checks_can_be_turned_off_and_change_nothing_else() -> None:
    tables = {"all": table([f"text {i}" for i in range(50)], "ab" * 25)}
    with_them, without = prepare_tables(tables), prepare_tables(tables, checks=False)
    assert "checks" not in without.report
    assert with_them.fingerprint == without.fingerprint
    assert {**with_them.report, "checks": None} == {**without.report, "checks": None}


TALK = [[{"role": "user", "content": "how are you today, my friend"}, {"role": "assistant", "content": "fine"}]]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (LABELLED, {"text": ["a b c d e f g h"], "label": pa.array([0], pa.int32())}),
        (TEXTS, {"text": ["a b c d e f g h"]}),
        (TAGGED, {"tokens": pa.array([list("abcdefgh")], pa.list_(pa.string())), "tags": [[0] * 8]}),
        (QUESTIONS, {"question": ["who is it, then?"], "context": ["he is the one that was there"], "answers": [[]]}),
        (DIALOGUES, {"messages": pa.array(TALK, MESSAGES)}),
        (TEXTS, {"text": [""]}),
    ],
)
def test_every_kind_of_example_and_empty_splits(kind: Examples, columns: dict[str, Any]) -> None:
    rows = pa.table({"id": ["i"], **columns, "origin": ["o"]})
    for name in kind.present(rows):
        if rows[name].type == pa.string():
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.large_string()))
    exact = {"val": np.zeros(1, np.bool_), "test": np.zeros(0, np.bool_)}
    result = check({"train": rows, "val": rows, "test": rows[:0]}, kind, ["a", "b"], {}, exact)
    full = any(str(rows[name][0]) for name in kind.present(rows))
    assert [one["count"] for one in result["near_duplicates"]] == [int(full), 0]
    alone = check({"train": rows}, kind, ["a", "b"], {}, {})
    assert (alone["near_duplicates"], alone["shortcuts"], alone["warnings"]) == ([], [], [])
