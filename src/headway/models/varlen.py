"""Attention within each sequence of a row on a GPU: one kernel for sequences of any lengths, chosen by trying it.

S tokens of all sequences, N sequences, H heads of width E. Where no such kernel runs, unpadded.py goes by length.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
TOLERANCE = 2e-2  # of one kernel in half precision from another in single; a wrong sequence is off by 1
_TRIED = [3, 7, 5]  # lengths of the sequences on which a kernel is tried


@dataclass(frozen=True)
class Bounds:
    """Where sequences lie in the row. offsets: [N+1] int64, on the row's device."""

    offsets: Tensor
    shortest: int
    longest: int


Kernel = Callable[[Tensor, Tensor, Tensor, Bounds, float, float, bool], Tensor]


def flash(q: Tensor, k: Tensor, v: Tensor, at: Bounds, scale: float, dropout: float, causal: bool) -> Tensor:
    """torch's varlen_attn (FlashAttention, Dao 2023): half precision, and no dropout. [S,H,E] -> [S,H,E]"""
    from torch.nn.attention.varlen import varlen_attn

    assert dropout == 0
    ends, window = at.offsets.int(), (-1, 0) if causal else (-1, -1)
    return cast(Tensor, varlen_attn(q, k, v, ends, ends, at.longest, at.longest, scale=scale, window_size=window))


def nested(q: Tensor, k: Tensor, v: Tensor, at: Bounds, scale: float, dropout: float, causal: bool) -> Tensor:
    """SDPA of torch's nested tensors, which picks a kernel for its device and precision. [S,H,E] -> [S,H,E]"""
    heads = [
        torch.nested.nested_tensor_from_jagged(one, at.offsets, min_seqlen=at.shortest, max_seqlen=at.longest)
        for one in (q, k, v)
    ]
    query, key, value = (one.transpose(1, 2) for one in heads)
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale, is_causal=causal)
    return mixed.transpose(1, 2).values()


@lru_cache
def kernel(device: torch.device, dtype: torch.dtype, width: int, dropout: bool, causal: bool) -> Kernel | None:
    """The first that gives what SDPA gives for each sequence alone, backwards too. width: of a head."""
    candidates: tuple[Kernel, ...] = (nested,) if dropout or dtype not in HALF else (flash, nested)
    return next((one for one in candidates if _agrees(one, device, dtype, width, dropout, causal)), None)


def words(device: torch.device, dtype: torch.dtype, width: int, causal: bool) -> str:
    """Which kernels a model of heads of `width` gets, for the record of a run."""
    names: dict[Kernel | None, str] = {flash: "varlen_attn", nested: "nested tensors", None: "by length"}
    plain, dropping = (names[kernel(device, dtype, width, dropout, causal)] for dropout in (False, True))
    return plain if plain == dropping else f"{plain}; with dropout: {dropping}"


def _agrees(one: Kernel, device: torch.device, dtype: torch.dtype, width: int, dropout: bool, causal: bool) -> bool:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(sum(_TRIED), 2, width, generator=generator).to(device, dtype) for _ in range(3))
    ends = torch.tensor([0, *_TRIED], device=device).cumsum(0)
    at = Bounds(ends, min(_TRIED), max(_TRIED))
    scale = width**-0.5
    expected = []
    for parts in zip(*(torch.split(whole.float(), _TRIED) for whole in (q, k, v)), strict=True):
        own = [part.transpose(0, 1) for part in parts]
        expected.append(F.scaled_dot_product_attention(own[0], own[1], own[2], scale=scale, is_causal=causal))
    forked = [device] if device.type == "cuda" else []
    try:
        with warnings.catch_warnings(), torch.enable_grad(), torch.random.fork_rng(forked):
            warnings.simplefilter("ignore")  # nested tensors call themselves a prototype
            q.requires_grad_()
            torch.autograd.grad(one(q, k, v, at, scale, 0.1 if dropout else 0.0, causal).float().sum(), q)
            found = one(q, k, v, at, scale, 0.0, causal).float().detach()
    except (RuntimeError, TypeError, ValueError, ImportError, NotImplementedError):  # not on this GPU, or this torch
        return False
    return torch.allclose(found, torch.cat([part.transpose(0, 1) for part in expected]), atol=TOLERANCE, rtol=TOLERANCE)
