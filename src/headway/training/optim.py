"""Parameter groups: what is decayed and what is not, and how fast each layer learns."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from headway.config.targets import instantiate
from headway.errors import ConfigError
from headway.models.layers import heights


def build_optimizer(node: Mapping[str, Any], module: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a config node over the trained parameters.

    Weight decay applies to matrices and embeddings, never to biases and normalisation gains (every parameter of fewer
    than two dimensions), as in Devlin et al. 2019, appendix A.2 and the reference BERT code.
    The node's key `layer_decay` d below 1 lets lower layers learn slower (Howard & Ruder 2018, section 3.1; Clark et
    al. 2020, appendix B): of L blocks the top one has the rate lr * d, the lowest lr * d^L, embeddings lr * d^(L+1),
    and what stands above the blocks lr, exponents as in Bao et al. 2022 (BEiT). The highest rate comes first.
    Raises: ConfigError for a target that makes something else, and for a layer_decay where there are no layers.
    """
    arguments = dict(node)
    factors = _factors(module, float(arguments.pop("layer_decay", 1.0)))
    groups: list[dict[str, Any]] = []
    rates: list[float] = []
    for factor in sorted(set(factors.values()), reverse=True):
        trained = [p for name, p in module.named_parameters() if factors.get(name) == factor]
        matrices = [p for p in trained if p.ndim >= 2]
        vectors = [p for p in trained if p.ndim < 2]
        if matrices:
            groups.append({"params": matrices})
        if vectors:
            groups.append({"params": vectors} | ({"weight_decay": 0.0} if "weight_decay" in node else {}))
        rates += [factor] * (len(groups) - len(rates))
    optimizer = instantiate(arguments, params=groups)
    if not isinstance(optimizer, torch.optim.Optimizer):
        problem = f"{node['_target_']} made a {type(optimizer).__name__}, not an optimizer"
        raise ConfigError([f"optimizer._target_: {problem}"])
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] *= rate
    return optimizer


def _factors(module: nn.Module, decay: float) -> dict[str, float]:
    """Of each trained parameter, on the learning rate."""
    trained = [name for name, p in module.named_parameters() if p.requires_grad]
    if decay == 1.0:
        return dict.fromkeys(trained, 1.0)
    if not 0 < decay < 1:
        raise ConfigError([f"optimizer.layer_decay={decay:g}: must be above 0, and at most 1"])
    if not (below := heights(module)):
        raise ConfigError([f"optimizer.layer_decay={decay:g}: this model has no stacked layers; use 1.0"])
    return {name: decay ** below[name] for name in trained}
