"""What a comparison rests on: groups of runs, their values of one metric, and the predictions that it can be computed
from again.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from headway.compare.groups import Group, Record, groups_of
from headway.compare.leaderboard import MOST_PAIRED
from headway.compare.measures import Measure, measures_of
from headway.errors import RunError
from headway.store import layout
from headway.store.filters import Key, parse_key, quoted
from headway.store.find import find_run
from headway.store.index.queries import MAX_COLUMNS
from headway.store.index.store import Store
from headway.store.predictions import read_predictions

MOST_RUNS = 100  # whose predictions are read
MOST_ROWS = 5_000_000  # of predictions in memory, of all runs together
LEAST_EXAMPLES = 20  # that a bootstrap means anything of
AGREEMENT = 1e-4  # relative: single precision in the history, double in predictions
_READ = {  # columns that measures are made of; texts stay on disk
    *("id", "gold", "prediction", "confidence", "loss", "scores", "question"),
    *("tokens", "bytes", "masked", "correct", "pairs", "in_order"),
}
_AT_ONCE = 400  # runs in one statement


@dataclass(frozen=True)
class Measured:
    """A run's value of the metric, and the steps at which it was that."""

    value: float
    steps: tuple[int, ...]
    mode: str


@dataclass(frozen=True)
class Evidence:
    """groups: in the order in which their runs were named. By run: measured, of all of them; of those whose predictions
    can be paired, measures (rows in the order of the examples' ids, the same examples where digests are equal), digests
    (of ids and gold answers) and steps (at which they were made). notes: why predictions are not used, and what checks
    of the data found in the split.
    """

    metric: str
    split: str
    higher_is_better: bool
    groups: list[Group]
    measured: dict[str, Measured]
    measures: dict[str, Measure]
    digests: dict[str, str]
    steps: dict[str, int]
    statuses: dict[str, str]
    notes: list[str]


def gather(
    store: Store,
    metric: str,
    runs: Sequence[str] = (),
    filter: str = "",
    *,
    by: Sequence[str] = (),
    over: Sequence[str] = (),
) -> Evidence:
    """Of `runs` (references, or names that several runs share) or of all that match `filter`.

    metric: "test/accuracy" is each run's best value by its own mode, "last(test/accuracy)" the last. by, over: as
    groups.groups_of. RunError: no such runs, keys or metric. FilterError: a filter or metric that is none.
    """
    key = parse_key(metric)
    if key.kind != "metric":
        raise RunError(f"{metric[:100]} is no metric; name one such as test/accuracy")
    asked, archived, places = asked_of(store, runs) if runs else (filter, False, {})
    records, statuses = _records(store, asked, archived, [*by, *over], places)
    measured = _measured(store, key, [record.id for record in records])
    if not measured:
        raise RunError(_no_metric(store, key, asked, archived, len(records)))
    records = [replace(record, has_value=record.id in measured) for record in records]
    groups = groups_of(records, by, over)
    groups.sort(key=lambda group: min(places.get(run, 0) for run in (*group.ids, *group.missing)))  # as they were named
    modes = Counter(one.mode for one in measured.values())
    split, _, name = key.name.rpartition("/")
    ids = [run for group in groups for run in group.ids]
    paired = _Paired({}, {}, {}, [])
    if len(ids) > MOST_RUNS or len(groups) > MOST_PAIRED:
        many = f"more than {MOST_PAIRED} groups or {MOST_RUNS} runs: tests are over seeds, predictions are not read"
        paired.notes.extend([many] if split else [])
    elif split:
        paired = _paired(store, split, name, ids, measured)
    paired.notes.extend(_checked(store, split, groups))
    if len(modes) > 1:
        paired.notes.append("runs disagree on whether the metric is better high or low; most of them decide")
    return Evidence(
        *(metric, split, modes.most_common(1)[0][0] == "max", groups, measured),
        *(paired.measures, paired.digests, paired.steps, statuses, paired.notes),
    )


