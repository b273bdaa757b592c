"""Use a recorded run: evaluate one of its checkpoints on a split, or predict texts. N examples, C classes."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.config.freeze import config_hash, thaw
from headway.data.batching import POOL, evaluation_batches
from headway.data.encode import cached
from headway.data.prepare import prepare
from headway.data.report import fingerprint as data_fingerprint
from headway.data.typed import read_examples
from headway.errors import CheckpointError, DataError
from headway.models.host import send
from headway.models.pretrained import default_device
from headway.store import layout
from headway.store.atomic import write_json
from headway.store.predictions import write_predictions
from headway.store.run import Run
from headway.store.values import storable
from headway.tasks.base import EVALUATION, Split, Task
from headway.tasks.decoding import answers, stream, together
from headway.training import checkpoint
from headway.training.frozen import fill
from headway.training.module import Collected, Evaluation
from headway.training.session import (
    MODEL_FOLDER,
    kept_labels,
    open_parts,
    plain,
    prediction_columns,
    shortened,
    token_type,
)


@dataclass(frozen=True)
class Trained:
    """A run's model with the weights of one checkpoint, and what is needed to put examples through it."""

    task: Task
    tokenizer: PreTrainedTokenizerBase
    labels: list[str]
    model: nn.Module
    step: int
    size: int  # items a batch

    def over(self, table: pa.Table, *, scored: bool) -> tuple[Split, Evaluation]:
        """Predictions of every row of a prepared `table` and, with `scored`, metrics.

        The encoding goes to a folder that is gone afterwards: what is asked once is not worth a place in the cache.
        """
        with tempfile.TemporaryDirectory() as folder:
            dtype = token_type(len(self.tokenizer))
            encoded = cached(Path(folder) / "items", lambda: self.task.encode(self.tokenizer, table, "eval"), dtype)
            split = Split(table, encoded, self.tokenizer, self.labels)
            return split, pass_over(self.task, self.model, split, self.size).finish(self.task, split, scored=scored)


@torch.inference_mode()
def pass_over(task: Task, model: nn.Module, split: Split, size: int) -> Collected:
    """Every item of a split once, in batches of `size`, on the best device there is."""
    device = default_device()
    model.to(device).eval()
    collected = Collected()
    pad: int = split.tokenizer.pad_token_id
    for items in evaluation_batches(split.encoded.lengths, size):
        batch = send(task.collate(split.encoded, items, pad, EVALUATION), device)
        output = task.loss(model, batch)
        terms = torch.from_numpy(task.terms(split.encoded, items, EVALUATION))
        collected.add(torch.from_numpy(items.copy()), terms, output.losses, task.rows(model, output, batch))
    return collected


def open_trained(run: Run, name: str) -> Trained:
    """Raises: CheckpointError if the run has no usable checkpoint `name`."""
    if not (run.path / MODEL_FOLDER).exists():
        raise CheckpointError(f"run {run.id} has no model yet: it ended before its first step")
    config = thaw(run.config_text)
    parts = open_parts(config, run.path)
    tokenizer = parts.tokenizer(None)
    assert tokenizer is not None  # kept with the run
    labels = kept_labels(run.path)
    model = parts.model(tokenizer, labels, weights=False)
    step = load_weights(run, model, name)
    return Trained(parts.task, tokenizer, labels, model, step, plain(config, "batch")["eval_size"])


