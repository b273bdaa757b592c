"""Taking run folders into the index: what is new or has grown since the last time, the newest run first.

A reader never writes into a run folder, and any number of processes may refresh one index: each change is one
transaction that reads where the index stands before it goes on from there.
"""

import io
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from headway.errors import RunError
from headway.store import layout
from headway.store.index.describe import describe, guess_monitor, mode_of, open_run
from headway.store.index.parse import Parser, read_blocks
from headway.store.index.series import Names, SeriesWriter
from headway.store.rows import read_summary
from headway.store.run import HEARTBEAT_LIMIT, last_beat

log = logging.getLogger(__name__)

BATCH = 0.05  # seconds of small runs in one transaction
TAKE = 32 << 20  # bytes of one history in one transaction
SETTLED = 2.0  # seconds after which a folder's time of change can be trusted to show a later change
BEING_MADE = 60.0  # seconds that a folder without run.json may still be on its way to become a run
TELL_EVERY = 0.5  # seconds

_OF_RECORD = (layout.RUN, layout.CONFIG, layout.MARKS, layout.SUMMARY)
_OF_ROWS = ("metrics", "series", "chunks")  # tables
_warned: set[str] = set()


@dataclass(frozen=True)
class Changes:
    """Ids of runs that are new or differ, of runs that are gone, and how many runs are left to be taken in."""

    changed: set[str]
    removed: set[str]
    pending: int


@dataclass
class Folder:
    """A run folder, and what the index last knew of it."""

    path: Path
    root: Path
    modified: int  # ns, of the folder itself
    key: int = 0  # runs.key; 0: not in the index
    id: str = ""
    status: str = ""
    recorded: str = ""
    sealed: bool = False  # has ended and is taken in: looked at again when the folder itself changes
    record_stamp: str = ""
    rows_stamp: str = ""
    done: bool = False  # nothing is left for a later refresh

    @property
    def untouched(self) -> bool:
        return self.sealed and self.record_stamp.startswith(f"{self.modified} ")


def refresh(
    connection: sqlite3.Connection,
    roots: Sequence[Path],
    *,
    quick: bool = False,
    report: Callable[[Changes], bool] = lambda _: True,
) -> Changes:
    """Bring the index up to date with the folders under `roots`.

    First what each run says of itself, then its rows; the newest run first. A run seen in two roots is taken from the
    first. A folder that holds no readable run is skipped with one warning.

    quick: look only at runs that have not ended, and at projects in which a run came or went. It does not see what was
    done to a run that had ended, but costs little where there are many of them.
    report: hears every half second what was taken in since it heard last; if it returns false, the rest is left for
    the next time.
    """
    names = Names(connection)
    with _Batch(connection) as batch:
        folders, removed = _match(connection, batch, _scan(connection, roots, quick))
        live = [folder for folder in folders if not folder.untouched]
        progress = _Progress(batch, report, Changes(set(), removed, len(live)))
        for folder in live:
            if progress.goes_on() and _take_record(connection, batch, names, folder):
                progress.changed(folder)
        for folder in live:
            if folder.key and _take_rows(connection, batch, names, folder, progress):
                progress.changed(folder)
            progress.pending -= folder.done
    return Changes(progress.every, removed, progress.pending)


class _Progress:
    """What a refresh has taken in, told as it goes."""

    def __init__(self, batch: "_Batch", report: Callable[[Changes], bool], found: Changes) -> None:
        self._batch, self._report = batch, report
        self.every: set[str] = set()
        self.pending = found.pending
        self._untold, self._removed = found.changed, found.removed
        self._next = time.monotonic() + TELL_EVERY
        self._ended = False

    def changed(self, folder: Folder) -> None:
        self.every.add(folder.id)
        self._untold.add(folder.id)

    def goes_on(self) -> bool:
        """Whether to; what was taken in is committed before it is told."""
        if not self._ended and time.monotonic() >= self._next:
            self._batch.end(now=True)
            self._ended = not self._report(Changes(self._untold, self._removed, self.pending))
            self._untold, self._removed = set(), set()
            self._next = time.monotonic() + TELL_EVERY
        return not self._ended


class _Batch:
    """Small changes share a transaction, so that the pages of the tables are written once for many runs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._began = 0.0

    def __enter__(self) -> "_Batch":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT" if kind is None else "ROLLBACK")

    def begin(self) -> None:
        """Hold the right to write from here on: what is read now is what is written upon."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
            self._began = time.monotonic()

    def end(self, *, now: bool = False) -> None:
        if self._connection.in_transaction and (now or time.monotonic() - self._began > BATCH):
            self._connection.execute("COMMIT")


