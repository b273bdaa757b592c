"""Texts longer than the model, in windows, and the way back from its pieces to words and characters.

Words are joined by spaces and tokenized as running text, and pieces find their words by their characters. BERT's
pieces are those of `is_split_into_words`; byte-level and SentencePiece tokenizers, which hang a space on the word
behind it, cut words as they did in pretraining, whether or not they were made with add_prefix_space.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import BatchEncoding, PreTrainedTokenizerBase

from headway.errors import ConfigError, DataError, ModelError

ROOM = 16  # pieces of context a window must have beside its question


@dataclass(frozen=True)
class Window:
    """T pieces of one example's words, framed as the tokenizer frames a text."""

    input_ids: list[int]  # [T]
    words: list[int]  # [T]: the word of each piece, -1 for special pieces and mere spaces
    first: list[bool]  # [T]: the word's first piece
    scored: list[bool]  # [T]: its first piece, in the one window where the word's tag is learnt and read


@dataclass(frozen=True)
class Aligned:
    """One example: every word is scored in exactly one window, except those of `missing`.

    missing: words that the tokenizer makes no piece of (empty, or of characters it drops, as BERT's does zero-width
    ones). No model sees them, so who reads predictions gives them the tag O, or the most frequent one.
    """

    windows: list[Window]
    missing: list[int]


@dataclass(frozen=True)
class QuestionWindow:
    """A question and T pieces' worth of its context, framed as the tokenizer frames a pair."""

    input_ids: list[int]  # [T]
    token_type_ids: list[int]  # [T]
    offsets: list[tuple[int, int]]  # [T]: characters start, end of the context, without outer spaces; else (-1, -1)
    sequences: list[int]  # [T]: 0 question, 1 context, -1 special


