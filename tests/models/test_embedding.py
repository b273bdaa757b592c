"""The deep averaging network against the same sums done by hand."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from headway.errors import ModelError
from headway.models.embedding import Averaged, AveragedBackbone
from headway.models.heads import pool

IDS = torch.tensor([[5, 6, 7, 8], [9, 5, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def build(folder: Path, **arguments: object) -> AveragedBackbone:
    torch.manual_seed(0)
    source = Averaged(embedding=6, hidden=10, **arguments)  # type: ignore[arg-type]
    return source.backbone(AutoTokenizer.from_pretrained(folder), weights=True)


def test_mean_then_layers_by_hand(tiny_bert: Path) -> None:
    model = build(tiny_bert, layers=2).eval()
    assert (model.width, model.pooling, model.causal) == (10, "mean", False)
    found = model.after_pooling(pool(model(IDS, MASK), MASK, "mean"))
    first, second = (layer for layer in model.after_pooling if isinstance(layer, torch.nn.Linear))
    for row, ids in enumerate(([5, 6, 7, 8], [5, 9])):  # in any order
        mean = sum(model.embedding.weight[i] for i in ids) / len(ids)
        expected = torch.tanh(second.weight @ torch.tanh(first.weight @ mean + first.bias) + second.bias)
        torch.testing.assert_close(found[row], expected)


def test_training_leaves_out_whole_tokens(tiny_bert: Path) -> None:
    model = build(tiny_bert, word_dropout=0.25)
    ids = torch.full((50, 40), 5)
    states = model(ids, ids**0).last_hidden_state
    out = (states == 0).all(-1)
    assert torch.equal(out, (states == 0).any(-1))
    assert out.float().mean().item() == pytest.approx(0.25, abs=0.04)
    torch.testing.assert_close(states[~out], (model.embedding.weight[5] / 0.75).expand_as(states[~out]))
    assert not (model.eval()(ids, ids**0).last_hidden_state == 0).any()


def test_sizes(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.layers=0: wants 1 or more"):
        build(tiny_bert, layers=0)