@dataclass
class _Scan:
    """What lies under the roots."""

    folders: dict[str, Folder]  # by name, which is the run's id
    away: set[str]  # roots that cannot be listed now (a network is down)
    unchanged: set[Path]  # projects that were not listed: no run has come or gone there
    listed: dict[Path, int]  # projects that were, and their times of change (ns)


def _scan(connection: sqlite3.Connection, roots: Iterable[Path], quick: bool) -> _Scan:
    scan = _Scan({}, set(), set(), {})
    settled = dict(connection.execute("SELECT path, modified FROM projects")) if quick else {}
    for root in dict.fromkeys(Path(root).resolve() for root in roots):
        try:
            for project, modified in _folders(root):
                if settled.get(str(project)) == modified:
                    scan.unchanged.add(project)
                    continue
                scan.listed[project] = modified
                for path, changed in _folders(project):
                    scan.folders.setdefault(path.name, Folder(path, root, changed))
        except OSError as error:
            scan.away.add(str(root))
            _warn(f"{root}: cannot be listed: {error.strerror}; its runs are shown as last seen")
    return scan


def _folders(path: Path) -> list[tuple[Path, int]]:
    """Folders in `path` and their times of change (ns); none where there is no `path`, or no longer."""
    folders = []
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir():
                with suppress(FileNotFoundError):
                    folders.append((Path(entry.path), entry.stat().st_mtime_ns))
    return folders


def _match(connection: sqlite3.Connection, batch: _Batch, scan: _Scan) -> tuple[list[Folder], set[str]]:
    """Tell each folder what the index knows of it; (runs, newest first; ids of runs that are gone and now removed)."""
    only = "" if scan.listed or not scan.unchanged else "WHERE NOT sealed"
    rows = connection.execute(
        f"SELECT path, root, key, id, status, recorded, sealed, stamp FROM runs {only}"
    ).fetchall()
    known = {row[0]: row for row in rows}
    for path, root, *_, sealed, _ in rows:
        if not sealed and Path(path).parent in scan.unchanged:
            with suppress(FileNotFoundError):
                scan.folders.setdefault(Path(path).name, Folder(Path(path), Path(root), Path(path).stat().st_mtime_ns))
    runs = []
    for folder in scan.folders.values():
        if row := known.get(str(folder.path)):
            _, _, folder.key, folder.id, folder.status, folder.recorded, folder.sealed, stamp = row
            folder.record_stamp, _, folder.rows_stamp = stamp.partition("|")
        if folder.untouched or (folder.path / layout.RUN).exists():
            runs.append(folder)
        elif time.time() - folder.modified / 1e9 < BEING_MADE:
            scan.listed.pop(folder.path.parent, None)
    there = {str(folder.path) for folder in runs}
    gone = {
        key: id
        for path, root, key, id, *_ in rows
        if path not in there
        and id not in scan.folders  # a folder that was moved keeps its run
        and root not in scan.away
        and Path(path).parent not in scan.unchanged
    }
    before = time.time() - SETTLED
    settled = [(str(path), modified) for path, modified in scan.listed.items() if modified / 1e9 < before]
    if gone or settled != [*_recorded(connection, scan.listed)]:
        batch.begin()
        for key in gone:
            connection.execute("DELETE FROM runs WHERE key = ?", [key])
            _forget(connection, key, "config", *_OF_ROWS)
        connection.executemany("INSERT OR REPLACE INTO projects VALUES (?, ?)", settled)
        batch.end(now=True)
    return sorted(runs, key=lambda folder: folder.path.name, reverse=True), set(gone.values())


def _recorded(connection: sqlite3.Connection, listed: Iterable[Path]) -> Iterator[tuple[str, int]]:
    for path in listed:
        yield from connection.execute("SELECT path, modified FROM projects WHERE path = ?", [str(path)])


def _take_record(connection: sqlite3.Connection, batch: _Batch, names: Names, folder: Folder) -> bool:
    """Describe the run again where one of its files has changed, or the process that trains it is gone."""
    stamp = " ".join([str(folder.modified), *(_stamp(folder.path / name) for name in _OF_RECORD)])
    if stamp == folder.record_stamp and (folder.recorded != "running" or not _may_change(folder)):
        return False
    try:
        run = open_run(folder.path)
        if stamp == folder.record_stamp and run.status == folder.status:
            return False
        batch.begin()
        connection.execute("SAVEPOINT record")
        try:
            taken = connection.execute("SELECT path FROM runs WHERE id = ?", [run.id]).fetchone()
            if taken and taken[0] != str(folder.path) and (Path(taken[0]) / layout.RUN).exists():
                raise RunError(f"{folder.path}: skipped, {taken[0]} is the same run")
            folder.key = describe(connection, names, run, folder.root, stamp)
        except BaseException:
            connection.execute("ROLLBACK TO record")
            names.clear()  # it may hold ids that were just taken back
            raise
        finally:
            connection.execute("RELEASE record")
    except RunError as error:
        _warn(str(error))
        folder.done = True
        return False
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        _warn(f"{folder.path / layout.RUN}: skipped, it is not as Headway writes it: {error!r}")
        folder.done = True
        return False
    folder.id, folder.recorded, folder.record_stamp = run.id, str(run.meta["status"]), stamp
    batch.end()
    return True


