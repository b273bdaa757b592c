"""Microseconds for one `HistoryWriter.log` call with 5 metrics, as one line of JSON. Budget: 20 (median).

python tests/bench/bench_log_call.py [--calls 20000] [--folder DIR]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from headway.store.history import HistoryWriter

BUDGET = 20.0  # microseconds


def measure(folder: Path, calls: int) -> dict[str, float | int]:
    """Time each call by itself: the encoding, the checks and the write to the operating system."""
    times = []
    with HistoryWriter(folder / "history.jsonl") as history:
        for step in range(calls):
            values = {
                "train/loss": 0.69314718 / (step + 1),
                "train/grad_norm": 1.0 + step * 1e-3,
                "train/lr": 5e-5 * (1 - step / calls),
                "perf/tokens_per_s": 10234.5 + step,
                "perf/examples_per_s": 81.25 + step,
            }
            start = time.perf_counter_ns()
            history.log(step, values, epoch=step / 100)
            times.append((time.perf_counter_ns() - start) / 1000)
    return {
        "calls": calls,
        "metrics": 5,
        "us_min": round(min(times), 2),
        "us_median": round(statistics.median(times), 2),
        "us_p99": round(statistics.quantiles(times, n=100)[98], 2),
        "us_budget": BUDGET,
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to write (default: the temp folder's file system)"
    )
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        result = measure(Path(folder), args.calls)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["us_median"] <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
