"""Where the tokens of a batch lie in one row without padding. B sequences, T tokens of the longest, S real tokens."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Self

import torch
from torch import Tensor

from headway.models import varlen


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a batch lie in the row: shorter ones first, those of one length side by side.

    places: [S], of each token of the row in the flattened B*T. lengths: of each sequence, in the row's order.
    shape: (B, T). asked: [R], the places in the row of the only tokens whose last states are read; None for all.
    """

    places: Tensor
    lengths: tuple[int, ...]
    shape: tuple[int, int]
    asked: Tensor | None = None

    @classmethod
    def of(cls, attention_mask: Tensor, documents: Tensor | None = None) -> Self:
        """attention_mask [B,T], 0 for padding, on whichever side. documents [B,T]: numbers of the texts that a row of
        the batch is packed of, 0, 1, ...; each is then a sequence of its own.
        """
        rows, columns = attention_mask.nonzero(as_tuple=True)
        texts = rows if documents is None else rows * (documents.max() + 1) + documents[rows, columns]
        _, own, counts = torch.unique_consecutive(texts, return_inverse=True, return_counts=True)
        order = counts[own].argsort(stable=True)
        size, width = attention_mask.shape
        return cls((rows * width + columns)[order], tuple(counts.sort().values.tolist()), (size, width))

    def asking(self, at: Tensor) -> Self:
        """at: [R], places in the flattened B*T."""
        return replace(self, asked=self.inverse[at])

    @cached_property
    def groups(self) -> list[tuple[int, int]]:
        """(how many sequences, of which length), in the row's order."""
        return [(len(list(some)), length) for length, some in groupby(self.lengths)]

    @cached_property
    def inverse(self) -> Tensor:
        """[B*T]: the place in the row of each token; of padding, nothing that is meant."""
        found = self.places.new_zeros(self.shape[0] * self.shape[1])
        return found.index_copy(0, self.places, torch.arange(len(self.places), device=found.device))

    @cached_property
    def offsets(self) -> Tensor:
        """[B+1] on the processor: where each sequence of the row begins, and where the row ends."""
        return torch.tensor([0, *self.lengths]).cumsum(0)

    @cached_property
    def positions(self) -> Tensor:
        """[S]: each token's place in its sequence, from 0."""
        starts = torch.repeat_interleave(self.offsets[:-1], torch.tensor(self.lengths))
        return (torch.arange(len(starts)) - starts).to(self.places.device)

    @cached_property
    def bounds(self) -> varlen.Bounds:
        """For a kernel that takes all lengths at once."""
        return varlen.Bounds(self.offsets.to(self.places.device), self.lengths[0], self.lengths[-1])

    def one_each(self, causal: bool) -> Tensor | None:
        """[B]: the order of `asked` in the row, where it is one token of each sequence, which sees all others; else
        None."""
        assert self.asked is not None
        order = self.asked.argsort()
        ends = self.offsets[1:].to(order.device)
        if len(order) != len(ends):
            return None
        asked = self.asked[order]
        fits = asked + 1 == ends if causal else torch.bucketize(asked, ends, right=True) == torch.arange(len(ends))
        return order if fits.all() else None

    def row(self, padded: Tensor) -> Tensor:
        """[B,T] -> [1,S]"""
        return padded.flatten()[self.places][None]

    def padded(self, row: Tensor) -> Tensor:
        """[S,D] -> [B,T,D], zeros where there is padding."""
        flat = row.new_zeros(self.shape[0] * self.shape[1], row.shape[-1])
        return flat.index_copy(0, self.places, row).view(*self.shape, -1)


def read(states: Tensor, at: Tensor | None) -> Tensor:
    """states [B,T,D], or those at some places of the flattened B*T, [R,D]."""
    return states if at is None else states.flatten(0, 1)[at]
