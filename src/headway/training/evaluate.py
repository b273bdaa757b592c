"""Use a recorded run: evaluate one of its checkpoints on a split, or predict texts. N texts, C classes."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn
from torchmetrics import MetricCollection

from headway.config.freeze import config_hash, thaw
from headway.data.batching import evaluation_batches
from headway.data.encode import Encoded, cached
from headway.data.prepare import prepare, read_texts
from headway.data.report import fingerprint as data_fingerprint
from headway.errors import CheckpointError, DataError
from headway.models.pretrained import default_device
from headway.store import layout
from headway.store.atomic import write_json
from headway.store.predictions import write_predictions
from headway.store.run import Run
from headway.store.values import storable
from headway.tasks.base import Task
from headway.training import checkpoint
from headway.training.module import Collected
from headway.training.session import MODEL_FOLDER, components, kept_labels, plain, prediction_columns


@dataclass(frozen=True)
class Trained:
    """A run's model with the weights of one checkpoint, and what is needed to put texts through it."""

    task: Task
    tokenizer: Any
    labels: list[str]
    model: nn.Module
    step: int
    size: int  # examples a batch

    def over(self, table: pa.Table, metrics: MetricCollection | None = None) -> Collected:
        """Predictions and losses of every row of a prepared `table`; `metrics` take them in on the way."""
        collected = Collected()
        with encoded_for_now(self.task, self.tokenizer, table) as encoded:
            pad = self.tokenizer.pad_token_id
            for indices, output, inputs in outputs(self.task, self.model, encoded, self.size, pad):
                if metrics is not None:
                    self.task.update(metrics, output, inputs)
                collected.add(indices, output.losses, self.task.predictions(output, inputs, self.labels))
        return collected


def open_trained(run: Run, name: str) -> Trained:
    """Raises: CheckpointError if the run has no usable checkpoint `name`."""
    if not (run.path / MODEL_FOLDER).exists():
        raise CheckpointError(f"run {run.id} has no model yet: it ended before its first step")
    config = thaw(run.config_text)
    task, pretrained, tokenizer = components(config, run.path)
    labels = kept_labels(run.path)
    model = task.model(pretrained, labels, weights=False)
    return Trained(task, tokenizer, labels, model, load_weights(run, model, name), plain(config, "batch")["eval_size"])


def evaluate(run: Run, split: str, name: str, file: Path | None = None) -> dict[str, Any]:
    """Metrics of checkpoint `name` ("best" or "last") on a split of the run's data, or on a labelled `file`.

    Predictions and metrics are kept in the run folder; those of a file under its fingerprint.
    Raises: DataError if the data is no longer what the run was trained on, has no such split, or has no labels.
    """
    data = plain(thaw(run.config_text), "data")
    if file is None:
        table, fingerprint = own_split(run, data, split)
        trained = open_trained(run, name)
    else:
        trained = open_trained(run, name)
        table = read_texts(file, data, trained.labels)
        if pc.any(pc.less(table["label"], 0)).as_py():
            raise DataError(f"{file}: has rows without a label; to predict them use: headway predict {run.id} {file}")
        fingerprint = data_fingerprint({"file": table}, trained.labels)
        split = f"file-{fingerprint[:8]}"
    metrics = trained.task.metrics(trained.labels).to(default_device())
    collected = trained.over(table, metrics)
    values, details = trained.task.results(metrics, trained.labels)
    result = {
        "run": run.id,
        "split": split,
        "checkpoint": name,
        "step": trained.step,
        "fingerprint": fingerprint,
        "examples": len(table),
        "metrics": {"loss": collected.loss_sum / collected.loss_terms, **values},
        "details": details,
    }
    columns = prediction_columns(table, trained.labels, collected.indices, collected.columns)
    write_predictions(run.path / layout.predictions_file(split, trained.step), columns)
    write_json(run.path / layout.evaluation_file(split, trained.step), storable(result))
    return result


def own_split(run: Run, data: dict[str, Any], split: str) -> tuple[pa.Table, str]:
    """A split of the data the run was trained on, and the fingerprint of all of it."""
    prepared = prepare(data)
    recorded = run.meta["data"].get("fingerprint")
    if recorded not in (None, prepared.fingerprint):
        raise DataError(
            f"the data has changed since run {run.id} (fingerprint {recorded[:12]}, now {prepared.fingerprint[:12]}); "
            "restore it, or evaluate on a file of your own with --file"
        )
    if split not in prepared.splits:
        raise DataError(f"no split {split!r} in this run's data; it has {', '.join(prepared.splits)}")
    return prepared.splits[split], prepared.fingerprint


@contextmanager
def encoded_for_now(task: Task, tokenizer: Any, table: pa.Table) -> Iterator[Encoded]:
    """`table` encoded in a folder that is gone afterwards: what is asked once is not worth a place in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        yield cached(Path(folder) / "texts", lambda: task.encode(tokenizer, table), "int32")


def predict(run: Run, table: pa.Table, name: str) -> list[dict[str, Any]]:
    """Prediction and scores for each row of `table` (text, [pair], label -1), in its order.

    Raises: CheckpointError if the run has no usable checkpoint.
    """
    trained = open_trained(run, name)
    collected = trained.over(table)
    collected.columns.pop("loss", None)  # without a gold label it says nothing
    texts = table.select([column for column in ("text", "pair") if column in table.column_names]).to_pylist()
    rows: list[dict[str, Any]] = [{} for _ in texts]
    for at, index in enumerate(collected.indices):
        row = {key: values[at] for key, values in collected.columns.items()}
        if "scores" in row:
            row["scores"] = dict(zip(trained.labels, row["scores"], strict=True))
        rows[index] = {**texts[index], **row, "run": run.id, "step": trained.step}
    return rows


def load_weights(run: Run, model: nn.Module, name: str) -> int:
    """Fill `model` from the run's `name` checkpoint ("best" falls back to "last"); returns its step.

    Raises: CheckpointError if there is none, or it is damaged, or belongs to another config.
    """
    folder = run.path / layout.CHECKPOINTS
    path = checkpoint.pointed(folder, name) or (checkpoint.pointed(folder, "last") if name == "best" else None)
    if path is None:
        raise CheckpointError(f"run {run.id} has no {name} checkpoint yet")
    state = checkpoint.load(path, config_hash(run.config_text))
    checkpoint.fill(model, state["model"], path)
    return int(state["step"])


@torch.inference_mode()
def outputs(task: Task, model: nn.Module, encoded: Encoded, size: int, pad: int) -> Iterator[tuple[Any, Any, Any]]:
    """(indices, output, inputs) of each evaluation batch, on the best device there is."""
    device = default_device()
    model.to(device).eval()
    for indices in evaluation_batches(encoded.lengths, size):
        inputs = {key: value.to(device) for key, value in task.collate(encoded, indices, pad).items()}
        yield torch.from_numpy(indices.copy()), task.loss(model, inputs), inputs
