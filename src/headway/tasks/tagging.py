"""Token classification: one tag for each word, such as entities in BIO or BIOES, or parts of speech.

N examples, B windows, T pieces, W words, C tags.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.alignment import Window, align
from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import TAGGED
from headway.data.portions import portions
from headway.errors import DataError
from headway.metrics.tagging import scheme_of, tagging
from headway.models.base import ModelSource, network
from headway.models.heads import TokenClassifier
from headway.tasks.base import Batch, Columns, Moment, Output, Split

CHUNK = 1000  # sentences a tokenizer call
NONE = -100  # the tag of pieces that have no loss
DIGITS = 4  # of a confidence


class Tagging:
    """Cross-entropy of each word's tag at one of its pieces (Devlin et al. 2019, section 5.3).

    max_length: pieces of a window, special ones included. stride: pieces that neighbouring windows of a long text
    share; each word is learnt and read in the one window where it has most context. piece: the word's piece that
    carries its tag: "first", or "last" for models that read left to right and have not seen the word at its first.
    entities: tags are O and B-, I-, E-, S- with a type, and entities are counted; false: every tag for itself, measured
    by accuracy and macro F1. dropout: before the output layer.

    Words of characters that the tokenizer drops are seen by no model: they get O, and among plain tags the one most
    often given to the rest of their sentence, with a confidence of 0.
    """

    examples = TAGGED
    monitor_mode = "max"
    framing = "bert"
    needs = "backbone"

    def __init__(
        self,
        max_length: int = 128,
        stride: int = 32,
        piece: Literal["first", "last"] = "first",
        entities: bool = True,
        dropout: float = 0.1,
    ) -> None:
        if not 0 <= stride < max_length:
            raise ValueError(f"stride={stride}: must be from 0 to max_length - 1, here {max_length - 1}")
        if piece not in ("first", "last"):
            raise ValueError(f"piece={piece}: choose first or last")
        self.max_length, self.stride, self.piece = max_length, stride, piece
        self.entities, self.dropout = entities, dropout
        self.measures = ("precision", "recall", "f1", "f1_macro", "accuracy") if entities else ("f1_macro", "accuracy")
        self.monitor = "val/f1" if entities else "val/accuracy"

    def settings(self) -> Mapping[str, Any]:
        return {"task": "tagging", "max_length": self.max_length, "stride": self.stride, "piece": self.piece}

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        row = 0
        for batch in portions(table, f"encoding {split}", CHUNK):
            sentences = zip(*(batch.column(name).to_pylist() for name in ("tokens", "tags", "origin")), strict=True)
            aligned = align(tokenizer, batch.column("tokens").to_pylist(), self.max_length, self.stride)
            ids, words, tags, rows = [], [], [], []
            for (_, gold, origin), example in zip(sentences, aligned, strict=True):
                if gold is not None and min(gold, default=0) < 0:
                    raise DataError(f"{origin}: data.labels leaves out the tag of a word; rename it, to O perhaps")
                for window in example.windows:
                    places = self._places(window)
                    ids.append(window.input_ids)
                    words.append(places)
                    tags.append([NONE if word < 0 or gold is None else gold[word] for word in places])
                    rows.append(row)
                row += 1
            terms = [sum(tag != NONE for tag in window) for window in tags]
            columns = {"example": np.asarray(rows, np.int64), "terms": np.asarray(terms, np.int64)}
            yield Chunk({"input_ids": ids, "words": words, "tags": tags}, columns)

    def _places(self, window: Window) -> list[int]:
        """[T]: the word that each piece carries the tag of, else -1."""
        places = [-1] * len(window.words)
        for at in (at for at, scored in enumerate(window.scored) if scored):
            word = window.words[at]
            while self.piece == "last" and at + 1 < len(places) and window.words[at + 1] == word:
                at += 1
            places[at] = word
        return places

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        terms: Array = encoded.columns["terms"][items]
        return terms

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        ids, mask = encoded.padded("input_ids", items, pad)
        words, tags = encoded.padded("words", items, -1)[0], encoded.padded("tags", items, NONE)[0]
        arrays = {"input_ids": ids, "attention_mask": mask, "words": words, "tags": tags}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        if self.entities and scheme_of(set(labels)) == "plain":
            raise DataError(
                f"data.tags: {labels[0]!r} and the others are no tags of entities, which begin with B-, I-, E- or S-; "
                "for plain tags, such as parts of speech, set task.entities=false"
            )
        return TokenClassifier(network(source, self.needs, tokenizer, weights=weights), len(labels), self.dropout)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        logits = model(batch["input_ids"], batch["attention_mask"]).float()
        losses = F.cross_entropy(logits.flatten(0, 1), batch["tags"].flatten(), reduction="none", ignore_index=NONE)
        return Output(losses.view(batch["tags"].shape).sum(1), logits)

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        """Of each window, the words that it tags, their tags and the probabilities of these."""
        best = output.logits.softmax(-1).max(-1)
        scored = batch["words"] >= 0
        found = {"words": batch["words"], "tags": best.indices, "confidences": best.values}
        return {
            name: [row[chosen].tolist() for row, chosen in zip(values, scored, strict=True)]
            for name, values in found.items()
        }

    def decode(self, rows: Columns, split: Split) -> Columns:
        sizes = [len(tokens) for tokens in split.table["tokens"].to_pylist()]
        tags: list[list[int]] = [[-1] * size for size in sizes]
        confidences = [[0.0] * size for size in sizes]
        examples = split.encoded.examples.tolist()
        for example, *found in zip(examples, rows["words"], rows["tags"], rows["confidences"], strict=True):
            for word, tag, confidence in zip(*found, strict=True):
                tags[example][word] = tag
                confidences[example][word] = round(confidence, DIGITS)
        losses, terms = (np.bincount(examples, np.asarray(rows[name], float), len(sizes)) for name in ("loss", "terms"))
        return {
            "prediction": [self._named(sentence, split.labels) for sentence in tags],
            "confidence": confidences,
            "loss": (losses / np.maximum(terms, 1)).tolist(),  # nats a word
        }

    def _named(self, tags: list[int], labels: list[str]) -> list[str]:
        given = Counter(tag for tag in tags if tag >= 0)
        usual = "O" if self.entities or not given else labels[given.most_common(1)[0][0]]
        return [labels[tag] if tag >= 0 else usual for tag in tags]

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        scheme = scheme_of(set(split.labels)) if self.entities else "plain"
        values, details = tagging(list(predictions["prediction"]), self.gold(split), scheme)
        return {name: values[name] for name in self.measures}, details

    def gold(self, split: Split) -> list[Any]:
        rows = split.table["tags"].to_pylist()
        return [None if row is None else [split.labels[tag] for tag in row] for row in rows]
