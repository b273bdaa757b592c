"""Which of how many processes this is, from the variables that the supervisor, torchrun and others set."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """rank of world processes in all; local_rank of local_world on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def nodes(self) -> int:
        return self.world // self.local_world

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Ranks":
        world = int(environ.get("WORLD_SIZE", "1"))
        return cls(
            rank=int(environ.get("RANK", "0")),
            world=world,
            local_rank=int(environ.get("LOCAL_RANK", "0")),
            local_world=int(environ.get("LOCAL_WORLD_SIZE", str(world))),
        )
