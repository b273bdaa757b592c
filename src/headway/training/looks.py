"""When a step reads what lies on the device, and hears of signals: rarely, as a GPU that is read stands still.

One process looks at its clock. Several would then look in unlike steps, and wait for each other for ever: they agree,
at each look, in which step the next one is.
"""

import time

import torch
import torch.distributed as dist

EVERY = 0.1  # seconds
MOST = 32  # steps, however short the last ones were: the next may be long, and a signal waits for them


class Looks:
    """world: how many processes train."""

    def __init__(self, world: int) -> None:
        self.world = world
        self._last, self._next = 0, 0
        self._clock = time.perf_counter()

    def due(self, step: int) -> bool:
        """After `step`; in several processes the same in each."""
        if self.world > 1:
            return step >= self._next
        if time.perf_counter() - self._clock < EVERY:
            return False
        self._clock = time.perf_counter()
        return True

    def agreed(self, received: int, step: int, device: torch.device) -> int:
        """The signal that any process has received; every process must come here in the same step."""
        if self.world == 1:
            return received
        now = time.perf_counter()
        steps = int(EVERY * (step - self._last) / max(now - self._clock, 1e-9)) if self._last else 1
        agreed = torch.tensor([received, min(max(steps, 1), MOST)], device=device)
        dist.all_reduce(agreed, op=dist.ReduceOp.MAX)
        signal, steps = agreed.tolist()
        self._last, self._next, self._clock = step, step + steps, now
        return int(signal)
