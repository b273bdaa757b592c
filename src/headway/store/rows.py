"""Reading history.jsonl and summary.json, at any time and without disturbing their writer."""

import json
import logging
import math
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from headway.store.layout import HISTORY
from headway.store.values import NONFINITE

log = logging.getLogger(__name__)

RESUMED = b'{"resumed_at"'


class History:
    """The rows of one run that still count, in the order they were written. Reading never disturbs the writer."""

    def __init__(self, run: Path) -> None:
        self.path = Path(run) / HISTORY
        self._seen = (0, 0)  # bytes and lines that `fresh` has read

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows as {"step", "time", ["epoch"], metric: float}; superseded rows and a torn last line are left out.

        Two passes over the file and one row in memory: a row counts if its step is at most every later `resumed_at`.
        A line that is no row (a power cut can leave zeros) is skipped and logged by file and line.
        """
        yield from self._surviving(0, 0)

    def fresh(self) -> Iterator[dict[str, Any]]:
        """The rows since the last call, to follow a run. A later resume cannot take back rows given before."""
        self._seen = yield from self._surviving(*self._seen)

    def _surviving(self, start: int, before: int) -> Generator[dict[str, Any], None, tuple[int, int]]:
        """Rows from byte `start`, which `before` lines precede; returns bytes and lines read by then."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return start, before
        with file:
            file.seek(start)
            resumes: list[tuple[int, int]] = []  # line, step
            last, end = before, start
            for line in file:
                if line.endswith(b"\n"):
                    last, end = last + 1, end + len(line)
                    if line.startswith(RESUMED) and (row := parse_row(line)) is not None:
                        resumes.append((last, row["resumed_at"]))
            file.seek(start)
            for at, line in zip(range(before + 1, last + 1), file, strict=False):
                resumes = [resume for resume in resumes if resume[0] >= at] if resumes else resumes
                row = parse_row(line)
                if row is None:
                    log.warning("%s:%d: not a history row; skipped", self.path, at)
                elif "step" in row and all(row["step"] <= step for _, step in resumes):
                    yield row
        return end, last

    @property
    def last_step(self) -> int | None:
        """The highest step that counts; None for a run without rows."""
        return max((row["step"] for row in self), default=None)

    def columns(self, keys: Iterable[str]) -> dict[str, list[float]]:
        """`step` and each key as columns of equal length, ordered by step; of one step's rows the latest value counts.

        Steps at which none of `keys` was logged are left out; a value missing at a step is NaN.
        """
        keys = list(keys)
        merged: dict[int, dict[str, float]] = {}
        for row in self:
            found = {key: row[key] for key in keys if key in row}
            if found:
                merged.setdefault(row["step"], {}).update(found)
        steps = sorted(merged)
        columns: dict[str, list[float]] = {"step": list(steps)}
        return columns | {key: [merged[step].get(key, math.nan) for step in steps] for key in keys if key != "step"}


def parse_row(line: bytes) -> dict[str, Any] | None:
    """A line of history.jsonl with its non-finite numbers as floats; None for one that is no row."""
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            return None
        for key, value in row.items():
            if type(value) is not float and type(value) is not int:
                row[key] = NONFINITE[value]
        if line.startswith(RESUMED):
            row["resumed_at"] = int(row["resumed_at"])
        else:
            row["step"] = int(row["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return row


def read_summary(path: Path) -> dict[str, dict[str, float]] | None:
    """summary.json with its non-finite numbers as floats; None where it is missing or not whole."""
    try:
        return {
            name: {key: NONFINITE[value] if isinstance(value, str) else value + 0 for key, value in entry.items()}
            for name, entry in json.loads(path.read_bytes()).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