def evaluate(run: Run, split: str, name: str, file: Path | None = None) -> dict[str, Any]:
    """Metrics of checkpoint `name` ("best" or "last") on a split of the run's data, or on a `file` with gold answers.

    Predictions and metrics are kept in the run folder; those of a file under its fingerprint.
    Raises: DataError if the data is no longer what the run was trained on, has no such split, or has no gold.
    """
    config = thaw(run.config_text)
    data = plain(config, "data")
    if file is None:
        examples = open_parts(config, run.path).task.examples
        prepared = prepare(data, examples)
        table, fingerprint = own_split(run, prepared.splits, prepared.fingerprint, split), prepared.fingerprint
        trained = open_trained(run, name)
    else:
        trained = open_trained(run, name)
        examples = trained.task.examples
        table = read_examples(file, data, examples, trained.labels, gold=True)
        gold = table[examples.gold].to_pylist() if examples.gold else []
        if any(value is None or (value == -1 and examples.classes == "one") for value in gold):
            what = f"has rows that lack their {examples.gold}"
            raise DataError(f"{file}: {what}; to predict them use: headway predict {run.id} {file}")
        fingerprint = data_fingerprint({"file": table}, trained.labels, examples.gold)
        split = f"file-{fingerprint[:8]}"
    of, evaluation = trained.over(table, scored=True)
    result = {
        "run": run.id,
        "split": split,
        "checkpoint": name,
        "step": trained.step,
        "fingerprint": fingerprint,
        "examples": len(table),
        "metrics": evaluation.values,
        "details": evaluation.details,
    }
    columns = prediction_columns(trained.task, of, evaluation.predictions)
    write_predictions(run.path / layout.predictions_file(split, trained.step), columns)
    write_json(run.path / layout.evaluation_file(split, trained.step), storable(result))
    return result


def own_split(run: Run, splits: Mapping[str, pa.Table], fingerprint: str, split: str) -> pa.Table:
    """A split of the data the run was trained on."""
    recorded = run.meta["data"].get("fingerprint")
    if recorded not in (None, fingerprint):
        raise DataError(
            f"the data has changed since run {run.id} (fingerprint {recorded[:12]}, now {fingerprint[:12]}); "
            "restore it, or evaluate on a file of your own with --file"
        )
    if split not in splits:
        raise DataError(f"no split {split!r} in this run's data; it has {', '.join(splits)}")
    return splits[split]


def predict(trained: Trained, table: pa.Table, run: Run) -> list[dict[str, Any]]:
    """What the model makes of each row of `table` (from `typed.read_examples`), in its order."""
    _, evaluation = trained.over(table, scored=False)
    columns = {name: values for name, values in evaluation.predictions.items() if name != "loss"}  # there is no gold
    content = {name: shortened(table[name]) for name in trained.task.examples.present(table)}
    texts = {name: values if isinstance(values, list) else values.to_pylist() for name, values in content.items()}
    rows = []
    for at in range(len(table)):
        row = {name: values[at] for name, values in columns.items()}
        if "scores" in row and trained.labels:
            row["scores"] = dict(zip(trained.labels, row["scores"], strict=True))
        rows.append(
            {**{name: values[at] for name, values in texts.items()}, **row, "run": run.id, "step": trained.step}
        )
    return rows


def respond(
    trained: Trained, table: pa.Table, options: Mapping[str, Any], *, whole: bool = False
) -> Iterator[tuple[dict[str, Any], Iterator[str]]]:
    """For each row, its content and the text generated for it piece by piece, as it comes.

    whole: each text in one piece, generated together with others, which is faster and changes none.
    """
    model: Any = trained.model.to(default_device()).eval()
    pad = int(trained.tokenizer.pad_token_id)
    rows = table.select(trained.task.examples.present(table)).to_pylist()
    for start in range(0, len(rows), POOL * trained.size):
        some = rows[start : start + POOL * trained.size]
        asked = [trained.task.request(model, trained.tokenizer, row, options) for row in some]  # type: ignore[attr-defined]
        if whole:
            texts = answers(model, trained.tokenizer, asked, trained.size)
            yield from ((row, iter([text])) for row, text in zip(some, texts, strict=True))
        else:
            for row, one in zip(some, asked, strict=True):
                batch = together([one], pad, model.device)
                yield row, stream(model, trained.tokenizer, batch, one.how, one.stop)


def load_weights(run: Run, model: nn.Module, name: str) -> int:
    """Fill `model` from the run's `name` checkpoint ("best" falls back to "last"); returns its step.

    Raises: CheckpointError if there is none, or it is damaged, or belongs to another config.
    """
    folder = run.path / layout.CHECKPOINTS
    path = checkpoint.pointed(folder, name) or (checkpoint.pointed(folder, "last") if name == "best" else None)
    if path is None:
        raise CheckpointError(f"run {run.id} has no {name} checkpoint yet")
    state = checkpoint.load(path, config_hash(run.config_text))
    fill(model, state, path, run.path / MODEL_FOLDER)
    return int(state["step"])
