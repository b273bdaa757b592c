"""Sequence classification of single texts and text pairs into C classes. B batch, T tokens."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.errors import DataError
from headway.models.heads import SequenceClassifier
from headway.models.pretrained import Pretrained
from headway.tasks.base import Batch, Output

CHUNK = 1000  # texts a tokenizer call: large enough for all its threads, small enough to hold in memory


class Classification:
    """Cross-entropy over the labels found in the training data.

    max_length: tokens kept of a text, special tokens included; of a pair the longer side is cut first.
    label_smoothing: Szegedy et al. 2016, section 7. dropout: before the output layer.
    """

    monitor = "val/accuracy"
    monitor_mode = "max"
    details = ("confusion",)

    def __init__(self, max_length: int = 256, label_smoothing: float = 0.0, dropout: float = 0.1) -> None:
        self.max_length = max_length
        self.label_smoothing = label_smoothing
        self.dropout = dropout

    def settings(self) -> Mapping[str, Any]:
        return {"task": "classification", "max_length": self.max_length}

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table) -> Iterator[Chunk]:
        pairs = "pair" in table.column_names
        for batch in table.to_batches(max_chunksize=CHUNK):
            texts = batch.column("text").to_pylist()
            seconds = batch.column("pair").to_pylist() if pairs else None
            pieces = tokenizer(
                texts,
                seconds,
                truncation=True,
                max_length=self.max_length,
                return_attention_mask=False,
                return_token_type_ids=pairs,
            )
            # a tokenizer that frames nothing makes nothing of an empty text, and no model reads nothing
            sequences = {"input_ids": [ids or [tokenizer.pad_token_id] for ids in pieces["input_ids"]]}
            if pairs:
                sequences["token_type_ids"] = [kinds or [0] for kinds in pieces["token_type_ids"]]
            yield Chunk(sequences, {"label": batch.column("label").to_numpy(zero_copy_only=False).astype(np.int64)})

    def weights(self, encoded: Encoded, indices: Array) -> float:
        return float(max(1, (encoded.columns["label"][indices] >= 0).sum()))

    def collate(self, encoded: Encoded, indices: Array, pad: int) -> Batch:
        input_ids, mask = encoded.padded("input_ids", indices, pad)
        batch = {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.from_numpy(encoded.columns["label"][indices]),
        }
        if "token_type_ids" in encoded.sequences:
            batch["token_type_ids"] = torch.from_numpy(encoded.padded("token_type_ids", indices, 0)[0])
        return batch

    def model(self, pretrained: Pretrained, labels: list[str], *, weights: bool) -> nn.Module:
        if len(labels) < 2:
            raise DataError(
                f"task=classification: needs two labels or more, the data has {labels or 'none'}; see data.label"
            )
        return SequenceClassifier(pretrained.backbone(weights=weights), len(labels), pretrained.pooling, self.dropout)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        logits = model(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids")).float()
        # ignore_index -1: a text to predict has no label, and no loss
        smoothing = self.label_smoothing if model.training else 0.0
        losses = F.cross_entropy(logits, batch["labels"], reduction="none", ignore_index=-1, label_smoothing=smoothing)
        return Output(losses, logits)

    def metrics(self, labels: list[str]) -> MetricCollection:
        classes = len(labels)
        return MetricCollection(
            {
                "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
                "f1_macro": MulticlassF1Score(classes, average="macro", validate_args=False),
                "f1_micro": MulticlassF1Score(classes, average="micro", validate_args=False),
                "precision_macro": MulticlassPrecision(classes, average="macro", validate_args=False),
                "recall_macro": MulticlassRecall(classes, average="macro", validate_args=False),
                "confusion": MulticlassConfusionMatrix(classes, validate_args=False),
            },
            # averages of one kind share their counts. Said, not found out at the first batch: under several devices a
            # rank without one would then exchange other things than the rest
            compute_groups=[["accuracy", "f1_micro"], ["f1_macro", "precision_macro", "recall_macro"], ["confusion"]],
        )

    def update(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(output.logits.argmax(-1), batch["labels"])

    def results(self, metrics: MetricCollection, labels: list[str]) -> tuple[dict[str, float], dict[str, Any]]:
        values = metrics.compute()
        confusion = values.pop("confusion").tolist()  # rows: gold, columns: predicted
        return {name: float(value) for name, value in values.items()}, {
            "confusion": {"labels": labels, "counts": confusion}
        }

    def predictions(self, output: Output, batch: Batch, labels: list[str]) -> dict[str, Any]:
        scores = output.logits.softmax(-1).cpu()
        confidence, index = scores.max(-1)
        return {
            "prediction": [labels[i] for i in index.tolist()],
            "confidence": confidence.tolist(),
            "loss": output.losses.tolist(),
            "scores": scores.tolist(),  # [C] each, in the order of the run's label list
        }
