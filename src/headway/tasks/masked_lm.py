"""Masked language modelling, with or without next-sentence prediction, as BERT was trained. (Devlin et al. 2019)

N documents, B items, T tokens, M masked tokens of a batch, V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import TEXTS
from headway.data.texts import spread
from headway.errors import DataError, ModelError
from headway.metrics.language import masked
from headway.models.base import ModelSource, network
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.segments import pairs, singles

TOP = 5  # tokens named for each mask that somebody typed


@dataclass(frozen=True)
class Drawn:
    """A batch as a step sees it. ids [B,T]: with tokens hidden. lengths, second [B]: where an item ends, where its
    second segment begins. rows, places, targets [M]: of the tokens to predict. scored [B]: whether an item counts, not
    where masks were typed. apart [B]: 1 where the second segment is from another document.
    """

    ids: Array
    lengths: Array
    second: Array
    rows: Array
    places: Array
    targets: Array
    scored: Array
    apart: Array


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
        drawn = self._drawn(encoded, items, moment)
        counts = np.bincount(drawn.rows, minlength=len(items)) * drawn.scored
        return np.stack([counts, np.ones_like(counts)], 1) if self.next_sentence else counts

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        drawn = self._drawn(encoded, items, moment)
        longest = drawn.ids.shape[1]
        mask = np.arange(longest) < drawn.lengths[:, None]
        arrays = {
            "input_ids": np.where(mask, drawn.ids, pad),
            "attention_mask": mask.astype(np.int64),
            "masked": drawn.rows * longest + drawn.places,
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
        bits = np.random.Philox(key=[moment[0], moment[1] + 1])
        fresh, draw = bits.state, np.random.Generator(bits)
        vocabulary, others = encoded.facts["vocabulary"], items.copy()
        chosen, fates, randoms = [], [], []
        for at, item in enumerate(items.tolist()):
            fresh["state"]["counter"][:] = (0, item, 0, 0)
            bits.state = fresh  # a tenth of the time of a new generator
            if self.next_sentence and draw.random() < 0.5:
                others[at] = _elsewhere(encoded, item, draw)
            places = self._chosen(encoded, item, int(others[at]), draw)
            chosen.append(places)
            fates.append(draw.random(len(places)))
            randoms.append(draw.integers(0, vocabulary, len(places)))
        ids, second, lengths = self._framed(encoded, items, others)
        rows, places = np.repeat(np.arange(len(items)), [len(one) for one in chosen]), np.concatenate(chosen)
        mask, fate, random = encoded.facts["mask"], np.concatenate(fates), np.concatenate(randoms)
        typed, where = np.nonzero(ids == mask)
        scored = np.ones(len(items), np.bool_)
        if len(typed):  # by somebody who wants them filled: nothing is known of what they hide
            scored[typed] = False
            drawn = scored[rows]
            rows, places, fate, random = rows[drawn], places[drawn], fate[drawn], random[drawn]
        targets = ids[rows, places]
        ids[rows, places] = np.where(fate < 0.8, mask, np.where(fate < 0.9, random, targets))
        if len(typed):
            order = np.argsort(np.append(rows, typed), kind="stable")
            rows, places = np.append(rows, typed)[order], np.append(places, where)[order]
            targets = np.append(targets, np.zeros_like(typed))[order]
        return Drawn(ids, lengths, second, rows, places, targets, scored, (others != items).astype(np.int64))

    def _framed(self, encoded: Encoded, items: Array, others: Array) -> tuple[Array, Array, Array]:
        """ids [B,T] with 0 after their end; where the second segment begins, and the end, [B] each."""
        cls, sep = encoded.facts["cls"], encoded.facts["sep"]
        first, _ = encoded.padded("first_ids", items, 0)
        second = encoded.sizes("first_ids", items) + 2
        more = encoded.sizes("second_ids", others) if self.next_sentence else np.zeros_like(second)
        lengths = second + more + self.next_sentence
        rows = np.arange(len(items))
        ids = np.zeros((len(items), int(lengths.max(initial=2))), np.int64)
        ids[:, 1 : 1 + first.shape[1]] = first
        ids[:, 0], ids[rows, second - 1] = cls, sep
        if self.next_sentence:
            places = spread(encoded.offsets["second_ids"][others], more)
            ids[np.repeat(rows, more), spread(second, more)] = encoded.sequences["second_ids"][places]
            ids[rows, lengths - 1] = sep
        return ids, second, lengths

    def _chosen(self, encoded: Encoded, item: int, other: int, draw: np.random.Generator) -> Array:
        """Which places to predict, ascending: at least one; whole words only as long as they do not exceed the rate."""
        offsets = encoded.offsets["first_ids"]
        count = int(offsets[item + 1] - offsets[item])
        real = np.arange(1, count + 1)
        if self.next_sentence:
            offsets = encoded.offsets["second_ids"]
            real = np.append(real, np.arange(count + 2, count + 2 + int(offsets[other + 1] - offsets[other])))
        wanted = max(1, round(self.rate * len(real))) if len(real) else 0
        if not self.whole_words:
            return np.sort(draw.permutation(real)[:wanted])
        group = encoded.cut("first_words", item)
        if self.next_sentence:
            group = np.append(group, encoded.cut("second_words", other) + len(group))
        chosen: list[int] = []
        for word in draw.permutation(np.unique(group)):
            found = real[group == word].tolist()
            if not chosen or len(chosen) + len(found) <= wanted:
                chosen += found
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
