"""What Headway adds to a step: CPU milliseconds over a loop by hand that gets the same batches, and bare Lightning.

python tests/bench/bench_step.py [--rounds 15] [--seconds 2] [--only NAME ...] [--write FOLDER]

The model is tiny, so that what is no arithmetic of the step shows. Headway is `headway train` as a user has it, from
outside: with its supervisor, a progress bar on a terminal, a run folder and a row of history each step; counted is the
CPU time of all its processes and threads. The loop and Lightning take the same batches, model and loss, and record
nothing. Each way has processes of its own; they take turns of some seconds, and stand still in those of the others.
"""

import argparse
import multiprocessing
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from harness import machine, quiet, report, say, shown, spread, table
from training_ways import Work, setting

from headway.config.compose import compose
from headway.training.loaders import StepKeys, TrainSteps, loader
from headway.training.trials import Bench, Trial

TEXTS = Work(12, 32)  # their lengths
BATCH, LAYERS, WIDTH = 4, 2, 32
TINY = (
    *("model=bert-scratch", f"model.layers={LAYERS}", f"model.width={WIDTH}", "model.heads=2"),
    *("tokenizer=word", "tokenizer.vocab_size=500", "task.max_length=32", f"batch.size={BATCH}"),
    *("trainer.threads=1", "trainer.accelerator=cpu", "data=csv", "data.checks=false"),
)
MANY = 1_000_000  # steps: more than are taken
WARM = 100  # steps, not counted
LOOK = 0.005  # seconds between two looks at how far a way is
PATIENCE = 300.0
OURS, HAND, BARE = "headway train", "loop by hand", "bare Lightning"
GOAL = 2.0  # CPU milliseconds a step beyond the loop by hand


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--seconds", type=float, default=2.0, help="of a turn")
    options.add_argument("--only", nargs="*", default=[], choices=[BARE, OURS], metavar="NAME")
    options.add_argument("--write", type=Path, metavar="FOLDER", help="where step.json and step.md go")
    given = options.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        wanted = [*TINY, f"data.path={setting(Path(folder), TEXTS).csv}"]
        ways = {HAND: loop(by_hand, wanted, Path(folder)), BARE: loop(lightning, wanted, Path(folder))}
        ways[OURS] = headway(wanted, Path(folder))
        chosen = [HAND, *(given.only or [BARE, OURS])]
        racers = {name: running.enter_context(ways[name]) for name in chosen}
        costs: dict[str, list[float]] = {name: [] for name in chosen}
        for turn in range(given.rounds):
            for name, racer in racers.items():
                costs[name].append(1e3 * racer.turn(given.seconds))
                say(f"round {turn + 1} of {given.rounds}: {name}: {costs[name][-1]:.2f} CPU-ms a step")
    about = machine(threads=1, batch=BATCH, layers=LAYERS, width=WIDTH)
    result = {"machine": about, "ways": summary(costs), "goal": GOAL}
    report("step", result, page(result), given.write)


@dataclass
class Racer:
    """Processes that take steps in their turns. done: how many they have taken so far."""

    processes: list[psutil.Process]
    done: Callable[[], int]

    def turn(self, seconds: float) -> float:
        """CPU seconds a step."""
        self.send(signal.SIGCONT)
        first = self.moment()
        time.sleep(seconds)
        last = self.moment()
        self.send(signal.SIGSTOP)
        return (last[1] - first[1]) / (last[0] - first[0])

    def moment(self, least: int = 0) -> tuple[int, float]:
        """(steps, CPU seconds) when the next are told, as soon as there are so many."""
        before, until = self.done(), time.monotonic() + PATIENCE
        while (now := self.done()) <= max(before, least):
            assert self.processes[0].status() != psutil.STATUS_ZOMBIE, "has ended"
            assert time.monotonic() < until, "takes no steps"
            time.sleep(LOOK)
        return now, sum(clock(one.pid) for one in self.processes)

    def send(self, number: signal.Signals) -> None:
        for one in self.processes:
            one.send_signal(number)


def clock(pid: int) -> float:
    """CPU seconds of another process, to the nanosecond (clock_getcpuclockid(3), as Linux numbers these clocks)."""
    return time.clock_gettime(~pid << 3 | 2)


# --- the ways --------------------------------------------------------------------------------------------------------


