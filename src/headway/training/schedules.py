"""Learning-rate schedules as pure functions of the step: (step, total, ...) -> factor on the base rate.

step counts optimizer steps from 0; total is the length of the run. `warmup` below 1 is a fraction of total, otherwise
a number of steps. There is no state to save or restore.
"""

import math


def _warmup_steps(warmup: float, total: int) -> int:
    return math.ceil(warmup * total) if warmup < 1 else int(warmup)


def constant(step: int, total: int, warmup: float = 0.0) -> float:
    steps = _warmup_steps(warmup, total)
    return min(1.0, step / steps) if steps else 1.0


def linear(step: int, total: int, warmup: float = 0.1) -> float:
    """Up to the base rate over the warm-up, then straight down to zero (Devlin et al. 2019, appendix A.2)."""
    steps = _warmup_steps(warmup, total)
    if step < steps:
        return step / steps
    return max(0.0, (total - step) / max(1, total - steps))


def cosine(step: int, total: int, warmup: float = 0.1, floor: float = 0.0) -> float:
    """Half a cosine from 1 to `floor` (Loshchilov & Hutter 2017, equation 5)."""
    steps = _warmup_steps(warmup, total)
    if step < steps:
        return step / steps
    progress = min(1.0, (step - steps) / max(1, total - steps))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def inverse_sqrt(step: int, total: int, warmup: float = 0.1) -> float:
    """Rises over the warm-up, then falls with the square root of the step (Vaswani et al. 2017, section 5.3)."""
    steps = max(1, _warmup_steps(warmup, total))
    return step / steps if step < steps else math.sqrt(steps / step)
