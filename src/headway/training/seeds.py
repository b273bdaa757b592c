"""Random numbers as a function of where training stands, so that nothing needs to be saved to continue exactly."""

import hashlib
import random
import struct

import numpy as np
import torch


def derived_seed(*parts: int) -> int:
    """63 well-mixed bits from a tuple of integers; neighbouring steps get unrelated streams."""
    digest = hashlib.blake2b(struct.pack(f"<{len(parts)}q", *parts), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_all(*parts: int) -> None:
    """Seed torch (every device in use), numpy's global generator and random. About 20 microseconds.

    Not by torch.manual_seed: for each kind of device that is not in use it formats a traceback, 0.25 ms of them a step.
    """
    seed = derived_seed(*parts)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)
    torch.mps.manual_seed(seed)  # does nothing where there is none
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)