@contextmanager
def headway(wanted: list[str], folder: Path) -> Any:
    """`headway train`, shown on a terminal."""
    # validations and checkpoints are no part of a step
    ends = [f"runs_dir={folder}/runs", "trainer.max_epochs=null", f"trainer.max_steps={MANY}"]
    command = [sys.executable, "-m", "headway.cli", "train", *wanted, *ends, f"trainer.val_every={MANY}"]
    screen, terminal = pty.openpty()
    threading.Thread(target=shown_to_nobody, args=(screen,), daemon=True).start()
    with subprocess.Popen(command, stdout=terminal, stderr=terminal) as process:
        family = [psutil.Process(process.pid)]
        racer = Racer(family, lambda: sum(file.read_bytes().count(b"\n") for file in folder.glob("runs/*/*/*.jsonl")))
        yield from ready(racer, lambda: family.extend(family[0].children()))


@contextmanager
def loop(target: Callable[[Any, Callable[[], None]], None], wanted: list[str], folder: Path) -> Any:
    count = folder / target.__name__  # a byte for each step
    process = multiprocessing.get_context("spawn").Process(target=alone, args=(target, wanted, count), daemon=True)
    process.start()
    assert process.pid is not None
    racer = Racer([psutil.Process(process.pid)], lambda: count.stat().st_size if count.exists() else 0)
    yield from ready(racer)


def ready(racer: Racer, then: Callable[[], Any] = lambda: None) -> Any:
    """When the first steps are taken it stands still, and in the end is no more."""
    try:
        racer.moment(WARM)
        then()
        racer.send(signal.SIGSTOP)
        yield racer
    finally:
        racer.send(signal.SIGKILL)


def alone(target: Callable[[Any, Callable[[], None]], None], wanted: list[str], count: Path) -> None:
    quiet()
    file = os.open(count, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    trial = Bench(compose(wanted)).trial({})
    target(trial, lambda: os.write(file, b"."))


def by_hand(trial: Trial, done: Callable[[], None]) -> None:
    model, task = trial.module.model, trial.session.task
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    for batch in batches(trial):
        (task.loss(model, batch["inputs"]).losses.sum(0) / batch["terms"]).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        done()


def lightning(trial: Trial, done: Callable[[], None]) -> None:
    """A module and a Trainer that record nothing."""

    class Plain(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = trial.module.model

        def training_step(self, batch: Any, _: int) -> Any:
            return (trial.session.task.loss(self.model, batch["inputs"]).losses.sum(0) / batch["terms"]).sum()

        def on_train_batch_end(self, *_: Any) -> None:
            done()

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-4, fused=True)

    pl.Trainer(
        gradient_clip_val=1.0,
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    ).fit(Plain(), batches(trial))


def batches(trial: Trial) -> Any:
    session = trial.session
    data = TrainSteps(session.task, session.encoded["train"], trial.plan, 1, 0, session.pad)
    return loader(data, StepKeys(0, MANY, 1), 0, pin=False)


def shown_to_nobody(screen: int) -> None:
    with suppress(OSError):  # the other end is closed
        while os.read(screen, 65536):
            pass


# --- what is told ----------------------------------------------------------------------------------------------------


def summary(costs: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Of each way its CPU milliseconds a step, and what it adds to the loop by hand of the same round."""
    found = []
    for name, own in costs.items():
        row: dict[str, Any] = {"way": name, "rounds": own, "cpu_ms": spread(own)}
        if name != HAND:
            row["added_cpu_ms"] = spread([one - hand for one, hand in zip(own, costs[HAND], strict=True)])
        found.append(row)
    return found


def page(result: dict[str, Any]) -> str:
    about = result["machine"]
    rows = [
        [row["way"], shown(row["cpu_ms"]), shown(row.get("added_cpu_ms")), result["goal"] if row["way"] == OURS else ""]
        for row in result["ways"]
    ]
    return (
        f"Measured {about['date']} on {about['cores']} cores of {about['cpu']}, one thread, torch {about['torch']}, "
        f"transformers {about['transformers']}; {about['batch']} short texts a step, a model of {about['layers']} "
        f"layers, {about['width']} wide; medians (least to greatest).\n\n"
        + table(["way", "CPU-ms a step", "more than by hand", "goal"], rows)
        + "\n"
    )


if __name__ == "__main__":
    main()
