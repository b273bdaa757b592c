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


def remember(given: Mapping[str, Tensor], moved: Mapping[str, Tensor]) -> None:
    """given: on the host. moved: the same on a device; neither is changed afterwards."""
    for name, one in moved.items():
        if one.device.type != "cpu":
            _sent[one] = given[name]


def on_host(tensor: Tensor) -> Tensor:
    """The same values on the host; waits for the device only where nobody remembers them."""
    if tensor.device.type == "cpu":
        return tensor
    found: Tensor | None = _sent.get(tensor)
    return tensor.cpu() if found is None else found


def to_device(array: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """A copy that nobody waits for; on the processor the array itself. It is not changed afterwards."""
    return torch.from_numpy(array).to(device, non_blocking=True)
