"""A bag of words: mean of embeddings, then a small network. B batch, T tokens, E embedding width, D width."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput

from headway.models.generation import check_sizes
from headway.models.layout import read
from headway.models.vectors import embedding


@dataclass(frozen=True)
class Averaged:
    """Deep averaging network (Iyyer et al. 2015), trained from nothing.

    layers: tanh layers of width `hidden` after the mean. word_dropout: the share of tokens left out of it in training
    (section 3.2 there), dropout: the share of a layer's units. vectors: text file of static word vectors.
    """

    pooling: ClassVar[str] = "mean"

    embedding: int = 256
    hidden: int = 256
    layers: int = 1
    dropout: float = 0.1
    word_dropout: float = 0.3
    vectors: str | None = None
    freeze_vectors: bool = False

    def backbone(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> "AveragedBackbone":
        """Raises: ModelError for sizes below 1 or a file of vectors that cannot be used."""
        check_sizes(embedding=self.embedding, hidden=self.hidden, layers=self.layers)
        table = embedding(tokenizer, self.embedding, self.vectors, self.freeze_vectors, weights=weights)
        return AveragedBackbone(table, self.hidden, self.layers, self.dropout, self.word_dropout)


class AveragedBackbone(nn.Module):
    """Embeddings as hidden states; what follows their mean is `after_pooling`, and `width` is its width."""

    causal = False
    pooler = False
    positions = None
    pooling = "mean"

    def __init__(self, table: nn.Embedding, hidden: int, layers: int, dropout: float, word_dropout: float) -> None:
        super().__init__()
        self.embedding = table
        self.word_dropout = word_dropout
        self.width = hidden
        sizes = [table.embedding_dim] + [hidden] * layers
        self.after_pooling = nn.Sequential()
        for index, (before, after) in enumerate(itertools.pairwise(sizes)):
            if index:
                self.after_pooling.append(nn.Dropout(dropout))
            self.after_pooling.extend([nn.Linear(before, after), nn.Tanh()])

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        at: Tensor | None = None,
    ) -> BaseModelOutput:
        """[B,T] -> last_hidden_state [B,T,E], or [R,E] at places of the flattened B*T.

        In training whole tokens are zero and the others as much larger.
        """
        states = F.dropout1d(self.embedding(input_ids), self.word_dropout, self.training)
        return BaseModelOutput(last_hidden_state=read(states, at))
