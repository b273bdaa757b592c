"""Weights that a run never changes, written once beside its model instead of into every checkpoint.

With adapters nearly all of a model is such; a checkpoint then holds what is trained, and buffers.
"""

from pathlib import Path
from typing import Any

from torch import nn

from headway.training import checkpoint

FILE = "frozen.ckpt"  # in the run's model folder, with the sha256 in frozen.json


def frozen_names(model: nn.Module) -> frozenset[str]:
    """Keys of the state dict to leave out of checkpoints; none where most of the model is trained."""
    every = list(model.named_parameters(remove_duplicate=False))
    still = {name for name, parameter in every if not parameter.requires_grad}
    share = sum(parameter.numel() for name, parameter in every if name in still)
    return frozenset(still) if 2 * share > sum(parameter.numel() for _, parameter in every) else frozenset()


def keep_frozen(model: nn.Module, folder: Path) -> None:
    """Write them into the model folder, if there are any."""
    if names := frozen_names(model):
        weights = {name: tensor for name, tensor in model.state_dict().items() if name in names}
        checkpoint.write(folder / FILE, {"model": weights})


def fill(model: nn.Module, state: dict[str, Any], path: Path, folder: Path) -> None:
    """Load the weights of the checkpoint `path` and the frozen ones that the run has. Raises: CheckpointError."""
    weights = state["model"]
    if (folder / FILE).exists():
        weights = {**checkpoint.load(folder / FILE)["model"], **weights}
    checkpoint.fill(model, weights, path)
