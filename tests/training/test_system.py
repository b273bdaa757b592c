"""Samples of what processes use, with real processes; GPUs as their libraries would tell of them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from headway.training import system
from headway.training.system import Sampler, Usage, find_gpus

PATIENCE = 60.0  # seconds: only how long a broken test takes to fail
MB = 2**20
# uses half a second of CPU and keeps 64 MB, also in a child of its own; says so, and ends with its standard input
BUSY = """
import subprocess, sys, time
children = int(sys.argv[1])
if children:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[2], str(children - 1), sys.argv[2]], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    child.stdout.readline()
kept = b"x" * 64 * 2**20
began = time.process_time()
while time.process_time() < began + 0.5: pass
print("done", flush=True)
sys.stdin.read()
"""
Start = Callable[[int], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a worker with so many generations of children below it; returns when all have used their CPU."""
    started: list[subprocess.Popen[bytes]] = []

    def make(children: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", BUSY, str(children), BUSY]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        worker = subprocess.Popen(command, **pipes, start_new_session=True)  # type: ignore[call-overload]
        started.append(worker)
        assert worker.stdout.readline() == b"done\n"
        return worker  # type: ignore[no-any-return]

    yield make
    for worker in started:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.communicate()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The monotonic clock of the module, set by hand."""
    now = [0.0]
    monkeypatch.setattr(system, "monotonic", lambda: now[0])
    return lambda moment: now.__setitem__(0, moment)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def test_a_tree_of_processes_is_counted_whole_and_nothing_beside_it(
    tmp_path: Path, start: Start, clock: Callable[[float], None]
) -> None:
    workers: list[subprocess.Popen[bytes]] = []
    usage = Usage(tmp_path, workers)
    start(0)  # of no worker of ours
    workers += [start(1), start(0)]
    clock(10.0)
    first = usage.sample()
    assert 100 * 3 * 0.5 / 10 <= first["cpu_percent"] <= 100 * 3 * 0.5 / 10 + 20  # starting Python takes some too
    assert 3 * 64 * MB <= first["memory_bytes"] <= 3 * 160 * MB
    clock(20.0)
    again = usage.sample()
    assert again["cpu_percent"] < 1  # they only wait by now
    assert again["memory_bytes"] >= 3 * 64 * MB


def test_a_child_that_has_ended_takes_nothing_back(
    tmp_path: Path, start: Start, clock: Callable[[float], None]
) -> None:
    worker = start(1)
    usage = Usage(tmp_path, [worker])
    clock(1.0)
    before = usage.sample()
    [child] = psutil.Process(worker.pid).children()
    child.kill()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child's end")
    clock(2.0)
    after = usage.sample()
    assert after["memory_bytes"] <= before["memory_bytes"] - 64 * MB
    assert 0 <= after["cpu_percent"] < 10


def test_what_is_written_to_storage_is_counted_once(tmp_path: Path, clock: Callable[[float], None]) -> None:
    script = (
        "import os, sys\nfile = open(sys.argv[1], 'wb')\nfile.write(bytes(4 * 2**20)); file.flush(); "
        "os.fsync(file.fileno())\nprint('done', flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "big")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        told = psutil.Process(worker.pid).io_counters().write_bytes
        usage = Usage(tmp_path, [worker])
        clock(1.0)
        assert usage.sample()["write_bytes"] == told
        clock(2.0)
        assert usage.sample()["write_bytes"] == 0
        assert worker.stdin is not None
        worker.stdin.close()


def test_without_workers_the_machine_is_sampled(tmp_path: Path) -> None:
    sample = Usage(tmp_path, []).sample()
    assert (sample["cpu_percent"], sample["memory_bytes"]) == (0, 0)
    assert 0 < sample["machine_memory_percent"] < 100
    assert sample["disk_free_bytes"] > 0


def test_samples_are_lines_and_a_torn_one_is_left_alone(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "system.jsonl"
    path.write_text('{"time": 1.0}\n{"time": 2')
    began, notes = time.time(), list[str]()
    with Sampler(tmp_path, [start(0)], notes.append, first=0.0, every=0.01) as sampler:
        until(lambda: path.read_bytes().count(b"\n") >= 5, "three samples")
    written = path.read_text().splitlines()
    assert written[:2] == ['{"time": 1.0}', '{"time": 2']
    samples = [json.loads(line) for line in written[2:]]
    assert all(sample["memory_bytes"] > 64 * MB and sample["time"] >= began - 1 for sample in samples)
    assert [sample["time"] for sample in samples] == sorted(sample["time"] for sample in samples)
    assert (notes, sampler.fault) == ([], None)


def test_a_block_that_ends_before_the_first_sample_leaves_nothing(tmp_path: Path) -> None:
    with Sampler(tmp_path, [], pytest.fail, first=PATIENCE):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_failing_sample_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, failing = Usage.sample, iter([psutil.AccessDenied(1), OSError("no /proc"), None])

    def sample(self: Usage) -> dict[str, float]:
        if error := next(failing, None):
            raise error
        return whole(self)

    monkeypatch.setattr(Usage, "sample", sample)
    with Sampler(tmp_path, [], pytest.fail, first=0.0, every=0.01) as sampler:
        until(lambda: len(lines(tmp_path / "system.jsonl")) >= 2, "two samples")
    assert sampler.fault is None


def test_a_full_disk_ends_the_sampling_with_one_note(tmp_path: Path) -> None:
    (tmp_path / "system.jsonl").symlink_to("/dev/full")
    notes: list[str] = []
    with Sampler(tmp_path, [], notes.append, first=0.0, every=0.0) as sampler:
        until(lambda: notes, "the note")
        until(lambda: all(thread.name != "system" for thread in threading.enumerate()), "the end of the sampling")
    assert notes == [sampler.fault]
    assert "system.jsonl: cannot be written: No space left on device" in notes[0]


def test_sampling_for_a_second_of_run_takes_less_than_a_millisecond_of_cpu(tmp_path: Path, start: Start) -> None:
    usage = Usage(tmp_path, [start(1)])
    usage.sample()
    began = time.process_time()
    for _ in range(20):
        usage.sample()
    cost = (time.process_time() - began) / 20 / system.EVERY
    assert cost < 0.001 * max(1, len(psutil.pids()) / 100)  # the process table is read once a sample


def test_gpus_by_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = types.ModuleType("pynvml")

    class NVMLError(Exception):
        pass

    def power(gpu: int) -> int:
        if gpu == 1:
            raise NVMLError("Not Supported")
        return 312_500

    for name, value in {
        "NVMLError": NVMLError,
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUtilizationRates": lambda gpu: types.SimpleNamespace(gpu=90 + gpu, memory=1),
        "nvmlDeviceGetMemoryInfo": lambda gpu: types.SimpleNamespace(total=4 * MB, used=MB + gpu),
        "nvmlDeviceGetPowerUsage": power,
        "nvmlDeviceGetTemperature": lambda gpu, sensor: 60 + gpu + sensor,
    }.items():
        setattr(nvml, name, value)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert find_gpus()() == {
        "gpu0_percent": 90, "gpu0_memory_bytes": MB, "gpu0_power_watts": 312.5, "gpu0_temperature_c": 60,
        "gpu1_percent": 91, "gpu1_memory_bytes": MB + 1, "gpu1_temperature_c": 61,
    }  # fmt: skip

    def no_driver() -> None:
        raise NVMLError("Driver Not Loaded")

    monkeypatch.setattr(nvml, "nvmlInit", no_driver)
    assert find_gpus()() == {}


def test_gpus_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus()() == {}
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!{sys.executable}\nprint('97, 1024, 312.50, 61\\n[N/A], 5, [Not Supported], 40')\n")
    tool.chmod(0o755)
    assert find_gpus()() == {
        "gpu0_percent": 97, "gpu0_memory_bytes": 1024 * MB, "gpu0_power_watts": 312.5, "gpu0_temperature_c": 61,
        "gpu1_memory_bytes": 5 * MB, "gpu1_temperature_c": 40,
    }  # fmt: skip
    working = find_gpus()
    tool.write_text(f"#!{sys.executable}\nimport sys\nprint('97, 1024, 312.50, 61')\nsys.exit(9)\n")
    assert working() == {}  # the driver is gone: everything else is still sampled
    assert find_gpus() is dict
