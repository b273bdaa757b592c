"""Matrix products with few rows, as a step of generation has them, at the speed at which a CPU reads the weights.

The layouts in which weights are kept suit many rows. One row is multiplied fastest where the longer side of the weight
lies contiguous in memory, more of them by oneDNN's blocked layout. (A weight of 50,257 x 768, float32, one thread of an
AMD EPYC: one row 12 ms as it is, 6 ms transposed; 8 rows 27 ms as it is, 10 ms blocked.) The results differ from those
of the layers by rounding alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

LARGEST = 4 << 30  # bytes of weights; more are not copied
LEAST = 32  # steps; copies take the time that about 20 win
FEWEST = 5  # rows of a blocked product: all weights of GPT-2's 6 layers with 2 rows 33 ms, 3 or 4 24 ms, 5 or 6 21 ms


@contextmanager
def few_rows(model: Any, rows: int, steps: int) -> Iterator[None]:
    """For about `steps` steps of `rows` rows the model's linear layers are fast, but give no gradients.

    Copies of weights are made. Nothing changes on a GPU, under autocast, without oneDNN, or for few steps.
    """
    library: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    possible = library and not torch.is_autocast_enabled("cpu") and steps >= LEAST
    layers = _layers(model) if possible else []
    if sum(layer.weight.nbytes for layer in layers) > LARGEST:
        layers = []
    try:
        for layer in layers:
            vars(layer)["forward"] = _blocked(layer, rows) if rows > 1 else _lengthwise(layer)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _layers(model: Any) -> list[nn.Linear | Conv1D]:
    """Those of single precision on a CPU, but for an encoder's, which runs once."""
    once = set(model.get_encoder().modules()) if model.config.is_encoder_decoder else set()
    return [
        layer
        for layer in model.modules()
        if type(layer) in (nn.Linear, Conv1D)
        and layer not in once
        and layer.weight.dtype == torch.float32
        and layer.weight.device.type == "cpu"
        and "forward" not in vars(layer)
    ]


def _weight(layer: nn.Linear | Conv1D) -> Tensor:
    """[out, in]"""
    weight = layer.weight.detach()
    return weight.t() if isinstance(layer, Conv1D) else weight


def _lengthwise(layer: nn.Linear | Conv1D) -> Callable[[Tensor], Tensor]:
    own, bias = _weight(layer), layer.bias
    weight = own.t().contiguous().t() if own.shape[0] >= own.shape[1] else own.contiguous()
    return lambda inputs: F.linear(inputs, weight, bias)


def _blocked(layer: nn.Linear | Conv1D, rows: int) -> Callable[[Tensor], Tensor]:
    weight, bias = torch.ops.mkldnn._reorder_linear_weight(_weight(layer).contiguous(), rows), layer.bias
    product = torch.ops.mkldnn._linear_pointwise.default

    def forward(inputs: Tensor) -> Tensor:
        rows = inputs.shape[:-1].numel()
        if rows >= FEWEST:
            return product(inputs, weight, bias, "none", [], "")
        enough = F.pad(inputs.reshape(rows, -1), (0, 0, 0, FEWEST - rows))
        return product(enough, weight, bias, "none", [], "")[:rows].view(*inputs.shape[:-1], -1)

    return forward
