"""The file of the index: opened in WAL mode, brought to today's schema, set aside where it cannot be read."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from headway.errors import RunError

log = logging.getLogger(__name__)

BUSY = 30.0  # seconds to wait for another process that is writing
MAPPED = 1 << 30  # bytes read without a copy; 200 curves come in 15 ms instead of 22
PAGE = 8192  # bytes; most of the file is blobs of 10 to 60 kB

Migration = Callable[[sqlite3.Connection], object]
MIGRATIONS: dict[str, Migration] = {}  # in the order in which they are applied


def migration(function: Migration) -> Migration:
    """Register a step from one schema to the next under its name; it runs once per index, in its own transaction."""
    MIGRATIONS[function.__name__] = function
    return function


@migration
def m001_first(connection: sqlite3.Connection) -> None:
    for statement in (
        "CREATE TABLE projects(path TEXT PRIMARY KEY, modified INTEGER) WITHOUT ROWID",  # ns; every run in it is known
        "CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)",  # of configuration keys and metrics
        """CREATE TABLE runs(
            key INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, root TEXT, path TEXT, project TEXT, name TEXT,
            tags TEXT, notes TEXT, status TEXT, recorded TEXT, cause TEXT, created REAL, created_at TEXT,
            started_at TEXT, ended_at TEXT, seconds REAL, step INTEGER, steps INTEGER, seed INTEGER, recipe TEXT,
            data TEXT, "commit" TEXT, host TEXT, archived INTEGER NOT NULL DEFAULT 0, monitor TEXT, mode TEXT,
            search TEXT, overrides TEXT, sealed INTEGER NOT NULL DEFAULT 0, stamp TEXT,
            history_bytes INTEGER NOT NULL DEFAULT 0, history_start REAL)""",
        """CREATE TABLE config(
            run INTEGER, key INTEGER, text TEXT, number REAL, PRIMARY KEY(run, key)) WITHOUT ROWID""",
        """CREATE TABLE metrics(
            run INTEGER, key INTEGER, last REAL, last_step INTEGER, min REAL, min_step INTEGER, max REAL,
            max_step INTEGER, best REAL, mode TEXT, PRIMARY KEY(run, key)) WITHOUT ROWID""",
        # coarse stands before pyramid, so that reading it does not walk the pages of the pyramid
        """CREATE TABLE series(
            run INTEGER, key INTEGER, points INTEGER, first_step INTEGER, last_step INTEGER, coarse BLOB, pyramid BLOB,
            PRIMARY KEY(run, key)) WITHOUT ROWID""",
        """CREATE TABLE chunks(
            run INTEGER, key INTEGER, part INTEGER, first_step INTEGER, last_step INTEGER, points INTEGER, data BLOB,
            PRIMARY KEY(run, key, part))""",
        "CREATE INDEX config_number ON config(key, number)",
        "CREATE INDEX config_text ON config(key, text)",
        "CREATE INDEX metrics_best ON metrics(key, best)",
        "CREATE INDEX runs_created ON runs(created)",
        "CREATE INDEX runs_recipe ON runs(recipe)",
    ):
        connection.execute(statement)


def open_index(path: Path | str) -> sqlite3.Connection:
    """A connection in autocommit mode to the index at `path`, which is made, migrated or made anew as needed.

    An older schema is migrated after a copy was kept beside it; a file that is no database is set aside. Raises
    RunError for an index that a newer Headway made, and where the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            try:
                return _open(path)
            except sqlite3.OperationalError:  # locked, read-only, full: the file itself is not to blame
                raise
            except sqlite3.DatabaseError as error:
                set_aside(path, error)
                return _open(path)
    except (OSError, sqlite3.Error) as error:
        raise RunError(
            f"{path}: the index cannot be opened: {error}; delete it, or set HEADWAY_CACHE to another folder"
        ) from error


def set_aside(path: Path, why: object) -> None:
    """Rename an index that cannot be read; the next `open_index` makes a new one."""
    log.warning("%s: cannot be read (%s); kept as %s.unreadable and made anew", path, why, path.name)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(path.with_name(path.name + ".unreadable"))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hold the one right to write: what is read inside the block is what is written upon."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA mmap_size = {MAPPED}")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS migrations(name TEXT PRIMARY KEY) WITHOUT ROWID")
    done = {str(name) for (name,) in connection.execute("SELECT name FROM migrations")}
    if unknown := sorted(done - MIGRATIONS.keys()):
        raise RunError(
            f"{path}: this index was made by a newer Headway ({', '.join(unknown)}); "
            "delete the file (it is a cache and is made again) or use that Headway"
        )
    pending = [name for name in MIGRATIONS if name not in done]
    if done and pending:
        backup = path.with_name(f"{path.name}.before-{pending[0]}")
        with closing(sqlite3.connect(backup)) as copy:
            connection.backup(copy)
        log.warning("%s: schema brought up to date; the old index is kept as %s", path, backup.name)
    for name in pending:
        with transaction(connection):
            MIGRATIONS[name](connection)
            connection.execute("INSERT INTO migrations VALUES (?)", [name])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time makes, migrates or sets aside the index."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
