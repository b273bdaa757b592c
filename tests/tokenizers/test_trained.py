"""Tokenizers trained on a run's own texts: the same in every process, and what they read they can write."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from headway.config.targets import static_signature
from headway.errors import ConfigError
from headway.models.pretrained import tokenizer_fingerprint
from headway.tokenizers.trained import ROLES, SPECIAL, Trained

KINDS = ("bpe", "wordpiece", "unigram", "word", "whitespace", "character", "byte")
STEMS = ["train", "tone", "nest", "stone", "rain", "strain", "note", "later", "alter", "relate", "testing"]
STEMS += ["restless", "señor", "naïve", "日本", "語"]


def texts() -> list[str]:
    """Words of which many are equally frequent: order is then all that could tell them apart."""
    draw = random.Random(0)
    endings = ["", "s", "ed", "ing", ".", ",", "!"]
    return [" ".join(draw.choice(STEMS) + draw.choice(endings) for _ in range(draw.randint(3, 12))) for _ in range(150)]


def trained(kind: Any, **options: Any) -> PreTrainedTokenizerFast:
    return Trained(kind, **{"vocab_size": 320, **options}).train(texts())


def fingerprints() -> list[str]:
    return [tokenizer_fingerprint(trained(kind, lowercase=lower)) for kind in KINDS for lower in (False, True)]


def test_equal_texts_give_equal_tokenizers_in_every_process() -> None:
    """Hash tables are ordered otherwise in each process, and threads add in any order."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_trained as t; print(*t.fingerprints())"
    for parallel in ("true", "false"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            env={**os.environ, "TOKENIZERS_PARALLELISM": parallel},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == fingerprints()


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_has_the_size_asked_for_and_the_special_tokens_first(kind: str) -> None:
    tokenizer = trained(kind)
    assert [tokenizer.convert_tokens_to_ids(token) for token in SPECIAL] == list(range(7))
    assert {name: getattr(tokenizer, name) for name in ROLES} == ROLES
    assert len(tokenizer) == (263 if kind == "byte" else len(set(tokenizer.get_vocab().values())))
    assert 8 < len(tokenizer) <= 320
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))  # no gaps: no rows without a piece


TEXTS = ["stone  later\n\ttesting, unseen ☃ words! ", "Ünïcode 🤗 日本語", " leading", "", "a\r\nb\u2028c\x00d"]


@pytest.mark.parametrize("kind", ["bpe", "byte"])
@pytest.mark.parametrize("text", TEXTS)
def test_pieces_of_bytes_give_any_text_back(kind: str, text: str) -> None:
    tokenizer = trained(kind)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id not in ids
    if kind == "byte":
        assert len(ids) == len(text.encode())


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "word", "whitespace", "character"])
def test_what_was_trained_on_comes_back(kind: str) -> None:
    for text in texts()[:20]:
        tokenizer = trained(kind, min_frequency=1)
        back = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
        if kind in ("unigram", "whitespace", "character"):
            assert back == text
        else:  # where a mark stood is not known any more, and words of BERT's sort are cut at ideographs
            assert "".join(back.split()) == "".join(text.split())


def test_unseen_characters_are_unknown_and_the_rest_stays() -> None:
    for kind in ("wordpiece", "unigram", "word", "whitespace", "character"):
        tokenizer = trained(kind)
        ids = tokenizer("stone ☃ rain", add_special_tokens=False)["input_ids"]
        assert ids.count(tokenizer.unk_token_id) == 1, kind
        assert "stone" in tokenizer.decode(ids), kind


def test_words_are_the_most_frequent_ones() -> None:
    tokenizer = Trained("word", vocab_size=10).train(["b b b c c c a a d.", "d. e"])
    assert tokenizer.convert_ids_to_tokens([7, 8, 9]) == ["b", "c", "."]  # equally frequent ones: by the alphabet
    assert Trained("whitespace", vocab_size=9).train(["d. d. d"]).convert_ids_to_tokens([7]) == ["d."]
    assert len(Trained("word", min_frequency=3).train(["b b b a a"])) == 8


