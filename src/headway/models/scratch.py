"""Transformers of any architecture that the library knows, small, with fresh weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from headway.config.definitions import did_you_mean
from headway.errors import ModelError
from headway.models import build, unpadded
from headway.models.build import Backbone, MaskedLM

# what the architectures' configurations call the sizes
NAMES = {
    "layers": (
        *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"),
        *("decoder_layers", "num_decoder_layers"),
    ),
    "width": ("hidden_size", "n_embd", "d_model", "dim", "word_embed_proj_dim"),
    "heads": (
        *("num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads"),
        *("encoder_attention_heads", "decoder_attention_heads"),
    ),
    "head_width": ("head_dim", "d_kv"),
    "intermediate": (
        *("intermediate_size", "n_inner", "d_ff", "dff", "hidden_dim", "ffn_dim"),
        *("encoder_ffn_dim", "decoder_ffn_dim"),
    ),
    "max_positions": ("max_position_embeddings", "n_positions"),
    "tie": ("tie_word_embeddings",),
    "init_std": ("initializer_range", "init_std"),
}
NEEDED = ("layers", "width", "heads")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Scratch:
    """A new model: encoder (bert, roberta, ...), decoder (gpt2, llama, ...) or both (t5, bart, marian, ...).

    architecture: transformers' model_type. layers: blocks, of an encoder-decoder in each of the two. intermediate:
    width inside a block's feed-forward part; null: 4 x width. max_positions: the longest input in tokens.
    dropout: every rate that the architecture has. tie: one table for embeddings and output layer. init_std: standard
    deviation of fresh weights; null: the architecture's own, 0.02 in most, made for widths of 768 and more. Narrow
    encoder-decoders learn far sooner from width**-0.5.
    The vocabulary is the tokenizer's, which is trained on the data or named: it brings none of its own.
    """

    architecture: str = "bert"
    layers: int = 4
    width: int = 256
    heads: int = 4
    intermediate: int | None = None
    max_positions: int = 512
    dropout: float = 0.1
    pooling: Literal["auto", "cls", "pooler", "mean", "max", "last"] = "auto"
    attn_implementation: str = "unpadded"
    tie: bool = True
    init_std: float | None = None
    gradient_checkpointing: bool = False

    @property
    def unpads(self) -> bool:
        return self.attn_implementation == unpadded.NAME

    def positions(self) -> int | None:
        return self.max_positions if any(name in self._names() for name in NAMES["max_positions"]) else None

    def backbone(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> Backbone:
        """The model without a head; of an encoder-decoder the encoder."""
        return Backbone(self._model("backbone", tokenizer), self.pooling, unpad=self.unpads)

    def causal_lm(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> nn.Module:
        """transformers' own module, with generate. Raises: ModelError for an architecture that reads both ways."""
        model = build.ready_to_generate(self._model("causal_lm", tokenizer), tokenizer, None)
        if self.unpads:
            unpadded.switch_to(model, build.reserved_positions(model.config))
        return model

    def seq2seq(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> nn.Module:
        """transformers' own module, with generate. Raises: ModelError for an architecture that is not both."""
        return build.ready_to_generate(self._model("seq2seq", tokenizer), tokenizer, None)

    def masked_lm(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool, next_sentence: bool = False) -> MaskedLM:
        """Raises: ModelError for an architecture that was not made for it."""
        kind = "next_sentence" if next_sentence else "masked_lm"
        return MaskedLM(self._model(kind, tokenizer), next_sentence, unpad=self.unpads)

    def configuration(self, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
        """Raises: ModelError for an architecture that is not known or is not shaped like this, and for odd sizes."""
        known = self._names()
        if self.heads < 1 or self.width % self.heads or self.layers < 1:
            raise ModelError(
                f"model.width={self.width}: cannot be divided among model.heads={self.heads} in "
                f"model.layers={self.layers}; use 1 or more of each, and a multiple of the heads"
            )
        sizes = {
            "layers": self.layers,
            "width": self.width,
            "heads": self.heads,
            "head_width": self.width // self.heads,
            "intermediate": self.intermediate or 4 * self.width,
            "max_positions": self.max_positions,
            "tie": self.tie,
            **({} if self.init_std is None else {"init_std": self.init_std}),
        }
        named = {own: value for size, value in sizes.items() for own in NAMES[size] if own in known}
        config = self._made(lambda: AutoConfig.for_model(self.architecture, **named))
        build.adapt_to(config, tokenizer)
        if (reserved := build.reserved_positions(config)) and hasattr(config, "max_position_embeddings"):
            config.max_position_embeddings = self.max_positions + reserved
        build.override_dropout(config, self.dropout)
        return config

    def _names(self) -> dict[str, Any]:
        """The arguments that the architecture's configuration takes, with their defaults."""
        if self.architecture not in CONFIG_MAPPING:
            near = did_you_mean(self.architecture, list(CONFIG_MAPPING)) or "; such as bert, gpt2, llama, t5 or bart"
            raise ModelError(f"model.architecture={self.architecture}: transformers has no such model{near}")
        build.quiet()
        names: dict[str, Any] = self._made(lambda: AutoConfig.for_model(self.architecture)).to_dict()
        if lacking := [size for size in NEEDED if not any(own in names for own in NAMES[size])]:
            raise ModelError(
                f"model.architecture={self.architecture}: takes no {', '.join(lacking)}, so it cannot be made to size; "
                "choose one such as bert, gpt2, llama, t5 or bart"
            )
        return names

    def _model(self, name: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        config = self.configuration(tokenizer)
        kind = build.kind_of(name, config, f"model.architecture={self.architecture}")
        model = self._made(lambda: build.fresh(kind, config, self.attn_implementation))
        if self.gradient_checkpointing:
            build.checkpoint_activations(model, "model.gradient_checkpointing=true")
        return model

    def _made(self, make: Callable[[], Made]) -> Made:
        try:
            return make()
        except Exception as error:  # each architecture checks its sizes in its own way
            reason = " ".join(str(error).split())[:240]
            raise ModelError(
                f"model.architecture={self.architecture}: cannot be made with these sizes ({reason})"
            ) from error
