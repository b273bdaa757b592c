"""Harness of guarantee 1: train, kill -9 at random moments, resume; everything must equal the uninterrupted run.

Run as a script: python kill_and_resume.py FOLDER MODEL KILLS SEED. It imports the heavy libraries once and forks a
fresh process for every attempt, so that a kill costs a second and not ten. Prints one JSON object.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

STEPS_PER_EPOCH, EPOCHS = 12, 2
CASES = [
    {
        "bucket": bucket,
        "dropout": dropout,
        "workers": workers,
        "accumulate": accumulate,
        "val_every": val,
        "checkpoint_every": 3,
    }
    for bucket, dropout, workers, accumulate, val in itertools.product(
        (True, False), (0.0, 0.2), (0, 2), (1, 2), (3, 5)
    )
]

CONFIG = """
project: harness
name: null
tags: []
notes: null
seed: {seed}
runs_dir: runs
batch: {{size: 8, accumulate: {accumulate}, eval_size: 16, bucket: {bucket}, workers: {workers}}}
task: {{_target_: headway.tasks.classification.Classification, max_length: 24, dropout: {dropout}}}
data: {{_target_: headway.data.sources.files.read, path: "{data}", val_fraction: 0.2, test_fraction: 0.0}}
model: {{_target_: headway.models.pretrained.Pretrained, path: "{model}", dropout: {dropout}}}
optimizer: {{_target_: torch.optim.AdamW, lr: 1.0e-3, weight_decay: 0.01, fused: true}}
scheduler: {{_target_: headway.training.schedules.linear, warmup: 0.1}}
trainer: {{max_epochs: {epochs}, max_steps: null, val_every: {val_every}, checkpoint_every: {checkpoint_every}, keep: 2,
  gradient_clip_val: 1.0, precision: 32-true, accelerator: cpu, devices: 1, num_nodes: 1, threads: 1, monitor: null,
  monitor_mode: null, patience: null, log_every: 1, max_restarts: 0, test: false, deterministic: true}}
tracker: {{_target_: null}}
"""


def write_data(path: Path) -> None:
    words = ["good", "great", "fine", "bad", "awful", "poor"]
    draw = random.Random(0)
    with path.open("w") as file:
        file.write("text,label\n")
        for i in range(STEPS_PER_EPOCH * 8 * 5 // 4):
            picked = draw.choices(words[:3] if i % 2 else words[3:], k=draw.randint(2, 18))
            file.write(f"{' '.join(picked)} {i},{'pos' if i % 2 else 'neg'}\n")


def make_run(folder: Path, case: dict, data: Path, model: str) -> Path:
    from headway.config.freeze import config_hash
    from headway.store.writer import create_run

    text = CONFIG.format(
        seed=1, data=data, model=model, epochs=EPOCHS, **{**case, "bucket": str(case["bucket"]).lower()}
    )
    return create_run(
        folder, project="harness", name=None, tags=[], notes=None, config_yaml=text, config_hash=config_hash(text),
        overrides=[], command=[], seed=1,
    )  # fmt: skip


def attempt(run: Path) -> int:
    """Start one training process on `run`; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()  # its data workers die with it
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    trace = os.open(run / "trace.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        from headway.training.events import SilentChannel
        from headway.training.loaders import TrainSteps
        from headway.worker import guarded

        fetch = TrainSteps.__getitem__

        def traced(self: TrainSteps, key: tuple[int, int]) -> dict:
            ids = self.plan.part(*key, self.rank, self.accumulate).tolist()
            os.write(trace, json.dumps([*key, ids]).encode() + b"\n")
            return fetch(self, key)

        TrainSteps.__getitem__ = traced
        os._exit(guarded(run, SilentChannel()))
    finally:
        os._exit(99)


def wait_for_rows(run: Path, rows: int, pid: int) -> bool:
    """Until the history has `rows` lines; False if the process ended first."""
    history = run / "history.jsonl"
    while True:
        if history.exists() and history.read_bytes().count(b"\n") >= rows:
            return True
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)


def outcome(run: Path) -> dict:
    """What must be equal: losses and metrics as float hex per step, batches, final weights."""
    import torch

    from headway.store.run import Run

    train, val, counts = {}, {}, {}
    for row in Run.open(run).rows():
        if "train/loss" in row:
            train[row["step"]] = (row["train/loss"].hex(), row["train/grad_norm"].hex(), row["train/lr"].hex())
        if "val/loss" in row:
            val[row["step"]] = {k: v.hex() for k, v in row.items() if k.startswith("val/")}
            counts[row["step"]] = counts.get(row["step"], 0) + 1
    batches = {}
    for line in (run / "trace.jsonl").read_text().splitlines():
        step, micro, ids = json.loads(line)
        batches.setdefault((step, micro), ids)
        if batches[step, micro] != ids:  # a replayed step drew other examples
            batches[step, micro] = "differs between attempts"
    last = (run / "checkpoints" / "last").read_text().strip()
    state = torch.load(run / "checkpoints" / last, weights_only=True)
    weights = {name: tensor.double().sum().item().hex() for name, tensor in state["model"].items()}
    exact = {name: tensor.numpy().tobytes() for name, tensor in state["model"].items()}
    moments = [entry["exp_avg"].numpy().tobytes() for entry in state["optimizer"]["state"].values()]
    return {
        "train": train, "val": val, "validated once": all(n == 1 for n in counts.values()), "batches": batches,
        "weights": weights, "exact": exact, "moments": moments, "step": state["step"],
    }  # fmt: skip


def kill_and_resume(run: Path, kills: int, draw: random.Random) -> int:
    """Kill `kills` attempts at random rows, then let one finish; returns how many were really killed."""
    done = 0
    for _ in range(kills):
        history = run / "history.jsonl"
        seen = history.read_bytes().count(b"\n") if history.exists() else 0
        pid = attempt(run)
        if not wait_for_rows(run, seen + draw.randint(1, 12), pid):
            continue  # it finished before the moment came
        time.sleep(draw.random() * 0.02)  # anywhere in a step, a validation or a save
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        done += 1
    pid = attempt(run)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"the last attempt ended with {status}: {(run / 'traceback.txt').read_text()}")
    return done


def main(folder: Path, model: str, kills: int, seed: int) -> None:
    import torch

    import headway.training.loop  # noqa: F401 - everything heavy, once

    torch.set_num_threads(1)
    os.environ["HEADWAY_CACHE"] = str(folder / "cache")
    draw = random.Random(seed)
    data = folder / "data.csv"
    write_data(data)
    references: dict[str, dict] = {}
    attempts, done, failures = 0, 0, []
    cases = draw.sample(CASES, len(CASES))
    while done < kills:
        case = cases[attempts % len(cases)]
        key = json.dumps(case)
        if key not in references:
            reference = make_run(folder / "runs", case, data, model)
            _, status = os.waitpid(attempt(reference), 0)
            if os.waitstatus_to_exitcode(status) != 0:
                raise RuntimeError(f"the uninterrupted run failed: {(reference / 'traceback.txt').read_text()}")
            references[key] = outcome(reference)
        run = make_run(folder / "runs", case, data, model)
        done += kill_and_resume(run, draw.randint(1, 3), draw)
        attempts += 1
        expected, found = references[key], outcome(run)
        differing = [name for name in expected if expected[name] != found[name]]
        if differing:
            failures.append({"case": case, "differs": differing, "run": str(run)})
        if attempts == len(cases):  # fresh references cost memory; the next round makes them again
            references.clear()
    steps = references and next(iter(references.values()))["step"]
    print(json.dumps({"runs": attempts, "kills": done, "failures": failures, "steps": steps}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