def windows(length: int, size: int, stride: int) -> list[tuple[int, int]]:
    """(start, stop) of windows of `size` tokens that cover 0..length; neighbours share `stride` tokens.

    The last is shifted back to be as long as the others, and so shares more. One shorter window where length < size.
    """
    if not 0 <= stride < size:
        raise ConfigError([f"windows of {size} tokens cannot share {stride}; make the stride less than the window"])
    count = 1 + max(0, -(-(length - size) // (size - stride)))
    starts = (min(number * (size - stride), max(0, length - size)) for number in range(count))
    return [(start, min(start + size, length)) for start in starts]


def align(
    tokenizer: PreTrainedTokenizerBase, tokens: Sequence[Sequence[str]], max_length: int, stride: int
) -> list[Aligned]:
    """Windows of at most max_length pieces, special ones included, over the words of each example.

    A word is scored where its first piece has most context, the lesser of that to its left and to its right (as in
    BERT's run_squad; the earlier window of equal ones). ConfigError: no room for `stride` beside the special pieces.
    """
    texts = [" ".join(words) for words in tokens]
    encoded = _encoded(tokenizer, texts)
    aligned = []
    for words, ids, special, offsets in zip(
        tokens, encoded["input_ids"], encoded["special_tokens_mask"], encoded["offset_mapping"], strict=True
    ):
        content = [place for place, mark in enumerate(special) if not mark]
        head, tail = _ends(content, len(ids))
        of_word = _words_of(offsets[head:tail], words)
        firsts = {word: at for at, word in reversed(list(enumerate(of_word))) if word >= 0}
        cuts = windows(tail - head, max_length - head - (len(ids) - tail), stride)
        chosen = {at: _most_context(at, cuts) for at in firsts.values()}
        before, after = head, len(ids) - tail
        parts = []
        for number, (start, stop) in enumerate(cuts):
            inside = range(start, stop)
            part = Window(
                input_ids=ids[:head] + ids[head + start : head + stop] + ids[tail:],
                words=[-1] * before + of_word[start:stop] + [-1] * after,
                first=[False] * before + [at in chosen for at in inside] + [False] * after,
                scored=[False] * before + [chosen.get(at) == number for at in inside] + [False] * after,
            )
            # a tokenizer that frames nothing makes nothing of no text, and no model reads nothing
            parts.append(part if part.input_ids else Window([tokenizer.pad_token_id or 0], [-1], [False], [False]))
        aligned.append(Aligned(parts, [word for word in range(len(words)) if word not in firsts]))
    return aligned


def question_windows(
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    contexts: Sequence[str],
    max_length: int,
    stride: int,
    origins: Sequence[str] | None = None,
) -> list[list[QuestionWindow]]:
    """Windows of at most max_length pieces over each context, the whole question in each.

    Beside a long question neighbours share half of the room there is, where that is less than `stride`. DataError, with
    its origin or its place in the list: a question that leaves less than ROOM pieces for the context.
    """
    encoded = _encoded(tokenizer, questions, contexts)
    found = []
    for place, context in enumerate(contexts):
        ids, types = encoded["input_ids"][place], encoded["token_type_ids"][place]
        sequences = [-1 if one is None else one for one in encoded.sequence_ids(place)]
        offsets = [
            _stripped(offset, context) if sequence == 1 else (-1, -1)
            for offset, sequence in zip(encoded["offset_mapping"][place], sequences, strict=True)
        ]
        head, tail = _ends([at for at, sequence in enumerate(sequences) if sequence == 1], len(ids))
        room = max_length - head - (len(ids) - tail)
        if room < ROOM:
            where = f"question {place}" if origins is None else f"{origins[place]}: the question"
            raise DataError(
                f"{where} is too long: it leaves {room} of {max_length} tokens for its context, {ROOM} are "
                "needed; shorten it or raise task.max_length"
            )
        found.append(
            [
                QuestionWindow(
                    input_ids=ids[:head] + ids[head + start : head + stop] + ids[tail:],
                    token_type_ids=types[:head] + types[head + start : head + stop] + types[tail:],
                    offsets=offsets[:head] + offsets[head + start : head + stop] + offsets[tail:],
                    sequences=sequences[:head] + sequences[head + start : head + stop] + sequences[tail:],
                )
                for start, stop in windows(tail - head, room, min(stride, room // 2))
            ]
        )
    return found


def _encoded(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], pairs: Sequence[str] | None = None
) -> BatchEncoding:
    if not tokenizer.is_fast:
        raise ModelError(
            f"{type(tokenizer).__name__} does not say which characters a piece stands for; tagging and question "
            "answering need a fast tokenizer (tokenizer.json)"
        )
    return tokenizer(
        list(texts),
        None if pairs is None else list(pairs),
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_token_type_ids=True,
        return_attention_mask=False,
        verbose=False,  # no word about texts longer than the model: they are cut here
    )


def _ends(content: list[int], length: int) -> tuple[int, int]:
    """Start and stop of the pieces `content` within `length`; where there are none, the end."""
    return (content[0], content[-1] + 1) if content else (length, length)


def _words_of(offsets: Sequence[tuple[int, int]], words: Sequence[str]) -> list[int]:
    """Per piece the word that holds its first character, the words being one space apart; -1 for mere spaces."""
    numbers, starts, stops = [], [], []
    place = 0
    for number, word in enumerate(words):
        if word:
            numbers.append(number)
            starts.append(place)
            stops.append(place + len(word))
        place += len(word) + 1
    found = []
    for start, stop in offsets:
        at = bisect_right(stops, start)  # the first word that ends behind the piece's start
        found.append(numbers[at] if at < len(numbers) and starts[at] < stop else -1)
    return found


def _most_context(at: int, cuts: Sequence[tuple[int, int]]) -> int:
    """The window in whose middle piece `at` lies most nearly, the earlier of equal ones."""
    holding = range(bisect_right(cuts, at, key=lambda cut: cut[1]), bisect_right(cuts, at, key=lambda cut: cut[0]))
    return max(holding, key=lambda number: min(at - cuts[number][0], cuts[number][1] - 1 - at))


def _stripped(offset: tuple[int, int], context: str) -> tuple[int, int]:
    """Without the space that byte-level pieces begin with; (-1, -1) for mere spaces, where no answer starts or ends."""
    start, stop = offset
    text = context[start:stop]
    kept = text.strip()
    start += len(text) - len(text.lstrip())
    return (start, start + len(kept)) if kept else (-1, -1)
