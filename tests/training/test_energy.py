"""Joules from counters, as Linux and NVML show them."""

import sys
import types
from pathlib import Path

import pytest

from headway.training import energy as module
from headway.training.energy import Energy, find_counters


@pytest.fixture
def powercap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for zone, name in {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "psys"}.items():
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "energy_uj").write_text("1000000\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("9000000\n")
    monkeypatch.setattr(module, "POWERCAP", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    return tmp_path


def test_a_package_is_counted_once_and_its_counter_starts_again(powercap: Path) -> None:
    energy = Energy(find_counters())
    for microjoules, joules in {4_000_000: 3.0, 8_500_000: 7.5, 500_000: 8.5}.items():
        (powercap / "intel-rapl:0" / "energy_uj").write_text(f"{microjoules}\n")
        energy.update()
        assert energy.joules == {"processors": pytest.approx(joules)}


def test_a_reading_that_fails_is_made_up_for_by_the_next(powercap: Path) -> None:
    energy = Energy(find_counters())
    (powercap / "intel-rapl:0" / "energy_uj").unlink()
    energy.update()
    (powercap / "intel-rapl:0" / "energy_uj").write_text("3000000\n")
    energy.update()
    assert energy.joules == {"processors": pytest.approx(2.0)}


def test_counters_that_are_not_ours_to_read(powercap: Path) -> None:
    (powercap / "intel-rapl:0" / "energy_uj").unlink()
    energy = Energy(find_counters())
    energy.update()
    assert energy.joules == {}


class NVMLError(Exception):
    pass


@pytest.mark.parametrize(("driver", "expected"), [(True, {"gpus": 5.0}), (False, {})])
def test_gpus(powercap: Path, monkeypatch: pytest.MonkeyPatch, driver: bool, expected: dict[str, float]) -> None:
    readings = iter([1000, 2000, 2000, 3000, 4000, 6000])  # millijoules: tried, at the start, then

    def start() -> None:
        if not driver:
            raise NVMLError

    library = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=start,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda _: next(readings),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    (powercap / "intel-rapl:0" / "name").write_text("dram\n")
    energy = Energy(find_counters())
    energy.update()
    assert energy.joules == expected
