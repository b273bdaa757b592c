"""The table of a paper: groups of runs as rows, metrics as columns, what was tested, and how each number was made."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from headway.compare.columns import Column, column
from headway.compare.evidence import Evidence, asked_of, gather
from headway.compare.footnotes import Footnote, footnotes, letters
from headway.compare.verdict import Question
from headway.errors import RunError
from headway.store.filters import FIELDS, quoted
from headway.store.index.store import Store

SHORT = 12  # characters of a fingerprint


@dataclass(frozen=True)
class Source:
    """How a run was made. command: for a shell; commit, dirty: of the code; versions: of packages."""

    run: str
    row: str
    value: str
    seed: int | None
    status: str
    command: str
    commit: str | None
    dirty: bool
    versions: dict[str, str]


@dataclass(frozen=True)
class Report:
    """question: of the first column; its level, margin and correction are those of all. per: the key that columns are
    split by. letters: of the footnotes, by the reason why a cell is untested. command: what made the report.
    """

    question: Question
    per: str
    columns: list[Column]
    rows: list[str]
    letters: dict[str, str]
    footnotes: list[Footnote]
    sources: list[Source]
    command: str


def report(
    store: Store,
    metrics: Sequence[str],
    runs: Sequence[str] = (),
    filter: str = "",
    *,
    per: str = "",
    by: Sequence[str] = (),
    over: Sequence[str] = (),
    margin: float | None = None,
    level: float = 0.05,
    correction: Literal["holm", "bh"] = "holm",
    command: str = "",
) -> Report:
    """Of `runs`, in their order, or of all that match `filter`, the best of the first column first.

    Each metric is a column that is compared on its own. per: a field (project, data) or a configuration key, each of
    whose values has its own columns; a metric may then be missing in some. Groups of the same name are one row: that
    which their runs share, where it tells the groups of each column apart and `by` is not given, else the keys that
    differ. The other arguments and errors are those of study.study.
    """
    question = Question(metrics[0], level=level, margin=margin, correction=correction)
    parts, names, places = _parts(store, runs, filter, per)
    found: dict[tuple[str, str], Evidence | RunError] = {}
    for value, asked in parts.items():
        for metric in metrics:
            try:
                found[value, metric] = gather(store, metric, (), asked, by=by, over=over)
            except RunError as error:
                found[value, metric] = error
    for metric in metrics:
        _require([one for (_, of), one in found.items() if of == metric])
    shared = {} if by else _shared_names([one for one in found.values() if isinstance(one, Evidence)], names)
    columns = [
        column(one, value, question, shared, by)
        if isinstance(one, Evidence)
        else Column(metric, value, True, {}, [], None, [], [str(one)])
        for (value, metric), one in found.items()
    ]
    rows = list(dict.fromkeys(row for one in columns for row in one.cells))
    if places:
        rows.sort(key=lambda row: min(places.get(run, 0) for run in _runs(row, columns)))
    question = replace(question, higher_is_better=columns[0].higher_is_better)
    signs = letters(columns)
    told = footnotes(columns, rows, question, signs)
    return Report(question, per, columns, rows, signs, told, _sources(store, rows, columns), command)


def _require(found: Sequence[Evidence | RunError]) -> None:
    """Raises the first error where there is nothing else."""
    errors = [one for one in found if isinstance(one, RunError)]
    if len(errors) == len(found):
        raise errors[0]


def _parts(
    store: Store, runs: Sequence[str], filter: str, per: str
) -> tuple[dict[str, str], dict[str, str | None], dict[str, int]]:
    """A filter for each value of `per`, numbers in their order; each run's name; and its place among `runs`."""
    asked, archived, places = asked_of(store, runs) if runs else (filter, False, {})
    if archived:
        asked = f"({asked}) and archived in (true, false)"
    keys = _keys(store, asked, per) if per else []
    table = store.table(asked, "created", [key for key, _ in keys], limit=None)
    names = {row.id: row.name for row in table.rows}
    if not per:
        return {"": asked}, names, places
    if not names:
        raise RunError(f"no run matches {asked}" if asked else "there are no runs")
    parts = {}
    for row in sorted(table.rows, key=lambda row: [cell if isinstance(cell, int | float) else 0 for cell in row.cells]):
        value = ", ".join(_label(per, cell) for cell in row.cells)
        same = " and ".join(f"{key} = {_literal(cell)}" for (_, key), cell in zip(keys, row.cells, strict=True))
        parts[value] = f"({asked}) and {same}" if asked else same
    return parts, names, places


def _keys(store: Store, asked: str, per: str) -> list[tuple[str, str]]:
    """What `per` stands for, a section for all its keys that differ: as a column, and as in a filter."""
    if per in FIELDS:
        return [(per, per)]
    name = f"config.{per.removeprefix('config.')}"
    known = [key for key in store.keys(asked) if f"{key.key}.".startswith(f"{name}.")]
    if not known:
        raise RunError(
            f"no run has the field or configuration key {per[:100]!r}; give one such as project or data.path"
        )
    differing = [key.key for key in known if key.distinct > 1] or [known[0].key]
    return [(key, f"config.{quoted(key.removeprefix('config.'))}") for key in differing]


def _label(per: str, cell: Any) -> str:
    """A text speaks for itself, a number does not."""
    if cell is None or not isinstance(cell, str):
        return f"{per.rpartition('.')[2]} {'none' if cell is None else cell}"
    return cell[:SHORT] if per == "data" else cell


def _literal(cell: Any) -> str:
    if cell is None:
        return "null"
    if isinstance(cell, bool):
        return str(cell).lower()
    return quoted(cell) if isinstance(cell, str) else repr(cell)


def _shared_names(found: Sequence[Evidence], names: Mapping[str, str | None]) -> dict[str, str]:
    """A run's id to its name, where all runs of a group have the same, and no other group of the column has it."""
    for evidence in found:
        every = [{names.get(run) for run in (*group.ids, *group.missing)} for group in evidence.groups]
        if any(len(one) != 1 or not all(one) for one in every) or len(set().union(*every)) < len(every):
            return {}
    return {run: name for run, name in names.items() if name}


def _sources(store: Store, rows: Sequence[str], columns: Sequence[Column]) -> list[Source]:
    """Of every run that is in a cell, row by row."""
    return [_source(store, run, row, value) for row in rows for run, value in _runs(row, columns).items()]


def _runs(row: str, columns: Sequence[Column]) -> dict[str, str]:
    """Ids of the runs in the cells of a row, and the value whose columns they are in."""
    return {run: one.value for one in columns if row in one.cells for run in one.cells[row].runs}


def _source(store: Store, run: str, row: str, value: str) -> Source:
    opened = store.run(run)
    git, versions = opened.meta.get("git") or {}, opened.meta.get("versions") or {}
    return Source(
        *(run, row, value, opened.meta.get("seed"), opened.status),
        command=shlex.join(["headway", "train", *opened.overrides]),
        commit=git.get("commit"),
        dirty=git.get("dirty") is True,
        versions={str(name): str(version) for name, version in versions.items()},
    )
