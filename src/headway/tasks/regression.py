"""Regression: one number for a text or a text pair, such as how alike two sentences are. N examples, B batch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import SCORED
from headway.metrics.classification import regression
from headway.models.base import ModelSource, network
from headway.models.heads import SequenceClassifier
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.texts import encode_texts, text_batch


class Regression:
    """Squared error between the head's one output and the score of the column data.label.

    max_length: tokens kept, special tokens included. low, high: the range of the scores, which the network sees as 0 to
    1; null for both: scores as they are. dropout: before the output layer.
    """

    examples = SCORED
    monitor = "val/spearman"
    monitor_mode = "max"
    measures = ("pearson", "spearman", "mse", "mae")
    framing = "bert"
    needs = "backbone"

    def __init__(
        self, max_length: int = 256, low: float | None = None, high: float | None = None, dropout: float = 0.1
    ) -> None:
        if (low is None) != (high is None) or (low is not None and high is not None and low >= high):
            raise ValueError("low and high are both numbers, the first below the second, or both null")
        self.max_length = max_length
        self.low = 0.0 if low is None else low
        self.span = 1.0 if high is None else high - self.low
        self.dropout = dropout

    def settings(self) -> Mapping[str, Any]:
        return {"task": "regression", "max_length": self.max_length}

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        for batch, texts in encode_texts(tokenizer, table, split, self.max_length):
            scores = pc.cast(batch.column("label"), pa.float64()).to_numpy(zero_copy_only=False)
            yield Chunk(texts.sequences, {**texts.columns, "score": scores})  # NaN where there is none

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        return (~np.isnan(encoded.columns["score"][items])).astype(np.int64)

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        scores = (encoded.columns["score"][items] - self.low) / self.span
        return {**text_batch(encoded, items, pad), "scores": torch.from_numpy(scores.astype(np.float32))}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        backbone = network(source, self.needs, tokenizer, weights=weights)
        return SequenceClassifier(backbone, 1, getattr(source, "pooling", "auto"), self.dropout)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        found = model(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids")).float().squeeze(-1)
        return Output((found - batch["scores"]).square().nan_to_num(), found)

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        return {"prediction": (output.logits * self.span + self.low).tolist()}

    def decode(self, rows: Columns, split: Split) -> Columns:
        return {"prediction": rows["prediction"], "loss": rows["loss"]}

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        return regression(np.asarray(predictions["prediction"]), np.asarray(self.gold(split)))

    def gold(self, split: Split) -> Sequence[Any]:
        return split.table["label"].to_pylist()
