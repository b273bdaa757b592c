"""What a start of training imports, and how."""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from headway.imports import unwatched

# what the worker brings in itself; Lightning, transformers and Arrow import what they like (SciPy, matplotlib, pandas)
NOT_YET = ("datasets", "sklearn", "wandb", "peft", "gguf", "sacrebleu", "rouge_score", "seqeval", "uvicorn")
TO_THE_FIRST_STEP = f"""
import gc, json, os, sys
from pathlib import Path
from headway.training.events import SilentChannel
from headway.worker import guarded
import pytorch_lightning.callbacks

def look(*_):
    print(json.dumps([sorted(set(sys.modules) & set({NOT_YET!r})), gc.isenabled(), gc.get_freeze_count()]), flush=True)
    os._exit(0)

pytorch_lightning.callbacks.Callback.on_train_batch_end = look  # of `Cost`, which leaves it as it is
guarded(Path(sys.argv[1]), SilentChannel())
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
