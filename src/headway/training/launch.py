"""From a composed config to a supervised run, and from a run folder to its continuation. Imports nothing heavy."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from headway.config.freeze import config_hash, freeze, thaw
from headway.errors import RunError
from headway.store import layout
from headway.store.run import Run
from headway.store.writer import create_run
from headway.training.display import Display
from headway.training.supervisor import Outcome, supervise


@dataclass(frozen=True)
class Finished:
    """One supervised run and how it ended."""

    run: Run
    outcome: Outcome


def prepare_run(config: DictConfig, overrides: Sequence[str]) -> Path:
    """Freeze a checked config into a new run folder, for `launch` or for workers started by somebody else.

    Raises: RunError if the folder cannot be made, before anything heavy is loaded.
    """
    text = freeze(config)
    return create_run(
        Path(config.runs_dir).expanduser(),
        project=config.project,
        name=config.name,
        tags=list(config.tags),
        notes=config.notes,
        config_yaml=text,
        config_hash=config_hash(text),
        overrides=list(overrides),
        command=sys.argv,
        seed=config.seed,
    )


def launch(config: DictConfig, overrides: Sequence[str], display: Display) -> Finished:
    """Make a run folder and train it to its end."""
    run_dir = prepare_run(config, overrides)
    display.note(f"  run: {run_dir}")
    # what trains is what was written: the supervisor reads the frozen file as every worker does
    return _supervised(run_dir, thaw(run_dir / layout.CONFIG), display)


def resume(run: Run, display: Display) -> Finished:
    """Continue a run from its newest valid checkpoint, or from the start if it never had one.

    Raises: RunError for a finished run and for a config.yaml that is not the one the run was started with.
    """
    if run.status == "finished":
        raise RunError(f"run {run.id} is finished; to train longer start a new run with another trainer.max_epochs")
    config = recorded_config(run)
    display.note(f"  run: {run.path}")
    return _supervised(run.path, config, display)


def recorded_config(run: Run) -> DictConfig:
    """The frozen config of a run. Raises: RunError where it is not the one that the run was started with."""
    text = run.config_text
    if config_hash(text) != run.meta.get("config_hash"):
        raise RunError(
            f"{run.path / layout.CONFIG}: was changed after the run began; restore it, or start a new run from it"
        )
    return thaw(text)


def replay(
    run: Run, runs_dir: Path, display: Display, *, code: Path | None, environment: Mapping[str, str], until: int | None
) -> Finished:
    """Train the config of `run` again from its start, as a new run with it as parent.

    code, environment: the folder whose repository is recorded, and variables by which workers import its code.
    until: the step up to which there is something to compare; None: to the end.
    """
    config = recorded_config(run)
    run_dir = create_run(
        runs_dir,
        project=run.project,
        name=run.name and f"{run.name} (reproduction)",  # the name alone goes on to mean the original
        tags=list(dict.fromkeys([*run.tags, layout.REPRODUCTION])),
        notes=None,
        config_yaml=run.config_text,
        config_hash=run.meta["config_hash"],
        overrides=run.overrides,
        command=sys.argv,
        seed=config.seed,
        parent=run.id,
        code=code,
    )
    display.note(f"  run: {run_dir}")
    return _supervised(run_dir, config, display, environment, until)


def _supervised(
    run_dir: Path,
    config: DictConfig,
    display: Display,
    environment: Mapping[str, str] | None = None,
    until: int | None = None,
) -> Finished:
    groups = {
        key: cast(dict[str, Any], OmegaConf.to_container(config[key], resolve=True)) for key in ("trainer", "tracker")
    }
    try:
        outcome = supervise(run_dir, groups, display, environment, until)
    finally:
        display.close()
    return Finished(Run.open(run_dir), outcome)
