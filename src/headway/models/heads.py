"""Heads: what stands between a backbone's hidden states and a task's logits. B batch, T tokens, D width, C classes."""

from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from headway.errors import ModelError

Pooling = Literal["cls", "pooler", "mean", "max", "last"]


class SequenceClassifier(nn.Module):
    """Backbone, pooling, what the backbone puts after it, dropout, linear layer.

    cls: the first token's state (Devlin et al. 2019, section 4.1, without the tanh layer). pooler: the model's own
    pretrained pooler. mean: average over real tokens (Reimers & Gurevych 2019, section 3). max: the largest value over
    real tokens, for each unit (Conneau et al. 2017, section 3.2). last: the last real token (Radford et al. 2018,
    section 3.2), the right choice for decoders.
    """

    def __init__(self, backbone: Any, classes: int, pooling: str = "auto", dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = resolve_pooling(pooling, backbone)
        self.dropout = nn.Dropout(dropout)
        self.output = output_layer(backbone.width, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """[B,T] -> logits [B,C]."""
        at = None if self.pooling in ("mean", "max") else place_of(attention_mask, self.pooling)
        hidden = self.backbone(input_ids, attention_mask, token_type_ids, at)
        pooled = self.backbone.after_pooling(pool(hidden, attention_mask, self.pooling))
        return self.output(self.dropout(pooled))


def output_layer(width: int, classes: int) -> nn.Linear:
    """Fresh weights in the spread of BERT's initializer_range."""
    layer = nn.Linear(width, classes)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


def place_of(attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """[B,T] -> [B], of each text's first or last real token in the flattened B*T, on whichever side padding stands."""
    size, width = attention_mask.shape
    order = torch.arange(1, width + 1, device=attention_mask.device)
    chosen = (attention_mask * (order if pooling == "last" else order.flip(0))).argmax(dim=1)
    return chosen + torch.arange(0, size * width, width, device=chosen.device)


def pool(hidden: object, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """[B,T,D], or [B,D] where one token is read of each text, -> [B,D]; padding never takes part."""
    if pooling == "pooler":
        return hidden.pooler_output  # type: ignore[attr-defined]
    states: Tensor = hidden.last_hidden_state  # type: ignore[attr-defined]
    if pooling in ("cls", "last"):
        return states
    if pooling == "max":
        return states.masked_fill(attention_mask.unsqueeze(-1) == 0, -torch.inf).amax(1)
    mask = attention_mask.unsqueeze(-1).to(states.dtype)
    return (states * mask).sum(1) / mask.sum(1)


def resolve_pooling(pooling: str, backbone: Any) -> Pooling:
    """auto: what the backbone says, else last for decoders and cls for encoders.

    Raises: ModelError for what the backbone does not offer.
    """
    if pooling == "auto":
        return cast(Pooling, getattr(backbone, "pooling", "last" if backbone.causal else "cls"))
    if pooling not in get_args(Pooling):
        raise ModelError(f"model.pooling={pooling}: choose one of auto, {', '.join(get_args(Pooling))}")
    if pooling == "pooler" and not backbone.pooler:
        raise ModelError("model.pooling=pooler: this model has no pooler; use cls or mean")
    if pooling == "cls" and backbone.causal:
        raise ModelError("model.pooling=cls: the first token of a decoder has seen nothing; use last or mean")
    return cast(Pooling, pooling)


class TokenClassifier(nn.Module):
    """Backbone, dropout, one linear layer for every token. (Devlin et al. 2019, sections 4.2 and 5.3)"""

    def __init__(self, backbone: Any, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        if not isinstance(backbone.after_pooling, nn.Identity):
            raise ModelError("model: knows texts but not their single tokens, which this task needs; try model=bilstm")
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.output = output_layer(backbone.width, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """[B,T] -> logits [B,T,C]."""
        return self.output(self.dropout(self.backbone(input_ids, attention_mask, token_type_ids).last_hidden_state))
