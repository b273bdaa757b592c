"""A kernel for all lengths is taken only where it gives what attention within each sequence gives."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from headway.models import varlen

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    varlen.kernel.cache_clear()
    yield
    varlen.kernel.cache_clear()


def test_nested_tensors_are_taken_where_they_run() -> None:
    """On a processor torch has them without an order of the tokens only, and varlen_attn not at all."""
    assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=False) is varlen.nested
    assert varlen.kernel(CPU, torch.bfloat16, 8, dropout=False, causal=False) is varlen.nested
    assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=True) is None
    assert varlen.words(CPU, torch.float32, 8, causal=True) == "by length"


def test_nested_tensors_give_what_each_sequence_gives_alone() -> None:
    lengths = (2, 5, 5, 9)
    q, k, v = (torch.randn(sum(lengths), 3, 8, generator=torch.Generator().manual_seed(1)) for _ in range(3))
    at = varlen.Bounds(torch.tensor([0, *lengths]).cumsum(0), min(lengths), max(lengths))
    found = varlen.nested(q, k, v, at, 0.3, 0.0, causal=False)
    begin = 0
    for length in lengths:
        own = [one[begin : begin + length].transpose(0, 1) for one in (q, k, v)]
        alone = F.scaled_dot_product_attention(own[0], own[1], own[2], scale=0.3)
        torch.testing.assert_close(found[begin : begin + length], alone.transpose(0, 1))
        begin += length


def test_a_kernel_that_mixes_sequences_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixing(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *_: object) -> torch.Tensor:
        whole = [one.transpose(0, 1) for one in (q, k, v)]
        return F.scaled_dot_product_attention(whole[0], whole[1], whole[2]).transpose(0, 1)

    monkeypatch.setattr(varlen, "nested", mixing)
    assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=False) is None


def test_trying_a_kernel_leaves_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    varlen.kernel(CPU, torch.float32, 8, dropout=True, causal=False)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("causal", [False, True])
def test_a_gpu_has_one(causal: bool) -> None:
    device = torch.device("cuda")
    assert varlen.kernel(device, torch.bfloat16, 64, dropout=False, causal=causal) is varlen.flash
    assert varlen.kernel(device, torch.bfloat16, 64, dropout=True, causal=causal) is varlen.nested
