"""A kernel for all lengths is taken only where it gives what attention within each sequence gives."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel, BertConfig, LlamaConfig, PreTrainedConfig

from headway.models import varlen
from headway.models.build import Backbone
from headway.training.flops import Products

CPU = torch.device("cpu")
LENGTHS = (2, 5, 5, 9)
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 90}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    varlen.kernel.cache_clear()
    yield
    varlen.kernel.cache_clear()


def rows(device: str = "cpu", dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Query, key and value of a row, [21,3,8] each."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(sum(LENGTHS), 3, 8, generator=generator).to(device, dtype).requires_grad_() for _ in range(3)]


def bounds(device: str = "cpu") -> varlen.Bounds:
    ends = torch.tensor([0, *LENGTHS], device=device).cumsum(0, dtype=torch.int32)
    return varlen.Bounds(ends, min(LENGTHS), max(LENGTHS), sum(length**2 for length in LENGTHS))


def test_nested_tensors_are_taken_where_they_run() -> None:
    """On a processor torch has them without an order of the tokens only, and single kernels not at all."""
    assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=False) is varlen.nested
    assert varlen.kernel(CPU, torch.bfloat16, 8, dropout=False, causal=False) is varlen.nested
    assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=True) is None
    assert varlen.words(CPU, torch.float32, 8, causal=True) == "by length"


def test_a_kernel_is_tried_in_an_evaluation_as_elsewhere() -> None:
    with torch.inference_mode():
        assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=False) is varlen.nested


def test_nested_tensors_give_what_each_sequence_gives_alone() -> None:
    q, k, v = rows()
    found = varlen.nested(q, k, v, bounds(), 0.3, 0.0, causal=False)
    begin = 0
    for length in LENGTHS:
        own = [one[begin : begin + length].transpose(0, 1) for one in (q, k, v)]
        alone = F.scaled_dot_product_attention(own[0], own[1], own[2], scale=0.3)
        torch.testing.assert_close(found[begin : begin + length], alone.transpose(0, 1))
        begin += length


@pytest.mark.parametrize("causal", [False, True])
def test_flash_attention_is_called_as_torch_wants_it_forwards_and_backwards(causal: bool) -> None:
    """On tensors without data, where torch computes shapes and types only: a GPU is not needed to mistake arguments."""
    given = rows("meta", torch.bfloat16)
    found = varlen.flash(*given, bounds("meta"), 0.3, 0.1, causal)
    assert (found.shape, found.dtype) == (given[0].shape, torch.bfloat16)
    gradients = torch.autograd.grad(found.sum(), given)
    assert [one.shape for one in gradients] == [one.shape for one in given]


@pytest.mark.parametrize("causal", [False, True])
def test_memory_efficient_attention_is_called_as_torch_wants_it(causal: bool) -> None:
    given = rows("meta")
    found = varlen.efficient(*given, bounds("meta"), 0.3, 0.1, causal)
    assert (found.shape, found.dtype, found.requires_grad) == (given[0].shape, torch.float32, True)


@pytest.mark.parametrize(
    "config", [BertConfig(**SIZES), LlamaConfig(**SIZES, num_key_value_heads=2)], ids=["bert", "llama"]
)
def test_a_network_by_one_kernel_is_the_network_by_length(
    config: PreTrainedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results, gradients and operations. Here the kernel is a loop over the sequences."""

    def loop(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, at: varlen.Bounds, *how: Any) -> torch.Tensor:
        used.append(at.longest)
        scale, dropout, causal = how
        cuts = at.offsets.diff().tolist()
        parts = zip(*(one.transpose(0, 1).split(cuts, 1) for one in (q, k, v)), strict=True)
        mixed = [
            F.scaled_dot_product_attention(*own, dropout_p=dropout, scale=scale, is_causal=causal) for own in parts
        ]
        return torch.cat(mixed, 1).transpose(0, 1)

    monkeypatch.setattr(varlen, "efficient", loop)
    used: list[int] = []
    torch.manual_seed(2)
    model = Backbone(AutoModel.from_config(deepcopy(config), attn_implementation="sdpa")).eval()
    assert model.unpadded
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    ids = torch.randint(5, 90, mask.shape, generator=torch.Generator().manual_seed(1)) * mask
    found = []
    for devices in (set(), {"cpu"}):
        monkeypatch.setattr(varlen, "DEVICES", devices)
        model(ids, mask)  # the kernel has been tried, which is not counted
        model.zero_grad()
        with Products() as products:
            states = model(ids, mask).last_hidden_state
        states.square().sum().backward()
        gradients = [one.grad for one in model.parameters() if one.grad is not None]
        found.append((states, gradients, products.flops))
    (states, gradients, flops), (others, other_gradients, other_flops) = found
    assert set(used) == {max(varlen._TRIED), max(LENGTHS)}
    torch.testing.assert_close(others, states)
    torch.testing.assert_close(other_gradients, gradients, rtol=1e-4, atol=1e-4)
    assert other_flops == flops


def test_a_kernel_that_mixes_sequences_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixing(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *_: object) -> torch.Tensor:
        whole = [one.transpose(0, 1) for one in (q, k, v)]
        return F.scaled_dot_product_attention(whole[0], whole[1], whole[2]).transpose(0, 1)

    monkeypatch.setattr(varlen, "nested", mixing)
    assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=False) is None


def test_a_kernel_with_other_gradients_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = varlen.nested

    def deaf(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *how: Any) -> torch.Tensor:
        return nested(q, k.detach() + 0 * k, v, *how)

    monkeypatch.setattr(varlen, "nested", deaf)
    assert varlen.kernel(CPU, torch.float32, 8, dropout=False, causal=False) is None


def test_trying_a_kernel_leaves_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    varlen.kernel(CPU, torch.float32, 8, dropout=True, causal=False)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("causal", [False, True])
def test_a_gpu_has_one(causal: bool) -> None:
    device = torch.device("cuda", 0)
    for dropout in (False, True):
        assert varlen.kernel(device, torch.bfloat16, 64, dropout, causal) is varlen.flash
        assert varlen.kernel(device, torch.float32, 64, dropout, causal) is varlen.efficient
