"""The Lightning module: the arithmetic of a step and of an evaluation; it records nothing and knows no files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from headway.models.host import send
from headway.tasks.base import Columns, Split, Task
from headway.training.compiled import Compiled
from headway.training.flops import Flops
from headway.training.optim import build_optimizer
from headway.training.seeds import seed_all

Schedule = Callable[[int, int], float]  # (step, total) -> factor on the learning rate


@dataclass(frozen=True)
class Evaluation:
    """What one pass over a split gave: scalars, larger results, and one prediction per example of its table."""

    values: dict[str, float]
    details: dict[str, Any]
    predictions: Columns  # name -> [N]


@dataclass
class Collected:
    """The batches of an evaluation in progress, on this rank: one row an item."""

    items: list[int] = field(default_factory=list)
    rows: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, items: Tensor, terms: Tensor, losses: Tensor, rows: Columns) -> None:
        self.items += items.tolist()
        for name, values in {**rows, "loss": losses.double().tolist(), "terms": terms.tolist()}.items():
            self.rows.setdefault(name, []).extend(values)

    def finish(self, task: Task, split: Split, *, scored: bool = True) -> Evaluation:
        """Predictions and, with `scored`, loss and metrics, of what all ranks have collected."""
        whole = _gathered(self)
        if len(set(whole.items)) != len(split.encoded):
            raise AssertionError("an item was evaluated twice or never")  # a fault of the plan, never of the data
        order = np.argsort(whole.items, kind="stable")
        rows = {name: [values[i] for i in order] for name, values in whole.rows.items()}
        predictions = task.decode(rows, split)
        if not scored:
            return Evaluation({}, {}, predictions)
        values, details = task.measure(predictions, split)
        losses, terms = np.sum(rows["loss"], axis=0), np.sum(rows["terms"], axis=0)
        return Evaluation({"loss": float(np.sum(losses / np.maximum(terms, 1))), **values}, details, predictions)


class TrainingModule(pl.LightningModule):
    """Trains `model` on `task`.

    clip: largest gradient norm, or None. accumulate: micro-batches a step. rng: seed from which the random numbers of
    every micro-batch are derived.
    compiled: the loss to train by, None: the task's own as it is.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        splits: Mapping[str, Split],
        *,
        optimizer: Mapping[str, Any],
        schedule: Schedule,
        total_steps: int,
        accumulate: int,
        clip: float | None,
        rng: int,
        compiled: Compiled | None = None,
    ) -> None:
        super().__init__()
        self.task, self.model, self.splits = task, model, splits
        self.optimizer_node, self.schedule, self.total_steps = optimizer, schedule, total_steps
        self.accumulate, self.clip, self.rng = accumulate, clip, rng
        self.compiled = compiled
        self.flops = Flops()
        self.optimizer_state: dict[str, Any] | None = None  # set before fit to continue
        self.step_loss: Tensor | None = None  # this rank's share of the step's mean loss
        self.grad_norm: Tensor | None = None
        self.lr = 0.0
        self.weights = list(model.parameters())  # looked up once: of 12 layers it takes 0.3 ms
        self.collected: dict[str, Collected] = {}  # by split
        self.evaluations: dict[str, Evaluation] = {}

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        rest = {name: one for name, one in batch.items() if name != "inputs"}
        moved: dict[str, Any] = super().transfer_batch_to_device(rest, device, dataloader_idx)
        return moved | {"inputs": send(batch["inputs"], device)}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = build_optimizer(self.optimizer_node, self.model)
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
        if self.optimizer_state is not None:
            optimizer.load_state_dict(self.optimizer_state)
            self.optimizer_state = None
        return optimizer

    def on_fit_start(self) -> None:
        if self.compiled is not None:
            first = self.transfer_batch_to_device(self.trainer.datamodule.steps[0, 0], self.device, 0)  # type: ignore[attr-defined]
            parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            with self.trainer.precision_plugin.train_step_context():
                self.compiled.prepare(self.model, first["inputs"], parameters)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        step = batch["step"]
        self._seed(batch)
        if batch["micro"] == 0:
            self.step_loss = None
            factor = self.schedule(step, self.total_steps)
            groups = self.optimizers(use_pl_optimizer=False).param_groups  # type: ignore[union-attr]
            for group in groups:
                group["lr"] = group["base_lr"] * factor
            self.lr = groups[0]["lr"]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        losses = self._losses(batch)
        loss = (losses.sum(0) / batch["terms"]).sum()
        self.step_loss = loss.detach() if self.step_loss is None else self.step_loss + loss.detach()
        # Lightning divides by the accumulation and DDP averages over ranks: undone here, so that the gradient is that
        # of the mean over the step's examples however they are cut up
        return loss * (self.accumulate * self.trainer.world_size)

    def _seed(self, batch: Any) -> None:
        seed_all(self.rng, batch["step"], batch["micro"], self.global_rank)

    def _losses(self, batch: Any) -> Tensor:
        """Of one micro-batch, [B] or [B,K]."""
        if self.compiled is None:
            with self.flops.of(batch):
                return self.task.loss(self.model, batch["inputs"]).losses
        if (counting := self.flops.of(batch)) is self.flops.products:  # it would be part of the graph: counted apart
            with counting:
                self.task.loss(self.model, batch["inputs"])
            self._seed(batch)
        return self.compiled.loss(self.model, batch["inputs"]).losses

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # the norm is wanted in any case, and clipping gives it for free
        limit = float("inf") if self.clip is None else self.clip
        self.grad_norm = torch.nn.utils.clip_grad_norm_(self.weights, limit)

    def on_validation_epoch_start(self) -> None:
        self.collected = {}

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        output = self.task.loss(self.model, batch["inputs"])
        rows = self.task.rows(self.model, output, batch["inputs"])
        collected = self.collected.setdefault(batch["split"], Collected())
        collected.add(batch["items"], batch["terms"], output.losses, rows)

    def on_validation_epoch_end(self) -> None:
        """Of the training split only the predictions are wanted."""
        self.evaluations = {
            split: collected.finish(self.task, self.splits[split], scored=split != "train")
            for split, collected in self.collected.items()
        }
        self.collected = {}

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end


def _gathered(mine: Collected) -> Collected:
    """The batches of all ranks, on every rank, so that all of them take the same decisions."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return mine
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, mine)
    whole = Collected()
    for part in parts:
        whole.items += part.items
        for name, values in part.rows.items():
            whole.rows.setdefault(name, []).extend(values)
    return whole