def _checked(store: Store, split: str, groups: Sequence[Group]) -> list[str]:
    """What the checks before training found in the split that is compared on; each data set is asked once."""
    by_data = {data: run for group in groups for run, data in zip(group.ids, group.data, strict=True)}
    of_split = re.compile(rf"\b(of|and|in) {re.escape(split)}\b")
    found: dict[str, None] = {}
    for run in by_data.values():
        checks = (store.run(run).meta.get("data") or {}).get("checks") or {}
        found |= dict.fromkeys(f"data: {one}" for one in checks.get("warnings") or [] if split and of_split.search(one))
    return list(found)


def asked_of(store: Store, runs: Sequence[str]) -> tuple[str, bool, dict[str, int]]:
    """A filter that lets the named runs through, whether archived ones are to be let through too, and who named them.

    The last: a run's id to the place of its reference.
    """
    names, ids = [], []
    places: dict[str, int] = {}
    for place, reference in enumerate(dict.fromkeys(runs)):
        named = f"(name = {quoted(reference)} and archived = false)"
        found = store.ids(named)
        if len(found) > 1:
            names.append(named)
        else:
            found = [_find(store, reference)]
            store.path(found[0])  # raises where it lies elsewhere
            ids += found
        for run in found:
            places.setdefault(run, place)
    chosen = [f"id in ({', '.join(map(quoted, ids))})"] if ids else []
    return " or ".join([*names, *chosen]), not names, places


def _find(store: Store, reference: str) -> str:
    if store.ids(f"id = {quoted(reference)}", archived=True):  # else every folder is looked into
        return reference
    for root in store.roots[:-1]:
        try:
            return find_run(reference, root).id
        except RunError:  # the last root's is raised
            continue
    return find_run(reference, store.roots[-1]).id


def _records(
    store: Store, asked: str, archived: bool, named: Sequence[str], own: Container[str]
) -> tuple[list[Record], dict[str, str]]:
    """What groups are made of, with the keys that differ or are named, and each run's status.

    A reproduction is no further seed, and no newer run of its seed: it counts only where it is asked for by itself, as
    one of `own`.
    """
    wanted = tuple(name.removeprefix("config.") for name in named)
    keys = store.keys(asked, archived)
    every = max((key.runs for key in keys), default=0)
    columns = [
        key.key
        for key in keys
        if key.distinct > 1 or key.runs < every or f"{key.key}.".startswith(tuple(f"config.{one}." for one in wanted))
    ]
    found: dict[str, dict[str, Any]] = {}
    statuses, seeds, prints = {}, {}, {}
    for some in _batched(columns, MAX_COLUMNS - 1) or [[]]:
        for row in store.table(asked, "", ["data", *some], limit=None, archived=archived).rows:
            if layout.REPRODUCTION in row.tags and row.id not in own:
                continue
            data, *cells = row.cells
            found.setdefault(row.id, {}).update(
                zip((name.removeprefix("config.") for name in some), cells, strict=True)
            )
            statuses[row.id], seeds[row.id], prints[row.id] = row.status, row.seed, data
    if not found:
        raise RunError(f"no run matches {asked}" if asked else "there are no runs")
    shown = [
        Record(run, config, seeds[run], None if prints[run] is None else str(prints[run]))
        for run, config in found.items()
    ]
    return shown, statuses


