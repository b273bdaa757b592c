"""Products with few rows: what the layers themselves give, and nothing changed afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

from headway.models import products
from headway.models.products import LEAST, few_rows


@pytest.fixture
def model() -> Iterator[Any]:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=70, n_embd=32, n_layer=2, n_head=2)).eval()
    yield model
    assert not changed(model)


def changed(model: nn.Module) -> list[str]:
    return [name for name, part in model.named_modules() if "forward" in vars(part)]


@pytest.mark.parametrize("rows", [1, 2, 8, 33])
def test_results_are_those_of_the_layers(model: Any, rows: int) -> None:
    ids = torch.randint(0, 70, (rows, 5))
    with torch.inference_mode():
        expected = model(ids).logits
        with few_rows(model, rows, LEAST):
            assert len(changed(model)) == 2 * 4 + 1  # of each block four layers; the head
            torch.testing.assert_close(model(ids).logits, expected, atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(model(ids[:1]).logits, expected[:1], atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(model(ids[:, :1]).logits, expected[:, :1], atol=1e-6, rtol=1e-5)


def test_weights_may_change_in_between(model: Any) -> None:
    ids = torch.randint(0, 70, (2, 5))
    with few_rows(model, 2, LEAST):
        pass
    nn.init.normal_(model.lm_head.weight)
    with torch.inference_mode():
        expected = model(ids).logits
        with few_rows(model, 2, LEAST):
            torch.testing.assert_close(model(ids).logits, expected, atol=1e-5, rtol=1e-5)


def test_the_layers_come_back_after_a_failure(model: Any) -> None:
    with pytest.raises(ZeroDivisionError), few_rows(model, 2, LEAST), few_rows(model, 1, LEAST):
        raise ZeroDivisionError


def test_nothing_changes_where_it_would_not_pay_or_not_work(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with few_rows(model, 2, LEAST - 1):
        assert not changed(model)
    with torch.autocast("cpu", torch.bfloat16), few_rows(model, 2, LEAST):
        assert not changed(model)
    monkeypatch.setattr(products, "LARGEST", 1000)
    with few_rows(model, 2, LEAST):
        assert not changed(model)
    monkeypatch.undo()
    model.to(torch.bfloat16)
    with few_rows(model, 2, LEAST):
        assert not changed(model)


def test_an_encoder_is_left_alone() -> None:
    config = T5Config(vocab_size=70, d_model=16, d_ff=16, d_kv=8, num_heads=2, num_layers=1, decoder_start_token_id=0)
    with few_rows(model := T5ForConditionalGeneration(config), 2, LEAST):
        assert {name.split(".")[0] for name in changed(model)} == {"decoder", "lm_head"}
