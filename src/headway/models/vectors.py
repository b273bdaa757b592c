"""Embeddings of tokens, random or begun from a file of static word vectors. V rows, E width."""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.errors import ModelError

# of random rows, and about that of GloVe. Tied LSTM language models learn fastest with it: after 250 steps on Tiny
# Shakespeare the loss was 4.35, with 0.1 it was 4.48 and with torch's 1.0 4.60
STD = 0.25
WORD_STARTS = "Ġ▁"  # marks of byte-level and SentencePiece vocabularies: "Ġthe" is the word "the"


def embedding(
    tokenizer: PreTrainedTokenizerBase, width: int, vectors: str | None, freeze: bool, *, weights: bool
) -> nn.Embedding:
    """Random rows of N(0, 0.25²); with `weights`, those of words in the file `vectors` are the file's.

    No row is a padding row: padding is masked, and where it shares its token with the end of a text, that must learn.
    Raises: ModelError for a file that cannot be used, named by line.
    """
    if freeze and vectors is None:
        raise ModelError("model.freeze_vectors=true: there are no vectors to keep; give model.vectors a file")
    table = nn.Embedding(len(tokenizer), width)
    nn.init.normal_(table.weight, std=STD)
    if weights and vectors is not None:
        rows, values = read_vectors(Path(vectors).expanduser(), tokenizer.get_vocab(), width)
        with torch.no_grad():
            table.weight[torch.from_numpy(rows)] = torch.from_numpy(values)
    table.weight.requires_grad_(not freeze)
    return table


def read_vectors(path: Path, vocabulary: dict[str, int], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n] of the vocabulary and their vectors [n,E], from word2vec or GloVe text: `word number ... number`.

    A first line `count width` is a header; .gz is decompressed; of a word given twice the first counts.
    Raises: ModelError for a missing file, a line of another width or without numbers, or no word in common.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for token, row in vocabulary.items():
        rows_of[token.lstrip(WORD_STARTS) or token].append(row)
    rows: list[int] = []
    values: list[np.ndarray] = []
    for number, line in _lines(path):
        word, *fields = line.rsplit(" ", width)
        if number == 1 and len(line.split(" ")) == 2 and line.replace(" ", "").isdecimal() and width > 1:
            word, fields = "", line.split(" ")
            if int(fields[1]) == width:
                continue
            raise ModelError(f"{path}:1: vectors of width {fields[1]}; use them with model.embedding={fields[1]}")
        if len(fields) != width or (" " in word and _is_number(word.rpartition(" ")[2])):  # GloVe has words with spaces
            raise ModelError(
                f"{path}:{number}: {line.count(' ')} numbers after the word, wanted {width}; "
                "set model.embedding to the file's width (text format only, not word2vec's .bin)"
            )
        if wanted := rows_of.pop(word, None):
            try:
                vector = np.array(fields, dtype=np.float32)
            except ValueError:
                vector = np.array([np.nan], dtype=np.float32)
            if not np.isfinite(vector).all():
                raise ModelError(f"{path}:{number}: the vector of {word!r} is not all finite numbers; mend the line")
            rows += wanted
            values += [vector] * len(wanted)
    if not rows:
        raise ModelError(f"{path}: has none of the tokenizer's {len(vocabulary)} tokens; are the vectors of its words?")
    return np.array(rows), np.stack(values)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        # a word may hold broken UTF-8 (word2vec cuts them): it then is no token, and its line is passed over
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip(" \r\n")
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{path}:{number + 1}: cannot be read ({why}); model.vectors wants a text file") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
