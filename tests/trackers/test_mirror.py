"""The mirror process with a mirror that nobody knows: anything with the five methods is one."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.store.history import HistoryWriter
from headway.store.run import Run
from headway.store.writer import RunRecord

CANARY = "canary-7c1f09e2b4"


def tracker(path: Path, **options: str) -> str:
    return json.dumps({"_target_": "file_mirror.FileMirror", "path": str(path), **options})


def calls(path: Path, kind: str = "") -> list[Any]:
    said = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [call for call in said if call[0].startswith(kind)]


def log_steps(run: Path, *steps: int, resumed_at: int | None = None, key: str = "loss") -> None:
    with HistoryWriter(run / "history.jsonl") as history:
        if resumed_at is not None:
            history.resumed_at(resumed_at)
        for step in steps:
            history.log(step, {key: step / 2}, epoch=step / 10)


def outcome(run: Path) -> dict[str, Any]:
    (found,) = Run.open(run).mirrors()
    return found


def test_a_finished_run_is_forwarded_in_order(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said), config="lr: 0.5\n")
    record = RunRecord(it.run)
    record.set_status("running")
    log_steps(it.run, 1, 2)
    for name in ("step-000001.ckpt", "step-000002.ckpt"):
        (it.run / "checkpoints" / name).write_bytes(b"x")
    (it.run / "checkpoints" / "best").write_text("step-000001.ckpt\n")
    (it.run / "checkpoints" / "last").write_text("step-000002.ckpt\n")
    record.set_status("diverged")
    result = it.mirror()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    start, *rest = calls(said)
    assert start[:6] == ["start", it.run.name, "first", "demo", ["a"], "why"]
    assert start[6]["lr"] == 0.5
    assert start[7] is False
    assert rest == [
        ["log", 1, {"epoch": 0.1, "loss": 0.5}],
        ["log", 2, {"epoch": 0.2, "loss": 1.0}],
        ["summary", Run.open(it.run).summary()],
        ["artifact", "step-000001.ckpt", "best", "checkpoint"],
        ["artifact", "step-000002.ckpt", "last", "checkpoint"],
        ["finish", 3],
    ]
    assert {key: outcome(it.run)[key] for key in ("name", "status", "cause", "rows", "url_or_path")} == {
        "name": "file_mirror",
        "status": "ok",
        "cause": None,
        "rows": 2,
        "url_or_path": "there",
    }


def test_rows_are_forwarded_while_the_run_goes_on(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    os.mkfifo(said)
    pipe = os.fdopen(os.open(said, os.O_RDWR))  # also open for writing, so that it never ends
    it = mirrored(tracker(said))

    def next_call() -> Any:
        return json.loads(pipe.readline())

    RunRecord(it.run).set_status("running")
    with pipe, it.start() as process:
        assert next_call()[0] == "start"
        with HistoryWriter(it.run / "history.jsonl") as history:
            history.log(1, {"loss": math.nan})
            kind, step, row = next_call()
            assert (kind, step) == ("log", 1)
            assert math.isnan(row["loss"])
            for number in (signal.SIGINT, signal.SIGTERM):  # they reach every process of a job
                process.send_signal(number)
            history.log(2, {"loss": 1.0})
            assert next_call() == ["log", 2, {"loss": 1.0}]
            history.log(3, {"loss": 1.0})
        assert process.stdin is not None
        process.stdin.close()
        assert next_call() == ["log", 3, {"loss": 1.0}]
        assert next_call()[0] == "summary"
        assert next_call() == ["finish", 1]
        assert process.wait() == 0


def test_a_resumed_run_sends_only_what_was_not_sent(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said))
    log_steps(it.run, 1, 2, 3)
    it.mirror()
    said.unlink()
    log_steps(it.run, 3, 4, resumed_at=2)
    log_steps(it.run, 4, key="val/loss")
    it.mirror()
    assert calls(said, "start")[0][7] is True
    assert [call[1:] for call in calls(said, "log")] == [
        [4, {"epoch": 0.4, "loss": 2.0}],
        [4, {"epoch": 0.4, "val/loss": 2.0}],
    ]
    said.unlink()
    log_steps(it.run, 3, 4, 5, resumed_at=2)
    log_steps(it.run, 4, key="late")
    it.mirror()
    # step 4 was sent with other metrics; after 5 nothing can be said about 4 any more, and that is counted
    assert [call[1] for call in calls(said, "log")] == [5]
    assert outcome(it.run)["cursor"] == {"step": 5, "keys": ["loss"], "rows": 6, "skipped": 8}


def test_a_late_metric_of_the_last_step_is_sent(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said))
    log_steps(it.run, 1, 2)
    it.mirror()
    said.unlink()
    log_steps(it.run, 2, resumed_at=1)
    log_steps(it.run, 2, key="val/loss")
    it.mirror()
    assert [call[1:] for call in calls(said, "log")] == [[2, {"epoch": 0.2, "val/loss": 1.0}]]


def test_superseded_rows_are_never_sent(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said))
    log_steps(it.run, 1, 2, 3, key="old")
    log_steps(it.run, 2, resumed_at=1, key="new")
    it.mirror()
    assert [call[1:] for call in calls(said, "log")] == [
        [1, {"epoch": 0.1, "old": 0.5}],
        [2, {"epoch": 0.2, "new": 1.0}],
    ]


@pytest.mark.parametrize("where", ["start", "log", "summary", "finish"])
def test_a_failure_is_recorded_and_said_in_one_line(mirrored, tmp_path: Path, where: str) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said, fail=where))
    log_steps(it.run, 1)
    result = it.mirror()
    assert result.returncode == 0
    assert result.stderr.startswith("headway: warning: tracker file_mirror: RuntimeError: the mirror broke (")
    assert result.stderr.count("\n") == 1
    assert f"send it again: python -m headway.trackers.mirror {it.run}" in result.stderr
    assert (outcome(it.run)["status"], outcome(it.run)["cause"]) == ("failed", "RuntimeError: the mirror broke")
    assert [call[0] for call in calls(said)][-1] == ("start" if where == "start" else "finish")
    assert it.mirror("--strict").returncode == 1


def test_what_a_failed_attempt_took_is_sent_again(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said, fail="finish"))
    log_steps(it.run, 1)
    it.mirror()
    said.unlink()
    it.mirror()
    assert [call[1] for call in calls(said, "log")] == [1]


@pytest.mark.parametrize(("where", "phase"), [("start", "starting"), ("log", "sending rows"), ("finish", "finishing")])
def test_a_mirror_that_hangs_is_left_behind(mirrored, tmp_path: Path, where: str, phase: str) -> None:
    it = mirrored(tracker(tmp_path / "said", hang=where))
    log_steps(it.run, 1)
    result = it.mirror("--grace", "0.5")
    assert result.returncode == 0
    assert f"tracker file_mirror: still {phase} after 0.5 s" in result.stderr
    assert outcome(it.run)["status"] == "failed"


def test_a_mirror_finishes_by_itself_when_its_supervisor_is_killed(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said))
    RunRecord(it.run).set_status("running")
    code = """
