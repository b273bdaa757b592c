"""Callback that writes down what training does: history, evaluations, predictions, checkpoints, and orderly ends."""

import time
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor

from headway.store import layout
from headway.store.atomic import write_json
from headway.store.history import HistoryWriter, Summary
from headway.store.predictions import write_predictions
from headway.store.values import storable
from headway.tasks.base import Split, Task
from headway.training import checkpoint
from headway.training.cost import Cost
from headway.training.events import Channel
from headway.training.frozen import frozen_names
from headway.training.looks import Looks
from headway.training.module import Evaluation, TrainingModule
from headway.training.session import prediction_columns
from headway.training.stops import Signals, Stopped


@dataclass
class Progress:
    """What a checkpoint remembers beside tensors."""

    best: float | None = None
    best_step: int | None = None
    waited: int = 0  # validations since the best
    validated: bool = True  # False when training was asked to end before the validation of this step was done
    done: bool = False  # stopped early
    tokens: int | None = None  # trained on since the start of the run, by all ranks; None: not counted yet


@dataclass(frozen=True)
class Rules:
    """When things happen. Steps count from the start of the run."""

    steps_per_epoch: int
    total_steps: int
    checkpoint_every: int | None
    keep: int
    log_every: int
    monitor: str
    maximise: bool
    patience: int | None


