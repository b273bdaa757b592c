"""The peak of a device: looked up, or measured once."""

import pytest
import torch

from headway.training import peak as module
from headway.training.peak import benchmark, known, measured, peak


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> list[torch.dtype]:
    """The measurements that were taken."""
    taken: list[torch.dtype] = []
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(module, "benchmark", lambda dtype: taken.append(dtype) or 5e10)
    return taken


def test_a_processor_is_measured_once_for_each_kind_of_number(benchmarks: list[torch.dtype]) -> None:
    assert peak("cpu", "32-true", measure=False) is None
    first = peak("cpu", "32-true", measure=True)
    assert first is not None
    assert first.flops == 5e10
    assert "1 thread, float32" in first.of
    assert peak("cpu", "32-true", measure=True) == peak("cpu", "32-true", measure=False) == first
    assert peak("cpu", "bf16-mixed", measure=True) != first
    assert benchmarks == [torch.float32, torch.bfloat16]


def test_another_number_of_threads_is_another_peak(benchmarks: list[torch.dtype]) -> None:
    measured(torch.float32, measure=True)
    torch.set_num_threads(2)
    assert measured(torch.float32, measure=False) is None
    assert len(benchmarks) == 1


def test_products_in_less_precision_have_a_peak_of_their_own(benchmarks: list[torch.dtype]) -> None:
    exact = measured(torch.float32, measure=True)
    torch.set_float32_matmul_precision("medium")
    try:
        rough = measured(torch.float32, measure=True)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert exact is not None
    assert rough is not None
    assert rough.of == f"{exact.of} in medium precision"
    assert len(benchmarks) == 2


def test_what_is_no_measurement_is_taken_again(benchmarks: list[torch.dtype]) -> None:
    measured(torch.float32, measure=True)
    (file,) = module.cache_folder("peak").iterdir()
    file.write_text("[")
    assert measured(torch.float32, measure=True) is not None
    assert len(benchmarks) == 2


def test_a_cache_that_cannot_be_written_ends_no_run(benchmarks: list[torch.dtype]) -> None:
    module.cache_folder("peak").write_text("a file where a folder is to be")
    assert measured(torch.float32, measure=True) is not None
    assert len(benchmarks) == 1


def test_measuring_draws_no_random_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0.0)
    before = torch.get_rng_state()
    assert benchmark(torch.float32) > 1e8
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "dtype", "tensor_cores", "expected"),
    [
        ("NVIDIA A100-SXM4-80GB", torch.bfloat16, False, 312e12),
        ("NVIDIA A100 80GB PCIe", torch.float32, True, 156e12),
        ("NVIDIA A100-SXM4-40GB", torch.float32, False, 19.5e12),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", torch.bfloat16, False, None),
        ("NVIDIA H100 80GB HBM3", torch.float16, False, 989.4e12),
        ("NVIDIA H200", torch.bfloat16, False, 989.4e12),
        ("NVIDIA A10", torch.bfloat16, False, 125e12),
        ("NVIDIA A10G", torch.bfloat16, False, None),
        ("Tesla T4", torch.float16, False, 65e12),
        ("Tesla T4", torch.bfloat16, False, None),
        ("Tesla T4", torch.float32, True, 8.1e12),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", torch.float16, False, None),
        ("NVIDIA H200", torch.float64, False, None),
    ],
)
def test_data_sheets(name: str, dtype: torch.dtype, tensor_cores: bool, expected: float | None) -> None:
    found = known(name, dtype, tensor_cores=tensor_cores)
    assert (found and found.flops) == expected
