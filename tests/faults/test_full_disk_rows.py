"""Fault 7: on a full disk the log call raises, and every acknowledged row is kept."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.errors import RunError
from headway.store.history import HistoryWriter, Summary
from headway.store.rows import History, read_summary

VALUES = {"train/loss": 0.5, "train/grad_norm": 1.25, "val/accuracy": 0.75}
LIMITED_WRITER = """
import json, resource, sys
from headway.errors import RunError
from headway.store.history import HistoryWriter

path, values, limit = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
history, errors = HistoryWriter(path), []
for step in range(1000):
    try:
        history.log(step, values)
    except RunError as error:
        errors.append(str(error))
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
history.log(5000, values)
print(json.dumps({"stored": step, "errors": errors}))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def log_until_full(history: HistoryWriter) -> tuple[int, str]:
    for step in range(100_000):
        try:
            history.log(step, VALUES)
        except RunError as error:
            return step, str(error)
    raise AssertionError("the disk never filled")


def test_a_log_call_on_a_full_disk_raises_and_what_was_acknowledged_stays(small_disk: Path) -> None:
    path = small_disk / "history.jsonl"
    history = HistoryWriter(path)
    stored, error = log_until_full(history)
    assert f'{path}: the row of "step":{stored} was not stored: No space left on device' in error
    assert "\n" not in error
    assert [row["step"] for row in History(small_disk)] == list(range(stored))
    assert path.read_bytes().endswith(b"}\n")


def test_logging_goes_on_when_there_is_space_again(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 65536)
    history = HistoryWriter(small_disk / "history.jsonl")
    stored, _ = log_until_full(history)
    (small_disk / "ballast").unlink()
    history.log(stored, VALUES)
    history.close()
    assert [row["step"] for row in History(small_disk)] == list(range(stored + 1))


def test_a_summary_on_a_full_disk_raises_and_the_old_one_stays(small_disk: Path) -> None:
    summary = Summary(small_disk)
    summary.update({"a": 1.0}, 1)
    (small_disk / "ballast").write_bytes(b"x" * 98304)
    summary.metrics |= {f"metric/{at}": {"last": 0.5, "last_step": 2} for at in range(1000)}
    with pytest.raises(RunError, match=r"summary\.json: cannot be written: No space left on device"):
        summary.write()
    assert (read_summary(small_disk / "summary.json") or {}).keys() == {"a"}
    assert not [entry for entry in small_disk.iterdir() if entry.name.startswith(".tmp-")]


@pytest.mark.parametrize("spare", [1, 50, 75, 99])
def test_a_row_that_fits_only_in_part_is_taken_back(tmp_path: Path, spare: int) -> None:
    """A limit on the file's size ends a write at any byte, which a page-wise file system does not."""
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.log(0, VALUES)
    row = (tmp_path / "history.jsonl").stat().st_size
    (tmp_path / "history.jsonl").unlink()
    limit = row * 7 + row * spare // 100
    command = [sys.executable, "-c", LIMITED_WRITER, str(tmp_path / "history.jsonl"), json.dumps(VALUES), str(limit)]
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(result["errors"]) == 1
    assert "File too large" in result["errors"][0] or "No space left" in result["errors"][0]
    assert 6 <= result["stored"] <= 8  # a time ending in 0 makes a row shorter
    # the row after the failed one stands on a line of its own
    assert [row["step"] for row in History(tmp_path)] == [*range(result["stored"]), 5000]
