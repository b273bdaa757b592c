"""Row 5: a loss that is not finite ends the run as diverged, and only finite checkpoints are kept."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headway.store.run import Run
from headway.tasks.base import Output
from headway.tasks.classification import Classification
from headway.training import checkpoint
from headway.training.events import open_channel
from headway.worker import guarded

TrainingRun = Callable[..., Path]


def train(run: Path) -> int:
    with open_channel(run, 0) as channel:
        return guarded(run, channel)


def finite_checkpoint(run: Path) -> int | None:
    """Step of the newest checkpoint; every one that was kept is finite."""
    folder = run / "checkpoints"
    for path in checkpoint.by_step(folder):
        assert all(weights.isfinite().all() for weights in checkpoint.load(path)["model"].values()), path.name
    found = checkpoint.latest(folder)
    if found is None:
        assert checkpoint.pointed(folder, "last") is None
        return None
    assert checkpoint.pointed(folder, "last") == found[0]
    return int(found[1]["step"])


def poisoned(monkeypatch: pytest.MonkeyPatch, step: int, value: float) -> None:
    """The loss of training step `step` becomes `value`."""
    loss, seen = Classification.loss, iter(range(1, 1_000_000))

    def changed(self: Classification, model: torch.nn.Module, batch: Any) -> Output:
        output = loss(self, model, batch)
        if model.training and next(seen) == step:
            return Output(output.losses * value, output.logits)
        return output

    monkeypatch.setattr(Classification, "loss", changed)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("log_every", [1, 4])
@pytest.mark.parametrize("step", [1, 5, 6])  # the first, inside an interval, at a checkpoint
def test_a_loss_that_is_not_finite_ends_the_run(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch, step: int, log_every: int, value: float
) -> None:
    poisoned(monkeypatch, step, value)
    run = training_run({"train": 160}, {"trainer.checkpoint_every": 2, "trainer.log_every": log_every})
    assert train(run) == 3
    record = Run.open(run)
    assert record.status == "diverged"
    assert record.meta["exit_code"] == 3
    assert f"the loss of step {step} is not finite" in record.meta["cause"]
    assert "lower optimizer.lr" in record.meta["cause"]
    assert finite_checkpoint(run) == {1: None, 5: 4, 6: 4}[step]
    rows = {row["step"]: row["train/loss"] for row in record.rows()}
    assert not math.isfinite(rows[step])
    assert all(math.isfinite(loss) for at, loss in rows.items() if at < step)
    last = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    assert last["train/loss"] in ("NaN", "Infinity")
    assert math.isfinite(record.summary().get("train/loss", {}).get("min", 0.0))


def test_the_run_can_be_continued_from_its_last_finite_checkpoint(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training_run({"train": 160}, {"trainer.checkpoint_every": 2})
    with monkeypatch.context() as once:
        poisoned(once, 5, math.nan)
        assert train(run) == 3
    assert train(run) == 0
    assert all(math.isfinite(row["train/loss"]) for row in Run.open(run).rows() if "train/loss" in row)
    assert finite_checkpoint(run) == 10


@pytest.mark.parametrize(
    ("optimizer", "cause"),
    [
        ({"_target_": "torch.optim.AdamW", "lr": 1e30}, "the loss of step 2 is not finite"),
        # its first step is ten times the rate: beyond what a float32 holds, after a loss and a gradient that were fine
        ({"_target_": "torch.optim.RMSprop", "lr": 1e38}, "the weights after step 1 are not finite"),
    ],
    ids=["huge", "infinite"],
)
def test_a_rate_that_is_far_too_high(training_run: TrainingRun, optimizer: dict[str, Any], cause: str) -> None:
    run = training_run({"train": 160}, {"trainer.checkpoint_every": 1, "optimizer": optimizer})
    assert train(run) == 3
    record = Run.open(run)
    assert record.status == "diverged"
    assert cause in record.meta["cause"]
    finite_checkpoint(run)


def test_a_metric_that_is_nan_is_stored_and_never_the_best(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([math.nan, 0.5, math.nan, 0.25])
    measure = Classification.measure

    def changed(self: Classification, *arguments: Any) -> tuple[dict[str, float], dict[str, Any]]:
        values, details = measure(self, *arguments)
        return {**values, "accuracy": next(measured)}, details

    monkeypatch.setattr(Classification, "measure", changed)
    run = training_run({"train": 32, "val": 5}, {"trainer.max_epochs": 4, "trainer.keep": 4})
    assert train(run) == 0, (run / "traceback.txt").read_text()
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [row["val/accuracy"] for row in rows if "val/accuracy" in row] == ["NaN", 0.5, "NaN", 0.25]
    best = checkpoint.pointed(run / "checkpoints", "best")
    assert best is not None
    assert best.name == "step-000004.ckpt"
    assert Run.open(run).summary()["val/accuracy"]["max"] == 0.5
    kept = sorted(path.name for path in (run / "artifacts").glob("evaluation-val-*.json"))
    assert kept == ["evaluation-val-000004.json", "evaluation-val-000008.json"]


def test_if_every_metric_is_nan_there_is_no_best(training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Classification, "measure", lambda *_: ({"accuracy": math.nan}, {}))
    run = training_run({"train": 32, "val": 5, "test": 5}, {"trainer.max_epochs": 2})
    assert train(run) == 0, (run / "traceback.txt").read_text()
    assert checkpoint.pointed(run / "checkpoints", "best") is None
    assert "max" not in Run.open(run).summary()["val/accuracy"]
    (kept,) = (run / "artifacts").glob("evaluation-test-*.json")
    assert json.loads(kept.read_text())["metrics"]["accuracy"] == "NaN"
