"""Measures settings of a config by real training steps: `python -m headway.training.tune FOLDER`, see `tuned`.

FOLDER holds config.yaml, as frozen for a run, and request.json. What is tried and found goes to the supervisor as
events; nothing is written. One process measures everything, so that data is prepared once; if the machine ends it for
lack of memory, or the supervisor for lack of time, what was told before stays.
"""

import json
import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import torch
from omegaconf import OmegaConf

from headway.config.freeze import thaw
from headway.errors import ConfigError, HeadwayError
from headway.training import tuned
from headway.training.events import VARIABLE, Channel, open_channel
from headway.training.loop import quiet_libraries
from headway.training.trials import FEW, Bench, Trial
from headway.training.tuned import Changes, Present, Tried
from headway.worker import end_with_supervisor

ROUND = 0.05  # share of the time that one setting's part of a round should take
UNTIL = {"setting": 0.45, "together": 0.55, "size": 0.85, "evaluation": 1.0}  # share of the time at which a stage ends
COMPILED = 0.2  # share of the time to compare a compiled step with the present one
EVALUATED = 0.1  # share of the time that a pass of evaluation may take, if it were training
DOUBTFUL = 0.25  # times as fast as the present setting: below it, one look is enough
LONG = 0.2  # share of the time that a single trial of a size may take
MEMORY = 0.8  # share of the processor's free memory that a step may take


