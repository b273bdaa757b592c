"""Runs side by side: what differs in their configs, packages, code and data, and what came of it.

Everything is a list with one entry for each run, in the order asked for; None where a run has no such thing.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headway.errors import RunError
from headway.store import layout
from headway.store.provenance import packages
from headway.store.run import Run, flatten
from headway.web.run_facts import evaluation_steps, read_evaluation

MOST_LINES = 20_000  # of one file's changes; difflib's time grows faster than its input
_COSTS = {"tokens_per_s": "perf/tokens_per_s", "examples_per_s": "perf/examples_per_s"}


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """All that the comparison page shows of `runs`, but predictions."""
    summaries = [run.summary() for run in runs]
    patches = [_text(run, layout.PATCH) for run in runs]
    return {
        "runs": [_head(run) for run in runs],
        "config": differences("key", [dict(flatten(run.config)) for run in runs]),
        "environment": differences("package", [packages(_text(run, layout.ENVIRONMENT)) for run in runs]),
        "code": [
            {
                "commit": (run.meta.get("git") or {}).get("commit"),
                "dirty": (run.meta.get("git") or {}).get("dirty"),
                "patch_bytes": len(patch.encode()),
            }
            for run, patch in zip(runs, patches, strict=True)
        ],
        "patch_diff": patch_diff(patches[0], patches[1], runs[0].id, runs[1].id),
        "data": _data(runs),
        "metrics": _metrics(runs, summaries),
        "cost": [_cost(run, summary) for run, summary in zip(runs, summaries, strict=True)],
        "evaluations": _evaluations(runs),
    }


def differences(name: str, sides: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """[{name: key, values, differs}] over all keys, in the order of their first appearance."""
    found = []
    for key in dict.fromkeys(key for side in sides for key in side):
        values = [side.get(key) for side in sides]
        missing = any(key not in side for side in sides)
        found.append({name: key, "values": values, "differs": missing or any(each != values[0] for each in values)})
    return found


def patch_diff(first: str, second: str, first_name: str, second_name: str) -> str | None:
    """Unified diff of two patches, file by file; None where they are equal."""
    if first == second:
        return None
    ours, theirs = _by_file(first), _by_file(second)
    parts: list[str] = []
    for name in dict.fromkeys([*ours, *theirs]):
        a, b = ours.get(name, []), theirs.get(name, [])
        if a == b:
            continue
        shown = name or "code.patch"
        if len(a) + len(b) > MOST_LINES:
            parts.append(f"# {shown}: changed differently; too long to compare here\n")
            continue
        lines = difflib.unified_diff(a, b, f"{first_name}/{shown}", f"{second_name}/{shown}", lineterm="")
        parts.extend(f"{line}\n" for line in lines)
    return "".join(parts)


def _by_file(patch: str) -> dict[str, list[str]]:
    """Lines of a git patch by the file they change; under "" what comes before the first."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in patch.splitlines():
        if match := re.fullmatch(r"diff --git a/(.*) b/\1", line):
            name = match[1]
        found.setdefault(name, []).append(line)
    return found


def _head(run: Run) -> dict[str, Any]:
    kept = {key: run.meta.get(key) for key in ("seed", "created_at", "tags", "notes", "cause")}
    return {"id": run.id, "name": run.name, "project": run.project, "status": run.status} | kept


def _data(runs: Iterable[Run]) -> list[dict[str, Any]]:
    given = [run.meta.get("data") or {} for run in runs]
    return [
        {
            "fingerprint": data.get("fingerprint"),
            "splits": {name: split.get("rows") for name, split in (data.get("splits") or {}).items()},
            "tokens": data.get("tokens") or {},
            "same": data.get("fingerprint") == given[0].get("fingerprint"),
        }
        for data in given
    ]


def _metrics(runs: Sequence[Run], summaries: Sequence[Mapping[str, Mapping[str, float]]]) -> list[dict[str, Any]]:
    found = []
    for key in dict.fromkeys(key for summary in summaries for key in summary):
        mode = next(run for run, summary in zip(runs, summaries, strict=True) if key in summary).mode(key)
        entries = [summary.get(key, {}) for summary in summaries]
        values = {"values": [entry.get(mode) for entry in entries], "last": [entry.get("last") for entry in entries]}
        found.append({"key": key, "mode": mode} | values)
    return found


def _cost(run: Run, summary: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    model, hardware = run.meta.get("model") or {}, run.meta.get("hardware") or {}
    steps = max((int(entry["last_step"]) for entry in summary.values() if "last_step" in entry), default=None)
    speeds = {name: summary.get(metric, {}).get("last") for name, metric in _COSTS.items()}
    sizes = {"parameters": model.get("parameters"), "trained": model.get("trained")}
    machine = {"attempts": len(run.meta["attempts"]), "host": run.meta.get("host"), "cpus": hardware.get("cpus")}
    measured = {name: value for name, value in (run.meta.get("cost") or {}).items() if value is not None}
    return {"seconds": run.seconds, "steps": steps} | speeds | sizes | machine | measured


def _evaluations(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """split -> for each run the details (a confusion matrix) of its latest evaluation."""
    splits = dict.fromkeys(split for run in runs for split, _ in evaluation_steps(run.path))
    return {split: [_latest(run, split) for run in runs] for split in splits}


def _latest(run: Run, split: str) -> Any:
    try:
        return read_evaluation(run, split, None)["details"]
    except RunError:  # none of this split; what the others have is worth showing
        return None


def _text(run: Run, name: str) -> str:
    try:
        return (run.path / name).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
