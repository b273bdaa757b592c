"""Run folders as `headway train` leaves them, without training: for tests and benchmarks of what reads them.

python tests/bench/synthetic_runs.py OUT [--runs 200] [--steps 100000] [--metrics 5]
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

METRICS = ("train/loss", "train/grad_norm", "train/lr", "perf/tokens_per_s", "perf/examples_per_s")
MODELS = ("bert-base-uncased", "roberta-base", "distilbert-base-uncased", "gpt2")
RATES = (1e-5, 3e-5, 5e-5, 1e-4)
STARTED = 1_790_000_000.0  # unix time of the first run; each is a minute later than the one before

_CONFIG = """\
project: {project}
name: {name}
tags: {tags}
notes: null
seed: {seed}
runs_dir: runs
batch:
  size: {batch}
  accumulate: 1
  eval_size: 64
  bucket: true
  workers: 0
task:
  _target_: headway.tasks.classification.Classification
  max_length: 256
  label_smoothing: 0.0
data:
  text: text
  label: label
  val_fraction: 0.1
  split_seed: 0
  stratify: true
  _target_: headway.data.sources.parquet.read
  path: data/reviews.parquet
model:
  _target_: headway.models.pretrained.Pretrained
  path: {model}
  dropout: {dropout}
optimizer:
  _target_: torch.optim.AdamW
  lr: {lr!r}
  weight_decay: 0.01
  betas:
  - 0.9
  - 0.999
  eps: 1.0e-08
scheduler:
  _target_: headway.training.schedules.linear
  warmup: 0.1
trainer:
  max_epochs: 3
  max_steps: {steps}
  gradient_clip_val: 1.0
  precision: 32-true
  threads: 1
  monitor: val/accuracy
  monitor_mode: max
tracker:
  _target_: null
"""


def make_runs(
    out: Path, runs: int, steps: int, metrics: int, *, statuses: tuple[str, ...] = ("finished",)
) -> list[Path]:
    """Folders OUT/reviews/ID of `runs` runs, oldest first; three seeds of each model and learning rate in turn."""
    grid = itertools.cycle(itertools.product(MODELS, RATES, (0.0, 0.1), (0, 1, 2)))
    return [
        make_run(
            out, at, steps, metrics, model=model, lr=lr, dropout=dropout, seed=seed, status=statuses[at % len(statuses)]
        )
        for at, (model, lr, dropout, seed) in zip(range(runs), grid, strict=False)
    ]


def make_run(
    out: Path, at: int, steps: int, metrics: int, *, model: str, lr: float, dropout: float, seed: int, status: str
) -> Path:
    """One run: a row for each step with `metrics` metrics, and val/accuracy and val/loss 20 times."""
    started = STARTED + 60.0 * at
    id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime(started)) + f"{at:06d}"
    run = out / "reviews" / id
    for folder in ("predictions", "checkpoints", "artifacts"):
        (run / folder).mkdir(parents=True)
    name = f"{model}-{at}" if at % 2 else None
    config = _CONFIG.format(
        project="reviews",
        name=name or "null",
        tags="[]",
        seed=seed,
        batch=32,
        model=model,
        dropout=dropout,
        lr=lr,
        steps=steps,
    )
    (run / "config.yaml").write_text(config)
    (run / "overrides.yaml").write_text(f"- model.path={model}\n- optimizer.lr={lr!r}\n- seed={seed}\n")
    summary: dict[str, dict[str, float]] = {}
    with (run / "history.jsonl").open("w") as file:
        for block in _blocks(steps, metrics, started, lr, seed=at):
            evaluation = _evaluation(block, at)
            for columns in (block, evaluation):
                file.write(_lines(columns))
                _add(summary, columns)
    (run / "summary.json").write_text(json.dumps(summary, indent=2))
    (run / "run.json").write_text(json.dumps(_meta(id, name, started, steps, seed, model, lr, status), indent=2) + "\n")
    return run


def _blocks(steps: int, metrics: int, started: float, lr: float, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Twenty parts, as columns. Losses are float32 as torch gives them, rates float64, speeds rounded."""
    rng = np.random.default_rng(seed)
    names = [*METRICS, *(f"extra/metric_{at:04d}" for at in range(len(METRICS), metrics))][:metrics]
    for step in np.array_split(np.arange(1, steps + 1), min(steps, 20)):
        noise = rng.standard_normal((max(metrics, 5), len(step)))
        made = {
            "train/loss": (0.3 + 2.0 / (1 + step / 1000) + 0.1 * noise[0]).astype(np.float32).astype(float),
            "train/grad_norm": np.abs(1 + noise[1]).astype(np.float32).astype(float),
            "train/lr": lr * (1 - step / (steps + 1)),
            "perf/tokens_per_s": np.round(10_000 + 200 * noise[3], 1),
            "perf/examples_per_s": np.round(80 + noise[4], 2),
        }
        made |= {
            name: noise[at].astype(np.float32).astype(float) for at, name in enumerate(names) if at >= len(METRICS)
        }
        clock = {"step": step, "time": np.round(started + 0.11 * step, 3), "epoch": np.round(step / steps * 3, 6)}
        yield clock | {name: made[name] for name in names}


