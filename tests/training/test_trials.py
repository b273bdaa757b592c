"""What a trial of `headway tune-batch` reads of the memory of a processor."""

import sys
from mmap import mmap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headway.errors import ConfigError
from headway.training import trials

MIB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no peak that begins anew")
def test_the_peak_is_of_the_time_since_it_was_forgotten() -> None:
    trials.forget_peak()
    before = trials.held(cuda=False)
    block = mmap(-1, 64 * MIB)  # not of the heap, which may have as much to spare
    block[::4096] = bytes(64 * MIB // 4096)
    assert trials.held(cuda=False) - before > 48 * MIB
    block.close()
    assert trials.peak() - before > 48 * MIB
    trials.forget_peak()
    assert trials.peak() - trials.held(cuda=False) < 16 * MIB


def test_where_there_is_no_such_peak_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "FORGET", tmp_path / "self" / "clear_refs")
    with pytest.raises(ConfigError, match="measured on Linux only"):
        trials.forget_peak()


def test_what_only_a_first_step_takes_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that it gets for the first time, the optimizer's state, compiling."""
    now = [0.0]
    monkeypatch.setattr(trials.time, "perf_counter", lambda: now[0])
    watch = trials.Stopwatch(cuda=False, first=5)
    trainer: Any = SimpleNamespace(num_training_batches=6)
    watch.on_train_start()
    for at, (step, micro, seconds) in enumerate([(4, 0, 100), (4, 1, 100), (5, 0, 1), (5, 1, 2), (6, 0, 3), (6, 1, 4)]):
        batch = {"step": step, "micro": micro, "tokens": 10 * step}
        watch.on_train_batch_start(trainer, None, batch, at)
        now[0] += seconds
        watch.on_train_batch_end(trainer, None, None, batch, at)
    assert watch.seconds == 10
    assert watch.tokens == 50 + 60
