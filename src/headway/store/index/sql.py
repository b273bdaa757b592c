"""One SELECT over the index, that can change nothing and ends in time, on views with plain names."""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from headway.errors import HeadwayError

MAX_ROWS = 10_000
MAX_SECONDS = 30.0
MAX_BYTES = 64 * 2**20  # of text in all rows

_RUNS = (
    "id, name, project, status, tags, notes, archived, created, created_at, started_at, ended_at, seconds, step, steps,"
    ' seed, recipe, data, "commit", host, cause, monitor, mode, overrides, root, path'
)
# temporary views come before the tables of the same names; `history` decodes a chunk only when one is asked for
_VIEWS = {
    "runs": f"SELECT {_RUNS} FROM main.runs",
    "config": """SELECT runs.id AS run, names.name AS key, config.text AS value, config.number AS number
        FROM main.config JOIN main.runs ON runs.key = config.run JOIN main.names ON names.id = config.key""",
    "metrics": """SELECT runs.id AS run, names.name AS key, last, last_step, min, min_step, max, max_step, best,
        metrics.mode AS mode
        FROM main.metrics JOIN main.runs ON runs.key = metrics.run JOIN main.names ON names.id = metrics.key""",
    "history": """SELECT runs.id AS run, names.name AS metric, CAST(point.key AS INTEGER) AS step, point.value AS value
        FROM main.series JOIN main.runs ON runs.key = series.run JOIN main.names ON names.id = series.key
        CROSS JOIN main.chunks ON chunks.run = series.run AND chunks.key = series.key
        CROSS JOIN json_each(points_of(chunks.data)) AS point""",
}
_REFUSED = ("not authorized", "authorization denied", "prohibited", "cannot modify")  # in SQLite's words
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)

Value = str | float | int | None


class SqlError(HeadwayError):
    """A statement that is wrong, is no SELECT or takes too long."""


@dataclass(frozen=True)
class Rows:
    """What a statement gives; `more` says that there were rows beyond the limit."""

    columns: list[str]
    rows: list[tuple[Value, ...]]
    more: bool


def select(index: Path, query: str, *, limit: int = MAX_ROWS, seconds: float = MAX_SECONDS) -> Rows:
    """The first `limit` rows of one SELECT over `runs`, `config`, `metrics` and `history`.

    Bytes are shown by their number. Raises SqlError, in one line, for anything but a SELECT, for what SQLite refuses,
    and after `seconds`.
    """
    with closing(_open(index)) as connection:
        until = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        try:
            cursor = connection.execute(query)
            columns = [column[0] for column in cursor.description or ()]
            rows: list[tuple[Value, ...]] = []
            size = 0
            for row in cursor:
                size += sum(len(value) for value in row if isinstance(value, str))
                if len(rows) == limit or size > MAX_BYTES:
                    return Rows(columns, rows, more=True)
                rows.append(tuple(f"<{len(cell)} bytes>" if isinstance(cell, bytes) else cell for cell in row))
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise SqlError(f"sql: {_explain(str(error), seconds)}") from error
    return Rows(columns, rows, more=False)


def _open(index: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True)
        connection.create_function("points_of", 1, _points, deterministic=True)
        for name, view in _VIEWS.items():
            connection.execute(f"CREATE TEMP VIEW {name} AS {view}")
        connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")  # made at first use, as if by CREATE
        connection.execute("PRAGMA query_only = 1")
    except sqlite3.Error as error:
        raise SqlError(f"{index}: cannot be read: {error}") from error
    for what, most in (
        (sqlite3.SQLITE_LIMIT_LENGTH, 2**20),  # a text that the statement itself makes
        (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    ):
        connection.setlimit(what, most)
    connection.set_authorizer(_authorize)
    return connection


def _authorize(action: int, *names: str | None) -> int:
    allowed = action in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and names[1] != "load_extension")
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _points(chunk: bytes) -> str:
    """A chunk as JSON {step: value}; NaN is null, since SQL has none."""
    from headway.store.index.chunks import decode

    steps, values = decode(chunk)
    text = json.dumps(dict(zip(steps.tolist(), values.tolist(), strict=True)))
    return text.replace("NaN", "null").replace("Infinity", "9e999")


def _explain(error: str, seconds: float) -> str:
    if error == "interrupted":
        return f"took longer than {seconds:g} s; narrow it down by WHERE run = ... AND metric = ..."
    if any(sign in error for sign in _REFUSED):
        return "only SELECT is allowed here"
    if error.startswith("no such table"):
        return f"{error}; there are {', '.join(_VIEWS)}"
    if "one statement at a time" in error:
        return "one SELECT at a time"
    return " ".join(error.split())
