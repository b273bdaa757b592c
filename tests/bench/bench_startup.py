"""Start-up: CPU seconds of the commands, and from the command to the end of the first optimizer step of the demo.

python tests/bench/bench_startup.py [--rounds 5] [--only NAME ...] [--write FOLDER]

Counted are user and system time of the process and of all that it started, as the system keeps it. A command is
counted to its end; a training from its start to the moment when its first step is on record (a line that the script
prints, or the first row of the run's history), and is then killed. So the supervisor and its worker are in it, and
nothing that comes after the step. Files are in memory and Headway's cache is filled by a round that is not counted.
All take as many threads as they take by default; those of torch spin while they wait, which Headway turns off
(OMP_WAIT_POLICY), so the script is measured with it turned off too. The ways take turns, in another order each round:
memory that one has just given back costs the next less than memory that the system has not had for a while.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from harness import machine, report, say, shown, spread, table

SCRIPT = str(Path(__file__).with_name("plain_script.py"))
HEADWAY = (sys.executable, "-m", "headway.cli")
LOOK = 0.005  # seconds between two looks for the first row of a history
PATIENCE = 300.0
OURS, PLAIN = "headway train, to its first step", "plain transformers script, to its first step"
ALIKE = "headway train model.pooling=pooler, to its first step"  # as the script pools; the demo averages over tokens
GOALS = {"headway --help": 0.15, "headway train --cfg job": 0.7}  # CPU seconds
RATIO_GOAL = 0.8  # of the plain script's
Way = Callable[[Path], float]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", nargs="*", metavar="NAME", help=f"of {', '.join(WAYS)}")
    options.add_argument("--write", type=Path, metavar="FOLDER", help="where startup.json and startup.md go")
    given = options.parse_args()
    names = [name for name in WAYS if not given.only or name in given.only]
    costs: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HEADWAY_CACHE": f"{folder}/cache", "HF_HUB_OFFLINE": "1"}
        for turn in range(given.rounds + 1):
            for name in random.Random(turn).sample(names, len(names)):
                cpu = WAYS[name](Path(folder))
                say(f"round {turn} of {given.rounds}: {name}: {cpu:.2f} CPU-s{'' if turn else ' (not counted)'}")
                costs[name] += [cpu] if turn else []
    result = {"machine": machine(), "ways": summary(costs)}
    report("startup", result, page(result), given.write)


def whole(*command: str) -> Way:
    """CPU seconds of a command from its start to its end."""

    def measure(folder: Path) -> float:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        return usage.ru_utime + usage.ru_stime

    return measure


def first_line(*options: str, **variables: str) -> Way:
    """CPU seconds of the plain script from its start to the line that it prints; variables: of its environment."""
    command = (sys.executable, SCRIPT, *options)

    def measure(folder: Path) -> float:
        own: dict[str, Any] = {
            "cwd": folder,
            "env": os.environ | variables,
            "stderr": subprocess.DEVNULL,
            "start_new_session": True,
        }
        with subprocess.Popen(command, stdout=subprocess.PIPE, **own) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            return spent_and_ended(psutil.Process(process.pid), line == b"first step\n")

    return measure


def first_row(*overrides: str) -> Way:
    """CPU seconds of `headway train`, from its start to the first row of its history."""

    def measure(folder: Path) -> float:
        runs = Path(tempfile.mkdtemp(dir=folder))
        command = [*HEADWAY, "train", f"runs_dir={runs}", *overrides]
        null = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=folder, stdout=null, stderr=null, start_new_session=True) as process:
            until = time.monotonic() + PATIENCE
            while not (done := any(path.stat().st_size for path in runs.glob("*/*/history.jsonl"))):
                if process.poll() is not None or time.monotonic() > until:
                    break
                time.sleep(LOOK)
            return spent_and_ended(psutil.Process(process.pid), done)

    return measure


def spent_and_ended(process: psutil.Process, done: bool) -> float:
    """CPU seconds so far of a process and of all under it, which are then killed."""
    family = [process, *process.children(recursive=True)]
    cpu = sum(sum(one.cpu_times()[:4]) for one in family)  # own and, of those that have ended, the children's
    for one in family:
        one.send_signal(signal.SIGKILL)
    assert done, "ended before its first step"
    return float(cpu)


WAYS: dict[str, Way] = {
    "headway --help": whole(*HEADWAY, "--help"),
    "headway train --cfg job": whole(*HEADWAY, "train", "--cfg", "job"),
    "import torch, tokenizers, safetensors": whole(sys.executable, "-c", "import torch, tokenizers, safetensors"),
    "import torch, pytorch_lightning": whole(sys.executable, "-c", "import torch, pytorch_lightning"),
    OURS: first_row(),
    ALIKE: first_row("model.pooling=pooler"),
    PLAIN: first_line(),
    "the same, its threads asleep while they wait, as ours": first_line(OMP_WAIT_POLICY="PASSIVE"),
    "the same, asleep, and only the first batch tokenised": first_line("--first-batch", OMP_WAIT_POLICY="PASSIVE"),
    "HuggingFace Trainer, to its first step": first_line("--trainer"),
}


def summary(costs: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Of each way its CPU seconds, and how much of them ours takes, of the same round."""
    found = []
    for name, own in costs.items():
        row: dict[str, Any] = {"way": name, "rounds": own, "cpu_s": spread(own), "goal_cpu_s": GOALS.get(name)}
        for key, ours in (("ours", OURS), ("alike", ALIKE)):
            if ours in costs and name not in (OURS, ALIKE, *GOALS):
                row[key] = spread([our / one for our, one in zip(costs[ours], own, strict=True)])
                row["goal_ours"] = RATIO_GOAL if name == PLAIN else None
        found.append(row)
    return found


def page(result: dict[str, Any]) -> str:
    about = result["machine"]
    rows: list[Sequence[Any]] = []
    for row in result["ways"]:
        rows.append([row["way"], *map(shown, (row["cpu_s"], row.get("ours"), row.get("alike"))), goal(row)])
    return (
        f"Measured {about['date']} on {about['cores']} cores of {about['cpu']}, torch {about['torch']}, transformers "
        f"{about['transformers']}; CPU seconds of all processes, medians (least to greatest).\n\n"
        + table(["way", "CPU-s", "headway train, as a share", "with model.pooling=pooler, as a share", "goal"], rows)
        + "\n"
    )


def goal(row: dict[str, Any]) -> str | None:
    if row["goal_cpu_s"]:
        return f"{row['goal_cpu_s']} CPU-s"
    return f"share of {row['goal_ours']}" if row.get("goal_ours") else None


if __name__ == "__main__":
    main()
