"""Single texts and text pairs as token sequences: what every task over whole texts shares. B batch, T tokens."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.tasks.base import Batch

CHUNK = 1000  # texts a tokenizer call: large enough for all its threads, small enough to hold in memory


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, table: pa.Table, max_length: int
) -> Iterator[tuple[pa.RecordBatch, Chunk]]:
    """Rows of `table` (text, [pair]), a thousand at a time, and what they are as tokens.

    Sequences input_ids, of pairs token_type_ids; column `cut`: 1 for a text that is longer than max_length.
    """
    pairs = "pair" in table.column_names
    for batch in table.to_batches(max_chunksize=CHUNK):
        pieces = tokenizer(
            batch.column("text").to_pylist(),
            batch.column("pair").to_pylist() if pairs else None,
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=pairs,
        )
        # a tokenizer that frames nothing makes nothing of an empty text, and no model reads nothing
        sequences = {"input_ids": [ids or [tokenizer.pad_token_id] for ids in pieces["input_ids"]]}
        if pairs:
            sequences["token_type_ids"] = [kinds or [0] for kinds in pieces["token_type_ids"]]
        cut = [bool(encoding.overflowing) for encoding in pieces.encodings]
        yield batch, Chunk(sequences, {"cut": np.asarray(cut, np.int64)})


def text_batch(encoded: Encoded, items: Array, pad: int) -> Batch:
    """input_ids, attention_mask and, of pairs, token_type_ids: [B,T] each."""
    input_ids, mask = encoded.padded("input_ids", items, pad)
    batch = {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(mask)}
    if "token_type_ids" in encoded.sequences:
        batch["token_type_ids"] = torch.from_numpy(encoded.padded("token_type_ids", items, 0)[0])
    return batch
