"""torch.compile of a training step: one graph of model and loss for every batch, made before the first step.

Only training is compiled: evaluation, prediction and generation run as ever, so that a checkpoint gives the numbers
of its run whoever evaluates it. The network itself is not touched, so names in checkpoints stay. The graph is made from
the batch of step 0 in every attempt, resumed ones too: what the compiler picks for it is then the same.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from headway.errors import ConfigError
from headway.tasks.base import Batch, Output, Task


class Compiled:
    """The loss of `task`, compiled for batches of any size and length.

    backend: of torch.compile; "inductor" needs a C++ compiler or, on a GPU, Triton.
    """

    def __init__(self, task: Task, backend: str = "inductor") -> None:
        self.loss: Callable[[nn.Module, Batch], Output] = torch.compile(task.loss, backend=backend, dynamic=True)

    def prepare(self, model: nn.Module, batch: Batch, parameters: Sequence[Tensor]) -> None:
        """Compile forward and backward on `batch`; no gradient is left. Raises: ConfigError where it cannot be."""
        from torch._dynamo.exc import TorchDynamoException
        from torch.fx.experimental import _config as symbols

        try:
            # 16 texts of 16 tokens do not mean that the two are one number
            with symbols.patch(use_duck_shape=False):  # type: ignore[attr-defined]
                loss = self.loss(model, batch).losses.sum()
                torch.autograd.grad(loss, parameters, allow_unused=True)
        except (TorchDynamoException, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise ConfigError([f"trainer.compile: {reason(error)}; set it to false"]) from error

    @property
    def seconds(self) -> float:
        """Spent compiling in this process so far, also for batches that the first graph did not fit."""
        from torch._dynamo.utils import calculate_time_spent

        return calculate_time_spent()["total_wall_time"]


def reason(error: Exception) -> str:
    """What torch says over many lines, in one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = next((line for line in lines if "Error" in line or "ompiler" in line), lines[0] if lines else "")
    return f"this cannot be compiled here ({type(error).__name__}: {text[:200]})"
