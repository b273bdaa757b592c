"""From a frozen config to a trained, evaluated run: compose the parts, hand them to Lightning, record.

Lightning's "epoch" is here the stretch between two validations. It always starts afresh: to resume, the loader is asked
for the steps from k on, and nothing of Lightning's own loop state is saved or restored.
"""

import logging
import math
import os
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from omegaconf import DictConfig
from pytorch_lightning.strategies import DDPStrategy, Strategy

from headway.config.targets import instantiate
from headway.data.batching import TrainPlan
from headway.data.progress import watched
from headway.errors import ConfigError, DataError
from headway.models import unpadded
from headway.models.pretrained import parameter_count
from headway.models.unpadded import runs_unpadded
from headway.store import layout
from headway.store.run import read_meta
from headway.training import checkpoint
from headway.training.agreement import Agreement
from headway.training.compiled import Compiled
from headway.training.cost import Cost, Watched
from headway.training.events import Channel
from headway.training.frozen import fill, keep_frozen
from headway.training.heap import keep_freed_memory
from headway.training.loaders import EvaluationBatches, StepKeys, TrainSteps, evaluation_loader, loader
from headway.training.module import Schedule, TrainingModule
from headway.training.peak import dtype_of
from headway.training.ranks import Ranks
from headway.training.recorder import Progress, Recorder, Rules
from headway.training.seeds import seed_all
from headway.training.session import MODEL_FOLDER, Session, keep_model, open_session, plain


def run_training(config: DictConfig, run_dir: Path, config_hash: str, channel: Channel) -> None:
    """Train, validate and test as the config says, from the newest valid checkpoint if there is one.

    Raises: Stopped for every orderly early end; HeadwayError for what the user can mend.
    """
    quiet_libraries()
    settings, batch = plain(config, "trainer"), plain(config, "batch")
    ranks = Ranks.from_environment()
    accelerator = prepare_device(settings, ranks)
    found = checkpoint.latest(run_dir / layout.CHECKPOINTS, config_hash)
    with watched(channel.preparing):
        session = open_session(config, run_dir if found else None)
    channel.record(data=data_facts(session))
    task = session.task
    plan = TrainPlan(
        *(session.encoded["train"].lengths, batch["size"], config.seed, ranks.world * batch["accumulate"]),
        bucket=batch["bucket"],
        tokens=batch.get("tokens"),  # configs of earlier runs lack it
    )
    if plan.steps_per_epoch == 0:
        raise DataError(
            f"the training split has {len(session.encoded['train'])} examples, fewer than devices x batch.accumulate"
        )
    for name, split in session.encoded.items():
        if len(split) < ranks.world:  # said now, not when the training is done
            raise DataError(f"the {name} split has {len(split)} examples, fewer than the {ranks.world} processes")
    seed_all(config.seed)  # fresh weights are a function of the seed
    model = session.model(weights=found is None)
    rules = rules_of(settings, plan, session, counted=hasattr(model, "fit"))
    schedule = instantiate({**plain(config, "scheduler"), "_partial_": True})
    module = make_module(config, session, model, schedule, rules.total_steps)
    if found is None and ranks.rank == 0:
        keep_model(session, run_dir)
        keep_frozen(model, run_dir / MODEL_FOLDER)
    channel.record(
        model=parameter_count(model) | padding(model, accelerator, ranks, settings["precision"]),
        monitor={"metric": rules.monitor, "mode": "max" if rules.maximise else "min"},
        plan={"steps": rules.total_steps, "steps_per_epoch": rules.steps_per_epoch},
    )
    spent = read_meta(run_dir).get("cost") or {}
    cost = Cost(channel, spent, module.flops, accelerator, settings["precision"], ranks.world, module.compiled)
    recorder = Recorder(run_dir, rules, task, session.splits, channel, config_hash, cost)
    start = 0
    if found is not None:
        path, state = found
        start = restore(module, recorder, state, path)
        channel.record(resumed_from=path.name)
    if ranks.rank == 0:
        recorder.open(start)
    else:
        recorder.step = start
    data = Data(session, plan, recorder, batch, settings, ranks, pin=accelerator == "cuda")
    agreement = Agreement(
        {"config.yaml": config_hash, "the data": session.prepared.fingerprint, "the first step": start}, channel
    )
    trainer = make_trainer(settings, [agreement, recorder, cost], accelerator, ranks, batch["accumulate"])
    finished = False
    try:
        if not recorder.progress.validated:
            assert found is not None
            trainer.validate(module, data.val_dataloader(), verbose=False)
            recorder.caught_up(found[1])
        if recorder.step < rules.total_steps and not recorder.progress.done:
            if hasattr(model, "fit"):
                count(trainer, module, recorder, data)
            else:
                trainer.fit(module, datamodule=data)
        if settings["test"] and "test" in session.encoded:
            trainer.strategy.barrier()  # until the first rank has written which checkpoint is best
            use_best(module, run_dir, config_hash)
            trainer.test(module, data.test_dataloader(), verbose=False)
        finished = True
    finally:
        recorder.close()
        if ranks.rank == 0:
            cost.report(finished=finished)


