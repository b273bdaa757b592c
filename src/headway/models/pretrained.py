"""Pretrained models from transformers: a hub id, a local folder, or a file inside an installed package.

Nothing here runs code that came with a model: weights are read as safetensors, GGUF or `weights_only` pickles.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from torch import nn
from transformers import AutoConfig, GenerationConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from headway.errors import ModelError
from headway.models import build, unpadded
from headway.models.base import positions
from headway.models.build import Backbone, Kind, MaskedLM
from headway.models.locate import guarded, load_tokenizer, locate

WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin", "*.safetensors.index.json")
# what a checkpoint may lack without harm: buffers that are computed
COMPUTED = ("*position_ids", "*.attn.bias", "*.attn.masked_bias", "*rotary_emb.inv_freq", "final_logits_bias")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pretrained:
    """A transformers encoder, decoder, or both.

    path: hub id, local folder, local .gguf file, or "package:NAME/inner/path" for data of an installed package.
    pooling: how a sequence becomes one vector: auto | cls | pooler | mean | max | last.
    dropout: overrides every dropout rate of the model's configuration; null keeps them.
    from_scratch: the architecture with fresh weights, with the vocabulary of whatever tokenizer the run has.
    freeze: parameter name patterns that are not trained. reinit_layers: top layers that start from fresh weights, of an
    encoder-decoder in both (Zhang et al. 2021, section 4). gradient_checkpointing: less memory, a third more time.
    """

    path: str
    pooling: Literal["auto", "cls", "pooler", "mean", "max", "last"] = "auto"
    dropout: float | None = None
    attn_implementation: str = "unpadded"
    from_scratch: bool = False
    freeze: tuple[str, ...] | list[str] = ()
    reinit_layers: int = 0
    gradient_checkpointing: bool = False
    revision: str | None = None
    tokenizer_path: str | None = None

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The fast tokenizer, with a pad token. Raises: ModelError."""
        return load_tokenizer(self.tokenizer_path or self.path, self.revision)

    def configuration(self) -> PreTrainedConfig:
        """The transformers configuration with the overrides of this object applied; reads no weights."""
        folder, options = locate(self.path, self.revision)
        config = cast(PreTrainedConfig, guarded(lambda: AutoConfig.from_pretrained(folder, **options), self.path))
        if self.dropout is not None:
            build.override_dropout(config, self.dropout)
        return config

    def check(self, kind: str) -> None:
        """Reads the configuration, no weights. Raises: ModelError where the architecture cannot be this kind."""
        build.kind_of(kind, self.configuration(), f"model.path={self.path}")

    @property
    def unpads(self) -> bool:
        return self.attn_implementation == unpadded.NAME

    def positions(self) -> int | None:
        return build.usable_positions(self.configuration())

    def keep(self, folder: Path) -> None:
        """Write config.json, and generation_config.json where the model has one."""
        self.configuration().save_pretrained(folder)
        if (own := self._own_generation()) is not None:
            build.generation_settings(own).save_pretrained(folder)

    def kept(self, folder: Path) -> Self:
        return replace(self, path=str(folder), tokenizer_path=str(folder), revision=None)

    def backbone(self, tokenizer: PreTrainedTokenizerBase | None = None, *, weights: bool = True) -> Backbone:
        """The model without a head. With `weights` false it is only built, for a checkpoint to fill."""
        return Backbone(self._model("backbone", tokenizer, weights), self.pooling, unpad=self.unpads)

    def causal_lm(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> nn.Module:
        """transformers' own module, with generate. Raises: ModelError, also for weights without the output layer."""
        model = self._generating("causal_lm", tokenizer, weights)
        if self.unpads:
            unpadded.switch_to(model, build.reserved_positions(model.config))
        return model

    def seq2seq(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> nn.Module:
        """transformers' own module, with generate. Raises: ModelError, also for weights without the output layer."""
        return self._generating("seq2seq", tokenizer, weights)

    def masked_lm(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool, next_sentence: bool = False) -> MaskedLM:
        """Weights may lack the head, which is then new. Raises: ModelError for an architecture not made for it."""
        kind = "next_sentence" if next_sentence else "masked_lm"
        return MaskedLM(self._model(kind, tokenizer, weights), next_sentence, unpad=self.unpads)

    def _generating(self, name: str, tokenizer: PreTrainedTokenizerBase, weights: bool) -> PreTrainedModel:
        model = self._model(name, tokenizer, weights)
        return build.ready_to_generate(model, tokenizer, None if self.from_scratch else self._own_generation())

    def _own_generation(self) -> GenerationConfig | None:
        folder, options = locate(self.path, self.revision)
        if "gguf_file" in options:
            return None
        build.quiet()
        try:
            return GenerationConfig.from_pretrained(folder, revision=self.revision or "main")
        except OSError:  # most encoders have none
            return None

    def _model(self, name: str, tokenizer: PreTrainedTokenizerBase | None, weights: bool) -> PreTrainedModel:
        build.quiet()
        told = f"model.path={self.path}"
        config = self.configuration()
        kind = build.kind_of(name, config, told)
        if self.from_scratch and tokenizer is not None:
            build.adapt_to(config, tokenizer)
        if weights and not self.from_scratch:
            model = self._load(kind, config)
            build.reinitialise(model, self.reinit_layers, self.pooling, told)
        else:
            model = guarded(lambda: build.fresh(kind, config, self.attn_implementation), self.path)
        build.freeze(model, self.freeze)
        if self.gradient_checkpointing:
            build.checkpoint_activations(model, "model.gradient_checkpointing=true")
        return model

    def _load(self, kind: Kind, config: PreTrainedConfig) -> PreTrainedModel:
        folder, options = locate(self.path, self.revision)
        if (
            Path(folder).is_dir()
            and "gguf_file" not in options
            and not any(any(Path(folder).glob(p)) for p in WEIGHT_FILES)
        ):
            raise ModelError(f"model.path={self.path}: no weights in {folder} (looked for {', '.join(WEIGHT_FILES)})")

        def load() -> tuple[PreTrainedModel, dict[str, Any]]:
            return kind.auto.from_pretrained(
                folder,
                config=config,
                attn_implementation=build.library_attention(self.attn_implementation),
                dtype=torch.float32,  # precision is trainer.precision's business; GGUF is dequantised here
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named below; transformers itself only says that there are some
                **options,
            )

        model, info = guarded(load, self.path)
        missing = sorted(key for key in info["missing_keys"] if not _matches(key, COMPUTED))
        made = [key for key in missing if self._may_be_new(key, kind, model)]
        if keys := sorted({*missing} - {*made} | {entry[0] for entry in info["mismatched_keys"]}):
            raise ModelError(
                f"model.path={self.path}: weights lack or do not fit {_some(keys)}; "
                "use a complete model, or model.from_scratch=true for fresh weights"
            )
        if made and kind.fresh_head:
            log.warning("model.path=%s: fresh weights for %s, which it does not have", self.path, _some(made))
        return model

    def _may_be_new(self, key: str, kind: Kind, model: PreTrainedModel) -> bool:
        """A pooler that is not read, and all above the backbone of a model whose head can be trained from nothing."""
        inner = f"{model.base_model_prefix}."
        if kind.fresh_head:
            return not key.startswith(inner) or key.startswith(f"{inner}pooler.")
        return key.startswith("pooler.") and self.pooling != "pooler"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Changes exactly when the tokenizer would give other pieces: the hash of its whole serialised state."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    # these two are what the last call asked for
    state |= {"truncation": tokenizer.truncation_side, "padding": tokenizer.padding_side}
    # and these are what a text or a dialogue is put together with
    state |= {"roles": tokenizer.special_tokens_map, "chat": tokenizer.chat_template}
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:32]


def check_fit(source: Any, tokenizer: PreTrainedTokenizerBase, max_length: int, key: str = "max_length") -> None:
    """Refuse, before any data is read, a tokenizer or a length that the model cannot take. `source`: any model source.

    key: of the task's settings, the one that says `max_length`.
    Raises: ModelError naming the two sizes that disagree.
    """
    name = getattr(source, "path", None) or getattr(source, "architecture", type(source).__name__)
    if isinstance(source, Pretrained) and not source.from_scratch:  # all others are made for their tokenizer
        rows = source.configuration().get_text_config().vocab_size
        largest = max(tokenizer.get_vocab().values(), default=0)
        if largest >= rows:
            raise ModelError(
                f"model.path={name}: the tokenizer has ids up to {largest} but the embedding has {rows} rows; "
                "use the tokenizer that belongs to the model"
            )
    usable = positions(source)
    if usable and max_length > usable:
        raise ModelError(f"task.{key}={max_length}: the model {name} has {usable} positions; use {usable} or less")
    framing = tokenizer.num_special_tokens_to_add(pair=True)
    if max_length <= framing:
        raise ModelError(f"task.{key}={max_length}: no room for text beside {framing} special tokens of {name}")


def parameter_count(module: nn.Module) -> dict[str, int]:
    """Parameters in all and trained."""
    every = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return {"parameters": every, "trained": trained}


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
