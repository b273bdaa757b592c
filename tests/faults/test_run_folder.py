"""Faults 8, 9, 10, 11 and 17: unwritable folders, two writers, jumping clocks, silent deaths, hostile names."""

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.errors import RunError
from headway.store import history as history_module
from headway.store import writer as writer_module
from headway.store.find import find_run, list_runs
from headway.store.history import HistoryWriter
from headway.store.run import Run
from headway.store.writer import Heartbeat, RunLock, RunRecord, create_run

YEAR = 365 * 86400.0


def make(root: Path, **changes: Any) -> Path:
    fields: dict[str, Any] = {"project": "p", "name": None, "tags": [], "notes": None, "seed": 1, "overrides": []}
    fields |= {"config_yaml": "seed: 1\n", "config_hash": "0" * 16, "command": ["headway"]}
    return create_run(root, **(fields | changes))


def other_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Runs `code` and waits for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


# --- 8: the output folder -----------------------------------------------------------------------------------------


def a_file(folder: Path) -> Path:
    (folder / "runs").write_text("a file where the folder should be")
    return folder / "runs"


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "deeper"


def a_broken_link(folder: Path) -> Path:
    (folder / "runs").symlink_to("/proc/nowhere")
    return folder / "runs"


@pytest.mark.parametrize("where", [a_file, below_a_file, a_broken_link, lambda _: Path("/proc/headway-runs")])
def test_a_folder_that_cannot_be_made_is_refused_by_name(where: Callable[[Path], Path], tmp_path: Path) -> None:
    root = where(tmp_path)
    with pytest.raises(RunError) as caught:
        make(root)
    assert str(root) in str(caught.value)
    assert "set runs_dir or HEADWAY_RUNS to another folder" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """chmod does not stop root, a read-only mount does."""
    folder = tmp_path / "runs"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"nothing read-only can be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_folder_is_refused_by_name(read_only: Path) -> None:
    with pytest.raises(RunError, match=f"{read_only}: cannot hold runs: (Read-only file system|Permission denied)"):
        make(read_only)


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    assert Run.open(make(tmp_path / "a" / "b")).status == "created"


# --- 9: two writers -----------------------------------------------------------------------------------------------

HOLDER = """
import sys
from headway.store.history import HistoryWriter
from headway.store.writer import RunLock
lock = RunLock(sys.argv[1])
lock.acquire()
history = HistoryWriter(sys.argv[1] + "/history.jsonl")
history.log(1, {"a": 1.0})
print("ready", flush=True)
sys.stdin.read()
"""


def test_the_second_writer_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    run = make(tmp_path)
    first = other_process(HOLDER, str(run))
    try:
        with pytest.raises(RunError, match=f"is being written by pid {first.pid} on "):
            RunLock(run).acquire()
        with pytest.raises(RunError, match="another process is writing this run"):
            HistoryWriter(run / "history.jsonl", wait=0)
        assert [row["step"] for row in Run.open(run).rows()] == [1]
    finally:
        first.kill()
        first.communicate()
    with RunLock(run), HistoryWriter(run / "history.jsonl", wait=0) as history:
        history.log(2, {"a": 1.0})
    assert [row["step"] for row in Run.open(run).rows()] == [1, 2]


def test_a_worker_that_inherits_the_lock_holds_it_after_its_supervisor(tmp_path: Path) -> None:
    run = make(tmp_path)
    lock = RunLock(run)
    lock.acquire()
    code = "import sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, pass_fds=[lock.fd]) as worker:
        lock.release()
        with pytest.raises(RunError, match="is being written by"):
            RunLock(run).acquire()
        worker.kill()
    with RunLock(run):
        pass


# --- 10: a clock that jumps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_rows_of_a_process_never_go_back_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    real = history_module.time.time
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.log(1, {"a": 1.0})
        monkeypatch.setattr(history_module.time, "time", lambda: real() + jump)
        history.log(2, {"a": 2.0})
    first, second = (row["time"] for row in Run(tmp_path, {}).rows())
    assert first <= second < first + 60


def test_order_is_by_step_when_the_clock_went_back_between_two_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = history_module.time.time
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.log(1, {"a": 1.0})
        history.log(2, {"a": 2.0})
        history.log(3, {"a": 3.0})
    monkeypatch.setattr(history_module.time, "time", lambda: real() - YEAR)
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.resumed_at(2)
        history.log(3, {"a": 4.0})
    columns = Run(tmp_path, {}).history().columns(["a", "time"])
    assert columns["step"] == [1, 2, 3]
    assert columns["a"] == [1.0, 2.0, 4.0]
    assert columns["time"][2] < columns["time"][0]  # the clock did go back; nothing relies on it


