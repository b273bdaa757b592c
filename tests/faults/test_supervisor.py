"""Guarantees 4 and 5 with real processes: signals, kills, orphans, restarts. The model is tiny; the imports are not."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

PATIENCE = 120.0  # seconds: only how long a broken test takes to fail

pytestmark = pytest.mark.usefixtures("tiny_bert")


@pytest.fixture
def overrides(tiny_bert: Path, tmp_path: Path) -> list[str]:
    """A run of hundreds of short steps with a checkpoint every ten."""
    data = tmp_path / "data.csv"
    lines = [f"{'good' if i % 2 else 'bad'} {i},{'pos' if i % 2 else 'neg'}" for i in range(400)]
    data.write_text("text,label\n" + "\n".join(lines) + "\n")
    return [
        "data=csv", f"data.path={data}", f"model.path={tiny_bert}", "model.pooling=cls", "task.max_length=16",
        f"runs_dir={tmp_path / 'runs'}", "batch.size=4", "trainer.threads=1", "trainer.max_epochs=20",
        "trainer.checkpoint_every=10", "trainer.test=false", "trainer.accelerator=cpu",
    ]  # fmt: skip


class Training:
    """`headway COMMAND ...` as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "headway.cli", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "headway.worker" in child.cmdline()]

    def end(self) -> int:
        self.errors = self.process.communicate(timeout=PATIENCE)[1]
        return self.process.returncode


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def only_run(folder: Path) -> Path:
    until(lambda: list((folder / "runs").glob("default/*/run.json")), "a run folder")
    return next((folder / "runs").glob("default/*/run.json")).parent


def rows(run: Path) -> int:
    history = run / "history.jsonl"
    return history.read_bytes().count(b"\n") if history.exists() else 0


def meta(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


def step_of_last(run: Path) -> int:
    return int((run / "checkpoints" / "last").read_text().strip()[5:11])


def last_row(run: Path) -> int:
    from headway.store.run import Run

    return max(row["step"] for row in Run.open(run).rows())


def test_sigterm_saves_and_exits_143_then_resume_finishes(tmp_path: Path, overrides: list[str]) -> None:
    training = Training("train", *overrides, "trainer.max_epochs=3")
    run = only_run(tmp_path)
    until(lambda: rows(run) > 25, "25 rows")
    training.process.send_signal(signal.SIGTERM)
    assert training.end() == 143, training.errors
    assert meta(run)["status"] == "preempted"
    assert meta(run)["exit_code"] == 143
    assert last_row(run) - step_of_last(run) <= 1  # a checkpoint at most one step old

    resumed = Training("resume", "last", "--runs-dir", str(tmp_path / "runs"), "--json")
    assert resumed.end() == 0, resumed.errors
    assert meta(run)["status"] == "finished"
    assert [attempt["status"] for attempt in meta(run)["attempts"]] == ["preempted", "finished"]
    samples = [json.loads(line) for line in (run / "system.jsonl").read_text().splitlines()]
    assert len(samples) >= 2  # each attempt took more than a second
    assert max(sample["memory_bytes"] for sample in samples) > 2**20

    again = Training("resume", "last", "--runs-dir", str(tmp_path / "runs"))
    assert again.end() == 2  # nothing left to do is said in one line
    assert "is finished" in again.errors


def test_two_interrupts_exit_130_with_the_store_intact(tmp_path: Path, overrides: list[str]) -> None:
    training = Training("train", *overrides)
    run = only_run(tmp_path)
    until(lambda: rows(run) > 5, "5 rows")
    training.process.send_signal(signal.SIGINT)
    training.process.send_signal(signal.SIGINT)
    assert training.end() == 130, training.errors
    assert meta(run)["status"] == "stopped"
    assert last_row(run) >= 5


def test_a_killed_worker_is_restarted_as_often_as_asked_and_then_crashed(tmp_path: Path, overrides: list[str]) -> None:
    training = Training("train", *overrides, "trainer.max_restarts=1")
    run = only_run(tmp_path)
    for attempt in (1, 2):
        until(lambda n=attempt: len(meta(run)["attempts"]) == n, f"attempt {attempt}")  # type: ignore[misc]
        until(lambda n=attempt: rows(run) > 15 * n and training.workers(), "rows")  # type: ignore[misc]
        training.workers()[0].send_signal(signal.SIGKILL)
    assert training.end() == 1
    assert [attempt["status"] for attempt in meta(run)["attempts"]] == ["crashed", "crashed"]
    assert "SIGKILL" in meta(run)["cause"]
    assert "SIGKILL" in training.errors


def test_a_killed_supervisor_takes_its_worker_with_it(tmp_path: Path, overrides: list[str]) -> None:
    from headway.store.run import Run

    training = Training("train", *overrides)
    run = only_run(tmp_path)
    until(lambda: rows(run) > 15, "15 rows")
    worker = training.workers()[0]
    training.process.kill()
    training.process.communicate()
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker's end")
    assert Run.open(run).status == "crashed"  # nobody was left to write it
    assert last_row(run) - step_of_last(run) <= 1  # the worker saved before it left


def test_a_killed_data_worker_ends_the_run_with_its_reason(tmp_path: Path, overrides: list[str]) -> None:
    training = Training("train", *overrides, "batch.workers=1")
    run = only_run(tmp_path)
    until(lambda: rows(run) > 5, "5 rows")

    def feeders() -> list[psutil.Process]:
        return [child for worker in training.workers() for child in worker.children()]

    until(feeders, "a data worker")
    feeders()[0].send_signal(signal.SIGKILL)
    assert training.end() == 1
    assert meta(run)["status"] == "failed"
    assert "DataLoader worker" in meta(run)["cause"]


def test_two_writers_are_refused(tmp_path: Path, overrides: list[str]) -> None:
    training = Training("train", *overrides)
    run = only_run(tmp_path)
    until(lambda: rows(run) > 0, "a row")
    second = Training("resume", str(run))
    assert second.end() == 2
    assert "is being written by pid" in second.errors
    os.killpg(training.process.pid, signal.SIGKILL)
    training.process.communicate()
