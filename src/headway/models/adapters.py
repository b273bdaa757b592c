"""Adapters: a few new weights are trained, and those of the model are not. By peft, put into the model in place."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any, Literal, get_args

import peft
import torch.distributed.tensor  # noqa: F401 - peft takes it for imported, which one process leaves out
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from torch import nn
from transformers.pytorch_utils import Conv1D

from headway.config.definitions import did_you_mean
from headway.errors import ModelError
from headway.models.layers import core

# of peft's methods those that need only their place in the model, not every step's number or tables that they share
Method = Literal["lora", "ia3", "loha", "lokr", "oft", "hra"]


@dataclass(frozen=True)
class Lora:
    """Low-rank updates of weight matrices (Hu et al. 2022): W + (alpha / r) B A, where B starts at zero.

    target_modules: names of the linear layers that get one, or "all-linear"; null: the architecture's usual ones
    (of BERT query and value, of GPT-2 the attention's input), every linear layer where peft knows none.
    bias: biases that are trained too. trained: name patterns of further parameters that are; what stands outside the
    backbone (a task's head) always is, and nothing in a layer that the model's own `freeze` stopped.
    """

    r: int = 8
    alpha: float = 16
    dropout: float = 0.05
    target_modules: list[str] | str | None = None
    bias: Literal["none", "all", "lora_only"] = "none"
    trained: list[str] = field(default_factory=list)

    def apply(self, module: nn.Module) -> nn.Module:
        """Put adapters into `module` and return it. Raises: ModelError where nothing is called like the targets."""
        inner = core(module)
        target = self.target_modules
        if target is None:
            kind = getattr(getattr(inner, "config", None), "model_type", "")
            target = None if kind in TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING else "all-linear"
        options = {
            "r": self.r,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "bias": self.bias,
            "fan_in_fan_out": any(isinstance(part, Conv1D) for part in inner.modules()),  # GPT-2's are transposed
        }
        return _inject("lora", {**options, "target_modules": target}, module, self.trained)


@dataclass(frozen=True)
class Peft:
    """Other methods of the peft library. kind: ia3 (Liu et al. 2022), loha, lokr (Yeh et al. 2024), oft (Qiu et al.
    2023), hra (Yuan et al. 2024), or lora with all its settings.

    options: arguments of its configuration; plain values only. trained: as for `Lora`.
    """

    kind: Method = "ia3"
    options: dict[str, Any] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)

    def apply(self, module: nn.Module) -> nn.Module:
        """Put adapters into `module` and return it. Raises: ModelError for a method or option that cannot be used."""
        return _inject(self.kind, self.options, module, self.trained)


def _inject(kind: str, options: dict[str, Any], module: nn.Module, trained: list[str]) -> nn.Module:
    if kind not in get_args(Method):
        raise ModelError(f"adapter.kind={kind}: choose one of {', '.join(get_args(Method))}")
    method = PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(kind.upper())]
    fields = [f.name for f in dataclasses.fields(method)]
    for name, value in options.items():
        if name not in fields:
            raise ModelError(f"adapter.options.{name}: {kind} takes no such option{did_you_mean(name, fields)}")
        if isinstance(value, dict):  # some of peft's nested settings name modules and files to load
            raise ModelError(f"adapter.options.{name}: nested settings are not taken")
    inner = core(module)
    outside = {id(p) for p in module.parameters()} - {id(p) for p in inner.parameters()}
    before = {name: p.requires_grad for name, p in module.named_parameters()}
    try:
        peft.inject_adapter_in_model(method(**options), inner)
    except Exception as error:  # peft raises many types for targets and sizes that do not fit
        reason = " ".join(str(error).split())[:240]
        raise ModelError(f"adapter: {kind} cannot be put into this model ({reason})") from error
    names = dict(module.named_parameters())
    unused = [p for p in trained if not any(fnmatch(_plain(name), p) for name in names)]
    if unused:
        some = ", ".join(list(before)[:3])
        raise ModelError(f"adapter.trained: no parameter matches {unused}; names look like {some}")
    for name, parameter in names.items():
        if any(fnmatch(_plain(name), pattern) for pattern in trained):
            parameter.requires_grad_(True)
        elif id(parameter) in outside:
            parameter.requires_grad_(before[name])
        elif not _trained_before(name, before):
            parameter.requires_grad_(False)
    return module


def _plain(name: str) -> str:
    """A parameter's name as it was before a layer was wrapped."""
    return name.replace(".base_layer.", ".")


def _trained_before(name: str, before: Mapping[str, bool]) -> bool:
    """Whether this parameter was, or of a new one the weight of the layer that it was put into."""
    if _plain(name) in before:
        return before[_plain(name)]
    parts = name.split(".")
    inside = (".".join([*parts[:end], "weight"]) for end in range(len(parts) - 1, 0, -1))
    return next((before[weight] for weight in inside if weight in before), True)
