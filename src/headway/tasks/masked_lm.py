"""Masked language modelling, with or without next-sentence prediction, as BERT was trained. (Devlin et al. 2019)

N documents, B items, T tokens, M masked tokens of a batch, V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.draws import Bits, draws, uniform
from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import TEXTS
from headway.errors import DataError, ModelError
from headway.metrics.language import masked
from headway.models.base import ModelSource, network
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.segments import pairs, singles

TOP = 5  # tokens named for each mask that somebody typed
TRIES = 16  # to find a segment of another document
TOKENS = 1 + TRIES  # of an item's numbers the first for its tokens; those before are for its second segment
LAST = np.uint64(2**64 - 1)  # sorts behind all bits that are drawn


@dataclass(frozen=True)
class Drawn:
    """A batch as a step sees it. ids [B,T]: with tokens hidden. lengths, second [B]: where an item ends, where its
    second segment begins. masked, targets [M]: places in [B*T] of tokens to predict, and what they are. terms [B]: how
    many count. scored [B]: whether an item counts, not where masks were typed. apart [B]: 1 where the second segment is
    from another document.
    """

    ids: Array
    lengths: Array
    second: Array
    masked: Array
    targets: Array
    terms: Array
    scored: Array
    apart: Array


class Segment(NamedTuple):
    """The first or second segments of a batch: whose tokens they have, where they start and stop, [B] each."""

    side: str
    items: Array
    start: Array
    stop: Array


class MaskedLanguageModelling:
    """Cross-entropy of hidden tokens given all others, and of whether the second segment follows the first.

    max_length: tokens of an item, special tokens included. rate: share of tokens to predict; of those 80 % are hidden,
    10 % replaced by a random token and 10 % left as they are (Devlin et al. 2019, section 3.1). Which ones follows from
    seed, step and item, so that they differ from epoch to epoch (Liu et al. 2019, section 4.1).
    whole_words: the pieces of a word are chosen together. next_sentence: an item is two segments of whole sentences;
    half of the time the second is taken from another document (Devlin et al. 2019, section 3.1, task 2).
    """

    examples = TEXTS
    monitor = "val/loss"
    monitor_mode = "min"
    framing = "bert"
    needs = "masked_lm"

    def __init__(
        self, max_length: int = 128, rate: float = 0.15, whole_words: bool = False, next_sentence: bool = False
    ) -> None:
        if max_length < 8 or not 0 < rate < 1:
            raise ValueError("max_length must be 8 or more, and rate above 0 and below 1")
        self.max_length, self.rate = max_length, rate
        self.whole_words, self.next_sentence = whole_words, next_sentence
        self._last: tuple[Any, Array, Drawn] | None = None
        self.measures = ("mlm_loss", "mlm_accuracy", "perplexity", *(("nsp_accuracy",) if next_sentence else ()))

    def settings(self) -> Mapping[str, Any]:
        return {"task": "mlm", "max_length": self.max_length, "next_sentence": self.next_sentence}

    # --- encoding: what does not change from step to step --------------------------------------------------------

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        if tokenizer.mask_token_id is None or tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise ModelError("task=masked_lm: the tokenizer has no mask, cls or sep token; choose tokenizer=wordpiece")
        facts = {
            "mask": tokenizer.mask_token_id,
            "cls": tokenizer.cls_token_id,
            "sep": tokenizer.sep_token_id,
            "vocabulary": len(tokenizer),
        }
        found = 0
        room = self.max_length - 2 if not self.next_sentence else (self.max_length - 3) // 2
        sides = ("first", "second") if self.next_sentence else ("first",)
        for items in (pairs if self.next_sentence else singles)(tokenizer, table, split, room):
            sequences: dict[str, list[list[int]]] = {}
            for at, side in enumerate(sides):
                sequences[f"{side}_ids"] = [segments[at][0] for _, segments in items]
                sequences[f"{side}_words"] = [segments[at][1] for _, segments in items]
            found += len(items)
            yield Chunk(sequences, {"example": np.asarray([row for row, _ in items], np.int64)}, facts)
        if not found:
            raise DataError(f"task=masked_lm: no document of {split} has two sentences; set task.next_sentence=false")

    # --- batches: what is drawn for this step --------------------------------------------------------------------

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        """[B] tokens to predict; with next_sentence [B,2], the second column for the segments' order."""
        counts = self._drawn(encoded, items, moment).terms
        return np.stack([counts, np.ones_like(counts)], 1) if self.next_sentence else counts

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        drawn = self._drawn(encoded, items, moment)
        longest = drawn.ids.shape[1]
        mask = np.arange(longest) < drawn.lengths[:, None]
        arrays = {
            "input_ids": np.where(mask, drawn.ids, pad),
            "attention_mask": mask.astype(np.int64),
            "masked": drawn.masked,
            "targets": drawn.targets,
            "scored": drawn.scored,
        }
        if self.next_sentence:
            kinds = mask & (np.arange(longest) >= drawn.second[:, None])
            arrays |= {"token_type_ids": kinds.astype(np.int64), "apart": drawn.apart}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _drawn(self, encoded: Encoded, items: Array, moment: Moment) -> "Drawn":
        """A batch as this step sees it; what is drawn for an item follows from (seed, step, item) alone.

        The last batch is kept, as its terms and its tensors are asked for one after the other.
        """
        kept, key = self._last, (encoded.folder, moment)
        if kept is None or kept[0] != key or not np.array_equal(kept[1], items):
            self._last = kept = (key, items, self._draw(encoded, items, moment))
        return kept[2]

    def _draw(self, encoded: Encoded, items: Array, moment: Moment) -> "Drawn":
        own = draws(moment[0] << 32 | moment[1] + 1, items)  # each item's generator
        others = _others(encoded, items, own) if self.next_sentence else items
        second = encoded.sizes("first_ids", items) + 2
        lengths = second + encoded.sizes("second_ids", others) + 1 if self.next_sentence else second
        rows, places = np.arange(len(items)), np.arange(int(lengths.max(initial=2)))
        segments = [Segment("first", items, np.ones_like(second), second - 1)]
        if self.next_sentence:
            segments.append(Segment("second", others, second, lengths - 1))
        ids = _laid(encoded, "ids", segments, places)
        real, mask = ids >= 0, encoded.facts["mask"]
        ids[:, 0] = encoded.facts["cls"]
        ids[rows, second - 1] = ids[rows, lengths - 1] = encoded.facts["sep"]
        bits = draws(own[:, None], TOKENS + places)
        wanted = np.maximum(np.rint(self.rate * real.sum(1)).astype(np.int64), 1)
        if self.whole_words:
            hidden = _words(_laid(encoded, "words", segments, places), bits, wanted)
        else:
            last = np.sort(np.where(real, bits, LAST), axis=1)[rows, wanted - 1]
            hidden = real & (bits <= last[:, None])  # exactly `wanted`: no two of an item's numbers are equal
        typed = ids == mask
        scored = ~typed.any(1)  # where somebody wants masks filled, nothing is known of what they hide
        hidden &= scored[:, None]
        asked, at, flat = np.flatnonzero(hidden | typed), np.flatnonzero(hidden), ids.reshape(-1)
        targets = flat[asked] * hidden.reshape(-1)[asked]
        fate, random = uniform(draws(bits.reshape(-1)[at, None], np.arange(2))).T
        replaced = np.where(fate < 0.9, (random * encoded.facts["vocabulary"]).astype(np.int64), flat[at])
        flat[at] = np.where(fate < 0.8, mask, replaced)
        apart = (others != items).astype(np.int64)
        return Drawn(ids, lengths, second, asked, targets, hidden.sum(1), scored, apart)

    # --- the network and what comes of it -------------------------------------------------------------------------

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        return network(source, self.needs, tokenizer, weights=weights, next_sentence=self.next_sentence)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        found = model(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids"), at=batch["masked"])
        logits = found.logits.float()
        losses = F.cross_entropy(logits, batch["targets"], reduction="none")
        owner = batch["masked"] // batch["input_ids"].shape[1]
        sums = torch.zeros(len(batch["input_ids"]), device=losses.device).index_add(0, owner, losses) * batch["scored"]
        if not self.next_sentence:
            return Output(sums, (logits, owner, None))
        apart = found.seq_relationship_logits.float()
        order = F.cross_entropy(apart, batch["apart"], reduction="none")
        return Output(torch.stack([sums, order], 1), (logits, owner, apart))

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        logits, owner, apart = output.logits
        right = (logits.argmax(-1) == batch["targets"]).long()
        correct = torch.zeros(len(batch["input_ids"]), dtype=torch.long, device=right.device).index_add(0, owner, right)
        rows: dict[str, Sequence[Any]] = {"correct": (correct * batch["scored"]).tolist()}
        if apart is not None:
            rows["in_order"] = (apart.argmax(-1) == batch["apart"]).long().tolist()
        best = [[] for _ in range(len(correct))] if batch["scored"].all() else _best(logits, owner, len(correct))
        return {**rows, "best": best}

    def decode(self, rows: Columns, split: Split) -> Columns:
        """Of each document: tokens to predict, those predicted, their mean loss; what fills masks that were typed."""
        examples, size = split.encoded.examples, len(split.table)
        losses, terms = (np.asarray(rows[name], np.float64).reshape(len(examples), -1) for name in ("loss", "terms"))
        columns: dict[str, Any] = {"masked": _summed(examples, terms[:, 0], size).astype(int).tolist()}
        columns["correct"] = _summed(examples, rows["correct"], size).astype(int).tolist()
        columns["loss"] = (_summed(examples, losses[:, 0], size) / np.maximum(columns["masked"], 1)).tolist()
        if self.next_sentence:
            columns["pairs"] = _summed(examples, terms[:, 1], size).astype(int).tolist()
            columns["in_order"] = _summed(examples, rows["in_order"], size).astype(int).tolist()
        if any(rows["best"]):
            filled: list[list[Any]] = [[] for _ in range(size)]
            for row, found in zip(examples.tolist(), rows["best"], strict=True):
                filled[row] += [
                    [{"token": split.tokenizer.convert_ids_to_tokens(i), "score": score} for i, score in one]
                    for one in found
                ]
            columns["prediction"] = [[one[0]["token"] for one in masks] for masks in filled]
            columns["best"] = filled
        return columns

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        total = int(np.sum(predictions["masked"]))
        loss = float(np.dot(predictions["loss"], predictions["masked"]))
        found = masked(int(np.sum(predictions["correct"])), total, loss)
        values = {
            "mlm_loss": found["loss"],
            "mlm_accuracy": found["accuracy"],
            "perplexity": float(np.exp(found["loss"])),
        }
        if self.next_sentence:
            values["nsp_accuracy"] = float(np.sum(predictions["in_order"]) / np.sum(predictions["pairs"]))
        return values, {"masked": {"tokens": total}}

    def gold(self, split: Split) -> None:
        return None


def _laid(encoded: Encoded, kind: str, segments: Sequence[Segment], places: Array) -> Array:
    """ids or words of the segments' tokens where a batch has them, [B,T]; -1 elsewhere."""
    laid = np.full((len(segments[0].items), len(places)), -1)
    for side, items, start, stop in segments:
        name = f"{side}_{kind}"
        where = (places >= start[:, None]) & (places < stop[:, None])
        laid[where] = encoded.sequences[name][((encoded.offsets[name][items] - start)[:, None] + places)[where]]
    return laid


def _others(encoded: Encoded, items: Array, own: Bits) -> Array:
    """Half of the items; for the others one of another document, or of the same where TRIES find no other. [B]"""
    numbers = uniform(draws(own[:, None], np.arange(TOKENS)))
    tries = (numbers[:, 1:] * len(encoded)).astype(np.int64)
    foreign = encoded.examples[tries] != encoded.examples[items][:, None]
    foreign[:, -1] = True
    return np.where(numbers[:, 0] < 0.5, tries[np.arange(len(items)), foreign.argmax(1)], items)


def _words(words: Array, bits: Bits, wanted: Array) -> Array:
    """Which tokens to predict, [B,T]: words [B,T] in the order of the bits of their first tokens, the first one and
    those after it that leave no more than `wanted` [B] tokens together.
    """
    real, rows = words >= 0, np.arange(len(words))[:, None]
    begins = real.copy()
    begins[:, 1:] &= words[:, 1:] != words[:, :-1]
    counts = np.diff(np.flatnonzero(begins[real]), append=np.count_nonzero(real))
    sizes = np.zeros_like(words)
    sizes[begins] = counts
    order = np.argsort(np.where(begins, bits, LAST), axis=1)
    sizes = sizes[rows, order]
    room = np.maximum(wanted[:, None], sizes[:, :1])
    left, taken = sizes > 0, np.zeros_like(real)
    while left.any():  # again, without the words that are too long for what is left
        fits = left & (np.cumsum(sizes * left, axis=1) <= room)
        taken |= fits
        room = room - (sizes * fits).sum(1, keepdims=True)
        left &= ~fits & (sizes <= room)
    chosen, hidden = np.zeros_like(real), np.zeros_like(real)
    chosen[rows, order] = taken
    hidden[real] = np.repeat(chosen[begins], counts)
    return hidden


def _best(logits: torch.Tensor, owner: torch.Tensor, items: int) -> list[list[list[tuple[int, float]]]]:
    """Of each item, for each of its masks, the likeliest tokens."""
    scores, ids = logits.softmax(-1).topk(min(TOP, logits.shape[-1]))
    found: list[list[list[tuple[int, float]]]] = [[] for _ in range(items)]
    for item, row_ids, row_scores in zip(owner.tolist(), ids.tolist(), scores.tolist(), strict=True):
        found[item].append(list(zip(row_ids, [round(score, 6) for score in row_scores], strict=True)))
    return found


def _summed(examples: Array, values: Any, size: int) -> Array:
    """Sums over the items of each document, [N]."""
    return np.bincount(examples, np.asarray(values, np.float64), size)