def _may_change(folder: Folder) -> bool:
    """A run that counts as crashed is looked at again only while its heartbeat is recent."""
    return folder.status == "running" or time.time() - last_beat(folder.path)[0] <= 2 * HEARTBEAT_LIMIT


def _take_rows(
    connection: sqlite3.Connection, batch: _Batch, names: Names, folder: Folder, progress: _Progress
) -> bool:
    """Take in what the history has grown by; whether it has."""
    file = folder.path / layout.HISTORY
    grew = False
    while True:
        stamp = _stamp(file)
        settled = folder.recorded not in ("created", "running") and time.time() - folder.modified / 1e9 > SETTLED
        if stamp == folder.rows_stamp and settled == folder.sealed:
            folder.done = True
            return grew
        if not progress.goes_on():
            return grew
        batch.begin()
        whole = True
        if stamp != folder.rows_stamp:
            grown, whole = _take_some(connection, names, folder, file, stamp)
            grew |= grown
        if whole:
            folder.rows_stamp, folder.sealed = stamp, settled
            connection.execute("UPDATE runs SET sealed = ? WHERE key = ?", [settled, folder.key])
        batch.end(now=not whole)


def _take_some(
    connection: sqlite3.Connection, names: Names, folder: Folder, file: Path, stamp: str
) -> tuple[bool, bool]:
    """One transaction's worth of a history: (anything changed, all of it is taken in)."""
    run = open_run(folder.path)
    monitor, mode = run.monitored() or (None, None)
    [(start, began, stored)] = connection.execute(
        "SELECT history_bytes, history_start, stamp FROM runs WHERE key = ?", [folder.key]
    )
    old = stored.partition("|")[2]
    try:
        history: BinaryIO = file.open("rb")
    except FileNotFoundError:
        history = io.BytesIO()
    with history:
        size = history.seek(0, os.SEEK_END)
        replaced = bool(start) and (size < start or _inode(old) != _inode(stamp) or not _ends_line(history, start))
        if replaced:
            start, began = 0, None
        if replaced or (size and not start):
            _forget(connection, folder.key, *_OF_ROWS)  # of another file, or from summary.json
        writer = SeriesWriter(connection, folder.key, names, mode_of(monitor, mode))
        parser = Parser(str(file), {"time", "epoch", *(read_summary(folder.path / layout.SUMMARY) or ())})
        end = start
        for block in read_blocks(history, start, TAKE):
            end += len(block)
            for event in parser.events(block):
                if isinstance(event, int):
                    writer.resume(event)
                    continue
                if "time" in event:
                    times = event["time"]
                    began = float(times[1][0]) if began is None else began
                    event["time"] = times[0], times[1] - began
                writer.add(event)
        writer.flush()
        connection.execute("UPDATE runs SET monitor = ?, mode = ? WHERE key = ?", [monitor, mode, folder.key])
        guess_monitor(connection, folder.key)
        whole = end - start < TAKE
    found = "(SELECT max(last_step) FROM series WHERE run = runs.key)"
    step = found if replaced or size else "step"  # what summary.json says, while there is no history
    connection.execute(
        f"UPDATE runs SET step = {step}, history_bytes = ?, history_start = ?, seconds = ?, stamp = ? WHERE key = ?",
        [
            end,
            began,
            run.seconds,
            f"{stored.partition('|')[0]}|{stamp if whole else _inode(stamp)}",
            folder.key,
        ],
    )
    return replaced or end > start, whole


def _forget(connection: sqlite3.Connection, key: int, *tables: str) -> None:
    for table in tables:
        connection.execute(f"DELETE FROM {table} WHERE run = ?", [key])


def _stamp(file: Path) -> str:
    """What changes with a file; the inode first."""
    try:
        stat = file.stat()
    except OSError:
        return "-"
    return f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"


def _inode(stamp: str) -> str:
    return stamp.partition(":")[0]


def _ends_line(file: BinaryIO, at: int) -> bool:
    file.seek(at - 1)
    return file.read(1) == b"\n"


def _warn(message: str) -> None:
    """Once in the life of this process: a refresh comes every second."""
    if message not in _warned:
        _warned.add(message)
        log.warning("%s", message)
