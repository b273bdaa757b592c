"""The index over synthetic runs: points per CPU-second, bytes a point, an append to a long run, an overlay of all runs.

python tests/bench/bench_index.py [--folder RUNS] [--runs 20] [--steps 100000] [--long 1000000] [--json]

With --folder, run folders that `synthetic_runs.py` made before; else they are made in a temp folder.
"""

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import synthetic_runs

from headway.store.index.curves import curves
from headway.store.index.ingest import refresh
from headway.store.index.schema import open_index


def measure_ingest(runs: Path, index: Path) -> dict[str, Any]:
    """Everything from nothing; a point is one value of one metric, without time and epoch."""
    import pyarrow.json  # noqa: F401  # its start is no part of the rate

    connection = open_index(index)
    start = time.process_time()
    changes = refresh(connection, [runs])
    seconds = time.process_time() - start
    count = "SELECT sum(points) FROM series JOIN names ON id = key WHERE name NOT IN ('time', 'epoch')"
    [(points,)] = connection.execute(count)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return {
        "runs": len(changes.changed),
        "points": points,
        "ingest_cpu_s": round(seconds, 2),
        "points_per_cpu_s": round(points / seconds),
        "bytes_per_point": round(index.stat().st_size / points, 2),
    }


def measure_overlay(index: Path) -> dict[str, float]:
    connection = open_index(index)
    ids = [id for (id,) in connection.execute("SELECT id FROM runs")]
    found = {}
    for x in ("step", "time"):
        found[f"overlay_{x}_ms"] = _median_ms(lambda x=x: curves(connection, ids, "train/loss", x), 15)  # type: ignore[misc]
    found["zoom_ms"] = _median_ms(lambda: curves(connection, ids, "train/loss", start=1000, stop=3000), 5)
    connection.close()
    return found


def measure_append(folder: Path, steps: int) -> dict[str, float]:
    """100 rows at the end of a run of `steps`."""
    [run] = synthetic_runs.make_runs(folder / "long", 1, steps, 5, statuses=("running",))
    connection = open_index(folder / "long.db")
    refresh(connection, [folder / "long"])
    rows = (run / "history.jsonl").read_bytes()[-40_000:].split(b"\n")[-102:-2]
    at = steps
    times = []
    for _ in range(10):
        with (run / "history.jsonl").open("ab") as file:
            for row in rows:
                at += 1
                file.write(json.dumps(json.loads(row) | {"step": at}, separators=(",", ":")).encode() + b"\n")
        times.append(_cpu_ms(lambda: refresh(connection, [folder / "long"])))
    connection.close()
    return {"append_cpu_ms": round(statistics.median(times), 2), "append_run_steps": steps}


def _cpu_ms(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1000


def _median_ms(call: Callable[[], object], times: int) -> float:
    call()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return round(statistics.median(taken), 2)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--long", type=int, default=1_000_000, help="steps of the run that grows")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        runs = args.folder or temp / "runs"
        if args.folder is None:
            synthetic_runs.make_runs(runs, args.runs, args.steps, 5)
        result = {"sqlite": sqlite3.sqlite_version} | measure_ingest(runs, temp / "index.db")
        result |= measure_overlay(temp / "index.db") | measure_append(temp, args.long)
    if args.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        sys.stdout.writelines(f"{key:20} {value}\n" for key, value in result.items())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
