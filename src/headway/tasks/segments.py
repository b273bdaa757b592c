"""Texts as segments of BERT's input: as many tokens as there is room for, or pairs of whole sentences.

A segment is ids without special tokens and, of each, the number of its word, from 0.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from headway.data.ahead import ahead
from headway.data.portions import Pieces, pieces
from headway.data.tokens import ROWS, encoder, separable

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n+")  # CJK sentences end without a space
Segment = tuple[list[int], list[int]]
Items = list[tuple[int, tuple[Segment, ...]]]  # each with the row of its document


def singles(tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str, room: int) -> Iterator[Items]:
    """Items of `room` tokens each, the last of a document of those that are left; some documents at a time."""
    encode = encoder(tokenizer, offsets=True, add_special_tokens=False)
    given = pieces(table, "text", f"encoding {split}", ROWS, separable(encode))
    ids: list[int] = []
    words: list[int] = []
    begun = False
    for some, found in ahead(lambda one: encode(one.texts), given):
        items: Items = []
        for one, row, last in zip(found, some.rows.tolist(), some.last.tolist(), strict=True):
            more, places = _pieces(one, words)
            ids, words = ids + more, words + places
            end = len(ids) if last else len(ids) // room * room
            starts = range(0, max(end, int(last and not begun)), room)
            items += [(row, (_rebased(ids[at : at + room], words[at : at + room]),)) for at in starts]
            ids, words, begun = ids[end:], words[end:], not last and (begun or end > 0)
        yield items


def pairs(tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str, room: int) -> Iterator[Items]:
    """Items of two segments that follow each other, each of as many sentences as `room` holds; a longer one is cut."""
    encode = encoder(tokenizer, offsets=True, add_special_tokens=False)
    given = map(_sentences, pieces(table, "text", f"encoding {split}", ROWS, _sentences_apart))
    ids: list[int] = []
    words: list[int] = []
    waiting: Segment | None = None
    for (some, sentences), encodings in ahead(lambda one: encode(list(chain(*one[1]))), given):
        items: Items = []
        found = iter(encodings)
        for row, own, last in zip(some.rows.tolist(), sentences, some.last.tolist(), strict=True):
            complete: list[Segment] = []
            for one in (next(found) for _ in own):
                if ids and len(ids) + len(one) > room:
                    complete.append((ids, words))
                    ids, words = [], []
                more, places = _pieces(one, words)
                ids, words = (ids + more)[:room], (words + places)[:room]
            if last and ids:
                complete.append((ids, words))
                ids, words = [], []
            complete = ([waiting] if waiting else []) + complete
            items += [(row, pair) for pair in zip(complete[::2], complete[1::2], strict=False)]
            waiting = complete[-1] if len(complete) % 2 and not last else None
        yield items


def _sentences(some: Pieces) -> tuple[Pieces, list[list[str]]]:
    """The blank that a piece of a longer text begins with parts two sentences, as all blanks between them do."""
    texts = (text if first else text[1:] for text, first in zip(some.texts, some.first.tolist(), strict=True))
    return some, [list(filter(None, SENTENCE_END.split(text))) for text in texts]


def _sentences_apart(one: str, _two: str) -> bool:
    """A blank comes next, so this is where sentences are parted."""
    return one.endswith((".", "!", "?"))


def _pieces(one: Any, before: list[int]) -> Segment:
    """ids of a text, and the numbers of their words behind those before; a typed [MASK] is the mask token."""
    base = before[-1] + 1 if before else 0
    return one.ids, [base + (word or 0) for word in one.word_ids]


def _rebased(ids: list[int], words: list[int]) -> Segment:
    return ids, [word - words[0] for word in words]
