"""Making transformers models of each kind, whatever they are made from. B batch, T tokens, D width, V vocabulary."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSeq2SeqLM,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling as Pooled
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)
from transformers.utils import logging as transformers_logging

from headway.errors import ModelError
from headway.models import unpadded
from headway.models.layers import stacks
from headway.models.layout import Layout, read
from headway.models.locate import trusts_remote_code

# RoBERTa and its kin number positions from padding_idx + 1, so their first position rows are never usable
LATE_POSITIONS = ("*roberta*", "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "xmod")
# listed as causal by transformers, but they see what comes after unless told otherwise call by call
LOOK_AHEAD = ("bert-generation", "cpmant", "xlnet")


@dataclass(frozen=True)
class Kind:
    """auto: transformers' class that picks the architecture. fits: whether an architecture can be this.

    fresh_head: pretrained weights without its head will do.
    """

    auto: Any
    words: str
    fits: Callable[[PreTrainedConfig], bool]
    fresh_head: bool = False


def _both_ways(config: PreTrainedConfig) -> bool:
    """What can be trained to fill masks reads both ways, unless it was told to decode."""
    both = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES or config.model_type in LOOK_AHEAD
    return both and not getattr(config, "is_decoder", False)


def _fills(config: PreTrainedConfig) -> bool:
    known = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return known and _both_ways(config) and not config.is_encoder_decoder


KINDS = {
    "backbone": Kind(AutoModel, "a backbone", lambda _: True),
    "causal_lm": Kind(
        AutoModelForCausalLM,
        "a causal language model",
        lambda config: config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not _both_ways(config),
    ),
    "masked_lm": Kind(AutoModelForMaskedLM, "a masked language model", _fills, fresh_head=True),
    "next_sentence": Kind(
        AutoModelForPreTraining,
        "a masked language model with next-sentence prediction",
        lambda config: _fills(config) and config.model_type in MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES,
        fresh_head=True,
    ),
    "seq2seq": Kind(
        AutoModelForSeq2SeqLM,
        "an encoder and decoder",
        lambda config: config.model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    ),
}


def kind_of(name: str, config: PreTrainedConfig, told: str) -> Kind:
    """`told`: key and value by which the user named the model. Raises: ModelError where it cannot be of this kind."""
    kind = KINDS[name]
    text = config.get_text_config()
    if not kind.fits(text):
        can = ", ".join(other.words for other in KINDS.values() if other.fits(text))
        raise ModelError(f"{told}: {text.model_type} cannot be {kind.words}, which this task needs; it can be: {can}")
    return kind


def quiet() -> None:
    """transformers reports on every load at length; what matters of it is said in one line or raised."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def library_attention(asked: str) -> str:
    """transformers' name of `attn_implementation`; without padding is SDPA that is told where sequences lie."""
    return "sdpa" if asked == unpadded.NAME else asked


def fresh(kind: Kind, config: PreTrainedConfig, attention: str) -> PreTrainedModel:
    """Random weights, by torch's generator."""
    return cast(
        PreTrainedModel,
        kind.auto.from_config(
            config,
            attn_implementation=library_attention(attention),
            dtype=torch.float32,
            trust_remote_code=trusts_remote_code(),
        ),
    )


def override_dropout(config: PreTrainedConfig, rate: float) -> None:
    """Set every dropout rate that the architecture has."""
    text = config.get_text_config()
    for name, value in text.to_dict().items():
        if ("dropout" in name or name.endswith("_pdrop")) and type(value) in (int, float):
            setattr(text, name, rate)


def usable_positions(config: PreTrainedConfig) -> int | None:
    """The longest input in tokens; None where positions are relative."""
    text = config.get_text_config()
    positions: int | None = getattr(text, "max_position_embeddings", None)
    return positions - reserved_positions(text) if positions else None


def reserved_positions(config: PreTrainedConfig) -> int:
    """Rows of the position table that no token ever gets."""
    late = any(fnmatch(config.model_type, pattern) for pattern in LATE_POSITIONS)
    return (config.pad_token_id or 0) + 1 if late else 0


