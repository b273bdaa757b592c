"""Two real processes on the CPU (gloo) against one process on the same global batch."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headway.store.predictions import read_predictions
from headway.store.run import Run
from headway.training import checkpoint
from headway.training.events import open_channel
from headway.worker import guarded

TrainingRun = Callable[..., Path]
# 45 examples are steps of 16, 16 and 13. A validation of 9 in batches of 4 gives the ranks 2 batches and 1;
# a test of 3, too few for a batch of 4 each, is cut into smaller ones.
SPLITS = {"train": 45, "val": 9, "test": 3}
SETTINGS = {
    "trainer.max_epochs": 2,
    "trainer.gradient_clip_val": 1.0,
    "batch.accumulate": 2,
    "trainer.train_predictions": True,
}


def train_on_two(first: Path, second: Path) -> list[tuple[int, str]]:
    """Exit code and output of a worker on each run folder, as rank 0 and 1 of one training."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workers = []
    for rank, run in enumerate((first, second)):
        environment = {**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0"}
        command = [sys.executable, "-m", "headway.worker", str(run)]
        workers.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    try:
        said = [worker.communicate(timeout=300)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [(worker.returncode, text) for worker, text in zip(workers, said, strict=True)]


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.latest(run / "checkpoints")
    assert found is not None
    return dict(found[1]["model"])


def test_two_processes_agree_with_one(training_run: TrainingRun) -> None:
    alone = training_run(SPLITS, SETTINGS)
    with open_channel(alone, 0) as channel:
        assert guarded(alone, channel) == 0, (alone / "traceback.txt").read_text()
    run = training_run(SPLITS, SETTINGS | {"trainer.devices": 2})
    for code, said in train_on_two(run, run):
        assert code == 0, said
    record, expected = Run.open(run), Run.open(alone)
    assert record.status == "finished"

    hashes = [rank["config.yaml"] for rank in record.meta["ranks"]]
    assert hashes == [record.meta["config_hash"]] * 2
    assert {rank["the data"] for rank in record.meta["ranks"]} == {expected.meta["data"]["fingerprint"]}

    rows, expected_rows = list(record.rows()), list(expected.rows())
    assert [row["step"] for row in rows] == [row["step"] for row in expected_rows]
    assert [row["step"] for row in rows if "val/loss" in row] == [3, 6]
    for row, expected_row in zip(rows, expected_rows, strict=True):
        assert row.keys() == expected_row.keys()
        for key in (key for key in row if key.startswith(("train/", "val/", "test/"))):
            assert row[key] == pytest.approx(expected_row[key], abs=1e-5, nan_ok=True), (row["step"], key)
    weights, expected_weights = last_weights(run), last_weights(alone)
    assert weights.keys() == expected_weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(value, expected_weights[name], rtol=0, atol=1e-5, msg=name)

    for split, count in (("train", 45), ("val", 9), ("test", 3)):
        table, expected_table = (read_predictions(one, split).to_pydict() for one in (record, expected))
        assert len(set(table["id"])) == len(table["id"]) == count
        assert table["id"] == expected_table["id"]
        assert table["prediction"] == expected_table["prediction"]
        if split == "train":  # predicted, not measured
            continue
        (details,) = (run / "artifacts").glob(f"evaluation-{split}-000006.json")
        assert sum(map(sum, json.loads(details.read_text())["details"]["confusion"]["counts"])) == count


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_smaller_than_the_ranks_is_refused_before_training(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    run = training_run(SPLITS | {split: 1}, SETTINGS | {"trainer.devices": 2, "batch.accumulate": 1})
    with open_channel(run, 0) as channel:
        assert guarded(run, channel) == 1
    record = Run.open(run)
    assert f"the {split} split has 1 examples, fewer than the 2 processes" in record.meta["cause"]


def test_ranks_with_different_configs_refuse_to_start(training_run: TrainingRun) -> None:
    runs = [training_run(SPLITS, SETTINGS | {"trainer.devices": 2, "optimizer.lr": rate}) for rate in (1e-3, 1e-4)]
    ended = train_on_two(*runs)
    hashes = [Run.open(run).meta["config_hash"] for run in runs]
    assert hashes[0] != hashes[1]
    for code, said in ended:
        assert code == 1, said
        assert f"config.yaml is not the same on every rank (rank 0: {hashes[0]}, rank 1: {hashes[1]})" in said
        assert "Traceback" not in said
    record: Any = Run.open(runs[0])
    assert record.status == "failed"
    assert "config.yaml is not the same on every rank" in record.meta["cause"]
    assert list(record.rows()) == []
    assert checkpoint.latest(runs[0] / "checkpoints") is None
