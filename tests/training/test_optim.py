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


# --- layer-wise decay of the learning rate


def beit_rate(name: str, layers: int, decay: float) -> float:
    """The reference code of Bao et al. 2022, get_num_layer_for_vit and LayerDecayValueAssigner, with BERT's names."""
    values = [decay ** (layers + 1 - i) for i in range(layers + 2)]
    if "embeddings." in name:
        return values[0]
    if ".layer." in name:
        return values[int(name.split(".layer.")[1].split(".")[0]) + 1]
    return values[layers + 1]


def test_rates_fall_by_layer_as_in_the_reference_code(tiny_bert: Path) -> None:
    head = SequenceClassifier(Pretrained(str(tiny_bert), pooling="pooler").backbone(), 2, "pooler")
    optimizer = build_optimizer({**ADAMW, "layer_decay": 0.5}, head)
    rates = {
        name: group["lr"]
        for group, names in zip(optimizer.param_groups, grouped(optimizer, head), strict=True)
        for name in names
    }
    assert rates == {name: pytest.approx(1e-3 * beit_rate(name, 2, 0.5)) for name, _ in head.named_parameters()}
    assert len(set(rates.values())) == 4
    assert optimizer.param_groups[0]["lr"] == 1e-3  # the rate that is recorded
    decay = {
        frozenset(names): group["weight_decay"]
        for names, group in zip(grouped(optimizer, head), optimizer.param_groups, strict=True)
    }
    dimensions = {name: parameter.ndim for name, parameter in head.named_parameters()}
    assert all({dimensions[name] >= 2 for name in names} == {value > 0} for names, value in decay.items())


def test_no_decay_of_rates_changes_nothing(tiny_bert: Path) -> None:
    head = SequenceClassifier(Pretrained(str(tiny_bert)).backbone(), 2, "mean")
    plain, with_key = build_optimizer(ADAMW, head), build_optimizer({**ADAMW, "layer_decay": 1.0}, head)
    assert grouped(with_key, head) == grouped(plain, head)
    assert [group["lr"] for group in with_key.param_groups] == [1e-3, 1e-3]


def test_frozen_layers_leave_no_empty_group(tiny_bert: Path) -> None:
    source = Pretrained(str(tiny_bert), freeze=["embeddings.*", "encoder.layer.0.*"])
    head = SequenceClassifier(source.backbone(), 2, "mean")
    optimizer = build_optimizer({**ADAMW, "layer_decay": 0.9}, head)
    assert [round(group["lr"] / 1e-3, 3) for group in optimizer.param_groups] == [1, 1, 0.9, 0.9]


def test_rates_need_layers_and_a_sensible_factor(tiny_bert: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.layer_decay=0\.9: this model has no stacked layers; use 1\.0"):
        build_optimizer({**ADAMW, "layer_decay": 0.9}, torch.nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"optimizer\.layer_decay=1\.5: must be above 0, and at most 1"):
        build_optimizer({**ADAMW, "layer_decay": 1.5}, Pretrained(str(tiny_bert)).backbone())


def test_what_is_no_optimizer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.training.optim.instantiate", lambda *_, params: len(params))
    with pytest.raises(ConfigError, match=r"optimizer\._target_: x\.Y made a int, not an optimizer"):
        build_optimizer({"_target_": "x.Y"}, torch.nn.Linear(1, 1))
