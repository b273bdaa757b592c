"""What a config may name is made; whatever else it names leaves no trace."""

from functools import partial
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from headway.config.targets import DEFAULT_ALLOWED, instantiate, load_target, target_problem
from headway.errors import ConfigError

MODULE = """
import os, pathlib
from os import system
from pathlib import Path as Aliased
MARKER = {marker!r}
class Thing:
    def __init__(self, size: int = 1, inner=None):
        if size < 0: raise ValueError("size must not be negative")
        self.size, self.inner = size, inner
    @staticmethod
    def touch(): pathlib.Path(MARKER).touch()
def touch(**kwargs): pathlib.Path(MARKER).touch()
made = Thing()
"""


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    marker = tmp_path / "marker"
    (tmp_path / "targets_pkg.py").write_text(MODULE.format(marker=str(marker)))
    (tmp_path / "touches_at_import.py").write_text(f"open({str(marker)!r}, 'w')\nclass Thing: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("HEADWAY_ALLOW", raising=False)
    return marker


EVIL = [
    "os.system", "posix.system", "subprocess.run", "subprocess.Popen", "builtins.eval", "builtins.exec",
    "pathlib.Path", "shutil.rmtree", "runpy.run_path", "importlib.import_module", "pickle.loads",
    "touches_at_import.Thing", "targets_pkg.touch", "headway.config.targets.os.system",
    "headway.config.targets.instantiate", "headway.config.targets.importlib.import_module",
    "headway.store.atomic.write_text", "headway.store.atomic.os.system", "headway.tasks.classification.F",
    "headway.tasks.classification.torch.hub.load", "headway.models.pretrained.os.system",
    "headway.models.pretrained.json", "headway.models.pretrained.AutoModel", "headway.models.pretrained.check_fit",
    "headway.training.schedules.math", "headway.data.sources.files.Path", "headway.cli.main", "headway.worker.main",
    "torch.optim._adafactor.Adafactor",
    "torch.hub.load", "torch.load", "torch.serialization.load", "torch.jit.load", "torch.package.PackageImporter",
    "torch.utils.cpp_extension.load", "torch.utils.model_zoo.load_url", "torch.ops.load_library", "torch.save",
    "torch.optim.adamw.adamw", "torch.optim.AdamW.step", "torch.optim.AdamW.__init__.__globals__",
    "torch.optim.lr_scheduler.warnings", "torch.nn.modules.module.warnings", "torch.nn.Module.__class__",
    "torch.nn.parallel.DistributedDataParallel", "torch.distributed.run.main", "torch.multiprocessing.spawn",
    "torchmetrics.utilities.imports.package_available", "transformers.pipeline", "transformers.AutoModel",
    "transformers.AutoModel.from_pretrained", "transformers.Trainer",
    "transformers.dynamic_module_utils.get_class_from_dynamic_module", "transformers.utils.import_utils.os.system",
    "transformers.optimization.warnings", "transformers.models.rag.retrieval_rag.LegacyIndex",
    "hydra.utils.instantiate", "hydra._internal.utils._locate", "", ".", "os", "AdamW", "torch.optim.",
    ".torch.optim.AdamW", "torch.optim.AdamW()", "torch..optim.AdamW", "torch.optim.AdamW\n", "__main__.x",
    "torch.optim._functional.adam",
]  # fmt: skip


@pytest.mark.parametrize("dotted", EVIL)
def test_refused(dotted: str, marker: Path) -> None:
    """Statically where the source tells, else on the imported object; called in neither case."""
    with pytest.raises(ConfigError):
        instantiate({"_target_": dotted, "command": f"touch {marker}"})
    with pytest.raises(ConfigError):
        instantiate({"_target_": "torch.nn.Linear", "in_features": [{"deep": {"_target_": dotted}}], "out_features": 1})
    assert not marker.exists()


@pytest.mark.parametrize("dotted", [1, None, True, ["os.system"]])
def test_target_must_be_text(dotted: object) -> None:
    assert target_problem(dotted) is not None


@pytest.mark.parametrize(
    "dotted",
    [
        *("torch.optim.AdamW", "torch.optim.SGD", "torch.optim.adamw.AdamW", "torch.nn.Linear", "torch.nn.GELU"),
        *("torchmetrics.Accuracy", "torchmetrics.classification.MulticlassF1Score", "transformers.Adafactor"),
        *("headway.tasks.classification.Classification", "headway.models.pretrained.Pretrained"),
        *("headway.training.schedules.linear", "headway.data.sources.files.read"),
    ],
)
def test_allowed(dotted: str) -> None:
    assert target_problem(dotted) is None
    assert callable(load_target(dotted))


def test_makes_objects() -> None:
    import torch

    parameters = [torch.nn.Parameter(torch.zeros(2))]
    config = OmegaConf.create({"rate": 0.25, "optimizer": {"_target_": "torch.optim.SGD", "lr": "${rate}"}})
    node = config.optimizer
    optimizer = instantiate(node, params=parameters)
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["params"] == parameters


def test_partial_and_null() -> None:
    schedule = instantiate({"_target_": "headway.training.schedules.constant", "warmup": 4, "_partial_": True})
    assert isinstance(schedule, partial)
    assert schedule(1, 10) == 0.25
    assert instantiate({"_target_": None}) is None


def test_user_extension_is_exact(marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not allowed" in str(target_problem("targets_pkg.Thing"))
    assert target_problem("targets_pkg.Thing", ["targets_pkg."]) is None
    assert target_problem("targets_pkg.Thing", ["targets_pkg"]) is None
    assert target_problem("targets_pkg.Thing", ["targets_p"]) is not None, "a prefix ends at a dot"
    assert target_problem("targets_pkg.touch", ["targets_pkg.Thing"]) is not None
    monkeypatch.setenv("HEADWAY_ALLOW", "other_pkg,targets_pkg")
    made = instantiate({"_target_": "targets_pkg.Thing", "size": 2, "inner": {"_target_": "targets_pkg.Thing"}})
    assert made.size == 2
    assert made.inner.size == 1
    for inside in ("os.system", "system", "Aliased", "Thing.touch", "made", "MARKER", "os"):
        with pytest.raises(ConfigError):
            instantiate({"_target_": f"targets_pkg.{inside}"})
    assert not marker.exists()


@pytest.mark.parametrize(
    "dotted", ["torch.hub.load", "torch.load", "builtins.eval", "headway.config.targets.instantiate"]
)
def test_never_even_if_the_user_allows_all_of_it(dotted: str) -> None:
    assert target_problem(dotted, ["torch", "builtins", "headway"]) is not None


@pytest.mark.usefixtures("marker")
def test_wrong_arguments_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_ALLOW", "targets_pkg")
    with pytest.raises(ConfigError, match=r"targets_pkg.Thing: got an unexpected keyword argument 'sizes'"):
        instantiate({"_target_": "targets_pkg.Thing", "sizes": 1})
    with pytest.raises(ConfigError, match=r"targets_pkg.Thing: size must not be negative"):
        instantiate({"_target_": "targets_pkg.Thing", "size": -1})


def test_places_are_narrow() -> None:
    """A place wide enough to hold other things than targets would let them in."""
    assert all(place.count(".") >= 2 for place in DEFAULT_ALLOWED)