def count(trainer: pl.Trainer, module: TrainingModule, recorder: Recorder, data: "Data") -> None:
    """Fit a model that has no gradients, such as an n-gram model: one step over all the data, then its validation."""
    if trainer.world_size > 1:
        raise ConfigError(["trainer.devices: this model is counted in one process; use trainer.devices=1"])
    encoded = data.session.encoded["train"]
    recorder.cost.clock.to("training")
    began = time.perf_counter()
    module.model.fit(encoded.cut("input_ids", item) for item in range(len(encoded)))  # type: ignore[operator]
    recorder.step = 1
    seconds = time.perf_counter() - began
    recorder.cost.trained(int(encoded.lengths.sum()), len(encoded))
    recorder.cost.clock.to("saving")
    if "val" in data.session.encoded:
        trainer.validate(module, data.val_dataloader(), verbose=False)
    recorder.counted(trainer, module, seconds)


def quiet_libraries() -> None:
    """Lightning and the hub client announce themselves at length; what is worth knowing, the recorder says."""
    for noisy in ("pytorch_lightning", "lightning_fabric", "httpx", "transformers"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    wanted = ".*overridden `transfer_batch_to_device`.*"  # the module's own is meant
    for message in (".*does not have many workers.*", ".*LeafSpec.*", ".*across ranks is zero.*", wanted):
        warnings.filterwarnings("ignore", message=message)


def prepare_device(settings: dict[str, Any], ranks: Ranks) -> str:
    """Threads, determinism and the kind of device: "cpu" or "cuda"."""
    accelerator = settings["accelerator"]
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    accelerator = "cuda" if accelerator == "gpu" else accelerator
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError(["trainer.accelerator: no CUDA device is available; use trainer.accelerator=cpu"])
    cores = len(os.sched_getaffinity(0))
    threads = settings["threads"] or max(1, cores // (ranks.local_world if accelerator == "cpu" else 1))
    keep_freed_memory()
    torch.set_num_threads(threads)  # also part of exactness: sums over other numbers of threads round differently
    torch.set_float32_matmul_precision(settings.get("matmul_precision", "highest"))  # runs begun before it lack the key
    if settings["deterministic"] and accelerator == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return str(accelerator)


def rules_of(settings: dict[str, Any], plan: TrainPlan, session: Session, *, counted: bool) -> Rules:
    """Turn epochs and intervals into steps; a model that is counted takes one.

    Raises: ConfigError for what needs validations where there are none.
    """
    epochs = math.ceil(settings["max_epochs"] * plan.steps_per_epoch) if settings["max_epochs"] else math.inf
    total = int(min(epochs, settings["max_steps"] or math.inf))
    if settings["patience"] is not None and "val" not in session.encoded:
        raise ConfigError(["trainer.patience: needs a validation split; set data.val_fraction, or leave it null"])
    if settings.get("train_predictions") and "val" not in session.encoded:
        raise ConfigError(["trainer.train_predictions: needs a validation split; set data.val_fraction, or false"])
    return Rules(
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=1 if counted else total,
        checkpoint_every=settings["checkpoint_every"],
        keep=settings["keep"],
        log_every=settings["log_every"],
        monitor=settings["monitor"] or session.task.monitor,
        maximise=(settings["monitor_mode"] or session.task.monitor_mode) == "max",
        patience=settings["patience"],
    )


def restore(module: TrainingModule, recorder: Recorder, state: dict[str, Any], path: Path) -> int:
    """Put a checkpoint's state into the freshly built parts; returns its step."""
    fill(module.model, state, path, recorder.run_dir / MODEL_FOLDER)
    module.optimizer_state = state["optimizer"]
    recorder.progress = Progress(**state["progress"])
    return int(state["step"])


def use_best(module: TrainingModule, run_dir: Path, config_hash: str) -> None:
    """Test the checkpoint that validation chose; without validation, the last weights."""
    best = checkpoint.pointed(run_dir / layout.CHECKPOINTS, "best")
    if best is not None:
        fill(module.model, checkpoint.load(best, config_hash), best, run_dir / MODEL_FOLDER)


def padding(model: torch.nn.Module, accelerator: str, ranks: Ranks, precision: str) -> dict[str, str]:
    """What the network does with it: "none" where it runs without, and by which kernels on a GPU; see unpadded.py."""
    found = {"padding": "none" if any(map(runs_unpadded, model.modules())) else "computed"}
    if accelerator != "cuda":
        return found
    kernels = unpadded.kernels(model, torch.device("cuda", ranks.local_rank), dtype_of(precision))
    return found if kernels is None else found | {"attention": kernels}


def data_facts(session: Session) -> dict[str, Any]:
    prepared = session.prepared
    tokens = {name: int(split.lengths.sum()) for name, split in session.encoded.items()}
    return {
        **{"fingerprint": prepared.fingerprint, "labels": prepared.labels, "tokens": tokens},
        "cut_texts": cut_texts(session),
        "asked_of_a_text": "context" in session.task.examples.columns,  # predict needs both
        **prepared.report,
    }


def cut_texts(session: Session) -> dict[str, Any]:
    """Of each split, how many examples lose a part to the task's max_length, and where the first of them stands."""
    found: dict[str, Any] = {}
    for name, split in session.encoded.items():
        rows = split.examples[np.flatnonzero(split.columns.get("cut", np.zeros(0)))]
        if len(rows):
            origin = session.prepared.splits[name]["origin"][int(rows[0])].as_py()
            found[name] = {"count": len(rows), "first": origin}
    return found


def make_module(
    config: DictConfig, session: Session, model: torch.nn.Module, schedule: Schedule, total_steps: int
) -> TrainingModule:
    """What trains `model` as the config says. Raises: ConfigError for a model that is counted and to be compiled."""
    settings = plain(config, "trainer")
    if settings.get("compile") and hasattr(model, "fit"):
        raise ConfigError(["trainer.compile: this model is counted, so there is nothing to compile; set it to false"])
    return TrainingModule(
        session.task,
        model,
        session.splits,
        optimizer=plain(config, "optimizer"),
        schedule=schedule,
        total_steps=total_steps,
        accumulate=config.batch.accumulate,
        clip=settings["gradient_clip_val"],
        rng=config.seed,
        compiled=Compiled(session.task) if settings.get("compile") else None,
    )


def make_trainer(
    settings: dict[str, Any], callbacks: list[pl.Callback], accelerator: str, ranks: Ranks, accumulate: int
) -> pl.Trainer:
    strategy: str | Strategy = "auto"
    if ranks.world > 1:
        # buffers are equal on every rank anyway; broadcasting them would hang ranks with unequal numbers of batches
        strategy = DDPStrategy(
            process_group_backend="nccl" if accelerator == "cuda" else "gloo", forward_sync_buffers=False
        )
    return pl.Trainer(
        accelerator=accelerator,
        devices=ranks.local_world,
        num_nodes=ranks.nodes,
        strategy=strategy,
        plugins=[LightningEnvironment()],  # whoever started us has set the ranks; nothing is to be guessed from Slurm
        precision=settings["precision"],
        max_epochs=-1,  # segments: the recorder ends the run at its last step
        max_steps=-1,
        accumulate_grad_batches=accumulate,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=True,
    )


class Data(pl.LightningDataModule):
    """Hands Lightning one segment of steps at a time."""

    def __init__(
        self,
        session: Session,
        plan: TrainPlan,
        recorder: Recorder,
        batch: dict[str, Any],
        settings: dict[str, Any],
        ranks: Ranks,
        pin: bool,
    ) -> None:
        super().__init__()
        self.session, self.recorder, self.batch, self.pin = session, recorder, batch, pin
        self.val_every = settings["val_every"] or plan.steps_per_epoch
        self.train_predictions = settings.get("train_predictions", False)  # runs begun before there was the key lack it
        self.steps = TrainSteps(
            session.task, session.encoded["train"], plan, batch["accumulate"], ranks.rank, session.pad
        )
        self.evaluation = partial(
            EvaluationBatches, size=batch["eval_size"], rank=ranks.rank, world=ranks.world, pad=session.pad
        )

    def train_dataloader(self) -> Any:
        start, total = self.recorder.step, self.recorder.rules.total_steps
        stop = min(total, (start // self.val_every + 1) * self.val_every)
        keys = StepKeys(start, stop, self.batch["accumulate"])
        return Watched(loader(self.steps, keys, self.batch["workers"], self.pin), self.recorder.cost.clock)

    def val_dataloader(self) -> Any:
        splits = ("val", "train") if self.train_predictions else ("val",)
        return [self._evaluation(split) for split in splits] if "val" in self.session.encoded else []

    def test_dataloader(self) -> Any:
        return self._evaluation("test")

    def _evaluation(self, split: str) -> Any:
        batches = self.evaluation(self.session.task, split, self.session.encoded[split])
        return evaluation_loader(batches, 0, self.pin)
