"""Causal language modelling: the next token from those before it, from scratch or from pretrained weights.

N documents, B blocks or windows, T tokens, V vocabulary.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from headway.data.ahead import ahead
from headway.data.encode import Array, Chunk, Encoded, Ragged
from headway.data.examples import TEXTS
from headway.data.portions import Pieces, pieces
from headway.data.texts import spread
from headway.data.tokens import ROWS, Encodings, encoder, flat, separable
from headway.errors import DataError, ModelError
from headway.metrics.language import perplexity
from headway.models.base import ModelSource, network
from headway.models.build import reserved_positions
from headway.models.host import on_host, to_device
from headway.models.layout import Layout
from headway.models.unpadded import can_be_asked, run, runs_unpadded
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.decoding import Decoding, Request

CHUNK = 4096  # windows


class LanguageModelling:
    """Cross-entropy of every token given those before it in its block.

    max_length: tokens of a block. pack: documents of the training split stand one behind the other, each begun by the
    start token, and are cut into blocks that overlap by one token, so that every token is predicted once (Radford et
    al. 2018, section 4.1); otherwise a block holds one document or a part of it. across: a token of a block also sees
    the documents before its own; without, attention and positions begin anew with each document (Zhao et al. 2024,
    section 3), and no document's first token is predicted from the one before.
    stride: tokens that a validation window moves on; each window scores the tokens that the ones before it did not
    reach, so that every token of the text is scored exactly once, with max_length - stride tokens of context or more.
    null: half of max_length. The rest: how `headway predict` generates, see `decoding.Decoding`.
    """

    examples = TEXTS
    monitor = "val/loss"
    monitor_mode = "min"
    measures = ("perplexity", "bits_per_byte")
    framing = "none"
    needs = "causal_lm"

    def __init__(
        self,
        max_length: int = 256,
        stride: int | None = None,
        pack: bool = True,
        across: bool = True,
        max_new_tokens: int = 100,
        temperature: float | None = 0.8,
        top_k: int | None = None,
        top_p: float | None = 0.95,
        beams: int = 1,
        length_penalty: float = 1.0,
        repetition_penalty: float = 1.0,
    ) -> None:
        if max_length < 2 or not 1 <= (stride or 1) < max_length:
            raise ValueError("max_length must be 2 or more, and stride from 1 to max_length - 1")
        self.max_length, self.pack, self.across = max_length, pack, across
        self.stride = stride or max(1, max_length // 2)
        self.decoding = Decoding(max_new_tokens, temperature, top_k, top_p, beams, length_penalty, repetition_penalty)

    def settings(self) -> Mapping[str, Any]:
        return {
            "task": "lm",
            "max_length": self.max_length,
            "stride": self.stride,
            "pack": self.pack,
            "across": self.across,
        }

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        if split == "train" and self.pack:
            yield from self._packed(_texts(tokenizer, table, split), tokenizer)
        else:
            yield from self._windows(_texts(tokenizer, table, split, offsets=True), start_of(tokenizer))

    def _packed(self, texts: Iterator[tuple[Pieces, Encodings]], tokenizer: PreTrainedTokenizerBase) -> Iterator[Chunk]:
        """Blocks of max_length tokens of the stream of all documents; the last one may be shorter."""
        start, end = start_of(tokenizer), tokenizer.eos_token_id
        ends = end is not None and tokenizer.bos_token_id not in (None, end)
        rest = np.zeros((1 if self.across else 2, 0), np.int32)  # tokens, and which document each is of
        step = self.max_length - 1
        for some, found in texts:
            more, sizes = _framed(flat(found), some, start, end if ends else None)
            rows = [more] if self.across else [more, np.repeat(some.rows, sizes)]
            rest = np.concatenate([rest, np.stack(rows).astype(np.int32)], 1)
            whole = max(0, rest.shape[1] - 1) // step
            yield from self._cut(rest[:, : whole * step + 1])
            rest = rest[:, whole * step :]
        if rest.shape[1] > 1:
            yield from self._cut(rest)

    def _cut(self, stream: Array) -> Iterator[Chunk]:
        """Blocks of [1 or 2, tokens], neighbours sharing one; the last may be shorter. Where documents are kept apart,
        with their numbers in each block, from 0."""
        step = self.max_length - 1
        starts = np.arange(0, stream.shape[1] - 1, step)
        if not len(starts):
            return
        sizes = np.minimum(self.max_length, stream.shape[1] - starts)
        places = spread(starts, sizes)
        columns = {"first": np.ones(len(starts), np.int64), "bytes": np.zeros(len(starts), np.int64)}
        sequences = {"input_ids": Ragged(stream[0, places], sizes)}
        if not self.across:
            numbers = stream[1, places] - np.repeat(stream[1, starts], sizes)
            sequences["document"] = Ragged(numbers, sizes)
            columns["begun"] = _changes(numbers, sizes)
        yield Chunk(sequences, columns)

    def _windows(self, texts: Iterator[tuple[Pieces, Encodings]], start: int) -> Iterator[Chunk]:
        """Windows of one document each, which say from where on they are scored."""
        found = self._each_window(texts, start)
        while windows := list(islice(found, CHUNK)):
            ids, *columns = zip(*windows, strict=True)
            sizes = np.fromiter(map(len, ids), np.int64, len(ids))
            first, size, example = (np.asarray(one, np.int64) for one in columns)
            named = {"first": first, "bytes": size, "example": example}
            yield Chunk({"input_ids": Ragged(np.concatenate(ids), sizes)}, named)

    def _each_window(
        self, texts: Iterator[tuple[Pieces, Encodings]], start: int
    ) -> Iterator[tuple[Array, int, int, int]]:
        """Its tokens, the place of the first that is scored, the bytes of those, and its document's row."""
        nothing = (np.asarray([start]), np.zeros(1, np.int64), 1)
        ids, sizes, first = nothing  # of the document, from where its next window begins
        for some, found in texts:
            for text, one, row, last in zip(some.texts, found, some.rows.tolist(), some.last.tolist(), strict=True):
                ids = np.concatenate([ids, np.asarray(one.ids, np.int64)])
                sizes = np.concatenate([sizes, _bytes(text, one.offsets)])
                while len(ids) > self.max_length:
                    yield ids[: self.max_length], first, int(sizes[first : self.max_length].sum()), row
                    ids, sizes, first = ids[self.stride :], sizes[self.stride :], self.max_length - self.stride
                if last:
                    yield ids, first, int(sizes[first:].sum()), row
                    ids, sizes, first = nothing

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        terms: Array = encoded.sizes("input_ids", items) - encoded.columns["first"][items]
        return terms - encoded.columns["begun"][items] if "begun" in encoded.columns else terms

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        ids, mask = encoded.padded("input_ids", items, pad)
        scored = mask * (np.arange(ids.shape[1]) >= encoded.columns["first"][items][:, None])
        arrays = {"input_ids": ids, "attention_mask": mask, "scored": scored}
        if "document" in encoded.sequences:
            arrays["documents"], _ = encoded.padded("document", items, 0)
            scored[:, 1:] *= arrays["documents"][:, 1:] == arrays["documents"][:, :-1]
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        model = network(source, self.needs, tokenizer, weights=weights)
        if self.pack and not self.across and not runs_unpadded(model):
            raise ModelError("task.across=false: this model cannot keep documents apart; use task.pack=false or true")
        return model

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        scored, documents = batch["scored"], batch.get("documents")
        return Output(token_losses(model, batch["input_ids"], batch["attention_mask"], scored, documents).sum(1))

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        return {}

    def decode(self, rows: Columns, split: Split) -> Columns:
        """Of each document: nats per token, its tokens and its bytes."""
        sums = {
            name: np.bincount(split.encoded.examples, np.asarray(values, np.float64), len(split.table))
            for name, values in {**rows, "bytes": split.encoded.columns["bytes"]}.items()
        }
        return {
            "loss": (sums["loss"] / np.maximum(sums["terms"], 1)).tolist(),
            "tokens": sums["terms"].astype(int).tolist(),
            "bytes": sums["bytes"].astype(int).tolist(),
        }

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        tokens = np.asarray(predictions["tokens"])
        loss = float((np.asarray(predictions["loss"]) * tokens).sum())
        bytes_ = int(np.sum(predictions["bytes"]))
        values = perplexity(loss, int(tokens.sum()), bytes_)
        return {name: values[name] for name in self.measures}, {
            "scored": {"tokens": int(tokens.sum()), "bytes": bytes_, "stride": self.stride}
        }

    def gold(self, split: Split) -> None:
        return None

    def request(
        self, model: nn.Module, tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Request:
        """What comes after the text. Raises: DataError for a text that leaves no room."""
        ids = np.concatenate([[start_of(tokenizer)], _pieces(tokenizer, [row["text"]])["input_ids"][0]])
        how = self.decoding.changed(options)
        check_room(model, len(ids), how)
        return Request(ids.tolist(), how)


def token_losses(
    model: Any, input_ids: Tensor, attention_mask: Tensor, scored: Tensor, documents: Tensor | None = None
) -> Tensor:
    """[B,T] -> nats of each token but the first given those before it, [B,T-1]; 0 where `scored` [B,T] is.

    documents [B,T]: numbers of the texts that a block is packed of, if they are to be kept apart.
    """
    counts = scored[:, 1:]
    if hasattr(model, "token_losses"):
        counted: Tensor = model.token_losses(input_ids, attention_mask)
        return counted * counts
    if not runs_unpadded(model):
        logits = model(input_ids=input_ids, attention_mask=attention_mask).logits[:, :-1].float()
        losses = F.cross_entropy(logits.flatten(0, 1), input_ids[:, 1:].flatten(), reduction="none")
        return losses.view(len(input_ids), -1) * counts
    layout = Layout.of(attention_mask, documents)
    first = reserved_positions(model.config)
    at = F.pad(on_host(scored)[:, 1:], (0, 1)).flatten().nonzero()[:, 0]  # before each token that counts
    if 2 * len(at) > len(layout.places):  # of most tokens all is computed
        losses = F.cross_entropy(
            run(model, first, layout, input_ids).float(), layout.row(input_ids.roll(-1, 1))[0], reduction="none"
        )
        return layout.padded(losses[:, None])[:, :-1, 0] * counts
    at = to_device(at, input_ids.device)
    if can_be_asked(model):
        logits = run(model, first, layout.asking(at), input_ids)
    else:
        logits = run(partial(model, logits_to_keep=layout.inverse[at]), first, layout, input_ids)
    losses = F.cross_entropy(logits.float(), input_ids.flatten()[at + 1], reduction="none")
    return losses.new_zeros(input_ids.numel()).index_copy(0, at, losses).view_as(input_ids)[:, :-1]


def start_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that every document begins with: it is given, never predicted. Raises: ModelError if there is none."""
    for name in ("bos_token_id", "eos_token_id", "cls_token_id"):
        if (found := getattr(tokenizer, name, None)) is not None:
            return int(found)
    raise ModelError("tokenizer: has no token that begins or ends a text; choose another, such as tokenizer=bpe")


def check_room(model: Any, prompt: int, how: Decoding) -> None:
    """Raises: DataError where prompt and answer do not fit into the model's positions."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions and prompt + how.max_new_tokens > positions:
        raise DataError(
            f"predict: the text has {prompt} tokens and {how.max_new_tokens} more are asked for, but the model has "
            f"{positions} positions; shorten the text or lower --max-new-tokens"
        )


def _texts(
    tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str, *, offsets: bool = False
) -> Iterator[tuple[Pieces, Encodings]]:
    """All texts in turn, long ones in pieces, with what they are as tokens."""
    known = encoder(tokenizer, offsets=True, add_special_tokens=False)
    encode = encoder(tokenizer, offsets=offsets, add_special_tokens=False)
    given = pieces(table, "text", f"encoding {split}", ROWS, separable(known))
    return ahead(lambda some: encode(some.texts), given)


def _framed(ids: Ragged, some: Pieces, start: int, end: int | None) -> tuple[Array, Array]:
    """Tokens of all pieces with those that begin and end a document, and how many of them each piece has."""
    ends = np.cumsum(ids.sizes)
    there = np.stack([some.first, some.last & (end is not None)], 1)  # [n,2]: a token before, after each piece
    places = np.stack([ends - ids.sizes, ends], 1)[there]
    tokens = np.broadcast_to([start, end or 0], there.shape)[there]
    return np.insert(ids.values, places, tokens), ids.sizes + there.sum(1)


def _changes(numbers: Array, sizes: Array) -> Array:
    """How often a number differs from the one before it in its own block, [B]."""
    changed = np.append(0, np.diff(numbers) != 0)
    starts = np.cumsum(sizes) - sizes
    changed[starts] = 0
    return np.add.reduceat(changed, starts, dtype=np.int64)


def _pieces(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Any:
    return tokenizer(texts, add_special_tokens=False, return_attention_mask=False, return_offsets_mapping=True)


def _bytes(text: str, offsets: list[tuple[int, int]]) -> Array:
    """UTF-8 bytes from the end of the token before to that of each, [T]; together all of the text's."""
    if not offsets:
        return np.zeros(0, np.int64)
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    widths = 1 + (characters >= 0x80) + (characters >= 0x800) + (characters >= 0x10000)
    until = np.concatenate([[0], np.cumsum(widths)])  # bytes before each character
    ends = np.maximum.accumulate(np.asarray([end for _, end in offsets]))
    ends[-1] = len(characters)
    return np.diff(until[ends], prepend=0)
