"""mirror-NAME.json: how a mirror went and how far it is, so that the next attempt goes on from there."""

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from headway.store import atomic
from headway.store.layout import RESERVED_KEYS, mirror_file

SAVE_EVERY = 2.0  # seconds between two writes while rows are sent


@dataclass
class Cursor:
    """The last step that was sent and the metrics sent of it, over all attempts of a run."""

    step: int = -1
    keys: set[str] = field(default_factory=set)
    rows: int = 0
    skipped: int = 0  # rows that came too late: repeated after a resume, or of an earlier step than one already sent


class Outcome:
    """{"name", "status", "cause", "url_or_path", "cursor", "rows"}; status is running, ok or failed.

    A failed attempt takes its cursor back: what a client took and never delivered is sent again.
    """

    def __init__(self, run: Path, name: str) -> None:
        self.path = run / mirror_file(name)
        self.name = name
        self.phase = "starting"
        self.url_or_path: str | None = None
        self.cursor = _read_cursor(self.path)
        self._before = replace(self.cursor)
        self._lock, self._ended, self._saved = threading.RLock(), False, 0.0

    def unsent(self, row: dict[str, Any]) -> dict[str, Any]:
        """What of a row has not been sent, with its time and epoch; a mirror cannot go back to an earlier step."""
        at = self.cursor
        sent = row.keys() if row["step"] < at.step else at.keys if row["step"] == at.step else set[str]()
        left = {key: value for key, value in row.items() if key not in sent and key not in RESERVED_KEYS}
        if not left:
            at.skipped += 1
            return {}
        return {key: row[key] for key in ("time", "epoch") if key in row} | left

    def sent(self, step: int, part: dict[str, Any]) -> None:
        earlier = self.cursor.keys if step == self.cursor.step else set[str]()
        self.cursor.keys = earlier | (part.keys() - RESERVED_KEYS)
        self.cursor.step = step
        self.cursor.rows += 1
        if time.monotonic() - self._saved >= SAVE_EVERY:
            self._save("running", None)

    def go_on(self, phase: str) -> None:
        """Say what the mirror is at, for the report if it never gets further."""
        self.phase = phase
        self._save("running", None)

    def end(self, cause: str | None = None) -> None:
        """Record the end, failed if there is a `cause`; a second end changes nothing."""
        with self._lock:
            if self._ended:
                return
            if cause is not None:
                rows = self.cursor.rows - self._before.rows
                self.cursor = self._before
                sys.stderr.write(
                    f"headway: warning: tracker {self.name}: {cause} ({rows} rows sent); the run folder is complete, "
                    f"send it again: python -m headway.trackers.mirror {self.path.parent}\n"
                )
            self._save("ok" if cause is None else "failed", cause, last=True)

    def _save(self, status: str, cause: str | None, *, last: bool = False) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended, self._saved = last, time.monotonic()
            fields = {"name": self.name, "status": status, "cause": cause, "rows": self.cursor.rows}
            cursor = asdict(self.cursor) | {"keys": sorted(self.cursor.keys)}
            try:
                atomic.write_json(self.path, fields | {"url_or_path": self.url_or_path, "cursor": cursor})
            except OSError as error:
                sys.stderr.write(f"headway: warning: {self.path}: cannot be written: {error.strerror}\n")


def _read_cursor(path: Path) -> Cursor:
    try:
        stored = json.loads(path.read_bytes())["cursor"]
        return Cursor(int(stored["step"]), set(stored["keys"]), int(stored["rows"]), int(stored["skipped"]))
    except (OSError, ValueError, KeyError, TypeError):  # the first attempt, or a file that somebody broke
        return Cursor()
