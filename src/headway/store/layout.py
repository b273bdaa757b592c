"""Names inside a run folder, the statuses a run can have, and the folder name made from a project's name."""

import hashlib
import re
import unicodedata
from pathlib import Path

FORMAT = 1  # of run.json; readers refuse a newer one by name

RUN = "run.json"
CONFIG = "config.yaml"
OVERRIDES = "overrides.yaml"
PATCH = "code.patch"
ENVIRONMENT = "environment.txt"
HISTORY = "history.jsonl"
SUMMARY = "summary.json"
MARKS = "marks.json"
OUTPUT = "output.log"
SYSTEM = "system.jsonl"
LOCK = "run.lock"
HEARTBEAT = "heartbeat"
PREDICTIONS = "predictions"
CHECKPOINTS = "checkpoints"
ARTIFACTS = "artifacts"
REPRODUCTION = "reproduction"  # the tag of a run that was trained to be compared with an earlier one

EXIT_CODES = {"finished": 0, "failed": 1, "crashed": 1, "diverged": 3, "preempted": 143, "stopped": 130}
STATUSES = ("created", "running", *EXIT_CODES)

RESERVED_KEYS = frozenset({"step", "time", "epoch", "resumed_at"})  # of a history row; no metric may take one

_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def predictions_file(split: str, step: int) -> Path:
    """Relative to the run folder: predictions/val-000120.parquet"""
    return Path(PREDICTIONS) / f"{split}-{step:06d}.parquet"


def evaluation_file(split: str, step: int) -> Path:
    """What an evaluation gave beside scalars (a confusion matrix), as JSON."""
    return Path(ARTIFACTS) / f"evaluation-{split}-{step:06d}.json"


def mirror_file(name: str) -> str:
    return f"mirror-{name}.json"


def project_folder(project: str) -> str:
    """A folder name that is safe on any file system; the project's own spelling stays in run.json.

    A name that is not its own folder name gets a short hash, so that `a/b` and `a-b` stay apart.
    """
    ascii_text = unicodedata.normalize("NFKD", project).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_text).strip("-.")[:64].strip("-.")
    if _WINDOWS_DEVICES.fullmatch(slug):
        slug = f"project-{slug}"
    if slug == project:
        return slug
    digest = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{slug.strip('-') or 'project'}-{digest}"
