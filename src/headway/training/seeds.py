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
    """Seed torch (every device), numpy's global generator and random. About 20 microseconds."""
    seed = derived_seed(*parts)
    torch.manual_seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)
