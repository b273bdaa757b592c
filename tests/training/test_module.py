"""The arithmetic of a step: the same gradient however a step is cut into micro-batches."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headway.store.run import Run
from headway.training import checkpoint
from headway.training.events import SilentChannel
from headway.worker import guarded

TrainingRun = Callable[..., Path]


def trained(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Final weights and training rows of a run, trained here."""
    assert guarded(run, SilentChannel()) == 0, (run / "traceback.txt").read_text()
    found = checkpoint.latest(run / "checkpoints")
    assert found is not None
    return found[1]["model"], [row for row in Run.open(run).rows() if "train/loss" in row]


PLAIN_DESCENT = {"optimizer": {"_target_": "torch.optim.SGD", "lr": 1.0}}  # a step moves the weights by the gradient


@pytest.mark.parametrize("accumulate", [2, 3, 4])
def test_the_gradient_does_not_depend_on_accumulation(training_run: TrainingRun, accumulate: int) -> None:
    """29 examples make steps of 16 and 13, which are cut into equal and unequal parts of texts of unequal lengths."""
    whole, rows = trained(training_run({"train": 29}, PLAIN_DESCENT))
    cut, cut_rows = trained(training_run({"train": 29}, PLAIN_DESCENT | {"batch.accumulate": accumulate}))
    assert [row["step"] for row in rows] == [row["step"] for row in cut_rows] == [1, 2]
    for row, cut_row in zip(rows, cut_rows, strict=True):
        assert cut_row["train/loss"] == pytest.approx(row["train/loss"], abs=1e-6)
        assert cut_row["train/grad_norm"] == pytest.approx(row["train/grad_norm"], abs=1e-6)
    for name, weights in whole.items():
        torch.testing.assert_close(cut[name], weights, rtol=0, atol=1e-6, msg=name)


def test_the_recorded_loss_is_the_mean_over_the_step(training_run: TrainingRun, tmp_path: Path) -> None:
    """With a rate of 0 nothing is learned, so the loss of an epoch is that of an evaluation of the same examples."""
    training_run({"train": 32})
    data = tmp_path / "same"
    data.mkdir()
    for split in ("train", "dev"):
        shutil.copy(tmp_path / "data-32" / "train.csv", data / f"{split}.csv")
    still = {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.0}, "batch.accumulate": 3, "data.path": str(data)}
    run = training_run({}, still)
    _, rows = trained(run)
    (validation,) = [row for row in Run.open(run).rows() if "val/loss" in row]
    assert sum(row["train/loss"] for row in rows) / len(rows) == pytest.approx(validation["val/loss"], abs=1e-6)


def test_clipping_limits_the_step_and_the_full_norm_is_recorded(training_run: TrainingRun) -> None:
    free, rows = trained(training_run({"train": 16}, PLAIN_DESCENT))
    held, held_rows = trained(training_run({"train": 16}, PLAIN_DESCENT | {"trainer.gradient_clip_val": 1e-3}))
    assert held_rows[0]["train/grad_norm"] == pytest.approx(rows[0]["train/grad_norm"], rel=1e-6)
    start, _ = trained(training_run({"train": 16}, {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.0}}))

    def moved(weights: dict[str, torch.Tensor]) -> float:
        return float(torch.cat([(weights[name] - start[name]).flatten() for name in start]).norm())

    assert moved(free) == pytest.approx(rows[0]["train/grad_norm"], rel=1e-3)
    assert moved(held) == pytest.approx(1e-3, rel=1e-2)
