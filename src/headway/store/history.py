"""history.jsonl: one JSON object a line, appended by one writer; and its summary."""

import errno
import fcntl
import json
import logging
import math
import operator
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.errors import RunError
from headway.store import atomic
from headway.store.layout import RESERVED_KEYS, SUMMARY
from headway.store.rows import History
from headway.store.values import check_key, number

log = logging.getLogger(__name__)

MAX_KEYS = 100_000
SYNC_EVERY = 30.0  # seconds

_encode = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":")).encode


class HistoryWriter:
    """Appends rows to history.jsonl; the file has one writer at a time, held by a lock that dies with the process.

    A row that `log` has returned from is with the operating system and survives any death of the process. A power cut
    can take the rows since the last `sync`, which `log` itself calls when the last one is 30 s ago.
    """

    def __init__(self, path: Path, *, wait: float = 10.0) -> None:
        """Open for appending and cut off the half line that a kill may have left; `wait` is seconds for the lock.

        Raises RunError where the file cannot be written or another process still writes it (an orphaned worker,
        for the seconds until it notices that its supervisor is gone).
        """
        self.path = Path(path)
        self.dropped = 0  # values whose keys were over the cap
        self._keys: set[str] = set()
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror}") from error
        try:
            _lock(self._fd, self.path, wait)
            _cut_torn_line(self._fd)
        except BaseException:
            os.close(self._fd)
            raise
        # A row's time is the wall clock at the start plus monotonic seconds: a clock that jumps turns no rows around.
        self._zero = time.time() - time.monotonic()
        self._synced = time.monotonic()

    def log(self, step: int, values: Mapping[str, float], *, epoch: float | None = None) -> None:
        """Append one row; returns when the operating system has it.

        `values` are numbers, numpy scalars or 0-d tensors. Raises RunError, with every earlier row kept, for a
        step, key or value that cannot be stored and when the disk is full.
        """
        if not (self._keys >= values.keys()):
            values = self._admit(values)
        now = time.monotonic()
        row: dict[str, Any] = {"step": step, "time": round(self._zero + now, 3)}
        if epoch is not None:
            row["epoch"] = float(epoch)
        row.update(values)
        try:
            if type(step) is not int or step < 0 or set(map(type, values.values())) - {float}:
                raise TypeError
            line = _encode(row)
        except (TypeError, ValueError):  # an int, a numpy scalar, a tensor, a NaN
            line = _encode(_plain_row(row))
        self._append(line.encode("ascii") + b"\n")
        if now - self._synced >= SYNC_EVERY:
            self.sync()

    def resumed_at(self, step: int) -> None:
        """Say that training goes on from `step`: every earlier row with a later step is superseded."""
        self._append(_encode({"resumed_at": step, "time": round(self._zero + time.monotonic(), 3)}).encode() + b"\n")
        self.sync()

    def sync(self) -> None:
        """Put every row on the disk itself (fsync). Raises RunError where the disk reports that it could not."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise RunError(f"{self.path}: rows since the last sync may be lost: {error.strerror}") from error
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and let go of the file; closing twice is allowed."""
        if self._fd >= 0:
            try:
                self.sync()
            finally:
                fd, self._fd = self._fd, -1
                os.close(fd)

    def __enter__(self) -> "HistoryWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        try:
            written = os.write(self._fd, line)
            if written == len(line):
                return
            # A full disk takes a part of the line: take it back, so that the file ends with an acknowledged row.
            try:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            except OSError:
                self.close()  # no later row may be glued to the half line; the next open cuts it off
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise RunError(
                f"{self.path}: the row of {line[1:].split(b',')[0].decode()} was not stored: {error.strerror}; "
                "every earlier row is kept"
            ) from error

    def _admit(self, values: Mapping[str, float]) -> Mapping[str, float]:
        """Check new keys and drop, with one warning, those over the cap."""
        for key in values:
            if key not in self._keys and len(self._keys) < MAX_KEYS:
                self._keys.add(check_key(key))
        over = values.keys() - self._keys
        if over and not self.dropped:
            log.warning(
                "%s: more than %d metric names; %r and later new names are not recorded", self.path, MAX_KEYS, min(over)
            )
        self.dropped += len(over)
        return {key: value for key, value in values.items() if key not in over} if over else values


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    try:
        step = operator.index(row["step"])
    except TypeError:
        step = -1
    if step < 0 or isinstance(row["step"], bool):
        raise RunError(f"step {row['step']!r}: must be a whole number, 0 or more")
    return {"step": step} | {key: number(key, value) for key, value in row.items() if key != "step"}


def _lock(fd: int, path: Path, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise RunError(
                    f"{path}: another process is writing this run; stop it, or resume into a new run"
                ) from error
            time.sleep(0.05)
        except OSError:  # a file system without locks; run.lock has said so already
            return


def _cut_torn_line(fd: int) -> None:
    """Cut off what follows the last newline: it was never acknowledged, and the next row must start a line."""
    end = size = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(fd, end)


class Summary:
    """Last, smallest and largest value of each metric with their steps, kept in RUN/summary.json."""

    def __init__(self, run: Path, *, every: float = 10.0) -> None:
        """Start empty; `update` writes the file at most once in `every` seconds."""
        self.path = Path(run) / SUMMARY
        self.metrics: dict[str, dict[str, float]] = {}
        self._every = every
        self._written = -math.inf

    def update(self, values: Mapping[str, float], step: int) -> None:
        """Take in one row. A value that is not finite can be the last one, never the smallest or largest."""
        self._add(values, step)
        if time.monotonic() - self._written >= self._every:
            self.write()

    @classmethod
    def rebuild(cls, run: Path) -> "Summary":
        """Made again from the history rows that count, as a resumed run does."""
        summary = cls(run)
        for row in History(run):
            summary._add({key: value for key, value in row.items() if key not in RESERVED_KEYS}, row["step"])
        return summary

    def write(self) -> None:
        """Replace summary.json. Raises RunError where it cannot be written."""
        plain = {
            name: {key: number(name, value) for key, value in entry.items()} for name, entry in self.metrics.items()
        }
        try:
            atomic.write_json(self.path, plain)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._written = time.monotonic()

    def _add(self, values: Mapping[str, float], step: int) -> None:
        for name, given in values.items():
            if name not in self.metrics and len(self.metrics) >= MAX_KEYS:
                continue  # the history has said so
            value = float(given)
            entry = self.metrics.setdefault(name, {})
            entry["last"], entry["last_step"] = value, step
            if math.isfinite(value):
                if value < entry.get("min", math.inf):
                    entry["min"], entry["min_step"] = value, step
                if value > entry.get("max", -math.inf):
                    entry["max"], entry["max_step"] = value, step
