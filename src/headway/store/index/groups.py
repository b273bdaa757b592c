"""Runs that agree in something, as one row: the mean over seeds is what experiments are compared by."""

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from headway.store.index.cells import Cell, column
from headway.store.index.queries import Asked, columns_of, matching

_NOT_OF_RECIPE = ("seed=", "name=", "tags=", "notes=", "runs_dir=")  # overrides that make no other recipe


@dataclass  # not frozen: 0.6 instead of 2.4 us each, and a table of groups holds ten thousands
class Spread:
    """A number over the runs of a group that have it; `sd` is the sample's (n - 1), None for one run."""

    n: int
    mean: float
    sd: float | None
    min: float
    max: float


@dataclass
class Shared:
    """A value, not a number, that all runs of a group have; None: none of them has one."""

    value: Cell


@dataclass(frozen=True)
class Group:
    """Runs that agree in `key`, a list of (column, value); one cell per column, None where texts differ."""

    key: list[tuple[str, Cell]]
    title: str
    n: int
    statuses: dict[str, int]
    ids: list[str]
    cells: list[Spread | Shared | None]


def group_runs(
    connection: sqlite3.Connection, asked: Asked, columns: Sequence[str], by: Sequence[str] | Literal["recipe"]
) -> list[Group]:
    """Matching runs grouped by equal values of `by`; "recipe" groups those that differ in the seed only.

    Groups are ordered by the sort keys: a number counts with its mean over the group, a text with the first run's.
    """
    by = ["recipe"] if by == "recipe" else list(by)
    runs = matching(connection, asked)
    split = [column(connection, key, runs) for key in columns_of(connection, by)]
    cells = [column(connection, key, runs) for key in columns_of(connection, columns)]
    ranks = [column(connection, order.key, runs) for order in asked.orders]
    about = {key: (run, status) for key, run, status in connection.execute("SELECT key, id, status FROM runs")}
    members: dict[tuple[tuple[type, Cell], ...], list[int]] = {}  # with types, for True == 1
    for run in runs:
        if run in about:  # else deleted since
            place = tuple((type(values.get(run)), values.get(run)) for values in split)
            members.setdefault(place, []).append(run)
    titles = _recipes(connection, [mine[0] for mine in members.values()]) if by == ["recipe"] else {}
    found: list[tuple[list[Any], Group]] = []
    for common, mine in members.items():
        key = [(name, value) for name, (_, value) in zip(by, common, strict=True)]
        title = titles.get(mine[0]) or _title(key)
        statuses = dict(Counter(about[run][1] for run in mine))
        shown = [_summarise([values.get(run) for run in mine]) for values in cells]
        group = Group(key, title, len(mine), statuses, [about[run][0] for run in mine], shown)
        found.append(([_rank([values.get(run) for run in mine]) for values in ranks], group))
    for at, order in reversed(list(enumerate(asked.orders))):
        known = sorted((pair for pair in found if pair[0][at] is not None), key=_rank_at(at), reverse=order.descending)
        found = known + [pair for pair in found if pair[0][at] is None]
    return [group for _, group in found]


def _numbers(values: Iterable[Cell]) -> list[float] | None:
    """The values that are there, where all of them are numbers."""
    present: list[Any] = [value for value in values if value is not None]
    return present if present and set(map(type, present)) <= {int, float} else None


def _summarise(values: Sequence[Cell]) -> Spread | Shared | None:
    numbers = _numbers(values)
    if numbers is None:
        return Shared(values[0]) if len(set(values)) == 1 else None
    n, mean = len(numbers), math.fsum(numbers) / len(numbers)
    sd = math.sqrt(math.fsum([(number - mean) ** 2 for number in numbers]) / (n - 1)) if n > 1 else None
    return Spread(n, mean, sd, min(numbers), max(numbers))


def _rank_at(at: int) -> Callable[[tuple[list[Any], Group]], Any]:
    return lambda pair: pair[0][at]


def _rank(values: Sequence[Cell]) -> tuple[bool, Any] | None:
    """What a group is sorted by: (is text, mean or first text); None where no run has a value."""
    numbers = _numbers(values)
    if numbers is not None:
        return False, math.fsum(numbers) / len(numbers)
    return next(((True, str(value)) for value in values if value is not None), None)


def _title(key: Sequence[tuple[str, Cell]]) -> str:
    """ "optimizer.lr 3e-05, model.path bert"; the value alone where it needs no name."""
    shown = [(name.removeprefix("config."), "none" if value is None else str(value)) for name, value in key]
    return ", ".join(f"{name} {value}" for name, value in shown)


def _recipes(connection: sqlite3.Connection, runs: Sequence[int]) -> dict[int, str]:
    """What was asked for on the command line, without what runs of one recipe may differ in."""
    statement = "SELECT key, name, overrides FROM runs WHERE key IN (SELECT value FROM json_each(?))"
    titles = {}
    for run, name, overrides in connection.execute(statement, [json.dumps(runs)]):
        asked = [item for item in json.loads(overrides or "[]") if not item.startswith(_NOT_OF_RECIPE)]
        titles[run] = " ".join(asked) or name or "the defaults"
    return titles
