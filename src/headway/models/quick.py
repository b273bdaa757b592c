"""Parts of a network for which there are others that compute the same in less time."""

from collections.abc import Callable
from typing import Any

from torch import nn
from transformers.activations import NewGELUActivation

from headway.models.dropout import Dropout

QUICKER: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.Dropout: lambda part: Dropout(part.p),
    NewGELUActivation: lambda _: nn.GELU(approximate="tanh"),  # of GPT-2: eight operations, of which torch has one
}


def quicken(network: nn.Module) -> None:
    """Put those in place of the network's own; none has parameters."""
    for part in list(network.modules()):
        for name, child in part.named_children():
            if (make := QUICKER.get(type(child))) is not None:
                setattr(part, name, make(child).train(child.training))
