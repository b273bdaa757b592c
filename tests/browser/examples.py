"""The runs that the browser tests look at, of every kind of task, small and always the same."""

import json
import math
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headway.store.history import HistoryWriter, Summary
from headway.store.layout import evaluation_file, predictions_file
from headway.store.predictions import write_predictions
from headway.store.run import Run
from headway.store.writer import RunRecord, create_run

LABELS = ["negative", "neutral", "positive"]
RATES = (1e-4, 3e-4, 1e-3)
SEEDS = range(4)
STEPS = 60
SPIKE_AT, LONG = 12_345, 20_000
EVIL = '<script>window.stolen=1</script><img src=x onerror="window.stolen=2">'
RUNNING = """
import sys
from pathlib import Path
from headway.store.history import HistoryWriter
from headway.store.writer import RunRecord
run = Path(sys.argv[1])
RunRecord(run).set_status("running")
with HistoryWriter(run / "history.jsonl") as history:
    history.log(1, {"train/loss": 0.7})
    print("running", flush=True)
    sys.stdin.read()
"""


class Lab:
    """A folder of runs; `names` has the ids by the run's name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: dict[str, str] = {}

    def run(
        self,
        name: str,
        rows: Sequence[tuple[int, Mapping[str, float]]] = (),
        predictions: Mapping[str, Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
        status: str = "finished",
        **changes: Any,
    ) -> Path:
        """A run of project "lab"; predictions and details are those of "test" at its last step."""
        seed = changes.get("seed", 0)
        known = {"seed": seed, **(config or {"optimizer": {"lr": 1e-3}})}
        fields: dict[str, Any] = {
            "project": "lab", "name": name, "tags": [], "notes": None, "seed": seed,
            "config_yaml": json.dumps(known), "config_hash": "0" * 16, "overrides": [f"seed={seed}"],
            "command": ["headway", "train", f"seed={seed}"],
        }  # fmt: skip
        path = create_run(self.root, **(fields | changes))
        with HistoryWriter(path / "history.jsonl") as history:
            for step, values in rows:
                history.log(step, values, epoch=step / STEPS)
        Summary.rebuild(path).write()
        last = max((step for step, _ in rows), default=0)
        if predictions is not None:
            write_predictions(path / predictions_file("test", last), predictions)
        if details is not None:
            found = {"split": "test", "step": last, "metrics": {"accuracy": 0.75}, "details": details}
            evaluation_file_path = path / evaluation_file("test", last)
            evaluation_file_path.parent.mkdir(exist_ok=True)
            evaluation_file_path.write_text(json.dumps(found))
        record = RunRecord(path)
        record.update(
            monitor={"metric": "val/accuracy", "mode": "max"}, plan={"steps": last or 100},
            data={"fingerprint": "9f" * 32, "labels": LABELS, "splits": {"train": {"rows": 900}}},
            model={"parameters": 22_713_216, "trained": 22_713_216},
        )  # fmt: skip
        record.set_status("running")
        if status != "running":
            record.set_status(status)
        self.names[name] = Run.open(path).id
        return path

    def fill(self) -> None:
        for rate in RATES:
            for seed in SEEDS:
                self.sweep_run(rate, seed)
        self.run("long", [(step, {"train/loss": 50.0 if step == SPIKE_AT else 1.0}) for step in range(1, LONG + 1)])
        tagged, answered, translated = tagging(), question_answering(), generation()
        self.run("tagger", curve(0.2), tagged, tags=["ner"])
        self.run("reader", curve(0.3), answered)
        self.run("translator", curve(0.4), translated)
        self.hostile()

    def sweep_run(self, rate: float, seed: int) -> None:
        quality = 0.9 - abs(math.log10(rate) + 3.4) / 4 - seed / 100
        found, details = classification(quality, seed)
        path = self.run(
            f"sweep-{rate:g}-{seed}", curve(quality, seed), found, details=details, seed=seed, tags=["sweep"],
            config={"optimizer": {"lr": rate}, "batch": {"size": 16}, "model": {"path": "tiny"}},
            overrides=[f"optimizer.lr={rate:g}", f"seed={seed}"],
        )  # fmt: skip
        (path / "output.log").write_text("".join(f"step {step} loss {1 / step:.4f}\n" for step in range(1, 200)))

    def hostile(self) -> None:
        """Scripts wherever a run can hold text, and files that would run them if they were shown."""
        found = {
            "id": ["e1", "e2"], "text": [EVIL, "=1+1"], "gold": ["positive", EVIL], "prediction": [EVIL, "negative"],
            "confidence": [0.9, 0.8], "loss": [0.1, 0.2], "scores": [[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]],
        }  # fmt: skip
        matrix = {"confusion": {"labels": [EVIL, "positive"], "counts": [[1, 0], [0, 1]]}}
        path = self.run(
            f"=hostile {EVIL}", [(step, {EVIL: 1.0 / step, "val/accuracy": 0.5}) for step in range(1, 9)], found,
            details=matrix, tags=[EVIL], notes=EVIL, config={"optimizer": {"lr": 1e-3, "name": EVIL}},
        )  # fmt: skip
        (path / "artifacts").mkdir(exist_ok=True)
        script = "<script>window.stolen=3;opener&&(opener.stolen=4)</script>"
        (path / "artifacts" / "page.html").write_text(f"<!doctype html>{script}")
        (path / "artifacts" / "figure.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{script}</svg>')
        (path / "output.log").write_text(f"{EVIL}\n\x1b[31mred\x1b[0m\n")
        self.names["hostile"] = path.name


def start_run(path: Path) -> "subprocess.Popen[str]":
    """A process that runs `path` (a run folder) until it is killed or its standard input ends."""
    command = [sys.executable, "-c", RUNNING, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


def curve(quality: float, seed: int = 0) -> list[tuple[int, dict[str, float]]]:
    draw = random.Random(seed)
    rows: list[tuple[int, dict[str, float]]] = []
    for step in range(1, STEPS + 1):
        loss = 1.1 - quality * (1 - math.exp(-step / 15)) + draw.uniform(-0.02, 0.02)
        rows.append((step, {"train/loss": loss, "train/lr": 1e-3 * (1 - step / STEPS), "train/tokens": 512.0 * step}))
        if step % 20 == 0:
            rows.append((step, {"val/accuracy": quality * step / STEPS, "val/loss": loss + 0.1}))
    return rows


def classification(quality: float, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """60 examples, of which a share of `quality` is right; and their confusion matrix."""
    draw = random.Random(seed)
    gold = [LABELS[n % 3] for n in range(60)]
    guessed = [label if draw.random() < quality else draw.choice(LABELS) for label in gold]
    confidence = [round(draw.uniform(0.4, 0.99), 3) for _ in gold]
    scored = zip(confidence, guessed, strict=True)
    found = {
        "id": [f"example-{n:02d}" for n in range(60)], "text": [f"review number {n}: quite a film" for n in range(60)],
        "gold": gold, "prediction": guessed, "confidence": confidence, "loss": [-math.log(c) for c in confidence],
        "scores": [[c if label == p else (1 - c) / 2 for label in LABELS] for c, p in scored],
    }  # fmt: skip
    pairs = list(zip(gold, guessed, strict=True))
    matrix = [[pairs.count((row, column)) for column in LABELS] for row in LABELS]
    return found, {"confusion": {"labels": LABELS, "counts": matrix}}


def tagging() -> dict[str, Any]:
    return {
        "id": ["t1", "t2"],
        "tokens": [["Ada", "Lovelace", "lived", "in", "London"], ["Nothing", "here"]],
        "gold": [["B-person", "I-person", "O", "O", "B-location"], ["O", "O"]],
        "prediction": [["B-person", "I-person", "O", "O", "O"], ["O", "O"]],
        "confidence": [[0.9, 0.8, 0.99, 0.99, 0.6], [0.9, 0.9]],
        "loss": [0.7, 0.1],
    }


def question_answering() -> dict[str, Any]:
    context = "The first woman to win a Nobel Prize was Marie Curie, in 1903."
    return {
        "id": ["q1", "q2"],
        "question": ["Who won it?", "When?"],
        "context": [context, context],
        "gold": [["Marie Curie"], ["1903", "in 1903"]],
        "prediction": ["Marie Curie", ""],
        "confidence": [0.9, 0.6],
        "answer": [context.index("Marie"), -1],
        "margin": [2.0, -1.0],
        "loss": [0.2, 3.0],
    }


def generation() -> dict[str, Any]:
    return {
        "id": ["g1", "g2"],
        "text": ["Ein Mann mit Hut.", "Zwei Hunde spielen."],
        "gold": ["A man with a hat.", "Two dogs play."],
        "prediction": ["A man in a hat.", "Two dogs play."],
        "loss": [1.2, 0.3],
        "tokens": [6, 4],
    }
