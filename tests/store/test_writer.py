import json
import os
import threading
import time
from pathlib import Path

import pytest
import yaml

from headway.errors import RunError
from headway.store import writer
from headway.store.run import Run
from headway.store.writer import Heartbeat, RunLock, RunRecord


def test_a_new_run_has_everything_known_before_training(make_run) -> None:
    run = make_run(
        name="first", tags=["a", "b"], notes="why", overrides=["seed=1", "name='x: y'"], parent="20260101-000000-abcdef"
    )
    meta = json.loads((run / "run.json").read_text())
    assert run.parent.name == "reviews"
    assert meta["id"] == run.name
    assert meta["status"] == "created"
    assert meta["format"] == 1
    assert (meta["name"], meta["project"], meta["tags"], meta["notes"], meta["seed"]) == (
        "first",
        "reviews",
        ["a", "b"],
        "why",
        1,
    )
    assert meta["command"] == ["headway", "train"]
    assert meta["config_hash"] == "0123456789abcdef"
    assert meta["versions"]["python"].startswith("3.")
    assert (run / "config.yaml").read_text() == "seed: 1\n"
    assert yaml.safe_load((run / "overrides.yaml").read_text()) == ["seed=1", "name='x: y'"]
    assert "numpy==" in (run / "environment.txt").read_text()
    assert {entry.name for entry in run.iterdir() if entry.is_dir()} == {"predictions", "checkpoints", "artifacts"}


def test_runs_made_at_once_are_different_folders(make_run, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["20261122-045601-aaaaaa", "20261122-045601-aaaaaa", "20261122-045601-bbbbbb"])
    monkeypatch.setattr(writer, "new_run_id", lambda: next(ids))
    assert [make_run().name, make_run().name] == ["20261122-045601-aaaaaa", "20261122-045601-bbbbbb"]


def test_a_folder_is_no_run_until_it_is_whole(make_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.atomic, "write_json", full)
    with pytest.raises(RunError, match="No space left on device"):
        make_run()
    assert not list((tmp_path / "runs" / "reviews").iterdir())


def test_update_merges_dictionaries_and_replaces_the_rest(make_run) -> None:
    record = RunRecord(make_run())
    record.update(data={"fingerprint": "f"}, tags=["x"])
    record.update(data={"labels": ["neg", "pos"]}, plan={"steps": 3})
    meta = Run.open(record.path).meta
    assert meta["data"] == {"fingerprint": "f", "labels": ["neg", "pos"]}
    assert meta["tags"] == ["x"]
    assert meta["plan"] == {"steps": 3}


def test_values_that_json_does_not_know_are_stored_as_text(make_run) -> None:
    record = RunRecord(make_run(command=["headway", b"\xff".decode("utf-8", "surrogateescape")]))
    record.update(data={"share": float("nan"), "rows": (1, 2)})
    meta = Run.open(record.path).meta
    assert meta["data"] == {"share": "NaN", "rows": [1, 2]}
    assert meta["command"] == ["headway", "\\udcff"]


@pytest.mark.parametrize(
    ("status", "code"), [("finished", 0), ("failed", 1), ("diverged", 3), ("preempted", 143), ("stopped", 130)]
)
def test_an_attempt_opens_and_closes(make_run, status: str, code: int) -> None:
    record = RunRecord(make_run())
    record.set_status("running", from_step=0)
    meta = Run.open(record.path).meta
    assert meta["pid"] == os.getpid()
    assert meta["ended_at"] is None
    record.set_status(status, cause="because")
    meta = Run.open(record.path).meta
    assert (meta["status"], meta["exit_code"], meta["cause"]) == (status, code, "because")
    (attempt,) = meta["attempts"]
    assert (attempt["status"], attempt["exit_code"], attempt["cause"], attempt["from_step"]) == (
        status,
        code,
        "because",
        0,
    )
    assert meta["started_at"] <= attempt["ended_at"] == meta["ended_at"]
    assert 0 <= attempt["seconds"] < 60


def test_a_resumed_run_starts_a_second_attempt_and_keeps_its_first_start(make_run) -> None:
    record = RunRecord(make_run())
    record.set_status("running")
    record.set_status("preempted")
    first = record.meta["started_at"]
    record = RunRecord(record.path)
    record.set_status("running", from_step=40)
    meta = Run.open(record.path).meta
    assert [attempt["status"] for attempt in meta["attempts"]] == ["preempted", "running"]
    assert (meta["started_at"], meta["exit_code"], meta["cause"]) == (first, None, None)


def test_an_attempt_that_died_is_closed_by_the_next_with_what_the_heartbeat_saw(make_run) -> None:
    run = make_run()
    RunRecord(run).set_status("running")
    (run / "heartbeat").write_text("          42.5 s\n")
    record = RunRecord(run)
    record.set_status("running")
    dead, alive = record.meta["attempts"]
    assert (dead["status"], dead["seconds"], alive["status"]) == ("crashed", 42.5, "running")


def test_an_unknown_status_is_refused(make_run) -> None:
    with pytest.raises(ValueError, match="must be one of created, running"):
        RunRecord(make_run()).set_status("done")


def test_the_lock_is_free_again_after_release(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(RunError, match=f"is being written by pid {os.getpid()} on "):
        RunLock(tmp_path).acquire()
    with RunLock(tmp_path):
        pass


def test_the_heartbeat_beats_and_stops(tmp_path: Path) -> None:
    beats = threading.Semaphore(0)
    heartbeat = Heartbeat(tmp_path, every=0.001)
    wait = heartbeat._stop.wait
    heartbeat._stop.wait = lambda every: beats.release() or wait(every)  # type: ignore[assignment, func-returns-value]
    with heartbeat:
        for _ in range(3):
            assert beats.acquire(timeout=30)
        assert float((tmp_path / "heartbeat").read_text().split()[0]) >= 0
    assert not heartbeat._thread.is_alive()
    assert abs((tmp_path / "heartbeat").stat().st_mtime - time.time()) < 60


def test_a_heartbeat_that_cannot_be_written_warns_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    beats = threading.Semaphore(0)
    heartbeat = Heartbeat(tmp_path / "missing", every=0.001)
    wait = heartbeat._stop.wait
    heartbeat._stop.wait = lambda every: beats.release() or wait(every)  # type: ignore[assignment, func-returns-value]
    with heartbeat:
        for _ in range(3):
            assert beats.acquire(timeout=30)
    assert len(caplog.records) == 1
