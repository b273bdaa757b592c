"""torch.compile of training: the same losses, the same names, its time recorded; and a plain word where it cannot be.

aot_eager traces forward and backward as the default does, and runs them without generated code: no compiler is needed.
"""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from rich.console import Console

from headway.config.freeze import thaw
from headway.store.run import Run
from headway.training.compiled import Compiled
from headway.training.events import open_channel
from headway.training.session import open_parts, trainer_problems
from headway.views.runs import show_view
from headway.worker import guarded

TrainingRun = Callable[..., Path]
SPLITS = {"train": 40, "val": 9, "test": 7}
PADDED = {"model.attn_implementation": "sdpa"}
COMPILED = {"trainer.compile": True}


def train(path: Path) -> Run:
    with open_channel(path, 0) as channel:
        guarded(path, channel)
    return Run.open(path)


def backend(patch: pytest.MonkeyPatch, chosen: Any) -> None:
    patch.setattr(Compiled.__init__, "__defaults__", (chosen,))


def losses(run: Run, name: str = "train/loss") -> list[float]:
    return [row[name] for row in run.rows() if name in row]


def state(run: Run) -> dict[str, Any]:
    folder = run.path / "checkpoints"
    found: dict[str, Any] = torch.load(folder / (folder / "last").read_text().strip(), weights_only=True)
    return found


def test_compiled_training_is_the_same_training(training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[int] = []

    def counting(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(len(inputs))
        return graph.forward

    plain = train(training_run(SPLITS, {"trainer.max_epochs": 3, **PADDED}))
    backend(monkeypatch, counting)
    run = train(training_run(SPLITS, {"trainer.max_epochs": 3, **COMPILED}))
    assert run.status == "finished", run.meta.get("cause")
    assert len(graphs) == 1  # batches of every length, and the epoch's smaller one, in one graph
    assert losses(run) == pytest.approx(losses(plain), rel=1e-4)
    assert losses(run, "val/loss") == pytest.approx(losses(plain, "val/loss"), rel=1e-4)
    assert list(state(run)["model"]) == list(state(plain)["model"])
    assert run.meta["cost"]["flops"] == pytest.approx(plain.meta["cost"]["flops"])
    assert "compile_s" not in plain.meta["cost"]


def test_what_compiling_took_is_recorded_and_shown(training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    backend(monkeypatch, "aot_eager")
    run = train(training_run(SPLITS, {"trainer.max_steps": 1, "trainer.test": False, **COMPILED}))
    cost = run.meta["cost"]
    assert 0 < cost["compile_s"] < cost["startup_s"]
    assert run.meta["model"]["padding"] == "computed"
    out = io.StringIO()
    Console(file=out, width=300).print(show_view(run))
    assert " compiling; " in out.getvalue()


def test_a_model_without_padding_computes_it_where_it_is_compiled(training_run: TrainingRun) -> None:
    """Lengths of sequences would be part of the graph."""
    for changes, attention in ({}, "unpadded"), (COMPILED, "sdpa"):
        path = training_run(SPLITS, {"model.attn_implementation": "unpadded", **changes})
        assert open_parts(thaw(path / "config.yaml")).source.attn_implementation == attention


def test_what_cannot_be_compiled_is_said_in_one_line_before_training(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nand much more")

    backend(monkeypatch, broken)
    run = train(training_run(SPLITS, COMPILED))
    assert run.status == "failed"
    cause = run.meta["cause"]
    assert cause.startswith("trainer.compile: this cannot be compiled here (")
    assert "No working C++ compiler found" in cause
    assert cause.endswith("; set it to false")
    assert "\n" not in cause
    assert losses(run) == []


def test_documents_that_are_kept_apart_cannot_be_compiled(training_run: TrainingRun) -> None:
    path = training_run(SPLITS)
    config = OmegaConf.create(OmegaConf.to_container(thaw(path / "config.yaml")))
    config.trainer.compile = True
    for across, said in (True, []), (False, ["trainer.compile"]):
        task = SimpleNamespace(pack=True, across=across, measures=[], examples=SimpleNamespace(gold=None))
        assert [line.split(":")[0] for line in trainer_problems(config, task)] == said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler (g++)")
def test_generated_code_trains_as_torch_does(training_run: TrainingRun) -> None:
    plain = train(training_run(SPLITS, {"trainer.max_epochs": 2, **PADDED}))
    run = train(training_run(SPLITS, {"trainer.max_epochs": 2, **COMPILED}))
    assert run.status == "finished", run.meta.get("cause")
    assert losses(run) == pytest.approx(losses(plain), rel=1e-4)