def _lines(block: dict[str, np.ndarray]) -> str:
    form = "{" + ",".join(f'"{name}":%r' for name in block) + "}\n"
    return "".join([form % row for row in zip(*(column.tolist() for column in block.values()), strict=True)])


def _evaluation(block: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """One row at the last step of a block."""
    at = {name: block[name][-1:] for name in ("step", "time", "epoch")}
    better = float(at["epoch"][0]) / 3
    noise = np.random.default_rng([seed, int(at["step"][0])]).standard_normal((2, 1))
    return at | {"val/loss": 0.6 - 0.3 * better + 0.02 * noise[0], "val/accuracy": 0.7 + 0.2 * better + 0.01 * noise[1]}


def _add(summary: dict[str, dict[str, float]], block: dict[str, np.ndarray]) -> None:
    steps = block["step"]
    for name, values in block.items():
        if name in ("step", "time", "epoch"):
            continue
        entry = summary.setdefault(name, {"min": float("inf"), "max": -float("inf")})
        entry |= {"last": float(values[-1]), "last_step": int(steps[-1])}
        low, high = int(values.argmin()), int(values.argmax())
        if values[low] < entry["min"]:
            entry |= {"min": float(values[low]), "min_step": int(steps[low])}
        if values[high] > entry["max"]:
            entry |= {"max": float(values[high]), "max_step": int(steps[high])}


def _meta(
    id: str, name: str | None, started: float, steps: int, seed: int, model: str, lr: float, status: str
) -> dict[str, object]:
    def iso(when: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(when))

    ended = None if status == "running" else iso(started + 0.11 * steps)
    seconds = round(0.11 * steps, 3)
    attempt = {"started_at": iso(started), "ended_at": ended, "seconds": seconds, "status": status, "from_step": 0}
    return {
        "format": 1,
        "id": id,
        "name": name,
        "project": "reviews",
        "tags": ["baseline"] if seed == 0 else [],
        "notes": None,
        "status": status,
        "cause": None,
        "exit_code": 0,
        "created_at": iso(started),
        "started_at": iso(started),
        "ended_at": ended,
        "host": "node1",
        "machine": "another-machine",
        "pid": 1,
        "pid_started": 1.0,
        "command": ["headway", "train", f"model.path={model}", f"optimizer.lr={lr!r}", f"seed={seed}"],
        "config_hash": "0123456789abcdef",
        "seed": seed,
        "parent": None,
        "versions": {"python": "3.11.7", "headway": "0.1.0", "torch": "2.11.0"},
        "git": {"commit": "1784fa8c887e08c83e7dd8f577834cae6c897aeb", "dirty": False},
        "hardware": {"os": "Linux", "cpus": 2, "memory_gb": 16.0},
        "data": {"fingerprint": "986ab6f8f4ba98d1", "labels": ["negative", "positive"]},
        "model": {"parameters": 110_000_000},
        "plan": {"steps": steps},
        "monitor": {"metric": "val/accuracy", "mode": "max"},
        "attempts": [attempt],
        "mirrors": [],
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--metrics", type=int, default=5)
    args = parser.parse_args(argv)
    made = make_runs(args.out, args.runs, args.steps, args.metrics)
    sys.stdout.write(f"{len(made)} runs in {args.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
