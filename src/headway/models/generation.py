"""What models keep of the tokens they have read, and what those of our own need to be driven by transformers' generate.

B batch, T tokens, H heads, L layers, D width.
"""

from typing import Any

from torch import Tensor
from transformers import Cache, DynamicCache, EncoderDecoderCache, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.cache_utils import DynamicLayer

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


class RoomyLayer(DynamicLayer):
    """Keys and values [B,H,T,D/H] of one layer in tensors with room for all that will come: a step copies none.

    At 800 tokens and 8 rows of GPT-2's width, growing them token by token takes longer than the attention itself.
    """

    def __init__(self, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.room = room

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self._whole = [one.new_empty(*one.shape[:2], self.room, one.shape[3]) for one in (key_states, value_states)]
        self.keys, self.values = (one[:, :, :0] for one in self._whole)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Adds [B,H,T,D/H] of new tokens; returns those of all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        begin, more = self.get_seq_length(), key_states.shape[2]
        for whole, new in zip(self._whole, (key_states, value_states), strict=True):
            whole.narrow(2, begin, more).copy_(new)
        self.keys, self.values = (whole.narrow(2, 0, begin + more) for whole in self._whole)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i goes on as what row beam_idx[i] was; there may be fewer rows than before."""
        end = self.get_seq_length()
        self._whole = [whole.index_select(0, beam_idx) for whole in self._whole]
        self.keys, self.values = (whole[:, :, :end] for whole in self._whole)


def empty_cache(model: Any, room: int) -> Cache | None:
    """For `room` tokens, where the model takes a cache of transformers; other models come with their own."""
    if not model._supports_default_dynamic_cache():
        return None
    config = model.config.get_text_config(decoder=True)
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return EncoderDecoderCache(cache, DynamicCache(config=config)) if model.config.is_encoder_decoder else cache


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
