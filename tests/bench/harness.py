"""What the benchmarks share: the machine they ran on, medians with their spread, tables, and where results go."""

import json
import logging
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def quiet(threads: int | None = 1) -> None:
    """No notes from libraries, no network, and so many threads for torch; None: its own choice."""
    import torch

    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if threads:
        torch.set_num_threads(threads)


def machine(**more: Any) -> dict[str, Any]:
    """Date, processor and versions; `more`: what else the reader must know, such as threads=1."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        **more,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def shown(one: dict[str, float] | None) -> str:
    return "" if one is None else f"{one['median']:.2f} ({one['least']:.2f} to {one['greatest']:.2f})"


def say(line: str) -> None:
    """Progress: it goes to stderr, for stdout holds the JSON."""
    print(line, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """In Markdown; None is an empty cell."""
    lines = [f"| {' | '.join('' if cell is None else str(cell) for cell in line)} |" for line in (header, *rows)]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])


def report(name: str, result: dict[str, Any], page: str, folder: Path | None) -> None:
    """Print the result; with `folder`, keep NAME.json and NAME.md there."""
    text = json.dumps(result, indent=2)
    print(text)
    if folder:
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        (folder / f"{name}.md").write_text(page, encoding="utf-8")
