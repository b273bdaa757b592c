"""One column of the table: the values of a field, a configuration key or a metric, by row key of the run."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from headway.store.filters import FIELDS, Key

MANY = 1000  # runs; of more, a column is read from end to end

Cell = str | float | int | bool | None


def column(connection: sqlite3.Connection, key: Key, runs: Sequence[int]) -> dict[int, Cell]:
    """Row key -> value of `key`, at least of those `runs` that have one."""
    if key.kind == "field":
        statement = f'SELECT key, "{FIELDS[key.name][0]}" FROM runs'
        if len(runs) > MANY:
            rows = connection.execute(statement)
        else:
            rows = connection.execute(f"{statement} WHERE key IN (SELECT value FROM json_each(?))", [json.dumps(runs)])
        convert = _CONVERT.get(key.name)
        return {run: convert(value) if convert else value for run, value in rows if value is not None}
    if key.kind == "metric":
        return _cells(connection, "metrics", key.aggregate, key.name, runs, indexed=key.aggregate == "best")
    texts = _cells(connection, "config", "text", key.name, runs, indexed=True)
    numbers = _cells(connection, "config", "number", key.name, runs, indexed=True)
    return {run: plain(text, numbers.get(run)) for run, text in texts.items()}


def _cells(
    connection: sqlite3.Connection, source: str, column: str, name: str, runs: Sequence[int], *, indexed: bool
) -> dict[int, Any]:
    """One column of config or metrics. Of many runs, an index that holds the column is read from end to end."""
    statement = f'SELECT run, "{column}" FROM {source} WHERE key = (SELECT id FROM names WHERE name = ?)'
    statement += f' AND "{column}" NOT NULL'
    if indexed and len(runs) > MANY:
        return dict(connection.execute(statement, [name]))
    statement += " AND run IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(statement, [name, json.dumps(runs)]))


@lru_cache(4096)
def _joined(tags: str) -> str:
    return ", ".join(json.loads(tags))


def plain(text: str, number: float | None) -> Cell:
    """A configuration value as it was: the text says whether it is whole, the number that it is one."""
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    if number is None:
        return text
    return int(number) if text.lstrip("-").isdigit() and abs(number) < 2**53 else number


_CONVERT: dict[str, Callable[[Any], Cell]] = {"tag": _joined, "archived": bool}
