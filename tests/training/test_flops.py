"""Operations counted at the products, against closed formulas and against torch's own counter of kernels."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from headway.models.attend import How, attend, cut
from headway.models.build import checkpoint_activations
from headway.training.flops import Flops, Products

B, T, D, L = 3, 7, 32, 2
IDS = torch.arange(B * T).view(B, T)


def bert(attention: str) -> PreTrainedModel:
    sizes = {"vocab_size": 50, "num_hidden_layers": L, "num_attention_heads": 2, "hidden_size": D}
    config = BertConfig(**sizes, intermediate_size=64, attn_implementation=attention)
    return BertModel(config, add_pooling_layer=False)


def gpt(attention: str) -> PreTrainedModel:
    sizes = {"vocab_size": 50, "n_layer": L, "n_head": 2, "n_embd": D, "n_positions": 16}
    return GPT2LMHeadModel(GPT2Config(**sizes, attn_implementation=attention))


def counted(forward: Callable[[], Tensor]) -> int:
    with Products() as products:
        forward()
    return products.flops


def torchs(forward: Callable[[], Tensor]) -> int:
    """What torch sees multiplied, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        forward().sum().backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("make", [bert, gpt])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_transformer_costs_what_the_papers_say(make: Callable[[str], PreTrainedModel], attention: str) -> None:
    """6N + 12LDT operations a token (PaLM, appendix B), N without embeddings, with the output layer."""
    model = make(attention)
    weights = sum(part.weight.numel() for part in model.modules() if isinstance(part, nn.Linear | Conv1D))
    expected = B * T * (6 * weights + 12 * L * D * T)
    assert counted(lambda: model(IDS)[0]) == expected


@pytest.mark.parametrize("frozen", [(), ("embeddings.",), ("embeddings.", "encoder.layer.0."), ("attention",)])
def test_torch_counts_the_same_with_any_part_frozen(frozen: tuple[str, ...]) -> None:
    model = bert("eager")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(part in name for part in frozen))
    assert counted(lambda: model(IDS)[0]) == torchs(lambda: model(IDS)[0])


@pytest.mark.parametrize("frozen", [(), (0,), (0, 1), (2,), (0, 1, 2)])
def test_our_attention_counts_as_torchs_on_each_group(frozen: tuple[int, ...]) -> None:
    asking, seen, heads, width = [(3, 1), (2, 4)], [(3, 5), (2, 4)], 2, 8
    rows = [torch.randn(heads, sum(a * b for a, b in own), width) for own in (asking, seen, seen)]
    rows = [row.requires_grad_(at not in frozen) for at, row in enumerate(rows)]

    def group_by_group() -> Tensor:
        parts = zip(*(cut(row, own) for row, own in zip(rows, (asking, seen, seen), strict=True)), strict=True)
        return torch.cat([nn.functional.scaled_dot_product_attention(*part).flatten() for part in parts])

    query, key, value = rows
    found = counted(lambda: attend(query, key, value, How(asking, seen, 1.0, 100, causal=False)))
    assert found == counted(group_by_group) > 0


def test_a_frozen_backbone_is_a_forward_pass() -> None:
    model, head = bert("sdpa").requires_grad_(False), nn.Linear(D, 5)
    weights = sum(part.weight.numel() for part in model.modules() if isinstance(part, nn.Linear))
    assert counted(lambda: head(model(IDS)[0])) == B * T * (2 * weights + 4 * L * D * T + 4 * 5 * D)


def test_what_is_computed_again_in_the_backward_pass_is_not_the_models() -> None:
    model = bert("sdpa").train()
    plain = counted(lambda: model(IDS)[0])
    checkpoint_activations(model, "")
    assert counted(lambda: model(IDS)[0]) == plain


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("packed", [False, True])
def test_recurrent_layers(kind: type[nn.RNNBase], gates: int, packed: bool) -> None:
    model: Any = kind(8, 5, num_layers=2, batch_first=True)
    inputs: Any = torch.zeros(B, T, 8)
    rows = B * T
    if packed:
        inputs = nn.utils.rnn.pack_padded_sequence(inputs, torch.tensor([T, 4, 1]), batch_first=True)
        rows = T + 4 + 1
    assert counted(lambda: model(inputs)[0]) == 6 * rows * gates * (5 * (8 + 5) + 5 * (5 + 5))


def test_counting_changes_no_bit() -> None:
    model = gpt("sdpa").train()

    def gradients() -> list[Tensor]:
        torch.manual_seed(1)
        model.zero_grad()
        model(IDS)[0].pow(2).sum().backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    plain = gradients()
    with Products():
        found = gradients()
    assert all(torch.equal(a, b) for a, b in zip(plain, found, strict=True))


def test_few_steps_are_counted_and_their_micro_batches_together() -> None:
    flops, layer = Flops(), nn.Linear(4, 2)
    steps = []
    for step in range(100, 300):
        for micro in range(2):
            before = flops.products.flops
            with flops.of({"step": step, "micro": micro, "tokens": 10}):
                layer(torch.zeros(5, 4))
            steps += [step] * (flops.products.flops > before)
    assert steps == [step for step in [*range(100, 108), 128, 192, 256] for _ in range(2)]
    assert flops.tokens == 11 * 10
    assert flops.per_token == 4 * 4 * 2
