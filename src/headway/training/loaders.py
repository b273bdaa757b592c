"""Data loaders whose batches depend on nothing but the step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from headway.data.batching import TrainPlan, evaluation_batches
from headway.data.encode import Array, Encoded
from headway.tasks.base import EVALUATION, Task


class TrainSteps(Dataset[dict[str, Any]]):
    """Item (step, micro) is the collated micro-batch that this rank trains on then."""

    def __init__(self, task: Task, encoded: Encoded, plan: TrainPlan, accumulate: int, rank: int, pad: int) -> None:
        self.task, self.encoded, self.plan = task, encoded, plan
        self.accumulate, self.rank, self.pad = accumulate, rank, pad

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        step, micro = key
        moment = (self.plan.seed, step)
        whole = self.plan.step(step)
        items = self.plan.part(step, micro, self.rank, self.accumulate)
        terms = self.task.terms(self.encoded, whole, moment).sum(0)  # of the whole step, over all ranks
        return {
            "inputs": self.task.collate(self.encoded, items, self.pad, moment),
            "step": step,
            "micro": micro,
            "terms": torch.as_tensor(np.maximum(terms, 1)),
            "examples": len(whole),
            "tokens": int(self.plan.lengths[whole].sum()),
        }


class EvaluationBatches(Dataset[dict[str, Any]]):
    """Item i is this rank's i-th batch; every item of the split is in exactly one batch of one rank."""

    def __init__(self, task: Task, split: str, encoded: Encoded, size: int, rank: int, world: int, pad: int) -> None:
        self.task, self.split, self.encoded, self.pad = task, split, encoded, pad
        self.batches: list[Array] = list(evaluation_batches(encoded.lengths, size, rank, world))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> dict[str, Any]:
        items = self.batches[index]
        return {
            "split": self.split,
            "inputs": self.task.collate(self.encoded, items, self.pad, EVALUATION),
            "items": torch.from_numpy(items.copy()),
            "terms": torch.from_numpy(self.task.terms(self.encoded, items, EVALUATION)),
        }


@dataclass(frozen=True)
class StepKeys:
    """The sampler: keys of every micro-batch from one step up to another."""

    start: int
    stop: int
    accumulate: int

    def __len__(self) -> int:
        return (self.stop - self.start) * self.accumulate

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((step, micro) for step in range(self.start, self.stop) for micro in range(self.accumulate))


def loader(dataset: Dataset[dict[str, Any]], keys: Any, workers: int, pin: bool) -> DataLoader[dict[str, Any]]:
    """Items are whole batches already: the loader only fetches. Workers pay only when collating is the bottleneck."""
    return DataLoader(dataset, sampler=keys, batch_size=None, num_workers=workers, pin_memory=pin)


def evaluation_loader(dataset: EvaluationBatches, workers: int, pin: bool) -> DataLoader[dict[str, Any]]:
    keys: Sequence[int] = range(len(dataset))
    return loader(dataset, keys, workers, pin)