def adapt_to(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a configuration without weights the vocabulary and the special tokens of `tokenizer`."""
    text = config.get_text_config()
    size = max(tokenizer.get_vocab().values(), default=0) + 1
    text.vocab_size = size
    if hasattr(text, "decoder_vocab_size"):
        text.decoder_vocab_size = size
    for role in ("pad", "bos", "eos", "cls", "sep", "mask"):
        if role in ("pad", "bos", "eos") or hasattr(text, f"{role}_token_id"):
            setattr(text, f"{role}_token_id", getattr(tokenizer, f"{role}_token_id"))
    if config.is_encoder_decoder:
        text.decoder_start_token_id = text.pad_token_id if text.bos_token_id is None else text.bos_token_id
        text.forced_eos_token_id = None


def generation_settings(own: GenerationConfig) -> GenerationConfig:
    """Which tokens begin, end and fill; sampling, beams and lengths are for whoever generates to choose."""
    tokens = {name: value for name, value in own.to_dict().items() if name.endswith(("_id", "_ids"))}
    return GenerationConfig(**{name: value for name, value in tokens.items() if value is not None})  # type: ignore[no-untyped-call]


def ready_to_generate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, own: GenerationConfig | None
) -> PreTrainedModel:
    """With a cache when it generates and without one when it trains. own: what came with the weights."""
    settings = generation_settings(own or GenerationConfig.from_model_config(model.config))
    for role in ("pad", "bos", "eos"):
        if getattr(settings, f"{role}_token_id") is None:
            setattr(settings, f"{role}_token_id", getattr(tokenizer, f"{role}_token_id"))
    settings.use_cache = True
    model.generation_config = settings
    if model.config.is_encoder_decoder:
        if settings.decoder_start_token_id is None:
            settings.decoder_start_token_id = settings.pad_token_id
        model.config.get_text_config().decoder_start_token_id = settings.decoder_start_token_id
    without_cache(model)
    return model


def without_cache(model: PreTrainedModel) -> None:
    """Keys and values of a training step are never read again."""
    for part in model.modules():  # T5's encoder and decoder have a configuration each
        if isinstance(part, PreTrainedModel) and hasattr(part.config, "use_cache"):
            part.config.use_cache = False


def freeze(model: PreTrainedModel, patterns: Sequence[str]) -> None:
    """Stop training what matches. A pattern may leave out the name under which a head's model keeps its backbone.

    Raises: ModelError for a pattern that matches nothing.
    """
    inner = f"{model.base_model_prefix}."
    names = {name: (name, name.removeprefix(inner)) for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        if any(fnmatch(own, pattern) for own in names[name] for pattern in patterns):
            parameter.requires_grad_(False)
    unused = [p for p in patterns if not any(fnmatch(own, p) for pair in names.values() for own in pair)]
    if unused:
        raise ModelError(f"model.freeze: no parameter matches {unused}; names look like {', '.join(list(names)[:3])}")


def checkpoint_activations(model: PreTrainedModel, told: str) -> None:
    """Compute activations a second time in the backward pass instead of keeping them (Chen et al. 2016)."""
    if not model.supports_gradient_checkpointing:
        raise ModelError(f"{told}: {model.config.model_type} has no gradient checkpointing; set it to false")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # the newest transformers calls it otherwise, others know no more
        model.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[no-untyped-call]


def reinitialise(model: PreTrainedModel, layers: int, pooling: str | None, told: str) -> None:
    """Fresh weights for the top `layers` blocks of each stack, and for a pooler that is read (Zhang et al. 2021, 4)."""
    if layers == 0:
        return
    towers = stacks(model)
    most = min((len(tower.blocks) for tower in towers), default=0)
    if not 0 < layers <= most:
        raise ModelError(f"model.reinit_layers={layers}: {told} has {most} layers; use 0 to {most}")
    other = type(model)(model.config)  # its weights are drawn as the architecture draws them
    wanted = [(tower.blocks, twin.blocks) for tower, twin in zip(towers, stacks(other), strict=True)]
    with torch.no_grad():
        for blocks, twins in wanted:
            for block, twin in zip(blocks[-layers:], twins[-layers:], strict=True):
                block.load_state_dict(twin.state_dict())
        if pooling == "pooler" and getattr(model, "pooler", None) is not None:
            cast(nn.Module, model.pooler).load_state_dict(cast(nn.Module, other.pooler).state_dict())


class Backbone(nn.Module):
    """A transformers model reduced to what tasks need; of an encoder-decoder its encoder."""

    def __init__(self, model: PreTrainedModel, pooling: str = "auto", *, unpad: bool = True) -> None:
        super().__init__()
        config = model.config.get_text_config()
        self.width: int = config.hidden_size
        self.vocabulary: int = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
        self.positions = usable_positions(config)
        self.segments: bool = getattr(config, "type_vocab_size", 0) > 1
        # a decoder reads left to right: only its last token has seen the whole text
        self.causal: bool = not (config.is_encoder_decoder or _both_ways(config))
        self.pooler: bool = getattr(model, "pooler", None) is not None
        self.after_pooling = nn.Identity()
        self.model = cast(PreTrainedModel, model.get_encoder()) if config.is_encoder_decoder else model
        without_cache(model)
        self.first_position = reserved_positions(config)
        self.pools = pooling == "pooler"
        self.unpadded = unpad and unpadded.switch_to(self.model, self.first_position, pools=self.pools)
        self.can_be_asked = self.unpadded and unpadded.can_be_asked(self.model)
        for name, parameter in self.model.named_parameters():
            if name.startswith("pooler.") and pooling != "pooler":
                parameter.requires_grad_(False)  # what nothing reads gets no gradient, for which several devices wait

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Any:
        """input_ids, attention_mask, token_type_ids [B,T] -> transformers output with last_hidden_state [B,T,D].

        at [R]: places in the flattened B*T, where only they are read: last_hidden_state [R,D]. With the model's own
        pooler they are those of first tokens, and there is pooler_output [B,D].
        """
        extra = {"token_type_ids": token_type_ids} if self.segments and token_type_ids is not None else {}
        if not self.unpadded:
            output = self.model(input_ids=input_ids, attention_mask=attention_mask, **extra)
            return Pooled(read(output.last_hidden_state, at), output.get("pooler_output"))
        layout = Layout.of(attention_mask)
        asked = layout if at is None or not self.can_be_asked else layout.asking(at)
        states = unpadded.run(self.model, self.first_position, asked, input_ids, **extra)
        if at is None:
            return Pooled(layout.padded(states))
        if asked is layout:
            states = states[layout.inverse[at]]
        return Pooled(states, cast(nn.Module, self.model.pooler)(states[:, None]) if self.pools else None)


@dataclass
class MaskedOutput:
    logits: Tensor  # [B,T,V], or [M,V] of the places asked for
    seq_relationship_logits: Tensor | None  # [B,2]: the second text follows the first, it does not


class MaskedLM(nn.Module):
    """A transformers model with the head that fills masks, and the one for the next sentence if it has that."""

    def __init__(self, model: PreTrainedModel, next_sentence: bool = False, *, unpad: bool = True) -> None:
        super().__init__()
        self.model = model
        self.segments: bool = getattr(model.config, "type_vocab_size", 0) > 1
        self.positions = usable_positions(model.config)
        self.first_position = reserved_positions(model.config)
        # the head for the next sentence looks for the first token of each row
        self.unpadded = unpad and not next_sentence and unpadded.switch_to(model, self.first_position)
        self.can_be_asked = self.unpadded and unpadded.can_be_asked(model)
        self._at: Tensor | None = None
        # the output layer is the dearest part, and few places are masked: it gets only those
        output_layer: nn.Module = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        output_layer.register_forward_pre_hook(self._pick)

    def _pick(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return inputs if self._at is None else (inputs[0].flatten(0, 1)[self._at],)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        at: Tensor | None = None,
    ) -> MaskedOutput:
        """input_ids, attention_mask, token_type_ids [B,T]. at [M]: places in the flattened B*T, null for all."""
        extra = {"token_type_ids": token_type_ids} if self.segments and token_type_ids is not None else {}
        if not self.unpadded:
            self._at = at
            output = self.model(input_ids=input_ids, attention_mask=attention_mask, **extra)
            logits = output.logits if "logits" in output else output.prediction_logits
            return MaskedOutput(logits, output.get("seq_relationship_logits"))
        layout = Layout.of(attention_mask)
        self._at = None
        if at is not None and self.can_be_asked:
            layout = layout.asking(at)
        elif at is not None:
            self._at = layout.inverse[at]
        row = unpadded.run(self.model, self.first_position, layout, input_ids, **extra)
        return MaskedOutput(layout.padded(row) if at is None else row, None)
