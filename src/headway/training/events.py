"""How a worker tells its supervisor what happened: JSON lines on an inherited pipe.

Only the supervisor writes run.json. Started by torchrun there is none, and rank 0 keeps the record itself.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from headway.store.writer import RunRecord

VARIABLE = "HEADWAY_EVENTS_FD"
INTERVAL = 0.2  # seconds between two progress events: more than an eye can follow only costs


class Channel(Protocol):
    def record(self, **fields: Any) -> None:
        """Facts for run.json, plain JSON values."""

    def progress(self, **fields: Any) -> None:
        """Where training stands; may be dropped."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """How far work on the data has come, in bytes, 0 of an unknown total; may be dropped."""

    def end(self, status: str, cause: str | None = None) -> None:
        """Why the worker is about to exit."""


class PipeChannel:
    """To the supervisor. A closed pipe means it is gone; training then goes on until the worker is told to stop."""

    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "w", encoding="utf-8", buffering=1)
        self._shown = 0.0

    def _send(self, kind: str, fields: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps({"event": kind, **fields}) + "\n")
        except BrokenPipeError:
            return

    def record(self, **fields: Any) -> None:
        self._send("record", fields)

    def progress(self, **fields: Any) -> None:
        now = time.monotonic()
        if fields.get("step") == fields.get("total") or now - self._shown >= INTERVAL:
            self._shown = now
            self._send("progress", fields)

    def preparing(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown >= INTERVAL:
            self._shown = now
            self._send("preparing", {"what": what, "done": done, "total": total})

    def end(self, status: str, cause: str | None = None) -> None:
        self._send("end", {"status": status, "cause": cause})


class SilentChannel:
    """Ranks other than the first have nothing to tell."""

    def record(self, **fields: Any) -> None: ...

    def progress(self, **fields: Any) -> None: ...

    def preparing(self, what: str, done: int, total: int) -> None: ...

    def end(self, status: str, cause: str | None = None) -> None: ...


class RecordChannel:
    """Without a supervisor: keeps run.json and prints progress as plain lines."""

    def __init__(self, record: "RunRecord") -> None:
        self._record = record
        self._shown = 0.0

    def record(self, **fields: Any) -> None:
        fields.pop("evaluated", None)  # in the history already; the supervisor would show it
        if fields:
            self._record.update(**fields)

    def progress(self, **fields: Any) -> None:
        now = time.monotonic()
        if now - self._shown >= 10.0:
            self._shown = now
            os.write(1, (" ".join(f"{key}={value}" for key, value in fields.items()) + "\n").encode())

    def preparing(self, what: str, done: int, total: int) -> None:
        self.progress(what=what, done=done, total=total)

    def end(self, status: str, cause: str | None = None) -> None:
        self._record.set_status(status, cause=cause)


@contextmanager
def open_channel(run_dir: Path, rank: int) -> Iterator[Channel]:
    """The channel of this process; without a supervisor, rank 0 holds the run's lock and heartbeat itself."""
    fd = os.environ.get(VARIABLE)
    if rank != 0:
        yield SilentChannel()
    elif fd is not None:
        yield PipeChannel(int(fd))
    else:
        from headway.store.writer import Heartbeat, RunLock, RunRecord

        with RunLock(run_dir), Heartbeat(run_dir):
            record = RunRecord(run_dir)
            record.set_status("running")
            yield RecordChannel(record)
