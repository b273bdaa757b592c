"""Which runs match a filter, in order, and their rows of the table."""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from headway.store.filters import FilterError, Key, Order, keys_of, parse, parse_key, parse_sort, unknown_key
from headway.store.index.cells import Cell, column
from headway.store.index.conditions import Sql, condition, order_by

MAX_COLUMNS = 500
_SUGGESTED = 5000  # names looked at for a "did you mean"


@dataclass(frozen=True)
class Row:
    """One run; `cells` are the values of the columns asked for. Times are ISO texts, `seconds` are spent training."""

    id: str
    name: str | None
    project: str
    status: str
    tags: list[str]
    notes: str | None
    archived: bool
    created_at: str
    seconds: float | None
    step: int | None
    steps: int | None
    seed: int | None
    recipe: str | None
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """`total`: runs that the filter lets through; `all`: runs in the store; `rows`: the part asked for."""

    total: int
    all: int
    columns: list[str]
    rows: list[Row]


@dataclass(frozen=True)
class Asked:
    """A filter and a sort order, parsed and checked against the names in the index, as SQL."""

    where: Sql
    order: Sql
    orders: tuple[Order, ...]


def ask(connection: sqlite3.Connection, filter: str = "", sort: str = "", archived: bool = False) -> Asked:
    """Raises FilterError, also for a key that no run has."""
    tree, orders = parse(filter), parse_sort(sort)
    _check(connection, [*keys_of(tree), *(order.key for order in orders)])
    where = condition(tree, time.time())
    if not archived and all(key.name != "archived" for key in keys_of(tree)):
        where = Sql(f"runs.archived = 0 AND {where.text}", where.values)
    return Asked(where, order_by(orders), tuple(orders))


def columns_of(connection: sqlite3.Connection, columns: Sequence[str]) -> list[Key]:
    """Raises FilterError for what is no key or is in no run, and for more than 500 columns."""
    if len(columns) > MAX_COLUMNS:
        raise FilterError(f"{len(columns)} columns; at most {MAX_COLUMNS}", 0)
    keys = [parse_key(column) for column in columns]
    _check(connection, keys)
    return keys


def matching(connection: sqlite3.Connection, asked: Asked) -> list[int]:
    """Row keys of all runs that the filter lets through, in order."""
    statement = f"SELECT runs.key FROM runs WHERE {asked.where.text} ORDER BY {asked.order.text}"
    return [key for (key,) in connection.execute(statement, asked.where.values + asked.order.values)]


def ids(connection: sqlite3.Connection, asked: Asked, limit: int | None = None) -> list[str]:
    statement = f"SELECT runs.id FROM runs WHERE {asked.where.text} ORDER BY {asked.order.text} LIMIT ?"
    values = (*asked.where.values, *asked.order.values, -1 if limit is None else limit)
    return [run for (run,) in connection.execute(statement, values)]


def table(
    connection: sqlite3.Connection, asked: Asked, columns: Sequence[str] = (), offset: int = 0, limit: int | None = None
) -> Table:
    """Rows `offset` to `offset + limit` of the runs that match. Raises FilterError for a column that no run has."""
    wanted = columns_of(connection, columns)
    keys = matching(connection, asked)
    page = keys[offset:] if limit is None else keys[offset : offset + limit]
    (every,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    cells = [column(connection, key, page) for key in wanted]
    statement = (
        "SELECT key, id, name, project, status, tags, notes, archived, created_at, seconds, step, steps, seed, recipe"
        " FROM runs WHERE key IN (SELECT value FROM json_each(?))"
    )
    found = {key: fields for key, *fields in connection.execute(statement, [json.dumps(page)])}
    rows = [
        _row(found[key], [values.get(key) for values in cells])
        for key in page
        if key in found  # else deleted between the two statements
    ]
    return Table(len(keys), every, list(columns), rows)


def _row(fields: Sequence[Any], cells: list[Cell]) -> Row:
    run, name, project, status, tags, notes, archived, created_at, seconds, step, steps, seed, recipe = fields
    labels = json.loads(tags or "[]")
    return Row(
        *(run, name, project, status, labels, notes, bool(archived), created_at),
        *(seconds, step, steps, seed, recipe, cells),
    )


def _check(connection: sqlite3.Connection, keys: Iterable[Key]) -> None:
    """Raise FilterError for a key that no run has; of an empty index nothing is known yet."""
    for key in keys:
        if key.kind != "field" and not _exists(connection, key) and _exists(connection, None):
            known = [_names(connection, source) for source in ("config", "metrics")]
            raise unknown_key(key, *known)


def _exists(connection: sqlite3.Connection, key: Key | None) -> bool:
    if key is None:
        return connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None
    source = "config" if key.kind == "config" else "metrics"
    statement = f"SELECT 1 FROM {source} WHERE key = (SELECT id FROM names WHERE name = ?) LIMIT 1"
    return connection.execute(statement, [key.name]).fetchone() is not None


def _names(connection: sqlite3.Connection, source: str) -> list[str]:
    statement = f"SELECT name FROM names WHERE id IN (SELECT key FROM {source}) LIMIT ?"
    return [name for (name,) in connection.execute(statement, [_SUGGESTED])]
