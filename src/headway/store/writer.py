"""Making a run folder: its creation, its run.json, the lock that keeps a second writer out and the heartbeat."""

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headway.errors import RunError
from headway.store import atomic, layout
from headway.store.ids import new_run_id
from headway.store.process import host_name, machine_id, process_started
from headway.store.run import last_beat, read_meta
from headway.store.values import check_text, storable

log = logging.getLogger(__name__)


def create_run(
    runs_dir: Path | str,
    *,
    project: str,
    name: str | None,
    tags: Sequence[str],
    notes: str | None,
    config_yaml: str,
    config_hash: str,
    overrides: Sequence[str],
    command: Sequence[str],
    seed: int,
    parent: str | None = None,
    code: Path | None = None,
) -> Path:
    """Make a run folder under `runs_dir` with status "created" and everything known before training; return its path.

    code: a folder of the repository whose code runs; the current folder if None.
    Everything is redacted. run.json comes last, so a folder with one is whole. Raises RunError, before anything is
    trained, for a name that cannot be stored and a folder that cannot be written.
    """
    import yaml

    from headway.config.redact import redact_values
    from headway.store import provenance

    for what, text in [("project", project), ("name", name), ("notes", notes), *(("tag", tag) for tag in tags)]:
        check_text(what, text)
    if not project:
        raise RunError("project: must not be empty")
    git, patch = provenance.git_state(code or Path.cwd())
    meta = storable(
        {
            "format": layout.FORMAT,
            "id": "",
            "name": name,
            "project": project,
            "tags": list(tags),
            "notes": notes,
            "status": "created",
            "cause": None,
            "exit_code": None,
            "created_at": utc_now(),
            "started_at": None,
            "ended_at": None,
            "host": host_name(),
            "machine": machine_id(),
            "pid": None,
            "pid_started": None,
            "command": list(command),
            "config_hash": config_hash,
            "seed": seed,
            "parent": parent,
            "versions": provenance.versions(),
            "git": git,
            "hardware": provenance.hardware(),
            "data": {},
            "model": {},
            "attempts": [],
            "mirrors": [],
        }
    )
    root = Path(runs_dir)
    run = root
    try:
        run = _new_folder(root / layout.project_folder(meta["project"]))
        meta["id"] = run.name
        for folder in (layout.PREDICTIONS, layout.CHECKPOINTS, layout.ARTIFACTS):
            (run / folder).mkdir()
        atomic.write_text(run / layout.CONFIG, redact_values(config_yaml))
        asked = yaml.safe_dump(storable(list(overrides)), allow_unicode=True, width=2**20)
        atomic.write_text(run / layout.OVERRIDES, asked)
        atomic.write_bytes(run / layout.PATCH, patch.encode("utf-8", "surrogateescape"))
        atomic.write_text(run / layout.ENVIRONMENT, provenance.environment())
        atomic.write_json(run / layout.RUN, meta)
    except OSError as error:
        if run != root:
            shutil.rmtree(run, ignore_errors=True)
        raise RunError(
            f"{root}: cannot hold runs: {error.strerror or error}; set runs_dir or HEADWAY_RUNS to another folder"
        ) from error
    return run


