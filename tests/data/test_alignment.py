"""Windows of words and of contexts, on WordPiece, byte-level BPE and tokenizers that frame nothing."""

import itertools
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from headway.data.alignment import Aligned, QuestionWindow, align, question_windows, windows
from headway.errors import ConfigError, DataError

SENTENCE = "the story was good, and the acting is not very awful but it was a fine plot. 中文 naïve Ⅷ 1999"
TEXT = SENTENCE.split(" ")


def byte_level(*, prefix: bool = False, framed: bool = False) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" " + " ".join(TEXT)] * 3, trainer)
    if framed:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=prefix)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>")


def metaspace() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([" ".join(TEXT)] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<unk>")


@pytest.fixture(params=["bert", "gpt", "byte-level", "byte-level framed", "metaspace"])
def tokenizer(request: pytest.FixtureRequest, tiny_bert: Path, tiny_gpt: Path) -> PreTrainedTokenizerBase:
    match request.param:
        case "bert":
            return AutoTokenizer.from_pretrained(tiny_bert)
        case "gpt":
            return AutoTokenizer.from_pretrained(tiny_gpt)  # without a pad token
        case "metaspace":
            return metaspace()
    return byte_level(framed="framed" in request.param)


@pytest.mark.parametrize(
    ("length", "size", "stride", "expected"),
    [
        (10, 4, 1, [(0, 4), (3, 7), (6, 10)]),
        (11, 4, 1, [(0, 4), (3, 7), (6, 10), (7, 11)]),  # the last is shifted back
        (5, 4, 3, [(0, 4), (1, 5)]),
        (8, 4, 0, [(0, 4), (4, 8)]),
        (4, 4, 2, [(0, 4)]),
        (3, 4, 2, [(0, 3)]),
        (0, 4, 2, [(0, 0)]),
    ],
)
def test_windows(length: int, size: int, stride: int, expected: list[tuple[int, int]]) -> None:
    assert windows(length, size, stride) == expected


def test_windows_cover_everything_and_share_the_stride() -> None:
    for size in range(1, 9):
        for stride in range(size):
            for length in range(1, 40):
                cuts = windows(length, size, stride)
                assert sorted({at for cut in cuts for at in range(*cut)}) == list(range(length))
                assert all(stop - start == min(size, length) for start, stop in cuts)
                shared = [before[1] - after[0] for before, after in itertools.pairwise(cuts)]
                assert all(count == stride for count in shared[:-1])
                assert all(count >= stride for count in shared[-1:])
                assert len(set(cuts)) == len(cuts)


@pytest.mark.parametrize("stride", [-1, 4, 9])
def test_a_stride_of_the_window_is_refused(stride: int) -> None:
    with pytest.raises(ConfigError, match=rf"windows of 4 tokens cannot share {stride};"):
        windows(10, 4, stride)


def edge_of(tokenizer: PreTrainedTokenizerBase) -> int:
    return tokenizer.num_special_tokens_to_add() // 2


def check(example: Aligned, words: list[str], max_length: int, edge: int) -> None:
    """Each word is scored once, at its first piece, where it has most context between `edge` special pieces a side."""
    scored = [
        (number, at, window.words[at])
        for number, window in enumerate(example.windows)
        for at, mark in enumerate(window.scored)
        if mark
    ]
    assert sorted(word for _, _, word in scored) == [word for word in range(len(words)) if word not in example.missing]
    for window in example.windows:
        assert 1 <= len(window.input_ids) <= max_length
        assert len(window.input_ids) == len(window.words) == len(window.first) == len(window.scored)
        assert all(first or not mark for first, mark in zip(window.first, window.scored, strict=True))
        assert all(word >= 0 for word, first in zip(window.words, window.first, strict=True) if first)

    def context(number: int, at: int) -> int:
        return min(at - edge, len(example.windows[number].words) - 1 - edge - at)

    for number, at, word in scored:
        for other, window in enumerate(example.windows):
            for place, first in enumerate(window.first):
                if first and window.words[place] == word:
                    assert (context(number, at), -number) >= (context(other, place), -other)


@pytest.mark.parametrize(("max_length", "stride"), [(8, 2), (7, 0), (12, 8), (400, 16)])
def test_every_word_is_scored_once(tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int) -> None:
    examples = [TEXT * 3, ["good"], TEXT]
    for words, example in zip(examples, align(tokenizer, examples, max_length, stride), strict=True):
        check(example, words, max_length, edge_of(tokenizer))
        assert example.missing == []
        assert len(example.windows) == 1 or max_length < 400


def test_pieces_are_those_of_running_text(tokenizer: PreTrainedTokenizerBase) -> None:
    [window] = align(tokenizer, [TEXT], 400, 0)[0].windows
    assert window.input_ids == tokenizer(SENTENCE)["input_ids"]


def test_metaspace_pieces_are_those_of_the_tokenizers_words() -> None:
    tokenizer = metaspace()
    [window] = align(tokenizer, [TEXT], 400, 0)[0].windows
    pieces = tokenizer.convert_ids_to_tokens(window.input_ids)
    expected = tokenizer([SENTENCE]).word_ids(0)
    assert window.words == [
        -1 if piece == "▁" and at else word for at, (piece, word) in enumerate(zip(pieces, expected, strict=True))
    ]


def test_bert_pieces_are_those_of_is_split_into_words(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    words = [*TEXT, "don't", "C++", "\u200b", "New York", "x" * 150]
    expected = tokenizer([words], is_split_into_words=True)
    [window] = align(tokenizer, [words], 400, 0)[0].windows
    assert window.input_ids == expected["input_ids"][0]
    assert window.words == [-1 if word is None else word for word in expected.word_ids(0)]


def test_byte_level_pieces_are_those_of_add_prefix_space() -> None:
    """Pieces of a word carry the space before it, also where the tokenizer was made without add_prefix_space."""
    words = ["the", "story", "the", "中文", "was"]
    for prefix in (True, False):
        expected = byte_level(prefix=True)([words], is_split_into_words=True)
        [window] = align(byte_level(prefix=prefix), [words], 400, 0)[0].windows
        start = window.words.index(1)  # only the text's first word has no space before it
        at = expected.word_ids(0).index(1)
        assert window.input_ids[start:] == expected["input_ids"][0][at:]
        assert window.words[start:] == expected.word_ids(0)[at:]


def test_a_long_word_is_scored_where_it_begins(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    words = ["good", "qwertyuiopasdf", "plot"]  # one piece, fourteen, one
    [example] = align(tokenizer, [words], 8, 1)
    check(example, words, 8, 1)
    assert [sum(window.first) for window in example.windows] == [2, 0, 1]
    assert example.windows[1].words == [-1, 1, 1, 1, 1, 1, 1, -1]


@pytest.mark.parametrize("word", ["", "\u200b", "\ufeff", "\x00", "\u00ad", " ", "\u3000", "\ud7ff", "🏳️‍🌈"])
def test_words_of_no_piece_are_named(tokenizer: PreTrainedTokenizerBase, word: str) -> None:
    for words in (["good", word, "plot", word], [word], [word, "good"]):
        [example] = align(tokenizer, [words], 60, 0)
        check(example, words, 60, edge_of(tokenizer))
        assert set(example.missing) <= {at for at, text in enumerate(words) if text == word}
        if word == "":
            assert example.missing == [at for at, text in enumerate(words) if text == ""]
    if "bert" in tokenizer.name_or_path and word == "\u200b":
        assert example.missing == [0]


def test_no_words_are_one_window(tokenizer: PreTrainedTokenizerBase) -> None:
    [example] = align(tokenizer, [[]], 8, 2)
    assert example.missing == []
    [window] = example.windows
    assert window.input_ids == (tokenizer([""])["input_ids"][0] or [tokenizer.pad_token_id or 0])
    assert set(window.words) == {-1}
    assert not any(window.first)
    assert not any(window.scored)


def test_a_stride_without_room_beside_the_special_pieces_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ConfigError, match="windows of 6 tokens cannot share 6"):
        align(AutoTokenizer.from_pretrained(tiny_bert), [TEXT], 8, 6)


CONTEXT = " ".join(TEXT * 3)
QUESTION = "was the plot good?"


@pytest.mark.parametrize(("max_length", "stride"), [(60, 8), (52, 15), (600, 128)])
def test_question_windows_are_those_of_transformers(
    tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int
) -> None:
    """All but the last window, which transformers cuts short and which here is shifted back."""
    contexts = [CONTEXT, "good", CONTEXT[:90]]
    theirs = tokenizer(
        [QUESTION] * 3,
        contexts,
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    for place, found in enumerate(question_windows(tokenizer, [QUESTION] * 3, contexts, max_length, stride)):
        rows = [row for row, example in enumerate(theirs["overflow_to_sample_mapping"]) if example == place]
        assert len(rows) == len(found)
        for row, window in list(zip(rows, found, strict=True))[: None if len(rows) == 1 else -1]:
            assert window.input_ids == theirs["input_ids"][row]
            assert window.token_type_ids == theirs["token_type_ids"][row]
            assert window.sequences == [-1 if one is None else one for one in theirs.sequence_ids(row)]
        check_offsets(found, contexts[place])


def check_offsets(found: list[QuestionWindow], context: str) -> None:
    """The windows' characters are the context's, in order, without the spaces."""
    seen: set[int] = set()
    for window in found:
        assert len(window.input_ids) == len(window.offsets) == len(window.sequences) == len(window.token_type_ids)
        for (start, stop), sequence in zip(window.offsets, window.sequences, strict=True):
            if start == -1:
                assert stop == -1
                continue
            assert sequence == 1
            assert context[start:stop] == context[start:stop].strip() != ""
            seen.update(range(start, stop))
    assert seen >= {at for at, letter in enumerate(context) if not letter.isspace()}


def test_offsets_of_known_pieces(tiny_bert: Path) -> None:
    [[window]] = question_windows(AutoTokenizer.from_pretrained(tiny_bert), ["good?"], ["The  PLOT, ok"], 60, 0)
    none = (-1, -1)
    assert window.offsets == [none] * 4 + [(0, 3), (5, 9), (9, 10), (11, 12), (12, 13), none]
    assert window.token_type_ids == [0] * 4 + [1] * 6
    [[window]] = question_windows(byte_level(), ["a"], ["the  中"], 60, 0)
    assert window.offsets[-3:] == [(0, 3), none, (5, 6)]  # the piece between is a space


def test_a_question_that_fills_the_window_is_named(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    fits, too_long = "good " * 21, "good " * 22  # 40 less 3 special pieces less 16
    [found] = question_windows(tokenizer, [fits], [CONTEXT], 40, 12)
    check_offsets(found, CONTEXT)
    assert all(len(window.input_ids) == 40 for window in found)
    with pytest.raises(DataError, match=r"question 1 is too long: it leaves 15 of 40 tokens"):
        question_windows(tokenizer, [fits, too_long], [CONTEXT] * 2, 40, 12)


def test_an_empty_context_is_one_window(tokenizer: PreTrainedTokenizerBase) -> None:
    [[window]] = question_windows(tokenizer, [QUESTION], [""], 60, 8)
    assert window.input_ids == tokenizer([QUESTION], [""])["input_ids"][0]
    assert set(window.offsets) == {(-1, -1)}
