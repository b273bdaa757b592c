"""Attention within each sequence of a row on a GPU: one kernel for sequences of any lengths, chosen by trying it.

S tokens of all sequences, N sequences, H heads of width E. Where no such kernel runs, unpadded.py goes by length. The
kernels are called as torch's own nested tensors call them, without the many operations around it.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

DEVICES = {"cuda"}  # types of those that have such kernels; on a processor going by length is faster
HALF = (torch.float16, torch.bfloat16)
TOLERANCE = 0.1  # gradients in half precision are off by 0.03 from those in single, those of a wrong sequence by 2
_TRIED = [3, 7, 5]  # lengths of the sequences on which a kernel is tried


@dataclass(frozen=True)
class Bounds:
    """Where sequences lie in the row. offsets: [N+1] int32, on the row's device. pairs: of tokens in one sequence."""

    offsets: Tensor
    shortest: int
    longest: int
    pairs: int


Kernel = Callable[[Tensor, Tensor, Tensor, Bounds, float, float, bool], Tensor]


class How(NamedTuple):
    """dropout: the share of weights that is dropped."""

    kernel: Kernel
    at: Bounds
    scale: float
    dropout: float
    causal: bool


def attend_within(query: Tensor, key: Tensor, value: Tensor, how: How) -> Tensor:
    """[S,H,E] each -> [S,H,E]"""
    given = query, key, value
    if has_torch_function(given):  # somebody looks on, such as the counter of operations
        return handle_torch_function(attend_within, given, *given, how=how)
    return how.kernel(*given, how.at, how.scale, how.dropout, how.causal)


def flash(q: Tensor, k: Tensor, v: Tensor, at: Bounds, scale: float, dropout: float, causal: bool) -> Tensor:
    """FlashAttention-2 (Dao 2023), what torch's varlen_attn calls, with dropout; half precision. [S,H,E] -> [S,H,E]"""
    ends = (at.offsets, at.offsets, at.longest, at.longest)
    return cast(Tensor, torch.ops.aten._flash_attention_forward(q, k, v, *ends, dropout, causal, False, scale=scale)[0])


def efficient(q: Tensor, k: Tensor, v: Tensor, at: Bounds, scale: float, dropout: float, causal: bool) -> Tensor:
    """Memory-efficient attention (Rabe & Staats 2021; xFormers), in any precision. [S,H,E] -> [S,H,E]"""
    whole = (one[None] for one in (q, k, v))
    ends = (at.offsets, at.offsets, at.longest, at.longest)
    trained = torch.is_grad_enabled() and any(one.requires_grad for one in (q, k, v))
    mask = int(causal)  # 1: each sequence's own triangle
    found = torch.ops.aten._efficient_attention_forward(*whole, None, *ends, dropout, mask, trained, scale=scale)
    return cast(Tensor, found[0][0])


def nested(q: Tensor, k: Tensor, v: Tensor, at: Bounds, scale: float, dropout: float, causal: bool) -> Tensor:
    """SDPA of torch's nested tensors, which picks a kernel for its device and precision. [S,H,E] -> [S,H,E]"""
    heads = [
        torch.nested.nested_tensor_from_jagged(one, at.offsets.long(), min_seqlen=at.shortest, max_seqlen=at.longest)
        for one in (q, k, v)
    ]
    query, key, value = (one.transpose(1, 2) for one in heads)
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale, is_causal=causal)
    return mixed.transpose(1, 2).values()


NAMES: dict[Kernel | None, str] = {
    flash: "FlashAttention",
    efficient: "memory-efficient attention",
    nested: "nested tensors",
    None: "by length",
}


@lru_cache
def kernel(device: torch.device, dtype: torch.dtype, width: int, dropout: bool, causal: bool) -> Kernel | None:
    """The first that gives what SDPA gives for each sequence alone, and its gradients. width: of a head."""
    candidates: tuple[Kernel, ...] = (flash, efficient, nested) if dtype in HALF else (efficient, nested)
    return next((one for one in candidates if _agrees(one, device, dtype, width, dropout, causal)), None)


def words(device: torch.device, dtype: torch.dtype, width: int, causal: bool) -> str:
    """Which kernels a model of heads of `width` gets, for the record of a run."""
    plain, dropping = (NAMES[kernel(device, dtype, width, dropout, causal)] for dropout in (False, True))
    return plain if plain == dropping else f"{plain}; with dropout: {dropping}"


def _agrees(one: Kernel, device: torch.device, dtype: torch.dtype, width: int, dropout: bool, causal: bool) -> bool:
    def alone(*rows: Tensor) -> Tensor:
        parts = zip(*(torch.split(row.transpose(0, 1), _TRIED, 1) for row in rows), strict=True)
        mixed = [F.scaled_dot_product_attention(q, k, v, scale=scale, is_causal=causal) for q, k, v in parts]
        return torch.cat(mixed, 1).transpose(0, 1)

    generator, scale = torch.Generator().manual_seed(0), width**-0.5
    forked = [device] if device.type == "cuda" else []
    # it may be wanted first in an evaluation
    with torch.inference_mode(False), torch.random.fork_rng(forked), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors call themselves a prototype
        given = [torch.randn(sum(_TRIED), 2, width, generator=generator).to(device, dtype) for _ in range(3)]
        ends = torch.tensor([0, *_TRIED], device=device).cumsum(0, dtype=torch.int32)
        at = Bounds(ends, min(_TRIED), max(_TRIED), sum(length**2 for length in _TRIED))
        try:
            if dropout:
                _with_gradients(lambda q, k, v: one(q, k, v, at, scale, 0.1, causal), given)
            found = _with_gradients(lambda q, k, v: one(q, k, v, at, scale, 0.0, causal), given)
        except (RuntimeError, TypeError, ValueError, AttributeError):  # not on this GPU, or in this torch
            return False
        expected = _with_gradients(alone, [row.float() for row in given])
    return all(
        torch.allclose(own.float(), other, atol=TOLERANCE, rtol=TOLERANCE)
        for own, other in zip(found, expected, strict=True)
    )


def _with_gradients(attend: Callable[..., Tensor], rows: list[Tensor]) -> list[Tensor]:
    """What it gives, and the gradients of its sum of squares."""
    rows = [row.detach().requires_grad_() for row in rows]
    with torch.enable_grad():
        mixed = attend(*rows)
        return [mixed.detach(), *torch.autograd.grad(mixed.float().square().sum(), rows)]
