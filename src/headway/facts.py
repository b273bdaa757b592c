"""What is known of runs as plain JSON values: the `--json` of `headway runs` and `show`, and what their tables show."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headway.store import layout
from headway.store.find import runs_root
from headway.store.run import Run
from headway.store.values import number

RESUMABLE = ("failed", "crashed", "preempted", "stopped")
_KEPT = ("name", "project", "tags", "notes", "seed", "cause", "exit_code", "created_at", "started_at", "ended_at")


def runs_json(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One object per run, in the given order; non-finite numbers are text."""
    return [_facts(run) for run in runs]


def show_json(run: Run) -> dict[str, Any]:
    """Everything recorded of a run, with what `runs_json` says of it."""
    more = {
        "summary": run.summary(),
        "checkpoints": checkpoints(run),
        "files": files(run),
        "mirrors": run.mirrors(),
        "commands": dict(next_commands(run)),
    }
    found: dict[str, Any] = _plain({**run.meta, **_facts(run), **more})
    return found


def _facts(run: Run) -> dict[str, Any]:
    summary = run.summary()
    metric, mode = run.monitor() or (None, None)
    entry = summary.get(metric, {}) if metric else {}
    plan = run.meta.get("plan")
    facts = {
        "id": run.id,
        "path": run.path,
        "status": run.status,
        **{key: run.meta.get(key) for key in _KEPT},
        "seconds": run.seconds,
        "step": max((int(item["last_step"]) for item in summary.values() if "last_step" in item), default=None),
        "steps": plan.get("steps") if isinstance(plan, dict) else None,
        "overrides": run.overrides,
        "monitor": {
            "metric": metric,
            "mode": mode,
            "best": entry.get(f"{mode}"),
            "best_step": entry.get(f"{mode}_step"),
        },
        "metrics": {name: item.get("last") for name, item in summary.items()},
        "cost": run.meta.get("cost") or {},
    }
    plain: dict[str, Any] = _plain(facts)
    return plain


def checkpoints(run: Run) -> list[dict[str, Any]]:
    """Each checkpoint file, its bytes, and which of "best" and "last" it is."""
    pointed = {name: run.checkpoint(name) for name in ("best", "last")}
    return [
        {
            "file": f"{layout.CHECKPOINTS}/{file.name}",
            "bytes": file.stat().st_size,
            "is": [name for name, target in pointed.items() if target == file],
        }
        for file in run.checkpoints()
    ]


def files(run: Run) -> list[dict[str, Any]]:
    """Entries of the run folder with their bytes; a folder's are those of all files in it."""
    found: list[dict[str, Any]] = []
    for entry in sorted(run.path.iterdir()):
        inside = [file for file in entry.rglob("*") if file.is_file()] if entry.is_dir() else [entry]
        count = {"files": len(inside)} if entry.is_dir() else {}
        found.append({"path": entry.name, "bytes": sum(file.lstat().st_size for file in inside)} | count)
    return found


def next_commands(run: Run) -> list[tuple[str, str]]:
    """(what for, command) that make sense for a run in this state."""
    output = shlex.quote(str(run.path / layout.OUTPUT))
    if run.status == "running":
        return [("watch", f"tail -f {output}")]
    commands = [("resume", f"headway resume {run.id}")] if run.status in RESUMABLE else []
    if run.checkpoint("last") or run.checkpoint("best"):
        commands.append(("evaluate", f"headway eval {run.id}"))
        pair = ' --pair "a text that holds the answer"' if (run.meta.get("data") or {}).get("asked_of_a_text") else ""
        commands.append(("predict", f'headway predict {run.id} "some text"{pair}'))
    if run.status in ("failed", "crashed", "diverged"):
        commands.append(("read", f"tail -n 50 {output}"))
    offline = sorted(run.path.glob("wandb/offline-run-*"))
    if offline:
        commands.append(("upload", shlex.join(["wandb", "sync", *map(str, offline)])))
    if run.status not in RESUMABLE:
        commands.append(("repeat", _again(run)))
    return commands


def look_command(run: Run) -> str:
    """What opens the dashboard on the folder of runs that holds this one."""
    root = run.path.parent.parent
    return "headway ui" if root.resolve() == runs_root().resolve() else shlex.join(["headway", "ui", str(root)])


def _again(run: Run) -> str:
    """The same with the next seed."""
    kept = [item for item in run.overrides if not item.startswith(("seed=", "name="))]
    seed = run.meta.get("seed")
    return shlex.join(["headway", "train", *kept, f"seed={seed + 1 if isinstance(seed, int) else 0}"])


def _plain(given: Any) -> Any:
    """A copy that strict JSON can hold."""
    if isinstance(given, float):
        return number("value", given)
    if isinstance(given, dict):
        return {str(key): _plain(item) for key, item in given.items()}
    if isinstance(given, list | tuple):
        return [_plain(item) for item in given]
    return str(given) if isinstance(given, Path) else given
