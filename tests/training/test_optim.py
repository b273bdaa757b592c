"""Which parameters are decayed."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers.trainer_pt_utils

from headway.errors import ConfigError
from headway.models.heads import SequenceClassifier
from headway.models.pretrained import Pretrained
from headway.training.optim import build_optimizer

ADAMW = {"_target_": "torch.optim.AdamW", "lr": 1e-3, "weight_decay": 0.01, "fused": True}


def grouped(optimizer: torch.optim.Optimizer, module: torch.nn.Module) -> list[set[str]]:
    names = {parameter: name for name, parameter in module.named_parameters()}
    return [{names[parameter] for parameter in group["params"]} for group in optimizer.param_groups]


def test_biases_and_norms_are_not_decayed(tiny_bert: Path) -> None:
    head = SequenceClassifier(Pretrained(str(tiny_bert), pooling="pooler").backbone(), 2, "pooler")
    optimizer = build_optimizer(ADAMW, head)
    # the names that transformers' own Trainer decays
    expected = set(
        transformers.trainer_pt_utils.get_parameter_names(head, [torch.nn.LayerNorm], [r"bias", r"layernorm", r"norm"])
    )
    decayed, plain = grouped(optimizer, head)
    assert decayed == expected
    assert decayed | plain == {name for name, _ in head.named_parameters()}
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]


def test_frozen_parameters_are_left_out(tiny_bert: Path) -> None:
    source = Pretrained(str(tiny_bert), freeze=["embeddings.*"])
    head = SequenceClassifier(source.backbone(), 2, "mean")
    names = set().union(*grouped(build_optimizer(ADAMW, head), head))
    assert names == {name for name, parameter in head.named_parameters() if parameter.requires_grad}
    assert not any("embeddings" in name or "pooler" in name for name in names)


def test_one_group_where_there_are_only_matrices() -> None:
    module = torch.nn.Linear(2, 2, bias=False)
    optimizer = build_optimizer(ADAMW, module)
    assert len(optimizer.param_groups) == 1
    assert optimizer.param_groups[0]["weight_decay"] == 0.01


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9},
        {"_target_": "torch.optim.Rprop", "lr": 0.1},  # has no weight decay at all
        {"_target_": "torch.optim.Adafactor", "lr": 1e-3, "weight_decay": 0.1},
    ],
    ids=lambda node: node["_target_"],
)
def test_other_optimizers_take_the_same_groups(node: dict[str, Any]) -> None:
    module = torch.nn.Linear(2, 2)
    optimizer = build_optimizer(node, module)
    assert grouped(optimizer, module) == [{"weight"}, {"bias"}]
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()


def test_what_is_no_optimizer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.training.optim.instantiate", lambda *_, params: len(params))
    with pytest.raises(ConfigError, match=r"optimizer\._target_: x\.Y made a int, not an optimizer"):
        build_optimizer({"_target_": "x.Y"}, torch.nn.Linear(1, 1))
