"""Harness of guarantee 2: kill -9 while a checkpoint is written; no file under a final name may be torn.

Run as a script: python kill_while_saving.py FOLDER KILLS MEGABYTES SEED. It imports torch once and forks a process that
only saves, over and over, for every kill. Prints one JSON object.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from headway.training import checkpoint

KEEP = 2


def state(step: int, megabytes: int) -> dict:
    count = megabytes * 2**20 // 4 // 4
    return {"step": step, "model": {f"layer.{i}": torch.full((count,), float(step + i)) for i in range(4)}}


def save_one(folder: Path, step: int, megabytes: int) -> None:
    path = checkpoint.save(folder, state(step, megabytes))
    checkpoint.point(folder, "last", path)
    checkpoint.prune(folder, KEEP)


def save_forever(folder: Path, step: int, megabytes: int, acknowledge: int) -> None:
    while True:
        step += 1
        save_one(folder, step, megabytes)
        os.write(acknowledge, f"{step}\n".encode())


def faults(folder: Path, acknowledged: int) -> list[str]:
    """What is wrong with what the kill left behind."""
    found = []
    for path in checkpoint.by_step(folder):  # also those without a manifest: the name alone promises a whole file
        try:
            whole = torch.load(path, weights_only=True, mmap=True)
        except Exception as error:
            found.append(f"{path.name} is torn: {error}")
            continue
        step = int(path.stem.removeprefix("step-"))
        if whole["step"] != step or any(not w.eq(step + i).all() for i, w in enumerate(whole["model"].values())):
            found.append(f"{path.name} holds other numbers")
        if path.with_suffix(".json").exists():
            try:
                checkpoint.load(path)
            except Exception as error:
                found.append(str(error))
    last = checkpoint.pointed(folder, "last")
    if last is None or not last.with_suffix(".json").exists():
        found.append(f"last names {last}, which is no checkpoint")
    latest = checkpoint.latest(folder)
    if latest is None or latest[1]["step"] < acknowledged:
        found.append(f"step {acknowledged} was saved, {latest and latest[0].name} is the newest")
    if left := [path.name for path in folder.iterdir() if path.name.startswith(".tmp-")]:
        found.append(f"not swept: {left}")
    return found


def kill_once(folder: Path, megabytes: int, delay: float) -> int:
    """Start saving, kill after `delay` seconds; returns the last step that was acknowledged."""
    latest = checkpoint.latest(folder)
    start = latest[1]["step"] if latest else 0
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            save_forever(folder, start, megabytes, write)
        finally:
            os._exit(99)
    os.close(write)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(read) as pipe:
        steps = [int(line) for line in pipe]
    return steps[-1] if steps else start


def main(folder: Path, kills: int, megabytes: int, seed: int) -> None:
    torch.set_num_threads(1)
    folder.mkdir()
    seconds = []
    for step in range(1, 4):
        started = time.perf_counter()
        save_one(folder, step, megabytes)
        seconds.append(time.perf_counter() - started)
    one_save = min(seconds)  # the first waits for memory and for the disk's cache
    draw = random.Random(seed)
    failures, interrupted, saved = [], 0, 3
    for attempt in range(kills):
        acknowledged = kill_once(folder, megabytes, draw.uniform(0.05, 1.5) * one_save)
        saved = max(saved, acknowledged)
        interrupted += any(path.name.startswith(".tmp-") for path in folder.iterdir())
        failures += [f"kill {attempt}: {fault}" for fault in faults(folder, acknowledged)]
    staging = os.environ.get("TMPDIR")
    left = [path.name for path in Path(staging).iterdir()] if staging else []
    print(json.dumps({"kills": kills, "mid-write": interrupted, "saves": saved, "failures": failures, "strays": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
