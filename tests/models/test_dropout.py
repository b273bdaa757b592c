"""Dropout from bits does what torch's does: so many zeros, the same mean, the same values from the same seed."""

import pytest
import torch

from headway.models.dropout import LEVELS, Dropout, dropped


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1000, 400), (7, 3, 5, 999)])
def test_a_share_is_zero_and_the_others_keep_the_mean(rate: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    values = torch.full(shape, 2.0)
    found = dropped(values, rate)
    share, count = float((found == 0).float().mean()), values.numel()
    assert abs(share - rate) < 5 * (rate * (1 - rate) / count) ** 0.5, "five standard errors"
    kept = found[found != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 2 / (1 - rate)), rtol=2 / LEVELS / (1 - rate), atol=0)


def test_neighbours_are_dropped_independently() -> None:
    """Four values share 64 random bits: none of them says anything about another."""
    torch.manual_seed(1)
    zeros = (dropped(torch.ones(100_000, 4), 0.3) == 0).double()
    together = (zeros.T @ zeros / len(zeros)).fill_diagonal_(0.09)
    torch.testing.assert_close(together, torch.full((4, 4), 0.09, dtype=torch.double), atol=0.005, rtol=0)


def test_follows_the_seed() -> None:
    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return dropped(torch.ones(1001), 0.5)

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_gradient_is_zero_where_the_value_is(dtype: torch.dtype) -> None:
    values = torch.ones(5000, dtype=dtype, requires_grad=True)
    found = dropped(values, 0.25)
    (gradient,) = torch.autograd.grad(found.sum(), values)
    assert found.dtype == gradient.dtype == dtype
    assert torch.equal(gradient, found), "the values are ones"


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1.0), (1.0, 0.0), (1e-9, 1.0)])
def test_the_ends_are_exact(rate: float, expected: float) -> None:
    torch.manual_seed(0)
    assert torch.equal(dropped(torch.ones(1000), rate), torch.full((1000,), expected))


def test_rests_in_evaluation() -> None:
    values, part = torch.ones(50), Dropout(0.5)
    assert torch.equal(part.eval()(values), values)
    assert not torch.equal(part.train()(values), values)
