"""Joules that the machine uses while a run trains, where it counts them: all that ran on it, not the run alone.

processors: whole packages, by the counters of Intel's and AMD's RAPL that Linux shows in POWERCAP, if this user may
read them (most systems let root alone). gpus: all NVIDIA GPUs, by NVML where `pynvml` is installed.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Counter:
    """read: joules since some moment. Raises: OSError. wraps: where it starts again from 0; 0 for never."""

    read: Callable[[], float]
    wraps: float = 0.0


class Energy:
    """What the counters of each kind have moved since this was made. To be updated more often than they wrap."""

    def __init__(self, counters: Mapping[str, Sequence[Counter]]) -> None:
        self.joules = {kind: 0.0 for kind, some in counters.items() if some}
        self._counters = [(kind, counter) for kind, some in counters.items() for counter in some]
        self._before: dict[int, float] = {}
        self.update()

    def update(self) -> None:
        for index, (kind, counter) in enumerate(self._counters):
            with suppress(OSError):  # the next time it tells what it moved since the last one
                now = counter.read()
                before = self._before.get(index, now)
                self._before[index] = now
                self.joules[kind] += now - before if now >= before else now + counter.wraps - before


def find_counters() -> dict[str, list[Counter]]:
    return {"processors": processor_counters(), "gpus": gpu_counters()}


def processor_counters() -> list[Counter]:
    """One for each package: its parts, and a platform's sum, would count the same joules again."""
    found = []
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):
        try:
            if (zone / "name").read_text().startswith("package"):
                read = partial(_micro, zone / "energy_uj")
                read()
                found.append(Counter(read, _micro(zone / "max_energy_range_uj")))
        except (OSError, ValueError):  # not ours to read
            continue
    return found


def _micro(file: Path) -> float:
    return int(file.read_text()) / 1e6


def gpu_counters() -> list[Counter]:
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return []

    def read(gpu: Any) -> float:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)) / 1000
        except nvml.NVMLError as error:
            raise OSError(str(error)) from error

    try:
        nvml.nvmlInit()
        gpus = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        for gpu in gpus:
            read(gpu)  # older ones do not count
    except (nvml.NVMLError, OSError):
        return []
    return [Counter(partial(read, gpu)) for gpu in gpus]
