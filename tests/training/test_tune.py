"""`headway tune-batch` from end to end on a tiny model, and how it finds what fits, on machines made up here."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from headway.cli import main
from headway.config.compose import compose
from headway.errors import ConfigError
from headway.training.events import SilentChannel
from headway.training.trials import Longest
from headway.training.tune import Tuning
from tests.conftest import write_examples

BATCH = {"size": 32, "tokens": None, "accumulate": 1, "eval_size": 64}


def bench(capacity: int, checkpointed: int, **batch: Any) -> Any:
    """A GPU on which so many examples fit at once, and so many with gradient checkpointing."""

    class Trial:
        def __init__(self, changes: dict[str, Any]) -> None:
            self.changes, self.devices, self.bench, self.batch = changes, 1, machine, {**BATCH, **batch}
            self.batch["accumulate"] = changes.get("batch.accumulate", self.batch["accumulate"])
            self.settings = {"max_epochs": 1, "max_steps": None}
            self.plan = SimpleNamespace(steps_per_epoch=4)

        def worst(self, size: int, *, tokens: bool) -> tuple[int, float]:
            assert not tokens
            if size > (checkpointed if "model.gradient_checkpointing" in self.changes else capacity):
                raise torch.OutOfMemoryError
            return size, 0.0

    config = OmegaConf.create({"model": {"gradient_checkpointing": False}})
    machine = SimpleNamespace(cuda=True, lengths=np.full(100, 7), trial=Trial, config=config)
    return machine


@pytest.mark.parametrize(
    ("capacity", "checkpointed", "base"),
    [
        (32, 64, {}),
        (16, 64, {"batch.accumulate": 2}),
        (11, 64, {"batch.accumulate": 3}),
        (0, 64, {"model.gradient_checkpointing": True}),
        (0, 9, {"model.gradient_checkpointing": True, "batch.accumulate": 4}),
    ],
)
def test_a_batch_that_does_not_fit_is_cut(capacity: int, checkpointed: int, base: dict[str, Any]) -> None:
    tuning = Tuning(bench(capacity, checkpointed), SilentChannel(), 60.0, [])
    trial, present = tuning.present()
    assert present.base == trial.changes == base
    assert present.at_once <= max(capacity, checkpointed)


def test_the_memory_of_a_processor_is_not_exhausted_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    """An example takes a byte here, and 20 are free, of which 16 may be taken."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=20))
    machine = bench(16, 16)  # more would raise
    machine.cuda = False
    _, present = Tuning(machine, SilentChannel(), 60.0, []).present()
    assert present.base == {"batch.accumulate": 2}


def test_where_nothing_fits_it_is_said() -> None:
    with pytest.raises(ConfigError, match="lower task"):
        Tuning(bench(0, 0), SilentChannel(), 60.0, []).present()


def test_the_worst_case_is_the_longest_examples() -> None:
    lengths = np.array([5, 90, 7, 80, 70, 6])
    assert Longest(lengths, 3, tokens=False).step(0).tolist() == [4, 3, 1]
    assert Longest(lengths, 170, tokens=True).step(9).tolist() == [3, 1]
    assert Longest(lengths, 10, tokens=True).part(0, 0, 0, 1).tolist() == [1]


def test_a_tuned_setting_is_an_experiment_that_trains(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_examples(tmp_path / "texts.csv", 60, "train")
    asked = ["data=csv", "data.path=texts.csv", f"model.path={tiny_bert}", "trainer.accelerator=cpu", "batch.size=8"]
    asked += ["task.max_length=16", "trainer.matmul_precision=highest", "experiment=bbc_news"]
    assert main(["tune-batch", *asked, "--seconds", "4", "--out", "mine/experiment/fast.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["largest"]["size"] >= 8
    keys = {key for one in found["tried"] for key in one["changes"]}
    assert {"model.attn_implementation", "trainer.precision"} <= keys
    assert "trainer.matmul_precision" not in keys  # it was set
    assert "batch.size" not in found["chosen"]
    for one in found["tried"]:
        assert one["note"] or (one["tokens_per_s"] > 0 and len(one["ratios"]) >= 2), one
    command = found["command"].split()
    assert command[-3:] == ["--config-dir", "mine", "experiment=fast"]
    config = compose([*command[2:-3], "experiment=fast"], config_dirs=["mine"])
    assert config.project == "bbc_news"
    for key, value in found["chosen"].items():
        assert OmegaConf.select(config, key) == value
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "texts.csv"]  # no run, nothing left
