"""Masked language modelling, with or without next-sentence prediction, as BERT was trained. (Devlin et al. 2019)

N documents, B items, T tokens, M masked tokens of a batch, V vocabulary.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import TEXTS
from headway.errors import DataError, ModelError
from headway.metrics.language import masked
from headway.models.base import ModelSource, network
from headway.tasks.base import Batch, Columns, Moment, Output, Split

CHUNK = 256  # documents a tokenizer call
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n+")  # CJK sentences end without a space
TOP = 5  # tokens named for each mask that somebody typed


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
        found, row = 0, 0
        for batch in table.select(["text"]).to_batches(max_chunksize=CHUNK):
            items: dict[str, list[list[int]]] = {"first_ids": [], "first_words": []}
            if self.next_sentence:
                items |= {"second_ids": [], "second_words": []}
            rows: list[int] = []
            for text in batch.column("text").to_pylist():
                for segments in self._items(tokenizer, text):
                    for side, (ids, words) in zip(("first", "second"), segments, strict=False):
                        items[f"{side}_ids"].append(ids)
                        items[f"{side}_words"].append(words)
                    rows.append(row)
                row += 1
            found += len(rows)
            yield Chunk(items, {"example": np.asarray(rows, np.int64)}, facts)
        if not found:
            raise DataError(f"task=masked_lm: no document of {split} has two sentences; set task.next_sentence=false")

    def _items(
        self, tokenizer: PreTrainedTokenizerBase, text: str
    ) -> Iterator[tuple[tuple[list[int], list[int]], ...]]:
        """Of each item its one or two segments: ids without special tokens, and the number of each id's word."""
        if not self.next_sentence:
            room = self.max_length - 2
            ids, words = _pieces(tokenizer, text)
            for at in range(0, max(len(ids), 1), room):
                part = words[at : at + room]
                yield ((ids[at : at + room], [word - part[0] for word in part]),)
            return
        segments = list(self._segments(tokenizer, text))
        yield from zip(segments[::2], segments[1::2], strict=False)

    def _segments(self, tokenizer: PreTrainedTokenizerBase, text: str) -> Iterator[tuple[list[int], list[int]]]:
        """Whole sentences, as many as half of an item holds; a longer sentence is cut."""
        room = (self.max_length - 3) // 2
        ids: list[int] = []
        words: list[int] = []
        for sentence in filter(None, SENTENCE_END.split(text)):
            more, places = _pieces(tokenizer, sentence)
            if ids and len(ids) + len(more) > room:
                yield ids, words
                ids, words = [], []
            base = words[-1] + 1 if words else 0
            ids, words = (ids + more)[:room], (words + [base + place for place in places])[:room]
        if ids:
            yield ids, words

    # --- batches: what is drawn for this step --------------------------------------------------------------------

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        """[B] tokens to predict; with next_sentence [B,2], the second column for the segments' order."""
        drawn = [self._drawn(encoded, int(item), moment) for item in items]
        counts = np.asarray([len(one["targets"]) if one["scored"] else 0 for one in drawn], np.int64)
        return np.stack([counts, np.ones_like(counts)], 1) if self.next_sentence else counts

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        drawn = [self._drawn(encoded, int(item), moment) for item in items]
        longest = max(len(one["ids"]) for one in drawn)
        ids = np.full((len(drawn), longest), pad, np.int64)
        mask, kinds = np.zeros_like(ids), np.zeros_like(ids)
        for row, one in enumerate(drawn):
            ids[row, : len(one["ids"])] = one["ids"]
            mask[row, : len(one["ids"])] = 1
            kinds[row, one["first"] : len(one["ids"])] = 1
        arrays = {
            "input_ids": ids,
            "attention_mask": mask,
            "masked": np.concatenate([row * longest + one["places"] for row, one in enumerate(drawn)]),
            "targets": np.concatenate([one["targets"] for one in drawn]),
            "scored": np.asarray([one["scored"] for one in drawn]),
        }
        if self.next_sentence:
            arrays |= {"token_type_ids": kinds, "apart": np.asarray([one["apart"] for one in drawn], np.int64)}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _drawn(self, encoded: Encoded, item: int, moment: Moment) -> dict[str, Any]:
        """One item as this step sees it. ids [T], places and targets [M]; all from (seed, step, item) alone."""
        seed, step = moment
        draw = np.random.Generator(np.random.Philox(key=[seed, step + 1], counter=[0, item, 0, 0]))
        mask, cls, sep = (encoded.facts[name] for name in ("mask", "cls", "sep"))
        first, words = _cut(encoded, "first", item)
        edge, boundary, apart = np.asarray([-1]), len(first) + 2, 0
        ids, groups = [np.asarray([cls]), first, np.asarray([sep])], [edge, words, edge]
        if self.next_sentence:
            other = _elsewhere(encoded, item, draw) if draw.random() < 0.5 else item
            second, more = _cut(encoded, "second", other)
            ids, groups = [*ids, second, np.asarray([sep])], [*groups, more + len(words), edge]
            apart = int(other != item)
        whole, group = np.concatenate(ids).astype(np.int64), np.concatenate(groups).astype(np.int64)
        given = np.flatnonzero(whole == mask)
        if len(given):  # typed by somebody who wants them filled: nothing is known of what they hide
            targets = np.zeros(len(given), np.int64)
            return {
                "ids": whole,
                "places": given,
                "targets": targets,
                "first": boundary,
                "apart": apart,
                "scored": False,
            }
        places = self._chosen(group, draw)
        targets = whole[places]
        fate = draw.random(len(places))
        random = draw.integers(0, encoded.facts["vocabulary"], len(places))
        whole[places] = np.where(fate < 0.8, mask, np.where(fate < 0.9, random, targets))
        return {"ids": whole, "places": places, "targets": targets, "first": boundary, "apart": apart, "scored": True}

    def _chosen(self, group: Array, draw: np.random.Generator) -> Array:
        """Which places to predict: at least one; whole words only as long as they do not exceed the rate."""
        real = np.flatnonzero(group >= 0)
        wanted = max(1, round(self.rate * len(real))) if len(real) else 0
        if not self.whole_words:
            return np.sort(draw.permutation(real)[:wanted])
        chosen: list[int] = []
        for word in draw.permutation(np.unique(group[real])):
            pieces = np.flatnonzero(group == word).tolist()
            if not chosen or len(chosen) + len(pieces) <= wanted:
                chosen += pieces
            if len(chosen) >= wanted:
                break
        return np.sort(np.asarray(chosen, np.int64))

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


def _pieces(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[int]]:
    """ids of a text without framing, and the number of each one's word; a typed [MASK] is the mask token."""
    found = tokenizer(text, add_special_tokens=False, return_attention_mask=False)
    words = [-1 if word is None else word for word in found.word_ids()]
    return list(found["input_ids"]), [max(word, 0) for word in words]


def _cut(encoded: Encoded, side: str, item: int) -> tuple[Array, Array]:
    ids = np.asarray(encoded.cut(f"{side}_ids", item), np.int64)
    return ids, np.asarray(encoded.cut(f"{side}_words", item), np.int64)


def _elsewhere(encoded: Encoded, item: int, draw: np.random.Generator) -> int:
    """An item of another document; of the same one where there is no other."""
    examples = encoded.examples
    for _ in range(16):
        other = int(draw.integers(len(examples)))
        if examples[other] != examples[item]:
            break
    return other


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
