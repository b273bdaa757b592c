"""Where the tokens of a batch lie in one row without padding. B sequences, T tokens of the longest, S real tokens."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from headway.models import varlen
from headway.models.host import on_host, to_device


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a batch lie in the row: shorter ones first, those of one length side by side.

    places, positions: [S], of each token of the row in the flattened B*T, and in its sequence, from 0. lengths: of each
    sequence, in the row's order. shape: (B, T). asked: [R], the places in the row of the only tokens whose last states
    are read; None for all.
    """

    places: Tensor
    positions: Tensor
    lengths: tuple[int, ...]
    shape: tuple[int, int]
    asked: Tensor | None = None

    @classmethod
    def of(cls, attention_mask: Tensor, documents: Tensor | None = None) -> Self:
        """attention_mask [B,T], 0 for padding, on whichever side. documents [B,T]: numbers of the texts that a row of
        the batch is packed of, 0, 1, ...; each is then a sequence of its own. Worked out on the host.
        """
        size, width = attention_mask.shape
        real = np.flatnonzero(on_host(attention_mask).numpy())
        texts = real // width
        if documents is not None:
            numbers = on_host(documents).numpy().ravel()[real]
            texts = texts * (numbers.max(initial=0) + 1) + numbers
        first = np.flatnonzero(np.diff(texts, prepend=-1))  # token of each sequence
        counts = np.diff(first, append=len(real))
        order = counts.argsort(kind="stable")
        lengths = counts[order]
        positions = np.arange(len(real)) - (lengths.cumsum() - lengths).repeat(lengths)
        places = real[first[order].repeat(lengths) + positions]
        there = attention_mask.device
        return cls(to_device(places, there), to_device(positions, there), tuple(lengths.tolist()), (size, width))

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
    def offsets(self) -> np.ndarray[Any, Any]:
        """[B+1]: where each sequence of the row begins, and where the row ends."""
        return np.cumsum([0, *self.lengths], dtype=np.int32)

    @cached_property
    def bounds(self) -> varlen.Bounds:
        """For a kernel that takes all lengths at once."""
        ends, pairs = to_device(self.offsets, self.places.device), sum(length**2 for length in self.lengths)
        return varlen.Bounds(ends, self.lengths[0], self.lengths[-1], pairs)

    def one_each(self, causal: bool) -> Tensor | None:
        """[B]: the order of `asked` in the row, where it is one token of each sequence, which sees all others; else
        None."""
        assert self.asked is not None
        order = self.asked.argsort()
        ends = to_device(self.offsets[1:], order.device).long()
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
