"""What a run leaves in its folder, also when it is interrupted at an awkward step."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headway.store.predictions import read_predictions
from headway.store.run import Run
from headway.tasks.base import Output
from headway.tasks.classification import Classification
from headway.training import checkpoint
from headway.training.events import open_channel
from headway.training.recorder import Recorder
from headway.worker import guarded

TrainingRun = Callable[..., Path]
SPLITS = {"train": 64, "val": 9, "test": 7}  # 4 steps an epoch; a validation is 3 batches, and so is a test
SETTINGS = {"trainer.max_epochs": 3, "trainer.keep": 8, "task.dropout": 0.2, "model.dropout": 0.1}


def train(run: Path) -> int:
    with open_channel(run, 0) as channel:
        return guarded(run, channel)


def at_batch(patch: pytest.MonkeyPatch, number: int, training: bool, action: Callable[[], None]) -> None:
    """Do something at the `number`-th batch that is trained on, or evaluated."""
    loss, seen = Classification.loss, iter(range(1, 1_000_000))

    def changed(self: Classification, model: torch.nn.Module, batch: Any) -> Output:
        if model.training == training and next(seen) == number:
            action()
        return loss(self, model, batch)

    patch.setattr(Classification, "loss", changed)


def outcome(run: Path) -> dict[str, Any]:
    """All that must not depend on interruptions."""
    record = Run.open(run)
    rows = [{k: v for k, v in row.items() if k not in ("time",) and "perf/" not in k} for row in record.rows()]
    folder = run / "checkpoints"
    last, best = checkpoint.pointed(folder, "last"), checkpoint.pointed(folder, "best")
    assert last is not None
    assert best is not None
    weights = {name: value.numpy().tobytes() for name, value in checkpoint.load(last)["model"].items()}
    files = {path.name for part in ("predictions", "artifacts") for path in (run / part).iterdir() if path.is_file()}
    return {"rows": rows, "last": last.name, "best": best.name, "weights": weights, "files": files}


REFERENCE: dict[str, Any] = {}  # the outcome of the uninterrupted run, trained once


@pytest.fixture
def uninterrupted(training_run: TrainingRun) -> dict[str, Any]:
    if not REFERENCE:
        run = training_run(SPLITS, SETTINGS)
        assert train(run) == 0, (run / "traceback.txt").read_text()
        REFERENCE.update(outcome(run))
    return REFERENCE


def fail() -> None:
    raise RuntimeError("out of nowhere")


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("batch", "training", "saved", "again"),
    [
        (1, True, 1, False),
        (6, True, 6, False),  # inside an epoch
        (4, True, 4, False),  # at the step of a validation, which is still to come
        (4, True, 4, True),
        (4, False, 8, False),  # in the first batch of the second validation
        (4, False, 8, True),
        (6, False, 8, False),  # in its last
        (12, True, 12, False),  # at the last step of all
    ],
)
def test_sigterm_saves_the_step_and_resuming_changes_nothing(
    training_run: TrainingRun,
    uninterrupted: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    training: bool,
    saved: int,
    again: bool,
) -> None:
    """With `again` the run fails at the step after the validation that it owed and has caught up on."""
    run = training_run(SPLITS, SETTINGS)
    with monkeypatch.context() as patch:
        at_batch(patch, batch, training, terminate)
        assert train(run) == 143
    record = Run.open(run)
    assert record.status == "preempted"
    assert record.meta["exit_code"] == 143
    assert f"step {saved}" in record.meta["cause"]
    assert "headway resume" in record.meta["cause"]
    found = checkpoint.latest(run / "checkpoints")
    assert found is not None
    assert found[1]["step"] == saved
    if again:
        with monkeypatch.context() as patch:
            at_batch(patch, 1, True, fail)
            assert train(run) == 1
        assert Run.open(run).status == "failed"
        assert "out of nowhere" in Run.open(run).meta["cause"]
    assert train(run) == 0, (run / "traceback.txt").read_text()
    assert outcome(run) == uninterrupted
    codes = [attempt["exit_code"] for attempt in Run.open(run).meta["attempts"]]
    assert codes == ([143, 1, 0] if again else [143, 0])


@pytest.mark.parametrize("batch", [6, 4])  # inside an epoch; where a validation is owed
def test_a_checkpoint_from_before_tokens_were_counted_goes_on_with_their_number(
    training_run: TrainingRun, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    run = training_run(SPLITS, SETTINGS)
    with monkeypatch.context() as patch:
        at_batch(patch, batch, True, terminate)
        assert train(run) == 143
    found = checkpoint.latest(run / "checkpoints")
    assert found is not None
    state = dict(found[1])
    assert state["progress"].pop("tokens") > 0
    checkpoint.save(run / "checkpoints", state)
    assert train(run) == 0, (run / "traceback.txt").read_text()
    assert outcome(run) == uninterrupted


def test_two_interrupts_end_at_once_with_the_record_intact(
    training_run: TrainingRun, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt_twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    run = training_run(SPLITS, SETTINGS)
    with monkeypatch.context() as patch:
        at_batch(patch, 6, True, interrupt_twice)
        assert train(run) == 130
    record = Run.open(run)
    assert record.status == "stopped"
    assert [row["step"] for row in record.rows() if "train/loss" in row] == [1, 2, 3, 4, 5]
    assert train(run) == 0
    assert outcome(run) == uninterrupted


def test_one_interrupt_saves_the_step(training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training_run(SPLITS, SETTINGS)
    with monkeypatch.context() as patch:
        at_batch(patch, 6, True, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert train(run) == 130
    assert Run.open(run).status == "stopped"
    found = checkpoint.latest(run / "checkpoints")
    assert found is not None
    assert found[1]["step"] == 6


@pytest.mark.parametrize(("every", "written"), [(0.0, list(range(1, 13))), (1e9, [4] * 4 + [8] * 4 + [12] * 4)])
def test_losses_are_read_as_rarely_as_is_asked_and_all_the_same(
    training_run: TrainingRun,
    uninterrupted: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    every: float,
    written: list[int],
) -> None:
    """At the latest before a validation."""
    seen = []
    log = Recorder._log

    def noted(self: Recorder, step: int, values: dict[str, float]) -> None:
        if "train/loss" in values:
            seen.append(self.step)
        log(self, step, values)

    monkeypatch.setattr(Recorder, "_log", noted)
    monkeypatch.setattr("headway.training.looks.EVERY", every)
    run = training_run(SPLITS, SETTINGS)
    assert train(run) == 0, (run / "traceback.txt").read_text()
    assert seen == written
    assert outcome(run) == uninterrupted


def test_failing_before_the_first_checkpoint_starts_from_the_start(
    training_run: TrainingRun, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training_run(SPLITS, SETTINGS)
    with monkeypatch.context() as patch:
        at_batch(patch, 3, True, fail)
        assert train(run) == 1
    assert checkpoint.latest(run / "checkpoints") is None
    assert train(run) == 0, (run / "traceback.txt").read_text()
    assert outcome(run) == uninterrupted


def test_a_finished_run_holds_what_it_should(training_run: TrainingRun) -> None:
    run = training_run(SPLITS, SETTINGS | {"trainer.keep": 1})
    assert train(run) == 0
    record = Run.open(run)
    assert record.status == "finished"
    rows = list(record.rows())
    assert [row["step"] for row in rows if "train/loss" in row] == list(range(1, 13))
    assert [row["step"] for row in rows if "val/loss" in row] == [4, 8, 12]
    assert [row["step"] for row in rows if "test/loss" in row] == [12]
    measured = {"loss", *Classification.measures}
    assert {key for row in rows for key in row if key.startswith("val/")} == {f"val/{name}" for name in measured}
    assert all(row["perf/tokens_per_s"] > 0 for row in rows if "train/loss" in row)
    assert [row["epoch"] for row in rows if "val/loss" in row] == [1.0, 2.0, 3.0]
    tokens = [row["train/tokens"] for row in rows if "train/loss" in row]
    assert tokens == sorted(set(tokens))
    assert tokens[3::4] == [record.meta["data"]["tokens"]["train"] * epoch for epoch in (1, 2, 3)]

    best_step = int(record.summary()["val/accuracy"]["max_step"])
    best, last = (checkpoint.pointed(run / "checkpoints", name) for name in ("best", "last"))
    assert best is not None
    assert last is not None
    assert (best.name, last.name) == (f"step-{best_step:06d}.ckpt", "step-000012.ckpt")
    assert checkpoint.by_step(run / "checkpoints") == sorted({best, last})
    assert {path.name for path in (run / "predictions").iterdir()} == {
        f"val-{step:06d}.parquet" for step in (best_step, 12)
    } | {"test-000012.parquet"}

    table = read_predictions(record, "val", 12).to_pydict()
    assert len(table["id"]) == len(set(table["id"])) == 9
    right = [gold == predicted for gold, predicted in zip(table["gold"], table["prediction"], strict=True)]
    (accuracy,) = [row["val/accuracy"] for row in rows if row["step"] == 12 and "val/accuracy" in row]
    assert sum(right) / 9 == pytest.approx(accuracy)
    (loss,) = [row["val/loss"] for row in rows if row["step"] == 12 and "val/loss" in row]
    assert sum(table["loss"]) / 9 == pytest.approx(loss)
    details = json.loads((run / "artifacts" / "evaluation-val-000012.json").read_text())
    assert sum(map(sum, details["details"]["confusion"]["counts"])) == 9


def test_early_stopping_ends_the_run_and_tests_the_best(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([0.5, 0.75, 0.75, 0.25, 0.0])
    measure = Classification.measure

    def changed(self: Classification, *arguments: Any) -> tuple[dict[str, float], dict[str, Any]]:
        values, details = measure(self, *arguments)
        return {**values, "accuracy": next(measured)}, details

    monkeypatch.setattr(Classification, "measure", changed)
    run = training_run(SPLITS, {"trainer.max_epochs": 20, "trainer.patience": 2})
    assert train(run) == 0, (run / "traceback.txt").read_text()
    rows = list(Run.open(run).rows())
    assert [row["step"] for row in rows if "val/loss" in row] == [4, 8, 12, 16]  # equal is not better
    assert max(row["step"] for row in rows) == 16
    best = checkpoint.pointed(run / "checkpoints", "best")
    assert best is not None
    assert best.name == "step-000008.ckpt"


def test_validation_between_epochs_and_checkpoints_between_validations(training_run: TrainingRun) -> None:
    every = {"trainer.max_epochs": None, "trainer.max_steps": 10, "trainer.val_every": 3, "trainer.checkpoint_every": 4}
    run = training_run(SPLITS, every | {"trainer.keep": 99})
    assert train(run) == 0, (run / "traceback.txt").read_text()
    rows = list(Run.open(run).rows())
    assert [row["step"] for row in rows if "train/loss" in row] == list(range(1, 11))
    assert [row["step"] for row in rows if "val/loss" in row] == [3, 6, 9, 10]
    steps = [int(path.stem[5:]) for path in checkpoint.by_step(run / "checkpoints")]
    assert steps == [3, 4, 6, 8, 9, 10]


def test_what_is_cut_is_counted_and_its_first_row_named(training_run: TrainingRun) -> None:
    run = training_run({"train": 40, "val": 9}, {"task.max_length": 6})
    assert train(run) == 0, (run / "traceback.txt").read_text()
    data = Run.open(run).meta["data"]
    rows = (Path(data["cut_texts"]["train"]["first"].rpartition(":")[0])).read_text().splitlines()
    longer = [line for line, row in enumerate(rows[1:], start=2) if len(row.split(",")[0].split()) > 4]
    assert data["cut_texts"]["train"]["count"] >= len(longer) > 0
    assert int(data["cut_texts"]["train"]["first"].rpartition(":")[2]) <= longer[0]