class RunRecord:
    """run.json of one run. One process writes it: the supervisor, or rank 0 where a cluster starts the workers."""

    def __init__(self, run: Path) -> None:
        self.path = Path(run)
        self.meta = read_meta(self.path)
        self._started: float | None = None  # monotonic; of the attempt that this object opened

    def update(self, **fields: Any) -> None:
        """Replace fields (dictionaries are merged key by key), redacted, in one atomic write."""
        for key, value in storable(fields).items():
            old = self.meta.get(key)
            self.meta[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        try:
            atomic.write_json(self.path / layout.RUN, self.meta)
        except OSError as error:
            raise RunError(f"{self.path / layout.RUN}: cannot be written: {error.strerror}") from error

    def set_status(
        self, status: str, exit_code: int | None = None, cause: str | None = None, *, from_step: int | None = None
    ) -> None:
        """Go to `status` now; the exit code defaults to the status's own.

        "running" opens an attempt of this process that begins at `from_step`; anything else closes it with its seconds
        on the monotonic clock.
        """
        if status not in layout.STATUSES:
            raise ValueError(f"status {status!r}: must be one of {', '.join(layout.STATUSES)}")
        now, attempts = utc_now(), [dict(attempt) for attempt in self.meta["attempts"]]
        is_open = bool(attempts) and attempts[-1]["ended_at"] is None
        if status == "running":
            self._started = time.monotonic()
            if is_open:  # its process died without a word; the heartbeat knows how long it lived
                attempts[-1] |= {"status": "crashed", "exit_code": None, **_last_seen(self.path)}
            attempt = {
                "started_at": now,
                "ended_at": None,
                "seconds": None,
                "status": status,
                "exit_code": None,
                "cause": None,
            }
            attempts.append(attempt | {"from_step": from_step})
            pid = os.getpid()
            owner = {"host": host_name(), "machine": machine_id(), "pid": pid, "pid_started": process_started(pid)}
            fields = {
                "started_at": self.meta["started_at"] or now,
                "ended_at": None,
                "exit_code": None,
                "cause": None,
            } | owner
        else:
            code = layout.EXIT_CODES.get(status) if exit_code is None else exit_code
            fields = {"ended_at": now, "exit_code": code, "cause": cause}
            if is_open:
                started = self._started
                seconds = last_beat(self.path)[1] if started is None else round(time.monotonic() - started, 3)
                attempts[-1] |= fields | {"status": status, "seconds": seconds}
        self.update(status=status, attempts=attempts, **fields)


class RunLock:
    """Only one process at a time may write a run; the operating system lets go of the lock when that process dies."""

    def __init__(self, run: Path) -> None:
        self.path = Path(run) / layout.LOCK
        self.fd = -1  # a child that inherits it keeps the lock alive

    def acquire(self) -> None:
        """Take the lock, or raise RunError naming the process that has it."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(fd, 4096, 0).decode("utf-8", "replace").strip() or "another process"
            os.close(fd)
            raise RunError(
                f"{self.path.parent}: is being written by {owner}; stop it first, or start a new run"
            ) from error
        except OSError as error:
            log.warning("%s: no locks on this file system (%s); do not write this run twice", self.path, error.strerror)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"pid {os.getpid()} on {host_name()}\n".encode(), 0)
        self.fd = fd

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> "RunLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Heartbeat:
    """A thread that touches RUN/heartbeat: the file's age says whether the run lives, its text for how many seconds."""

    def __init__(self, run: Path, every: float = 10.0) -> None:
        self.path = Path(run) / layout.HEARTBEAT
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _beat(self) -> None:
        start, warned = time.monotonic(), False
        while True:
            try:
                fd = os.open(
                    self.path, os.O_WRONLY | os.O_CREAT, 0o644
                )  # not truncated: a full disk still takes the same bytes
                try:
                    os.write(fd, f"{time.monotonic() - start:14.1f} s\n".encode())
                finally:
                    os.close(fd)
            except OSError as error:
                if not warned:
                    log.warning(
                        "%s: cannot be written: %s; elsewhere this run will look crashed", self.path, error.strerror
                    )
                warned = True
            if self._stop.wait(self._every):
                return


def utc_now() -> str:
    return _iso(datetime.now(UTC))


def _iso(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _last_seen(run: Path) -> dict[str, Any]:
    """End and seconds of an attempt whose process could not say so."""
    beaten_at, seconds = last_beat(run)
    return {"ended_at": _iso(datetime.fromtimestamp(beaten_at, UTC)) if beaten_at else utc_now(), "seconds": seconds}


def _new_folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        run = parent / new_run_id()
        try:
            run.mkdir()
        except FileExistsError:
            continue
        return run
