"""LSTM, GRU and Elman networks: backbones and language models. B batch, T tokens, E embedding width, D width, L layers.

Nothing is packed in training: torch's packed sequences miss the fused kernels, which costs a factor of three on a CPU.
A network that reads left to right has not seen the padding on its right; one that reads right to left gets each row
turned round within its own length.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast

from headway.errors import ModelError
from headway.models.generation import State, check_sizes, configuration
from headway.models.host import on_host
from headway.models.layout import read
from headway.models.vectors import embedding

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@dataclass(frozen=True)
class Recurrent:
    """A recurrent network over token embeddings, trained from nothing.

    cell: lstm (Hochreiter & Schmidhuber 1997), gru (Cho et al. 2014) or rnn (Elman 1990). width: of a direction.
    dropout: on what goes into, between and out of the layers, not from step to step (Zaremba et al. 2014, section 3.2).
    pooling: auto is last for one direction, mean for two. tie: of a language model, the output matrix is the
    embedding (Press & Wolf 2017). vectors: text file of static word vectors to begin from.
    """

    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    width: int = 256
    layers: int = 1
    bidirectional: bool = False
    embedding: int = 256
    dropout: float = 0.1
    pooling: Literal["auto", "mean", "max", "last"] = "auto"
    tie: bool = False
    vectors: str | None = None
    freeze_vectors: bool = False

    def backbone(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> "RecurrentBackbone":
        """Raises: ModelError for sizes below 1 or a file of vectors that cannot be used."""
        table = self._embedding(tokenizer, weights)
        network: LeftToRight | BothWays
        if self.bidirectional:
            network = BothWays(self.cell, self.embedding, self.width, self.layers, self.dropout)
        else:
            network = LeftToRight(self.cell, self.embedding, self.width, self.layers, self.dropout)
        return RecurrentBackbone(table, network, self.dropout)

    def causal_lm(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> "RecurrentLM":
        """Raises: ModelError also for two directions, and for a tied output of another width than the embedding."""
        if self.bidirectional:
            raise ModelError(
                "model.bidirectional=true: would read the token it predicts; use false for a language model"
            )
        if self.tie and self.embedding != self.width:
            raise ModelError(
                f"model.tie=true: model.embedding={self.embedding} and model.width={self.width} must be alike"
            )
        table = self._embedding(tokenizer, weights)
        network = LeftToRight(self.cell, self.embedding, self.width, self.layers, self.dropout)
        return RecurrentLM(configuration(tokenizer), table, network, self.dropout, self.tie)

    def _embedding(self, tokenizer: PreTrainedTokenizerBase, weights: bool) -> nn.Embedding:
        check_sizes(width=self.width, layers=self.layers, embedding=self.embedding)
        return embedding(tokenizer, self.embedding, self.vectors, self.freeze_vectors, weights=weights)


class LeftToRight(nn.Module):
    """Layers of one direction."""

    def __init__(self, cell: str, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0  # torch warns of dropout between the layers of one
        self.layers = CELLS[cell](inputs, width, layers, batch_first=True, dropout=between)
        self.width = width
        _open_forget_gates(self.layers)

    def forward(self, inputs: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """[B,T,E], padded on the right -> [B,T,D]."""
        states: Tensor = self.layers(inputs)[0]
        return states

    def read(self, inputs: Tensor, mask: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        """[B,T,E] after `state` -> states [B,T,D] and the state after the last token. Padding only with no state."""
        seen = inputs.shape[1] + (state.seen if state else 0)
        before = None if state is None else state.tensors if len(state.tensors) > 1 else state.tensors[0]
        if state is None and mask is not None and not on_host(mask).all():
            # real tokens to the front, so that a prompt padded on the left begins from the zero state
            order = mask.argsort(dim=1, descending=True, stable=True)
            moved = inputs.gather(1, order.unsqueeze(-1).expand_as(inputs))
            packed = pack_padded_sequence(moved, on_host(mask).sum(1).clamp(min=1), True, enforce_sorted=False)
            output, after = self.layers(packed)
            states, _ = pad_packed_sequence(output, batch_first=True, total_length=inputs.shape[1])
            states = states.gather(1, order.argsort(1).unsqueeze(-1).expand_as(states))
        else:
            states, after = self.layers(inputs, before)
        return states, State(after if isinstance(after, tuple) else (after,), seen)


class BothWays(nn.Module):
    """Layers that each read left to right and right to left (Schuster & Paliwal 1997)."""

    def __init__(self, cell: str, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [inputs] + [2 * width] * (layers - 1)
        self.forwards = nn.ModuleList(CELLS[cell](size, width, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(CELLS[cell](size, width, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.width = 2 * width
        for layer in (*self.forwards, *self.backwards):
            _open_forget_gates(cast(nn.RNNBase, layer))

    def forward(self, inputs: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """[B,T,E], padded on the right -> [B,T,2*D]."""
        place = torch.arange(inputs.shape[1], device=inputs.device)
        if attention_mask is None:
            turn = place.flip(0).expand(inputs.shape[:2])
        else:
            length = attention_mask.sum(1, keepdim=True)
            turn = torch.where(place < length, length - 1 - place, place)
        for index, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if index:
                inputs = self.dropout(inputs)
            inputs = torch.cat([ahead(inputs)[0], _turned(back(_turned(inputs, turn))[0], turn)], dim=-1)
        return inputs


class RecurrentBackbone(nn.Module):
    """Hidden states for heads. Embedding, dropout, layers."""

    pooler = False
    positions = None

    def __init__(self, table: nn.Embedding, network: LeftToRight | BothWays, dropout: float) -> None:
        super().__init__()
        self.embedding = table
        self.dropout = nn.Dropout(dropout)
        self.network = network
        self.after_pooling = nn.Identity()
        self.width = network.width
        self.causal = isinstance(network, LeftToRight)
        self.pooling = "last" if self.causal else "mean"  # what auto means

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        at: Tensor | None = None,
    ) -> BaseModelOutput:
        """[B,T], padded on the right -> last_hidden_state [B,T,D], or [R,D] at places of the flattened B*T."""
        states = self.network(self.dropout(self.embedding(input_ids)), attention_mask)
        return BaseModelOutput(last_hidden_state=read(states, at))


class RecurrentLM(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """The next token from the state after each. It generates at the cost of one step a token."""

    _is_stateful = True  # a state cannot be cut back to fewer tokens, as assisted decoding would

    def __init__(
        self, config: PreTrainedConfig, table: nn.Embedding, network: LeftToRight, dropout: float, tie: bool
    ) -> None:
        super().__init__(config)
        self.embedding = table
        self.dropout = nn.Dropout(dropout)
        self.network = network
        self.output = nn.Linear(network.width, table.num_embeddings)
        nn.init.zeros_(self.output.bias)
        if tie:
            self.output.weight = table.weight

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # the state comes with the first output

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: State | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        return_dict: bool = True,
    ) -> CausalLMOutputWithPast:
        """[B,T] -> logits [B,T,V], of the last `logits_to_keep` tokens only if that is not 0.

        past_key_values: the state after what came before, in whose light the mask says nothing more. Without it the
        mask may have padding on either side.
        """
        inputs = self.dropout(self.embedding(input_ids))
        state = None
        left = attention_mask is not None and not on_host(attention_mask)[:, 0].all()  # padding there
        if use_cache or past_key_values is not None or left:
            states, state = self.network.read(inputs, attention_mask, past_key_values)
        else:
            states = self.network(inputs)
        logits = self.output(self.dropout(states[:, -logits_to_keep:]))
        return CausalLMOutputWithPast(logits=logits, past_key_values=state if use_cache else None)  # type: ignore[arg-type]


def _turned(states: Tensor, turn: Tensor) -> Tensor:
    return states.gather(1, turn.unsqueeze(-1).expand_as(states))


def _open_forget_gates(layers: nn.RNNBase) -> None:
    """LSTMs begin by remembering: forget biases of 1 (Jozefowicz et al. 2015, section 2.2)."""
    if isinstance(layers, nn.LSTM):
        for name, parameter in layers.named_parameters():
            if name.startswith("bias_ih"):
                nn.init.ones_(parameter.detach()[layers.hidden_size : 2 * layers.hidden_size])
