"""The interface of a mirror. Anything with these five methods that `tracker._target_` names is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class RunInfo:
    """What a mirror learns of a run at its start; secrets are redacted and `${oc.env:KEY}` is text."""

    id: str
    name: str | None
    project: str
    tags: tuple[str, ...]
    notes: str | None
    config: dict[str, Any]
    path: Path  # the run folder, to read from; a mirror's own files go into one sub-folder
    resumed: bool  # an earlier attempt of this run has been mirrored


class Mirror(Protocol):
    """Calls come in this order from one thread; each may block or raise, which is recorded and ends the mirror only."""

    def start(self, run: RunInfo) -> str | None:
        """Begin; return where the run is to be seen (a URL or a path)."""

    def log(self, step: int, row: dict[str, float]) -> None:
        """Take metrics of `step` (plus `time` in unix seconds and, if known, `epoch`).

        Steps never go down and no metric of a step comes twice, also over resumes; a step may come in several calls.
        """

    def summary(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """Take metric -> {last, last_step, min, min_step, max, max_step}, once, after the last row."""

    def artifact(self, path: Path, name: str, kind: str) -> None:
        """Take a file: kind "checkpoint", name "best" or "last"."""

    def finish(self, exit_code: int) -> None:
        """End; returns when everything is stored or sent."""
