"""Attention in pieces gives what it gives operation by operation, from the same seed, and keeps half of that."""

import pytest
import torch
from torch import Tensor

from headway.models import attend as module
from headway.models.attend import attend
from headway.models.dropout import LEVELS, dropped

ZEROS = LEVELS // 4
SHAPES = {"texts": ((3, 2, 7, 4), 7), "their first tokens": ((3, 2, 1, 4), 7), "one token": ((1, 1, 1, 1), 1)}


def made(shape: tuple[int, ...], others: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """query, key and value as a layer has them: heads before sequences in memory."""
    generator = torch.Generator().manual_seed(1)
    sizes = (shape, (*shape[:2], others, shape[3]), (*shape[:2], others, shape[3]))
    first, second, third = (
        torch.randn(b, a, *rest, generator=generator, dtype=dtype).transpose(0, 1).requires_grad_()
        for a, b, *rest in sizes
    )
    return first, second, third


def step_by_step(query: Tensor, key: Tensor, value: Tensor, scale: float, zeros: int, causal: bool) -> Tensor:
    scores = query @ key.transpose(-1, -2) * scale
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu_(1), -torch.inf)
    return dropped(scores.softmax(-1), zeros / LEVELS) @ value


@pytest.mark.parametrize("pairs", [1, 100, module.PIECE])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_single_operations(
    shape: str, causal: bool, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE", pairs)
    parts = made(*SHAPES[shape])
    weights = torch.linspace(-1, 2, parts[0].numel()).view(parts[0].shape)
    found = []
    for way in (step_by_step, attend):
        torch.manual_seed(7)
        values = way(*parts, 0.3, ZEROS, causal)
        found.append((values, *torch.autograd.grad((values * weights).sum(), parts)))
    assert bool(found[0][0].ne(0).any())
    for expected, own in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_the_gradient_is_that_of_differences(causal: bool) -> None:
    def seeded(*parts: Tensor) -> Tensor:
        torch.manual_seed(3)
        return attend(*parts, 0.5, ZEROS, causal)

    assert torch.autograd.gradcheck(seeded, made((2, 2, 4, 3), 4, torch.float64))


def test_in_half_precision_it_is_the_same_to_within_that() -> None:
    parts = made((2, 2, 5, 8), 5)
    torch.manual_seed(0)
    expected = step_by_step(*parts, 0.3, ZEROS, causal=True)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(*parts, 0.3, ZEROS, causal=True)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.05)
    for gradient in torch.autograd.grad(found.sum(), parts):
        assert gradient.dtype == torch.float32


def test_of_each_pair_of_tokens_six_bytes_are_kept() -> None:
    parts = made((2, 3, 40, 8), 40)
    sizes: dict[int, int] = {}

    def note(one: Tensor) -> Tensor:
        sizes[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        return one

    pairs, found = 2 * 3 * 40 * 40, []
    for way in (step_by_step, attend):
        sizes.clear()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda one: one):
            values = way(*parts, 0.3, ZEROS, False)
        assert values.requires_grad
        found.append(sum(sizes.values()) - sum(one.numel() * 4 for one in parts))
    assert found[1] < 6.5 * pairs
    assert found[0] >= 12 * pairs


def test_a_second_derivative_is_refused_in_words() -> None:
    parts = made((1, 1, 3, 2), 3)
    (gradient,) = torch.autograd.grad(attend(*parts, 1.0, ZEROS, False).square().sum(), parts[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