def _measured(store: Store, key: Key, ids: Sequence[str]) -> dict[str, Measured]:
    """Of the runs that have a finite value."""
    found = {}
    name = key.name.replace("'", "''")
    for some in _batched(ids, _AT_ONCE):
        listed = ", ".join("'" + run.replace("'", "''") + "'" for run in some)
        query = (
            "SELECT run, mode, best, last, last_step, min, min_step, max, max_step FROM metrics "
            f"WHERE key = '{name}' AND run IN ({listed})"
        )
        for row in store.sql(query).rows:
            run, mode, best, last, last_step, low, low_step, high, high_step = row
            mode = str(mode or "max")
            at: dict[str, Any] = {"last": (last, last_step), "min": (low, low_step), "max": (high, high_step)}
            value, _ = (best, None) if key.aggregate == "best" else at[key.aggregate]
            if isinstance(value, int | float) and isfinite(value):
                order = dict.fromkeys([mode, "last"] if key.aggregate == "best" else [key.aggregate, "last"])
                steps = dict.fromkeys(int(at[one][1] or 0) for one in order if at[one][0] == value)
                found[str(run)] = Measured(float(value), tuple(steps), mode)
    return found


def _batched(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _no_metric(store: Store, key: Key, asked: str, archived: bool, runs: int) -> str:
    import difflib

    known = [metric.key for metric in store.metrics(asked, archived)]
    near = difflib.get_close_matches(key.name[:100], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:12]) or 'none'}"
    return f"none of {runs} runs has a finite value of {key.name[:100]}; {hint}"


@dataclass(frozen=True)
class _Paired:
    """What Evidence has of predictions."""

    measures: dict[str, Measure]
    digests: dict[str, str]
    steps: dict[str, int]
    notes: list[str]


def _paired(store: Store, split: str, name: str, ids: Sequence[str], measured: Mapping[str, Measured]) -> _Paired:
    """Of each run whose predictions were kept at the step of its value."""
    columns: dict[str, dict[str, dict[str, Any]]] = {}  # digest -> run -> columns
    steps: dict[str, int] = {}
    rows = 0
    for run in ids:
        found = _predictions(store, run, split, measured[run].steps)
        if found is not None:
            steps[run], digest, read = found
            columns.setdefault(digest, {})[run] = read
            rows += len(read["id"])
        if rows > MOST_ROWS:
            return _Paired({}, {}, {}, [f"predictions of more than {MOST_ROWS:,} examples: tests are over seeds alone"])
    measures: dict[str, Measure] = {}
    digests = {run: digest for digest, of in columns.items() for run in of}
    notes = []
    for of in columns.values():
        count = len(next(iter(of.values()))["id"])
        if count < LEAST_EXAMPLES:
            notes.append(f"predictions are of too few examples ({count}) to resample: tests are over seeds alone")
            continue
        try:
            every = dict(zip(of, measures_of(list(of.values())), strict=True))
        except ValueError as error:
            notes.append(f"predictions are not used: {error}")
            continue
        measures |= {run: one[name] for run, one in every.items() if name in one}
    if columns and not measures and not notes:
        notes.append(f"{name} cannot be computed again from predictions: tests are over seeds alone")
    off = [run for run, one in measures.items() if not _agree(one.estimate, measured[run].value)]
    if off:
        measures = {run: one for run, one in measures.items() if run not in off}
        notes.append(f"predictions of {len(off)} runs do not give the {name} that was logged, and are not used")
    if len(digests) < len(ids):
        notes.append(f"{len(ids) - len(digests)} of {len(ids)} runs kept no predictions of {split} at that step")
    return _Paired(measures, digests, steps, notes)


def _agree(computed: float, logged: float) -> bool:
    return abs(computed - logged) <= AGREEMENT * max(abs(logged), 1e-2)


def _predictions(store: Store, run: str, split: str, steps: Sequence[int]) -> tuple[int, str, dict[str, Any]] | None:
    """(step, digest of ids and gold answers, columns in the order of the ids); None where there are none to pair."""
    for step in steps:
        try:
            table = read_predictions(store.run(run), split, step)
        except RunError:  # kept at other steps only
            continue
        table = table.select([name for name in table.column_names if name in _READ])
        if "id" not in table.column_names:
            return None
        columns = table.sort_by("id").to_pydict()
        if len({*columns["id"]}) < len(columns["id"]):
            return None
        told = repr((columns["id"], columns.get("gold")))
        return step, hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest(), columns
    return None
