"""Attention in pieces gives what it gives operation by operation, from the same seed, and keeps half of that."""

import pytest
import torch
from torch import Tensor

from headway.models import attend as module
from headway.models.attend import Groups, How, attend
from headway.models.dropout import LEVELS, dropped

ZEROS = LEVELS // 4
HEADS, WIDTH = 2, 4
TEXTS: Groups = [(1, 2), (3, 5), (2, 7)]
ROWS = {"texts": (TEXTS, TEXTS), "their first tokens": ([(1, 1), (3, 1), (2, 1)], TEXTS), "one token": ([(1, 1)],) * 2}


def made(asking: Groups, seen: Groups, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """query, key and value of a row as a layer has them: heads after tokens in memory."""
    generator = torch.Generator().manual_seed(1)
    first, second, third = (
        torch.randn(sum(count * length for count, length in groups), HEADS, width, generator=generator, dtype=dtype)
        .transpose(0, 1)
        .requires_grad_()
        for groups, width in ((asking, WIDTH), (seen, WIDTH), (seen, WIDTH + 1))
    )
    return first, second, third


def step_by_step(query: Tensor, key: Tensor, value: Tensor, how: How) -> Tensor:
    """A group of sequences of one length after the other, by operations of torch."""
    rows, at, place = [], 0, 0
    for (count, length), (_, others) in zip(how.asking, how.seen, strict=True):
        parts = (query[:, at : at + count * length], *(one[:, place : place + count * others] for one in (key, value)))
        q, k, v = (part.unflatten(1, (count, -1)).transpose(0, 1) for part in parts)
        scores = q @ k.transpose(-1, -2) * how.scale
        if how.causal and length > 1:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu_(1), -torch.inf)
        rows.append((dropped(scores.softmax(-1), how.zeros / LEVELS) @ v).transpose(0, 1).flatten(1, 2))
        at, place = at + count * length, place + count * others
    return torch.cat(rows, 1)


def how(row: str = "texts", *, causal: bool = False) -> How:
    return How(*ROWS[row], 0.3, ZEROS, causal)


@pytest.mark.parametrize("pairs", [1, 100, module.PIECE])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("row", ROWS)
def test_values_and_gradients_are_those_of_single_operations(
    row: str, causal: bool, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE", pairs)
    parts = made(*ROWS[row])
    found = []
    for way in (step_by_step, attend):
        torch.manual_seed(8)
        values = way(*parts, how(row, causal=causal))
        weights = torch.linspace(-1, 2, values.numel()).view(values.shape)
        found.append((values, *torch.autograd.grad((values * weights).sum(), parts)))
    assert bool(found[0][0].ne(0).any())
    for expected, own in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_the_gradient_is_that_of_differences(causal: bool) -> None:
    def seeded(*parts: Tensor) -> Tensor:
        torch.manual_seed(3)
        return attend(*parts, how(causal=causal))

    assert torch.autograd.gradcheck(seeded, made(TEXTS, TEXTS, torch.float64))


def test_in_half_precision_it_is_the_same_to_within_that() -> None:
    parts = made(TEXTS, TEXTS)
    torch.manual_seed(0)
    expected = step_by_step(*parts, how(causal=True))
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(*parts, how(causal=True))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.05)
    for gradient in torch.autograd.grad(found.sum(), parts):
        assert gradient.dtype == torch.float32


def test_of_each_pair_of_tokens_six_bytes_are_kept() -> None:
    groups = [(3, 40)]
    parts = made(groups, groups)
    sizes: dict[int, int] = {}

    def note(one: Tensor) -> Tensor:
        sizes[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        return one

    pairs, found = 3 * HEADS * 40 * 40, []
    for way in (step_by_step, attend):
        sizes.clear()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda one: one):
            values = way(*parts, How(groups, groups, 0.3, ZEROS, False))
        assert values.requires_grad
        found.append(sum(sizes.values()) - sum(one.numel() * 4 for one in parts))
    assert found[1] < 6.5 * pairs
    assert found[0] >= 12 * pairs


def test_a_second_derivative_is_refused_in_words() -> None:
    parts = made(TEXTS, TEXTS)
    (gradient,) = torch.autograd.grad(attend(*parts, how()).square().sum(), parts[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
