"""Attention with dropout for training on a processor: one operation for a layer, in pieces that stay in the cache.

It computes what scaled_dot_product_attention does (Vaswani et al. 2017, section 3.2.1) within each sequence of a row
without padding, with our dropout. What it keeps for the gradient is the attention and the random bits, of each pair of
tokens six bytes where operation by operation it is twelve: of texts of 128 tokens a third of all that a MiniLM keeps.
There attention takes three quarters of the time as well; at 21 tokens as much as operation by operation.
H heads, S tokens of the row, D width of a head; in a group of sequences of one length T tokens each, and N sequences
times heads.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import handle_torch_function, has_torch_function

from headway.models.dropout import LEVELS, bits_of, kept

PIECE = 2**18  # pairs of tokens: 1 MiB in single precision
Groups = Sequence[tuple[int, int]]  # how many sequences, of which length, in the row's order


class How(NamedTuple):
    """asking, seen: the groups of queries, and of keys and values. zeros: of `dropout.zeros_of`, more than none."""

    asking: Groups
    seen: Groups
    scale: float
    zeros: int
    causal: bool


def attend(query: Tensor, key: Tensor, value: Tensor, how: How) -> Tensor:
    """query [H,S,D], key [H,S',D], value [H,S',D'] -> [H,S,D'], in memory as [S,H,D']. Differentiable once."""
    given = query, key, value
    if has_torch_function(given):  # somebody looks on, such as the counter of operations
        return handle_torch_function(attend, given, *given, how=how)
    return cast(Tensor, _Attend.apply(*given, how))  # type: ignore[no-untyped-call]


def cut(row: Tensor, groups: Groups) -> list[Tensor]:
    """[H,S,D] -> of each group its part of it, [sequences,H,T,D]."""
    parts = torch.split(row, [count * length for count, length in groups], 1)
    return [part.view(-1, *shape, row.shape[-1]).transpose(0, 1) for part, shape in zip(parts, groups, strict=True)]


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, how: How) -> Tensor:
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
        found = _row((*query.shape[:2], value.shape[2]), dtype)
        ctx.how, ctx.dtype, ctx.larger = how, dtype, LEVELS / (LEVELS - how.zeros)
        ctx.shapes = [one.shape for one in (query, key, value)]
        saved: list[Tensor] = []
        rows = (cut(query, how.asking), cut(key, how.seen), cut(value, how.seen), cut(found, how.asking))
        for *given, goal in zip(*rows, strict=True):
            q, k, v = (_block(one, dtype) for one in given)
            q.mul_(how.scale)
            seen, out = (q.new_empty(*q.shape[:2], size) for size in (k.shape[1], v.shape[2]))
            bits = bits_of(seen.shape)
            after = torch.ones(seen.shape[1:], dtype=torch.bool).triu_(1) if how.causal and q.shape[1] > 1 else None
            for one, other, values, part, drawn, result in _pieces(q, k, v, seen, bits, out):
                torch.bmm(one, other.transpose(1, 2), out=part)
                if after is not None:
                    part.masked_fill_(after, -torch.inf)
                torch.softmax(part, -1, out=part)
                torch.bmm(kept(drawn, how.zeros, dtype).mul_(part), values, out=result)
            goal.copy_(out.mul_(ctx.larger).view(goal.shape))
            saved += [q, k, v, seen, bits]
        ctx.save_for_backward(*saved)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        how, saved = ctx.how, ctx.saved_tensors
        found = [_row(shape, gradient.dtype) for shape in ctx.shapes]
        groups = (how.asking, how.asking, how.seen, how.seen)
        rows = (cut(one, own) for one, own in zip((gradient, *found), groups, strict=True))
        for at, (given, *goals) in enumerate(zip(*rows, strict=True)):
            q, k, v, seen, bits = saved[5 * at : 5 * at + 5]
            own = _block(given, ctx.dtype).mul_(ctx.larger)
            of_q, of_k, of_v = (torch.empty_like(one) for one in (q, k, v))
            for one, other, values, part, drawn, right, of_one, of_other, of_values in _pieces(
                q, k, v, seen, bits, own, of_q, of_k, of_v
            ):
                left = kept(drawn, how.zeros, ctx.dtype)
                of_part = torch.bmm(right, values.transpose(1, 2)).mul_(left)
                torch.bmm(left.mul_(part).transpose(1, 2), right, out=of_values)
                of_scores = torch._softmax_backward_data(of_part, part, -1, part.dtype)
                torch.bmm(of_scores, other, out=of_one)
                torch.bmm(of_scores.transpose(1, 2), one, out=of_other)
            of_q.mul_(how.scale)
            for made, goal in zip((of_q, of_k, of_v), goals, strict=True):
                goal.copy_(made.view(goal.shape))
        return *found, None


def _row(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """[H,S,D], in memory as a layer has it, [S,H,D]."""
    heads, tokens, width = shape
    return torch.empty(tokens, heads, width, dtype=dtype).transpose(0, 1)


def _block(part: Tensor, dtype: torch.dtype) -> Tensor:
    """[sequences,H,T,D] -> [N,T,D], one after the other in memory."""
    return torch.empty(part.shape, dtype=dtype).copy_(part).flatten(0, 1)


def _pieces(*blocks: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Of the first dimension of each, so many at once as make a piece; the fourth is of pairs, [N,T,T']."""
    size = max(1, PIECE // (blocks[3].shape[1] * blocks[3].shape[2]))
    return zip(*(torch.split(one, size) for one in blocks), strict=True)