import subprocess, sys
command = [sys.executable, "-m", "headway.trackers.mirror", sys.argv[1]]
mirror = subprocess.Popen(command, stdin=subprocess.PIPE)
print(mirror.pid, flush=True)
mirror.wait()
"""
    command = [sys.executable, "-c", code, str(it.run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=it.environment) as supervisor:
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        log_steps(it.run, 1, 2)
        supervisor.kill()
        supervisor.stdout.read()  # ends when the mirror, which shares the pipe, has ended
    assert [call[1] for call in calls(said, "log")] == [1, 2]
    assert calls(said)[-1] == ["finish", 1]
    assert outcome(it.run)["status"] == "ok"


@pytest.mark.parametrize(
    ("target", "says"),
    [("os.system", "is never allowed"), ("nowhere.Mirror", "nowhere"), ("file_mirror.Nothing", "file_mirror")],
)
def test_a_target_that_cannot_be_is_recorded(mirrored, target: str, says: str) -> None:
    it = mirrored(json.dumps({"_target_": target, "command": "touch marker"}))
    result = it.mirror()
    assert result.returncode == 0
    assert says in outcome(it.run)["cause"]
    assert not Path("marker").exists()


def test_no_tracker_is_no_mirror(mirrored) -> None:
    it = mirrored("{_target_: null}")
    assert it.mirror().returncode == 0
    assert Run.open(it.run).mirrors() == []


def test_a_folder_that_is_no_run_is_said(mirrored, tmp_path: Path) -> None:
    it = mirrored("{_target_: null}")
    it.run = tmp_path
    result = it.mirror("--strict")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "is not a run folder" in result.stderr


def test_a_mirror_never_sees_a_secret_of_the_config(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said), "key: ${oc.env:SERVICE_API_KEY}\n", {"SERVICE_API_KEY": CANARY}, name="n")
    it.mirror()
    assert calls(said, "start")[0][6]["key"] == "${oc.env:SERVICE_API_KEY}"
    assert CANARY not in said.read_text()


def test_a_pointer_out_of_the_folder_or_to_a_link_is_not_sent(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said))
    (it.run / "secret").write_text("x")
    (it.run / "checkpoints" / "best").write_text("../secret\n")
    (it.run / "checkpoints" / "step-000001.ckpt").symlink_to(it.run / "secret")
    (it.run / "checkpoints" / "last").write_text("step-000001.ckpt\n")
    it.mirror()
    assert calls(said, "artifact") == []
    assert outcome(it.run)["status"] == "ok"


def test_an_outcome_that_somebody_broke_is_started_over(mirrored, tmp_path: Path) -> None:
    said = tmp_path / "said"
    it = mirrored(tracker(said))
    log_steps(it.run, 1)
    (it.run / "mirror-file_mirror.json").write_text('{"cursor": []}')
    it.mirror()
    assert [call[1] for call in calls(said, "log")] == [1]
