"""From what a user types to a run: an id, its start or end, a name, `last`, `best:METRIC` or a path."""

import difflib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from headway.errors import RunError
from headway.store import layout
from headway.store.run import Run

log = logging.getLogger(__name__)


def runs_root(explicit: Path | str | None = None) -> Path:
    """The folder of all runs: what was asked, else HEADWAY_RUNS, else `runs`."""
    return Path(explicit or os.environ.get("HEADWAY_RUNS") or "runs")


def list_runs(root: Path, project: str | None = None) -> list[Run]:
    """Every run under `root` (of `project`, as a user spells it), newest first; one that cannot be read is logged."""
    runs = []
    for file in root.glob(f"*/*/{layout.RUN}"):
        try:
            run = Run.open(file.parent)
        except RunError as error:
            log.warning("%s", error)
            continue
        if project is None or run.project == project:
            runs.append(run)
    return sorted(runs, key=lambda run: run.id, reverse=True)


def find_run(ref: str, root: Path) -> Run:
    """The one run that `ref` means. Raises RunError listing the candidates, or what comes near.

    In this order: `last`, `best:METRIC`, a path to a run folder, an id, a name, the start or the last part of an id.
    """
    if _is_run_folder(ref):
        return Run.open(ref)
    runs = list_runs(root)
    if not runs:
        raise RunError(
            f"run {ref!r}: {root} holds no runs; start one with `headway train` or set HEADWAY_RUNS to their folder"
        )
    if ref == "last":
        return runs[0]
    if ref.startswith("best:"):
        return _best(ref.removeprefix("best:"), runs)
    for matches in (
        [run for run in runs if run.id == ref],
        [run for run in runs if run.name == ref],
        [run for run in runs if ref and (run.id.startswith(ref) or run.id.rpartition("-")[2].startswith(ref))],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise RunError(f"run {ref!r} could be any of {len(matches)}: {_listed(matches)}; give more of the id")
    known = [text for run in runs for text in (run.id, run.name) if text]
    near = difflib.get_close_matches(ref[:100], [text[:100] for text in known], n=1)  # its time grows with the square
    hint = f"did you mean {near[0]!r}?" if near else f"the newest are {_listed(runs)}"
    raise RunError(f"run {ref[:100]!r}: not found in {root}; {hint}")


def _is_run_folder(ref: str) -> bool:
    try:
        return ("/" in ref or ref in (".", "..")) and (Path(ref) / layout.RUN).is_file()
    except (OSError, ValueError):  # too long, or with a NUL: a name, perhaps
        return False


def _best(metric: str, runs: Sequence[Run]) -> Run:
    """The run with the best finite value; the newer of equals."""
    scored = [(value, run) for run in runs if (value := run.best(metric)) is not None]
    if not scored:
        known = sorted({name for run in runs for name in run.summary()})
        near = difflib.get_close_matches(metric, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known[:12]) or 'none'}"
        raise RunError(f"best:{metric}: no run has a finite value of this metric; {hint}")
    pick = min if scored[0][1].mode(metric) == "min" else max
    return pick(scored, key=lambda pair: pair[0])[1]


def _listed(runs: Sequence[Run]) -> str:
    shown = [run.id + (f" ({run.name[:40]})" if run.name else "") for run in runs[:5]]
    return ", ".join(shown) + (", ..." if len(runs) > 5 else "")
