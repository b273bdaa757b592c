"""What adapters leave as it is stands once in the run folder, and is as well guarded as a checkpoint."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from headway.errors import CheckpointError
from headway.models.pretrained import Pretrained
from headway.store.run import Run
from headway.training import checkpoint
from headway.training.evaluate import evaluate, open_trained
from headway.training.events import SilentChannel
from headway.training.frozen import frozen_names
from headway.training.session import MODEL_FOLDER
from headway.worker import guarded

LORA = {"_target_": "headway.models.adapters.Lora", "r": 2}


def test_checkpoints_hold_what_is_trained(training_run: Callable[..., Path], tiny_bert: Path) -> None:
    run_dir = training_run({"train": 48, "val": 9, "test": 7}, {"adapter": LORA, "optimizer.lr": 1e-2})
    assert guarded(run_dir, SilentChannel()) == 0, (run_dir / "traceback.txt").read_text()
    run = Run.open(run_dir)
    found = checkpoint.latest(run_dir / "checkpoints")
    assert found is not None
    saved = found[1]["model"]
    assert any("lora_B" in name for name in saved)
    kept = checkpoint.load(run_dir / MODEL_FOLDER / "frozen.ckpt")["model"]
    assert not kept.keys() & saved.keys()
    model = open_trained(run, "last").model
    assert kept.keys() | saved.keys() == model.state_dict().keys()
    before = Pretrained(str(tiny_bert)).backbone(weights=True).model.state_dict()
    name = "encoder.layer.0.attention.self.query"
    own = next(tensor for key, tensor in kept.items() if key.endswith(f"{name}.base_layer.weight"))
    torch.testing.assert_close(own, before[f"{name}.weight"], rtol=0, atol=0)
    tested = [row for row in run.rows() if "test/loss" in row][-1]["test/loss"]
    assert evaluate(run, "test", "best")["metrics"]["loss"] == pytest.approx(tested, abs=1e-6)

    frozen = run_dir / MODEL_FOLDER / "frozen.ckpt"
    content = bytearray(frozen.read_bytes())
    content[len(content) // 2] ^= 1
    frozen.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"frozen\.ckpt: its sha256 is not the manifest's"):
        open_trained(run, "last")


def test_a_model_that_is_mostly_trained_is_saved_whole(tiny_bert: Path) -> None:
    model = Pretrained(str(tiny_bert), freeze=["embeddings.position*"]).backbone()
    assert frozen_names(model) == frozenset()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert frozen_names(model) == {name for name, _ in model.named_parameters()}
