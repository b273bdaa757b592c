"""What a step costs: Headway beside the field's loops, on the same model, texts and number of real tokens.

python tests/bench/bench_training.py [--rounds 3] [--steps 8] [--only NAME ...] [--write FOLDER]

The ways take turns, so that a busy machine is busy for all of them; every figure is the median over rounds of a ratio
within one round, with the least and the greatest. CPU seconds stand beside wall seconds.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers
from training_ways import BATCH, WARM, WAYS, Cost, Meter, Setting, quiet, run_training, setting

OURS = "Headway"
GOALS = {"padded to 512, by hand": 50.0, "HuggingFace Trainer": 4.0, "matrix products alone": 0.75}  # times as fast
OVERHEAD_GOAL = 2.0  # CPU milliseconds a step
OVERHEAD_STEPS = 150


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--only", nargs="*", metavar="NAME", help=f"of {', '.join(WAYS)}")
    options.add_argument("--write", type=Path, metavar="FOLDER", help="where training.json and training.md go")
    given = options.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        whole, small = setting(Path(folder) / "whole"), setting(Path(folder) / "small", layers=1)
        names = [name for name in WAYS if not given.only or name in given.only]
        costs = rounds({name: WAYS[name] for name in names}, whole, given.steps, given.rounds)
        extra = rounds({"hand": same_batches, "headway": WAYS[OURS]}, small, OVERHEAD_STEPS, given.rounds)
    result = {"machine": machine(), "ways": summary(costs), "overhead": overhead(extra)}
    print(json.dumps(result, indent=2))
    if given.write:
        (given.write / "training.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        (given.write / "training.md").write_text(table(result), encoding="utf-8")


def rounds(
    ways: dict[str, Callable[[Setting, int, int], Cost]], given: Setting, steps: int, count: int
) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for turn in range(count):
        for name, way in ways.items():
            costs[name].append(way(given, steps, turn))
            one = costs[name][-1]
            print(
                f"round {turn + 1} of {count}: {name}: {1e3 * one.cpu / one.tokens:.3f} CPU-ms a token", file=sys.stderr
            )
    return costs


def same_batches(given: Setting, steps: int, seed: int) -> Cost:
    """The loop that one would write by hand around Headway's own batches and model, without any record."""
    import headway.training.loop as loop

    meter = Meter()

    def count(_: Any, module: Any, datamodule: Any) -> None:
        model, task = module.model, module.task
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        for step in range(steps + WARM):
            batch = datamodule.steps[step, 0]
            (task.loss(model, batch["inputs"]).losses.sum(0) / batch["terms"]).sum().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            meter(batch["examples"], batch["tokens"])
        raise StopIteration

    real = loop.pl.Trainer.fit
    loop.pl.Trainer.fit = count  # type: ignore[assignment, method-assign]
    try:
        run_training(given, steps, seed, [], lambda _: None)
    except StopIteration:
        pass
    finally:
        loop.pl.Trainer.fit = real  # type: ignore[method-assign]
    return meter.cost()


def summary(costs: dict[str, list[Cost]]) -> list[dict[str, Any]]:
    """Of each way: examples a second, and how many times as fast ours is, by wall clock and by CPU."""
    found = []
    for name, own in costs.items():
        row: dict[str, Any] = {"way": name, "rounds": [asdict(one) for one in own]}
        row["examples_per_s"] = spread([examples_a_token(own) / (one.wall / one.tokens) for one in own])
        if OURS in costs and name != OURS:
            pairs = list(zip(own, costs[OURS], strict=True))
            for clock in ("wall", "cpu"):
                row[f"ours_{clock}"] = spread([per_token(one, clock) / per_token(ours, clock) for one, ours in pairs])
            row["goal"] = GOALS.get(name)
        found.append(row)
    return found


def examples_a_token(costs: list[Cost]) -> float:
    """Examples a token."""
    return sum(one.examples for one in costs) / sum(one.tokens for one in costs)


def per_token(cost: Cost, clock: str) -> float:
    return float(getattr(cost, clock)) / cost.tokens


def overhead(costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """CPU milliseconds that a step of Headway costs beyond the same step by hand."""
    pairs = zip(costs["headway"], costs["hand"], strict=True)
    return {
        "cpu_ms_a_step": spread([1e3 * (ours.cpu / ours.steps - hand.cpu / hand.steps) for ours, hand in pairs]),
        "goal": OVERHEAD_GOAL,
    }


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def machine() -> dict[str, Any]:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": 1,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "batch": BATCH,
    }


def table(result: dict[str, Any]) -> str:
    about = result["machine"]
    lines = [
        f"Measured {about['date']} on {about['cores']} cores of {about['cpu']}, one thread, torch {about['torch']}, "
        f"transformers {about['transformers']}; batches of {about['batch']} short texts; medians (least to greatest).",
        "",
        "| way | examples/s | Headway is so many times as fast | by CPU time | goal |",
        "|---|---|---|---|---|",
    ]
    for row in result["ways"]:
        cells = [shown(row.get(key)) for key in ("examples_per_s", "ours_wall", "ours_cpu")]
        lines.append(f"| {row['way']} | {' | '.join(cells)} | {row.get('goal') or ''} |")
    extra = result["overhead"]
    lines += [
        "",
        f"Over a loop by hand on the same batches, with a row of history each step: "
        f"{shown(extra['cpu_ms_a_step'])} CPU-ms a step (goal: {extra['goal']:g}).",
    ]
    return "\n".join(lines) + "\n"


def shown(one: dict[str, float] | None) -> str:
    return "" if one is None else f"{one['median']:.2f} ({one['least']:.2f} to {one['greatest']:.2f})"


if __name__ == "__main__":
    main()
