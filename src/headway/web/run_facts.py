"""Everything of one run that its page shows, from the run folder."""

import json
import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headway.errors import RunError
from headway.facts import show_json
from headway.store import layout
from headway.store.marks import read_marks
from headway.store.predictions import prediction_files
from headway.store.run import Run, flatten
from headway.web.run_files import open_inside, read_part

TEXTS = {
    "config": layout.CONFIG,
    "patch": layout.PATCH,
    "environment": layout.ENVIRONMENT,
    "overrides": layout.OVERRIDES,
}
TEXT_LIMIT = 2 * 2**20  # bytes of a text shown in a page; the file itself can be downloaded
_EVALUATION = re.compile(r"evaluation-([A-Za-z0-9_-]+)-(\d+)\.json")


def run_json(run: Run) -> dict[str, Any]:
    """`headway show --json` of the run with its flattened config, recorded splits and commands to copy."""
    shown = show_json(run)
    commands = shown["commands"]
    return shown | {
        "archived": run.archived,
        "summary": {name: {**entry, "mode": run.mode(name)} for name, entry in shown["summary"].items()},
        "marks": read_marks(run.path),
        "config": dict(flatten(run.config)),
        "splits": [{"split": split, "steps": steps} for split, steps in prediction_steps(run.path).items()],
        "evaluations": [{"split": split, "step": step} for split, step in evaluation_steps(run.path)],
        "has_system": (run.path / layout.SYSTEM).is_file(),
        "resume": commands.get("resume"),
        "reproduce": reproduce(run),
    }


def reproduce(run: Run) -> str:
    """The command that trains this run again, with its own seed."""
    asked = [item for item in run.overrides if not item.startswith("seed=")]
    return shlex.join(["headway", "train", *asked, f"seed={run.meta.get('seed', 0)}"])


def prediction_steps(folder: Path) -> dict[str, list[int]]:
    """split -> steps with predictions, ascending."""
    found: dict[str, list[int]] = {}
    for split, step in sorted(prediction_files(folder)):
        found.setdefault(split, []).append(step)
    return found


def evaluation_steps(folder: Path) -> list[tuple[str, int]]:
    names = [file.name for file in (folder / layout.ARTIFACTS).glob("evaluation-*.json")]
    return sorted((match[1], int(match[2])) for name in names if (match := _EVALUATION.fullmatch(name)))


def read_evaluation(run: Run, split: str, step: int | None) -> dict[str, Any]:
    """{split, step, metrics, details} at `step` (None: the latest). Raises RunError saying what there is."""
    known = evaluation_steps(run.path)
    steps = [at for name, at in known if name == split and step in (None, at)]
    if not steps:
        listed = ", ".join(f"{name} at step {at}" for name, at in known) or "none"
        raise RunError(f"{run.id}: no evaluation of {split[:80]}; recorded are: {listed}")
    file = run.path / layout.evaluation_file(split, steps[-1])
    try:
        value = json.loads(file.read_bytes())
        return {"split": split, "step": steps[-1], "metrics": value["metrics"], "details": value["details"]}
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise RunError(f"{file}: cannot be read: {error}") from error


def read_text(run: Run, name: str) -> dict[str, Any]:
    """{text, bytes, truncated} of one of TEXTS; what is not UTF-8 is shown as U+FFFD."""
    file = open_inside(run.path, TEXTS[name])
    data, _ = read_part(file, 0, TEXT_LIMIT)
    return {"text": data.decode("utf-8", "replace"), "bytes": file.size, "truncated": len(data) < file.size}


def system_series(run: Run, points: int) -> dict[str, Any]:
    """What RUN/system.jsonl measured, as means over at most `points` parts of equal length.

    x: seconds since the first row. series: name -> values, None where nothing was measured.
    """
    rows = list(_rows(run.path / layout.SYSTEM))
    if not rows:
        return {"x": [], "series": {}, "units": {}}
    first = rows[0]["time"]
    names = list(dict.fromkeys(name for row in rows for name in row if name != "time"))
    each = math.ceil(len(rows) / points)
    parts = [rows[start : start + each] for start in range(0, len(rows), each)]
    return {
        "x": [round(_mean(part, "time") - first, 3) for part in parts],
        "series": {name: [_mean(part, name) for part in parts] for name in names},
        "units": {name: _unit(name) for name in names},
    }


def _rows(file: Path) -> Iterator[dict[str, float]]:
    """Rows with a time, in order; what is torn or no number is left out."""
    try:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(row, dict) and isinstance(row.get("time"), int | float):
                    yield {key: value for key, value in row.items() if type(value) in (int, float)}
    except FileNotFoundError:
        return


def _mean(rows: list[dict[str, float]], name: str) -> Any:
    values = [row[name] for row in rows if name in row]
    return sum(values) / len(values) if values else None


def _unit(name: str) -> str:
    endings = {"_percent": "%", "_bytes": "B", "_c": "°C", "_watts": "W"}
    return next((unit for ending, unit in endings.items() if name.endswith(ending)), "")
