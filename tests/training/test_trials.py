"""What a trial of `headway tune-batch` reads of the memory of a processor."""

import sys
from mmap import mmap
from pathlib import Path

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
