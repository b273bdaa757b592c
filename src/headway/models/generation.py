"""What models of our own need to be driven by transformers' generate. B batch, L layers, D width."""

from typing import Any

from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from headway.errors import ModelError


class State:
    """What a recurrent model knows of the tokens it has read; stands where a Transformer has its keys and values.

    tensors: [L,B,D] each. seen: tokens read.
    """

    is_compileable = False  # transformers asks

    def __init__(self, tensors: tuple[Tensor, ...], seen: int) -> None:
        self.tensors = tensors
        self.seen = seen

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.seen

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i goes on as what row beam_idx[i] was: a beam search drops some beams and splits others."""
        self.tensors = tuple(tensor.index_select(1, beam_idx) for tensor in self.tensors)


def configuration(tokenizer: PreTrainedTokenizerBase, **extra: Any) -> PreTrainedConfig:
    """Vocabulary and special tokens. A text begins with bos, or [CLS], or eos; ends with eos, or [SEP], or nothing."""
    end = _first(tokenizer.eos_token_id, tokenizer.sep_token_id)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "bos_token_id": _first(tokenizer.bos_token_id, tokenizer.cls_token_id, end),
        "eos_token_id": end,
        "pad_token_id": _first(tokenizer.pad_token_id, end),
    }
    return PreTrainedConfig(**settings, **extra)


def check_sizes(**sizes: int) -> None:
    """Raises: ModelError for the first that is not positive."""
    for name, size in sizes.items():
        if size < 1:
            raise ModelError(f"model.{name}={size}: wants 1 or more")


def _first(*ids: int | None) -> int | None:
    return next((i for i in ids if i is not None), None)
