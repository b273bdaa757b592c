"""Checkpoints: written, named, found again, pruned."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from headway.errors import CheckpointError
from headway.training import checkpoint


def state(step: int, **more: Any) -> dict[str, Any]:
    weights = {"layer.weight": torch.full((8, 8), float(step)), "layer.bias": torch.arange(8.0)}
    return {"step": step, "model": weights, "progress": {"best": 0.5, "done": False}, "config_hash": "abc", **more}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    optimizer = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.randn(8)}}, "param_groups": [{"lr": 0.1}]}
    saved = state(120, optimizer=optimizer)
    path = checkpoint.save(tmp_path, saved)
    assert path.name == "step-000120.ckpt"
    assert names(tmp_path) == ["step-000120.ckpt", "step-000120.json"]
    loaded = checkpoint.load(path, "abc")
    assert loaded.keys() == saved.keys() | {"format"}
    assert all(torch.equal(loaded["model"][name], value) for name, value in saved["model"].items())
    torch.testing.assert_close(loaded["optimizer"], optimizer)
    assert loaded["progress"] == saved["progress"]
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert manifest["bytes"] == path.stat().st_size
    assert manifest["file"] == path.name


def test_a_loaded_checkpoint_outlives_its_file(tmp_path: Path) -> None:
    """Tensors are mapped from the file, and a resumed run soon replaces or prunes it."""
    path = checkpoint.save(tmp_path, state(1))
    loaded = checkpoint.load(path)
    checkpoint.save(tmp_path, {**state(1), "model": {"layer.weight": torch.zeros(8, 8)}})
    path.unlink()
    assert loaded["model"]["layer.weight"].eq(1).all()
    loaded["model"]["layer.weight"].add_(1)  # and an optimizer writes into them


def test_pointers(tmp_path: Path) -> None:
    assert checkpoint.pointed(tmp_path, "last") is None
    path = checkpoint.save(tmp_path, state(1))
    checkpoint.point(tmp_path, "last", path)
    assert (tmp_path / "last").read_text() == "step-000001.ckpt\n"
    assert checkpoint.pointed(tmp_path, "last") == path


@pytest.mark.parametrize("target", ["../other/step-000001.ckpt", "/etc/passwd", "", "notes.txt", "a/step-000001.ckpt"])
def test_a_pointer_leads_nowhere_else(tmp_path: Path, target: str) -> None:
    (tmp_path / "best").write_text(target)
    with pytest.raises(CheckpointError, match="not a checkpoint of this run"):
        checkpoint.pointed(tmp_path, "best")


def test_the_newest_is_found_by_number(tmp_path: Path) -> None:
    for step in (999_999, 1_000_000, 120):
        checkpoint.save(tmp_path, state(step))
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found[0].name == "step-1000000.ckpt"
    assert found[1]["step"] == 1_000_000
    assert checkpoint.latest(tmp_path / "nowhere") is None


def test_pruning_keeps_the_newest_and_the_pointed(tmp_path: Path) -> None:
    paths = {step: checkpoint.save(tmp_path, state(step)) for step in (10, 20, 30, 999_999, 1_000_000)}
    checkpoint.point(tmp_path, "best", paths[20])
    checkpoint.point(tmp_path, "last", paths[1_000_000])
    checkpoint.prune(tmp_path, 2)
    kept = {20, 999_999, 1_000_000}
    assert {path for path in tmp_path.iterdir() if path.suffix} == {
        paths[step].with_suffix(suffix) for step in kept for suffix in (".ckpt", ".json")
    }


def test_temps_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, state(1))
    (tmp_path / ".tmp-step-000002.ckpt-123").write_bytes(b"half")
    assert checkpoint.latest(tmp_path) is not None
    assert names(tmp_path) == ["step-000001.ckpt", "step-000001.json"]


def test_data_without_a_manifest_never_was_a_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2)).with_suffix(".json").unlink()
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found[1]["step"] == 1
    assert caplog.records == []
    checkpoint.save(tmp_path, state(1)).with_suffix(".json").unlink()
    assert checkpoint.latest(tmp_path) is None


def test_the_one_before_a_damaged_one_is_used_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (1, 2, 3):
        path = checkpoint.save(tmp_path, state(step))
        if step > 1:
            path.write_bytes(path.read_bytes()[:-1] + b"?")
    with caplog.at_level(logging.WARNING):
        found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found[1]["step"] == 1
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == [
        str(tmp_path / f"step-{step:06d}.ckpt") for step in (3, 2)
    ]


def test_if_none_can_be_used_nothing_starts_over(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, state(1))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used: .*step-000001\.ckpt: .* truncated"):
        checkpoint.latest(tmp_path)


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, state(1))
    path = checkpoint.save(tmp_path, state(1, more="x" * 100))
    assert checkpoint.load(path)["more"] == "x" * 100


def test_a_failed_save_leaves_the_older_file_of_this_step(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, state(1))

    class NoSpace(torch.nn.Module):
        def __reduce__(self) -> Any:
            raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match=r"step-000001\.ckpt: cannot be written: No space left on device"):
        checkpoint.save(tmp_path, state(1, module=NoSpace()))
    assert checkpoint.load(path)["step"] == 1
    assert names(tmp_path) == ["step-000001.ckpt", "step-000001.json"]


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)


def test_filling_a_model(tmp_path: Path) -> None:
    model = Model()
    checkpoint.fill(model, state(7)["model"], tmp_path / "x.ckpt")
    assert model.layer.weight.eq(7).all()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"layer.weight": torch.zeros(8, 8)}, "lacks layer.bias"),
        (
            {"layer.weight": torch.zeros(8, 8), "layer.bias": torch.zeros(8), "head.w": torch.zeros(1)},
            "has unknown head.w",
        ),
        ({"layer.weight": torch.zeros(8, 9), "layer.bias": torch.zeros(8)}, "layer.weight (8, 9) for (8, 8)"),
        ({"layer.gain": torch.zeros(8), "layer.bias": torch.zeros(8)}, "lacks layer.weight; has unknown layer.gain"),
    ],
)
def test_what_does_not_fit_is_listed_by_key(tmp_path: Path, weights: dict[str, torch.Tensor], words: str) -> None:
    model = Model()
    before = model.layer.bias.clone()
    with pytest.raises(CheckpointError) as caught:
        checkpoint.fill(model, weights, tmp_path / "step-000001.ckpt")
    assert words in str(caught.value)
    assert "step-000001.ckpt" in str(caught.value)
    assert torch.equal(model.layer.bias, before)
