"""The cache with room: what transformers' own says, step by step, and for fewer rows."""

from typing import Any

import pytest
import torch
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from headway.models.generation import RoomyLayer, empty_cache

SIZES: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture
def model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2)).eval()


def test_it_keeps_what_the_growing_one_keeps(model: GPT2LMHeadModel) -> None:
    ours, theirs = empty_cache(model, 9), DynamicCache(config=model.config)
    ids = torch.randint(0, 50, (3, 9))
    for part in ids.split([4, 1, 1, 3], dim=1):
        with torch.no_grad():
            outputs = [model(part, past_key_values=cache, use_cache=True) for cache in (ours, theirs)]
        torch.testing.assert_close(outputs[0].logits, outputs[1].logits)
        assert ours.get_seq_length() == theirs.get_seq_length()
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        torch.testing.assert_close(one.keys, other.keys)
        torch.testing.assert_close(one.values, other.values)


def test_a_step_copies_nothing_that_is_there() -> None:
    layer = RoomyLayer(8)
    keys, _ = layer.update(torch.ones(2, 1, 3, 4), torch.ones(2, 1, 3, 4))
    longer, values = layer.update(torch.zeros(2, 1, 2, 4), torch.zeros(2, 1, 2, 4))
    assert longer.data_ptr() == keys.data_ptr()
    assert longer.shape == values.shape == (2, 1, 5, 4)


def test_fewer_rows_go_on(model: GPT2LMHeadModel) -> None:
    ids, left = torch.randint(0, 50, (4, 6)), torch.tensor([3, 1])
    cache = empty_cache(model, 6)
    with torch.no_grad():
        model(ids[:, :5], past_key_values=cache, use_cache=True)
        cache.reorder_cache(left)
        output = model(ids[left, 5:], past_key_values=cache, use_cache=True)
        torch.testing.assert_close(output.logits[:, -1], model(ids[left]).logits[:, -1])


def test_windows_stay_windows() -> None:
    model = MistralForCausalLM(MistralConfig(**SIZES, num_key_value_heads=1, intermediate_size=16, sliding_window=4))
    assert not any(isinstance(layer, RoomyLayer) for layer in empty_cache(model, 20).layers)
