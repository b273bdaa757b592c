"""How many floating point operations a second this machine could do in matrix products, at the very most."""

import hashlib
import json
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from headway.cache import cache_folder
from headway.store.atomic import write_json
from headway.store.provenance import hardware

SIDE = 1024  # of the square matrices that are multiplied to measure a processor
BUDGET = 0.25  # seconds of measuring
_TERA = 1e12
# Dense, with float32 sums: (bfloat16 and float16, TF32, float32), in 1e12 a second. NVIDIA's data sheets, which give
# twice as much for sparse matrices: A100 (2021), H100 (2023), H200 (2024), L4 (2023), T4 (2019), V100 (2018), A10
# (2021), L40S (2023); white papers on the GA102 (table 2) and on Ada (table 2) for the RTX 3090 and 4090.
# 0: it cannot. A name must match as a whole: a part of a GPU (MIG), a laptop's or a Ti is another machine.
KNOWN: dict[str, tuple[float, float, float]] = {
    r"NVIDIA A100.*GB( PCIe)?": (312, 156, 19.5),
    r"NVIDIA H100 \d+GB HBM3|NVIDIA H200": (989.4, 494.7, 66.9),
    r"NVIDIA H100 PCIe": (756, 378, 51),
    r"NVIDIA H100 NVL|NVIDIA H200 NVL": (835, 418, 60),
    r"NVIDIA L4": (121, 60, 30.3),
    r"(Tesla|NVIDIA) T4": (65, 0, 8.1),
    r"Tesla V100-SXM2.*": (125, 0, 15.7),
    r"Tesla V100-PCIE.*": (112, 0, 14),
    r"NVIDIA A10": (125, 62.5, 31.2),
    r"NVIDIA L40S": (362, 183, 91.6),
    r"NVIDIA GeForce RTX 3090": (71, 35.6, 35.6),
    r"NVIDIA GeForce RTX 4090": (165.2, 82.6, 82.6),
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peak:
    """flops: a second, of one device. of: what it is the peak of, in words."""

    flops: float
    of: str


def peak(accelerator: str, precision: str, *, measure: bool) -> Peak | None:
    """That of the device of this process, for matrix products in the `precision` of a Lightning trainer.

    A GPU's is looked up by its name; a processor's is measured, unless it was before, where `measure` allows it.
    """
    dtype = dtype_of(precision)
    if accelerator == "cuda":
        fast = torch.get_float32_matmul_precision() != "highest"
        return known(torch.cuda.get_device_name(), dtype, tensor_cores=fast)
    return measured(dtype, measure=measure)


def dtype_of(precision: str) -> torch.dtype:
    """Of matrix products in the `precision` of a Lightning trainer."""
    return next((kind for sign, kind in _DTYPES.items() if precision.startswith(sign)), torch.float32)


_DTYPES = {"bf16": torch.bfloat16, "16": torch.float16, "64": torch.float64}


def known(name: str, dtype: torch.dtype, *, tensor_cores: bool) -> Peak | None:
    """tensor_cores: products of float32 are done in TF32."""
    sheet = next((numbers for pattern, numbers in KNOWN.items() if re.fullmatch(pattern, name)), None)
    if sheet is None or dtype == torch.float64 or (dtype == torch.bfloat16 and not sheet[1]):
        return None
    half, tf32, single = sheet
    if dtype != torch.float32:
        return Peak(half * _TERA, f"{name}, {_word(dtype)}")
    return Peak(tf32 * _TERA, f"{name}, TF32") if tensor_cores and tf32 else Peak(single * _TERA, f"{name}, float32")


def measured(dtype: torch.dtype, *, measure: bool) -> Peak | None:
    """Of this processor with the threads that torch uses now; kept in the cache, and None where it is not there."""
    threads = torch.get_num_threads()
    precision = torch.get_float32_matmul_precision()
    word = _word(dtype) if precision == "highest" else f"{_word(dtype)} in {precision} precision"
    of = f"{hardware()['processor']}, {threads} thread{'s' if threads > 1 else ''}, {word}"
    file = _kept(of)
    try:
        return Peak(float(json.loads(file.read_text("utf-8"))["flops"]), of)
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or not ours
        if not measure:
            return None
    found = Peak(benchmark(dtype), of)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"flops": found.flops, "of": of, "torch": torch.__version__})
    except OSError as error:  # the next run measures again
        log.debug("%s: cannot be written: %s", file, error)
    return found


def benchmark(dtype: torch.dtype) -> float:
    """Operations a second of the fastest of several products of two matrices.

    By processor time of all threads: what other programs take meanwhile does not make the machine slower.
    """
    matrix = torch.ones(SIDE, SIDE, dtype=dtype)  # nothing random: the generators stay as they are
    began = time.perf_counter()
    spent: list[float] = []  # seconds of the processor
    with torch.inference_mode():
        while not spent or time.perf_counter() - began < BUDGET:
            start = time.process_time()
            torch.mm(matrix, matrix)
            spent.append(time.process_time() - start)
    return 2 * SIDE**3 * torch.get_num_threads() / min(spent)


def _kept(of: str) -> Path:
    name = hashlib.sha256(f"{of} {torch.__version__}".encode()).hexdigest()[:16]
    return cache_folder("peak") / f"{name}.json"


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