@pytest.mark.parametrize("days", [365, -365])
def test_the_duration_of_an_attempt_does_not_see_the_jump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    record = RunRecord(make(tmp_path))
    record.set_status("running")
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)).isoformat()
    monkeypatch.setattr(writer_module, "utc_now", lambda: later)
    record.set_status("finished")
    run = Run.open(record.path)
    assert run.meta["ended_at"] == later
    assert run.seconds is not None
    assert 0 <= run.seconds < 60


# --- 11: a death nobody recorded ----------------------------------------------------------------------------------

RUNNER = """
import sys
from pathlib import Path
from headway.store.writer import Heartbeat, RunRecord
with Heartbeat(Path(sys.argv[1]), every=0.01):
    RunRecord(sys.argv[1]).set_status("running")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_killed_run_is_crashed_at_once_on_its_own_machine(tmp_path: Path) -> None:
    path = make(tmp_path)
    runner = other_process(RUNNER, str(path))
    assert Run.open(path).status == "running"
    runner.kill()
    os.waitid(os.P_PID, runner.pid, os.WEXITED | os.WNOWAIT)  # a zombie: its parent has not looked yet
    assert Run.open(path).status == "crashed"
    runner.communicate()
    assert Run.open(path).status == "crashed"
    assert list_runs(tmp_path)[0].status == "crashed"
    assert Run.open(path).meta["status"] == "running"  # readers do not write


def edit(run: Path, **fields: Any) -> None:
    meta = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(meta | fields))


def test_a_pid_that_was_used_again_is_not_the_run(tmp_path: Path) -> None:
    path = make(tmp_path)
    RunRecord(path).set_status("running")
    assert Run.open(path).status == "running"
    edit(path, pid_started=1.0)
    assert Run.open(path).status == "crashed"


@pytest.mark.parametrize(("age", "status"), [(5, "running"), (55, "running"), (65, "crashed"), (YEAR, "crashed")])
def test_on_another_machine_the_heartbeat_decides_within_60_seconds(tmp_path: Path, age: float, status: str) -> None:
    path = make(tmp_path)
    RunRecord(path).set_status("running")
    with Heartbeat(path):
        pass
    edit(path, machine="another/boot", host="elsewhere")
    beaten = (path / "heartbeat").stat().st_mtime
    os.utime(path / "heartbeat", (beaten - age, beaten - age))
    assert Run.open(path).status == status


def test_on_another_machine_no_heartbeat_is_no_life(tmp_path: Path) -> None:
    path = make(tmp_path)
    RunRecord(path).set_status("running")
    edit(path, machine="another/boot")
    assert Run.open(path).status == "crashed"


# --- 17: names are data -------------------------------------------------------------------------------------------

HOSTILE = {
    "parent": "../x",
    "slash": "a/b",
    "absolute": "/etc/passwd",
    "device": "CON",
    "nul": "a\0b",
    "rtl": "\u202egnp.exe",
    "emoji": "🙂👩‍👩‍👧",
    "long": "n" * 10_000,
    "newline": "a\nb\r\t",
    "escape": "\x1b[31mred",
    "markup": "[bold]x[/bold]<script>",
    "yaml": "- a: !!python/object/apply:os.system [id]",
    "interpolation": "${oc.env:HOME}",
    "dots": "..",
    "reserved": "last",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_only_data_and_comes_back(tmp_path: Path, name: str) -> None:
    root = tmp_path / "runs"
    path = make(root, name=name, project=name, tags=[name], notes=name)
    assert path.parent.parent == root
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs"]
    run = Run.open(path)
    assert (run.name, run.project, run.meta["tags"], run.meta["notes"]) == (name, name, [name], name)
    assert path.name == run.id
    assert find_run(name, root).id == run.id
    assert [found.id for found in list_runs(root, project=name)] == [run.id]


@pytest.mark.parametrize("field", ["name", "project", "notes", "tags"])
@pytest.mark.parametrize("text", ["x\ud800", "n" * 100_001, 5])
def test_what_cannot_be_stored_is_refused_by_name(tmp_path: Path, field: str, text: Any) -> None:
    with pytest.raises(RunError, match=f"^{field.removesuffix('s') if field == 'tags' else field} "):
        make(tmp_path / "runs", **{field: [text] if field == "tags" else text})
    assert not (tmp_path / "runs").exists()


def test_an_empty_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="project: must not be empty"):
        make(tmp_path, project="")
