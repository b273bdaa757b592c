"""Everything a run needs in memory, built from its frozen config: task, tokenizer, data, encoded splits, model."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from omegaconf import DictConfig, OmegaConf
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.config.targets import instantiate
from headway.data.encode import Encoded, cache_key, cached
from headway.data.prepare import Prepared, prepare
from headway.models.pretrained import Pretrained, check_fit, tokenizer_fingerprint
from headway.store.atomic import write_json
from headway.tasks.base import Task

MODEL_FOLDER = Path("artifacts") / "model"  # configuration, tokenizer and labels: a run needs no hub to be used again
LABELS = "labels.json"


@dataclass(frozen=True)
class Session:
    task: Task
    pretrained: Pretrained
    tokenizer: PreTrainedTokenizerBase
    prepared: Prepared
    encoded: dict[str, Encoded]

    @property
    def labels(self) -> list[str]:
        return self.prepared.labels

    @property
    def pad(self) -> int:
        return cast(int, self.tokenizer.pad_token_id)

    def model(self, *, weights: bool) -> nn.Module:
        """Backbone and head; `weights` says whether pretrained ones are read."""
        model = self.task.model(self.pretrained, self.labels, weights=weights)
        pad_known = getattr(getattr(model, "backbone", None), "model", None)
        if pad_known is not None and pad_known.config.pad_token_id is None:
            pad_known.config.pad_token_id = self.pad
        return model.train()  # transformers hands out pretrained models in eval mode, with dropout off


def plain(config: DictConfig, key: str) -> dict[str, Any]:
    """One group of the config as plain resolved data, as far as classes may ever see it."""
    return cast(dict[str, Any], OmegaConf.to_container(config[key], resolve=True))


def components(config: DictConfig, run_dir: Path | None = None) -> tuple[Task, Pretrained, PreTrainedTokenizerBase]:
    """Task, model source and tokenizer, checked against each other before any data is read.

    With `run_dir`, of a run that has a checkpoint, model and tokenizer come from what the run kept.
    """
    task = cast(Task, instantiate(plain(config, "task")))
    pretrained = cast(Pretrained, instantiate(plain(config, "model")))
    if run_dir is not None and (run_dir / MODEL_FOLDER / "config.json").exists():
        kept = str(run_dir / MODEL_FOLDER)
        pretrained = replace(pretrained, path=kept, tokenizer_path=kept, revision=None)
    tokenizer = pretrained.tokenizer()
    check_fit(pretrained.configuration(), tokenizer, pretrained.path, task.max_length)
    return task, pretrained, tokenizer


def monitor_problems(monitor: str | None, task: Task, labels: list[str]) -> list[str]:
    """What is wrong with trainer.monitor: the best checkpoint can only be chosen by a number that is measured."""
    measured = [name for name in task.metrics(labels) if name not in task.details]
    known = ["val/loss", *(f"val/{name}" for name in measured)]
    if monitor is None or monitor in known:
        return []
    return [f"trainer.monitor={monitor}: is not measured; choose one of {', '.join(known)}"]


def open_session(config: DictConfig, run_dir: Path | None = None) -> Session:
    """Build the session; encoded splits come from the cache when data, tokenizer and settings are as before."""
    task, pretrained, tokenizer = components(config, run_dir)
    prepared = prepare(plain(config, "data"))
    encoded = {name: encode_split(task, tokenizer, prepared, name, table) for name, table in prepared.splits.items()}
    return Session(task, pretrained, tokenizer, prepared, encoded)


def encode_split(
    task: Task, tokenizer: PreTrainedTokenizerBase, prepared: Prepared, name: str, table: pa.Table
) -> Encoded:
    key = cache_key(prepared.fingerprint, name, tokenizer_fingerprint(tokenizer), dict(task.settings()))
    dtype = "uint16" if len(tokenizer) <= 65_536 else "int32"
    return cached(cache_folder() / key, lambda: task.encode(tokenizer, table), dtype)


def cache_folder() -> Path:
    """HEADWAY_CACHE, else the user's cache folder; may be deleted at any time."""
    root = os.environ.get("HEADWAY_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headway"
    return base / "encoded"


def keep_model(session: Session, run_dir: Path) -> None:
    """Store configuration, tokenizer and labels in the run folder."""
    folder = run_dir / MODEL_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    session.tokenizer.save_pretrained(folder)
    session.pretrained.configuration().save_pretrained(folder)
    write_json(folder / LABELS, session.labels)


def kept_labels(run_dir: Path) -> list[str]:
    return cast(list[str], json.loads((run_dir / MODEL_FOLDER / LABELS).read_text(encoding="utf-8")))


def prediction_columns(
    table: pa.Table, labels: list[str], rows: Any, columns: Mapping[str, list[Any]]
) -> dict[str, Any]:
    """The prediction table: which example, its gold label, what the model said. `rows` [N] picks from `table`."""
    picked = table.take(pa.array(rows))
    gold = [labels[i] if i >= 0 else None for i in picked.column("label").to_pylist()]
    known = {name: picked.column(name) for name in ("id", "text", "pair") if name in table.column_names}
    return {**known, "gold": gold, **columns}
