"""Runs to groups: those that differ only in their seed are one recipe, and what sets two recipes apart is said."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.errors import RunError
from headway.store.index.describe import NOT_IN_RECIPE

MOST_KEYS = 4  # of a name
MOST_NAME = 60  # characters
TARGET = "_target_"
MISSING = "none"  # how a key that a run does not have is written, as null is


@dataclass(frozen=True)
class Record:
    """What grouping asks of a run. config: flat, "optimizer.lr" to a plain value; keys that all runs share may be left
    out. data: the fingerprint. has_value: whether the metric was measured.
    """

    id: str
    config: Mapping[str, Any]
    seed: int | None = None
    data: str | None = None
    has_value: bool = True


@dataclass(frozen=True)
class Group:
    """Runs that count as repeats of one thing. Lists go together, oldest run first.

    config: of each key that differs somewhere among all groups, the values in this one. missing: runs without the
    metric. repeats: runs whose recipe and seed a later run has too; only the latest counts.
    """

    name: str
    ids: list[str]
    seeds: list[int | None]
    data: list[str | None]
    config: dict[str, list[str]]
    missing: list[str]
    repeats: list[str]


def groups_of(records: Sequence[Record], by: Sequence[str] = (), over: Sequence[str] = ()) -> list[Group]:
    """Groups of runs that agree in `by`; without it, in everything but the seed, what names a run, and `over`.

    Keys are dotted, and a section stands for all its keys: "model". Ordered by their first runs.
    RunError: a key that no run has.
    """
    records = sorted(records, key=lambda record: record.id)
    by, over = ([key.removeprefix("config.") for key in keys] for keys in (by, over))
    known = list(dict.fromkeys(key for record in records for key in record.config))
    for key in (*by, *over):
        _require(key, known)
    differing = [key for key in known if len({_text(record, key) for record in records}) > 1]
    recipe = [key for key in differing if key not in NOT_IN_RECIPE]
    split = [key for key in differing if _within(key, by)] if by else [key for key in recipe if not _within(key, over)]
    members: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        members.setdefault(tuple(_text(record, key) for key in split), []).append(record)
    own = [] if by else _own_names(list(members.values()))
    names = own or _names(split, list(members))
    return [_group(name, mine, recipe) for name, mine in zip(names, members.values(), strict=True)]


def confounds(groups: Sequence[Group], key: str | Sequence[str]) -> list[str]:
    """In words: what groups differ in beside `key` (keys, sections), so that a difference may not come of that."""
    under_study = [one.removeprefix("config.") for one in ([key] if isinstance(key, str) else key)]
    return [
        f"{_short(other)} differs too ({_values(groups, other)})"
        for other in _differing(groups)
        if not _within(other, under_study)
    ]


def several(groups: Sequence[Group]) -> list[str]:
    """In words, where groups differ in more than one thing: which ones. Nothing where it is one."""
    keys = _differing(groups)
    if len(keys) < 2:
        return []
    listed = ", ".join(_short(key) for key in keys[:MOST_KEYS]) + (", ..." if len(keys) > MOST_KEYS else "")
    return [f"groups that differ in {len(keys)} things ({listed}) do not tell which of these makes the difference"]


def pooled(group: Group) -> list[str]:
    """In words: keys in which the runs of a group differ, which count as if they were seeds."""
    mixed = [key for key, values in group.config.items() if len(set(values)) > 1]
    if not mixed:
        return []
    listed = ", ".join(f"{_short(key)} {' and '.join(sorted(set(group.config[key])))}" for key in mixed[:MOST_KEYS])
    return [f"{group.name} takes together runs that differ in more than the seed ({listed})"]


def _group(name: str, mine: Sequence[Record], recipe: Sequence[str]) -> Group:
    latest = {}
    for record in mine:
        if record.has_value:
            same = tuple(_text(record, key) for key in recipe)
            latest[same, record.id if record.seed is None else record.seed] = record
    kept = sorted(latest.values(), key=lambda record: record.id)
    used = {record.id for record in kept}
    return Group(
        name,
        [record.id for record in kept],
        [record.seed for record in kept],
        [record.data for record in kept],
        {key: [_text(record, key) for record in kept or mine] for key in recipe},
        [record.id for record in mine if not record.has_value],
        [record.id for record in mine if record.has_value and record.id not in used],
    )


def _differing(groups: Sequence[Group]) -> list[str]:
    """Keys whose values are not the same ones, equally often, in all groups; of a section of another class, that."""
    keys = dict.fromkeys(key for group in groups for key in group.config)
    found = [key for key in keys if len({_shares(group.config.get(key, [])) for group in groups}) > 1]
    return _telling(found)


def _shares(values: Sequence[str]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted((value, values.count(value) / len(values)) for value in set(values)))


def _telling(keys: Sequence[str]) -> list[str]:
    """Without the keys of a section whose class differs: another model has other settings."""
    sections = [key.removesuffix(TARGET) for key in keys if key.endswith(f".{TARGET}")]
    return [key for key in keys if key.endswith(TARGET) or not key.startswith(tuple(sections))]


def _own_names(members: Sequence[Sequence[Record]]) -> list[str]:
    """What the runs were called, with their projects where names alone do not tell the groups apart; nothing where
    neither does.
    """
    for keys in (("name",), ("project", "name")):
        every = [{tuple(record.config.get(key) for key in keys) for record in mine} for mine in members]
        own = ["/".join(map(str, parts)) for names in every for parts in names if all(parts)]
        if all(len(names) == 1 for names in every) and len({*own}) == len(members):
            return own
    return []


def _names(split: Sequence[str], members: Sequence[Sequence[str]]) -> list[str]:
    """What sets each apart: "lr 0.001, dropout 0.3"; numbered where that is cut or not enough."""
    if not split:
        return ["all runs"] * len(members)
    shown = _telling(split)
    places = [split.index(key) for key in shown]
    last = [_short(key) for key in shown]
    labels = [key if last.count(short) > 1 else short for key, short in zip(shown, last, strict=True)]
    names = []
    for values in members:
        parts = [_labelled(label, values[place]) for label, place in zip(labels, places, strict=True)]
        name = ", ".join(parts[:MOST_KEYS]) + (", ..." if len(parts) > MOST_KEYS else "")
        names.append(name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…")
    counts = [(names.count(name), names[: at + 1].count(name)) for at, name in enumerate(names)]
    return [name if of == 1 else f"{name} ({number})" for name, (of, number) in zip(names, counts, strict=True)]


def _labelled(label: str, value: str) -> str:
    return value.rpartition(".")[2] if label.endswith(" class") else value if label == "name" else f"{label} {value}"


def _short(key: str) -> str:
    section, _, last = key.rpartition(".")
    return f"{section} class" if last == TARGET else last


def _values(groups: Sequence[Group], key: str) -> str:
    listed = [f"{' and '.join(sorted(set(group.config.get(key, [MISSING]))))} in {group.name}" for group in groups[:4]]
    return ", ".join(listed) + (", ..." if len(groups) > 4 else "")


def _text(record: Record, key: str) -> str:
    value = record.config.get(key)
    return MISSING if value is None else str(value)


def _within(key: str, wanted: Sequence[str]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in wanted)


def _require(key: str, known: Sequence[str]) -> None:
    if any(_within(one, [key]) for one in known):
        return
    near = difflib.get_close_matches(key[:100], known, n=1)
    hint = f"did you mean {near[0]}?" if near else "`headway show RUN --json` lists a run's keys"
    raise RunError(f"no run has the configuration key {key[:100]!r}; {hint}")