class Recorder(pl.Callback):
    """`splits`: what predictions are of. Only rank 0 writes; every rank takes the same decisions."""

    def __init__(
        self,
        run_dir: Path,
        rules: Rules,
        task: Task,
        splits: dict[str, Split],
        channel: Channel,
        config_hash: str,
        cost: Cost,
    ) -> None:
        self.run_dir, self.rules, self.task, self.splits = run_dir, rules, task, splits
        self.channel, self.config_hash, self.cost = channel, config_hash, cost
        self.progress = Progress()
        self.signals = Signals()
        self.looks = Looks(cost.world)
        self.step = 0  # optimizer steps done since the start of the run
        self.history: HistoryWriter | None = None
        self.summary: Summary | None = None
        self._rows: list[tuple[int, Tensor, Tensor, float, int, int]] = []
        self._clock = time.perf_counter()

    # --- opening and closing -------------------------------------------------------------------------------------

    def open(self, start_step: int) -> None:
        """Begin to write; rows of an earlier attempt after `start_step` are superseded."""
        self.step = start_step
        path = self.run_dir / layout.HISTORY
        begun = path.exists() and path.stat().st_size > 0  # an earlier attempt may have left rows and no checkpoint
        self.history = HistoryWriter(path)
        if begun:
            self.history.resumed_at(start_step)
        self.summary = Summary.rebuild(self.run_dir)

    def close(self) -> None:
        if self.history is not None:
            self.history.sync()
            self.history.close()

    # --- training ------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.signals.install()  # after Lightning's own, which would exit with 0 and no checkpoint
        self._clock = time.perf_counter()
        if self.progress.tokens is None:  # at the start, or from a checkpoint that lacks the number
            plan = trainer.datamodule.steps.plan  # type: ignore[attr-defined]
            self.progress.tokens = sum(int(plan.lengths[plan.step(step)].sum()) for step in range(self.step))

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(module, TrainingModule)
        if batch["micro"] < module.accumulate - 1:
            return
        self.step = batch["step"] + 1
        assert module.step_loss is not None
        assert module.grad_norm is not None
        self._rows.append(
            (self.step, module.step_loss, module.grad_norm, module.lr, batch["tokens"], batch["examples"])
        )
        at_checkpoint = self.rules.checkpoint_every is not None and self.step % self.rules.checkpoint_every == 0
        looks = self.looks.due(self.step)
        asked = self._asked_to_stop(trainer) if looks or trainer.world_size == 1 else 0
        if (looks and len(self._rows) >= self.rules.log_every) or at_checkpoint or asked:
            self._flush(trainer)
        segment_ends = batch_idx + 1 == trainer.num_training_batches
        if asked:
            # the validation due at this step has not happened yet: the checkpoint says so, and resuming does it first
            self._save(trainer, module, validated=not (segment_ends and trainer.val_dataloaders))
            raise self.signals.stop(asked, self.step)
        if at_checkpoint and not segment_ends:
            self._save(trainer, module)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """The end of a segment: its validation, if any, is done."""
        self._flush(trainer)
        self._save(trainer, module)
        if self.step >= self.rules.total_steps:
            trainer.should_stop = True
        if asked := self._asked_to_stop(trainer):
            raise self.signals.stop(asked, self.step)

    def counted(self, trainer: pl.Trainer, module: TrainingModule, model_seconds: float) -> None:
        """The one step of a model that is counted is done, and its validation."""
        self._clock = time.perf_counter()
        if self.history is not None:
            self._log(self.step, {"perf/fit_s": round(model_seconds, 3)})
        self._save(trainer, module)

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        if trainer.world_size == 1:  # other ranks may not come to this
            self._flush(trainer)

    def _flush(self, trainer: pl.Trainer) -> None:
        """Read the steps since the last time off the device, in one transfer, and write a row for each.

        train/tokens: trained on since the start of the run, padding left out; it and perf/* are of all ranks together.
        """
        if not self._rows:
            return
        assert self.progress.tokens is not None
        losses = torch.stack([row[1] for row in self._rows])
        if trainer.world_size > 1:
            dist.all_reduce(losses)  # each rank holds its share of the step's mean
        norms = torch.stack([row[2] for row in self._rows]).to(losses.device)
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        tokens, examples = sum(row[4] for row in self._rows), sum(row[5] for row in self._rows)
        speed = {"perf/tokens_per_s": round(tokens / seconds, 1), "perf/examples_per_s": round(examples / seconds, 2)}
        self.cost.trained(tokens, examples)
        rows, self._rows = self._rows, []
        for (step, _, _, lr, trained, _), loss, norm in zip(rows, losses.tolist(), norms.tolist(), strict=True):
            self.progress.tokens += trained
            if self.history is not None:
                done = {"train/tokens": float(self.progress.tokens)}
                self._log(step, {"train/loss": loss, "train/grad_norm": norm, "train/lr": lr, **done, **speed})
            # fp16's loss scaler skips steps with infinite gradients by design; a non-finite loss is an end there too
            if not isfinite(loss) or (not isfinite(norm) and trainer.precision != "16-mixed"):
                what = "loss" if not isfinite(loss) else "gradient norm"
                raise Stopped(
                    "diverged",
                    f"the {what} of step {step} is not finite; lower optimizer.lr or lengthen scheduler.warmup",
                )
        self.channel.progress(
            step=rows[-1][0],
            total=self.rules.total_steps,
            epoch=rows[-1][0] / self.rules.steps_per_epoch,
            loss=loss,
            tokens_per_s=speed["perf/tokens_per_s"],
        )

    def _asked_to_stop(self, trainer: pl.Trainer) -> int:
        """The signal any rank has received, agreed on by all of them."""
        return self.looks.agreed(self.signals.received, self.step, trainer.strategy.root_device)

    # --- evaluation ----------------------------------------------------------------------------------------------

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._flush(trainer)  # the time of the validation is not that of the steps before it

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TrainingModule)
        validation = module.evaluations["val"]
        self.record_evaluation("val", validation)
        if "train" in module.evaluations:
            self.record_predictions("train", module.evaluations["train"])
        value = validation.values[self.rules.monitor.removeprefix("val/")]
        progress, better = self.progress, False
        if isfinite(value):  # a NaN is stored, and is never the best
            better = progress.best is None or (value > progress.best if self.rules.maximise else value < progress.best)
        if better:
            progress.best, progress.best_step, progress.waited = value, self.step, 0
        else:
            progress.waited += 1
        if self.rules.patience is not None and progress.waited >= self.rules.patience:
            progress.done = trainer.should_stop = True

    def on_test_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.signals.install()  # Lightning put the default ones back when training ended

    def on_test_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TrainingModule)
        self.record_evaluation("test", module.evaluations["test"])

    def on_validation_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        # ranks have different numbers of batches, so several cannot agree here: they finish the validation first
        if self.signals.received and trainer.world_size == 1:
            if trainer.state.fn == "fit":
                self._save(trainer, module, validated=False)
            raise self.signals.stop(self.signals.received, self.step)

    def on_test_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.signals.received and trainer.world_size == 1:
            raise self.signals.stop(self.signals.received, self.step)

    def record_evaluation(self, split: str, evaluation: Evaluation) -> None:
        if self.history is None:
            return
        self._log(self.step, {f"{split}/{name}": value for name, value in evaluation.values.items()})
        self._save_summary()
        self.record_predictions(split, evaluation)
        write_json(
            self.run_dir / layout.evaluation_file(split, self.step),
            storable({"split": split, "step": self.step, "metrics": evaluation.values, "details": evaluation.details}),
        )
        shown = {name: round(value, 4) for name, value in evaluation.values.items() if isfinite(value)}
        self.channel.record(evaluated={"split": split, "step": self.step, **shown})

    def record_predictions(self, split: str, evaluation: Evaluation) -> None:
        if self.history is not None:
            columns = prediction_columns(self.task, self.splits[split], evaluation.predictions)
            write_predictions(self.run_dir / layout.predictions_file(split, self.step), columns)

    # --- writing -------------------------------------------------------------------------------------------------

    def _log(self, step: int, values: dict[str, float]) -> None:
        assert self.history is not None
        assert self.summary is not None
        self.history.log(step, values, epoch=round(step / self.rules.steps_per_epoch, 6))
        self.summary.update(values, step)

    def _save_summary(self) -> None:
        assert self.summary is not None
        self.summary.write()

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule, *, validated: bool = True) -> None:
        """Checkpoint of the step just done: history first, so that no checkpoint is ahead of what is recorded."""
        assert isinstance(module, TrainingModule)
        self.progress.validated = validated
        weights = module.model.state_dict()
        if not torch.stack([tensor.isfinite().all() for tensor in weights.values()]).all():
            # the loss of this step was finite, its update was not: the checkpoint before it stays the last one
            raise Stopped("diverged", f"the weights after step {self.step} are not finite; lower optimizer.lr")
        if self.history is None:
            return
        before = self.cost.clock.to("saving")
        left_out = frozen_names(module.model)
        optimizers = trainer.optimizers  # none where a model is counted and not descended
        self._keep(
            {
                "step": self.step,
                "model": {name: tensor for name, tensor in weights.items() if name not in left_out},
                "optimizer": optimizers[0].state_dict() if optimizers else {},
                "progress": asdict(self.progress),
                "config_hash": self.config_hash,
            }
        )
        self.cost.report()
        self.cost.clock.to(before)
        self._clock = time.perf_counter()  # time spent validating and saving is not training's

    def caught_up(self, state: dict[str, Any]) -> None:
        """The validation that the checkpoint `state` still lacked is done: say so in it, so that it is done once."""
        self.progress.validated = True
        if self.history is not None:
            self._keep({**state, "progress": asdict(self.progress)})

    def _keep(self, state: dict[str, Any]) -> None:
        assert self.history is not None
        self.history.sync()
        self._save_summary()
        folder = self.run_dir / layout.CHECKPOINTS
        path = checkpoint.save(folder, state)
        checkpoint.point(folder, "last", path)
        if self.progress.best_step == self.step and self.progress.validated:
            checkpoint.point(folder, "best", path)
        checkpoint.prune(folder, self.rules.keep)
        prune_evaluations(self.run_dir, {self.step, self.progress.best_step})


def prune_evaluations(run_dir: Path, steps: set[int | None]) -> None:
    """Predictions and details of validations are kept for the last and the best step."""
    for file in (layout.predictions_file, layout.evaluation_file):
        keep = {file("val", step).name for step in steps if step is not None}
        example = run_dir / file("val", 0)
        for path in sorted(example.parent.glob(example.name.replace("000000", "*")))[:-1]:
            if path.name not in keep:
                path.unlink()
