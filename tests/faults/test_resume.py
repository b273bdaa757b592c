"""Guarantee 1: after any number of kills, losses, metrics, batches and weights equal the uninterrupted run's bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).with_name("kill_and_resume.py")


def run_harness(folder: Path, model: Path, kills: int, seed: int) -> dict:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    result = subprocess.run(
        [sys.executable, str(HARNESS), str(folder), str(model), str(kills), str(seed)],
        env=environment, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, "see its standard error"
    found = json.loads(result.stdout.splitlines()[-1])
    said = f"{found['runs']} runs, {found['kills']} kills, {len(found['failures'])} failures; {found['tasks']}"
    met, possible = found["pairs"]
    print(f"\nkill and resume: {said}; {met} of {possible} pairs of modes; compiled by: {', '.join(found['compile'])}")
    return found


def test_twenty_kills_change_nothing(tmp_path: Path, tiny_bert: Path) -> None:
    found = run_harness(tmp_path, tiny_bert, kills=20, seed=0)
    assert found["kills"] >= 20
    assert found["failures"] == []


@pytest.mark.slow
def test_three_hundred_kills_change_nothing(tmp_path: Path, tiny_bert: Path) -> None:
    found = run_harness(tmp_path, tiny_bert, kills=300, seed=1)
    assert found["kills"] >= 300
    assert found["failures"] == []
