"""Weights & Biases, offline by default: `wandb sync RUN_DIR/wandb/offline-run-*` uploads what was kept."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.trackers.base import RunInfo

NAME_LENGTH = 128  # characters that wandb takes for the name of a run or a project
TAG_LENGTH = 64


class WandbMirror:
    """Rows become wandb's history at the same steps; last, min and max of each metric its summary."""

    def __init__(
        self,
        project: str,
        entity: str | None = None,
        mode: str = "offline",
        group: str | None = None,
        job_type: str | None = None,
        log_checkpoints: bool = True,
    ) -> None:
        """`log_checkpoints`: best and last as artifacts at the end, when online. Raises ValueError for another mode."""
        if mode not in ("offline", "online"):
            raise ValueError(f"tracker.mode={mode}: must be offline or online; tracker=none mirrors nothing")
        self.project, self.entity, self.mode, self.group, self.job_type = project, entity, mode, group, job_type
        self.log_checkpoints = log_checkpoints
        self._run: Any = None

    def start(self, run: RunInfo) -> str:
        os.environ["WANDB_SILENT"] = "true"
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        settings = wandb.Settings(
            console="off",
            silent=True,
            symlink=False,
            disable_git=True,  # the run folder has the commit and the patch, redacted
            disable_code=True,
            x_disable_stats=True,  # they would be this process's, not the training's
        )
        self._run = wandb.init(
            project=re.sub(r"[/\\#?%:]", "-", self.project)[:NAME_LENGTH],  # what wandb refuses in a project's name
            entity=self.entity,
            id=run.id,
            name=(run.name or run.id)[:NAME_LENGTH],
            tags=[tag[:TAG_LENGTH] for tag in run.tags if tag],
            notes=run.notes,
            group=self.group,
            job_type=self.job_type,
            config=run.config,
            dir=run.path,
            mode=self.mode,  # type: ignore[arg-type]
            resume="allow",
            settings=settings,
        )
        return str(self._run.url) if self.mode == "online" else str(Path(self._run.dir).parent)

    def log(self, step: int, row: dict[str, float]) -> None:
        values = {key: value for key, value in row.items() if key != "time"}
        self._run.log(values | {"_timestamp": row["time"]}, step=step)

    def summary(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        for name, entry in metrics.items():
            self._run.summary[name] = entry["last"]
            for best in ("min", "max"):
                if best in entry:
                    self._run.summary[f"{name}.{best}"] = entry[best]

    def artifact(self, path: Path, name: str, kind: str) -> None:
        if self.mode != "online" or not self.log_checkpoints:
            return
        import wandb

        artifact = wandb.Artifact(f"{self._run.id}-{name}", type=kind)
        artifact.add_file(str(path), policy="immutable", skip_cache=True)  # no second and third copy on the disk
        self._run.log_artifact(artifact, aliases=[name])

    def finish(self, exit_code: int) -> None:
        self._run.finish(exit_code=exit_code)
        for file in Path(self._run.dir).parent.rglob("*"):
            if file.is_symlink():  # to wandb's own log elsewhere; a run folder is whole when it is copied
                file.unlink()
