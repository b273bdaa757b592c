"""Parameter groups: what is decayed and what is not."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from headway.config.targets import instantiate
from headway.errors import ConfigError


def build_optimizer(node: Mapping[str, Any], module: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a config node over the trained parameters.

    Weight decay applies to matrices and embeddings, never to biases and normalisation gains (every parameter of fewer
    than two dimensions), as in Devlin et al. 2019, appendix A.2 and the reference BERT code.
    Raises: ConfigError for a target that makes something else.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim >= 2]
    vectors = [p for p in trained if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}]
    if vectors:
        groups.append({"params": vectors} | ({"weight_decay": 0.0} if "weight_decay" in node else {}))
    optimizer = instantiate(node, params=groups)
    if not isinstance(optimizer, torch.optim.Optimizer):
        problem = f"{node['_target_']} made a {type(optimizer).__name__}, not an optimizer"
        raise ConfigError([f"optimizer._target_: {problem}"])
    return optimizer
