"""What a start of training imports, and how."""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from headway.imports import hidden, unwatched

# what the worker brings in itself; transformers and Arrow import what they like (SciPy's optimisers, pandas)
NOT_YET = (
    *("datasets", "sklearn", "wandb", "peft", "gguf", "sacrebleu", "rouge_score", "seqeval", "uvicorn"),
    *("matplotlib", "scipy.signal", "scipy.stats"),
)
TO_THE_FIRST_STEP = f"""
import gc, json, os, sys
from pathlib import Path
from headway.training.events import SilentChannel
from headway.worker import guarded

class Look(SilentChannel):
    def progress(self, **_):
        found = sorted(set(sys.modules) & set({NOT_YET!r}))
        print(json.dumps([found, gc.isenabled(), gc.get_freeze_count()]), flush=True)
        os._exit(0)

guarded(Path(sys.argv[1]), Look())
"""
AFTER_LIGHTNING = """
import sys
from importlib.metadata import version
from headway.imports import import_lightning

import_lightning()
assert "matplotlib" not in sys.modules and "scipy" not in sys.modules
import matplotlib.pyplot, scipy.stats, torch
from torchmetrics.functional.audio import permutation_invariant_training as search
from torchmetrics.functional.segmentation.utils import _SCIPY_AVAILABLE
from torchmetrics.text import CharErrorRate

assert version("scipy") and version("matplotlib") and _SCIPY_AVAILABLE
assert CharErrorRate()(["abcd"], ["abce"]) == 0.25
speakers = torch.eye(3)[None]
best, order = search(speakers.roll(1, 1), speakers, lambda one, other: -(one - other).square().sum(-1))  # by SciPy
assert best == 0 and order.tolist() == [[1, 2, 0]]
"""


def test_a_worker_imports_nothing_for_later_before_its_first_step(training_run: Callable[..., Path]) -> None:
    command = [sys.executable, "-c", TO_THE_FIRST_STEP, str(training_run({"train": 8, "val": 4}))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    brought_in, collecting, frozen = json.loads(done.stdout.splitlines()[-1])
    assert brought_in == []
    assert collecting
    assert frozen > 100_000, "modules are out of the collector's sight"


def test_the_collector_sleeps_in_the_block_and_leaves_alone_what_it_made() -> None:
    gc.unfreeze()
    with unwatched():
        assert not gc.isenabled()
        made: list[list[int]] = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)
    gc.unfreeze()


def test_scipy_and_matplotlib_are_there_for_whoever_wants_them_after_lightning() -> None:
    subprocess.run([sys.executable, "-c", AFTER_LIGHTNING], check=True)


def test_hidden_packages_are_found_only_after_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "seldom.py").touch()
    (tmp_path / "seldom-1.5.dist-info").mkdir()
    (tmp_path / "seldom-1.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: seldom\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    with hidden("seldom", "json"):
        assert find_spec("seldom") is None
        with pytest.raises(ModuleNotFoundError):
            import_module("seldom")
        with pytest.raises(PackageNotFoundError):
            version("seldom")
        assert import_module("json") is json, "imported before, so in use"
        assert version("torch")
    assert sys.meta_path == before
    assert sys.modules["json"] is json
    assert version("seldom") == "1.5"
    assert import_module("seldom") is sys.modules.pop("seldom")
