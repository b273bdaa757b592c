"""What a worker says when it cannot go on: one line that the user can act on."""

from pathlib import Path

import pytest
import torch

from headway.errors import DataError
from headway.training.events import SilentChannel
from headway.worker import explain, guarded


class Told(SilentChannel):
    def __init__(self) -> None:
        self.ends: list[tuple[str, str | None]] = []

    def end(self, status: str, cause: str | None = None) -> None:
        self.ends.append((status, cause))


def test_out_of_memory_says_what_to_change() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)  # the real allocator's real refusal
    line = explain(caught.value)
    assert "batch.accumulate" in line
    assert "batch.size" in line
    assert "\n" not in line


def test_a_gpu_out_of_memory_is_told_the_same() -> None:
    assert "batch.accumulate" in explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))


def test_a_users_error_is_its_own_line() -> None:
    assert explain(DataError("reviews.csv:3: expected 2 fields")) == "reviews.csv:3: expected 2 fields"


def test_a_data_worker_that_dies_while_it_hands_over_a_batch_is_named() -> None:
    assert "DataLoader worker was killed" in explain(ConnectionResetError(104, "Connection reset by peer"))


def test_an_unexpected_fault_points_to_its_traceback_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = "canary-0123456789"
    monkeypatch.setenv("SERVICE_API_KEY", canary)
    (tmp_path / "config.yaml").write_text("task: {}\n")

    def broken(*_: object) -> None:
        raise ZeroDivisionError(f"called with {canary}")

    monkeypatch.setattr("headway.training.loop.run_training", broken)
    told = Told()
    assert guarded(tmp_path, told) == 1
    [(status, cause)] = told.ends
    assert status == "failed"
    assert cause is not None
    assert cause.startswith("ZeroDivisionError")
    assert "ZeroDivisionError" in (tmp_path / "traceback.txt").read_text()
    assert canary not in (tmp_path / "traceback.txt").read_text() + cause + capsys.readouterr().err