class Tuning:
    """Tries one thing after the other and tells of each; `seconds` are for measuring, the data being ready."""

    def __init__(self, bench: Bench, channel: Channel, seconds: float, fixed: Sequence[str]) -> None:
        self.bench, self.channel, self.seconds, self.fixed = bench, channel, seconds, fixed
        self.began = time.perf_counter()
        self.tried: list[Tried] = []
        self.rate = 1.0  # tokens a second of the present setting, at a first look
        self.step = 1.0  # seconds of a step, by that

    def all(self) -> None:
        self.trying("memory", {})
        now, present = self.present()
        self.channel.record(present=vars(present))
        self.settings(now)
        chosen = present.base | tuned.fastest(self.tried)
        best = now if chosen == present.base else self.bench.trial(chosen)
        self.sizes(best, present)
        if "val" in self.bench.session.encoded:
            self.evaluations(best, present)
        if not self.fixed_or_set("trainer.compile") and (self.bench.cuda or self.seconds >= tuned.PATIENT):
            self.compiled(best)

    def present(self) -> tuple[Trial, Present]:
        """The config as it is, or as it fits into memory. Raises: ConfigError where nothing fits."""
        base: Changes = {}
        while True:
            trial = self.bench.trial(base)
            present = present_of(trial, base)
            found = tuned.largest(present.at_once, present.at_once, self.fits(trial))
            if found.size:
                break
            if base or OmegaConf.select(self.bench.config, "model.gradient_checkpointing") is not False:
                raise ConfigError(["batch.size: not even one example fits into memory; lower task.max_length"])
            base = {"model.gradient_checkpointing": True}
        if (parts := tuned.parts_for(present, found.size)) > present.accumulate:
            trial = self.bench.trial(base | {"batch.accumulate": parts})
            present = present_of(trial, trial.changes)
        return trial, present

    def fits(self, trial: Trial) -> Callable[[int], bool | None]:
        """Whether a size fits, by trying it: on a processor only where it is sure not to exhaust the memory."""
        cuda, tokens = self.bench.cuda, trial.batch["tokens"] is not None
        few = int(np.sort(self.bench.lengths)[-FEW:].sum()) if tokens else FEW
        known: list[tuple[int, int, float]] = []  # size, bytes, seconds

        def measure(size: int) -> None:
            self.trying("memory", {"batch.tokens" if tokens else "batch.size": size})
            known.append((size, *trial.worst(size, tokens=tokens)))

        def answer(size: int) -> bool | None:
            if not cuda and not known and size > 2 * few:
                measure(few)
                measure(2 * few)
            if len(known) > 1:
                (less, before, _), (last, taken, seconds) = known[-2:]
                more = taken + max(0, taken - before) * (size - last) / (last - less)
                if not cuda and more > psutil.virtual_memory().available * MEMORY:
                    return False
                if size > last and len(known) > 2 and seconds * size / last > LONG * self.seconds:
                    return None
            try:
                measure(size)
            except torch.OutOfMemoryError:
                return False
            return True

        return answer

    def settings(self, now: Trial) -> None:
        """One change at a time, and then all that pay together; on parts of steps where whole ones take too long."""
        cores = len(os.sched_getaffinity(0))
        bf16 = self.bench.cuda and torch.cuda.is_bf16_supported()
        config = cast(dict[str, Any], OmegaConf.to_container(self.bench.config, resolve=True))
        self.rate = now.first_look()
        self.step = float(now.plan.lengths.mean()) * len(now.plan.step(0)) / self.rate
        hopeful: list[tuple[Changes, Trial]] = []
        for changes in tuned.settings(config, self.bench.cuda, bf16, cores, self.fixed):
            self.trying("setting", changes)
            try:
                trial = self.bench.trial(now.changes | changes)
                ratio = trial.first_look() / self.rate
                if DOUBTFUL < ratio < tuned.HOPELESS:  # perhaps only something else was running
                    ratio = trial.first_look() / now.first_look()
            except (HeadwayError, torch.OutOfMemoryError) as error:
                self.tell(Tried("setting", changes, note=str(error).splitlines()[0]))
                continue
            if ratio < tuned.HOPELESS:
                self.tell(Tried("setting", changes, ratios=[ratio], note="far slower at first sight"))
            else:
                hopeful.append((changes, trial))
        parts = math.ceil(2 * (len(hopeful) + 1) * 2 * self.step / self.left("setting"))  # so that two rounds fit
        self.compare("setting", now, hopeful, parts)
        if len(paying := tuned.winners(self.tried)) > 1:
            together = {key: value for one in paying for key, value in one.changes.items()}
            trial = self.bench.trial(now.changes | together)
            trial.first_look()
            self.compare("together", now, [(together, trial)], parts)

    def sizes(self, best: Trial, present: Present) -> None:
        """Which is the largest that fits, and how fast steps of other sizes are."""
        share = present.size // present.devices
        most = int(self.bench.lengths.sum()) if present.unit == "batch.tokens" else len(self.bench.lengths)
        found = tuned.largest(min(present.at_once, most), most, self.fits(best))
        self.channel.record(largest=vars(found))
        cuts = [parts for factor in (0.5, 2, 4) if 1 <= (parts := int(best.batch["accumulate"] * factor)) <= share]
        wanted: list[tuple[Changes, float]] = [({"batch.accumulate": parts}, 1) for parts in cuts]
        wanted += [({present.unit: int(present.size * factor)}, factor) for factor in (0.5, 2, 4)]
        trials: list[tuple[Changes, Trial]] = []
        for changes, factor in wanted:
            at_once = share * factor / changes.get("batch.accumulate", best.batch["accumulate"])
            too_long = 4 * max(1, factor) * self.step > LONG * self.seconds
            if at_once > found.size or too_long or set(changes) & {"batch.accumulate"} & set(self.fixed):
                continue
            with suppress(HeadwayError):  # so few tokens that a step may have no example for each part
                trials.append((changes, self.bench.trial(best.changes | changes)))
        self.compare("size", best, trials[: max(0, int(self.left("size") / (2 * self.step)) - 1)])

    def evaluations(self, best: Trial, present: Present) -> None:
        size, lengths = present.eval_size, self.bench.session.encoded["val"].lengths
        count = int(min(4 * size, len(lengths), EVALUATED * self.seconds * self.rate / lengths.mean()))
        sizes = [one for one in (size // 4, 4 * size) if 1 <= one <= count]
        if "batch.eval_size" in self.fixed or not sizes or count < size:
            return
        items = np.random.default_rng(0).permutation(len(lengths))[:count]
        tokens, rounds = int(lengths[items].sum()), list[list[float]]()
        best.evaluate(items, size)
        while len(rounds) < 2 or self.over(sum(rounds[-1])) < UNTIL["evaluation"]:
            self.trying("evaluation", {"batch.eval_size": "/".join(map(str, sizes))})
            try:
                rounds.append([best.evaluate(items, one) for one in (size, *sizes)])
            except torch.OutOfMemoryError:
                sizes, rounds = sizes[:1], []
        for at, one in enumerate(sizes, 1):
            ratios = [spent[0] / spent[at] for spent in rounds]
            rate = tokens / float(np.median([spent[at] for spent in rounds]))
            self.tell(Tried("evaluation", {"batch.eval_size": one}, rate, ratios))

    def compiled(self, best: Trial) -> None:
        changes = {"trainer.compile": True}
        self.trying("compile", changes)
        try:
            trial = self.bench.trial(best.changes | changes)
            trial.first_look()
        except HeadwayError as error:
            self.tell(Tried("compile", changes, note=str(error)))
            return
        assert trial.module.compiled is not None
        self.compare("compile", best, [(changes, trial)], seconds=trial.module.compiled.seconds)

    def compare(
        self,
        stage: tuned.Stage,
        now: Trial,
        others: Sequence[tuple[Changes, Trial]],
        parts: int = 1,
        seconds: float = 0.0,
    ) -> None:
        """The present setting and others in turn, on the same steps or as many tokens, until the stage's time is up.

        parts: only one in so many of each step. seconds: it took to compile.
        """
        plans = [(changes, trial, trial.share(parts)) for changes, trial in [({}, now), *others]]
        at, steps, own = 0, max(1, int(ROUND * self.seconds / self.step) - 1), plans[0][2].steps_per_epoch
        rates: list[list[float]] = []
        spent, end = 0.0, UNTIL.get(stage) or self.over() + COMPILED
        while others and (len(rates) < 2 or self.over(spent) < end):
            began, rates = time.perf_counter(), [*rates, []]
            for changes, trial, plan in plans:
                self.trying(stage, changes)
                first, last = (int(step * plan.steps_per_epoch / own) for step in (at, at + steps))
                tokens, taken = trial.run(plan, first, max(last, first + 1))
                rates[-1].append(tokens / taken)
            at, spent = at + steps, time.perf_counter() - began
        for place, (changes, trial, _) in enumerate(plans):
            if rates and (changes or stage == "setting"):
                ratios, rate = [row[place] / row[0] for row in rates], float(np.median([row[place] for row in rates]))
                self.tell(Tried(stage, changes, rate, ratios, trial.memory if parts == 1 else None, seconds))

    def left(self, stage: tuned.Stage) -> float:
        """Seconds, a few in any case."""
        return max(ROUND, UNTIL[stage] - self.over()) * self.seconds

    def over(self, more: float = 0.0) -> float:
        """Share of the time that will have passed in `more` seconds."""
        return (time.perf_counter() - self.began + more) / self.seconds

    def fixed_or_set(self, key: str) -> bool:
        return key in self.fixed or bool(OmegaConf.select(self.bench.config, key))

    def trying(self, stage: str, changes: Mapping[str, Any]) -> None:
        self.channel.record(trying={"stage": stage, "changes": dict(changes)})

    def tell(self, tried: Tried) -> None:
        self.tried.append(tried)
        self.channel.record(tried=vars(tried))


def present_of(trial: Trial, base: Changes) -> Present:
    batch, settings = trial.batch, trial.settings
    unit = "batch.size" if batch["tokens"] is None else "batch.tokens"
    epochs = settings["max_epochs"] or float("inf")
    steps = min(epochs * trial.plan.steps_per_epoch, settings["max_steps"] or float("inf"))
    tokens = int(trial.bench.lengths.sum() * steps / trial.plan.steps_per_epoch)
    size = batch[unit.removeprefix("batch.")]
    return Present(unit, size, batch["accumulate"], trial.devices, batch["eval_size"], tokens, base)


def main(folder: Path) -> int:
    request = json.loads((folder / "request.json").read_text("utf-8"))
    quiet_libraries()
    warnings.filterwarnings("ignore", message=".*val_dataloader.*")  # none is wanted
    threading.Thread(target=end_with_supervisor, daemon=True).start()
    with open_channel(folder, 0) as channel:
        try:
            bench = Bench(thaw(folder / "config.yaml"))
            channel.record(ready={"cuda": bench.cuda})
            Tuning(bench, channel, request["seconds"], request["fixed"]).all()
        except HeadwayError as error:
            channel.end("failed", str(error))
            return 1
        channel.end("finished")
    return 0


if __name__ == "__main__":
    assert VARIABLE in os.environ
    sys.exit(main(Path(sys.argv[1])))
