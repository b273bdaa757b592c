"""Reading a run folder. Nothing here writes, runs code from the folder, or trusts a status whose process is gone."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from headway.errors import RunError
from headway.store import layout
from headway.store.history import Summary
from headway.store.marks import read_marks
from headway.store.process import is_alive, machine_id
from headway.store.rows import History, read_summary

HEARTBEAT_LIMIT = 60.0  # seconds without a heartbeat after which a run on another machine counts as crashed

_SMALLER_IS_BETTER = re.compile(
    r"loss|perplexity|ppl|bits_per|hamming|error|nll|entropy|mse|mae|wer|cer|ece|brier|grad_norm", re.IGNORECASE
)
_SHAPE: dict[str, type | tuple[type, ...]] = {  # what readers lean on; a foreign run.json may hold anything
    "id": str,
    "name": (str, type(None)),
    "project": str,
    "tags": list,
    "status": str,
    "created_at": str,
    "attempts": list,
}


def read_meta(path: Path) -> dict[str, Any]:
    """run.json as a dictionary. Raises RunError for a folder that is no run, and for a run of a newer format."""
    file = Path(path) / layout.RUN
    try:
        meta = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path}: is not a run folder (it has no {layout.RUN})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: cannot be read: {error}") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("format"), int):
        raise RunError(f"{file}: is not a run record (no format number)")
    if meta["format"] > layout.FORMAT:
        raise RunError(
            f"{file}: format {meta['format']} was written by a newer Headway; this one reads up to {layout.FORMAT}"
        )
    for key, kind in _SHAPE.items():
        if not isinstance(meta.get(key), kind):
            raise RunError(f"{file}: field {key} is missing or of the wrong type")
    return meta


def default_mode(metric: str) -> str:
    """ "min" for losses, errors and their like, else "max"."""
    return "min" if _SMALLER_IS_BETTER.search(metric.rpartition("/")[2]) else "max"


@dataclass(frozen=True)
class Run:
    """One run as it was when opened; status, summary and rows are read from the folder when asked for.

    `meta` is run.json, with what marks.json says of name, tags, notes and archived in its place.
    """

    path: Path
    meta: dict[str, Any]

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Raises RunError for a folder that is no run."""
        return cls(Path(path), {**read_meta(Path(path)), **read_marks(Path(path))})

    @property
    def id(self) -> str:
        return str(self.meta["id"])

    @property
    def name(self) -> str | None:
        return self.meta["name"]

    @property
    def project(self) -> str:
        return str(self.meta["project"])

    @property
    def tags(self) -> list[str]:
        return [str(tag) for tag in self.meta["tags"]]

    @property
    def notes(self) -> str | None:
        notes = self.meta.get("notes")
        return None if notes is None else str(notes)

    @property
    def archived(self) -> bool:
        """Kept, but left out of lists unless they are asked for it."""
        return self.meta.get("archived") is True

    @property
    def config_text(self) -> str:
        return self.text(layout.CONFIG)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The frozen configuration as plain values, interpolations as text."""
        return read_yaml(self.config_text, {})

    @cached_property
    def overrides(self) -> list[str]:
        """What was asked on the command line, redacted."""
        return [str(item) for item in read_yaml(self.text(layout.OVERRIDES), [])]

    @property
    def status(self) -> str:
        """The recorded status, but "crashed" where a running one's process is gone, or silent for 60 s elsewhere."""
        status = str(self.meta["status"])
        if status != "running":
            return status
        if self.meta.get("machine") == machine_id():
            alive = is_alive(self.meta["pid"], self.meta["pid_started"])
        else:
            alive = time.time() - last_beat(self.path)[0] <= HEARTBEAT_LIMIT
        return status if alive else "crashed"

    @property
    def seconds(self) -> float | None:
        """Time spent training over all attempts, on their monotonic clocks; None before the first."""
        attempts = self.meta["attempts"]
        if not attempts:
            return None
        total = sum(float(attempt.get("seconds") or 0.0) for attempt in attempts)
        if attempts[-1].get("ended_at") is None:
            beaten_at, lived = last_beat(self.path)
            total += lived
            if beaten_at and self.status == "running":  # a clock that jumped adds a minute at most
                total += min(max(time.time() - beaten_at, 0.0), HEARTBEAT_LIMIT)
        return total

    def summary(self) -> dict[str, dict[str, float]]:
        """metric -> {last, last_step, min, min_step, max, max_step}.

        Taken from the history where summary.json is missing, or older than the history of a run that has ended:
        a killed worker had no time to write it.
        """
        stored = read_summary(self.path / layout.SUMMARY)
        if stored is None or (self.status != "running" and self._mtime(layout.SUMMARY) < self._mtime(layout.HISTORY)):
            return Summary.rebuild(self.path).metrics
        return stored

    def history(self) -> History:
        return History(self.path)

    def rows(self) -> Iterator[dict[str, Any]]:
        return iter(self.history())

    def mode(self, metric: str) -> str:
        """Whether "min" or "max" of `metric` is best: what the run monitored says so itself, else its name does."""
        monitor = self.monitored()
        return monitor[1] if monitor and monitor[0] == metric else default_mode(metric)

    def monitor(self) -> tuple[str, str] | None:
        """(metric, "min" or "max") that chose the run's best checkpoint; a guess where the run does not say."""
        if monitored := self.monitored():
            return monitored
        metrics = self.summary()
        for name in ("val/accuracy", "val/loss", "train/loss"):
            if name in metrics:
                return name, default_mode(name)
        return None

    def best(self, metric: str) -> float | None:
        """The best finite value of `metric`; None where there is none."""
        return self.summary().get(metric, {}).get(self.mode(metric))

    def checkpoints(self) -> list[Path]:
        """Whole checkpoint files, oldest first."""
        return sorted(file for file in (self.path / layout.CHECKPOINTS).glob("step-*.ckpt") if file.is_file())

    def checkpoint(self, name: str) -> Path | None:
        """The checkpoint that the pointer `name` ("best" or "last") names; None where there is none in this run."""
        folder = self.path / layout.CHECKPOINTS
        try:
            target = (folder / name).read_text("utf-8").strip()
        except (OSError, ValueError):
            return None
        file = folder / target
        return file if Path(target).name == target and file.is_file() and not file.is_symlink() else None

    def mirrors(self) -> list[dict[str, Any]]:
        """What each mirror process last said of itself."""
        found = []
        for file in sorted(self.path.glob(layout.mirror_file("*"))):
            try:
                found.append(dict(json.loads(file.read_bytes())))
            except (OSError, ValueError, TypeError):
                found.append({"name": file.stem.removeprefix("mirror-"), "status": "unreadable"})
        return found

    def monitored(self) -> tuple[str, str] | None:
        """As `monitor`, but None where the run does not say."""
        trainer = self.config.get("trainer")
        recorded, asked = self.meta.get("monitor"), trainer if isinstance(trainer, dict) else {}
        if isinstance(recorded, dict):
            metric, mode = recorded.get("metric"), recorded.get("mode")
        else:
            metric, mode = asked.get("monitor"), asked.get("monitor_mode")
        if not isinstance(metric, str):
            return None
        return metric, mode if mode in ("min", "max") else default_mode(metric)

    def text(self, name: str) -> str:
        """A file of the folder; "" where it is missing."""
        try:
            return (self.path / name).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def _mtime(self, name: str) -> float:
        try:
            return (self.path / name).stat().st_mtime
        except OSError:
            return 0.0


def read_yaml(text: str, empty: Any) -> Any:
    """Plain values of the type of `empty`, or `empty` itself for a text that is nothing of the kind."""
    import yaml

    try:
        value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # safe, and ten times as fast
    except (yaml.YAMLError, RecursionError):
        return empty
    return value if isinstance(value, type(empty)) else empty


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf; lists and empty groups are leaves."""
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def last_beat(run: Path) -> tuple[float, float]:
    """(unix time of the last heartbeat, seconds the process had lived by then); (0, 0) where there was none."""
    file = Path(run) / layout.HEARTBEAT
    try:
        return file.stat().st_mtime, float(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
