"""Tiny models in folders, run folders to train in, and an environment without network or the user's caches."""

import copy
import importlib.util
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports the hub client, which reads it once
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

WORDS = ["good", "great", "fine", "bad", "awful", "poor", "film", "story", "plot", "acting"]
WORDS += ["the", "a", "is", "was", "not", "very", "and", "but", "it", "this"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {"vocab_size": 120, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums are rounded the same way on every machine, and parallel test runs do not fight over cores."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Training installs handlers of its own, also when it runs inside a test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def save_tokenizer(folder: Path, special: list[str], **roles: Any) -> None:
    """WordPiece over WORDS and single characters. With [CLS] and [SEP] it frames texts and pairs as BERT does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [*special, *WORDS, *dict.fromkeys(LETTERS), *(f"##{letter}" for letter in LETTERS)]
    ids = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=roles["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if "[CLS]" in ids:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
        )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles).save_pretrained(folder)


def save_model(folder: Path, config: Any) -> None:
    import torch
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a BERT with random weights: 2 layers, 32 wide, 512 positions, a pooler; 38,000 parameters."""
    from transformers import BertConfig

    folder = tmp_path_factory.mktemp("tiny") / "bert"
    roles = {
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    save_tokenizer(folder, SPECIAL, **roles)
    save_model(folder, BertConfig(**SIZES, intermediate_size=64, max_position_embeddings=512))
    return folder


@pytest.fixture(scope="session")
def tiny_gpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a GPT-2 of the same size; its tokenizer has no pad token and frames nothing."""
    from transformers import GPT2Config

    folder = tmp_path_factory.mktemp("tiny") / "gpt"
    save_tokenizer(folder, ["<|endoftext|>"], unk_token="<|endoftext|>", eos_token="<|endoftext|>")
    save_model(
        folder,
        GPT2Config(vocab_size=120, n_layer=2, n_head=2, n_embd=32, n_positions=512, bos_token_id=0, eos_token_id=0),
    )
    return folder


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Llama (rotary positions, grouped key heads) of the same size."""
    from transformers import LlamaConfig

    folder = tmp_path_factory.mktemp("tiny") / "llama"
    save_tokenizer(folder, ["<unk>", "</s>"], unk_token="<unk>", eos_token="</s>")
    shape = {"intermediate_size": 64, "num_key_value_heads": 1, "max_position_embeddings": 512}
    save_model(folder, LlamaConfig(**SIZES, **shape, bos_token_id=None, eos_token_id=1))
    return folder


CONFIG: dict[str, Any] = {
    **{"project": "tests", "name": None, "tags": [], "notes": None, "seed": 3, "runs_dir": "runs"},
    "task": {"_target_": "headway.tasks.classification.Classification", "max_length": 16, "dropout": 0.0},
    "data": {"_target_": "headway.data.sources.files.read", "val_fraction": 0.0, "stratify": False},
    "model": {"_target_": "headway.models.pretrained.Pretrained", "dropout": 0.0, "pooling": "mean"},
    "batch": {"size": 16, "accumulate": 1, "eval_size": 4, "bucket": True, "workers": 0},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 1e-3, "weight_decay": 0.01},
    "scheduler": {"_target_": "headway.training.schedules.constant"},
    "trainer": {
        **{"max_epochs": 1, "max_steps": None, "val_every": None, "checkpoint_every": None, "keep": 2},
        **{"gradient_clip_val": None, "precision": "32-true", "accelerator": "cpu", "devices": 1, "num_nodes": 1},
        **{"threads": 1, "monitor": None, "monitor_mode": None, "patience": None, "log_every": 1},
        **{"max_restarts": 0, "test": True, "deterministic": True},
    },
    "tracker": {"_target_": None},
}


@pytest.fixture
def training_run(tmp_path: Path, tiny_bert: Path) -> Callable[..., Path]:
    """Makes run folders that a worker can train in: training_run({"train": 40, "val": 9}, {"trainer.max_epochs": 2}).

    The first argument gives the examples of each split, the second changes CONFIG by dotted keys.
    """

    def make(examples: dict[str, int], changes: dict[str, Any] | None = None) -> Path:
        import yaml

        from headway.config.freeze import config_hash
        from headway.store.writer import create_run

        data = tmp_path / ("data-" + "-".join(map(str, examples.values())))
        data.mkdir(exist_ok=True)
        for split, count in examples.items():
            write_examples(data / f"{split}.csv", count, split)
        config = copy.deepcopy(CONFIG)
        for key, value in {"data.path": str(data), "model.path": str(tiny_bert), **(changes or {})}.items():
            group, _, name = key.rpartition(".")
            (config[group] if group else config)[name] = value
        text = yaml.safe_dump(config, sort_keys=False)
        meta = {"project": "tests", "name": None, "tags": [], "notes": None, "overrides": [], "command": [], "seed": 3}
        return create_run(tmp_path / "runs", config_yaml=text, config_hash=config_hash(text), **meta)

    return make


def write_examples(path: Path, count: int, split: str) -> None:
    """Texts of 2 to 12 words, all different; good words for one label, bad ones for the other."""
    draw = random.Random(split)
    with path.open("w") as file:
        file.write("text,label\n")
        for number in range(count):
            label = draw.randrange(2)
            words = draw.choices(WORDS[3 * label : 3 * label + 3] + WORDS[6:10], k=draw.randint(1, 11))
            file.write(f"{' '.join(words)} {split[:2]}{number},{('pos', 'neg')[label]}\n")


@pytest.fixture(scope="session")
def hatch_build() -> ModuleType:
    """The build hook's module, which knows how to run npm."""
    spec = importlib.util.spec_from_file_location("hatch_build", Path(__file__).parents[1] / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pages(hatch_build: ModuleType) -> Path:
    """Folder of the dashboard's pages, built from the sources as they are now; skips where npm cannot be had."""
    try:
        hatch_build.build()
    except hatch_build.NoToolsError as error:
        pytest.skip(f"the pages cannot be built: {error}")
    return Path(hatch_build.STATIC)
