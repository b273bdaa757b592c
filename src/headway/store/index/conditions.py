"""From the syntax tree of a filter to a condition on the table `runs`. What a user typed is a parameter, always."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.store.filters import FIELDS, AnyOf, Compare, Exists, FilterError, Key, Not, Order, Search, Tree, Value
from headway.store.layout import STATUSES

MAX_PATTERN = 200  # characters to look for; the time of a match grows with them, not with the wildcards
ALWAYS = "1"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_LIKE = "LIKE ? ESCAPE '\\'"
_NAME = "(SELECT id FROM names WHERE name = ?)"


@dataclass(frozen=True)
class Sql:
    """A part of a statement, and what its question marks stand for."""

    text: str
    values: tuple[str | float, ...] = ()


def condition(tree: Tree, now: float) -> Sql:
    """True (1) or false (0), never null, for a row of `runs`; `now` (unix seconds) is what times ago count from.

    Raises FilterError where a value does not suit its key.
    """
    if isinstance(tree, Search):
        return Sql(f"(runs.search {_LIKE}) IS TRUE", (_pattern(tree.text, lower=True),))
    if isinstance(tree, Exists):
        missing = _missing(tree.key)
        return Sql(f"NOT {missing.text}", missing.values)
    if isinstance(tree, Not):
        inner = condition(tree.item, now)
        return Sql(f"NOT {inner.text}", inner.values)
    if isinstance(tree, Compare):
        return _compare(tree.key, tree.operator, tree.value, now)
    joined = " OR " if isinstance(tree, AnyOf) else " AND "
    return _join(joined, [condition(item, now) for item in tree.items]) if tree.items else Sql(ALWAYS)


def order_by(orders: Sequence[Order]) -> Sql:
    """The terms of ORDER BY: numbers before texts, runs without a value last, then the newest first."""
    terms: list[str] = []
    values: list[str | float] = []
    for order in orders:
        direction = "DESC" if order.descending else "ASC"
        for column in expressions(order.key):
            terms.append(f"{column.text} {direction} NULLS LAST")
            values += column.values
    return Sql(", ".join([*terms, "runs.id DESC"]), tuple(values))


def expressions(key: Key) -> list[Sql]:
    """What to sort by for one key."""
    if key.kind == "field":
        return [Sql(_column(key))]
    columns = ("number", "text") if key.kind == "config" else (_aggregate(key),)
    table = "config" if key.kind == "config" else "metrics"
    return [
        Sql(f"(SELECT {column} FROM {table} WHERE run = runs.key AND key = {_NAME})", (key.name,)) for column in columns
    ]


def _compare(key: Key, operator: str, value: Value, now: float) -> Sql:
    if value.is_null:
        if operator != "=":
            raise FilterError("null can only be compared with = and !=", value.position)
        return _missing(key)
    if key.kind == "config":
        return _compare_config(key, operator, value)
    if key.kind == "metric":
        if value.number is None or operator == "~":
            raise FilterError(f"{key.name} is compared with a number by = != < <= > >=", value.position)
        within = f"SELECT run FROM metrics WHERE key = {_NAME} AND {_aggregate(key)} {operator} ?"
        return Sql(f"(runs.key IN ({within}))", (key.name, value.number))
    return _compare_field(key, operator, value, now)


def _compare_config(key: Key, operator: str, value: Value) -> Sql:
    found: Sql
    if operator == "~":
        found = Sql(f"text {_LIKE}", (_pattern(value),))
    elif value.number is not None:
        found = Sql(f"number {operator} ?", (value.number,))
    else:
        found = Sql(f"text {operator} ?", (value.text,))
    return Sql(
        f"(runs.key IN (SELECT run FROM config WHERE key = {_NAME} AND {found.text}))", (key.name, *found.values)
    )


def _compare_field(key: Key, operator: str, value: Value, now: float) -> Sql:
    column, (_, kind) = _column(key), FIELDS[key.name]
    if kind == "tags":
        if operator not in ("=", "~"):
            raise FilterError("tag is compared by = != ~ !~ in", value.position)
        test, text = ("= ?", value.text) if operator == "=" else (_LIKE, _pattern(value))
        return Sql(f"EXISTS (SELECT 1 FROM json_each({column}) WHERE json_each.value {test})", (text,))
    if kind == "text":
        if key.name == "status" and operator == "=" and value.text not in STATUSES:
            raise FilterError(f"no status {value.text[:60]}; there are {', '.join(STATUSES)}", value.position)
        if operator == "~":
            return Sql(f"({column} {_LIKE}) IS TRUE", (_pattern(value),))
        return Sql(f"({column} {operator} ?) IS TRUE", (value.text,))
    if operator == "~":
        raise FilterError(f"{key.name} is compared by = != < <= > >= in", value.position)
    if kind == "time":
        return _compare_time(column, operator, value, now)
    number = {"true": 1.0, "false": 0.0}.get(value.text) if kind == "flag" else value.number
    if kind == "duration" and number is None:
        number = _amount(value)
    if number is None:
        wanted = {"flag": "true or false", "duration": "seconds, or a time such as 90s, 30m, 2h"}.get(kind, "a number")
        raise FilterError(f"{key.name} is compared with {wanted}", value.position)
    return Sql(f"({column} {operator} ?) IS TRUE", (number,))


def _compare_time(column: str, operator: str, value: Value, now: float) -> Sql:
    """A date stands for all of its day, a time for its second: `= 2026-11-22` is any time of that day."""
    ago = _amount(value)
    try:
        begin = datetime.fromtimestamp(now - ago) if ago is not None else datetime.fromisoformat(value.text)
        length = timedelta(days=1) if len(value.text) == len("2026-11-22") else timedelta(seconds=1)
        start, end = begin.timestamp(), (begin + length).timestamp()
    except (ValueError, OverflowError, OSError):
        raise FilterError(
            "created is compared with a date (2026-11-22), a time (2026-11-22T09:30) or a time ago (12h, 7d)",
            value.position,
        ) from None
    if operator == "=":
        if ago is not None:
            raise FilterError("a time ago is compared by < <= > >=", value.position)
        return Sql(f"({column} >= ? AND {column} < ?) IS TRUE", (start, end))
    bound = start if ago is not None or operator in ("<", ">=") else end
    return Sql(f"({column} {operator[0].replace('>', '>=')} ?) IS TRUE", (bound,))


def _missing(key: Key) -> Sql:
    """Whether a run has no value of `key`."""
    if key.kind == "field":
        column = _column(key)
        return Sql(f"({column} IS NULL OR {column} = '[]')" if key.name == "tag" else f"({column} IS NULL)")
    table, present = (
        ("config", "text != 'null'") if key.kind == "config" else ("metrics", f"{_aggregate(key)} NOT NULL")
    )
    return Sql(f"(runs.key NOT IN (SELECT run FROM {table} WHERE key = {_NAME} AND {present}))", (key.name,))


def _join(word: str, parts: Sequence[Sql]) -> Sql:
    return Sql(f"({word.join(part.text for part in parts)})", tuple(value for part in parts for value in part.values))


def _column(key: Key) -> str:
    return f'runs."{FIELDS[key.name][0]}"'


def _aggregate(key: Key) -> str:
    return f'"{key.aggregate}"'  # one of AGGREGATES, never what a user typed


def _pattern(value: Value, lower: bool = False) -> str:
    """For LIKE: anywhere in the text, with * for anything."""
    if len(value.text) > MAX_PATTERN:
        raise FilterError(f"{len(value.text)} characters to look for; at most {MAX_PATTERN}", value.position)
    text = re.sub(r"([\\%_])", r"\\\1", value.text.lower() if lower else value.text)
    return "%" + re.sub(r"\*+", "%", text) + "%"


def _amount(value: Value) -> float | None:
    """Seconds of "90s", "30m", "12h", "7d" or "2w"; None for anything else."""
    match = _AMOUNT.fullmatch(value.text)
    return float(match[1]) * _UNITS[match[2]] if match else None
