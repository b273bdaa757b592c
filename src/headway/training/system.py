"""What a run asks of its machine: RUN/system.jsonl, a JSON object for each sample, appended by the supervisor.

time: unix seconds. cpu_percent: of all workers and their data workers, 100 for one core. memory_bytes: their resident
memory; pages they share count for each. read_bytes, write_bytes: what they moved from and to storage since the sample
before, where the system tells. machine_memory_percent: of the whole machine. disk_free_bytes: where the run folder is.
gpu0_percent, gpu0_memory_bytes, gpu0_power_watts, gpu0_temperature_c: of each NVIDIA GPU of the machine, from NVML
where `pynvml` is installed, else from nvidia-smi.
"""

import errno
import importlib
import json
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from io import FileIO
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from headway.store import layout
from headway.training.energy import Energy, find_counters

if TYPE_CHECKING:
    import psutil

FIRST, EVERY = 1.0, 10.0  # seconds until the first sample, and between two
SMI = "--query-gpu=utilization.gpu,memory.used,power.draw,temperature.gpu"
SMI_UNITS = {"percent": 1, "memory_bytes": 2**20, "power_watts": 1, "temperature_c": 1}  # of the columns of SMI
SMI_PATIENCE = 5.0  # seconds
Sample = dict[str, float]
log = logging.getLogger(__name__)


class Sampler:
    """A thread that samples until the block ends, or until the file cannot be written: `note` hears, `fault` keeps why.

    workers: the processes that lead the sessions to count; read anew for each sample.
    """

    def __init__(
        self,
        run_dir: Path,
        workers: Sequence[subprocess.Popen[bytes]],
        note: Callable[[str], None],
        *,
        first: float = FIRST,
        every: float = EVERY,
    ) -> None:
        self.path, self.note, self.first, self.every = run_dir / layout.SYSTEM, note, first, every
        self.usage = Usage(run_dir, workers)
        self.fault: str | None = None
        self.joules: dict[str, float] = {}  # by kind of device, once the block has ended
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="system", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        if self._stop.wait(self.first):
            return
        import psutil  # only now: nobody waits for it

        gpus = find_gpus()
        energy = Energy(find_counters())
        self.joules = energy.joules
        try:
            with open_lines(self.path) as file:
                while True:
                    try:
                        sample = self.usage.sample() | gpus()
                    except (psutil.Error, OSError) as error:  # the next one may succeed
                        log.debug("%s: a sample is missing: %s", self.path, error)
                    else:
                        line = json.dumps({"time": round(time.time(), 3), **sample})
                        append(file, line.encode() + b"\n")
                    ends = self._stop.wait(self.every)
                    energy.update()
                    if ends:
                        return
        except OSError as error:
            self.fault = f"{layout.SYSTEM}: cannot be written: {error.strerror}; nothing more is sampled"
            self.note(self.fault)


class Usage:
    """What the processes of `workers` use, and what is left of the machine."""

    def __init__(self, run_dir: Path, workers: Sequence[subprocess.Popen[bytes]]) -> None:
        self.run_dir, self.workers = run_dir, workers
        self._before: dict[psutil.Process, tuple[float, int, int]] = {}  # CPU seconds, bytes read and written
        self._moment = monotonic()

    def sample(self) -> Sample:
        """Raises: psutil.Error, OSError."""
        import psutil

        now: dict[psutil.Process, tuple[float, int, int]] = {}
        memory = 0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                times = process.cpu_times()
                memory += process.memory_info().rss
                now[process] = (times.user + times.system, *moved(process))
        # a process that was not there before has used everything since
        used = [[new - old for new, old in zip(now[p], self._before.get(p, (0.0, 0, 0)), strict=True)] for p in now]
        cpu, read, written = (sum(parts) for parts in zip(*used, strict=True)) if used else (0.0, 0, 0)
        moment = monotonic()
        elapsed, self._moment, self._before = moment - self._moment, moment, now
        return {
            "cpu_percent": round(100 * cpu / elapsed, 1),
            "memory_bytes": memory,
            "machine_memory_percent": psutil.virtual_memory().percent,
            "disk_free_bytes": shutil.disk_usage(self.run_dir).free,
            **({"read_bytes": read, "write_bytes": written} if hasattr(psutil.Process, "io_counters") else {}),
        }

    def _processes(self) -> "Iterator[psutil.Process]":
        """Those of the sessions that the workers lead. One look at the process table, however many workers."""
        import psutil

        sessions = {worker.pid for worker in self.workers}
        for process in psutil.Process().children(recursive=True):
            with suppress(ProcessLookupError):
                if os.getsid(process.pid) in sessions:
                    yield process


def moved(process: "psutil.Process") -> tuple[int, int]:
    """Bytes that a process has read from storage and written to it; zeros where the system keeps that to itself."""
    import psutil

    try:
        counters = process.io_counters()
    except (psutil.AccessDenied, AttributeError, NotImplementedError):
        return 0, 0
    return counters.read_bytes, counters.write_bytes


def find_gpus() -> Callable[[], Sample]:
    """What samples the NVIDIA GPUs of this machine, if there are any."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return smi_sample if shutil.which("nvidia-smi") and smi_sample() else dict
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:  # no driver
        return dict
    return partial(nvml_sample, nvml, handles)


def nvml_sample(nvml: Any, handles: Sequence[Any]) -> Sample:
    read: dict[str, Callable[[Any], float]] = {
        "percent": lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
        "memory_bytes": lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used,
        "power_watts": lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
        "temperature_c": lambda gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
    }
    sample: Sample = {}
    for index, gpu in enumerate(handles):
        for key, value in read.items():
            with suppress(nvml.NVMLError):  # not every GPU tells everything
                sample[f"gpu{index}_{key}"] = value(gpu)
    return sample


def smi_sample() -> Sample:
    """Empty where nvidia-smi fails, as it does without a driver."""
    command = ["nvidia-smi", SMI, "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=SMI_PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("no GPU is sampled: %s", error)
        return {}
    sample: Sample = {}
    for index, line in enumerate(said.splitlines()):
        for (key, unit), cell in zip(SMI_UNITS.items(), line.split(","), strict=False):
            with suppress(ValueError):  # [N/A]
                sample[f"gpu{index}_{key}"] = float(cell) * unit
    return sample


def open_lines(path: Path) -> FileIO:
    """A file to `append` to; a half line that a kill or a full disk left is ended first. Raises: OSError."""
    file = path.open("a+b", buffering=0)
    if file.tell():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            append(file, b"\n")
    return file


def append(file: FileIO, line: bytes) -> None:
    """Raises: OSError, also where only a part of the line finds room."""
    if file.write(line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
