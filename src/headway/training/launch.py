"""From a composed config to a supervised run, and from a run folder to its continuation. Imports nothing heavy."""

import sys
from collections.abc import Sequence
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
    text = (run.path / layout.CONFIG).read_text(encoding="utf-8")
    if config_hash(text) != run.meta["config_hash"]:
        raise RunError(
            f"{run.path / layout.CONFIG}: was changed after the run began; restore it, or start a new run from it"
        )
    display.note(f"  run: {run.path}")
    return _supervised(run.path, thaw(text), display)


def _supervised(run_dir: Path, config: DictConfig, display: Display) -> Finished:
    groups = {
        key: cast(dict[str, Any], OmegaConf.to_container(config[key], resolve=True)) for key in ("trainer", "tracker")
    }
    try:
        outcome = supervise(run_dir, groups, display)
    finally:
        display.close()
    return Finished(Run.open(run_dir), outcome)
