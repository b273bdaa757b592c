"""The shape of a composed configuration: its keys, their types and ranges. What a `_target_` takes, its signature says.

Imported only to check: printing a config does not pay for pydantic.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Target(Open):
    """A class or function to call, and its arguments beside it."""

    made: Annotated[str, Field(alias="_target_", min_length=1)]


class OptionalTarget(Open):
    made: Annotated[str | None, Field(alias="_target_")]  # null: nothing is made


class Data(Target):
    """The arguments of a source, and what every data set can be told; see `headway.data.prepare.prepare_tables`."""

    text: str = "text"
    pair: str | None = None
    label: str | None = "label"
    target: str = "target"
    tokens: str = "tokens"
    tags: str = "tags"
    question: str = "question"
    context: str = "context"
    answers: str = "answers"
    messages: str = "messages"
    group: str | None = None
    metadata: list[str] | None = None
    labels: list[Any] | dict[Any, Any] | None = None
    splits: dict[str, str | None] | None = None
    val_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.0
    split_seed: Whole = 0
    stratify: bool = True
    empty: Literal["drop", "keep", "error"] = "drop"
    limit: Count | dict[str, Count | None] | None = None
    checks: bool = True

    @model_validator(mode="after")
    def _leaves_some(self) -> "Data":
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction and test_fraction together leave nothing to train on")
        return self


class Optimizer(Target):
    """The arguments of an optimizer, and what every optimizer can be told; see `headway.training.optim`."""

    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0


class Batch(Strict):
    size: Count
    tokens: Count | None = None
    accumulate: Count
    eval_size: Count
    bucket: bool
    workers: Whole


class Trainer(Strict):
    max_epochs: Positive | None
    max_steps: Count | None
    val_every: Count | None
    checkpoint_every: Count | None
    keep: Count
    gradient_clip_val: Positive | None
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true"]
    matmul_precision: Literal["highest", "high", "medium"]
    compile: bool
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    devices: Count | Literal["auto"]
    num_nodes: Count
    threads: Count | None
    monitor: str | None
    monitor_mode: Literal["max", "min"] | None
    patience: Count | None
    log_every: Count
    max_restarts: Whole
    train_predictions: bool
    test: bool
    deterministic: bool

    @model_validator(mode="after")
    def _ends(self) -> "Trainer":
        if self.max_epochs is None and self.max_steps is None:
            raise ValueError("nothing ends this run; set max_epochs or max_steps")
        return self


class Config(Strict):
    project: Text
    name: str | None
    tags: list[str]
    notes: str | None
    seed: Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and Lightning take
    runs_dir: Text
    task: Target
    data: Data
    model: Target
    tokenizer: OptionalTarget
    adapter: OptionalTarget
    batch: Batch
    optimizer: Optimizer
    scheduler: Target
    trainer: Trainer
    tracker: OptionalTarget

    @model_validator(mode="after")
    def _divides(self) -> "Config":
        devices = self.trainer.devices if isinstance(self.trainer.devices, int) else 1
        parts = devices * self.trainer.num_nodes * self.batch.accumulate
        if self.batch.size < parts:
            raise ValueError(
                f"batch.size: {self.batch.size} examples cannot be dealt out to {parts} parts "
                "(trainer.devices x trainer.num_nodes x batch.accumulate)"
            )
        return self


# keys of a group that are Headway's own, not arguments of its target
COMMON: dict[str, type[Target]] = {"data": Data, "optimizer": Optimizer}

# arguments that mean the same wherever they occur, and what they may be
RANGES: dict[str, tuple[str, float, float]] = {  # name: (in words, least, most)
    "lr": ("at least 0", 0, float("inf")),
    "weight_decay": ("at least 0", 0, float("inf")),
    "eps": ("at least 0", 0, float("inf")),
    "momentum": ("at least 0", 0, float("inf")),
    "warmup": ("at least 0", 0, float("inf")),
    "floor": ("from 0 to 1", 0, 1),
    "betas": ("from 0 to 1", 0, 1),
    "dropout": ("from 0 to 1", 0, 1),
    "label_smoothing": ("from 0 to 1", 0, 1),
    "max_length": ("at least 1", 1, float("inf")),
    "max_bytes": ("at least 1", 1, float("inf")),
    "max_record_bytes": ("at least 1", 1, float("inf")),
}
