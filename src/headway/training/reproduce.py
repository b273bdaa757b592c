"""A recorded run, done again as a new run beside it, and what the two have in common; the first is only read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from headway.compare.replay import Change, Compared, Facts, Verdict, changes, differing_columns, plain, series, verdict
from headway.config.targets import target_problem
from headway.errors import CheckpointError, ConfigError, DataError, RunError
from headway.formats import safe
from headway.store import atomic, layout, provenance
from headway.store.predictions import prediction_files, read_predictions
from headway.store.run import Run, flatten
from headway.store.values import storable
from headway.training import fingerprint, launch
from headway.training.display import Display
from headway.training.recorded_code import Code, code_of, digest, recorded_patch
from headway.training.supervisor import Outcome, device_count

FILE = Path(layout.ARTIFACTS) / "reproduction.json"  # of the new run: what was found
FROZEN = Path(layout.ARTIFACTS) / "model" / "frozen.ckpt"  # as training.frozen writes it, which imports torch


@dataclass(frozen=True)
class Inspection:
    """What is known before anything is trained. until: the last step that was recorded of a run that did not finish."""

    run: Run
    changes: list[Change]
    code: Code
    packages: int  # how many were recorded
    data: str  # fingerprint, now
    until: int | None


@dataclass(frozen=True)
class Reproduction:
    """run, outcome: the new run and how it ended. verdict: None where it ended too early to give one.

    resumable: whether `headway resume` would run the same code.
    """

    run: Run
    outcome: Outcome
    verdict: Verdict | None
    resumable: bool


def reproduce(
    run: Run,
    runs_dir: Path,
    display: Display,
    show: Callable[[Inspection], None],
    *,
    code: str = "auto",
    anyway: bool = False,
    train: bool = True,
) -> Reproduction | None:
    """Compare what `run` was made of with what is here, `show` it, and train again; None with train=False.

    code: see `recorded_code`. anyway: also where the data is not what it was.
    Raises: RunError for a run that recorded nothing, still runs or whose config was changed; ConfigError for a config
        that may not run here; DataError for other data.
    """
    config = launch.recorded_config(run)
    last = run.history().last_step
    if run.status == "running":
        raise RunError(f"run {run.id} is still running; reproduce it when it has ended")
    if last is None:
        raise RunError(f"run {run.id} ({run.status}) recorded no step, so there is nothing to be the same as")
    if problems := refused_targets(run):
        raise ConfigError(problems)
    with code_of(run, code) as source:
        data = present_data(run, source)
        now = present_facts(run, config, source, data)
        then = recorded_facts(run)
        until = None if run.status == "finished" else last
        found = Inspection(run, changes(then, now), source, len(then.packages), data, until)
        show(found)
        if then.data not in (None, data) and not anyway:
            raise DataError(
                f"the data has changed since run {run.id} (fingerprint {safe(then.data, 12)} then, {data[:12]} now); "
                "bring it back, or add --anyway to train on what is there"
            )
        if not train:
            return None
        finished = launch.replay(
            run, runs_dir, display, code=source.folder, environment=source.environment, until=until
        )
    new, outcome = finished.run, finished.outcome
    reached = outcome.status == "stopped" and until is not None and (new.history().last_step or 0) >= until
    if not (reached or outcome.status in ("finished", "diverged")):
        return Reproduction(new, outcome, None, source.folder is None)
    judged = compare_runs(run, new)
    atomic.write_json(new.path / FILE, storable({"original": run.id, "code": source.line, **plain(judged)}))
    return Reproduction(new, outcome, judged, source.folder is None)


def compare_runs(original: Run, replayed: Run) -> Verdict:
    """What two recorded runs have in common. Raises: RunError where the first recorded nothing to compare."""
    compared, notes = _predictions(original, replayed)
    weights, more = _weights(original, replayed)
    differing = changes(recorded_facts(original), recorded_facts(replayed))
    try:
        return verdict(
            series(original.rows()), series(replayed.rows()), [*compared, *weights], differing, [*notes, *more]
        )
    except ValueError as error:
        raise RunError(f"run {original.id}: {error}") from error


# --- what a run was made of --------------------------------------------------------------------------------------


def recorded_facts(run: Run) -> Facts:
    hardware, git = run.meta.get("hardware") or {}, run.meta.get("git") or {}
    config = dict(flatten(run.config))
    return Facts(
        packages=provenance.packages(run.text(layout.ENVIRONMENT)),
        machine=_machine(hardware, config, len(run.meta.get("ranks") or [None])),
        config=_same_everywhere(config),
        commit=git.get("commit"),
        patch=digest(recorded_patch(run)),
        data=(run.meta.get("data") or {}).get("fingerprint"),
    )


def present_facts(run: Run, config: DictConfig, source: Code, data: str) -> Facts:
    """Of a replay of `run` that would start now."""
    written = dict(flatten(run.config))
    trainer = cast(dict[str, Any], OmegaConf.to_container(config.trainer, resolve=True))
    git, patch = provenance.git_state(source.folder or Path.cwd())
    return Facts(
        packages=provenance.packages(provenance.environment()),
        machine=_machine(provenance.hardware(), written, device_count(trainer)),
        config=_same_everywhere(written),
        commit=git.get("commit"),
        patch=digest(patch),
        data=data,
    )


def _machine(hardware: dict[str, Any], config: dict[str, Any], processes: int) -> dict[str, str]:
    """threads: what a worker takes where the config does not say."""
    known: dict[str, Any] = {
        key: hardware[key] for key in ("processor", "gpus", "cpus", "memory_gb", "os") if key in hardware
    }
    if config.get("trainer.threads") is None and "cores" in hardware:
        known["threads"] = max(1, hardware["cores"] // processes)
    known["processes"] = processes
    return {key: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in known.items()}


def _same_everywhere(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("name", "tags", "notes", "runs_dir", "project")}


def refused_targets(run: Run) -> list[str]:
    """What the config names that may not run here; an interpolated name is judged by the worker, resolved."""
    named = [(key, value) for key, value in flatten(run.config) if key.endswith("_target_") and value is not None]
    return [
        f"{run.path / layout.CONFIG}: {key}: {problem}"
        for key, value in named
        if "${" not in str(value) and (problem := target_problem(value))
    ]


def present_data(run: Run, source: Code) -> str:
    """Fingerprint of the data that the config of `run` names now, prepared by the code that will train on it.

    Raises: ConfigError with every fault of data and model.
    """
    command = [sys.executable, "-P", fingerprint.__file__, str(run.path / layout.CONFIG)]
    result = subprocess.run(
        command, env=os.environ | source.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    said = result.stdout.decode("utf-8", "replace").strip().splitlines()
    if result.returncode or not said:
        cause = result.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RunError(f"the data of run {run.id} cannot be prepared: {cause[-1] if cause else 'ended without a word'}")
    answer = json.loads(said[-1])
    if "problems" in answer:
        raise ConfigError(answer["problems"])
    return str(answer["fingerprint"])


# --- what two runs recorded beside metrics -----------------------------------------------------------------------


def _predictions(original: Run, replayed: Run) -> tuple[list[Compared], list[str]]:
    compared, notes = [], []
    for split, step in sorted(prediction_files(original.path).keys() & prediction_files(replayed.path).keys()):
        try:
            ours, theirs = (read_predictions(run, split, step).to_pydict() for run in (original, replayed))
        except RunError as error:
            notes.append(str(error))
            continue
        compared.append(Compared(f"predictions/{split}", step, differing_columns(ours, theirs)))
    return compared, notes


def _weights(original: Run, replayed: Run) -> tuple[list[Compared], list[str]]:
    """Of every checkpoint that both have, and of the frozen weights beside them (step 0).

    Equal sums are equal files; where they differ the tensors decide: a file also says how a run came to its step.
    """
    compared, notes = [], []
    pairs = [("frozen weights", 0, original.path / FROZEN, replayed.path / FROZEN)]
    for path in original.checkpoints():
        number = path.stem.removeprefix("step-")
        if number.isdecimal():
            pairs.append(("weights", int(number), path, replayed.path / layout.CHECKPOINTS / path.name))
    for name, step, ours, theirs in pairs:
        if not (ours.exists() and theirs.exists()):
            continue
        try:
            differing = {} if _sum(ours) == _sum(theirs) else differing_tensors(ours, theirs)
        except CheckpointError as error:
            notes.append(str(error))
            continue
        compared.append(Compared(name, step, differing))
    if not any(one.name == "weights" for one in compared):
        notes.append("the runs have no checkpoint of the same step: weights were not compared")
    return compared, notes


def _sum(path: Path) -> str:
    """sha256 of a checkpoint by its manifest. Raises: CheckpointError."""
    try:
        return str(json.loads(path.with_suffix(".json").read_bytes())["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: its manifest is missing or torn: not compared") from error


def differing_tensors(ours: Path, theirs: Path) -> dict[str, str]:
    """Name -> how it differs, of the weights in two checkpoints; bits are compared. Raises: CheckpointError."""
    import torch

    from headway.training import checkpoint

    first, second = checkpoint.load(ours)["model"], checkpoint.load(theirs)["model"]
    found = {}
    for name in [*first, *(name for name in second if name not in first)]:
        if name not in first or name not in second:
            found[name] = "only in one of them"
        elif first[name].shape != second[name].shape or first[name].dtype != second[name].dtype:
            found[name] = "of another shape or type"
        else:
            one, other = (tensors[name].contiguous().reshape(-1) for tensors in (first, second))
            if not torch.equal(one.view(torch.uint8), other.view(torch.uint8)):
                found[name] = f"by up to {(one.double() - other.double()).abs().max().item():.3g}"
    return found
