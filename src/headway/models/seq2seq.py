"""A GRU encoder and decoder with attention. B batch, S source tokens, T target tokens, E embedding width, D width."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from headway.errors import ModelError
from headway.models.generation import State, check_sizes, configuration
from headway.models.recurrent import BothWays, LeftToRight
from headway.models.vectors import embedding


@dataclass(frozen=True)
class GruAttention:
    """Global attention with general scores, after Luong et al. 2015, sections 3 and 3.1, trained from nothing.

    The attention looks on from above the decoder and does not feed back into it (their section 3.3 is left out): the
    decoder then reads a whole target in one call, which an attention inside the step (Bahdanau et al. 2015) forbids.

    width: of the decoder and of each direction of the encoder. tie: the output matrix is the embedding (Press & Wolf
    2017), which source and target share. vectors: text file of static word vectors to begin from.
    """

    width: int = 256
    embedding: int = 256
    layers: int = 1
    dropout: float = 0.2
    tie: bool = True
    vectors: str | None = None
    freeze_vectors: bool = False

    def seq2seq(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> "GruSeq2Seq":
        """Raises: ModelError for sizes below 1, unusable vectors, or a tokenizer without a token to begin with."""
        check_sizes(width=self.width, embedding=self.embedding, layers=self.layers)
        config = configuration(tokenizer, is_encoder_decoder=True)
        if config.bos_token_id is None:
            raise ModelError("tokenizer: has no bos, cls or eos token for a target to begin with; give it one")
        config.decoder_start_token_id = config.bos_token_id
        table = embedding(tokenizer, self.embedding, self.vectors, self.freeze_vectors, weights=weights)
        return GruSeq2Seq(config, table, self.width, self.layers, self.dropout, self.tie)


class Encoder(nn.Module):
    """Embedding and a bidirectional GRU. `generate` calls it once, with names of its own."""

    main_input_name = "input_ids"

    def __init__(self, table: nn.Embedding, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = table
        self.dropout = nn.Dropout(dropout)
        self.network = BothWays("gru", table.embedding_dim, width, layers, dropout)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **options: Any) -> BaseModelOutput:
        """[B,S], padded on the right -> last_hidden_state [B,S,2D]."""
        states = self.network(self.dropout(self.embedding(input_ids)), attention_mask)
        return BaseModelOutput(last_hidden_state=self.dropout(states))


class GruSeq2Seq(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """Encoder, decoder and output."""

    _is_stateful = True  # a state cannot be cut back to fewer tokens, as assisted decoding would

    def __init__(
        self, config: PreTrainedConfig, table: nn.Embedding, width: int, layers: int, dropout: float, tie: bool
    ) -> None:
        super().__init__(config)
        self.generation_config.decoder_start_token_id = config.decoder_start_token_id
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(table, width, layers, dropout)
        self.start = nn.Linear(2 * width, layers * width)
        self.network = LeftToRight("gru", table.embedding_dim, width, layers, dropout)
        self.score = nn.Linear(width, 2 * width, bias=False)
        self.combine = nn.Linear(3 * width, table.embedding_dim)
        self.output = nn.Linear(table.embedding_dim, table.num_embeddings)
        nn.init.zeros_(self.output.bias)
        if tie:
            self.output.weight = table.weight

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # the state comes with the first output

    def get_output_embeddings(self) -> nn.Linear:
        return self.output

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: State | None = None,
        use_cache: bool | None = None,
        return_dict: bool = True,
    ) -> Seq2SeqLMOutput:
        """Source [B,S] or what the encoder made of it, and target [B,T], padded on the right -> logits [B,T,V].

        past_key_values: the decoder's state after the target tokens that came before.
        """
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids, attention_mask)
        memory: Tensor = encoder_outputs.last_hidden_state  # type: ignore[assignment]
        mask = memory.new_ones(memory.shape[:2]) if attention_mask is None else attention_mask
        state = past_key_values or self._first_state(memory, mask)
        inputs = self.dropout(self.encoder.embedding(decoder_input_ids))
        states, state = self.network.read(inputs, None, state)
        # Luong et al., equations 7 and 8; the score matrix is applied to the T queries, not to the S keys, so that a
        # step of generation costs one product with it
        context = F.scaled_dot_product_attention(
            self.score(states), memory, memory, mask.bool().unsqueeze(1), scale=1.0
        )
        attentional = torch.tanh(self.combine(torch.cat([context, states], dim=-1)))  # equation 5
        logits = self.output(self.dropout(attentional))  # equation 6
        return Seq2SeqLMOutput(
            logits=logits,
            past_key_values=state if use_cache else None,  # type: ignore[arg-type]
            encoder_last_hidden_state=memory,
        )

    def _first_state(self, memory: Tensor, mask: Tensor) -> State:
        """The decoder begins with the mean of what the encoder says (Sennrich et al. 2017, Nematus, section 2)."""
        weight = mask.unsqueeze(-1).to(memory.dtype)
        mean = (memory * weight).sum(1) / weight.sum(1).clamp(min=1)
        first = torch.tanh(self.start(mean)).view(len(mean), self.network.layers.num_layers, -1)
        return State((first.transpose(0, 1).contiguous(),), 0)
