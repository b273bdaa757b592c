"""Asking a batch something without waiting for the device: what was sent there from the host is asked on the host.

A GPU works many operations behind the program that commands it. To ask it for a number (`item`, `nonzero`, `all`) ends
that, and it idles until it is commanded again; but where tokens lie is known on the host before it is sent.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_sent: Any = WeakTensorKeyDictionary()  # tensor on a device -> that on the host which it was copied from


def send(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """A batch from the host, on `device`; what is sent is remembered while it is there, and not changed afterwards."""
    moved = {name: to_device(one, device) for name, one in batch.items()}
    if device.type != "cpu":
        for name, one in moved.items():
            _sent[one] = batch[name]
    return moved


def on_host(tensor: Tensor) -> Tensor:
    """The same values on the host; waits for the device only where nobody remembers them."""
    if tensor.device.type == "cpu":
        return tensor
    found: Tensor | None = _sent.get(tensor)
    return tensor.cpu() if found is None else found


def to_device(given: Tensor | np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """A copy that nobody waits for; on the processor the memory itself. It is not changed afterwards."""
    waits = device.type == "mps"  # which may copy after the memory has gone
    return torch.as_tensor(given).to(device, non_blocking=not waits)
