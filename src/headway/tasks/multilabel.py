"""Multi-label classification: any number of C labels for a text or a text pair. N examples, B batch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import MULTI_LABELLED
from headway.metrics.classification import multilabel
from headway.models.base import ModelSource, network
from headway.models.heads import SequenceClassifier
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.texts import encode_texts, text_batch


class MultiLabel:
    """Binary cross-entropy of each label, summed over labels.

    max_length: tokens kept, special tokens included. threshold: the probability from which a label is predicted.
    dropout: before the output layer.
    """

    examples = MULTI_LABELLED
    monitor = "val/f1_micro"
    monitor_mode = "max"
    measures = (*("exact_match", "f1_micro", "f1_macro", "precision_micro", "recall_micro", "roc_auc", "hamming"),)
    framing = "bert"
    needs = "backbone"

    def __init__(self, max_length: int = 256, threshold: float = 0.5, dropout: float = 0.1) -> None:
        self.max_length = max_length
        self.threshold = threshold
        self.dropout = dropout

    def settings(self) -> Mapping[str, Any]:
        return {"task": "multilabel", "max_length": self.max_length}

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        for batch, texts in encode_texts(tokenizer, table, split, self.max_length):
            rows = batch.column("label").to_pylist()
            chosen = [sorted({label for label in row or [] if label >= 0}) for row in rows]
            known = np.asarray([row is not None for row in rows], np.int64)
            yield Chunk({**texts.sequences, "labels": chosen}, {**texts.columns, "known": known})

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        known: Array = encoded.columns["known"][items]
        return known

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        # padded with -1, which the network's number of classes then drops
        chosen = torch.from_numpy(encoded.padded("labels", items, -1)[0])
        known = torch.from_numpy(encoded.columns["known"][items])
        return {**text_batch(encoded, items, pad), "chosen": chosen, "known": known}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        backbone = network(source, self.needs, tokenizer, weights=weights)
        return SequenceClassifier(backbone, len(labels), getattr(source, "pooling", "auto"), self.dropout)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        logits = model(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids")).float()
        gold = F.one_hot(batch["chosen"] + 1, logits.shape[1] + 1).amax(1)[:, 1:] if batch["chosen"].shape[1] else None
        gold = torch.zeros_like(logits) if gold is None else gold.to(logits.dtype)
        losses = F.binary_cross_entropy_with_logits(logits, gold, reduction="none").sum(-1)
        return Output(losses * batch["known"], logits)

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        return {"scores": output.logits.sigmoid().tolist()}  # [C] each, in the order of the run's label list

    def decode(self, rows: Columns, split: Split) -> Columns:
        scores = np.asarray(rows["scores"])
        chosen = [[split.labels[c] for c in np.flatnonzero(row > self.threshold)] for row in scores]
        return {"prediction": chosen, "loss": rows["loss"], "scores": rows["scores"]}

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        gold = np.zeros((len(split.table), len(split.labels)), np.int64)
        for row, labels in enumerate(split.table["label"].to_pylist()):
            gold[row, [label for label in labels if label >= 0]] = 1
        return multilabel(np.asarray(predictions["scores"]), gold, split.labels, self.threshold)

    def gold(self, split: Split) -> Sequence[Any]:
        rows = split.table["label"].to_pylist()
        return [None if row is None else [split.labels[i] for i in row if i >= 0] for row in rows]
