"""trainer.train_predictions: the training split evaluated at each validation, also when a run is interrupted."""

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from headway.store.predictions import prediction_files, read_predictions
from headway.store.run import Run
from headway.tasks.base import Output
from headway.tasks.classification import Classification
from headway.tasks.dialogue import Dialogue
from headway.tasks.language_modelling import LanguageModelling
from headway.tasks.seq2seq import SequenceToSequence
from headway.training.events import SilentChannel
from headway.training.session import kept_labels, trainer_problems
from headway.worker import guarded

TrainingRun = Callable[..., Path]
SPLITS = {"train": 40, "val": 9, "test": 5}  # 3 steps an epoch; evaluated in batches of 4: 3 of val, then 10 of train
SETTINGS = {"trainer.max_epochs": 3, "trainer.keep": 8, "task.dropout": 0.2, "model.dropout": 0.1}
ON = SETTINGS | {"trainer.train_predictions": True}


def train(run: Path, code: int = 0) -> None:
    assert guarded(run, SilentChannel()) == code, (run / "traceback.txt").read_text()


def terminate_at_evaluated_batch(patch: pytest.MonkeyPatch, number: int) -> None:
    loss, seen = Classification.loss, iter(range(1, 1_000_000))

    def changed(self: Classification, model: torch.nn.Module, batch: Any) -> Output:
        if not model.training and next(seen) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, model, batch)

    patch.setattr(Classification, "loss", changed)


def rows(run: Path) -> list[dict[str, Any]]:
    """History without times."""
    kept = (row.items() for row in Run.open(run).rows())
    return [{key: value for key, value in row if key != "time" and "perf/" not in key} for row in kept]


def predicted(run: Path) -> dict[tuple[str, int], Any]:
    """Every prediction table of a run, by split and step, with its columns' bits."""
    return {key: read_predictions(Run.open(run), *key) for key in prediction_files(run)}


def test_the_training_split_is_recorded_at_each_validation(training_run: TrainingRun) -> None:
    run, without = training_run(SPLITS, ON), training_run(SPLITS, SETTINGS)
    train(run)
    train(without)
    found, expected = predicted(run), predicted(without)
    recorded = {("train", step) for step in (3, 6, 9)}
    labels = kept_labels(run)
    assert found.keys() == expected.keys() | recorded, "none of them is pruned"
    assert all(found[key].equals(expected[key]) for key in expected)
    assert rows(run) == rows(without), "training and its history do not change"
    for key in recorded:
        assert len(set(found[key]["id"].to_pylist())) == 40
        assert "text" in found[key].column_names
        columns = zip(*(found[key][name].to_pylist() for name in ("gold", "scores", "loss")), strict=True)
        for gold, scores, loss in columns:
            assert math.exp(-loss) == pytest.approx(scores[labels.index(gold)], rel=1e-5)
    assert not list((run / "artifacts").glob("evaluation-train-*"))
    assert [found["train", step]["loss"] for step in (3, 6)] != [found["train", 9]["loss"]] * 2


@pytest.mark.parametrize("batch", [1, 3, 4, 13, 20])  # of val, its last, of train, its last; of the second validation
def test_a_validation_that_is_owed_records_it_once_and_alike(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    whole, run = training_run(SPLITS, ON), training_run(SPLITS, ON)
    train(whole)
    with monkeypatch.context() as patch:
        terminate_at_evaluated_batch(patch, batch)
        train(run, code=143)
    before = prediction_files(run)
    assert ("train", 6 if batch == 20 else 3) not in before, "written with its validation or not at all"
    train(run)
    found, expected = predicted(run), predicted(whole)
    assert found.keys() == expected.keys()
    assert all(found[key].equals(expected[key]) for key in expected)
    assert rows(run) == rows(whole)


def test_it_needs_a_validation(training_run: TrainingRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = training_run({"train": 20}, ON)
    train(run, code=1)
    assert "trainer.train_predictions: needs a validation split" in capsys.readouterr().err


def test_tasks_without_an_answer_for_each_example_are_refused() -> None:
    config = OmegaConf.create({"trainer": {"monitor": None, "train_predictions": True}})
    for task in (LanguageModelling(), Dialogue()):
        (problem,) = trainer_problems(config, task)
        assert "learns no label or answer" in problem
    (problem,) = trainer_problems(config, SequenceToSequence())
    assert "add task.metrics=[]" in problem
    assert trainer_problems(config, SequenceToSequence(metrics=[])) == trainer_problems(config, Classification()) == []
    config.trainer.monitor = "val/acuracy"
    assert len(trainer_problems(config, LanguageModelling())) == 2, "all at once"
