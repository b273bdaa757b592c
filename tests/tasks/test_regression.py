"""Regression and multi-label classification: losses against torch's own, targets, and what predictions hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from headway.data.encode import cached
from headway.data.examples import MULTI_LABELLED, SCORED
from headway.data.prepare import prepare_tables
from headway.data.typed import read_examples
from headway.errors import DataError
from headway.models.pretrained import Pretrained
from headway.store.run import Run
from headway.tasks.base import EVALUATION, Split
from headway.tasks.multilabel import MultiLabel
from headway.tasks.regression import Regression
from headway.training.evaluate import evaluate, open_trained, pass_over, predict
from headway.training.events import SilentChannel
from headway.worker import guarded

TEXTS = ["good film", "the story was bad and the acting is awful", "a very fine story", "poor"]


def split_of(folder: Path, task: Any, path: Path, column: pa.Array, labels: list[str]) -> Split:
    table = pa.table({"text": pa.array(TEXTS, pa.large_string()), "label": column})
    tokenizer = Pretrained(str(path)).tokenizer()
    found = cached(folder / "encoded", lambda: task.encode(tokenizer, table, "train"), "uint16")
    return Split(table, found, tokenizer, labels)


def network(task: Any, path: Path, labels: list[str]) -> Any:
    source = Pretrained(str(path), dropout=0.0)
    return task.model(source, source.tokenizer(), labels, weights=True)


def test_squared_error_within_the_range_of_scores(tiny_bert: Path, tmp_path: Path) -> None:
    task = Regression(max_length=16, low=1.0, high=5.0)
    gold = [1.0, 5.0, 2.5, None]
    split = split_of(tmp_path, task, tiny_bert, pa.array(gold, pa.float64()), [])
    model = network(task, tiny_bert, []).eval()
    output = task.loss(model, task.collate(split.encoded, np.arange(4), 0, EVALUATION))
    expected = [(found - (score - 1) / 4) ** 2 for found, score in zip(output.logits.tolist(), gold[:3], strict=False)]
    assert output.losses.tolist() == pytest.approx([*expected, 0.0], abs=1e-6)
    assert task.terms(split.encoded, np.arange(4), EVALUATION).tolist() == [1, 1, 1, 0]
    predictions = pass_over(task, model, split, 3).finish(task, split, scored=False).predictions
    assert predictions["prediction"] == pytest.approx([found * 4 + 1 for found in output.logits.tolist()], abs=1e-5)


@pytest.mark.parametrize("wrong", [{"low": 1.0}, {"high": 1.0}, {"low": 2.0, "high": 2.0}])
def test_half_a_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="low and high are both numbers, the first below the second, or both null"):
        Regression(**wrong)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (["1.5", "high", "2"], r"f:1: data\.label=label must be a number, found 'high'"),
        (["1.5", "nan", "2"], r"f:1: data\.label=label must be a finite number, found nan"),
        (["1.5", "", "2"], r"f:1: no label in column 'label', as in 1 of 3 rows of train"),
    ],
)
def test_a_score_that_is_none_is_named_by_its_row(scores: list[str], said: str) -> None:
    table = pa.table({"text": ["a", "b", "c"], "label": scores, "origin": ["f:0", "f:1", "f:2"]})
    with pytest.raises(DataError, match=said):
        prepare_tables({"train": table}, SCORED, val_fraction=0.0)


def test_the_loss_of_labels_is_torchs_summed_over_labels(tiny_bert: Path, tmp_path: Path) -> None:
    task, labels = MultiLabel(max_length=16), ["bad", "good", "long"]
    gold = [[1], [0, 2], [], None]
    split = split_of(tmp_path, task, tiny_bert, pa.array(gold, pa.list_(pa.int32())), labels)
    model = network(task, tiny_bert, labels).eval()
    output = task.loss(model, task.collate(split.encoded, np.arange(4), 0, EVALUATION))
    targets = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 0, 0]])
    expected = torch.nn.BCEWithLogitsLoss(reduction="none")(output.logits[:3], targets).sum(-1)
    torch.testing.assert_close(output.losses[:3], expected)
    assert output.losses[3] == 0
    assert task.terms(split.encoded, np.arange(4), EVALUATION).tolist() == [1, 1, 1, 0]
    assert task.gold(split) == [["good"], ["bad", "long"], [], None]
    assert split.encoded.lengths.tolist() == [len(ids) for ids in split.tokenizer(TEXTS)["input_ids"]]
    alone = task.loss(model, task.collate(split.encoded, np.array([2]), 0, EVALUATION))
    torch.testing.assert_close(alone.losses, output.losses[2:3])


@pytest.mark.parametrize("column", [["x, y", "y", ""], [["x", "y"], ["y"], []]])
def test_several_labels_in_a_list_or_between_commas(column: list[Any]) -> None:
    table = pa.table({"text": ["a", "b", "c"], "label": column, "origin": ["f:0", "f:1", "f:2"]})
    prepared = prepare_tables({"train": table}, MULTI_LABELLED, val_fraction=0.0)
    assert prepared.labels == ["x", "y"]
    assert prepared.splits["train"]["label"].to_pylist() == [[0, 1], [1], []]
    assert prepared.report["splits"]["train"]["label_counts"] == {"x": 1, "y": 2}


def test_a_label_of_another_split_is_named_by_its_row() -> None:
    train = pa.table({"text": ["a", "b"], "label": ["x, y", "y"], "origin": ["f:0", "f:1"]})
    val = pa.table({"text": ["c", "d"], "label": ["y", "x, z"], "origin": ["g:0", "g:1"]})
    with pytest.raises(DataError, match=r"g:1: label 'z' of val is not among the training labels \(x, y\)"):
        prepare_tables({"train": train, "val": val}, MULTI_LABELLED)


TASKS = {
    "regression": ({"_target_": "headway.tasks.regression.Regression", "max_length": 16}, "score", "spearman"),
    "multilabel": ({"_target_": "headway.tasks.multilabel.MultiLabel", "max_length": 16}, "labels", "f1_micro"),
}


@pytest.mark.parametrize("name", TASKS)
def test_from_training_to_prediction(training_run: Callable[..., Path], tmp_path: Path, name: str) -> None:
    task, column, metric = TASKS[name]
    words = ["good", "bad", "fine", "poor"]
    rows = [f"{words[i % 4]} film {i},{i % 5}.5,{words[i % 4]};{words[i % 2]}\n" for i in range(48)]
    data = tmp_path / "rows.csv"
    data.write_text("text,score,labels\n" + "".join(rows))
    changes = {"task": task, "data.path": str(data), "data.label": column, "data.test_fraction": 0.2}
    run_dir = training_run({}, {**changes, "data.val_fraction": 0.2})
    assert guarded(run_dir, SilentChannel()) == 0, (run_dir / "traceback.txt").read_text()
    run = Run.open(run_dir)
    assert any(f"val/{metric}" in row for row in run.rows())
    assert evaluate(run, "test", "best")["examples"] == 10
    trained = open_trained(run, "last")
    asked = read_examples([("good film", None), ("bad", None)], {"label": column}, trained.task.examples)
    answers = predict(trained, asked, run)
    assert [row["text"] for row in answers] == ["good film", "bad"]
    assert all(isinstance(row["prediction"], float if name == "regression" else list) for row in answers)
