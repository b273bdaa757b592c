"""Everything a run needs in memory, built from its frozen config: task, tokenizer, data, encoded splits, model."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from omegaconf import DictConfig, OmegaConf
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from headway.cache import cache_folder
from headway.config.targets import instantiate
from headway.data.cache import made_once
from headway.data.columns import TEXT
from headway.data.encode import Encoded, cache_key, cached
from headway.data.names import METADATA
from headway.data.portions import pieces, portions
from headway.data.prepare import Prepared, prepare
from headway.data.tokens import ROWS
from headway.errors import ConfigError, ModelError
from headway.models import unpadded
from headway.models.base import ModelSource, keep, kept, own_tokenizer, require
from headway.models.locate import load_tokenizer
from headway.models.pretrained import check_fit, tokenizer_fingerprint
from headway.models.quick import quicken
from headway.store.atomic import write_json
from headway.tasks.base import Columns, Split, Task

MODEL_FOLDER = Path("artifacts") / "model"  # configuration, tokenizer and labels: a run needs no hub to be used again
LABELS = "labels.json"
SHOWN = 2000  # characters of a long text that a prediction table repeats
NOTHING = {"_target_": None}


@dataclass(frozen=True)
class Parts:
    """What a config names, before any data. kept: the model folder of a run that has begun, else None."""

    task: Task
    source: ModelSource
    recipe: Any  # of a tokenizer; None: the model's own
    adapter: Any  # with `apply(network)`, or None
    kept: Path | None

    def tokenizer(self, prepared: Prepared | None) -> PreTrainedTokenizerBase | None:
        """The run's tokenizer; None where it is to be trained on data and `prepared` is not known yet.

        Raises: ModelError where there is none, or it does not fit the model.
        """
        found = self._tokenizer(prepared)
        if found is not None:
            check_fit(self.source, found, self.task.max_length, getattr(self.task, "longest", "max_length"))
        return found

    def _tokenizer(self, prepared: Prepared | None) -> PreTrainedTokenizerBase | None:
        if self.kept is not None:
            return load_tokenizer(str(self.kept), None)
        if hasattr(self.recipe, "train"):
            return None if prepared is None else trained_tokenizer(self.recipe, self.task, prepared)
        own = own_tokenizer(self.source if self.recipe is None else self.recipe)
        if own is None:
            raise ModelError(
                f"tokenizer: {type(self.source).__name__} brings none of its own; choose one to be trained on the "
                "data, such as tokenizer=wordpiece or tokenizer=bpe"
            )
        return own

    def model(self, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool) -> nn.Module:
        """The network, adapters included, ready to train; `weights` says whether pretrained ones are read."""
        model = self.task.model(self.source, tokenizer, labels, weights=weights)
        if self.adapter is not None:
            model = self.adapter.apply(model)
        for part in model.modules():
            if isinstance(part, PreTrainedModel) and getattr(part.config, "pad_token_id", 0) is None:
                part.config.pad_token_id = tokenizer.pad_token_id
        quicken(model)
        return model.train()  # transformers hands out pretrained models in eval mode, with dropout off


@dataclass(frozen=True)
class Session:
    parts: Parts
    tokenizer: PreTrainedTokenizerBase
    prepared: Prepared
    encoded: dict[str, Encoded]

    @property
    def task(self) -> Task:
        return self.parts.task

    @property
    def pad(self) -> int:
        return cast(int, self.tokenizer.pad_token_id)

    @cached_property
    def splits(self) -> dict[str, Split]:
        return {
            name: Split(table, self.encoded[name], self.tokenizer, self.prepared.labels)
            for name, table in self.prepared.splits.items()
        }

    def model(self, *, weights: bool) -> nn.Module:
        return self.parts.model(self.tokenizer, self.prepared.labels, weights=weights)


def plain(config: DictConfig, key: str) -> dict[str, Any]:
    """One group of the config as plain resolved data, as far as classes may ever see it."""
    return cast(dict[str, Any], OmegaConf.to_container(config[key], resolve=True)) if key in config else NOTHING


def open_source(config: DictConfig) -> ModelSource:
    """What `model` names. Compiled models compute padding: the lengths of a batch would be part of the graph."""
    source = instantiate(plain(config, "model"))
    if config.trainer.get("compile") and getattr(source, "attn_implementation", None) == unpadded.NAME:
        source = replace(source, attn_implementation="sdpa")
    return source


def open_parts(config: DictConfig, run_dir: Path | None = None) -> Parts:
    """What the config names. With `run_dir`, of a run that has a checkpoint, model and tokenizer come from there."""
    task, source = instantiate(plain(config, "task")), open_source(config)
    require(source, task.needs)
    folder = run_dir / MODEL_FOLDER if run_dir is not None and (run_dir / MODEL_FOLDER / LABELS).exists() else None
    return Parts(
        task=task,
        source=source if folder is None else kept(source, folder),
        recipe=instantiate(plain(config, "tokenizer")),
        adapter=instantiate(plain(config, "adapter")),
        kept=folder,
    )


def open_session(config: DictConfig, run_dir: Path | None = None) -> Session:
    """Build the session; encoded splits come from the cache when data, tokenizer and settings are as before.

    Raises: ConfigError, DataError or ModelError, the config's own faults before any data is read.
    """
    parts = open_parts(config, run_dir)
    if problems := trainer_problems(config, parts.task):
        raise ConfigError(problems)
    tokenizer = parts.tokenizer(None)
    prepared = prepare(plain(config, "data"), parts.task.examples)
    if tokenizer is None:
        tokenizer = parts.tokenizer(prepared)
    assert tokenizer is not None
    return Session(parts, tokenizer, prepared, encode_splits(parts.task, tokenizer, prepared))


def trainer_problems(config: DictConfig, task: Task) -> list[str]:
    """What is wrong with the settings of the trainer that depend on the task."""
    problems = monitor_problems(config.trainer.monitor, task)
    if config.trainer.get("compile") and getattr(task, "pack", False) and not getattr(task, "across", True):
        problems.append("trainer.compile: computes padding, which keeps no documents apart; use task.across=true")
    if config.trainer.get("train_predictions"):
        key = "trainer.train_predictions"
        if task.examples.gold is None:
            problems.append(f"{key}: this task learns no label or answer of each example to follow; set it to false")
        elif getattr(task, "metrics", ()):
            problems.append(f"{key}: would generate all training texts at each validation; add task.metrics=[]")
    return problems


def monitor_problems(monitor: str | None, task: Task) -> list[str]:
    """What is wrong with trainer.monitor: the best checkpoint can only be chosen by a number that is measured."""
    known = ["val/loss", *(f"val/{name}" for name in task.measures)]
    if monitor is None or monitor in known:
        return []
    return [f"trainer.monitor={monitor}: is not measured; choose one of {', '.join(known)}"]


def trained_tokenizer(recipe: Any, task: Task, prepared: Prepared) -> PreTrainedTokenizerBase:
    """Trained on the texts of the training split, once for each recipe and data."""
    table = prepared.splits["train"]
    names = [*task.examples.present(table), *(["target"] if "target" in table.column_names else [])]

    def texts() -> Iterator[str]:
        for name in names:
            if table[name].type == TEXT:
                for some in pieces(table, name, "training the tokenizer", ROWS, before_a_space):
                    yield from filter(None, some.texts)
                continue
            for batch in portions(table.select([name]), "training the tokenizer", ROWS):
                for value in batch.column(0).to_pylist():
                    yield from strings(value)

    def make(folder: Path) -> None:
        recipe.train(texts(), framing=task.framing).save_pretrained(folder)

    key = cache_key("tokenizer", prepared.fingerprint, recipe.key(), task.framing)
    return load_tokenizer(str(made_once(cache_folder("tokenizers") / key, make)), None)


def before_a_space(_one: str, two: str) -> bool:
    """Every tokenizer that is trained here begins a new word there."""
    return two.startswith(" ")


def strings(value: Any) -> Iterator[str]:
    """The texts in a cell of tokens or of messages."""
    if isinstance(value, list):
        if all(isinstance(part, str) for part in value):
            yield " ".join(value)
        else:
            yield from (part["content"] or "" for part in value)


def encode_splits(task: Task, tokenizer: PreTrainedTokenizerBase, prepared: Prepared) -> dict[str, Encoded]:
    settings, width = (tokenizer_fingerprint(tokenizer), dict(task.settings())), token_type(len(tokenizer))
    folder = cache_folder("encoded")
    return {
        name: cached(
            folder / cache_key(prepared.fingerprint, name, *settings),
            partial(task.encode, tokenizer, table, name),
            width,
        )
        for name, table in prepared.splits.items()
    }


def token_type(vocabulary: int) -> str:
    """The smallest integer type that holds every id."""
    return "uint16" if vocabulary <= 65_536 else "int32"


def keep_model(session: Session, run_dir: Path) -> None:
    """Store configuration, tokenizer and labels in the run folder."""
    folder = run_dir / MODEL_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    session.tokenizer.save_pretrained(folder)
    keep(session.parts.source, folder)
    write_json(folder / LABELS, session.prepared.labels)


def kept_labels(run_dir: Path) -> list[str]:
    return cast(list[str], json.loads((run_dir / MODEL_FOLDER / LABELS).read_text(encoding="utf-8")))


def prediction_columns(task: Task, split: Split, predictions: Columns) -> dict[str, Any]:
    """The prediction table, [N]: which example, its gold answer, what the model said."""
    table = split.table
    along = [name for name in table.column_names if name.startswith(METADATA)]
    known = {name: shortened(table[name]) for name in ("id", *task.examples.present(table), *along)}
    gold = task.gold(split)
    return {**known, **({} if gold is None else {"gold": gold}), **predictions}


def shortened(column: pa.ChunkedArray) -> Any:
    if not pa.types.is_large_string(column.type):
        return column
    return [text if text is None or len(text) <= SHOWN else f"{text[:SHOWN]}…" for text in column.to_pylist()]
