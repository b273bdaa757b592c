"""Sequence to sequence: a text from a text, such as its translation or its summary. N examples, B batch, V vocabulary.

S source tokens, T target tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import PARALLEL
from headway.data.portions import portions
from headway.errors import ModelError
from headway.metrics.generation import generation
from headway.metrics.language import perplexity
from headway.models.base import ModelSource, network
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.decoding import Decoding, Request, generate, text_of

CHUNK = 1000  # examples a tokenizer call
SCORES = {"bleu": ("bleu",), "chrf": ("chrf",), "rouge": ("rouge_l", "rouge1", "rouge2")}


class SequenceToSequence:
    """Cross-entropy of every target token, its end included, given the source and the target before it.

    max_source_length, max_target_length: tokens kept of each, special tokens included; what is longer is cut at its
    end, and counted. Scores are always against the whole target. label_smoothing: share of the target distribution that
    is spread over the vocabulary in training (Szegedy et al. 2016, section 7); evaluation has none. prefix: put before
    each source, as T5 was trained ("translate English to German: ").
    metrics: of generated texts, from bleu, chrf and rouge; the first chooses the checkpoint; none: nothing is generated
    in evaluation, and the loss chooses. tokenize: sacreBLEU's name for how BLEU finds words.
    The rest: how evaluation and `headway predict` generate, see `decoding.Decoding`; max_new_tokens null: as many as
    max_target_length.
    Raises: ValueError.
    """

    examples = PARALLEL
    framing = "seq2seq"
    needs = "seq2seq"

    def __init__(
        self,
        max_source_length: int = 128,
        max_target_length: int = 128,
        label_smoothing: float = 0.1,
        prefix: str = "",
        metrics: Sequence[Literal["bleu", "chrf", "rouge"]] = ("bleu", "chrf"),
        tokenize: Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"] = "13a",
        max_new_tokens: int | None = None,
        beams: int = 1,
        length_penalty: float = 1.0,
        repetition_penalty: float = 1.0,
    ) -> None:
        if min(max_source_length, max_target_length) < 2 or not 0 <= label_smoothing < 1:
            raise ValueError("lengths must be 2 or more, and label_smoothing from 0 to below 1")
        self.max_source_length, self.max_target_length = max_source_length, max_target_length
        self.label_smoothing, self.prefix = label_smoothing, prefix
        self.metrics, self.tokenize = metrics, tokenize
        names = measured(metrics)
        self.measures = (*names, "perplexity")
        self.monitor, self.monitor_mode = (f"val/{names[0]}", "max") if names else ("val/loss", "min")
        self.decoding = Decoding(
            max_new_tokens or max_target_length,
            beams=beams,
            length_penalty=length_penalty,
            repetition_penalty=repetition_penalty,
        )
        lengths = {
            "max_source_length": max_source_length,
            "max_target_length": max_target_length,
            "max_new_tokens": self.decoding.max_new_tokens,
        }
        self.longest = max(lengths, key=lengths.__getitem__)  # the key to name where the model has no room for it
        self.max_length = lengths[self.longest]

    def settings(self) -> Mapping[str, Any]:
        return {
            "task": "seq2seq",
            "source": self.max_source_length,
            "target": self.max_target_length,
            "prefix": self.prefix,
        }

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        """Every target ends with the token that ends a text, also one that was cut."""
        end = end_of(tokenizer)
        for batch in portions(table.select(["text", "target"]), f"encoding {split}", CHUNK):
            targets = batch.column("target").to_pylist()
            sources, encodings = self._sources(tokenizer, batch.column("text").to_pylist())
            pieces = tokenizer(
                text_target=[target or "" for target in targets],
                truncation=True,
                max_length=self.max_target_length,
                return_attention_mask=False,
            )
            short = [
                bool(a.overflowing) + 2 * bool(b.overflowing) for a, b in zip(encodings, pieces.encodings, strict=True)
            ]
            yield Chunk(
                {
                    "input_ids": sources,
                    "target_ids": [_ended(ids, end, self.max_target_length) for ids in pieces["input_ids"]],
                },
                {
                    "given": np.asarray([target is not None for target in targets], np.int64),
                    "cut": np.asarray(short, np.int64),  # 1: the source, 2: the target, 3: both
                },
            )

    def _sources(self, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> tuple[list[list[int]], list[Any]]:
        pieces = tokenizer(
            [self.prefix + text for text in texts],
            truncation=True,
            max_length=self.max_source_length,
            return_attention_mask=False,
        )
        # a tokenizer that frames nothing makes nothing of an empty text, and no model reads nothing
        return [ids or [tokenizer.pad_token_id] for ids in pieces["input_ids"]], pieces.encodings

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        return encoded.sizes("target_ids", items) * encoded.columns["given"][items]

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        """input_ids, attention_mask [B,S]; target_ids [B,T]; scored [R], places in the flattened B*T: of all real
        target tokens, where a target is given."""
        source, mask = encoded.padded("input_ids", items, pad)
        target, target_mask = encoded.padded("target_ids", items, pad)
        target_mask *= encoded.columns["given"][items][:, None]
        scored = np.flatnonzero(target_mask)
        arrays = {"input_ids": source, "attention_mask": mask, "target_ids": target, "scored": scored}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        return network(source, self.needs, tokenizer, weights=weights)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        """Teacher forcing (Williams & Zipser 1989): the decoder reads the true target, one token behind."""
        target, at = batch["target_ids"], batch["scored"]
        with only(model, at):
            logits = model(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                decoder_input_ids=shifted(target, model.config.decoder_start_token_id),  # type: ignore
            ).logits
        logits = logits if logits.dim() == 2 else logits.flatten(0, 1)[at]
        smoothing = self.label_smoothing if model.training else 0.0
        losses = F.cross_entropy(logits.float(), target.flatten()[at], reduction="none", label_smoothing=smoothing)
        return Output(losses.new_zeros(target.numel()).index_copy(0, at, losses).view_as(target).sum(1))

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        if not self.metrics:
            return {}
        return {
            "generated": generate(model, {name: batch[name] for name in ("input_ids", "attention_mask")}, self.decoding)
        }

    def decode(self, rows: Columns, split: Split) -> Columns:
        """loss: nats per target token."""
        return generated(rows, [text_of(split.tokenizer, ids) for ids in rows.get("generated", ())])

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        values: dict[str, float] = {}
        details: dict[str, Any] = {}
        if self.metrics:
            values, details = generation(predictions["prediction"], self.gold(split), self.metrics, self.tokenize)
        values["perplexity"] = token_perplexity(predictions)
        cut = split.encoded.columns["cut"]
        details["cut"] = {"sources": int((cut & 1).sum()), "targets": int((cut & 2).sum() // 2)}
        return values, details

    def gold(self, split: Split) -> Sequence[Any]:
        return split.table["target"].to_pylist()

    def request(
        self, model: nn.Module, tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Request:
        """The text for one source."""
        return Request(self._sources(tokenizer, [row["text"]])[0][0], self.decoding.changed(options))


def measured(metrics: Sequence[str]) -> tuple[str, ...]:
    """The names of the numbers that these scores are. Raises: ValueError for an unknown one."""
    if unknown := [name for name in metrics if name not in SCORES]:
        raise ValueError(f"metrics: no {unknown[0]!r}; choose from {', '.join(SCORES)}")
    return tuple(number for name in metrics for number in SCORES[name])


def generated(rows: Columns, texts: list[str]) -> Columns:
    """Of each example its generated text, where any was generated, nats per token, and tokens."""
    return {
        **({"prediction": texts} if "generated" in rows else {}),
        "loss": (np.asarray(rows["loss"]) / np.maximum(rows["terms"], 1)).tolist(),
        "tokens": [int(count) for count in rows["terms"]],
    }


def token_perplexity(predictions: Columns) -> float:
    """Of each example's mean loss and number of tokens: over all tokens once."""
    tokens = np.asarray(predictions["tokens"])
    return perplexity(float((np.asarray(predictions["loss"]) * tokens).sum()), int(tokens.sum()), 0)["perplexity"]


@contextmanager
def only(model: nn.Module, at: Tensor) -> Iterator[None]:
    """The output layer, the dearest part of many models, computes some of its rows. at: places in the flattened B*T.

    Where it is not known, or while the model is compiled, it computes all of them.
    """
    layer = None if torch.compiler.is_compiling() else model.get_output_embeddings()  # type: ignore[operator]
    if layer is None:
        yield
        return
    hook = layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].flatten(0, 1)[at], *inputs[1:]))
    try:
        yield
    finally:
        hook.remove()


def shifted(target_ids: Tensor, start: int) -> Tensor:
    """[B,T] -> what the decoder reads to predict them: the start token, then all but the last. [B,T]"""
    return torch.cat([torch.full_like(target_ids[:, :1], start), target_ids[:, :-1]], dim=1)


def end_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends a text. Raises: ModelError if there is none."""
    for found in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        if found is not None:
            return int(found)
    raise ModelError("tokenizer: has no token that ends a text; choose another, such as tokenizer=bpe")


def _ended(ids: list[int], end: int, limit: int) -> list[int]:
    return ids if ids[-1:] == [end] else [*ids[: limit - 1], end]
