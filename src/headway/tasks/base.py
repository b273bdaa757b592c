"""What a task is: how examples become tokens, tokens a loss, and logits metrics and predictions.

A new task is one file with a class of this shape and one YAML in conf/task/. N examples, B batch, T tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from torch import Tensor, nn
from torchmetrics import MetricCollection
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.models.pretrained import Pretrained

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Output:
    """Of one micro-batch. losses [B] or [tokens]: not averaged, so that any cut of a batch gives the same gradient."""

    losses: Tensor
    logits: Tensor


class Task(Protocol):
    monitor: str  # the metric that chooses the best checkpoint
    monitor_mode: str  # "max" or "min"
    details: tuple[str, ...]  # metrics that are more than one number, such as a confusion matrix
    max_length: int

    def settings(self) -> Mapping[str, Any]:
        """What the encoding depends on besides data and tokenizer: part of the cache's key."""

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table) -> Iterator[Chunk]:
        """Cut a prepared split into encoded chunks of a thousand examples or so."""

    def weights(self, encoded: Encoded, indices: Array) -> float:
        """How many loss terms these examples have: a step's loss is the sum of its terms over this number."""

    def collate(self, encoded: Encoded, indices: Array, pad: int) -> Batch:
        """Examples as tensors, padded to the longest of them."""

    def model(self, pretrained: Pretrained, labels: list[str], *, weights: bool) -> nn.Module:
        """Backbone and head; with `weights` false only the shapes, for a checkpoint to fill."""

    def loss(self, model: nn.Module, batch: Batch) -> Output: ...

    def metrics(self, labels: list[str]) -> MetricCollection: ...

    def update(self, metrics: MetricCollection, output: Output, batch: Batch) -> None: ...

    def results(self, metrics: MetricCollection, labels: list[str]) -> tuple[dict[str, float], dict[str, Any]]:
        """Computed metrics: scalars for the history, and anything larger (a confusion matrix) as plain data."""

    def predictions(self, output: Output, batch: Batch, labels: list[str]) -> dict[str, Any]:
        """Columns of the prediction table beside id, text and gold: one value per example of the batch."""
