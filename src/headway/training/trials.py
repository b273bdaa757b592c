"""One setting of a config as something to measure: its model and trainer, run for a few real training steps."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from headway.data.batching import TrainPlan, evaluation_batches
from headway.data.encode import Array
from headway.errors import ConfigError
from headway.models.host import send
from headway.tasks.base import EVALUATION
from headway.training.heap import return_freed_memory
from headway.training.loaders import StepKeys, TrainSteps, loader
from headway.training.loop import make_module, make_trainer, prepare_device
from headway.training.ranks import Ranks
from headway.training.schedules import constant
from headway.training.seeds import seed_all
from headway.training.session import Session, open_session, open_source, plain
from headway.training.tuned import Changes

ALONE = Ranks()  # one process, whatever trainer.devices says: what is best for one device is best for each
FEW = 4  # examples of a first look
FORGET = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Longest:
    """In place of a TrainPlan: every step is the worst case, the `size` longest examples or `tokens` in such."""

    lengths: Array
    size: int
    tokens: bool
    seed: int = 0

    def step(self, step: int) -> Array:
        order = np.argsort(self.lengths, kind="stable")[::-1]
        count = int((np.cumsum(self.lengths[order]) <= self.size).sum()) if self.tokens else self.size
        return order[: max(1, count)][::-1].copy()

    def part(self, step: int, micro: int, rank: int, accumulate: int) -> Array:
        return self.step(step)


class Stopwatch(pl.Callback):
    """Seconds of the steps from `first` on, the tokens of these, and the most memory that was held in any step."""

    def __init__(self, cuda: bool, first: int) -> None:
        self.cuda, self.first = cuda, first
        self.seconds = 0.0
        self.tokens = 0

    def on_train_start(self, *_: Any) -> None:
        self._began: float | None = None
        self.before = held(self.cuda)
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            forget_peak()

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        if self._began is None and batch["step"] >= self.first:
            self._wait()
            self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.tokens += batch["tokens"] if batch["micro"] == 0 and batch["step"] >= self.first else 0
        if batch_idx + 1 == trainer.num_training_batches:
            self._wait()
            assert self._began is not None
            self.seconds = time.perf_counter() - self._began

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = True

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    @property
    def rise(self) -> int:
        """Bytes."""
        most = torch.cuda.max_memory_allocated() if self.cuda else peak()
        return most - self.before


class Steps(pl.LightningDataModule):
    """Some steps of a plan, as training gets them."""

    def __init__(self, steps: TrainSteps, keys: StepKeys, pin: bool) -> None:
        super().__init__()
        self.steps, self.keys, self.pin = steps, keys, pin

    def train_dataloader(self) -> Any:
        return loader(self.steps, self.keys, 0, self.pin)


class Bench:
    """The data and the device on which settings are measured. Raises: HeadwayError for what cannot be had."""

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.cuda = prepare_device(plain(config, "trainer"), ALONE) == "cuda"
        if not self.cuda:
            forget_peak()  # where it cannot be had, that is said before the data is prepared
        self.session = open_session(config)
        self.lengths = self.session.encoded["train"].lengths

    def trial(self, changes: Changes) -> "Trial":
        return Trial(self, changes)


class Trial:
    """A model and all that trains it, under changed settings. Raises: HeadwayError for what cannot be had."""

    def __init__(self, bench: Bench, changes: Changes) -> None:
        self.bench, self.changes = bench, changes
        config = changed(bench.config, changes)
        self.seed = config.seed
        self.settings, self.batch = plain(config, "trainer"), plain(config, "batch")
        self.devices = device_count(self.settings)
        parts = replace(bench.session.parts, source=open_source(config))
        self.session: Session = replace(bench.session, parts=parts)
        seed_all(config.seed)
        model = self.session.model(weights=True)
        if hasattr(model, "fit"):
            raise ConfigError(["model: is counted, not trained by steps; there is nothing to tune"])
        self.module = make_module(config, self.session, model, constant, 1)
        self.plan = self.share(1)
        self.memory = 0

    def share(self, parts: int) -> TrainPlan:
        """The steps of one device, or one in `parts` of each. Raises: DataError for too few tokens."""
        accumulate, tokens, devices = self.batch["accumulate"], self.batch["tokens"], self.devices * parts
        return TrainPlan(
            self.bench.lengths,
            max(accumulate, self.batch["size"] // devices),
            self.seed,
            accumulate,
            bucket=self.batch["bucket"],
            tokens=tokens and max(1, tokens // devices),
        )

    def run(self, plan: TrainPlan, start: int, stop: int) -> tuple[int, float]:
        """(real tokens, seconds) of as many steps as from `start` up to `stop`, after another one."""
        return self._fit(plan, range(start + 1, stop + 1), self.batch["accumulate"], warm=True)

    def first_look(self) -> float:
        """Tokens a second of a step on the longest few examples, as soon as all is compiled and warm."""
        tokens, seconds = self._longest(FEW, tokens=False, warm=True)
        return tokens / seconds

    def worst(self, size: int, *, tokens: bool) -> tuple[int, float]:
        """(bytes, seconds) of a step with the `size` longest examples, or so many tokens of them.

        Raises: torch.OutOfMemoryError on a GPU.
        """
        _, seconds = self._longest(size, tokens=tokens)
        return self.memory, seconds

    def _longest(self, size: int, *, tokens: bool, warm: bool = False) -> tuple[int, float]:
        plan = cast(TrainPlan, Longest(self.bench.lengths, size, tokens))
        self.module.accumulate = 1
        try:
            return self._fit(plan, range(1, 2), 1, warm=warm)
        finally:
            self.module.accumulate = self.batch["accumulate"]

    def _fit(self, plan: TrainPlan, timed: range, accumulate: int, *, warm: bool) -> tuple[int, float]:
        """warm: after one step more, in which the optimizer's state is made and memory is had for the first time."""
        prepare_device(self.settings, ALONE)
        watch, cuda, session = Stopwatch(self.bench.cuda, timed.start), self.bench.cuda, self.session
        trainer = make_trainer(self.settings, [watch], "cuda" if cuda else "cpu", ALONE, accumulate)
        steps = TrainSteps(session.task, session.encoded["train"], plan, accumulate, 0, session.pad)
        keys = StepKeys(timed.start - warm, timed.stop, accumulate)
        try:
            trainer.fit(self.module, datamodule=Steps(steps, keys, cuda))
        finally:
            self.module.zero_grad()
            self.memory = watch.rise + sum(one.numel() * one.element_size() for one in self.module.parameters())
            free(cuda)
        return watch.tokens, watch.seconds

    @torch.inference_mode()
    def evaluate(self, items: Array, size: int) -> float:
        """Seconds of a pass over `items` without gradients, `size` at a time. What `rows` generates is left out."""
        prepare_device(self.settings, ALONE)
        device = torch.device("cuda" if self.bench.cuda else "cpu")
        task, encoded = self.session.task, self.session.encoded["val"]
        model = self.module.model.to(device).eval()
        trainer = make_trainer(self.settings, [], device.type, ALONE, 1)
        began = time.perf_counter()
        for part in evaluation_batches(encoded.lengths[items], size):
            inputs = task.collate(encoded, items[part], self.session.pad, EVALUATION)
            with trainer.precision_plugin.val_step_context():
                task.loss(model, send(inputs, device)).losses.sum().item()
        model.train()
        return time.perf_counter() - began


def changed(config: DictConfig, changes: Changes) -> DictConfig:
    found = OmegaConf.create(OmegaConf.to_container(config))
    for key, value in changes.items():
        OmegaConf.update(found, key, value)
    assert isinstance(found, DictConfig)
    return found


def device_count(settings: Mapping[str, Any]) -> int:
    own = torch.cuda.device_count() or 1 if settings["devices"] == "auto" else int(settings["devices"])
    return own * int(settings["num_nodes"])


def held(cuda: bool) -> int:
    return torch.cuda.memory_allocated() if cuda else int(psutil.Process().memory_info().rss)


def peak() -> int:
    """The most bytes of memory that this process has held since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def forget_peak() -> None:
    """Let the peak begin anew (proc(5), clear_refs). Raises: ConfigError where the system does not."""
    try:
        FORGET.write_text("5")
    except OSError as error:
        raise ConfigError(
            [f"trainer.accelerator: the memory of a processor is measured on Linux only, by {FORGET}: {error.strerror}"]
        ) from error


def free(cuda: bool) -> None:
    """Give back what the last trial took, as far as allocators keep it."""
    if cuda:
        torch.cuda.empty_cache()
    else:
        return_freed_memory()
