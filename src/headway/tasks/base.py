"""What a task is: how examples become tokens, tokens a loss, and outputs predictions and metrics.

A new task is one file with a class of this shape and one YAML in conf/task/. N examples, B items of a batch, T tokens.
An item is what a batch is made of: an example, or one window or block of a long one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import Examples
from headway.models.base import ModelSource

Batch = dict[str, Tensor]
Moment = tuple[int, int]  # (seed, step): whatever is drawn for an item follows from these and its number
EVALUATION: Moment = (0, -1)  # every evaluation draws the same


@dataclass(frozen=True)
class Output:
    """Of one micro-batch. losses: each item's sum of loss terms, [B], or [B,K] for K losses that are averaged apart and
    then added. Not averaged here, so that any cut of a batch gives the same gradient. logits: what `rows` needs.
    """

    losses: Tensor
    logits: Any = None


@dataclass(frozen=True)
class Split:
    """What predictions are of. table [N]: prepared examples. encoded: its items. labels: class names, if any."""

    table: pa.Table
    encoded: Encoded
    tokenizer: PreTrainedTokenizerBase
    labels: list[str]


Columns = Mapping[str, Sequence[Any]]


class Task(Protocol):
    examples: Examples  # the kind of data it learns from
    monitor: str  # the metric that chooses the best checkpoint
    monitor_mode: str  # "max" or "min"
    measures: Sequence[str]  # the names of the metrics that `measure` returns, without the split before them
    framing: str  # what a tokenizer trained for it puts around a text: "bert" | "none" | "seq2seq"
    needs: str  # what kind of network, of `models.base.KINDS`
    max_length: int

    def settings(self) -> Mapping[str, Any]:
        """What the encoding depends on besides data and tokenizer: part of the cache's key."""

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        """Cut a prepared split into encoded chunks of a thousand examples or so. split: "train", "val", ..."""

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        """How many loss terms each item has, [B] or [B,K]: a loss is the sum of its terms over their number."""

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        """Items as tensors, padded to the longest of them."""

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        """The network; with `weights` false only its shapes, for a checkpoint to fill."""

    def loss(self, model: nn.Module, batch: Batch) -> Output: ...

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        """What is kept of an evaluated batch: plain values, one per item."""

    def decode(self, rows: Columns, split: Split) -> Columns:
        """Predictions: one per example, from the rows of all items in their order. Gold may be absent."""

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        """Metrics, a function of predictions and gold: scalars, and anything larger as plain data."""

    def gold(self, split: Split) -> Sequence[Any] | None:
        """What the prediction table shows beside each prediction; None where the task has none."""
