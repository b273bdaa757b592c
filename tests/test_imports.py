"""What a start of training imports, and how."""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from headway.imports import hidden, replaced, unwatched

# what the worker brings in itself; Arrow imports pandas, and torch SymPy, as they like
NOT_YET = (
    *("datasets", "sklearn", "wandb", "peft", "gguf", "sacrebleu", "rouge_score", "seqeval", "uvicorn"),
    *(
        "matplotlib",
        "scipy.optimize",
        "torch.distributed.fsdp",
        "torch.distributed.tensor",
        "torch._dynamo.symbolic_convert",
    ),
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
from headway.imports import lean

with lean():
    import pytorch_lightning
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
LISTED_ONCE = """
from headway.imports import lean

with lean():
    import transformers
from transformers.utils import import_utils

told = import_utils.create_import_structure_from_path
assert told.cache_info().hits == 1, told.cache_info()
assert not import_utils.is_torch_distributed_available()
assert transformers.models.bert.BertConfig is transformers.BertConfig
assert dir(transformers.models) and set(import_utils.define_import_structure(transformers.models.__file__))
import torch.distributed
assert torch.distributed.is_available()
"""
SEVERAL = """
from headway.imports import lean

with lean(processes=2):
    from transformers import PreTrainedModel
import sys
from transformers.utils import is_torch_distributed_available

assert is_torch_distributed_available() and "torch.distributed.tensor" in sys.modules
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


def test_models_of_transformers_are_listed_once_and_all_of_them() -> None:
    subprocess.run([sys.executable, "-c", LISTED_ONCE], check=True)


def test_several_processes_have_all_of_transformers() -> None:
    subprocess.run([sys.executable, "-c", SEVERAL], check=True)


def test_what_is_replaced_comes_back() -> None:
    before = json.dumps
    with suppress(KeyError), replaced(json, "dumps", repr):
        assert json.dumps is repr
        raise KeyError
    assert json.dumps is before


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
