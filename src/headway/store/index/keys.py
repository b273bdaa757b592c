"""Which configuration keys differ between runs, and which metrics there are."""

import heapq
import json
import sqlite3
from dataclasses import dataclass
from typing import Literal

from headway.store.index.cells import Cell, plain
from headway.store.index.queries import Asked, matching

SHOWN_VALUES = 8  # of one configuration key, the most frequent


@dataclass(frozen=True)
class ConfigKey:
    """A configuration key ("config.optimizer.lr"), how many runs have it and in how many distinct values."""

    key: str
    kind: Literal["number", "text", "bool"]
    distinct: int
    runs: int
    values: list[Cell]


@dataclass(frozen=True)
class Metric:
    key: str
    runs: int
    mode: str  # "min" or "max": which is best


def config_keys(connection: sqlite3.Connection, asked: Asked) -> list[ConfigKey]:
    """Configuration keys of the matching runs: the one with the most distinct values first."""
    runs = matching(connection, asked)
    (every,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    names: dict[int, str] = {}
    counts: dict[int, list[tuple[int, str]]] = {}  # key -> (runs, text), of every text
    differing = []
    for key, name, have, least, most in connection.execute(_KEYS):
        names[key] = name
        if have == every and least == most:  # of most keys there is one value only, whatever the filter
            counts[key] = [(len(runs), least)] if runs else []
        else:
            differing.append(key)
    chosen = "" if len(runs) == every else "AND run IN (SELECT value FROM json_each(:runs))"
    parameters = {"keys": json.dumps(differing), "runs": json.dumps(runs)}
    for key, text, have in connection.execute(_COUNTS.format(chosen), parameters):
        counts.setdefault(key, []).append((have, text))
    found = [_config_key(connection, key, names[key], texts) for key, texts in counts.items() if texts]
    return sorted(found, key=lambda item: (-item.distinct, item.key))


# key, name, runs, smallest and largest text of each key: a few seeks a key, where GROUP BY would read every row
_KEYS = """WITH RECURSIVE each(key) AS (
    SELECT min(key) FROM config
    UNION ALL SELECT (SELECT min(key) FROM config WHERE config.key > each.key) FROM each WHERE each.key NOT NULL)
    SELECT key, (SELECT name FROM names WHERE id = each.key), (SELECT count(*) FROM config WHERE config.key = each.key),
    (SELECT min(text) FROM config WHERE config.key = each.key),
    (SELECT max(text) FROM config WHERE config.key = each.key) FROM each WHERE key NOT NULL"""
_COUNTS = """SELECT key, text, count(*) FROM config INDEXED BY config_text
    WHERE key IN (SELECT value FROM json_each(:keys)) {} GROUP BY key, text"""


def _config_key(connection: sqlite3.Connection, key: int, name: str, texts: list[tuple[int, str]]) -> ConfigKey:
    values: list[Cell] = []
    for _, text in heapq.nlargest(SHOWN_VALUES, texts):
        [number] = connection.execute("SELECT number FROM config WHERE key = ? AND text = ? LIMIT 1", (key, text))
        values.append(plain(text, *number))
    kinds = {bool: "bool", int: "number", float: "number"}
    kind = {kinds.get(type(value), "text") for value in values if value is not None}
    return ConfigKey(
        key=f"config.{name}",
        kind=kind.pop() if len(kind) == 1 else "text",  # type: ignore[arg-type]
        distinct=len(texts),
        runs=sum(have for have, _ in texts),
        values=sorted(values, key=lambda value: (isinstance(value, str), value is None, value)),
    )


def metric_keys(connection: sqlite3.Connection, asked: Asked) -> list[Metric]:
    """Metrics of the matching runs by name; the mode is the one that most of them use."""
    rows = connection.execute(
        "SELECT names.name, metrics.mode, count(*) FROM metrics JOIN names ON names.id = metrics.key"
        " WHERE run IN (SELECT value FROM json_each(?)) GROUP BY metrics.key, metrics.mode",
        [json.dumps(matching(connection, asked))],
    )
    modes: dict[str, dict[str, int]] = {}
    for name, mode, runs in rows:
        modes.setdefault(name, {})[mode or "max"] = runs
    return [Metric(name, sum(of.values()), max(of, key=lambda mode: of[mode])) for name, of in sorted(modes.items())]
