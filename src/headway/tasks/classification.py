"""Sequence classification of single texts and text pairs into C classes. N examples, B batch, T tokens."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import LABELLED
from headway.errors import DataError
from headway.metrics.classification import multiclass
from headway.models.base import ModelSource, network
from headway.models.heads import SequenceClassifier
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.texts import encode_texts, text_batch


class Classification:
    """Cross-entropy over the labels found in the training data.

    max_length: tokens kept of a text, special tokens included; of a pair the longer side is cut first.
    label_smoothing: Szegedy et al. 2016, section 7. dropout: before the output layer.
    """

    examples = LABELLED
    monitor = "val/accuracy"
    monitor_mode = "max"
    measures = (
        *("accuracy", "f1_macro", "f1_micro", "precision_macro", "recall_macro"),
        *("mcc", "roc_auc", "calibration_error"),
    )
    framing = "bert"
    needs = "backbone"

    def __init__(self, max_length: int = 256, label_smoothing: float = 0.0, dropout: float = 0.1) -> None:
        self.max_length = max_length
        self.label_smoothing = label_smoothing
        self.dropout = dropout

    def settings(self) -> Mapping[str, Any]:
        return {"task": "classification", "max_length": self.max_length}

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        for batch, texts in encode_texts(tokenizer, table, split, self.max_length):
            labels = batch.column("label").to_numpy(zero_copy_only=False).astype(np.int64)
            yield Chunk(texts.sequences, {**texts.columns, "label": labels})

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        return (encoded.columns["label"][items] >= 0).astype(np.int64)

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        return {**text_batch(encoded, items, pad), "labels": torch.from_numpy(encoded.columns["label"][items])}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        if len(labels) < 2:
            raise DataError(
                f"task=classification: needs two labels or more, the data has {labels or 'none'}; see data.label"
            )
        backbone = network(source, self.needs, tokenizer, weights=weights)
        return SequenceClassifier(backbone, len(labels), getattr(source, "pooling", "auto"), self.dropout)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        logits = model(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids")).float()
        # ignore_index -1: a text to predict has no label, and no loss
        smoothing = self.label_smoothing if model.training else 0.0
        losses = F.cross_entropy(logits, batch["labels"], reduction="none", ignore_index=-1, label_smoothing=smoothing)
        return Output(losses, logits)

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        return {"scores": output.logits.softmax(-1).tolist()}  # [C] each, in the order of the run's label list

    def decode(self, rows: Columns, split: Split) -> Columns:
        scores = np.asarray(rows["scores"])
        best = scores.argmax(-1)
        return {
            "prediction": [split.labels[i] for i in best],
            "confidence": scores.max(-1).tolist(),
            "loss": rows["loss"],
            "scores": rows["scores"],
        }

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        return multiclass(np.asarray(predictions["scores"]), split.table["label"].to_numpy(), split.labels)

    def gold(self, split: Split) -> Sequence[Any]:
        return [split.labels[i] if i >= 0 else None for i in split.table["label"].to_pylist()]
