"""Guarantee 3: what a log call acknowledged survives kill -9 of the process.

A writer logs and then prints each step to a pipe; it is killed after a random number of them, also in the middle of a
call; the next writer goes on in the same file. Then everything printed must be read back with its values.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headway.store.rows import History

WRITER = """
import os, sys
from headway.store.history import HistoryWriter

history = HistoryWriter(sys.argv[1])
step = int(sys.argv[2])
while True:
    history.log(step, {"train/loss": step / 8, "train/grad_norm": 1.0, "train/lr": 5e-5, "perf/a": 3.0, "perf/b": 4.0})
    os.write(1, b"%d\\n" % step)
    step += 1
"""
# the same, but acknowledging what is still in the process: what most loggers do
CARELESS_WRITER = """
import json, os, sys

file = open(sys.argv[1], "a")
step = int(sys.argv[2])
while True:
    file.write(json.dumps({"step": step, "time": 0.0, "train/loss": step / 8}) + "\\n")
    os.write(1, b"%d\\n" % step)
    step += 1
"""


def kill_writers(program: str, folder: Path, kills: int, seed: int) -> tuple[int, list[int]]:
    """(rows acknowledged, steps of those that cannot be read back) over `kills` writers of one file."""
    rng, acknowledged = random.Random(seed), list[int]()
    for _ in range(kills):
        start = acknowledged[-1] + 1 if acknowledged else 0
        command = [sys.executable, "-c", program, str(folder / "history.jsonl"), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            target = rng.randrange(1, 3000)
            printed = b""
            while printed.count(b"\n") < target:
                part = os.read(writer.stdout.fileno(), rng.randrange(1, 4096))
                assert part, "the writer ended by itself"
                printed += part
            os.kill(writer.pid, signal.SIGKILL)
            printed += writer.stdout.read()
        acknowledged += [int(line) for line in printed[: printed.rfind(b"\n")].splitlines()]
    stored = {row["step"]: row["train/loss"] for row in History(folder)}
    return len(acknowledged), [step for step in acknowledged if stored.get(step) != step / 8]


@pytest.mark.parametrize("kills", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_acknowledged_rows_survive(tmp_path: Path, kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    rows, lost = kill_writers(WRITER, tmp_path, kills, seed=7)
    with capsys.disabled():
        print(f"\nacknowledged rows: {kills} kills, {rows} rows acknowledged, {len(lost)} lost")
    assert rows > kills * 100
    assert lost == []


def test_the_harness_sees_rows_that_are_lost(tmp_path: Path) -> None:
    _, lost = kill_writers(CARELESS_WRITER, tmp_path, kills=3, seed=7)
    assert lost
