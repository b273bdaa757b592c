"""How long another program's server takes to hand over one metric of many runs, asked as its own page asks.

PYTHON tests/bench/other_dashboards.py {tensorboard,trackio,mlflow} FOLDER RUNS STEPS

PYTHON: of an environment that has the program. Fills FOLDER through the program's own storage code, with five metrics
a step, starts its server, and prints JSON: seconds (median of three, warm) and bytes. Looked up in tensorboard 2.21
(timeseries plugin), trackio 0.43 (Metrics.svelte: batches of 64 runs) and mlflow 3.17 (bulk interval, 100 runs).
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[[str], int]  # address -> bytes of the answers
BEGUN = 1_790_000_000
PATIENCE = 240.0  # seconds until a server must have everything


def values(run: int, step: int) -> dict[str, float]:
    return {"loss": 1 / (step + run + 1), "lr": 1e-3, "grad_norm": 1.0 + step, "speed": 1e4 - step, "memory": 80.5}


def post(url: str, body: bytes, kind: str) -> bytes:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return bytes(response.read())


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        return bytes(response.read())


def tensorboard(folder: Path, runs: int, steps: int, port: int) -> tuple[list[str], Ask]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for run in range(runs):
        writer = EventFileWriter(str(folder / f"run{run:03d}"), max_queue_size=10_000)
        for step in range(steps):
            summary = Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in values(run, step).items()])
            writer.add_event(Event(wall_time=BEGUN + step, step=step, summary=summary))
        writer.close()

    def ask(address: str) -> int:
        body = urllib.parse.urlencode({"requests": json.dumps([{"plugin": "scalars", "tag": "loss"}])})
        url = f"{address}/experiment/defaultExperimentId/data/plugin/timeseries/timeSeries"
        answer = post(url, body.encode(), "application/x-www-form-urlencoded")
        series = json.loads(answer)[0]["runToSeries"]
        if len(series) < runs or any(len(one) < min(steps, 1000) for one in series.values()):
            raise LookupError("not everything is loaded")
        return len(answer)

    return ["-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)], ask


def trackio(folder: Path, runs: int, steps: int, port: int) -> tuple[list[str], Ask]:
    os.environ |= {"TRACKIO_DIR": str(folder), "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    from trackio.sqlite_storage import SQLiteStorage

    for run in range(runs):
        rows = [values(run, step) for step in range(steps)]
        SQLiteStorage.bulk_log("bench", f"run{run:03d}", rows, steps=list(range(steps)), config={"run": run})

    def call(address: str, name: str, **body: Any) -> bytes:
        return post(f"{address}/api/{name}", json.dumps(body).encode(), "application/json")

    def ask(address: str) -> int:
        found = json.loads(call(address, "get_runs_for_project", project="bench"))["data"]
        names = [{"run": one["name"], "run_id": one["id"]} for one in found]
        if len(names) < runs:
            raise LookupError("not everything is loaded")
        batches = [names[at : at + 64] for at in range(0, len(names), 64)]
        answers = [call(address, "get_logs_batch", project="bench", runs=batch, scalar_only=True) for batch in batches]
        return sum(map(len, answers))

    return ["-c", "import trackio; trackio.show(project='bench', open_browser=False, block_thread=True)"], ask


def mlflow(folder: Path, runs: int, steps: int, port: int) -> tuple[list[str], Ask]:
    from mlflow.entities import Metric
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder.mkdir(parents=True)
    uri = f"sqlite:///{folder}/mlflow.db"
    store = SqlAlchemyStore(uri, str(folder / "artifacts"))
    experiment = store.create_experiment("bench")
    ids = []
    for run in range(runs):
        id = store.create_run(experiment, "me", BEGUN, [], f"run{run:03d}").info.run_id
        ids.append(id)
        for start in range(0, steps, 200):
            part = range(start, min(start + 200, steps))
            rows = [Metric(k, v, BEGUN + step, step) for step in part for k, v in values(run, step).items()]
            store.log_batch(id, rows, [], [])

    def ask(address: str) -> int:
        total = 0
        for at in range(0, runs, 100):
            query = [("metric_key", "loss"), ("max_results", "320"), *(("run_ids", id) for id in ids[at : at + 100])]
            url = f"{address}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{urllib.parse.urlencode(query)}"
            total += len(get(url))
        return total

    command = ["-m", "mlflow", "server", "--backend-store-uri", uri, "--port", str(port), "--workers", "1"]
    return command, ask


def measure(command: list[str], ask: Ask, port: int) -> dict[str, float]:
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, begun = f"http://127.0.0.1:{port}", time.monotonic()
    try:
        while True:
            try:
                size = ask(address)
                break
            except (LookupError, urllib.error.URLError, ConnectionError):
                if time.monotonic() - begun > PATIENCE or server.poll() is not None:
                    raise
                time.sleep(0.5)
        spent = []
        for _ in range(3):
            start = time.perf_counter()
            ask(address)
            spent.append(time.perf_counter() - start)
    finally:
        server.terminate()
        server.wait()
    return {"seconds": statistics.median(spent), "bytes": size}


def main(argv: list[str]) -> int:
    prepare = {"tensorboard": tensorboard, "trackio": trackio, "mlflow": mlflow}[argv[0]]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, ask = prepare(Path(argv[1]), int(argv[2]), int(argv[3]), port)
    sys.stdout.write(json.dumps(measure(command, ask, port)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