def test_case_and_accents() -> None:
    text = "Stone Señor"
    assert (
        trained("bpe", lowercase=True).decode(trained("bpe", lowercase=True)(text)["input_ids"][1:-1]) == text.lower()
    )
    assert "stone senor" in trained("wordpiece", lowercase=True).decode(
        trained("wordpiece", lowercase=True)(text).input_ids
    )
    assert trained("bpe").decode(trained("bpe")(text)["input_ids"][1:-1]) == text


@pytest.mark.parametrize("kind", KINDS)
def test_framings(kind: Any) -> None:
    def pieces(asked: Any, *sides: str, framing: Any = "auto") -> tuple[list[str], list[int]]:
        tokenizer = Trained(kind, vocab_size=320, framing=framing).train(texts(), asked)
        out = tokenizer(*sides, return_token_type_ids=True)
        return tokenizer.convert_ids_to_tokens(out["input_ids"]), out["token_type_ids"]

    plain, _ = pieces("none", "rain")
    assert not set(plain) & set(SPECIAL)
    assert pieces("bert", "rain")[0] == ["[CLS]", *plain, "[SEP]"]
    both, kinds = pieces("bert", "rain", "rain")
    assert both == ["[CLS]", *plain, "[SEP]", *plain, "[SEP]"]
    assert kinds == [0] * (len(plain) + 2) + [1] * (len(plain) + 1)
    assert pieces("seq2seq", "rain")[0] == [*plain, "[EOS]"]
    assert pieces("seq2seq", "rain", framing="none")[0] == plain  # the user's word counts


def test_offsets_of_byte_pieces_leave_the_space_out() -> None:
    tokenizer = trained("bpe")
    text = "stone rain ☃"
    spans = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    assert spans[0][0] == 0
    assert all(not text[a:b].startswith(" ") for a, b in spans if text[a:b].strip())


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_is_the_same(kind: str, tmp_path: Path) -> None:
    tokenizer = trained(kind)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer_fingerprint(again) == tokenizer_fingerprint(tokenizer)
    assert {name: getattr(again, name) for name in ROLES} == ROLES
    text = "stone, rain  unseen"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.decode(again(text)["input_ids"]) == tokenizer.decode(tokenizer(text)["input_ids"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("some", [[], [""], ["a"], ["a b"]])
def test_next_to_no_text(kind: Any, some: list[str]) -> None:
    tokenizer = Trained(kind).train(some)
    assert tokenizer("")["input_ids"] == [2, 3]
    assert len(tokenizer("a b")["input_ids"]) >= 2


def test_the_key_changes_with_every_argument() -> None:
    others = [
        Trained("wordpiece"),
        Trained(vocab_size=9000),
        Trained(lowercase=True),
        Trained(min_frequency=3),
        Trained(framing="none"),
    ]
    keys = {json.dumps(options.key(), sort_keys=True) for options in [Trained(), *others]}
    assert len(keys) == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "morfessor"}, "tokenizer.kind=morfessor: choose one of bpe, wordpiece"),
        ({"vocab_size": 200}, "tokenizer.vocab_size=200: kind bpe needs 263 or more"),
        ({"kind": "word", "vocab_size": 7}, "tokenizer.vocab_size=7: kind word needs 8 or more"),
        ({"min_frequency": 0}, "tokenizer.min_frequency=0"),
        ({"framing": "gpt"}, "tokenizer.framing=gpt: choose one of auto, bert"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Trained(**options)
    assert str(caught.value).startswith(words)


def test_the_signature_names_every_kind() -> None:
    taken = static_signature("headway.tokenizers.trained.Trained")
    assert taken is not None
    assert all(f"'{kind}'" in taken.parameters["kind"].annotation for kind in KINDS)
    assert set(get_args(Trained.__annotations__["kind"])) == set(KINDS)
