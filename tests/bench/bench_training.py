"""What a step costs: Headway beside the field's loops, on the same model, texts and number of real tokens.

python tests/bench/bench_training.py [--gpu] [--rounds 3] [--steps 8] [--only NAME ...] [--write FOLDER]

The ways take turns, so that a busy machine is busy for all of them, each turn in a process of its own; every figure is
the median over rounds of a ratio within one round, with the least and the greatest. CPU seconds stand beside wall
seconds. With --gpu: BERT-base and GPT-2 in bfloat16 on the first NVIDIA GPU, with the utilisation of its peak.
"""

import argparse
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from harness import machine, quiet, report, say, shown, spread, table
from training_ways import SHORT, WAYS, WORKS, Cost, Setting, setting

from headway.training.peak import known

OURS = "Headway"
GOALS = {"padded to 512, by hand": 50.0, "HuggingFace Trainer": 4.0, "matrix products alone": 0.75}  # times as fast
Way = Callable[[Setting, int, int], Cost]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gpu", action="store_true")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--only", nargs="*", metavar="NAME", help=f"of {', '.join(WAYS)}")
    options.add_argument("--write", type=Path, metavar="FOLDER", help="where NAME.json and NAME.md go")
    given = options.parse_args()
    quiet()
    ways = {name: way for name, way in WAYS.items() if not given.only or name in given.only}
    with tempfile.TemporaryDirectory() as folder:
        if given.gpu:
            measure_gpu(Path(folder), ways, given.steps, given.rounds, given.write)
        else:
            measure_cpu(Path(folder), ways, given.steps, given.rounds, given.write)


def measure_cpu(folder: Path, ways: dict[str, Way], steps: int, count: int, write: Path | None) -> None:
    costs = rounds(ways, setting(folder / "whole", SHORT), steps, count)
    result = {"machine": machine(threads=1, batch=SHORT.batch), "ways": summary(costs)}
    report("training", result, page(result), write)


def measure_gpu(folder: Path, ways: dict[str, Way], steps: int, count: int, write: Path | None) -> None:
    name = torch.cuda.get_device_name()
    sheet = known(name, torch.bfloat16, tensor_cores=True)
    works = {}
    for at, (title, work) in enumerate(WORKS.items()):
        say(title)
        given = setting(folder / str(at), work)
        kept = {way: WAYS[way] for way in ways if way not in ("padded to 512, by hand", "Headway in bfloat16")}
        works[title] = summary(rounds(kept, given, steps, count))
        for row in works[title] if sheet else []:
            row["utilisation"] = spread(
                [one["tokens"] * flops(given) / one["wall"] / sheet.flops for one in row["rounds"]]
            )
    result = {"machine": machine(gpu=name), "works": works}
    report("training_gpu", result, gpu_page(result), write)


def flops(given: Setting) -> float:
    """Of training on one real token: 6 for each weight of a matrix, and attention (Chowdhery et al. 2022, appendix B).

    A causal model's output layer counts; embeddings do not.
    """
    assert given.work.shape is not None
    layers, width, _ = given.work.shape
    lengths = [len(row["input_ids"]) for row in given.rows]
    seen = sum(length**2 for length in lengths) / sum(lengths)  # tokens that a token attends to
    output = len(given.tokenizer) * width if given.work.decoder else 0
    return 6 * (12 * layers * width**2 + output) + 12 * layers * width * seen


def rounds(ways: dict[str, Way], given: Setting, steps: int, count: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for turn in range(count):
        for name, way in ways.items():
            with ProcessPoolExecutor(1, get_context("spawn"), quiet) as alone:
                costs[name].append(alone.submit(way, given, steps, turn).result())
            one = costs[name][-1]
            say(f"round {turn + 1} of {count}: {name}: {1e3 * one.cpu / one.tokens:.3f} CPU-ms a token")
    return costs


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


def page(result: dict[str, Any]) -> str:
    about = result["machine"]
    rows = []
    for row in result["ways"]:
        cells = [shown(row.get(key)) for key in ("examples_per_s", "ours_wall", "ours_cpu")]
        rows.append([row["way"], *cells, row.get("goal")])
    return (
        f"Measured {about['date']} on {about['cores']} cores of {about['cpu']}, one thread, torch {about['torch']}, "
        f"transformers {about['transformers']}; batches of {about['batch']} short texts; medians (least to greatest)."
        "\n\n" + table(["way", "examples/s", "Headway is so many times as fast", "by CPU time", "goal"], rows) + "\n"
    )


def gpu_page(result: dict[str, Any]) -> str:
    about = result["machine"]
    parts = [
        f"Measured {about['date']} on {about['gpu']}, bfloat16, torch {about['torch']}, transformers "
        f"{about['transformers']}; medians (least to greatest). Utilisation: of the peak in the data sheet."
    ]
    for title, ways in result["works"].items():
        rows = [
            [row["way"], *(shown(row.get(key)) for key in ("examples_per_s", "ours_wall", "utilisation"))]
            for row in ways
        ]
        parts += [f"## {title}", table(["way", "examples/s", "Headway is so many times as fast", "utilisation"], rows)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
