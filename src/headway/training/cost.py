"""What a run cost: `cost` in run.json, of all attempts together.

Seconds: startup_s from the start of the process to the first step, training_s in steps, of it waiting_s for the next
batch (on a GPU: of the processor, while the GPU may still be busy), evaluation_s, and saving_s for checkpoints and what
else lies between. cpu_s: of the first process and its data workers. memory_bytes, gpu_memory_bytes: the most that it
held. tokens, examples: trained on, those of steps that were done a second time included, padding not; tokens_per_s and
examples_per_s: in training_s. flops: floating point operations of training (see `flops`); mfu: their share of what the
devices could have done in training_s (see `peak`), model FLOPs utilisation as Chowdhery et al. 2022, appendix B, define
it; peak_flops_per_s and peak_of: of all devices. Of several processes the first is measured, and its operations are
multiplied by their number. compile_s: with trainer.compile, spent compiling: nearly all of it in startup_s, in
training_s what later batches needed. energy_joules: of the machine, by the supervisor (see `energy`).

It is written at each checkpoint and at the end of an attempt; what a killed one did after its last checkpoint is lost.
"""

import logging
import os
import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytorch_lightning as pl
import torch

from headway.errors import RunError
from headway.store.process import process_started
from headway.training.compiled import Compiled
from headway.training.events import Channel
from headway.training.flops import Flops
from headway.training.peak import Peak, peak

Phase = Literal["startup", "training", "waiting", "evaluation", "saving"]
log = logging.getLogger(__name__)
LARGEST = ("memory_bytes", "gpu_memory_bytes")  # of the attempts; all other numbers are added up


class Clock:
    """Seconds in each phase; one of them runs at a time."""

    def __init__(self, before: float = 0.0) -> None:
        """before: seconds of "startup" that are over already."""
        self.phase: Phase = "startup"
        self._seconds: dict[Phase, float] = {"startup": before}
        self._since = time.perf_counter()

    def to(self, phase: Phase) -> Phase:
        """Go on in another phase; returns the one that ends."""
        now, ended = time.perf_counter(), self.phase
        self._seconds[ended] = self._seconds.get(ended, 0.0) + now - self._since
        self.phase, self._since = phase, now
        return ended

    def seconds(self) -> dict[str, float]:
        """Those of training include waiting."""
        self.to(self.phase)
        spent = self._seconds
        training, waiting = spent.get("training", 0.0), spent.get("waiting", 0.0)
        return {
            "startup_s": spent["startup"],
            "training_s": training + waiting,
            "waiting_s": waiting,
            "evaluation_s": spent.get("evaluation", 0.0),
            "saving_s": spent.get("saving", 0.0),
        }


class Cost(pl.Callback):
    """Measures one attempt. To stand behind the callbacks whose time is the phase's.

    earlier: the `cost` of the attempts before. accelerator, precision: what the peak is of. world: processes.
    """

    def __init__(
        self,
        channel: Channel,
        earlier: Mapping[str, Any],
        flops: Flops,
        accelerator: str,
        precision: str,
        world: int,
        compiled: Compiled | None = None,
    ) -> None:
        self.channel, self.earlier, self.flops, self.compiled = channel, earlier, flops, compiled
        self.accelerator, self.precision, self.world = accelerator, precision, world
        self.clock = Clock(process_age())
        self.tokens = self.examples = 0

    def trained(self, tokens: int, examples: int) -> None:
        self.tokens += tokens
        self.examples += examples

    def report(self, *, finished: bool = False) -> None:
        """Tell the cost so far. Only at the end is there time to measure a peak that is not known."""
        attempt = {
            **self.clock.seconds(),
            **usage(),
            "tokens": self.tokens,
            "examples": self.examples,
            "flops": self.flops.per_token * self.tokens * self.world,
        }
        if self.compiled is not None:
            attempt["compile_s"] = self.compiled.seconds
        best = peak(self.accelerator, self.precision, measure=finished) if attempt["flops"] else None
        try:
            self.channel.record(cost=total(self.earlier, attempt, best, self.world))
        except RunError as error:  # of all that a full disk ends, this is the least
            log.warning("%s", error)

    def on_train_epoch_start(self, *_: Any) -> None:
        self.clock.to("training")

    def on_train_epoch_end(self, *_: Any) -> None:
        self.clock.to("saving")

    def on_validation_start(self, *_: Any) -> None:
        self.clock.to("evaluation")

    def on_validation_end(self, *_: Any) -> None:
        self.clock.to("saving")

    def on_test_start(self, *_: Any) -> None:
        self.clock.to("evaluation")

    def on_test_end(self, *_: Any) -> None:
        self.clock.to("saving")


@dataclass(frozen=True)
class Watched:
    """A loader whose time is "waiting"."""

    loader: Any
    clock: Clock

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        before = self.clock.to("waiting")
        for batch in self.loader:
            self.clock.to(before)
            yield batch
            before = self.clock.to("waiting")
        self.clock.to(before)


def total(earlier: Mapping[str, Any], attempt: Mapping[str, float], best: Peak | None, world: int) -> dict[str, Any]:
    """`cost` after an attempt: sums and maxima, and the rates that follow from them, by the peak of this attempt."""
    found: dict[str, Any] = {}
    for name, value in attempt.items():
        before = earlier.get(name, 0)
        found[name] = max(before, value) if name in LARGEST else round(before + value, 3)
    seconds = found["training_s"]
    for name in ("tokens", "examples", "flops"):
        found[f"{name}_per_s"] = round(found[name] / seconds, 2) if seconds else None
    peak_flops = round(best.flops * world) if best else None
    rate = found["flops_per_s"]
    found["peak_flops_per_s"], found["peak_of"] = peak_flops, best.of if best else None
    found["mfu"] = round(rate / peak_flops, 4) if rate and peak_flops else None
    return found


def usage() -> dict[str, float]:
    """Of this process since it began."""
    times, peak_memory = os.times(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"cpu_s": sum(times[:4]), "memory_bytes": peak_memory * 1024}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found["gpu_memory_bytes"] = torch.cuda.max_memory_allocated()
    return found


def process_age() -> float:
    """Seconds since this process began."""
    ticks = process_started(os.getpid()) or 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
