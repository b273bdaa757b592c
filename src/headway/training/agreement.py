"""Before anything is trained, the ranks compare what each of them found; a stale copy on one node is an error."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch.distributed as dist

from headway.errors import RunError
from headway.training.events import Channel


class Agreement(pl.Callback):
    """`facts`: name of a thing -> what identifies it on this rank, such as the hash of the configuration it read."""

    def __init__(self, facts: Mapping[str, Any], channel: Channel) -> None:
        self.facts, self.channel = dict(facts), channel

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Once the ranks can talk. Raises: RunError, on every rank, naming what differs and where."""
        if trainer.world_size == 1:
            return
        found: list[Any] = [None] * trainer.world_size
        dist.all_gather_object(found, self.facts)
        self.channel.record(ranks=found)
        for name in self.facts:
            values = [facts.get(name) for facts in found]
            if len(set(values)) > 1:
                each = ", ".join(f"rank {rank}: {value}" for rank, value in enumerate(values))
                raise RunError(
                    f"{name} is not the same on every rank ({each}); all must see the same run folder and data"
                )
