"""Which examples make which step: a pure function of (seed, step), never of history.

Exact resume rests on this: to continue at step k nothing is restored, the plan is asked for step k.
Names: a *step* is one optimizer step on `size` examples over all devices; it is cut into `parts` = devices x
accumulation *micro-batches*. The examples of a step do not depend on how many parts it is cut into, as long as the
epoch's rest (its last, smaller batch) has an example for each. With `tokens`, a step is an equal share of the epoch's
tokens instead of a number of examples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headway.data.encode import Array
from headway.errors import DataError

POOL = 50  # batches whose examples are sorted together: long enough to pad little, short enough to stay random


@dataclass(frozen=True)
class TrainPlan:
    """Batches of every step of a training run.

    lengths: tokens of each example, [N]. size: examples per step. parts: devices x accumulation.
    tokens: per step, about; every epoch has the same number of steps, and a step less than one example too many or few.
    With `bucket`, examples of like length share a batch: the epoch's permutation is cut into pools of POOL batches,
    each pool is sorted by length, cut into batches, and the batches of the epoch are shuffled.
    Raises: DataError for so few tokens that a step may lack examples for its parts.
    """

    lengths: Array
    size: int
    seed: int
    parts: int = 1
    bucket: bool = True
    tokens: int | None = None

    def __post_init__(self) -> None:
        longest, total = int(self.lengths.max(initial=0)), int(self.lengths.sum())
        least = (self.parts + 1) * longest  # in a step of so many is an example for each part, wherever it begins
        if self.tokens is not None and 0 < total < least * self.steps_per_epoch:
            raise DataError(
                f"batch.tokens={self.tokens:,}: a step may hold too few examples for its {self.parts} parts, as the "
                f"longest has {longest:,} tokens; use {2 * least:,}, or a smaller task.max_length"
            )

    @cached_property
    def steps_per_epoch(self) -> int:
        """A last batch too small to give every part an example is dropped: another one every epoch."""
        if self.tokens is not None and len(self.lengths) >= self.parts:
            return max(1, round(int(self.lengths.sum()) / self.tokens))
        whole, rest = divmod(len(self.lengths), self.size)
        return whole + (rest >= self.parts)

    def step(self, step: int) -> Array:
        """Example indices of optimizer step `step` (from 0), longest last; [B] with B <= size."""
        epoch, index = divmod(step, self.steps_per_epoch)
        return self._epoch(epoch)[index]

    def part(self, step: int, micro: int, rank: int, accumulate: int) -> Array:
        """The share of one rank in one micro-batch: like lengths together in time, spread evenly over ranks."""
        share = np.array_split(self.step(step), accumulate)[micro] if accumulate > 1 else self.step(step)
        return share[rank :: self.parts // accumulate]

    def _epoch(self, epoch: int) -> list[Array]:
        if epoch not in self._kept:
            self._kept.clear()  # one epoch at a time: a step never needs another
            self._kept[epoch] = self._shuffled(epoch)
        return self._kept[epoch]

    @cached_property
    def _kept(self) -> dict[int, list[Array]]:
        return {}

    def _shuffled(self, epoch: int) -> list[Array]:
        random = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        order = random.permutation(len(self.lengths))
        size = self.size if self.tokens is None else len(order) // self.steps_per_epoch
        whole, pool = len(order) // size * size, size * POOL
        # the rest stays apart: sorted in with the others, it would be the longest examples in every epoch
        groups = [order[start : min(start + pool, whole)] for start in range(0, whole, pool)] + [order[whole:]]
        if self.bucket:
            groups = [group[np.argsort(self.lengths[group], kind="stable")] for group in groups]
        order = np.concatenate(groups)
        batches = np.split(order, self._cuts(order))[: self.steps_per_epoch]
        return [batches[i] for i in random.permutation(len(batches))]

    def _cuts(self, order: Array) -> Array:
        """Where the batches after the first begin."""
        if self.tokens is None:
            return np.arange(self.size, len(order), self.size)
        ends = np.cumsum(self.lengths[order])
        return np.searchsorted(ends, ends[-1] * np.arange(1, self.steps_per_epoch) / self.steps_per_epoch)


def evaluation_batches(lengths: Array, size: int, rank: int = 0, world: int = 1) -> Iterator[Array]:
    """Every example exactly once over all ranks: sorted by length, cut, dealt out in turn, never repeated.

    Batches are smaller than `size` where otherwise a rank would get none.
    Raises: DataError for fewer examples than ranks.
    """
    if len(lengths) < world:
        raise DataError(
            f"a split of {len(lengths)} examples cannot be evaluated by {world} processes; use fewer devices"
        )
    size = min(size, len(lengths) // world)
    order = np.argsort(-np.asarray(lengths), kind="stable")  # longest first: a batch that does not fit fails at once
    for start in range(rank * size, len(order), size * world):
        yield order[start : start + size]
