"""Single texts and text pairs as token sequences: what every task over whole texts shares. B batch, T tokens."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedTokenizerBase

from headway.data.ahead import ahead
from headway.data.encode import Array, Chunk, Encoded, Ragged
from headway.data.portions import portions
from headway.data.tokens import ROWS, Encodings, encoder, flat
from headway.tasks.base import Batch


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str, max_length: int
) -> Iterator[tuple[pa.RecordBatch, Chunk]]:
    """Rows of `table` (text, [pair]), some thousand at a time, and what they are as tokens.

    Sequences input_ids, of pairs token_type_ids; column `cut`: 1 for a text that is longer than max_length.
    """
    pairs = "pair" in table.column_names
    encode = encoder(tokenizer, truncation=True, max_length=max_length)

    def encoded(batch: pa.RecordBatch) -> Encodings:
        texts = batch.column("text").to_pylist()
        return encode(list(zip(texts, batch.column("pair").to_pylist(), strict=True)) if pairs else texts)

    for batch, found in ahead(encoded, portions(table, f"encoding {split}", ROWS)):
        sequences = {"input_ids": _filled(flat(found), tokenizer.pad_token_id)}
        if pairs:
            sequences["token_type_ids"] = _filled(flat(found, "type_ids"), 0)
        cut = [len(encoding) >= max_length and bool(encoding.overflowing) for encoding in found]
        yield batch, Chunk(sequences, {"cut": np.asarray(cut, np.int64)})


def _filled(rows: Ragged, fill: int) -> Ragged:
    """A tokenizer that frames nothing makes nothing of an empty text, and no model reads nothing."""
    empty = np.flatnonzero(rows.sizes == 0)
    if not len(empty):
        return rows
    return Ragged(np.insert(rows.values, np.cumsum(rows.sizes)[empty], fill), np.maximum(rows.sizes, 1))


def text_batch(encoded: Encoded, items: Array, pad: int) -> Batch:
    """input_ids, attention_mask and, of pairs, token_type_ids: [B,T] each."""
    input_ids, mask = encoded.padded("input_ids", items, pad)
    batch = {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(mask)}
    if "token_type_ids" in encoded.sequences:
        batch["token_type_ids"] = torch.from_numpy(encoded.padded("token_type_ids", items, 0)[0])
    return batch
