"""Causal language modelling: the next token from those before it, from scratch or from pretrained weights.

N documents, B blocks or windows, T tokens, V vocabulary.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import TEXTS
from headway.errors import DataError, ModelError
from headway.metrics.language import perplexity
from headway.models.base import ModelSource, network
from headway.models.build import reserved_positions
from headway.models.unpadded import Layout, run, runs_unpadded
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.decoding import Decoding, stream

CHUNK = 256  # documents a tokenizer call


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
        documents = _documents(tokenizer, table)
        if split == "train" and self.pack:
            yield from self._packed(documents, tokenizer)
        else:
            yield from self._windows(documents)

    def _packed(self, documents: Iterator[tuple[int, Array, Array]], tokenizer: Any) -> Iterator[Chunk]:
        """Blocks of max_length tokens of the stream of all documents; the last one may be shorter."""
        ends = tokenizer.eos_token_id if tokenizer.bos_token_id not in (None, tokenizer.eos_token_id) else None
        rest = np.zeros((2, 0), np.int64)  # tokens, and which document each is of
        step = self.max_length - 1
        for row, ids, _ in documents:
            text = ids if ends is None else np.append(ids, ends)
            rest = np.concatenate([rest, [text, np.full(len(text), row)]], 1)
            whole = (rest.shape[1] - 1) // step
            if whole >= CHUNK:
                yield self._cut(rest, range(0, whole * step, step))
                rest = rest[:, whole * step :]
        if rest.shape[1] > 1:
            yield self._cut(rest, range(0, rest.shape[1] - 1, step))

    def _cut(self, stream: Array, starts: range) -> Chunk:
        """Blocks of [2, tokens]; where documents are kept apart, with their numbers in each block, from 0."""
        pieces = [stream[:, at : at + self.max_length] for at in starts]
        chunk = _blocks([ids for ids, _ in pieces])
        if self.across:
            return chunk
        numbers = [(owners - owners[0]) for _, owners in pieces]
        begun = np.asarray([len(np.unique(one)) - 1 for one in numbers], np.int64)
        documents = {"document": [one.tolist() for one in numbers]}
        return Chunk({**chunk.sequences, **documents}, {**chunk.columns, "begun": begun})

    def _windows(self, documents: Iterator[tuple[int, Array, Array]]) -> Iterator[Chunk]:
        """Windows of one document each, which say from where on they are scored."""
        blocks, places, firsts, sizes = [], [], [], []
        for row, ids, bytes_ in documents:
            begin, scored = 0, 1
            while scored < len(ids) or begin == 0:
                end = min(begin + self.max_length, len(ids))
                blocks.append(ids[begin:end])
                places.append(row)
                firsts.append(scored - begin)
                sizes.append(int(bytes_[scored:end].sum()))
                scored, begin = end, begin + self.stride
                if end == len(ids):
                    break
            if len(blocks) >= CHUNK:
                yield _blocks(blocks, places, firsts, sizes)
                blocks, places, firsts, sizes = [], [], [], []
        if blocks:
            yield _blocks(blocks, places, firsts, sizes)

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
        losses = token_losses(model, batch["input_ids"], batch["attention_mask"], batch.get("documents"))
        return Output((losses * batch["scored"][:, 1:]).sum(1))

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

    def respond(
        self, model: nn.Module, tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Iterator[str]:
        """What comes after the text, piece by piece. Raises: ModelError for a text that leaves no room."""
        ids = np.concatenate([[start_of(tokenizer)], _pieces(tokenizer, [row["text"]])["input_ids"][0]])
        how = self.decoding.changed(options)
        check_room(model, len(ids), how)
        prompt = torch.from_numpy(ids.astype(np.int64))[None].to(next(iter(model.state_dict().values())).device)
        yield from stream(model, tokenizer, {"input_ids": prompt, "attention_mask": torch.ones_like(prompt)}, how)


def token_losses(model: Any, input_ids: Tensor, attention_mask: Tensor, documents: Tensor | None = None) -> Tensor:
    """[B,T] -> nats of each token but the first given those before it, [B,T-1]; what is said of padding means nothing.

    documents [B,T]: numbers of the texts that a block is packed of, if they are to be kept apart.
    """
    if hasattr(model, "token_losses"):
        counted: Tensor = model.token_losses(input_ids, attention_mask)
        return counted
    if not runs_unpadded(model):
        logits = model(input_ids=input_ids, attention_mask=attention_mask).logits[:, :-1].float()
        losses = F.cross_entropy(logits.flatten(0, 1), input_ids[:, 1:].flatten(), reduction="none")
        return losses.view(len(input_ids), -1)
    layout = Layout.of(attention_mask, documents)
    logits = run(model, reserved_positions(model.config), layout, input_ids).logits[0].float()
    losses = F.cross_entropy(logits, layout.row(input_ids.roll(-1, 1))[0], reduction="none")
    return layout.padded(losses[None, :, None])[:, :-1, 0]


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


def _documents(tokenizer: PreTrainedTokenizerBase, table: pa.Table) -> Iterator[tuple[int, Array, Array]]:
    """(row, ids with the start token before them, bytes of text that each id stands for) of each document."""
    start, row = start_of(tokenizer), 0
    for batch in table.select(["text"]).to_batches(max_chunksize=CHUNK):
        texts = batch.column("text").to_pylist()
        pieces = _pieces(tokenizer, texts)
        for text, ids, offsets in zip(texts, pieces["input_ids"], pieces["offset_mapping"], strict=True):
            yield row, np.asarray([start, *ids], np.int64), _bytes(text, offsets)
            row += 1


def _pieces(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Any:
    return tokenizer(texts, add_special_tokens=False, return_attention_mask=False, return_offsets_mapping=True)


def _bytes(text: str, offsets: list[tuple[int, int]]) -> Array:
    """UTF-8 bytes from the end of one token to that of the next, [1 + tokens]; together all of the text's."""
    if not offsets:
        return np.zeros(1, np.int64)
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    widths = 1 + (characters >= 0x80) + (characters >= 0x800) + (characters >= 0x10000)
    until = np.concatenate([[0], np.cumsum(widths)])  # bytes before each character
    ends = np.maximum.accumulate(np.asarray([end for _, end in offsets]))
    ends[-1] = len(characters)
    return np.concatenate([[0], np.diff(until[ends], prepend=0)])


def _blocks(
    blocks: list[Array],
    places: list[int] | None = None,
    firsts: list[int] | None = None,
    sizes: list[int] | None = None,
) -> Chunk:
    """`first`: where scoring begins in each block, 1 or later."""
    columns = {"first": firsts or [1] * len(blocks), "bytes": sizes or [0] * len(blocks)}
    columns |= {"example": places} if places is not None else {}
    return Chunk(
        {"input_ids": [block.tolist() for block in blocks]},
        {name: np.asarray(values, np.int64) for name, values in columns.items()},
    )
